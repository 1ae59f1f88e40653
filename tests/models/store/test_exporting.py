"""Export and the way back: whole or not there, checkable without EdgeMind, nothing overwritten."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest
from making import add, blobs, manifest, put, tree

from edgemind.errors import Damaged, NoRoom, StoreProblem
from edgemind.models.store import exporting
from edgemind.models.store.manifest import Manifest
from edgemind.models.store.moving import export, import_folder, import_gguf
from edgemind.models.store.store import Store
from tests.engine.splitting import split
from tests.engine.tiny import tiny_model

KILLED = """
import os, signal, sys
from edgemind.models.store.moving import export
from edgemind.models.store.store import own_store
def die(done, total):
    os.kill(os.getpid(), signal.SIGKILL)
export(own_store(), own_store().get("some"), sys.argv[1], die)
"""


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    return tmp_path / "stick"


def nested(store: Store) -> Manifest:
    """A model with a file in a folder."""
    first, second = put(store, b"first" * 100), put(store, b"second" * 100)
    made = manifest(
        "some",
        first.model_copy(update={"path": "a.gguf"}),
        second.model_copy(update={"path": "inner folder/b (1).gguf"}),
    )
    store.add(made)
    return made


def test_the_folder_is_checked_by_sha256sum(store: Store, stick: Path) -> None:
    made = nested(store)
    seen: list[tuple[int, int]] = []
    target = export(store, made, stick, lambda done, total: seen.append((done, total)))
    assert target == stick / "some"
    assert sorted(tree(target)) == ["SHA256SUMS", "a.gguf", "edgemind-model.json", "inner folder/b (1).gguf"]
    done = subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=target, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("OK") == 2
    assert seen[-1] == (made.size, made.size)
    assert [path.name for path in stick.iterdir()] == ["some"]


def test_there_and_back(store: Store, stick: Path, tmp_path: Path) -> None:
    parts = split(tiny_model(tmp_path / "tiny.gguf"), tmp_path, 3)
    made = import_gguf(store, parts, "some", licence="mit")
    folder = export(store, made, stick)
    other = Store(tmp_path / "other" / "models")
    back = import_folder(other, folder)
    assert back.model_copy(update={"created": made.created}) == made
    assert [path.read_bytes() for path in other.files(back)] == [part.read_bytes() for part in parts]
    renamed = import_folder(other, folder, "renamed")
    assert (renamed.name, renamed.files) == ("renamed", made.files)
    assert len(blobs(other)) == 3
    assert import_folder(other, folder, "renamed") == renamed


def test_exporting_again_changes_nothing(store: Store, stick: Path) -> None:
    made = nested(store)
    target = export(store, made, stick)
    before = target.stat().st_ino, tree(stick)
    assert export(store, made, stick) == target
    assert (target.stat().st_ino, tree(stick)) == before


@pytest.mark.parametrize("change", ["byte", "missing", "manifest", "file", "empty", "link"])
def test_something_else_of_that_name_is_left_alone(store: Store, stick: Path, tmp_path: Path, change: str) -> None:
    made = nested(store)
    target = export(store, made, stick)
    if change == "byte":
        (target / "a.gguf").write_bytes(b"First" + b"first" * 99)
    elif change == "missing":
        (target / "a.gguf").unlink()
    elif change == "manifest":
        (target / "edgemind-model.json").write_text("{}")
    else:
        shutil.rmtree(target)
        if change == "file":
            target.write_text("mine")
        elif change == "empty":
            target.mkdir()
        else:
            target.symlink_to(tmp_path)
    before = tree(stick)
    with pytest.raises(StoreProblem):
        export(store, made, stick)
    assert tree(stick) == before
    assert [path.name for path in stick.iterdir()] == ["some"]


def test_a_damaged_model_is_not_exported(store: Store, stick: Path) -> None:
    made = nested(store)
    store.blob(made.files[1].sha256).write_bytes(b"SECOND" * 100)
    with pytest.raises(Damaged, match="inner folder"):
        export(store, made, stick)
    assert list(stick.iterdir()) == []


def test_a_killed_export_is_begun_anew(store: Store, stick: Path) -> None:
    made = nested(store)
    done = subprocess.run([sys.executable, "-c", KILLED, str(stick)])
    assert done.returncode == -signal.SIGKILL
    assert not (stick / "some").exists()
    export(store, made, stick)
    assert [path.name for path in stick.iterdir()] == ["some"]


def test_what_lies_in_the_way_of_the_unfinished_folder_is_not_followed(
    store: Store, stick: Path, tmp_path: Path
) -> None:
    made = nested(store)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "note").write_text("mine")
    stick.mkdir()
    (stick / ".some.unfinished").symlink_to(mine)
    export(store, made, stick)
    assert tree(mine) == {"note": b"mine"}


@pytest.mark.parametrize("name", ["vfat", "msdos", "FAT32"])
def test_a_file_over_4_gib_on_fat_is_said_before_the_first_byte(
    store: Store, stick: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    import psutil

    made = nested(store)
    large = made.model_copy(update={"files": (made.files[0].model_copy(update={"size": 1 << 32}),)})
    partition = namedtuple("partition", "mountpoint fstype")
    mounts = [partition("/", "ext4"), partition(str(stick.parent), name), partition("/nowhere", "ext4")]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)
    with pytest.raises(NoRoom, match="FAT file system, which holds no file over 4 GiB"):
        export(store, large, stick)
    assert export(store, made, stick), "small ones are fine there"


def test_too_little_room_is_said_with_the_numbers(store: Store, stick: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = nested(store)
    usage = shutil.disk_usage(store.root)
    monkeypatch.setattr(exporting.shutil, "disk_usage", lambda _: usage._replace(free=5))
    with pytest.raises(NoRoom, match="has 5 bytes free"):
        export(store, made, stick)


def test_two_exports_at_once(store: Store, stick: Path) -> None:
    made = add(store, "some", b"x" * 1000)
    said: list[str] = []

    def second(done: int, total: int) -> None:
        script = (
            "import sys\nfrom edgemind.models.store.moving import export\n"
            "from edgemind.models.store.store import own_store\n"
            "try: export(own_store(), own_store().get('some'), sys.argv[1])\n"
            "except Exception as problem: print(problem)"
        )
        said.append(subprocess.run([sys.executable, "-c", script, str(stick)], capture_output=True, text=True).stdout)

    export(store, made, stick, second)
    assert "being exported" in said[0]
    assert sorted(tree(stick / "some")) == ["SHA256SUMS", "edgemind-model.json", "part-0.gguf"]


def test_exported_files_have_the_usual_mode(store: Store, stick: Path) -> None:
    made = nested(store)
    before = os.umask(0o022)
    try:
        target = export(store, made, stick)
    finally:
        os.umask(before)
    assert {oct(path.stat().st_mode & 0o777) for path in target.rglob("*") if path.is_file()} == {"0o644"}
