"""Where nothing can be opened below an open folder (Windows) the store works by paths, with the same refusals.

The switch is thrown here; a real Windows is not on this machine.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from making import add, tree

from edgemind.errors import StoreProblem
from edgemind.models.store import files
from edgemind.models.store.collect import collect
from edgemind.models.store.moving import export, import_folder, import_gguf
from edgemind.models.store.shared import Shared
from edgemind.models.store.store import Store
from edgemind.models.store.verifying import verify
from tests.engine.tiny import tiny_model


@pytest.fixture(autouse=True)
def by_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "HAS_DIR_FD", False)


def test_in_out_and_gone(store: Store, tmp_path: Path) -> None:
    made = import_gguf(store, [tiny_model(tmp_path / "tiny.gguf")], "some")
    verify(store, made)
    folder = export(store, made, tmp_path / "stick")
    other = Store(tmp_path / "other")
    assert other.files(import_folder(other, folder))
    [shared] = Shared(tmp_path / "stick", store).manifests()
    assert Shared(tmp_path / "stick", store).files(shared)
    store.remove("some")
    collect(store, 0)
    assert [name for name in tree(store.root) if not name.startswith("stamps/path-")] == ["lock", "store.json"]


@pytest.mark.parametrize("name", ["blobs", "manifests", "partial", "stamps"])
def test_links_are_not_followed(store: Store, tmp_path: Path, name: str) -> None:
    add(store, "some", b"x")
    (store.root / name).rename(tmp_path / name)
    (store.root / name).symlink_to(tmp_path / name)
    before = tree(tmp_path / name)
    with pytest.raises(StoreProblem, match="symbolic link"):
        add(store, "other", b"y")
    assert tree(tmp_path / name) == before


def test_a_link_in_the_place_of_a_blob(store: Store, tmp_path: Path) -> None:
    made = add(store, "some", b"x")
    path = store.blob(made.files[0].sha256)
    path.rename(tmp_path / "x")
    path.symlink_to(tmp_path / "x")
    with pytest.raises(StoreProblem, match="symbolic link"):
        store.files(made)
