"""Manifests and exported folders made to do harm: one sentence, and nothing outside the store is touched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from making import add, blobs, tree

from edgemind.errors import Damaged, EdgemindError, ModelUnusable, NoRoom, StoreProblem
from edgemind.models.store.moving import export, import_folder, import_gguf
from edgemind.models.store.shared import Shared
from edgemind.models.store.store import Store
from tests.engine.tiny import tiny_model

DEEP = "[" * 100_000 + "]" * 100_000
BAD_PATHS = [
    "../outside",
    "/etc/passwd",
    "a/../../outside",
    "a/./b",
    "a//b",
    "a\\b",
    "C:\\x",
    "",
    ".",
    "..",
    ".hidden",
    "a\n",
    "a\x00b",
    "a\x1b[31m",
    "con",
    "aux.gguf",
    "x/nul",
    "a ",
    "a.",
    "-rf",
    "\u202egguf",
    "a" * 300,
    "/".join("a" * 9),
]
BAD_TEXTS = [
    b"",
    b"\x00" * 100,
    b"\xff\xfe",
    b"null",
    b"[]",
    b'"text"',
    b"{}",
    b"{" * 10_000,
    DEEP.encode(),
    b'{"format": ' + b"9" * 5000 + b"}",
    b'{"format": 1e999}',
    b'{"format": NaN}',
    b'{"a": ' * 3000 + b"1" + b"}" * 3000,
    b" " * (5 << 20),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture
def folder(store: Store, tiny: Path, tmp_path: Path) -> Path:
    """An exported model that is sound."""
    other = Store(tmp_path / "elsewhere" / "models")
    return export(other, import_gguf(other, [tiny], "some"), tmp_path / "stick")


def rewrite(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    value = json.loads(file.read_text())
    change(value)
    file.write_text(json.dumps(value))


def refused(store: Store, folder: Path, *kinds: type[EdgemindError]) -> str:
    """Import and use of a folder are refused, and nothing changed anywhere."""
    around = folder.parent
    before = tree(around)
    with pytest.raises(kinds or (EdgemindError,)) as caught:
        import_folder(store, folder)
    assert caught.value.message.endswith(".")
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert (store.names(), blobs(store)) == ([], set())
    assert not (store.root / "partial").exists() or list((store.root / "partial").iterdir()) == []
    assert tree(around) == before
    return caught.value.message


CHANGES: list[Callable[[dict[str, Any]], object]] = [
    lambda value: value.update(name="../x"),
    lambda value: value.update(name="A"),
    lambda value: value.update(name=["a"]),
    lambda value: value.update(kind="pickle"),
    lambda value: value.update(more="fields"),
    lambda value: value.update(files=[]),
    lambda value: value.update(files=value["files"] * 2),
    lambda value: value.update(files=[value["files"][0] | {"path": f"{n}.gguf"} for n in range(10_001)]),
    lambda value: value["files"][0].update(sha256="../" + "0" * 61),
    lambda value: value["files"][0].update(sha256="A" * 64),
    lambda value: value["files"][0].update(sha256="0" * 65),
    lambda value: value["files"][0].update(sha256="0" * 64 + "\n"),
    lambda value: value["files"][0].update(size=-1),
    lambda value: value["files"][0].update(size=10**30),
    lambda value: value["files"][0].update(size=1.5),
    lambda value: value["files"].append({"path": "Tiny.GGUF/x", "sha256": "0" * 64, "size": 1}),
    lambda value: value["files"].append({"path": "TINY.gguf", "sha256": "0" * 64, "size": 1}),
    lambda value: value["facts"].update(parameters=10**400),
    lambda value: value["facts"].update(context=-1),
    lambda value: value.update(format=2),
    lambda value: value.update(source={"kind": "gift"}),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_manifests_that_lie_about_their_form(store: Store, folder: Path, number: int) -> None:
    rewrite(folder / "edgemind-model.json", CHANGES[number])
    refused(store, folder, StoreProblem)


@pytest.mark.parametrize("path", BAD_PATHS)
def test_paths_that_lead_out(store: Store, folder: Path, path: str) -> None:
    rewrite(folder / "edgemind-model.json", lambda value: value["files"][0].update(path=path))
    refused(store, folder, StoreProblem)


@pytest.mark.parametrize("number", range(len(BAD_TEXTS)))
def test_manifests_that_are_none(store: Store, folder: Path, number: int) -> None:
    (folder / "edgemind-model.json").write_bytes(BAD_TEXTS[number])
    began = time.monotonic()
    refused(store, folder, StoreProblem)
    shared = Shared(folder.parent, store)
    assert shared.manifests() == []
    assert [name for name, _ in shared.damaged()] == ["some"]
    assert time.monotonic() - began < 60
    assert all(len(reason) < 400 for _, reason in shared.damaged())


@pytest.mark.parametrize("number", range(len(BAD_TEXTS)))
def test_damaged_manifests_in_the_own_store(store: Store, number: int) -> None:
    made = add(store, "sound", b"one")
    add(store, "some", b"two")
    (store.root / "manifests" / "some.json").write_bytes(BAD_TEXTS[number])
    assert store.manifests() == [made]
    assert [name for name, _ in store.damaged()] == ["some"]


@pytest.mark.parametrize("victim", ["edgemind-model.json", "tiny.gguf"])
@pytest.mark.parametrize("kind", ["link", "hard link", "pipe", "folder", "socket", "device", "gone"])
def test_anything_but_a_plain_file(store: Store, folder: Path, tmp_path: Path, victim: str, kind: str) -> None:
    path, away = folder / victim, tmp_path / "away"
    if kind == "hard link":
        os.link(path, away)
    else:
        path.rename(away)
    if kind == "link":
        path.symlink_to(away)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            os.chdir(folder)
            made.bind(victim)
    elif kind == "device":
        try:
            os.mknod(path, 0o666 | 0o020000, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("only root makes devices")
    before = away.read_bytes() if away.exists() else b""
    with pytest.raises((StoreProblem, Damaged)) as caught:
        import_folder(store, folder)
    assert caught.value.hint
    assert (store.names(), blobs(store)) == ([], set())
    assert (away.read_bytes() if away.exists() else b"") == before
    shared = Shared(folder.parent, store)
    for manifest in shared.manifests():
        with pytest.raises((StoreProblem, Damaged)):
            shared.files(manifest)


def test_a_folder_inside_that_is_a_link(store: Store, folder: Path, tmp_path: Path) -> None:
    rewrite(folder / "edgemind-model.json", lambda value: value["files"][0].update(path="inner/tiny.gguf"))
    (tmp_path / "away").mkdir()
    shutil.copy(folder / "tiny.gguf", tmp_path / "away" / "tiny.gguf")
    (folder / "inner").symlink_to(tmp_path / "away")
    assert "symbolic link" in refused(store, folder, StoreProblem)


@pytest.mark.parametrize("change", ["flip", "cut", "longer"])
def test_other_bytes_than_were_exported(store: Store, folder: Path, change: str) -> None:
    file = folder / "tiny.gguf"
    data = bytearray(file.read_bytes())
    if change == "flip":
        data[-1] ^= 1
        file.write_bytes(data)
    elif change == "cut":
        file.write_bytes(data[:-1])
    else:
        file.write_bytes(data + b"\x00")
    message = refused(store, folder, Damaged, ModelUnusable)
    assert "tiny.gguf" in message


def test_a_file_of_four_terabytes_is_not_begun(store: Store, folder: Path) -> None:
    os.truncate(folder / "tiny.gguf", 1 << 42)
    with pytest.raises(Damaged, match=r"4,398,046,511,104 bytes and should have"):
        import_folder(store, folder)
    rewrite(folder / "edgemind-model.json", lambda value: value["files"][0].update(size=1 << 42))
    with pytest.raises(NoRoom):
        import_folder(store, folder)
    assert list((store.root / "partial").iterdir()) == []


def test_bytes_that_are_no_model_under_a_right_hash(store: Store, folder: Path) -> None:
    data = b"GGUF" + bytes(1000)
    (folder / "tiny.gguf").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    rewrite(folder / "edgemind-model.json", lambda value: value["files"][0].update(sha256=digest, size=len(data)))
    refused(store, folder, ModelUnusable)


@pytest.mark.parametrize("suffix", [".bin", ".PT", ".pkl", ".ckpt"])
def test_a_pickle_is_never_taken_in(store: Store, folder: Path, suffix: str) -> None:
    (folder / "tiny.gguf").rename(folder / f"weights{suffix}")
    rewrite(folder / "edgemind-model.json", lambda value: value.update(kind="safetensors"))
    rewrite(folder / "edgemind-model.json", lambda value: value["files"][0].update(path=f"weights{suffix}"))
    assert "pickle" in refused(store, folder, StoreProblem)


def test_facts_come_from_the_file_and_not_from_the_manifest(store: Store, folder: Path) -> None:
    rewrite(folder / "edgemind-model.json", lambda value: value["facts"].update(architecture="\x1b[31m", parameters=1))
    made = import_folder(store, folder)
    assert made.facts.architecture == "qwen3"
    assert made.facts.parameters > 1


def test_a_folder_of_very_many_files(store: Store, folder: Path) -> None:
    for number in range(20_000):
        (folder / f"{number}").touch()
        (folder.parent / f"x{number}").touch()
    began = time.monotonic()
    assert import_folder(store, folder).name == "some"
    Shared(folder.parent, store).manifests()
    (folder / "edgemind-model.json").unlink()
    with pytest.raises(StoreProblem):
        import_folder(store, folder)
    assert time.monotonic() - began < 60


def test_links_inside_the_own_store_are_not_written_through(store: Store, tmp_path: Path) -> None:
    made = add(store, "some", b"one")
    mine = tmp_path / "mine"
    mine.write_text("mine")
    manifest = store.root / "manifests" / "some.json"
    manifest.unlink()
    manifest.symlink_to(mine)
    assert store.damaged() == [("some", "it is a symbolic link")]
    store.add(made, replace=True)
    assert not manifest.is_symlink()
    for name in ("partial", "pending", "stamps", "manifests", "blobs"):
        (store.root / name).rename(tmp_path / name)
        (store.root / name).symlink_to(tmp_path / name)
        before = tree(tmp_path)
        with pytest.raises(StoreProblem, match="symbolic link"):
            store.lease("some", [])
        assert tree(tmp_path) == before
        (store.root / name).unlink()
        (tmp_path / name).rename(store.root / name)
    assert mine.read_text() == "mine"


def test_a_planted_unfinished_file_is_not_adopted(store: Store, tmp_path: Path) -> None:
    store.prepare()
    (tmp_path / "mine").write_bytes(b"mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    part = store.partial("x")
    part.symlink_to(tmp_path / "mine")
    with pytest.raises(StoreProblem, match="symbolic link"):
        store.adopt(part, digest, 4)
    part.unlink()
    os.link(tmp_path / "mine", part)
    with pytest.raises(StoreProblem, match="second name"):
        store.adopt(part, digest, 4)
    for elsewhere in (tmp_path / "mine", store.root / "partial" / ".." / "x", store.root / "partial" / "y" / "z"):
        with pytest.raises((StoreProblem, Damaged)):
            store.adopt(elsewhere, digest, 4)
    assert blobs(store) == set()
