"""Verify: every byte is read, what is wrong is marked and named, what is right again can be used again."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from making import add, blobs, tree

from edgemind.errors import Damaged, StoreProblem
from edgemind.models.store.store import Store
from edgemind.models.store.verifying import verify

BIG = r"""
import pathlib, re, resource, sys
from edgemind.models.store.store import own_store
from edgemind.models.store.verifying import verify
store = own_store()
done = verify(store, store.get("big"))
status = pathlib.Path("/proc/self/status")
most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
if status.exists():  # on Linux the other number begins with that of the parent
    most = int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1])
print(done.bytes, most)
"""


def flip(path: Path, place: int = 0) -> None:
    """Another byte, the same size and time: what only a hash can see."""
    status = path.stat()
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_sound_model(store: Store) -> None:
    made = add(store, "some", b"one" * 1000, b"two" * 2000)
    seen: list[tuple[int, int]] = []
    done = verify(store, made, lambda done, total: seen.append((done, total)))
    assert (done.files, done.bytes, done.separated) == (2, 9000, ())
    assert seen[-1] == (9000, 9000)


def test_a_touched_file_can_be_used_again(store: Store) -> None:
    made = add(store, "some", b"weights")
    os.utime(store.blob(made.files[0].sha256), ns=(1, 1))
    with pytest.raises(Damaged, match="changed since"):
        store.files(made)
    verify(store, made)
    assert store.files(made)


@pytest.mark.parametrize(("kind", "hint"), [("hub", "edgemind pull some"), ("file", "edgemind import FILE.gguf")])
def test_a_flipped_bit_is_found_marked_and_kept(store: Store, kind: str, hint: str) -> None:
    made = add(store, "some", b"first", b"weights", kind=kind)
    flip(store.blob(made.files[1].sha256), 3)
    assert store.files(made), "size and time are as they were"
    for attempt in (lambda: verify(store, made), lambda: store.files(made)):
        with pytest.raises(Damaged, match=r"part-1\.gguf of some is damaged") as caught:
            attempt()
        assert hint in caught.value.hint
    assert len(blobs(store)) == 2, "nothing is removed in silence"
    assert not store.has(made.files[1].sha256, made.files[1].size), "so a pull fetches it again"


def test_every_file_is_looked_at_before_it_fails(store: Store) -> None:
    made = add(store, "some", b"first", b"second", b"third")
    flip(store.blob(made.files[0].sha256))
    store.blob(made.files[2].sha256).unlink()
    with pytest.raises(Damaged, match=r"part-0\.gguf of some is damaged.* \(1 more"):
        verify(store, made)


@pytest.mark.parametrize("data", [b"", b"weight", b"weights!"])
def test_another_length_is_named_with_its_numbers(store: Store, data: bytes) -> None:
    made = add(store, "some", b"weights")
    store.blob(made.files[0].sha256).write_bytes(data)
    with pytest.raises(Damaged, match=f"has {len(data)} bytes and should have 7"):
        verify(store, made)


def test_a_hard_link_gets_a_copy_of_its_own_when_its_bytes_are_right(store: Store, tmp_path: Path) -> None:
    made = add(store, "some", b"weights")
    path = store.blob(made.files[0].sha256)
    os.link(path, tmp_path / "other")
    with pytest.raises(StoreProblem, match="second name") as caught:
        store.files(made)
    assert caught.value.hint == "edgemind verify some"
    assert verify(store, made).separated == ("part-0.gguf",)
    (tmp_path / "other").write_bytes(b"CHANGED")
    assert store.files(made)[0].read_bytes() == b"weights"
    assert path.stat().st_nlink == 1
    assert list((store.root / "partial").iterdir()) == []


def test_a_hard_link_with_wrong_bytes_is_damaged(store: Store, tmp_path: Path) -> None:
    made = add(store, "some", b"weights")
    os.link(store.blob(made.files[0].sha256), tmp_path / "other")
    (tmp_path / "other").write_bytes(b"CHANGED")
    with pytest.raises(Damaged, match="its hash"):
        verify(store, made)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "owner"])
def test_anything_but_a_plain_file_of_the_users_is_refused_and_not_opened(
    store: Store, tmp_path: Path, kind: str
) -> None:
    made = add(store, "some", b"weights")
    path = store.blob(made.files[0].sha256)
    if kind == "owner":
        if os.geteuid():
            pytest.skip("only root can give a file away")
        os.chown(path, 12345, 12345)
    else:
        path.rename(tmp_path / "weights")
        {"link": lambda: path.symlink_to(tmp_path / "weights"), "folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}[
            kind
        ]()
    for attempt in (lambda: verify(store, made), lambda: store.files(made)):
        with pytest.raises(StoreProblem, match="is not used"):
            attempt()
    assert not store.has(made.files[0].sha256, made.files[0].size)


def test_a_link_in_the_place_of_the_folder_of_blobs_is_refused(store: Store, tmp_path: Path) -> None:
    made = add(store, "some", b"weights")
    (store.root / "blobs").rename(tmp_path / "elsewhere")
    (store.root / "blobs").symlink_to(tmp_path / "elsewhere")
    before = tree(tmp_path / "elsewhere")
    for attempt in (lambda: store.files(made), lambda: verify(store, made), lambda: store.remove("some")):
        with pytest.raises(StoreProblem, match="symbolic link"):
            attempt()
    assert tree(tmp_path / "elsewhere") == before


def test_the_store_itself_may_be_reached_through_a_link(store: Store, tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    store.root.parent.mkdir(parents=True)
    store.root.symlink_to(tmp_path / "large disk")
    made = add(store, "some", b"weights")
    assert store.files(made)
    assert (tmp_path / "large disk" / "manifests" / "some.json").exists()


def test_memory_does_not_grow_with_the_file(store: Store) -> None:
    made = add(store, "big", b"")
    size = 600 << 20
    path = store.blob(made.files[0].sha256)
    with path.open("r+b") as file:
        file.truncate(size)
    text = (store.root / "manifests" / "big.json").read_text()
    digest = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout[:64]
    path.rename(store.blob(digest))
    text = text.replace(made.files[0].sha256, digest).replace('"size": 0', f'"size": {size}')
    (store.root / "manifests" / "big.json").write_text(text)
    done = subprocess.run([sys.executable, "-c", BIG], capture_output=True, text=True, check=True)
    hashed, most = map(int, done.stdout.split())
    assert hashed == size
    assert most * 1024 < 100e6
