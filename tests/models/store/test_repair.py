"""Repair: what the blobs can say about themselves is believed after they are hashed, and nothing is deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from making import add, blobs, put, tree

from edgemind.errors import StoreProblem
from edgemind.models.store.collect import collect
from edgemind.models.store.moving import import_gguf
from edgemind.models.store.repair import repair
from edgemind.models.store.store import Store, own_store
from tests.engine.splitting import split
from tests.engine.tiny import tiny_model


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf", name="My Tiny (1)")


def test_a_sound_store_is_left_as_it_is(store: Store, tiny: Path) -> None:
    assert repair(store) == []
    assert not store.root.exists()
    import_gguf(store, [tiny], "some")
    before = tree(store.root)
    assert repair(store) == []
    assert tree(store.root) == before


@pytest.mark.parametrize("damage", ["cut", "field", "zero"])
def test_a_damaged_manifest_is_made_again(store: Store, tiny: Path, damage: str) -> None:
    made = import_gguf(store, [tiny], "some")
    file = store.root / "manifests" / "some.json"
    text = file.read_text()
    damaged = {"cut": text[: text.index('"source"')], "field": text.replace('"kind"', '"king"', 1), "zero": "\x00" * 50}
    file.write_text(damaged[damage])
    [said] = repair(store)[:1]
    name = "my-tiny-1" if damage == "zero" else "some"
    found = store.get(name)
    assert found is not None
    assert [one.sha256 for one in found.files] == [one.sha256 for one in made.files]
    assert found.facts == made.facts
    assert store.files(found)
    assert store.damaged() == []
    [aside] = [path for path in file.parent.iterdir() if ".damaged" in path.name]
    assert aside.read_text() == damaged[damage]
    assert aside.name in said
    assert repair(store) == []


def test_a_lost_manifest_of_a_split_model(store: Store, tiny: Path, tmp_path: Path) -> None:
    parts = split(tiny, tmp_path, 3)
    made = import_gguf(store, parts, "some")
    (store.root / "manifests" / "some.json").unlink()
    assert repair(own_store()) == ["my-tiny-1 had lost its manifest, and has a new one."]
    found = store.get("my-tiny-1")
    assert found is not None
    assert [one.sha256 for one in found.files] == [one.sha256 for one in made.files]


def test_a_name_that_is_taken_gets_a_suffix(store: Store, tiny: Path) -> None:
    made = import_gguf(store, [tiny], "some")
    (store.root / "manifests" / "some.json").unlink()
    add(store, "my-tiny-1", b"another")
    repair(store)
    assert store.names() == ["my-tiny-1", f"my-tiny-1-{made.files[0].sha256[:8]}"]


def test_what_is_no_model_or_is_damaged_gets_no_name(store: Store, tiny: Path) -> None:
    made = import_gguf(store, [tiny], "some")
    (store.root / "manifests" / "some.json").unlink()
    put(store, b"a license")
    path = store.blob(made.files[0].sha256)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    before = blobs(store)
    [said] = repair(store)
    assert "cannot be used" in said
    assert store.names() == []
    assert blobs(store) == before
    assert collect(store).blobs == 2


def test_one_that_cannot_be_made_again_is_moved_aside_so_that_the_rest_goes_on(store: Store) -> None:
    add(store, "some", b"no GGUF file")
    sound = add(store, "sound", b"another")
    (store.root / "manifests" / "some.json").write_text("{")
    [said] = repair(store)
    assert "moved aside" in said
    assert store.manifests() == [sound]
    assert collect(store).blobs == 1


def test_what_a_pull_has_leased_is_left_to_it(store: Store, tiny: Path) -> None:
    file = put(store, tiny.read_bytes())
    store.lease("big", [file.sha256])
    assert repair(store) == []


@pytest.mark.parametrize("text", ["", "{", '{"format": "x"}', '{"format": 0}'])
def test_the_stores_own_number(store: Store, text: str) -> None:
    made = add(store, "some", b"x")
    (store.root / "store.json").write_text(text)
    assert repair(store) == ["store.json was damaged and is written anew."]
    assert own_store().files(made)


def test_a_newer_store_is_left_alone(store: Store) -> None:
    add(store, "some", b"x")
    (store.root / "store.json").write_text('{"format": 2}')
    before = tree(store.root)
    with pytest.raises(StoreProblem, match="newer"):
        repair(store)
    assert tree(store.root) == before


def test_a_newer_manifest_is_left_alone(store: Store) -> None:
    add(store, "some", b"x")
    file = store.root / "manifests" / "some.json"
    file.write_text(file.read_text().replace('"format": 1', '"format": 2'))
    before = tree(store.root)
    assert repair(store) == ["some was written by a newer EdgeMind and is left as it is."]
    assert tree(store.root) == before
