"""Files that get their names only when they are complete: both ways of making them, and what a dead process left."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgemind.errors import NoRoom, StoreProblem, UsageError
from edgemind.models import unfinished
from edgemind.models.unfinished import Unfinished, UnfinishedParts, check_room, check_target

WRITING = """
import os, sys, time
from pathlib import Path
from edgemind.models import unfinished
if sys.argv[2] == "named":
    del os.O_TMPFILE
with unfinished.Unfinished(Path(sys.argv[1])) as output:
    Path(output.path).write_bytes(b"half")
    print("written", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["unnamed", "named"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "named":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    elif not hasattr(os, "O_TMPFILE"):
        pytest.skip("this system has no files without a name")
    return str(request.param)


def test_it_appears_whole_or_not_at_all(way: str, tmp_path: Path) -> None:
    target = tmp_path / "model.gguf"
    with Unfinished(target) as output:
        Path(output.path).write_bytes(b"all of it")
        assert not target.exists()
        assert bool(output.descriptors) == (way == "unnamed")
        output.publish()
    assert target.read_bytes() == b"all of it"
    assert os.listdir(tmp_path) == ["model.gguf"]


def test_nothing_is_left_when_it_is_not_published(way: str, tmp_path: Path) -> None:
    with Unfinished(tmp_path / "model.gguf") as output:
        Path(output.path).write_bytes(b"half")
    assert not os.listdir(tmp_path)


def test_what_is_there_stays_unless_it_is_to_be_replaced(way: str, tmp_path: Path) -> None:
    target = tmp_path / "model.gguf"
    target.write_text("old")
    with Unfinished(target) as output, pytest.raises(UsageError, match="there already"):
        output.publish()
    assert target.read_text() == "old"
    with Unfinished(target) as output:
        Path(output.path).write_text("new")
        output.publish(replace=True)
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["model.gguf"]


def test_the_umask_counts(way: str, tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with Unfinished(tmp_path / "a") as output:
            output.publish()
        with Unfinished(tmp_path / "b", mode=0o600) as output:
            output.publish()
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in "ab"] == [0o640, 0o600]


@pytest.mark.parametrize("how", ["unnamed", "named"])
def test_killed_in_the_middle(how: str, tmp_path: Path) -> None:
    """Without a name nothing is left; with one the next run removes it, but not what a living process writes."""
    target = tmp_path / "model.gguf"
    writing = subprocess.Popen([sys.executable, "-c", WRITING, str(target), how], stdout=subprocess.PIPE)
    assert writing.stdout
    writing.stdout.readline()
    if how == "named":
        with Unfinished(target):
            assert any(name.endswith(".part") for name in os.listdir(tmp_path))
    writing.kill()
    writing.wait()
    if how == "named":
        (tmp_path / ".model.gguf.notes.part").write_text("the user's own")
        with Unfinished(target):
            pass
        assert os.listdir(tmp_path) == [".model.gguf.notes.part"]
    else:
        assert not os.listdir(tmp_path)


def test_parts_appear_together(tmp_path: Path) -> None:
    with UnfinishedParts(tmp_path / "model", 2) as output:
        for file in output.files:
            file.write_text(file.name)
        assert [name for name in os.listdir(tmp_path) if not name.startswith(".")] == []
        output.publish()
    assert sorted(os.listdir(tmp_path)) == ["model-00001-of-00002.gguf", "model-00002-of-00002.gguf"]
    with UnfinishedParts(tmp_path / "model", 2) as output, pytest.raises(UsageError, match="there already"):
        output.publish()
    assert len(os.listdir(tmp_path)) == 2


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    source = tmp_path / "source.gguf"
    source.write_text("x")
    (tmp_path / "link.gguf").symlink_to(source)
    for target, match in (
        (source, "the file that is read"),
        (tmp_path / "link.gguf", "the file that is read"),
        (tmp_path, "is a folder"),
    ):
        with pytest.raises(UsageError, match=match):
            check_target(target, [source], replace=True)
    with pytest.raises(StoreProblem, match="No such file"):
        check_target(tmp_path / "none" / "x.gguf", [source], replace=False)
    if os.geteuid():
        tmp_path.chmod(0o500)
        with pytest.raises(StoreProblem, match="may not"):
            Unfinished(tmp_path / "x")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="a folder in which nobody may make files")
def test_a_folder_that_takes_no_files(tmp_path: Path) -> None:
    with pytest.raises((StoreProblem, NoRoom), match=r"Cannot write x\.gguf"):
        Unfinished(Path("/proc/self/x.gguf"))


def test_no_room_is_said_with_numbers(tmp_path: Path) -> None:
    check_room(tmp_path, 1)
    with pytest.raises(NoRoom, match=r"will have 1152\.9 PB|will have \d+ PB"):
        check_room(tmp_path, 1 << 60)


def test_a_name_is_free_again_at_once(tmp_path: Path) -> None:
    began = time.monotonic()
    for _ in range(50):
        with Unfinished(tmp_path / "x"):
            pass
    assert time.monotonic() - began < 30
    assert unfinished.split_names("a", 1) == ["a-00001-of-00001.gguf"]
