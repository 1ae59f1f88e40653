"""Applying and taking back: all or nothing, exactly, and never over what somebody else wrote."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from edgemind.coder import exchange, journal, transitions
from edgemind.coder.beneath import Beneath
from edgemind.coder.journal import Journal, forget_old
from edgemind.coder.problems import FileChanged, Forbidden, JournalProblem, NothingToUndo, NotWritable
from edgemind.coder.types import FileChange
from edgemind.coder.workspace import Workspace
from edgemind.coder.writing import Decisions, Writing
from edgemind.errors import EdgemindError, NoRoom

CHANGES = [
    FileChange("a.py", b"a = 1\n", b"a = 2\n", None),
    FileChange("sub/new.py", None, b"new\n", None),
    FileChange("b.py", b"b = 1\n", None, None),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    root.mkdir()
    (root / "a.py").write_bytes(b"a = 1\n")
    (root / "a.py").chmod(0o640)
    (root / "b.py").write_bytes(b"b = 1\n")
    return root


@pytest.fixture
def steps(root: Path, tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state", Workspace.find(root))


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes() if path.is_file() else b"", stat.S_IMODE(path.stat().st_mode))
        for path in sorted(root.rglob("*"))
    }


def test_steps_are_taken_back_one_by_one(root: Path, steps: Journal) -> None:
    trees = [tree(root)]
    steps.apply(CHANGES, "first")
    trees.append(tree(root))
    steps.apply([FileChange("a.py", b"a = 2\n", b"a = 3\n", 0o755)], "second")
    assert [one.label for one in steps.steps()] == ["second", "first"]
    assert steps.steps()[1].created == ("sub/new.py",)
    assert steps.undo().label == "second"
    assert tree(root) == trees[1]
    steps.undo()
    assert tree(root) == trees[0]
    with pytest.raises(NothingToUndo):
        steps.undo()


def test_the_journal_is_for_its_owners_eyes(root: Path, steps: Journal) -> None:
    steps.apply(CHANGES, "first")
    assert {stat.S_IMODE(path.stat().st_mode) for path in steps.folder.iterdir()} == {0o600}
    assert stat.S_IMODE(steps.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("data", [b"a = 9\n", None, b""], ids=["other", "gone", "emptied"])
def test_a_file_that_changed_since_it_was_read_stops_everything(root: Path, steps: Journal, data: bytes | None) -> None:
    (root / "a.py").unlink() if data is None else (root / "a.py").write_bytes(data)
    before = tree(root)
    with pytest.raises(FileChanged):
        steps.apply(CHANGES, "first")
    assert tree(root) == before
    assert not steps.steps()


def test_a_file_that_came_into_being_stops_everything(root: Path, steps: Journal) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "new.py").write_bytes(b"mine\n")
    before = tree(root)
    with pytest.raises(FileChanged):
        steps.apply(CHANGES, "first")
    assert tree(root) == before


@pytest.mark.parametrize("can_exchange", [True, False], ids=["exchange", "plain-rename"])
@pytest.mark.parametrize("path", ["a.py", "sub/new.py", "b.py"])
def test_a_change_in_the_last_moment_is_not_lost(
    root: Path, steps: Journal, path: str, can_exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program writes after everything was checked, just before the files are put in place."""
    if not can_exchange:
        monkeypatch.setattr(exchange, "_rename", lambda *_: False)
    before, swap = tree(root), transitions._swap

    def late(fd: int, name: str, *rest: object) -> None:
        if name == Path(path).name:
            (root / path).write_bytes(b"another program's\n")
        swap(fd, name, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(transitions, "_swap", late)
    with pytest.raises(FileChanged) as caught:
        steps.apply(CHANGES, "first")
    assert path in caught.value.message
    assert (root / path).read_bytes() == b"another program's\n"
    (root / path).unlink()
    if path == "sub/new.py":
        (root / "sub").rmdir()
    assert tree(root) == {name: kept for name, kept in before.items() if name != path}
    assert not steps.steps()


@pytest.mark.parametrize("path", ["a.py", "sub/new.py", "b.py"])
def test_undo_refuses_over_what_was_changed_since(root: Path, steps: Journal, path: str) -> None:
    steps.apply(CHANGES, "first")
    (root / path).write_bytes(b"mine\n")
    before = tree(root)
    with pytest.raises(FileChanged, match=path):
        steps.undo()
    assert tree(root) == before
    (root / path).unlink() if path == "b.py" else (root / path).write_bytes(CHANGES[path != "a.py"].after or b"")
    steps.undo()


def test_undo_keeps_a_mode_that_the_user_changed_since(root: Path, steps: Journal) -> None:
    steps.apply([CHANGES[0]], "first")
    (root / "a.py").chmod(0o600)
    steps.undo()
    assert tree(root)["a.py"] == (b"a = 1\n", 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_stay(root: Path, steps: Journal) -> None:
    os.chown(root / "a.py", 12345, 54321)
    os.chown(root / "b.py", 12345, 54321)
    steps.apply(CHANGES, "first")
    assert ((root / "a.py").stat().st_uid, (root / "a.py").stat().st_gid) == (12345, 54321)
    steps.undo()
    for file in (root / "a.py", root / "b.py"):
        assert (file.stat().st_uid, file.stat().st_gid) == (12345, 54321)


def test_extended_attributes_stay(root: Path, steps: Journal) -> None:
    try:
        os.setxattr(root / "a.py", "user.note", b"mine")
    except (AttributeError, OSError):
        pytest.skip("this disk has no extended attributes")
    steps.apply(CHANGES, "first")
    assert os.getxattr(root / "a.py", "user.note") == b"mine"
    steps.undo()
    assert os.getxattr(root / "a.py", "user.note") == b"mine"


EVERYONE = 0xFFFFFFFF


def access_list(*entries: tuple[int, int, int]) -> bytes:
    """As Linux keeps it: tag (1 owner, 2 user, 4 group, 16 mask, 32 others), permissions, id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def test_the_access_list_of_a_folder_lets_nobody_else_read_a_file(root: Path, steps: Journal) -> None:
    """A new file gets the folder's list, but a file that is replaced, or comes back, is no new one."""
    mine = access_list((1, 6, EVERYONE), (2, 4, 4321), (4, 0, EVERYONE), (16, 4, EVERYONE), (32, 0, EVERYONE))
    wide = access_list((1, 7, EVERYONE), (2, 7, 1234), (4, 5, EVERYONE), (16, 7, EVERYONE), (32, 5, EVERYONE))
    try:
        os.setxattr(root / "b.py", "system.posix_acl_access", mine)
        os.setxattr(root, "system.posix_acl_default", wide)
    except (AttributeError, OSError):
        pytest.skip("this disk has no access lists")
    before = tree(root)
    steps.apply([FileChange("a.py", b"a = 1\n", b"a = 2\n", None), FileChange("b.py", b"b = 1\n", None, None)], "1")
    assert os.listxattr(root / "a.py") == []
    steps.apply([FileChange("a.py", b"a = 2\n", None, None)], "2")
    steps.undo()
    steps.undo()
    assert os.listxattr(root / "a.py") == []
    assert os.getxattr(root / "b.py", "system.posix_acl_access") == mine
    assert tree(root) == before


def test_undo_leaves_a_folder_that_holds_something_else(root: Path, steps: Journal) -> None:
    steps.apply(CHANGES, "first")
    (root / "sub" / "mine.py").write_bytes(b"mine\n")
    steps.undo()
    assert sorted(tree(root)) == ["a.py", "b.py", "sub", "sub/mine.py"]


def test_an_interrupted_step_leaves_alone_what_was_changed_after_the_crash(
    root: Path, steps: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_rename", crash)
        patched.setattr(journal, "settle", crash)
        with pytest.raises(MemoryError):
            steps.apply(CHANGES, "first")
    (root / "a.py").write_bytes(b"mine\n")
    (mended,) = steps.recover()
    assert mended.kept == ("a.py",)
    assert [path.read_bytes() for path in sorted(root.iterdir())] == [b"mine\n", b"b = 1\n"]
    assert mended.rescued is not None
    assert [file.read_bytes() for file in mended.rescued.iterdir()] == [b"a = 1\n"]
    assert steps.recover() == ()


def test_a_system_that_can_only_rename(root: Path, steps: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Mac with an exFAT disk: no exchange, no hard links, no attributes, no ``openat2``."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(exchange, "_rename", lambda *_: False)
    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(Beneath, "_open", Beneath._walk)
    monkeypatch.delattr(os, "listxattr", raising=False)
    before = tree(root)
    steps.apply(CHANGES, "first")
    assert (root / "sub" / "new.py").read_bytes() == b"new\n"
    steps.undo()
    assert tree(root) == before
    with Workspace.find(root).folder_of("a.py") as (fd, _), pytest.raises(FileExistsError):
        exchange.move_new(fd, "a.py", "b.py")


def test_what_mends_a_crash_is_on_the_disk_before_the_first_file(
    root: Path, steps: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder of a journal is new with the first step: its name has to outlast a power cut too."""
    synced: list[Path] = []
    sync, swap = os.fsync, transitions._swap

    def watched(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").resolve())
        sync(fd)

    def swapped(*rest: object) -> None:
        assert {steps.folder.parent, steps.folder} <= set(synced)
        swap(*rest)  # type: ignore[arg-type]

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not tell which file a descriptor is of")
    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(transitions, "_swap", swapped)
    steps.apply(CHANGES, "first")


def test_looking_needs_nothing_to_be_written(root: Path, steps: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a read-only home still has its list of steps, and a dry run."""
    steps.apply(CHANGES, "first")
    monkeypatch.setattr(os, "open", lambda *_, **__: pytest.fail("a lock or a file was opened"))
    assert steps.recover() == ()
    assert [one.label for one in steps.steps()] == ["first"]


def test_a_step_that_was_mended_is_not_taken_back_with_the_one_before(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever types undo after a crash means the step that crashed."""
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    writing = Writing(Workspace.find(root), cast(Decisions, None))
    writing.journal.apply([FileChange("a.py", b"a = 1\n", b"a = 2\n", None)], "first")
    (applied,) = writing.journal.folder.glob("*.step")
    writing.journal.apply([FileChange("a.py", b"a = 2\n", b"a = 3\n", None)], "second")
    (last,) = set(writing.journal.folder.glob("*.step")) - {applied}
    last.rename(last.with_suffix(".applying"))
    assert [note.text for note in writing.open()] == ["an interrupted step was taken back: second"]
    with pytest.raises(NothingToUndo, match="second, is taken back already"):
        writing.undo()
    assert (root / "a.py").read_bytes() == b"a = 2\n"
    assert writing.undo().label == "first"


def in_children(count: int, action: Callable[[int], None]) -> list[int]:
    """Do it in so many processes at once; their exit codes."""
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                action(number)
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def test_processes_that_write_in_one_folder_at_once(root: Path, tmp_path: Path) -> None:
    """Every step of each is there, on top of the others', and each is taken back once."""

    def write(number: int) -> None:
        workspace = Workspace.find(root)
        own = Journal(tmp_path / "state", workspace)
        left = [f"{number}-{at}" for at in range(3)]
        while left:
            before, _ = workspace.read("a.py")
            line = f"{left[-1]}\n".encode()
            new = FileChange(f"new/{left[-1]}.py", None, line, None)
            with contextlib.suppress(FileChanged):
                own.apply([FileChange("a.py", before, before + line, None), new], left[-1])
                left.pop()

    def take_back(_: int) -> None:
        own = Journal(tmp_path / "state", Workspace.find(root))
        with contextlib.suppress(NothingToUndo):
            while True:
                own.undo()

    before = tree(root)
    assert in_children(3, write) == [0, 0, 0]
    lines = (root / "a.py").read_text().splitlines()[1:]
    assert sorted(lines) == sorted(path.stem for path in (root / "new").iterdir())
    assert len(lines) == 9
    assert [one.label for one in Journal(tmp_path / "state", Workspace.find(root)).steps()] == lines[::-1]
    assert in_children(3, take_back) == [0, 0, 0]
    assert tree(root) == before


def test_a_folder_that_is_taken_away_meanwhile(root: Path, steps: Journal) -> None:
    workspace = Workspace.find(root)
    steps.apply(CHANGES, "first")
    shutil.rmtree(root)
    for action in (
        lambda: steps.apply([FileChange("x.py", None, b"x", None)], "second"),
        lambda: workspace.read("a.py"),
        steps.undo,
        lambda: Workspace.find(root),
    ):
        with pytest.raises(EdgemindError) as caught:
            action()
        assert caught.value.hint
    root.mkdir()  # another one: nothing of the steps that are known of that path fits it
    with pytest.raises(FileChanged):
        Journal(steps.folder.parent, Workspace.find(root)).undo()
    assert not list(root.iterdir())


@pytest.mark.parametrize("action", ["apply", "undo"])
def test_a_file_that_cannot_be_replaced_is_named(
    root: Path, steps: Journal, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is immutable (chattr), which no permission shows."""
    if action == "undo":
        steps.apply(CHANGES, "first")
    before, swap = tree(root), transitions._swap

    def failing(fd: int, name: str, *rest: object) -> None:
        if name == "b.py" and not failed:
            failed.append(name)
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), ".edgemind-1.tmp")
        swap(fd, name, *rest)  # type: ignore[arg-type]

    failed: list[str] = []
    monkeypatch.setattr(transitions, "_swap", failing)
    with pytest.raises(NotWritable) as caught:
        steps.apply(CHANGES, "first") if action == "apply" else steps.undo()
    assert str(root / "b.py") in caught.value.message
    assert caught.value.hint == f"ls -ld {root / 'b.py' if action == 'apply' else root}"
    assert tree(root) == before


FAILING = ("open", "write", "fsync", "rename", "replace", "unlink", "mkdir", "fchmod")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
@pytest.mark.parametrize("action", ["apply", "undo"])
def test_each_call_fails_once_and_nothing_is_half_done(
    root: Path, steps: Journal, action: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every changing call in turn fails once, as on a disk that is full for a moment."""
    untouched = tree(root)
    steps.apply(CHANGES, "first")
    wanted = tree(root) if action == "apply" else untouched
    failed: list[EdgemindError] = []
    for at in range(1, 200):
        if steps.steps():
            steps.undo()
        assert tree(root) == untouched
        if action == "undo":
            steps.apply(CHANGES, "first")
        before, count, done = tree(root), 0, False

        def failing(call: Callable[..., object], at: int = at) -> Callable[..., object]:
            def wrapped(*args: object, **named: object) -> object:
                nonlocal count
                count += 1
                if count == at:
                    raise OSError(number, os.strerror(number))
                return call(*args, **named)

            return wrapped

        with monkeypatch.context() as patched:
            for name in FAILING:
                patched.setattr(os, name, failing(getattr(os, name)))
            try:
                steps.apply(CHANGES, "first") if action == "apply" else steps.undo()
            except EdgemindError as problem:
                failed.append(problem)
            else:
                done = True
        steps.recover()
        assert tree(root) == wanted if done else tree(root) in (before, untouched)
        assert not list(root.rglob(".edgemind-*"))
        if count < at:
            break
    assert len(failed) > 20
    assert all(problem.hint for problem in failed)
    assert any(isinstance(problem, NoRoom) for problem in failed) == (number == errno.ENOSPC)


def test_one_step_names_a_file_once(root: Path, steps: Journal) -> None:
    with pytest.raises(Forbidden):
        steps.apply([FileChange("x.py", None, b"1", None), FileChange("X.py", None, b"2", None)], "twice")
    with pytest.raises(Forbidden):
        steps.apply([FileChange("x", None, b"1", None), FileChange("x/y", None, b"2", None)], "file and folder")
    with pytest.raises(ValueError, match="nothing"):
        steps.apply([], "empty")


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a bit": lambda data: data[:-20] + bytes([data[-20] ^ 1]) + data[-19:],
    "cut": lambda data: data[:-5],
    "empty": lambda _: b"",
    "no step": lambda _: b"[]\n{}",
    "deep": lambda _: b"[" * 100_000 + b"\n",
    "not text": lambda _: b"\xff\xfe" * 50,
    "other types": lambda data: data.replace(b'"number": 1', b'"number": "one"'),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_step_is_told(root: Path, steps: Journal, kind: str) -> None:
    steps.apply(CHANGES, "first")
    (file,) = steps.folder.glob("*.step")
    file.write_bytes(DAMAGE[kind](file.read_bytes()))
    before = tree(root)
    with pytest.raises(JournalProblem, match="damaged") as caught:
        steps.undo()
    assert tree(root) == before
    steps.steps()
    subprocess.run(caught.value.hint.partition(": ")[2], shell=True, check=True)
    with pytest.raises(NothingToUndo):
        steps.undo()


def test_a_step_of_a_newer_version_is_left_alone(root: Path, steps: Journal) -> None:
    steps.apply(CHANGES, "first")
    (file,) = steps.folder.glob("*.step")
    file.write_bytes(file.read_bytes().replace(b'"format": 1', b'"format": 2'))
    before = tree(root)
    with pytest.raises(JournalProblem, match="another version"):
        steps.undo()
    assert tree(root) == before
    steps.apply([FileChange("a.py", b"a = 2\n", b"a = 3\n", None)], "second")
    assert steps.undo().label == "second"
    assert tree(root) == before


def test_old_steps_and_old_journals_go(
    root: Path, steps: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "KEEP_STEPS", 3)
    for value in range(1, 7):
        steps.apply([FileChange("a.py", b"a = %d\n" % value, b"a = %d\n" % (value + 1), None)], str(value))
    assert [one.label for one in steps.steps()] == ["6", "5", "4"]
    monkeypatch.setattr(journal, "KEEP_BYTES", 1)
    steps.apply([FileChange("a.py", b"a = 7\n", b"a = 8\n", None)], "7")
    assert [one.label for one in steps.steps()] == ["7"]
    state, other = tmp_path / "state", tmp_path / "state" / "other"
    forget_old(state, other)
    assert steps.steps()
    for kept in ("00000009.applying", "00000009.undoing", "rescued"):
        (steps.folder / kept).touch()
        forget_old(state, other, now=4e9)
        assert steps.steps()
        (steps.folder / kept).unlink()
    forget_old(state, steps.folder, now=4e9)  # a clock that was wrong for a moment takes nothing from who works here
    assert steps.steps()
    forget_old(state, other, now=4e9)
    assert not steps.folder.exists()
