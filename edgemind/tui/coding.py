"""``/code``: the coding session in this terminal, in a process of its own, while the app stands aside.

The session is that of ``edgemind code``, in the folder that the app was started in. It inherits this process's jail.
Not for: the session itself (``coder``), its prompt (``cli.code_session``).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemind.tui.app import EdgemindApp

START = "import sys; sys.path[:] = filter(None, sys.path); from edgemind.cli import main; raise SystemExit(main())"
"""Without the current folder on the path: a file there could have the name of a module."""

PATIENCE = 3.0
"""Seconds for the session to end when the app has to."""


def command(model: str | None) -> list[str]:
    """The session's command line; ``None`` is the default model."""
    return [sys.executable, "-c", START, "code", *(["--model", model] if model else [])]


async def hold(app: EdgemindApp, model: str | None) -> int:
    """Stand aside until the session ends; its exit code. Ctrl-C is the session's meanwhile.

    Raises:
        SuspendNotSupported: this terminal cannot be handed over.
        OSError: the process cannot be started.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)  # a handler, not SIG_IGN, which the session would inherit
    try:
        with app.batch_update(), app.suspend():
            process = await asyncio.create_subprocess_exec(*command(model), umask=app.umask)
            try:
                return await process.wait()
            finally:
                if process.returncode is None:
                    await _ended(process)
    finally:
        signal.signal(signal.SIGINT, before)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """The app has to go: the session goes first."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), PATIENCE)
    except asyncio.TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
