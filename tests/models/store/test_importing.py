"""Import: only sound models, only whole ones, no second copy of known bytes, nothing left of a failure."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from making import add, blobs

from edgemind.errors import Damaged, EdgemindError, ModelNotFound, ModelUnusable, NoRoom, StoreProblem, UsageError
from edgemind.models.store import incoming
from edgemind.models.store.collect import collect
from edgemind.models.store.moving import import_folder, import_gguf, name_from
from edgemind.models.store.store import Store
from tests.engine.splitting import split
from tests.engine.tiny import tiny_model

KILLED = """
import os, signal, sys
from edgemind.models.store.moving import import_gguf
from edgemind.models.store.store import own_store
def die(done, total):
    if done: os.kill(os.getpid(), signal.SIGKILL)
import_gguf(own_store(), [sys.argv[1]], "some", die)
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "Tiny-F32.gguf")


def left(store: Store) -> list[str]:
    """Names of unfinished things."""
    folders = (store.root / name for name in ("partial", "pending"))
    return [path.name for folder in folders if folder.exists() for path in folder.iterdir()]


def test_a_file_becomes_a_model(store: Store, tiny: Path) -> None:
    seen: list[tuple[int, int]] = []
    made = import_gguf(store, [tiny], "some", lambda done, total: seen.append((done, total)))
    assert store.get("some") == made
    assert store.files(made)[0].read_bytes() == tiny.read_bytes()
    assert (made.kind, made.source.kind, made.files[0].path) == ("gguf", "file", "Tiny-F32.gguf")
    assert (made.facts.architecture, made.facts.context) == ("qwen3", 4096)
    assert made.facts.parameters > 10_000
    assert seen[-1] == (tiny.stat().st_size,) * 2
    assert left(store) == []


