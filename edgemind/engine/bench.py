"""Measure a model through the whole path: client, pipe, worker, scheduler, events.

What a user gets, not what a kernel could do. The comparison with llama.cpp alone is
``scripts/bench_engine.py``. Not for: printing (``cli``).
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgemind.engine.client import Engine, error_from
from edgemind.engine.events import Answer, Done, Failed, GenerateRequest, LoadOptions, ModelInfo, Sampling, Thinking

PREFILL_TOKENS = 512
"""Tokens of the prompt whose prefill is measured at each depth."""

SMALLEST_PREFILL = 64
"""A depth that leaves less room than this for a prompt is not measured."""

DECODE_TOKENS = 64
"""Tokens written at each depth."""

FIRST_TOKEN_PROMPT = 64
"""Tokens of the prompt for the time to the first token."""


@dataclass(frozen=True)
class DepthResult:
    """Medians over the repeats. Rates in tokens per second."""

    depth: int
    prefill_tokens_per_second: float
    decode_tokens_per_second: float
    event_seconds_per_token: float
    """From one event to the next at the client, while decoding: the whole path."""


@dataclass(frozen=True)
class BenchReport:
    """One run of ``measure``. Times in seconds, memory in bytes."""

    model: ModelInfo
    results: tuple[DepthResult, ...]
    load_seconds: float
    first_token_cold_seconds: float
    """From starting the worker to the first token."""
    first_token_warm_seconds: float
    worker_peak_bytes: int
    parent_peak_bytes: int
    repeats: int


def measure(
    options: LoadOptions,
    depths: Sequence[int],
    *,
    repeats: int = 3,
    seed: int = 0,
    only_fitting: bool = False,
    tell: Callable[[str], None] = lambda _: None,
) -> BenchReport:
    """Measure a model at several depths of context.

    Args:
        depths: tokens already in the context when prefill and decode are measured.
        only_fitting: leave out depths that the model's context cannot hold.
        tell: told one line before each measurement.

    Raises:
        EdgemindError: the model cannot be loaded, or a depth does not fit its context.
    """
    rng = random.Random(seed)
    began = time.perf_counter()
    with Engine(options) as engine:
        tell("loading")
        info = engine.wait_loaded()
        loaded = time.perf_counter()

        def tokens(count: int) -> tuple[int, ...]:
            top = min(info.vocabulary, 1000)
            return tuple(rng.randrange(top // 2, top) for _ in range(max(count, 1)))

        _run(engine, tokens(FIRST_TOKEN_PROMPT), 1)
        cold = time.perf_counter() - began
        tell("time to first token, warm")
        warm = statistics.median(_seconds(engine, tokens(FIRST_TOKEN_PROMPT)) for _ in range(repeats))
        results = []
        for depth in depths:
            room = info.context_limit - max(depth, 1) - DECODE_TOKENS
            if only_fitting and room < SMALLEST_PREFILL:
                tell(f"depth {depth} left out: the context holds {info.context_limit:,} tokens")
                continue
            tell(f"depth {depth}")
            prefill = min(PREFILL_TOKENS, room) if only_fitting else PREFILL_TOKENS
            results.append(_at_depth(engine, tokens(max(depth, 1)), partial(tokens, prefill), repeats, depth))
        return BenchReport(
            model=info,
            results=tuple(results),
            load_seconds=loaded - began,
            first_token_cold_seconds=cold,
            first_token_warm_seconds=warm,
            worker_peak_bytes=peak_memory(engine.pid),
            parent_peak_bytes=peak_memory(os.getpid()),
            repeats=repeats,
        )


def peak_memory(pid: int | None) -> int:
    """Most resident memory that a process had, in bytes; its memory now where the system does not keep the peak."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    import psutil

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _at_depth(
    engine: Engine, before: tuple[int, ...], more: Callable[[], tuple[int, ...]], repeats: int, depth: int
) -> DepthResult:
    """Decode at the depth, then prefill from there; the next repeat shares the first ``depth`` tokens only."""
    decode, gaps, prefill = [], [], []
    for _ in range(repeats):
        done, seconds = _run(engine, before, DECODE_TOKENS)
        decode.append(done.stats.decode_rate)
        gaps.append(seconds / (DECODE_TOKENS - 1))
        done, _ = _run(engine, before + more(), 1)
        prefill.append(done.stats.prefill_rate)
    return DepthResult(depth, statistics.median(prefill), statistics.median(decode), statistics.median(gaps))


def _seconds(engine: Engine, tokens: tuple[int, ...]) -> float:
    began = time.perf_counter()
    _run(engine, tokens, 1)
    return time.perf_counter() - began


def _run(engine: Engine, tokens: tuple[int, ...], count: int) -> tuple[Done, float]:
    """Write ``count`` tokens after ``tokens``; the second value is the seconds between first and last event."""
    request = GenerateRequest(
        tokens=tokens, sampling=Sampling(temperature=0), max_tokens=count, ignore_end=True, speculate=False
    )
    first = last = 0.0
    for event in engine.generate(request):
        if isinstance(event, Thinking | Answer):
            last = time.perf_counter()
            first = first or last
        elif isinstance(event, Failed):
            raise error_from(event)
        elif isinstance(event, Done):
            return event, last - first
    raise AssertionError("a generation ended without Done or Failed")
