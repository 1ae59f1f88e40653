"""Shared folders: used as they are, never written, noticed when they change, no harm when they are gone."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from making import add, manifest, put, tree

from edgemind.errors import Damaged, StoreProblem
from edgemind.models.store.moving import export
from edgemind.models.store.shared import Shared, open_shared, unavailable
from edgemind.models.store.store import Store, all_stores
from edgemind.models.store.verifying import verify
from edgemind.settings_file import edit_settings


@pytest.fixture
def drive(tmp_path: Path) -> Path:
    """A network drive: a store that another user wrote."""
    other = Store(tmp_path / "drive" / "models")
    add(other, "clinic", b"first", b"second")
    add(other, "other", b"third")
    return other.root


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A folder of exported models, one with a file in a folder."""
    other = Store(tmp_path / "desktop" / "models")
    file = put(other, b"nested")
    nested = manifest("nested", file.model_copy(update={"path": "inner/a.gguf"}))
    other.add(nested)
    export(other, nested, tmp_path / "stick")
    export(other, add(other, "flat", b"flat"), tmp_path / "stick")
    return tmp_path / "stick"


def contents(shared: Shared, name: str) -> list[bytes]:
    found = shared.get(name)
    assert found is not None
    return [path.read_bytes() for path in shared.files(found)]


def test_a_store_of_someone_else(store: Store, drive: Path) -> None:
    before = tree(drive)
    shared = open_shared(drive, store)
    assert shared.problem is None
    assert shared.names() == ["clinic", "other"]
    assert contents(shared, "clinic") == [b"first", b"second"]
    assert shared.get("nothing") is None
    assert not shared.writable
    assert shared.label == str(drive)
    assert tree(drive) == before
    if os.geteuid() == 0:
        for path in [drive, *drive.rglob("*")]:
            os.chown(path, 12345, 12345)
        assert contents(shared, "other") == [b"third"], "it may belong to anyone"


def test_a_folder_of_exported_models(store: Store, stick: Path) -> None:
    (stick / "notes").mkdir()
    (stick / "readme.txt").write_text("mine")
    before = tree(stick)
    shared = open_shared(stick, store)
    assert shared.names() == ["flat", "nested"]
    assert contents(shared, "nested") == [b"nested"]
    assert tree(stick) == before


def test_one_exported_model_by_itself(store: Store, stick: Path) -> None:
    shared = open_shared(stick / "nested", store)
    assert shared.names() == ["nested"]
    assert contents(shared, "nested") == [b"nested"]
    assert shared.get("flat") is None


def test_a_folder_under_another_name_is_told(store: Store, stick: Path) -> None:
    (stick / "flat").rename(stick / "renamed")
    shared = open_shared(stick, store)
    assert [found.name for found in shared.manifests()] == ["nested"]
    assert shared.damaged() == [("renamed", "the folder renamed holds the model flat")]
    with pytest.raises(StoreProblem, match="holds the model flat"):
        shared.get("renamed")


def test_a_change_is_noticed_and_verify_settles_it(store: Store, stick: Path) -> None:
    shared = open_shared(stick, store)
    [made] = [found for found in shared.manifests() if found.name == "flat"]
    [path] = shared.files(made)
    os.utime(path, ns=(1, 1))
    with pytest.raises(Damaged, match="changed since") as caught:
        shared.files(made)
    assert caught.value.hint == "edgemind verify flat"
    verify(shared, made)
    assert shared.files(made)
    path.write_bytes(b"FLAT")
    with pytest.raises(Damaged, match="its hash"):
        verify(shared, made)
    with pytest.raises(Damaged, match="its hash") as caught:
        shared.files(made)
    assert "whoever keeps" in caught.value.hint


def test_another_size_is_noticed_at_first_sight(store: Store, stick: Path) -> None:
    (stick / "flat" / "part-0.gguf").write_bytes(b"cut")
    shared = open_shared(stick, store)
    [made] = [found for found in shared.manifests() if found.name == "flat"]
    with pytest.raises(Damaged, match="has 3 bytes and should have 4"):
        shared.files(made)


def test_without_a_place_for_stamps_it_works_all_the_same(
    store: Store, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise StoreProblem("read-only.")

    monkeypatch.setattr(store.stamps, "_make", refuse)
    shared = open_shared(stick, store)
    assert contents(shared, "flat") == [b"flat"]


def test_all_stores_the_own_one_first(store: Store, drive: Path, stick: Path, tmp_path: Path) -> None:
    assert [one.root for one in all_stores()] == [store.root]
    edit_settings(stores=[str(drive), str(tmp_path / "unplugged"), str(stick)])
    assert [one.root for one in all_stores()] == [store.root, drive, stick]
    [(path, reason)] = unavailable()
    assert path == str(tmp_path / "unplugged")
    assert "unplugged or not mounted" in reason
    shutil.rmtree(drive)
    assert [one.root for one in all_stores()] == [store.root, stick]
    assert len(unavailable()) == 2


def test_a_home_folder_may_be_written_with_a_tilde(
    store: Store, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    edit_settings(stores=["~/stick"])
    assert [one.root for one in all_stores()] == [store.root, stick]


@pytest.mark.parametrize("kind", ["file", "newer"])
def test_what_cannot_be_a_shared_store(store: Store, drive: Path, tmp_path: Path, kind: str) -> None:
    root = drive
    if kind == "file":
        root = tmp_path / "file"
        root.write_text("x")
    else:
        (drive / "store.json").write_text('{"format": 7}')
    shared = open_shared(root, store)
    assert shared.problem is not None
    assert (shared.names(), shared.manifests(), shared.damaged(), shared.get("clinic")) == ([], [], [], None)


def test_a_drive_that_goes_away_under_the_hand(store: Store, drive: Path) -> None:
    shared = open_shared(drive, store)
    [made, _] = shared.manifests()
    shutil.rmtree(drive)
    assert shared.manifests() == []
    with pytest.raises(Damaged, match="missing"):
        shared.files(made)


def test_exported_models_go_from_one_stick_to_another(store: Store, stick: Path, tmp_path: Path) -> None:
    shared = open_shared(stick, store)
    [made] = [found for found in shared.manifests() if found.name == "nested"]
    target = export(shared, made, tmp_path / "second stick")
    assert (target / "inner" / "a.gguf").read_bytes() == b"nested"
