"""The command line: parse, call, print. Logic lives in the rooms below.

A command's module imports only what its flags need; everything heavy is imported when the command runs, so that
``edgemind --help`` stays under a quarter of a second.
"""

import os

from edgemind.errors import EXIT_INTERRUPTED


def main() -> int:
    """The entry point. Ctrl-C is quiet from the first import on."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for them costs a start 13 ms
    try:
        from edgemind.cli import chat_start

        if chat_start.is_meant():
            return chat_start.main()
        from edgemind.cli.app import main as run_command

        return run_command()
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
