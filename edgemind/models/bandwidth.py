"""How fast this machine's memory can be read by the threads that decode: what the speed of a model depends on most.

Every token of an answer reads nearly all weights once, so memory bandwidth bounds the tokens per second. It is
measured once by reading buffers larger than the last cache, and remembered in the cache folder under the processor's
name, its number of threads and the version of the probe. Not for: turning it into a prediction (``prediction``).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from edgemind.models import hardware
from edgemind.settings import paths

PROBE = 1
"""Version of the probe; another one measures anew."""

BUDGET = 0.3
"""Seconds after which no further round begins."""

_ROUNDS = 7
_PASSES = 2
"""Readings of each buffer in one round, so that starting the threads does not count."""
_SMALLEST, _LARGEST = 32 << 20, 256 << 20
_PLAUSIBLE = (2e8, 2e13)
_REMEMBERED = 16
_TIMES, _APART = 3, 3600.0
"""So often it is measured, and seconds between."""
_UNDISTURBED = 0.85
"""Share of a round that its threads must have had the processor; below, another program was measured too."""


class _Figures(NamedTuple):
    """What is remembered of one machine."""

    rates: tuple[float, ...]
    at: float
    """When it was measured last, in seconds since 1970."""

    @property
    def middle(self) -> float:
        return sorted(self.rates)[len(self.rates) // 2]


@dataclass(frozen=True)
class Bandwidth:
    """What ``threads`` threads read together."""

    bytes_per_second: float
    threads: int
    disturbed: bool = False
    """Other programs held the processor meanwhile, so it may be more; such a figure is not remembered."""


def bandwidth(threads: int | None = None, cache: Path | None = None) -> Bandwidth:
    """The remembered figure, or a fresh measurement of less than half a second.

    What a measurement finds depends on the minute, above all in a virtual machine whose neighbours share the memory. So
    on two later occasions it is measured again, and the middle one counts (the faster one of two).

    Args:
        threads: that read at once; ``hardware.default_threads()`` unless given.
        cache: the file to remember it in; a damaged one is ignored, one that cannot be written is no error.
    """
    machine = hardware.machine()
    threads = threads or machine.default_threads()
    file = cache or paths().cache / "bandwidth.json"
    key = f"{machine.cpu_name} / {machine.platform} / {threads} threads / probe {PROBE}"
    known = _remembered(file)
    before = known.pop(key, None) or _Figures((), 0.0)
    if len(before.rates) >= _TIMES or (before.rates and 0 <= time.time() - before.at < _APART):
        return Bandwidth(before.middle, threads)
    found = measure(threads, machine.available_ram)
    if found.disturbed:
        return Bandwidth(before.middle, threads) if before.rates else found
    now = _Figures((*before.rates, found.bytes_per_second), time.time())
    _remember(file, {key: now, **known})
    return Bandwidth(now.middle, threads)


def measure(threads: int, available_bytes: int = 1 << 33) -> Bandwidth:
    """Read memory with so many threads for about ``BUDGET`` seconds.

    The middle one counts of the rounds in which no other program held the processor. Without any it is what one
    thread alone read in the processor time it got, which all together can do at least.

    Args:
        available_bytes: free memory, of which an eighth is used at most.
    """
    import numpy as np

    began = time.perf_counter()
    each = _buffer_bytes(threads, available_bytes)
    buffers = [np.ones(each // 8, np.int64) for _ in range(threads)]
    quiet: list[float] = []
    least = 0.0
    for number in range(_ROUNDS):
        if number >= 2 and time.perf_counter() - began > BUDGET:
            break
        seconds, running = _round(buffers)
        rate = each * threads * _PASSES / seconds
        if sum(running) / threads >= _UNDISTURBED * seconds:
            quiet.append(rate)
        least = max(least, rate, each * _PASSES / min(running))
    return Bandwidth(sorted(quiet)[len(quiet) // 2] if quiet else least, threads, disturbed=not quiet)


def _round(buffers: list[Any]) -> tuple[float, list[float]]:
    """Seconds of reading every buffer ``_PASSES`` times, and for how many of them each thread was running.

    The readers look at the clock themselves: who only waits for them may be woken when they are half done.
    ``bitwise_or`` over whole words is the reduction that NumPy runs fastest on every processor, outside Python's lock.
    """
    import numpy as np

    ready = threading.Barrier(len(buffers))
    spans = [(0.0, 0.0, 0.0)] * len(buffers)

    def read(number: int) -> None:
        ready.wait()
        ran, began = time.thread_time(), time.perf_counter()
        for _ in range(_PASSES):
            np.bitwise_or.reduce(buffers[number])
        spans[number] = began, time.perf_counter(), time.thread_time() - ran

    readers = [threading.Thread(target=read, args=(number,), daemon=True) for number in range(len(buffers))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    began, ended, ran = zip(*spans, strict=True)
    seconds = max(max(ended) - min(began), 1e-9)
    return seconds, [one or seconds for one in ran]


def _buffer_bytes(threads: int, available_bytes: int) -> int:
    """Bytes for each thread: together eight times the last cache, of which a smaller multiple leaves a part in it that
    counts, and never more than an eighth of what is free."""
    together = min(max(8 * _last_cache(), _SMALLEST), _LARGEST, max(available_bytes // 8, 1 << 20))
    return max(together // threads, 1 << 16) // 4096 * 4096


def _last_cache(root: Path = Path("/")) -> int:
    """Bytes of the largest cache that the system names; 16 MiB where it names none."""
    sizes = [0]
    with contextlib.suppress(OSError):
        for file in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
            written = re.fullmatch(r"(\d{1,9})([KM]?)", hardware.read(file).strip())
            if written:
                sizes.append(int(written.group(1)) << {"": 0, "K": 10, "M": 20}[written.group(2)])
    return max(sizes) or 16 << 20


def _remembered(file: Path) -> dict[str, _Figures]:
    """The figures in the file that can be true."""
    try:
        with file.open("rb") as opened:
            rows = json.loads(opened.read(1 << 16)).items()
    except (OSError, ValueError, RecursionError, AttributeError):
        return {}
    return {key: _Figures(tuple(value[0]), value[1]) for key, value in rows if _are_figures(value)}


def _are_figures(value: Any) -> bool:
    low, high = _PLAUSIBLE
    if not isinstance(value, list) or [type(part) for part in value] != [list, float]:
        return False
    return 0 < len(value[0]) <= _TIMES and all(type(rate) is float and low < rate < high for rate in value[0])


def _remember(file: Path, figures: dict[str, _Figures]) -> None:
    """Write the newest figures, whole or not at all."""
    part = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
                json.dump(dict(list(figures.items())[:_REMEMBERED]), opened, indent=1)
            part.replace(file)
        finally:
            part.unlink(missing_ok=True)
