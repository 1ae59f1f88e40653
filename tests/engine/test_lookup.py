"""Drafts from the context: what is guessed, when it is worth it, and that nothing that is written changes."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemind.engine import llama
from edgemind.engine.contexts import ContextPlan, Contexts
from edgemind.engine.drafting import CREDIT, LOSS, MOST, Costs, Drafting
from edgemind.engine.events import Answer, Done, Event, GenerateRequest, Sampling
from edgemind.engine.live import LiveRequest, Voice
from edgemind.engine.loader import _forgets_tails
from edgemind.engine.lookup import Lookup
from edgemind.engine.prompts import Prompt
from edgemind.engine.reasoning_formats import FORMATS
from edgemind.engine.scheduler import Scheduler
from tests.engine.tiny import tiny_model

SURE = [0.99**count for count in range(1, MOST + 1)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.Model]:
    path = tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf", weights="q8_0")
    with llama.Model.open(str(path)) as opened:
        yield opened


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every guess is drafted, whatever it costs."""
    monkeypatch.setattr(Drafting, "worth", lambda _, costs, tokens, chances, right, survival: min(len(chances), 5))


def answers(
    model: llama.Model,
    prompts: list[list[int]],
    speculate: bool,
    *,
    total: int = 4096,
    grammar: str = "",
    flash: bool = True,
    most: int = MOST,
    exact: bool = True,
    guarded: bool = False,
    clock: Callable[[], float] = time.perf_counter,
    **options: Any,
) -> list[tuple[list[int], str, Done]]:
    """Tokens, text and end of requests that run at the same time."""
    plan = ContextPlan(
        limit=1024,
        total_limit=total,
        n_seq=4,
        threads=1,
        fixed_threads=True,
        n_batch=256,
        kv_type="f16",
        flash_for=lambda _: flash,
        drafted=most,
        exact=exact,
        guarded=guarded,
    )
    contexts = Contexts(model, plan)
    said: dict[int, list[Event]] = {number: [] for number in range(len(prompts))}
    scheduler = Scheduler(contexts, lambda number, event: said[number].append(event), clock)
    sampling = options.pop("sampling", Sampling(temperature=0))
    assert isinstance(sampling, Sampling)
    lives = []
    for number, prompt in enumerate(prompts):
        request = GenerateRequest.model_validate(
            {
                "tokens": tuple(prompt),
                "sampling": sampling,
                "ignore_end": True,
                "speculate": speculate,
                "max_tokens": 150,
                **options,
            }
        )
        sampler = llama.Sampler.build(model, llama.resolve(sampling))
        voice = Voice(model.vocab, FORMATS["none"], frozenset())
        rules = llama.Grammar.compile(model, grammar) if grammar else None
        live = LiveRequest(number, request, Prompt(prompt, inside=False, raw=True), voice, sampler, rules)
        scheduler.add(live)
        lives.append(live)
    while scheduler.busy:
        scheduler.step()
    for slot in contexts.slots:
        assert contexts.context.seq_max_pos(slot.seq) == len(slot.tokens) - 1, "no drafted cell is left"
    contexts.close()
    found = []
    for number, live in enumerate(lives):
        done = said[number][-1]
        assert isinstance(done, Done)
        text = "".join(event.text for event in said[number] if isinstance(event, Answer))
        found.append((live.tokens, text, done))
    return found


def repeating(seed: int) -> list[int]:
    rng = random.Random(seed)
    return [rng.randrange(10, 250) for _ in range(12)] * 3


def test_what_followed_the_last_time_is_guessed() -> None:
    lookup, tokens = Lookup(), [1, 2, 3, 4, 5, 6, 7, 1, 2, 3]
    lookup.follow(tokens)
    assert lookup.draft(tokens, 3) == [4, 5, 6]
    tokens += [4, 5]
    lookup.follow(tokens)
    assert lookup.right
    assert lookup.draft(tokens, 2) == [6, 7]
    before = lookup.chances(1)[0]
    tokens += [99]
    lookup.follow(tokens)
    assert not lookup.right
    assert lookup.draft(tokens, 2) == [7, 1], "one token was changed"
    assert lookup.chances(1)[0] < before
    tokens += [98, 97]
    lookup.follow(tokens)
    assert lookup.draft(tokens, 2) == []
    assert lookup.chances(2) == []


def test_a_run_at_the_end_repeats_itself() -> None:
    lookup, tokens = Lookup(), [1, 2] * 6
    lookup.follow(tokens)
    assert lookup.draft(tokens, 5) == [1, 2, 1, 2, 1]


def test_chances_fall_along_a_draft_and_grow_with_the_run() -> None:
    lookup, tokens = Lookup(), [*range(40), *range(5)]
    lookup.follow(tokens)
    early = lookup.chances(4)
    assert sorted(early, reverse=True) == early
    lookup.follow([*tokens, *range(5, 30)])
    assert lookup.chances(4)[3] > early[3]


def costs(extra: float) -> Costs:
    """One token takes a second, each more of a batch ``extra``."""
    made = Costs()
    for _ in range(4):
        for count in range(1, MOST + 2):
            made.note(count, 1 + extra * (count - 1))
    return made


def test_nothing_is_drafted_before_the_cost_is_known() -> None:
    assert Drafting().worth(Costs(), 1, SURE, False) == 0


def test_dear_drafts_are_not_made() -> None:
    assert Drafting().worth(costs(1.0), 1, SURE, False) == 0
    assert Drafting().worth(costs(0.05), 1, [0.01, 0.001], False) == 0
    assert Drafting().worth(costs(0.03), 1, SURE, False) == MOST


