"""Greedy answers with drafts, where llama.cpp rounds several tokens at once otherwise than one: still the same."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from test_lookup import answers, repeating
from tiny import tiny_model

from edgemind.engine import llama
from edgemind.engine.drafting import Costs, Drafting
from edgemind.engine.events import Sampling
from edgemind.engine.live import LiveRequest
from edgemind.engine.rounding import MARGIN, NOISE, SAFETY, Rounding
from edgemind.engine.scheduler import Scheduler, Share

GUARDED: dict[str, Any] = {"flash": False, "exact": False, "guarded": True}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.Model]:
    path = tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf", weights="q8_0", layers=6)
    with llama.Model.open(str(path)) as opened:
        yield opened


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every guess is drafted, whatever it costs."""
    monkeypatch.setattr(Drafting, "worth", lambda _, costs, tokens, chances, right, survival: min(len(chances), 5))
    monkeypatch.setattr(Rounding, "pays", lambda _, run, left: True)


@pytest.mark.usefixtures("eager")
def test_answers_are_the_same(model: llama.Model) -> None:
    accepted = 0
    for seed in range(12):
        (plain,) = answers(model, [repeating(seed)], False, **GUARDED)
        (drafted,) = answers(model, [repeating(seed)], True, **GUARDED)
        assert drafted[:2] == plain[:2], seed
        accepted += drafted[2].stats.accepted_tokens
    assert accepted > 100


@pytest.mark.usefixtures("eager")
def test_without_the_guard_some_would_not_be(model: llama.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rounding, "least", lambda _, row: -1.0)
    pairs = [[answers(model, [repeating(seed)], on, **GUARDED)[0][0] for on in (False, True)] for seed in range(12)]
    assert any(plain != drafted for plain, drafted in pairs)


