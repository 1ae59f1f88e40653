"""Many processes change one store at once, and some are killed: it is consistent at every moment and at the end."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time

import pytest
from making import blobs

from edgemind.models.store.collect import collect
from edgemind.models.store.store import Store

CHANGE = """
import contextlib, hashlib, os, random, sys
from edgemind.errors import EdgemindError
sys.path.insert(0, sys.argv[1])
from making import add, manifest, put
from edgemind.models.store.collect import collect
from edgemind.models.store.store import own_store
store, random_ = own_store(), random.Random(int(sys.argv[2]))
DATA = [bytes([n]) * (1000 + n) for n in range(6)]
for turn in range(int(sys.argv[3])):
    name = f"model-{random_.randrange(8)}"
    with contextlib.suppress(EdgemindError):
        what = random_.randrange(5)
        if what < 2:
            add(store, name, *random_.sample(DATA, random_.randint(1, 3)))
        elif what == 2:
            store.remove(name)
        elif what == 3:
            collect(store, 0)
        else:
            digests = [hashlib.sha256(data).hexdigest() for data in DATA]
            store.lease(name, digests)
            files = [put(store, data).model_copy(update={"path": f"f{n}"}) for n, data in enumerate(DATA[:2])]
            store.add(manifest(name, *files), replace=True)
            store.release(name)
print("done")
"""


def start(seed: int, turns: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHANGE, __file__.rpartition("/")[0], str(seed), str(turns)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def check(store: Store) -> None:
    """Every visible model is whole. Read while others write: a model may go between two looks, but never be wrong."""
    with store.locked(60):
        assert store.damaged() == []
        for made in store.manifests():
            for file, path in zip(made.files, store.files(made), strict=True):
                assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256


def test_eight_processes_at_once(store: Store) -> None:
    processes = [start(seed, 25) for seed in range(8)]
    while any(process.poll() is None for process in processes):
        check(store)
        time.sleep(0.05)
    for process in processes:
        out, err = process.communicate()
        assert out == "done\n", err
    check(store)
    collect(store, 0)
    needed = {f"sha256-{file.sha256}" for made in store.manifests() for file in made.files}
    assert blobs(store) == needed


@pytest.mark.parametrize("seed", range(4))
def test_processes_that_are_killed_anywhere(store: Store, seed: int) -> None:
    random_ = random.Random(seed)
    for number in range(5):
        processes = [start(100 * seed + 10 * number + one, 200) for one in range(2)]
        time.sleep(0.4 + random_.random() * 0.4)
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.communicate()
        check(store)
    collect(store, 0)
    needed = {f"sha256-{file.sha256}" for made in store.manifests() for file in made.files}
    assert blobs(store) == needed
    assert [path for path in (store.root / "partial").iterdir() if not path.name.startswith(".new-")] == []