def test_what_was_lost_stays_small() -> None:
    """Guesses that promise much and are always wrong cost half a decode and half a percent of the time at most."""
    assert (CREDIT, LOSS) == (0.5, 0.005)
    drafting, known, lost = Drafting(), costs(0.3), 0.0
    for _ in range(2000):
        count = drafting.worth(known, 1, SURE, False)
        if count:
            drafting.note(count, 0, 1, 1.0, 0.3 * count)
            lost += 0.3 * count
        else:
            drafting.note_plain(1.0)
    assert 0 < lost <= CREDIT + LOSS * (2000 + lost)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("seed", range(3))
def test_greedy_answers_are_the_same(model: llama.Model, seed: int) -> None:
    prompts = [repeating(seed)]
    (plain,) = answers(model, prompts, False)
    (drafted,) = answers(model, prompts, True)
    assert drafted[:2] == plain[:2]
    assert plain[2].stats.drafted_tokens == 0
    assert drafted[2].stats.drafted_tokens >= drafted[2].stats.accepted_tokens > 0


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "options",
    [
        {"sampling": Sampling(temperature=0, repeat_penalty=1.1)},
        {"stop": ("e",)},
        {"max_tokens": 37},
        {"confidence": True, "alternatives": 2, "max_tokens": 40},
    ],
    ids=["penalty", "stop", "max", "confidence"],
)
def test_what_else_a_request_asks_for_holds(model: llama.Model, options: dict[str, Any]) -> None:
    prompts = [repeating(7)]
    (plain,) = answers(model, prompts, False, **options)
    (drafted,) = answers(model, prompts, True, **options)
    assert drafted[:2] == plain[:2]
    assert drafted[2].stop_reason == plain[2].stop_reason
    assert drafted[2].stats.answer_tokens == plain[2].stats.answer_tokens
    assert drafted[2].stats.drafted_tokens > 0


COPIED = "abcdefghij " * 10


def copying(model: llama.Model, speculate: bool, **options: Any) -> tuple[list[int], str, Done]:
    """A request whose grammar has it write what it was shown."""
    prompt = model.vocab.tokenize(COPIED, add_special=False, parse_special=False)
    (found,) = answers(model, [prompt], speculate, grammar=f'root ::= "{COPIED}" [x-z]+', **options)
    return found


@pytest.mark.usefixtures("eager")
def test_a_grammar_holds(model: llama.Model) -> None:
    plain, drafted = copying(model, False), copying(model, True)
    assert drafted[:2] == plain[:2]
    assert drafted[1].startswith(COPIED)
    assert drafted[2].stats.accepted_tokens > 20


@pytest.mark.usefixtures("eager")
def test_several_at_once_and_too_little_room(model: llama.Model) -> None:
    prompts = [repeating(seed) for seed in range(4)]
    for (tokens, _, done), prompt in zip(answers(model, prompts, True, total=512), prompts, strict=True):
        assert done.stop_reason == "max_tokens"
        assert len(tokens) == len(prompt) + 150
        assert done.stats.drafted_tokens > 0


@pytest.mark.usefixtures("eager")
def test_the_context_ends_where_it_ends(model: llama.Model) -> None:
    (plain,) = answers(model, [repeating(1)], False, total=512, max_tokens=5000)
    (drafted,) = answers(model, [repeating(1)], True, total=512, max_tokens=5000)
    assert drafted[0] == plain[0]
    assert drafted[2].stop_reason == plain[2].stop_reason == "context_full"
    assert drafted[2].stats.accepted_tokens > 0


@pytest.mark.usefixtures("eager")
def test_draws_follow_the_same_random_numbers(model: llama.Model) -> None:
    """A drafted token is kept when it is the one that is drawn, so the draws are those of one token after the other."""
    sampling = Sampling(temperature=0.3, seed=4)
    (plain,) = answers(model, [repeating(2)], False, sampling=sampling, max_tokens=60)
    (drafted,) = answers(model, [repeating(2)], True, sampling=sampling, max_tokens=60)
    assert drafted[0] == plain[0]
    assert drafted[2].stats.drafted_tokens > 0


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=3)], ids=["greedy", "seed"])
def test_what_must_come_again_is_not_drafted_where_rounding_differs(model: llama.Model, sampling: Sampling) -> None:
    (held,) = answers(model, [repeating(1)], True, flash=False, sampling=sampling)
    (free,) = answers(model, [repeating(1)], True, flash=False, sampling=Sampling(temperature=0.1))
    assert held[2].stats.drafted_tokens == 0
    assert free[2].stats.drafted_tokens > 0


def test_what_costs_nothing_is_drafted(model: llama.Model) -> None:
    """The decision as it is made: every decode takes a second here, whatever its size."""
    plain, drafted = copying(model, False), copying(model, True, clock=itertools.count().__next__)
    assert drafted[:2] == plain[:2]
    assert drafted[2].stats.accepted_tokens > 50


@pytest.mark.usefixtures("eager")
def test_a_model_that_takes_no_drafts_gets_none(model: llama.Model) -> None:
    (plain,) = answers(model, [repeating(1)], False)
    (held,) = answers(model, [repeating(1)], True, most=0)
    assert held[:2] == plain[:2]
    assert held[2].stats.drafted_tokens == 0


def test_only_what_can_be_taken_back_is_drafted(model: llama.Model, tmp_path: Path) -> None:
    assert _forgets_tails(model)
    with llama.Model.open(str(tiny_model(tmp_path / "windows.gguf", "gemma3"))) as windows:
        assert not _forgets_tails(windows)