@pytest.mark.usefixtures("eager")
def test_the_first_draft_of_a_model_shows_its_noise(model: llama.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    learn, note = Rounding.learn, Rounding.note
    monkeypatch.setattr(Rounding, "learn", lambda at, *rows: (events.append("learn"), learn(at, *rows))[1])
    monkeypatch.setattr(Rounding, "least", lambda _, row: -1.0)
    monkeypatch.setattr(Rounding, "note", lambda at, close: (events.append("note"), note(at, close))[1])
    (drafted,) = answers(model, [repeating(1)], True, **GUARDED)
    assert drafted[2].stats.accepted_tokens > 0
    assert events.count("learn") == 1
    assert events.index("learn") < 3


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_a_close_call_is_computed_again(model: llama.Model, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    (plain,) = answers(model, [repeating(1)], False, **GUARDED)
    rng, least, learned = random.Random(2), Rounding.least, []
    monkeypatch.setattr(Rounding, "least", lambda at, row: 1e9 if rng.random() < share else least(at, row))
    monkeypatch.setattr(Rounding, "learn", lambda _, one, other: learned.append((one, other.copy())))
    (drafted,) = answers(model, [repeating(1)], True, **GUARDED)
    assert drafted[:2] == plain[:2]
    assert drafted[2].stats.drafted_tokens > 0
    assert len(learned) > 2
    for one, other in learned:
        assert np.std(one - other) < NOISE * np.std(other), "both are of the same place in the text"


@pytest.mark.usefixtures("eager")
def test_tokens_that_are_written_for_the_model_are_computed_again_as_they_were(
    model: llama.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a thought goes in at once; without drafts the same batch is decoded."""
    follow, verify, least = LiveRequest._follow, Scheduler._verify, Rounding.least
    rows: dict[int, Any] = {}

    def forcing(live: LiveRequest, token: int, context: llama.Context, index: int, now: float) -> None:
        follow(live, token, context, index, now)
        if live.written == 60:
            live._force(" abc def ghij klm", "", now)

    def noting(scheduler: Scheduler, share: Share, held: int) -> int:
        if not share.draft and not share.seat.drafted:
            rows[share.seat.request.written] = scheduler.contexts.context.logits(share.index).copy()
        return verify(scheduler, share, held)

    monkeypatch.setattr(LiveRequest, "_follow", forcing)
    monkeypatch.setattr(Scheduler, "_verify", noting)
    compared = 0
    for seed in range(6):
        rng = random.Random(seed)
        monkeypatch.setattr(Rounding, "least", least)
        (plain,) = answers(model, [repeating(seed)], False, **GUARDED)
        wanted = dict(rows)
        rows.clear()
        monkeypatch.setattr(Rounding, "least", lambda at, row, rng=rng: 1e9 if rng.random() < 0.03 else least(at, row))
        (drafted,) = answers(model, [repeating(seed)], True, **GUARDED)
        assert drafted[:2] == plain[:2]
        for place in rows.keys() & wanted.keys():
            assert np.array_equal(rows[place], wanted[place]), (seed, place)
            compared += place > 75
    assert compared > 20


@pytest.mark.usefixtures("eager")
def test_beside_others_and_with_too_little_room(model: llama.Model) -> None:
    prompts = [repeating(seed) for seed in range(4)]
    for (tokens, _, done), prompt in zip(answers(model, prompts, True, total=512, **GUARDED), prompts, strict=True):
        assert done.stop_reason == "max_tokens"
        assert len(tokens) == len(prompt) + 150


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    "options",
    [
        {"sampling": Sampling(temperature=0, repeat_penalty=1.1)},
        {"grammar": 'root ::= ("abcdefghij " | "klm ")+'},
        {"sampling": Sampling(temperature=0, presence_penalty=0.4), "grammar": 'root ::= ("abcdef " | "klm ")+'},
        {"stop": ("e",)},
        {"confidence": True, "alternatives": 2, "max_tokens": 40},
    ],
    ids=["penalty", "grammar", "both", "stop", "confidence"],
)
def test_what_else_a_request_asks_for_holds(model: llama.Model, options: dict[str, Any]) -> None:
    (plain,) = answers(model, [repeating(7)], False, **GUARDED, **options)
    (drafted,) = answers(model, [repeating(7)], True, **GUARDED, **options)
    assert drafted[:2] == plain[:2]
    assert drafted[2].stop_reason == plain[2].stop_reason
    assert drafted[2].stats.drafted_tokens > 0


def row(*logits: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array(logits, np.float32)


def test_a_lead_counts_as_a_share_of_the_spread() -> None:
    logits = np.random.default_rng(0).normal(0, 3, 100_000).astype(np.float32)
    wanted = SAFETY * math.sqrt(2) * NOISE * 3
    assert Rounding().least(logits) == pytest.approx(wanted, rel=0.05)
    logits[np.random.default_rng(1).random(logits.size) < 0.2] = -np.inf
    assert Rounding().least(logits) == pytest.approx(wanted, rel=0.05)
    assert Rounding().least(np.full(10, -np.inf, np.float32)) == 0


def test_more_noise_than_was_known_is_learned() -> None:
    rounding = Rounding()
    assert not rounding.known
    alone = np.random.default_rng(0).normal(0, 2, 5000).astype(np.float32)
    rounding.learn(alone, alone)
    assert rounding.noise == NOISE
    assert rounding.known
    rounding.learn(alone + np.random.default_rng(1).normal(0, 0.2, 5000).astype(np.float32), alone)
    assert rounding.noise == pytest.approx(MARGIN * 0.1, rel=0.05)


def test_survival_falls_with_what_is_to_come_and_with_close_calls() -> None:
    rounding = Rounding()
    assert rounding.survival(0) == 1
    assert 0.7 < rounding.survival(300) < rounding.survival(100) < 1
    before = rounding.survival(100)
    for _ in range(200):
        rounding.note(close=False)
    assert rounding.survival(100) > before
    for _ in range(10):
        rounding.note(close=True)
    assert rounding.survival(300) < 0.01


def test_drafts_begin_where_much_is_copied_and_little_is_lost() -> None:
    rounding = Rounding()
    assert not rounding.pays(12, 300)
    assert not rounding.pays(64, 2)
    assert rounding.pays(32, 300)
    for _ in range(2000):
        rounding.note(close=False)
    assert rounding.pays(12, 300)
    assert not rounding.pays(11, 300)
    for _ in range(20):
        rounding.note(close=True)
    assert not rounding.pays(64, 300)


def test_what_a_close_call_may_take_back_is_not_drafted() -> None:
    costs = Costs()
    for _ in range(4):
        for count in range(1, 17):
            costs.note(count, 1 + 0.2 * (count - 1))
    sure = [0.99**count for count in range(1, 16)]
    assert Drafting().worth(costs, 1, sure, False, 1.0) > 0
    assert Drafting().worth(costs, 1, sure, False, 0.25) == 0


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "penalty"])
def test_a_clear_token_is_the_one_that_is_sampled(model: llama.Model, plain: bool) -> None:
    params = llama.resolve(Sampling(temperature=0, repeat_penalty=1.0 if plain else 1.2))
    grammar = llama.Grammar.compile(model, "root ::= [a-z]+")
    for rules in (None, grammar):
        with llama.Context(model, n_ctx=256, threads=1, flash_attention=False) as context:
            batch = llama.Batch(64)
            batch.extend(repeating(3), 0, 0, 1)
            context.decode(batch)
            index = batch.n_tokens - 1
            one, other = llama.Sampler.build(model, params), llama.Sampler.build(model, params)
            one.set_grammar(rules)
            other.set_grammar(rules)
            assert one.sample_clear(context, index, 1e9) is None
            assert one.sample_clear(context, index, 0.0) == other.sample(context, index)
            one.close()
            other.close()


def test_a_token_that_alone_fits_is_clear_however_small_its_lead(model: llama.Model) -> None:
    with llama.Context(model, n_ctx=256, threads=1, flash_attention=False) as context:
        batch = llama.Batch(64)
        batch.extend(repeating(3), 0, 0, 1)
        context.decode(batch)
        sampler = llama.Sampler.build(model, llama.resolve(Sampling(temperature=0)))
        only = model.vocab.tokenize("a", add_special=False, parse_special=False)[0]
        sampler.set_grammar(llama.Grammar.compile(model, 'root ::= "a"'))
        assert sampler.sample_clear(context, batch.n_tokens - 1, 1e9) == only
        sampler.close()


@pytest.mark.parametrize("penalty", [0.5, 1.25])
def test_a_penalty_that_spreads_logits_spreads_their_noise(model: llama.Model, penalty: float) -> None:
    prompt = repeating(3)
    with llama.Context(model, n_ctx=256, threads=1, flash_attention=False) as context:
        batch = llama.Batch(64)
        batch.extend(prompt, 0, 0, 1)
        context.decode(batch)
        logits = context.logits(len(prompt) - 1)
        logits[:] = -10.0
        logits[7], logits[8] = -1.0, -2.0
        sampler = llama.Sampler.build(model, llama.resolve(Sampling(temperature=0, repeat_penalty=penalty)))
        gain = max(penalty, 1 / penalty)
        assert sampler.sample_clear(context, len(prompt) - 1, 1.01 / gain) is None
        assert sampler.sample_clear(context, len(prompt) - 1, 0.99 / gain) == 7
        logits[9] = np.nan
        assert sampler.sample_clear(context, len(prompt) - 1, 0.1) is None
        sampler.close()
