"""kill -9 during apply and undo, at every system call and at random moments: the tree is before or after one step."""

from __future__ import annotations

import errno
import os
import random
import signal
import stat
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgemind.coder import exchange
from edgemind.coder.journal import Journal
from edgemind.coder.types import FileChange
from edgemind.coder.workspace import Workspace

KILLS = int(os.environ.get("EDGEMIND_TEST_KILLS", "20"))
DISKS = ("exchange", "link", "rename")
CALLS = ("open", "write", "fsync", "rename", "replace", "link", "unlink", "mkdir", "rmdir", "fchmod", "fchown")

BEFORE = {
    "kept.txt": (b"not touched\n", 0o644),
    "one.py": (b"one = 1\n" * 50, 0o640),
    "sub/two.py": (b"two\r\n", 0o600),
    "run.sh": (b"#!/bin/sh\n", 0o644),
    "old.txt": (b"\xff\xfe gone\n", 0o664),
}
AFTER = {
    "kept.txt": BEFORE["kept.txt"],
    "one.py": (b"one = 2\n" * 4000, 0o640),
    "sub/two.py": (b"", 0o600),
    "run.sh": (b"#!/bin/sh\n", 0o755),
    "new/deep/three.py": (b"three\n", 0o644),
}
CHANGES = [
    FileChange("one.py", BEFORE["one.py"][0], AFTER["one.py"][0], None),
    FileChange("sub/two.py", BEFORE["sub/two.py"][0], b"", None),
    FileChange("run.sh", BEFORE["run.sh"][0], AFTER["run.sh"][0], 0o755),
    FileChange("new/deep/three.py", None, b"three\n", 0o644),
    FileChange("old.txt", BEFORE["old.txt"][0], None, None),
]

Tree = dict[str, tuple[bytes, int]]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """In memory where the system has a place for that: the kill of a process loses nothing that it wrote."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else tmp_path) as place:
        root = Path(place, "work")
        fill(root, BEFORE)
        apply(root)
        undo(root)
        yield root


def fill(root: Path, tree: Tree) -> None:
    for name, (data, mode) in tree.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(mode)


def tree_of(root: Path) -> Tree:
    """Every file, whatever its name; empty folders count as files of no mode."""
    found = {}
    for place, folders, files in os.walk(root):
        for name in files:
            file = Path(place, name)
            found[str(file.relative_to(root))] = (file.read_bytes(), stat.S_IMODE(file.lstat().st_mode))
        if not folders and not files:
            found[f"{Path(place).relative_to(root)}/"] = (b"", 0)
    return found


def journal_of(root: Path) -> Journal:
    return Journal(root.parent / "state", Workspace.find(root))


def apply(root: Path) -> None:
    journal_of(root).apply(CHANGES, "the step")


def undo(root: Path) -> None:
    journal_of(root).undo()


def recover(root: Path) -> None:
    journal_of(root).recover()


def refused(*_: object, **__: object) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


def in_child(action: Callable[[], None], kill_at: int = 0, after: bool = False, disk: str = "exchange") -> int:
    """Do it in a forked process that is killed before or after its n-th changing call; how many calls it made.

    -1: it was killed. ``disk``: what it can do with names at best, one of ``DISKS``.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = 0

        def counted(call: Callable[..., object]) -> Callable[..., object]:
            def wrapped(*args: object, **named: object) -> object:
                nonlocal count
                count += 1
                if count == kill_at and not after:
                    os.kill(os.getpid(), signal.SIGKILL)
                mine = count
                try:
                    return call(*args, **named)
                finally:
                    if mine == kill_at:
                        os.kill(os.getpid(), signal.SIGKILL)

            return wrapped

        code = 1
        try:
            # fork copies the wrapped functions to nobody else
            for name in CALLS:
                setattr(os, name, counted(getattr(os, name)))
            renaming = exchange._rename if disk == "exchange" else lambda *_: False
            if disk == "rename":
                os.link = refused
            exchange._rename = counted(renaming)
            action()
            code = 0
        finally:
            reported = str(count).encode()
            kill_at = 0
            os.write(writing, reported)
            os._exit(code)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return -1
    assert os.WEXITSTATUS(status) == 0
    return int(said)


def assert_one_side(root: Path) -> str:
    """The tree is on the side that the journal says, with nothing left beside it."""
    steps = journal_of(root).steps()
    tree = tree_of(root)
    assert tree == (AFTER if steps else BEFORE)
    left = sorted(path.name for path in journal_of(root).folder.iterdir())
    assert [name for name in left if not name.endswith(".step")] in ([], ["lock"])
    return "after" if steps else "before"


def reset(root: Path, applied: bool) -> None:
    recover(root)
    if journal_of(root).steps():
        undo(root)
    assert tree_of(root) == BEFORE
    if applied:
        apply(root)


@pytest.mark.parametrize("disk", DISKS)
@pytest.mark.parametrize("action", [apply, undo], ids=["apply", "undo"])
def test_a_kill_at_every_call(root: Path, action: Callable[[Path], None], disk: str) -> None:
    reset(root, applied=action is undo)
    calls = in_child(lambda: action(root), disk=disk)
    sides: Counter[str] = Counter()
    for kill_at in range(1, calls + 1):
        reset(root, applied=action is undo)
        assert in_child(lambda: action(root), kill_at, after=bool(kill_at % 2), disk=disk) == -1
        recover(root)
        sides[assert_one_side(root)] += 1
    print(f"{action.__name__}, {disk}: {calls} kills: {dict(sides)}")
    assert len(sides) == 2, "the kills miss the moment at which a step is done"


def test_a_kill_at_every_call_of_the_mending(root: Path) -> None:
    rng = random.Random(7)
    reset(root, applied=False)
    calls = in_child(lambda: apply(root))
    for _ in range(12):
        reset(root, applied=False)
        in_child(lambda: apply(root), rng.randint(calls // 2, calls - 4))
        for kill_at in range(1, 400, 3):
            if in_child(lambda: recover(root), kill_at) >= 0:
                break
        assert assert_one_side(root) == "before"


def test_kills_at_random_moments(root: Path) -> None:
    rng = random.Random(11)
    reset(root, applied=False)
    began = time.monotonic()
    apply(root)
    undo(root)
    both_s = time.monotonic() - began
    sides: Counter[str] = Counter()
    for _ in range(KILLS):
        child = os.fork()
        if child == 0:
            try:
                while True:
                    (undo if journal_of(root).steps() else apply)(root)
            finally:
                os._exit(1)
        time.sleep(rng.uniform(0, 3 * both_s))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status)
        interrupted = {path.suffix for path in journal_of(root).folder.iterdir()} & {".applying", ".undoing"}
        recover(root)
        sides[f"{assert_one_side(root)}{', mended' if interrupted else ''}"] += 1
    print(f"{KILLS} kills: {dict(sides)}")
    assert sum(sides.values()) == KILLS
