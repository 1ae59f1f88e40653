"""The store's promises: what is visible is whole, private, unchanged, and kept as long as something needs it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from making import add, blobs, manifest, put, stored, tree

from edgemind.errors import Damaged, StoreProblem
from edgemind.models.store.store import Store, all_stores, own_store


def test_opening_creates_nothing(store: Store, tmp_path: Path) -> None:
    assert store.names() == []
    assert store.manifests() == []
    assert store.damaged() == []
    assert store.get("some") is None
    assert not store.has("0" * 64, 1)
    assert store.writable
    assert not (tmp_path / "home").exists()


def test_a_model_that_was_added_is_there(store: Store) -> None:
    made = add(store, "qwen3-0.6b", b"weights")
    assert own_store().names() == ["qwen3-0.6b"]
    assert own_store().get("qwen3-0.6b") == made
    assert own_store().manifests() == [made]
    [path] = store.files(made)
    assert path.read_bytes() == b"weights"
    assert path == store.blob(made.files[0].sha256)
    assert list((store.root / "partial").glob("*.part")) == []


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o777])
def test_folders_are_0700_and_files_0600_under_any_umask(store: Store, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = add(store, "some", b"one")
        store.lease("other", ["0" * 64])
        with store.partial_lock("abc"):
            pass
    finally:
        os.umask(before)
    assert store.files(made)
    for path in [store.root, *store.root.rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert stat.S_IMODE(store.root.parent.stat().st_mode) == 0o700


def test_a_store_that_others_could_read_is_closed(store: Store) -> None:
    store.root.mkdir(parents=True)
    store.root.chmod(0o755)
    store.prepare()
    assert stat.S_IMODE(store.root.stat().st_mode) == 0o700


def test_a_name_is_taken_once(store: Store) -> None:
    made = add(store, "some", b"one")
    store.add(made)
    other = manifest("some", put(store, b"two"))
    with pytest.raises(StoreProblem, match="named some already"):
        store.add(other)
    assert store.get("some") == made
    store.add(other, replace=True)
    assert store.get("some") == other
    assert blobs(store) == {f"sha256-{other.files[0].sha256}"}


def test_a_model_without_its_bytes_is_not_added(store: Store) -> None:
    store.prepare()
    with pytest.raises(Damaged, match="not in the store"):
        store.add(manifest("some", stored("a.gguf", b"never written")))
    assert store.names() == []


def test_removing_one_of_two_names_keeps_the_blob(store: Store) -> None:
    add(store, "one", b"shared", b"of one")
    two = add(store, "two", b"shared")
    assert store.remove("one") == len(b"of one")
    assert store.files(two)[0].read_bytes() == b"shared"
    assert store.remove("two") == len(b"shared")
    assert blobs(store) == set()
    assert list((store.root / "stamps").iterdir()) == []


def test_removing_what_is_not_there_says_so(store: Store) -> None:
    with pytest.raises(StoreProblem, match="no model named some"):
        store.remove("some")


def test_a_lease_keeps_blobs_until_it_is_released(store: Store) -> None:
    file = put(store, b"first part")
    store.lease("big", [file.sha256])
    add(store, "small", b"first part")
    assert store.remove("small") == 0
    assert store.has(file.sha256, file.size)
    store.release("big")
    store.release("big")
    add(store, "small", b"first part")
    assert store.remove("small") == file.size


def test_a_finished_file_is_adopted_only_with_its_size(store: Store) -> None:
    store.prepare()
    part = store.partial("abc")
    part.write_bytes(b"cut")
    with pytest.raises(Damaged, match="should have 4"):
        store.adopt(part, "0" * 64, 4)
    assert blobs(store) == set()
    assert part.exists()


def test_a_sound_blob_wins_over_a_second_copy(store: Store) -> None:
    file = put(store, b"same")
    before = store.blob(file.sha256).stat().st_ino
    put(store, b"same")
    assert store.blob(file.sha256).stat().st_ino == before


@pytest.mark.parametrize("key", ["", "../x", "A", "a/b", "a" * 101, "a.b"])
def test_an_unfinished_file_has_a_plain_key(store: Store, key: str) -> None:
    with pytest.raises(StoreProblem):
        store.partial(key)


@pytest.mark.parametrize("name", ["", "..", "../x", "A", "a/b", "con", "a" * 129, "x\n"])
def test_a_bad_name_reaches_no_file(store: Store, name: str) -> None:
    assert store.get(name) is None
    for change in (store.remove, store.release, lambda bad: store.lease(bad, [])):
        with pytest.raises(StoreProblem, match="cannot be the name"):
            change(name)


def test_a_blob_of_a_bad_digest_has_no_path(store: Store) -> None:
    with pytest.raises(StoreProblem, match="no SHA-256"):
        store.blob("../../etc/passwd")


def test_a_file_that_was_changed_is_noticed_at_the_next_look(store: Store) -> None:
    made = add(store, "some", b"weights")
    path = store.blob(made.files[0].sha256)
    os.utime(path, ns=(1, 1))
    with pytest.raises(Damaged, match="changed since") as caught:
        store.files(made)
    assert caught.value.hint == "edgemind verify some"
    path.write_bytes(b"weight")
    with pytest.raises(Damaged, match="6 bytes and should have 7") as caught:
        store.files(made)
    assert caught.value.hint == "edgemind pull some"
    path.unlink()
    with pytest.raises(Damaged, match="missing"):
        store.files(made)


def test_a_touched_blob_is_hashed_again_when_it_is_asked_for(store: Store) -> None:
    file = put(store, b"weights")
    path = store.blob(file.sha256)
    os.utime(path, ns=(1, 1))
    assert store.has(file.sha256, file.size)
    assert store.state(file.sha256, file.size) == "sound"
    path.write_bytes(b"WEIGHTS")
    assert not store.has(file.sha256, file.size)
    assert store.state(file.sha256, file.size) == "damaged"
    put(store, b"weights")
    assert store.has(file.sha256, file.size)


def test_a_damaged_manifest_hides_its_model_only(store: Store) -> None:
    sound = add(store, "sound", b"one")
    broken = add(store, "broken", b"two")
    (store.root / "manifests" / "broken.json").write_bytes(b"{")
    assert store.names() == ["broken", "sound"]
    assert store.manifests() == [sound]
    [(name, reason)] = store.damaged()
    assert name == "broken"
    assert reason
    with pytest.raises(StoreProblem, match="manifest of broken cannot be used") as caught:
        store.get("broken")
    assert caught.value.hint == "edgemind store repair"
    assert store.remove("sound") == 0, "a damaged manifest may name any blob"
    assert len(blobs(store)) == 2
    assert store.remove("broken") == 0
    assert store.names() == []
    assert f"sha256-{broken.files[0].sha256}" in blobs(store)


def test_a_newer_store_is_left_alone(store: Store) -> None:
    add(store, "some", b"one")
    (store.root / "store.json").write_text('{"format": 2, "more": []}')
    before = tree(store.root)
    for attempt in (own_store, all_stores, store.prepare, lambda: store.remove("some"), lambda: put(store, b"two")):
        with pytest.raises(StoreProblem, match=r"written by a newer EdgeMind") as caught:
            attempt()
        assert "Update" in caught.value.hint
    assert tree(store.root) == before


def test_a_newer_manifest_is_left_alone(store: Store) -> None:
    made = add(store, "some", b"one")
    file = store.root / "manifests" / "some.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format": 2, "shape": "new"}))
    before = tree(store.root)
    for attempt in (
        lambda: store.get("some"),
        lambda: store.remove("some"),
        lambda: store.add(made, replace=True),
        lambda: store.add(made),
    ):
        with pytest.raises(StoreProblem, match="newer EdgeMind"):
            attempt()
    assert tree(store.root) == before
    assert "newer" in store.damaged()[0][1]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 0}', '{"format": true}', '{"format": "1"}', "\x00"])
def test_a_store_whose_number_cannot_be_read_says_so(store: Store, text: str) -> None:
    store.prepare()
    (store.root / "store.json").write_text(text)
    with pytest.raises(StoreProblem, match="damaged") as caught:
        own_store()
    assert caught.value.hint == "edgemind store repair"


def test_two_hundred_models_are_listed(store: Store) -> None:
    for index in range(200):
        add(store, f"model-{index:03}", b"the same bytes")
    assert len(store.manifests()) == 200
    assert len(blobs(store)) == 1
