"""How fast is a pull, and how much memory do pull, verify and gc take? Everything on loopback, with files made here.

The yardstick is ``curl`` to a file and then ``sha256sum`` of it: the bytes and the hash, without resume and without a
sync to the disk. ``edgemind pull`` is the whole command, from its start to its end, synced; only the trial run of two
tokens is left out. Both take turns, each into an empty folder.

    python scripts/bench_pull.py
    python scripts/bench_pull.py --shape qwen3-1.7b --rounds 9 --large 16
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgemind.convert.random_weights import build
from edgemind.models.store.manifest import Manifest, Source, StoredFile
from edgemind.models.store.store import Store

COMMAND = str(Path(sys.executable).with_name("edgemind"))
SERVE = Path(__file__).resolve().parent.parent / "tests" / "hub" / "serve.py"
MIB = 1 << 20
HOLE = 64 * MIB


@contextmanager
def hub(root: Path) -> Iterator[str]:
    """The local hub as a process of its own; its address."""
    command = [sys.executable, str(SERVE), "--root", str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield json.loads(process.stdout.readline())["endpoint"]
        process.stdin.close()


def timed(command: list[str], home: Path, endpoint: str = "") -> tuple[float, int]:
    """Seconds and peak memory (bytes) of a command that must succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    variables = {**kept, "EDGEMIND_HOME": str(home), "HF_ENDPOINT": endpoint}
    began = time.monotonic()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL, stderr=said)
        peak = 0
        while process.poll() is None:
            peak = max(peak, _peak_so_far(process.pid))
            time.sleep(0.01)
        seconds = time.monotonic() - began
        if process.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)} failed: {said.read().decode()}")
    return seconds, peak


def _peak_so_far(process: int) -> int:
    """Bytes. Not ``getrusage``: that counts what this process held when it started the other."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) * 1024 if found else 0


def compare(folder: Path, shape: str, rounds: int, summing: list[str]) -> None:
    """Pull against curl and a program that hashes."""
    model = folder / "root/owner/bench/model-Q4_K_M.gguf"
    model.parent.mkdir(parents=True)
    size = build(shape, model).stat().st_size
    print(f"{shape}, {size / MIB:.0f} MiB; seconds")
    print(f"{'':8}{'curl':>8}{summing[0]:>11}{'together':>10}{'pull':>8}{'ratio':>8}")
    ratios, peak = [], 0
    with hub(folder / "root") as endpoint:
        address = f"{endpoint}/owner/bench/resolve/main/{model.name}"
        for number in range(rounds):
            yardstick, pull = {}, 0.0
            for turn in ("curl", "pull") if number % 2 else ("pull", "curl"):
                place = folder / "place"
                place.mkdir()
                if turn == "curl":
                    curl = ["curl", "-sSfL", "--noproxy", "*", "-o", str(place / "file"), address]
                    yardstick["curl"], _ = timed(curl, place)
                    yardstick["sum"], _ = timed([*summing, str(place / "file")], place)
                else:
                    pull, memory = timed([COMMAND, "pull", "owner/bench", "--no-trial"], place, endpoint)
                    peak = max(peak, memory)
                shutil.rmtree(place)
                os.sync()
            together = sum(yardstick.values())
            ratios.append(together / pull)
            print(
                f"{number + 1:<8}{yardstick['curl']:8.2f}{yardstick['sum']:11.2f}{together:10.2f}{pull:8.2f}"
                f"{ratios[-1]:8.2f}"
            )
    print(f"ratio, median of {rounds}: {statistics.median(ratios):.2f} (0.9 is asked for)")
    print(f"peak memory of pull: {peak / 1e6:.0f} MB\n")


def memory_of_long_work(folder: Path, gigabytes: int) -> None:
    """Peak memory of verify and of garbage collection on one large file."""
    home = folder / "home"
    store = Store(home / "data" / "models")
    store.prepare()
    size = gigabytes << 30
    name = _sparse_model(store, size)
    for command in (["verify", name], ["store", "gc"], ["rm", "--yes", name]):
        seconds, memory = timed([COMMAND, *command], home)
        print(f"edgemind {' '.join(command):<20} on {gigabytes} GiB: {memory / 1e6:.0f} MB at most, {seconds:.1f} s")


def _sparse_model(store: Store, size: int) -> str:
    """A model of nothing but a hole, made visible like any other."""
    part = store.partial("bench")
    with part.open("wb") as stream:
        stream.truncate(size)
    digest = hashlib.sha256()
    for _ in range(size // HOLE):
        digest.update(bytes(HOLE))
    file = StoredFile(path="model.gguf", sha256=digest.hexdigest(), size=size)
    store.adopt(part, file.sha256, size)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    source = Source(kind="made")
    store.add(Manifest(name="hole", kind="gguf", files=(file,), source=source, created=now))
    return "hole"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--shape", default="qwen3-0.6b", help="of the model, see edgemind/convert/shapes.py")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--sum", default="sha256sum", metavar="COMMAND", help="what hashes curl's file")
    options.add_argument("--large", type=int, default=4, metavar="GIB", help="size of the file for verify and gc")
    options.add_argument("--folder", type=Path, help="on the disk to be measured; the usual temporary one otherwise")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        compare(Path(folder), asked.shape, asked.rounds, asked.sum.split())
        memory_of_long_work(Path(folder), asked.large)


if __name__ == "__main__":
    main()
