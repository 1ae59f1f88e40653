"""What is said when the app itself is at fault: the kind of error, where in the code, and not a word of what was shown.

Textual's own report prints local variables, Python's the error's text; both may hold what a patient wrote.
Not for: errors that can happen (``errors.EdgemindError``), which are told in the app.
"""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path

HOME = Path(__file__).parent.parent.parent


def describe(error: BaseException, kept: str = "") -> str:
    """The report: class names and places only.

    Args:
        kept: what became of the chats, as a sentence.
    """
    lines = [f"edgemind: The chat app has met an error of its own ({_kinds(error)}) and ended."]
    lines += [f"  at {place}" for place in places(error)]
    lines.append(f"  {f'{kept} ' if kept else ''}Please report these lines; they hold no words of a chat.")
    return "\n".join(lines)


def places(error: BaseException, most: int = 12) -> list[str]:
    """``file:line in function`` of each frame, innermost last; files outside the package by their last two names."""
    found = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{_shown(code.co_filename)}:{trace.tb_lineno} in {code.co_name}")
        trace = trace.tb_next
    return found[-most:]


def _kinds(error: BaseException) -> str:
    """The error's class and those that it came from."""
    names: list[str] = []
    at: BaseException | None = error
    while at is not None and len(names) < 4:
        names.append(type(at).__name__)
        at = at.__cause__ or at.__context__
    return " from ".join(names)


def _shown(file: str) -> str:
    path = Path(file)
    try:
        return path.relative_to(HOME).as_posix()
    except ValueError:
        return "/".join(path.parts[-2:])


def install() -> None:
    """From now on nothing that Python prints by itself about an error holds more than ``describe``."""
    sys.excepthook = _hook
    threading.excepthook = _thread_hook
    sys.unraisablehook = _unraisable_hook


def _hook(kind: type[BaseException], error: BaseException, trace: types.TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        say(error)


def _thread_hook(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        say(arguments.exc_value)


def _unraisable_hook(arguments: sys.UnraisableHookArgs) -> None:
    """What goes wrong while something is thrown away is of no use to a user."""


def say(error: BaseException) -> None:
    """Write the report to the real standard error; while the app draws, Textual has put its own in the way."""
    try:
        stream = sys.__stderr__
        if stream is not None:
            stream.write(describe(error) + "\n")
            stream.flush()
    except (OSError, ValueError):
        pass
