"""Starting the chat app: is there a terminal, then ``tui.launch``. Without Typer, which costs a start 0.1 s.

Not for: flags (``chat``).
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from edgemind.cli import console
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.tui.launch import Wishes


def is_possible() -> bool:
    """Whether there is a terminal that an app can be drawn on."""
    return console.is_terminal(sys.stdin) and console.is_smart(sys.stdout)


def is_meant() -> bool:
    """``edgemind`` and nothing else, on a terminal."""
    return len(sys.argv) == 1 and is_possible()


def start(wishes: Wishes | None = None) -> int:
    """Run the app until it ends; the exit code.

    Raises:
        UsageError: there is no terminal for it.
        EdgemindError: it cannot start.
    """
    if not is_possible():
        from edgemind.cli.shut_in import shut_in

        shut_in()
        why = "TERM says that this terminal cannot be drawn on" if console.is_terminal(sys.stdout) else "there is none"
        raise UsageError(
            f"The chat app needs a terminal, and {why}.", "For one answer without one: edgemind run 'your prompt'"
        )
    from edgemind.tui.hush import hushed
    from edgemind.tui.launch import Wishes, launch

    for name in [name for name in os.environ if name.startswith("TEXTUAL")]:
        del os.environ[name]  # devtools, debug logs, screenshots: all of them are switched on from there
    with hushed():
        ended = launch(wishes or Wishes())
    if ended.abruptly:
        os._exit(ended.code)  # everything is saved, and nobody is there to be told anything
    if ended.said:
        console.err(ended.said + "\n")
    return ended.code


def main() -> int:
    """``edgemind`` alone on a terminal; errors become a sentence and an exit code as everywhere."""
    from edgemind.errors import EdgemindError

    console.prepare_streams()
    try:
        return start()
    except EdgemindError as problem:
        from edgemind.cli.app import report

        report(problem)
        return problem.exit_code
