"""Garbage collection: everything that nothing needs, nothing that somebody does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from making import add, blobs, put

from edgemind.models.store.collect import collect
from edgemind.models.store.store import Store

LEASE = """
import sys, time
from edgemind.models.store.store import own_store
own_store().lease("big", [sys.argv[1]])
print("held", flush=True)
time.sleep(60)
"""
HOLD = """
import time
from edgemind.models.store.store import own_store
with own_store().partial_lock("download") as held:
    print("held", flush=True)
    time.sleep(60)
"""
DAY = 86_400.0


def running(script: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def age(path: Path, seconds: float) -> None:
    os.utime(path, (time.time() - seconds,) * 2)


def test_what_nothing_names_goes_and_the_rest_stays(store: Store) -> None:
    made = add(store, "some", b"needed")
    orphan = put(store, b"an orphan")
    done = collect(store)
    assert (done.blobs, done.bytes_freed, done.partials) == (1, len(b"an orphan"), 0)
    assert not store.has(orphan.sha256, orphan.size)
    assert store.files(made)
    assert len(list((store.root / "stamps").iterdir())) == 1
    assert collect(store) == type(done)(0, 0, 0)


def test_nothing_goes_while_a_manifest_is_damaged(store: Store) -> None:
    add(store, "some", b"needed")
    put(store, b"an orphan")
    (store.root / "manifests" / "some.json").write_bytes(b"\x00" * 100)
    before = blobs(store)
    done = collect(store)
    assert done.blobs == 0
    assert done.kept_because is not None
    assert "some" in done.kept_because
    assert blobs(store) == before


def test_a_download_that_waits_is_kept_for_a_week(store: Store) -> None:
    store.prepare()
    for key, days in (("new", 1), ("old", 8)):
        for path in (store.partial(key), store.partial(key).with_suffix(".json")):
            path.write_bytes(b"half of it")
            age(path, days * DAY)
        with store.partial_lock(key):
            pass
    done = collect(store)
    assert (done.partials, done.bytes_freed) == (1, 20)
    assert sorted(path.name for path in (store.root / "partial").iterdir()) == ["new.json", "new.lock", "new.part"]
    assert collect(store, 0).partials == 1
    assert list((store.root / "partial").iterdir()) == []


def test_a_download_under_way_is_never_taken(store: Store) -> None:
    store.prepare()
    store.partial("download").write_bytes(b"half of it")
    age(store.partial("download"), 100 * DAY)
    process = running(HOLD)
    try:
        assert collect(store, 0).partials == 0
        assert store.partial("download").exists()
    finally:
        end(process)
    assert collect(store, 0).partials == 1


def test_what_a_killed_import_left_goes_at_once(store: Store) -> None:
    store.prepare()
    for key in ("import-abc", "copy-abc", "made-abc"):
        store.partial(key).write_bytes(b"half of it")
    assert collect(store).partials == 3


def test_a_lease_of_a_living_pull_keeps_its_blobs(store: Store) -> None:
    file = put(store, b"the first of two files")
    process = running(LEASE, file.sha256)
    try:
        assert collect(store, 0).blobs == 0
    finally:
        end(process)
    assert collect(store).blobs == 0, "a pull that was killed yesterday may be taken up again"
    assert collect(store, 0).blobs == 1
    assert list((store.root / "pending").iterdir()) == []


def test_a_lease_that_cannot_be_read_keeps_nothing_and_harms_nothing(store: Store) -> None:
    store.prepare()
    for number, text in enumerate(["", "{", "[]", '{"digests": 1}', '{"digests": [], "since": "x"}', "[" * 100_000]):
        (store.root / "pending" / f"a~{number}.json").write_text(text)
    huge = json.dumps({"digests": ["../x", 3], "since": 1e300, "process": 1e300, "started": 0})
    (store.root / "pending" / "a~huge.json").write_text(huge)
    put(store, b"an orphan")
    assert collect(store).blobs == 1
    collect(store, 0)


def test_small_files_of_killed_processes_go_when_they_are_old(store: Store) -> None:
    add(store, "some", b"needed")
    new, old = (store.root / "manifests" / f".new-{name}" for name in ("a", "b"))
    for path in (new, old):
        path.write_bytes(b"{")
    age(old, 7200)
    collect(store)
    assert new.exists()
    assert not old.exists()


def test_names_that_are_not_the_stores_are_left_alone(store: Store) -> None:
    store.prepare()
    mine = [store.root / "notes.txt", store.root / "blobs" / "notes.txt", store.root / "partial" / "Notes.txt"]
    for path in mine:
        path.write_text("mine")
    (store.root / "partial" / "folder").mkdir()
    collect(store, 0)
    assert all(path.exists() for path in mine)
