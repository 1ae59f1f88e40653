"""Scoring in the real worker: logits at every position, losses, tokens; pieces that follow each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_model

from edgemind.engine import protocol, scoring
from edgemind.engine.client import Engine
from edgemind.engine.events import Done, GenerateRequest, LoadOptions, Sampling
from edgemind.engine.topk import top_rows
from edgemind.errors import EdgemindError, UsageError

TEXT = "the ones plus the tens equals the sum. " * 20


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf")
    options = LoadOptions(path=str(path), threads=1, kv_type="f32", flash_attention="off")
    with Engine(options) as running:
        yield running


def rows_of(engine: Engine, tokens: list[int], **more: int) -> np.ndarray:
    return np.concatenate(list(scoring.logits(engine, tokens, **more)))


def test_tokens_are_those_of_the_model(engine: Engine) -> None:
    plain, marked = scoring.tokenize(engine, ["the", "<|im_end|>"])
    as_text = scoring.tokenize(engine, ["<|im_end|>"], parse_special=False)
    assert plain
    assert len(marked) == 1
    assert len(as_text[0]) > 1


def test_every_position_has_a_row_and_the_best_token_is_what_greedy_decoding_writes(engine: Engine) -> None:
    tokens = scoring.tokenize(engine, [TEXT])[0]
    rows = rows_of(engine, tokens)
    request = GenerateRequest(
        tokens=tuple(tokens), sampling=Sampling(temperature=0), max_tokens=1, confidence=True, ignore_end=True
    )
    events = list(engine.generate(request))
    assert isinstance(events[-1], Done)
    probabilities = np.exp(rows[-1] - rows[-1].max())
    best = float((probabilities / probabilities.sum()).max())
    seen = [part.probability for event in events for part in getattr(event, "confidence", ())]
    assert rows.shape == (len(tokens), engine.wait_loaded().vocabulary)
    assert seen == [pytest.approx(best, rel=1e-3)]


def test_losses_are_those_of_the_rows(engine: Engine) -> None:
    tokens = scoring.tokenize(engine, [TEXT])[0]
    rows = rows_of(engine, tokens).astype(np.float64)
    wanted = np.log(np.exp(rows[:-1]).sum(axis=1)) - rows[np.arange(len(tokens) - 1), tokens[1:]]
    assert scoring.losses(engine, tokens) == pytest.approx(wanted, rel=1e-4)


def test_pieces_give_the_rows_of_the_whole(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = scoring.tokenize(engine, [TEXT])[0]
    whole = rows_of(engine, tokens)
    monkeypatch.setattr(scoring, "PIECE_BYTES", 4 * whole.shape[1] * 37)
    pieces = [len(piece) for piece in scoring.logits(engine, tokens)]
    assert len(pieces) > 2
    assert np.allclose(rows_of(engine, tokens), whole, atol=1e-4)


def test_rows_that_are_not_wanted_are_left_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = scoring.tokenize(engine, [TEXT])[0]
    whole = rows_of(engine, tokens)
    monkeypatch.setattr(scoring, "PIECE_BYTES", 4 * whole.shape[1] * 37)
    assert np.allclose(rows_of(engine, tokens, skip=150), whole[150:], atol=1e-4)


def test_half_rows_are_near(engine: Engine) -> None:
    tokens = scoring.tokenize(engine, ["the sum"])[0]
    assert np.allclose(rows_of(engine, tokens, half=True), rows_of(engine, tokens), atol=0.02)


def test_what_cannot_be_scored_is_said(engine: Engine) -> None:
    with pytest.raises(UsageError, match="vocabulary"):
        rows_of(engine, [10**6])
    with pytest.raises(UsageError, match="does not follow"):
        engine.ask(lambda number: protocol.Score(id=number, tokens=(1,), start=5000), protocol.Scored)
    assert len(scoring.losses(engine, [1, 2, 3])) == 2


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with Engine(LoadOptions(path=str(tmp_path / "none.gguf"))) as engine, pytest.raises(EdgemindError):
        scoring.tokenize(engine, ["the"])


def test_the_most_probable_tokens_are_those_of_the_rows(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = scoring.tokenize(engine, [TEXT])[0]
    texts, wanted = [whole[:40], whole[5:30], whole * 3, whole[:2]], [10, 24, 600, 1]
    found = scoring.top(engine, texts, wanted, 7, temperature=2.0, size=200)
    for text, count, top in zip(texts, wanted, found, strict=True):
        rows = rows_of(engine, text[:-1]).astype(np.float64)[-count:]
        every = rows - np.log(np.exp(rows[:, :200]).sum(axis=1, keepdims=True))
        rows = rows[:, :200] / 2
        rows -= np.log(np.exp(rows).sum(axis=1, keepdims=True))
        rest = -np.sort(-rows, axis=1)[:, 7:]
        assert np.allclose(top.logp, np.take_along_axis(rows, top.ids, axis=1), atol=2e-4)
        assert np.allclose(top.logp, -np.sort(-rows, axis=1)[:, :7], atol=2e-4)
        assert np.allclose(top.tail, np.log(np.exp(rest).sum(axis=1)), atol=2e-4)
        assert np.allclose(top.chosen, every[np.arange(count), text[-count:]], atol=5e-4)
    assert len(found[2].tail) == 600


def test_without_k_only_the_texts_own_tokens_are_answered(engine: Engine) -> None:
    tokens = scoring.tokenize(engine, [TEXT])[0]
    (alone,) = scoring.top(engine, [tokens], [len(tokens) - 1], 0)
    assert -alone.chosen == pytest.approx(scoring.losses(engine, tokens), abs=1e-3)
    assert not alone.ids.size


def test_the_whole_vocabulary_leaves_no_tail(engine: Engine) -> None:
    size = engine.wait_loaded().vocabulary
    (found,) = scoring.top(engine, [[1, 2, 3]], [2], size)
    assert (found.tail == -np.inf).all()
    assert np.exp(found.logp).sum(axis=1) == pytest.approx([1, 1], rel=1e-5)


def test_what_has_no_most_probable_tokens_is_said(engine: Engine) -> None:
    size = engine.wait_loaded().vocabulary
    for texts, wanted, k, cut in (
        ([[1, 2]], [2], 1, None),
        ([[1, 2], [1, 2]], [1], 1, None),
        ([[1, 10**6]], [1], 1, None),
        ([[1, 2]], [1], 4, 3),
        ([[1, 2]], [1], 4, size + 1),
    ):
        with pytest.raises(UsageError):
            scoring.top(engine, texts, wanted, k, size=cut)
    assert len(scoring.top(engine, [[1, 2]], [1], 4)) == 1


@pytest.mark.parametrize(("vocabulary", "k"), [(50, 3), (40_000, 4), (129, 2)])
def test_the_largest_of_rows_in_falling_order(vocabulary: int, k: int) -> None:
    rows = np.random.default_rng(0).integers(-20, 20, (9, vocabulary)).astype(np.float32)
    ids, logp, tail = top_rows(rows, k)
    assert np.array_equal(ids, np.argsort(-rows, axis=1, kind="stable")[:, :k]) or vocabulary < 20_000
    assert np.array_equal(np.take_along_axis(rows, ids, axis=1), -np.sort(-rows, axis=1)[:, :k])
    assert np.allclose(np.exp(logp).sum(axis=1) + np.exp(tail), 1, atol=1e-5)
