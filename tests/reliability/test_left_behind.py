"""What a pull that ended early leaves: enough to go on from, and nothing that stays for ever."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import time

import pytest
from localhub import Fault
from pulling import REPO, ends, part_of, pull, start_pull, store_of, visible
from tiny import tiny_model

from edgemind.errors import ModelUnusable, NetworkProblem
from edgemind.models.store.collect import collect


def test_a_finished_part_waits_for_the_others(hub, home, model, large_model):
    """Garbage collection after a pull that failed takes nothing that the next try needs."""
    files = {"config.json": b"{}", "model.safetensors": model, "tokenizer.json": large_model}
    hub.add("owner/checkpoint", files)
    hub.faults = Fault(path="tokenizer.json", at="*", status=500)
    with pytest.raises(NetworkProblem):
        pull(hub, home, "owner/checkpoint", safetensors=True)
    collect(store_of(home))
    hub.faults = None
    hub.log.clear()
    pull(hub, home, "owner/checkpoint", safetensors=True)
    assert hub.log.served("model.safetensors") == 0


def test_a_model_that_is_removed_leaves_nothing_although_a_pull_of_it_was_killed(hub, home, model):
    hub.faults = Fault(rate=len(model) / 2)
    with ends(start_pull(hub, home)) as process:
        wait_for(part_of(home, model))
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    hub.faults = None
    manifest = pull(hub, home)
    store = store_of(home)
    assert store.remove(manifest.name) == len(model)
    assert not store.blob(manifest.files[0].sha256).exists()


def test_a_file_that_is_no_model_can_be_collected(hub, home):
    content = b"GGUF" + bytes(100_000)
    hub.add(REPO, {"tiny-F32.gguf": content})
    with pytest.raises(ModelUnusable):
        pull(hub, home)
    assert visible(home) == {}
    collect(store_of(home), unfinished_older_than=0)
    assert not list(home.glob("data/models/blobs/*"))
    assert not part_of(home, content).exists()


def test_a_newer_file_replaces_the_older(hub, home, tmp_path):
    """The unfinished file of an older commit is not taken for the new one's."""
    hub.faults = Fault(cut=60_000)
    with contextlib.suppress(NetworkProblem):
        pull(hub, home)
    newer = tiny_model(tmp_path / "newer.gguf", layers=1, embd=32, heads=2, kv_heads=2, seed=5).read_bytes()
    hub.repo(REPO).commit({"tiny-F32.gguf": newer})
    hub.faults = None
    manifest = pull(hub, home)
    assert manifest.files[0].sha256 == hashlib.sha256(newer).hexdigest()
    assert manifest.source.revision == hub.repo(REPO).sha


def wait_for(part, seconds: float = 30.0) -> None:
    until = time.monotonic() + seconds
    while not (part.exists() and part.stat().st_size):
        assert time.monotonic() < until, f"{part} does not come"
        time.sleep(0.01)
