"""A journal that nobody has used for long goes, unless it is used again just then."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemind.coder import journal
from edgemind.coder.journal import KEEP_DAYS, Journal, forget_old
from edgemind.coder.types import FileChange
from edgemind.coder.workspace import Workspace
from edgemind.locking import locked


def test_a_step_that_comes_before_the_lock_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, state = tmp_path / "work", tmp_path / "state"
    root.mkdir()
    steps = Journal(state, Workspace.find(root))
    steps.apply([FileChange("a.txt", None, b"a\n", None)], "old")
    long_ago = steps.folder.stat().st_mtime - 2 * KEEP_DAYS * 86400
    os.utime(steps.folder, (long_ago, long_ago))

    @contextlib.contextmanager
    def late(path: Path, wait: float) -> Iterator[bool]:
        monkeypatch.undo()
        steps.apply([FileChange("b.txt", None, b"b\n", None)], "fresh")
        with locked(path, wait) as held:
            yield held

    monkeypatch.setattr(journal, "locked", late)
    forget_old(state, state / "other")
    assert [one.label for one in steps.steps()] == ["fresh", "old"]
