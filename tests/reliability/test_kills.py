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
from pathlib import Path

import pytest
from localhub import Fault, Hub
from pulling import environment, part_of, store_of, visible

KILLS = 200
MODELS = 8
TRANSFER_S = 0.7


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
            hub.add(name, {"model-F32.gguf": content})
        hub.faults = Fault(rate=len(next(iter(contents.values()))) / TRANSFER_S)
        zygote = Zygote(environment(hub, home))
        yield hub, zygote
        zygote.close()


def test_two_hundred_kills(pulls, home, contents):
    hub, zygote = pulls
    rng, finished, again, kills, landed = random.Random(1), 0, 0, 0, []
    waiting = list(contents)
    while kills < KILLS:
        name = waiting[0]
        content = contents[name]
        kept = size_of(part_of(home, content))
        requests = len(hub.log)
        process = zygote.start("pull", name, "--no-trial")
        time.sleep(rng.choice((rng.uniform(0, 0.08), rng.uniform(0, 0.35))))
        os.kill(process, signal.SIGKILL)
        code = zygote.wait(process)
        kills += code == -signal.SIGKILL
        assert code in (0, -signal.SIGKILL)
        there = size_of(part_of(home, content))
        landed.append(there / len(content))
        again += sum(max(0, kept - request.start) for request in list(hub.log)[requests:] if request.kind == "file")
        models = visible(home)
        assert all(files[0][2] == len(content) for files in models.values())
        if code == 0:
            [file] = [files[0] for files in models.values() if files[0][1] == hashlib.sha256(content).hexdigest()]
            assert file[2] == len(content)
            finished += len(content)
            waiting.pop(0)
        if not waiting:
            forget(home)
            waiting = list(contents)
    for name in waiting:
        assert zygote.wait(zygote.start("pull", name, "--no-trial")) == 0
        finished += len(contents[name])
    assert len(visible(home)) == MODELS
    middle = sum(0 < share < 1 for share in landed)
    more = hub.log.served() / finished - 1
    print(f"{kills} kills, {middle} of them amid a file; {finished >> 20} MiB finished, {again} bytes of that twice;")
    print(f"{more:.2%} more was sent than finished")
    assert middle > KILLS // 4, "the kills do not land in the middle of transfers"
    assert again < 0.02 * finished
    assert more < 0.1


def forget(home: Path) -> None:
    store = store_of(home)
    for name in store.names():
        store.remove(name)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
