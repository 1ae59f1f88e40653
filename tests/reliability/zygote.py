"""Starts pulls quickly: everything is imported once, then each pull is a fork with a process of its own to kill.

Reads lines of JSON: a list is the arguments of a command to run (answered with its process id), a number is a process
to wait for (answered with its exit code, negative for a signal). Not for: anything in which the start matters.
"""

from __future__ import annotations

import json
import os
import sys

import huggingface_hub
import huggingface_hub.hf_api

import edgemind.cli.app
import edgemind.cli.pull_progress
import edgemind.models.catalog
import edgemind.models.download
import edgemind.models.gguf
import edgemind.models.pull
import edgemind.models.store.moving
import edgemind.models.store.verifying
import edgemind.models.summary
import edgemind.models.tokens


def main() -> None:
    huggingface_hub.close_session()
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            _, status = os.waitpid(asked, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if child == 0:
            run(asked)
        print(child, flush=True)


def run(arguments: list[str]) -> None:
    """In the child; never returns."""
    code = 99
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
        sys.argv = ["edgemind", *arguments]
        code = edgemind.cli.main()
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
