"""Scheduler and contexts on a tiny model, in this process: the same tokens whatever happens around a request."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemind.engine import llama
from edgemind.engine.contexts import ContextPlan, Contexts
from edgemind.engine.events import (
    Answer,
    ContextTrimmed,
    Done,
    Event,
    Failed,
    GenerateRequest,
    PromptProgress,
    Sampling,
)
from edgemind.engine.live import LiveRequest, Voice
from edgemind.engine.prompts import Prompt
from edgemind.engine.reasoning_formats import FORMATS
from edgemind.engine.scheduler import Scheduler
from tests.engine.tiny import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.Model]:
    path = tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")
    with llama.Model.open(str(path)) as opened:
        yield opened


class Bench:
    """A scheduler with what it said, by request."""

    def __init__(self, model: llama.Model, *, total: int = 4096, n_seq: int = 4, limit: int = 2048, flash: int = 0):
        self.model = model
        plan = ContextPlan(
            limit=limit,
            total_limit=total,
            n_seq=n_seq,
            threads=1,
            fixed_threads=True,
            n_batch=256,
            kv_type="f16",
            flash_for=lambda cells: cells <= flash,
        )
        self.contexts = Contexts(model, plan)
        self.events: dict[int, list[Event]] = defaultdict(list)
        self.scheduler = Scheduler(self.contexts, lambda number, event: self.events[number].append(event))

    def ask(self, number: int, tokens: list[int], count: int) -> LiveRequest:
        request = GenerateRequest(tokens=tuple(tokens), max_tokens=count, ignore_end=True)
        sampler = llama.Sampler.build(self.model, llama.resolve(Sampling(temperature=0)))
        voice = Voice(self.model.vocab, FORMATS["none"], frozenset())
        live = LiveRequest(number, request, Prompt(tokens, inside=False, raw=True), voice, sampler, None)
        self.scheduler.add(live)
        return live

    def run(self, steps: int = 100_000) -> None:
        while self.scheduler.busy and steps:
            self.scheduler.step()
            steps -= 1
        assert not self.scheduler.busy

    def text(self, number: int) -> str:
        return "".join(event.text for event in self.events[number] if isinstance(event, Answer))

    def last(self, number: int) -> Event:
        return self.events[number][-1]


def prompt(seed: int, length: int, model: llama.Model) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(10, 250) for _ in range(length)]


def alone(model: llama.Model, tokens: list[int], count: int) -> str:
    bench = Bench(model)
    bench.ask(1, tokens, count)
    bench.run()
    return bench.text(1)


def test_too_little_room_for_all_makes_some_wait(model: llama.Model) -> None:
    """Four requests of up to 400 cells in 768: the youngest give way, and every text is what it is alone."""
    bench = Bench(model, total=768)
    prompts = [prompt(seed, 200, model) for seed in range(4)]
    for number, tokens in enumerate(prompts):
        bench.ask(number, tokens, 200)
    bench.run()
    for number, tokens in enumerate(prompts):
        assert isinstance(bench.last(number), Done)
        assert bench.text(number) == alone(model, tokens, 200)
    assert bench.contexts.size <= 768


def test_a_growing_context_changes_nothing(model: llama.Model) -> None:
    tokens = prompt(7, 20, model)
    small, large = Bench(model, flash=256), Bench(model)
    large.contexts.reserve(1024)
    for bench in (small, large):
        bench.ask(1, tokens, 900)
        bench.run()
    assert small.contexts.size > 256
    assert not small.contexts.flash_attention
    assert small.text(1)[:400] == large.text(1)[:400]


def test_a_shared_beginning_is_shared_by_sequences(model: llama.Model) -> None:
    system = prompt(1, 300, model)
    bench = Bench(model)
    bench.ask(1, system + prompt(2, 400, model), 5)
    bench.run()
    bench.ask(2, system + prompt(3, 500, model), 5)
    bench.run()
    first = next(event for event in bench.events[2] if isinstance(event, PromptProgress))
    assert first.cached == 300
    bench.ask(3, system + prompt(2, 400, model), 5)
    bench.run()
    again = next(event for event in bench.events[3] if isinstance(event, PromptProgress))
    assert again.cached == 699, "the first conversation is still there"
    assert bench.text(3) == bench.text(1)


def test_an_aborted_batch_is_decoded_again(model: llama.Model) -> None:
    tokens = prompt(5, 700, model)
    bench = Bench(model)
    bench.ask(1, tokens, 20)
    real = bench.scheduler._decode
    calls = iter(range(1_000_000))

    def sometimes_aborted() -> llama.DecodeResult:
        if next(calls) % 3 == 1:
            bench.contexts.abort.set()
        return real()

    bench.scheduler._decode = sometimes_aborted  # type: ignore[method-assign]
    bench.run()
    assert bench.text(1) == alone(model, tokens, 20)


def test_cancelled_while_waiting_and_while_writing(model: llama.Model) -> None:
    bench = Bench(model, n_seq=1)
    first = bench.ask(1, prompt(1, 30, model), 500)
    second = bench.ask(2, prompt(2, 30, model), 500)
    for _ in range(10):
        bench.scheduler.step()
    second.cancelled = True
    bench.scheduler.step()
    assert isinstance(bench.last(2), Done)
    first.cancelled = True
    bench.run()
    done = bench.last(1)
    assert isinstance(done, Done)
    assert done.stop_reason == "cancelled"
    assert bench.text(1)


def test_full_context_ends_the_answer_and_says_so(model: llama.Model) -> None:
    bench = Bench(model, total=512, limit=512, n_seq=1)
    bench.ask(1, prompt(1, 300, model), 1000)
    bench.run()
    done = bench.last(1)
    assert isinstance(done, Done)
    assert done.stop_reason == "context_full"
    assert done.stats.context_used == 512


def test_a_prompt_without_room_fails_with_numbers(model: llama.Model) -> None:
    bench = Bench(model, total=256, limit=2048, n_seq=1)
    bench.ask(1, prompt(1, 700, model), 5)
    bench.run()
    failed = bench.last(1)
    assert isinstance(failed, Failed)
    assert failed.kind == "out_of_memory"
    assert "256" in failed.message


def test_nothing_was_trimmed_unasked(model: llama.Model) -> None:
    bench = Bench(model)
    bench.ask(1, prompt(1, 100, model), 5)
    bench.run()
    assert not any(isinstance(event, ContextTrimmed) for event in bench.events[1])


def test_sliding_windows_and_growth(tmp_path: Path) -> None:
    """Some layers of Gemma 3 see a window only: reuse and growth must not change what it writes."""
    with llama.Model.open(str(tiny_model(tmp_path / "gemma.gguf", "gemma3", layers=6))) as gemma:
        tokens = prompt(3, 200, gemma)
        bench = Bench(gemma)
        bench.ask(1, tokens, 300)
        bench.run()
        bench.ask(2, tokens + prompt(4, 30, gemma), 20)
        bench.run()
        assert bench.text(2) == alone(gemma, tokens + prompt(4, 30, gemma), 20)