def test_known_bytes_are_not_copied_again(store: Store, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = import_gguf(store, [tiny], "one")

    def never(*_: object) -> None:
        raise AssertionError("copied")

    monkeypatch.setattr(incoming.Incoming, "_copy", never)
    two = import_gguf(store, [tiny], "two")
    assert two.files[0].sha256 == made.files[0].sha256
    assert import_gguf(store, [tiny], "one") == made
    assert len(blobs(store)) == 1
    assert left(store) == []


def test_another_file_of_a_known_size_is_copied(store: Store, tiny: Path, tmp_path: Path) -> None:
    import_gguf(store, [tiny], "one")
    other = tiny_model(tmp_path / "other.gguf", seed=1)
    assert other.stat().st_size == tiny.stat().st_size
    two = import_gguf(store, [other], "two")
    assert store.files(two)[0].read_bytes() == other.read_bytes()
    with pytest.raises(StoreProblem, match="named one already"):
        import_gguf(store, [other], "one")
    assert len(blobs(store)) == 2
    assert left(store) == []


def test_a_damaged_blob_is_replaced_by_an_import(store: Store, tiny: Path) -> None:
    made = import_gguf(store, [tiny], "one")
    store.blob(made.files[0].sha256).write_bytes(b"x" * tiny.stat().st_size)
    with pytest.raises(Damaged):
        store.files(made)
    import_gguf(store, [tiny], "two")
    assert store.files(made)[0].read_bytes() == tiny.read_bytes()


@pytest.mark.parametrize("given", [[0], [2], [0, 1, 2]])
def test_a_split_model_comes_whole_and_in_order(store: Store, tiny: Path, tmp_path: Path, given: list[int]) -> None:
    parts = split(tiny, tmp_path, 3)
    made = import_gguf(store, [parts[number] for number in given], "some")
    assert [file.path for file in made.files] == [part.name for part in parts]
    assert [path.read_bytes() for path in store.files(made)] == [part.read_bytes() for part in parts]
    whole = import_gguf(store, [tiny], "whole")
    assert made.facts.parameters == whole.facts.parameters


def test_a_split_model_that_misses_a_part_is_refused(store: Store, tiny: Path, tmp_path: Path) -> None:
    parts = split(tiny, tmp_path, 3)
    parts[1].unlink()
    with pytest.raises(ModelNotFound, match="missing"):
        import_gguf(store, [parts[0]], "some")
    assert blobs(store) == set()


@pytest.mark.parametrize("content", [b"", b"GGUF", b"<html>", bytes(range(7, 256)) * 4], ids=range(4))
def test_what_is_no_model_never_enters(store: Store, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(content)
    with pytest.raises(ModelUnusable) as caught:
        import_gguf(store, [file], "some")
    assert caught.value.hint
    assert not store.root.exists()


@pytest.mark.parametrize("place", ["nowhere.gguf", "pipe.gguf", "folder.gguf"])
def test_what_is_no_file_is_said(store: Store, tmp_path: Path, place: str) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "folder.gguf").mkdir()
    with pytest.raises((ModelNotFound, ModelUnusable)):
        import_gguf(store, [tmp_path / place], "some")


@pytest.mark.parametrize("name", ["", "../x", "A", "con"])
def test_a_name_must_be_one(store: Store, tiny: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name"):
        import_gguf(store, [tiny], name)


def test_a_file_name_that_cannot_be_kept_becomes_a_plain_one(store: Store, tiny: Path, tmp_path: Path) -> None:
    odd = tmp_path / "naïve\n\x1b[31m.gguf"
    shutil.copy(tiny, odd)
    assert import_gguf(store, [odd], "some").files[0].path == "model.gguf"


def test_a_file_that_changes_meanwhile_is_refused(store: Store, tiny: Path, tmp_path: Path) -> None:
    source = tmp_path / "x.gguf"
    shutil.copy(tiny, source)

    def append(done: int, total: int) -> None:
        if done:
            with source.open("ab") as file:
                file.write(b"more")

    with pytest.raises(Damaged, match="changed while"):
        import_gguf(store, [source], "some", append)
    assert (store.names(), blobs(store), left(store)) == ([], set(), [])


def test_too_little_room_is_said_before_the_first_byte(
    store: Store, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.prepare()
    monkeypatch.setattr(incoming, "clone_file", lambda source, target: False)
    usage = shutil.disk_usage(store.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(NoRoom, match=r"disk of .* has 1\.0 kB free"):
        import_gguf(store, [tiny], "some")
    assert left(store) == []


def test_a_failure_in_the_middle_leaves_nothing(store: Store, tiny: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_gguf(store, [tiny], "some", stop)
    assert (store.names(), blobs(store), left(store)) == ([], set(), [])


def test_a_killed_import_shows_nothing_and_its_leftovers_go(store: Store, tiny: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tiny)])
    assert done.returncode == -signal.SIGKILL
    assert (store.names(), blobs(store)) == ([], set())
    assert any(name.endswith(".part") for name in left(store))
    assert collect(store).partials == 1
    assert left(store) == []
    assert import_gguf(store, [tiny], "some")


def checkpoint(folder: Path) -> Path:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "max_position_embeddings": 4096}))
    table = json.dumps({"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(table)) + table + bytes(16))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02a pickle")
    (folder / "run.py").write_text("a program")
    return folder


def test_a_checkpoint_comes_without_pickles_and_programs(store: Store, tmp_path: Path) -> None:
    made = import_folder(store, checkpoint(tmp_path / "My Model"))
    assert made.name == "my-model"
    assert made.kind == "safetensors"
    assert [file.path for file in made.files] == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (made.facts.architecture, made.facts.parameters, made.facts.context) == ("qwen3", 4, 4096)
    assert len(store.files(made)) == 3


@pytest.mark.parametrize("damage", [b"", b"\xff" * 8, struct.pack("<Q", 4) + b"{\x00}}"])
def test_a_damaged_checkpoint_is_refused(store: Store, tmp_path: Path, damage: bytes) -> None:
    folder = checkpoint(tmp_path / "x")
    (folder / "model.safetensors").write_bytes(damage)
    with pytest.raises(ModelUnusable):
        import_folder(store, folder)
    assert store.names() == []


def test_links_in_a_checkpoint_are_not_followed(store: Store, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "x")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("/etc/passwd")
    with pytest.raises(StoreProblem, match="symbolic link"):
        import_folder(store, folder)
    assert (store.names(), blobs(store), left(store)) == ([], set(), [])


def test_a_folder_without_a_model_says_what_it_looked_for(store: Store, tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreProblem, match="neither an exported model"):
        import_folder(store, tmp_path)
    shutil.copy(tiny, tmp_path / "x.gguf")
    with pytest.raises(StoreProblem) as caught:
        import_folder(store, tmp_path)
    assert caught.value.hint == f"edgemind import {tmp_path / 'x.gguf'}"
    with pytest.raises(EdgemindError):
        import_folder(store, tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "name"),
    [("Qwen3 0.6B Instruct", "qwen3-0.6b-instruct"), ("--x--", "x"), ("A/B:C", "a-b-c"), ("x" * 300, "x" * 128)],
)
def test_names_made_of_other_names(text: str, name: str) -> None:
    assert name_from(text) == name


@pytest.mark.parametrize("text", ["", "日本語", "...", "CON"])
def test_what_gives_no_name(text: str) -> None:
    with pytest.raises(UsageError, match="cannot become"):
        name_from(text)


def test_an_import_does_not_hold_up_others(store: Store, tiny: Path) -> None:
    """The store is locked for the last step only, not while gigabytes are copied."""

    def meanwhile(done: int, total: int) -> None:
        began = time.monotonic()
        script = "from edgemind.models.store.store import own_store\nwith own_store().locked(5): print('in')"
        assert subprocess.run([sys.executable, "-c", script], capture_output=True).stdout == b"in\n"
        assert time.monotonic() - began < 60

    import_gguf(store, [tiny], "some", meanwhile)
    add(store, "other", b"x")
