"""Two hundred kill -9 at random points of pulls: nothing wrong is ever visible, nothing finished is fetched again."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from localhub import Fault, Hub
from pulling import environment, part_of, store_of, visible

KILLS = 200
MODELS = 8
TRANSFER_S = 0.4
LONGEST_START_S = 0.5
FILE = "model-F32.gguf"


class Zygote:
    """Pulls by fork; see ``zygote.py``."""

    def __init__(self, variables: dict[str, str]) -> None:
        script = str(Path(__file__).with_name("zygote.py"))
        self._process = subprocess.Popen(
            [sys.executable, script], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, *arguments: str) -> int:
        return self._ask(list(arguments))

    def wait(self, process: int) -> int:
        return self._ask(process)

    def _ask(self, asked: object) -> int:
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


@pytest.fixture
def contents(large_model) -> dict[str, bytes]:
    """Models that differ in their last weights."""
    return {f"owner/model{n}": large_model[:-8] + n.to_bytes(8, "little") for n in range(MODELS)}


@pytest.fixture
def pulls(home, contents):
    with Hub() as hub:
        for name, content in contents.items():
            hub.add(name, {FILE: content})
        hub.faults = Fault(rate=len(next(iter(contents.values()))) / TRANSFER_S)
        zygote = Zygote(environment(hub, home))
        yield hub, zygote
        zygote.close()


@pytest.mark.timeout(1200)
def test_two_hundred_kills(pulls, home, contents):
    hub, zygote = pulls
    rng, phases = random.Random(1), Counter()
    finished = again = 0
    waiting = list(contents)
    while sum(phases.values()) < KILLS or waiting:
        name, content = waiting[0], contents[waiting[0]]
        kept, requests = size_of(part_of(home, content)), len(hub.log)
        process = zygote.start("pull", name, "--no-trial")
        if sum(phases.values()) < KILLS:
            await_the_moment(rng, part_of(home, content), kept, len(content))
            os.kill(process, signal.SIGKILL)
        code = zygote.wait(process)
        assert code in (0, -signal.SIGKILL)
        again += sum(max(0, kept - one.start) for one in list(hub.log)[requests:] if one.kind == "file")
        phase = phase_of(home, content)
        if code:
            phases[phase] += 1
        else:
            assert phase == "visible"
        if phase == "visible":
            finished += len(content)
            waiting.pop(0)
        if not waiting and sum(phases.values()) < KILLS:
            forget(home)
            waiting = list(contents)
    more = hub.log.served() / finished - 1
    print(f"killed: {dict(phases)}")
    print(f"{finished >> 20} MiB finished, {again} bytes of that asked for twice, {more:.2%} more sent than finished")
    assert len(visible(home)) == MODELS
    assert phases["amid the file"] > KILLS // 4, "the kills do not land in the middle of transfers"
    assert again < 0.02 * finished
    assert more < 0.1


def await_the_moment(rng: random.Random, part: Path, kept: int, size: int) -> None:
    """Of the kill: at any time before the first byte, somewhere in the file (most of them), or around the end of it."""
    began, wish = time.monotonic(), rng.random()
    if wish < 0.2:
        time.sleep(rng.uniform(0, 0.1))
        return
    while size_of(part) == kept and time.monotonic() - began < LONGEST_START_S:
        time.sleep(0.002)
    left_s = TRANSFER_S * (1 - kept / size)
    time.sleep(rng.uniform(0, 0.6 * TRANSFER_S) if wish < 0.75 else max(0, left_s + rng.uniform(-0.04, 0.04)))


def phase_of(home: Path, content: bytes) -> str:
    """How far a pull had come; whatever is visible has been proven on the way."""
    digest = hashlib.sha256(content).hexdigest()
    models = visible(home)
    if any(files == [(FILE, digest, len(content))] for files in models.values()):
        return "visible"
    part = size_of(part_of(home, content))
    if store_of(home).blob(digest).exists():
        return "stored, not yet named"
    return "amid the file" if 0 < part < len(content) else "whole, not yet stored" if part else "before the file"


def forget(home: Path) -> None:
    store = store_of(home)
    for name in store.names():
        store.remove(name)
    assert not list(home.glob("data/models/blobs/*")), "a killed pull keeps the files of a model that was removed"


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
