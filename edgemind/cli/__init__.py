"""The command line: parse, call, print. Logic lives in the rooms below.

A command's module imports only what its flags need; everything heavy is imported when the command runs, so that
``edgemind --help`` stays under a quarter of a second.
"""

from edgemind.cli.app import main

__all__ = ["main"]
