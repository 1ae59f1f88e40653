"""A sequence moves to another context, also across flash attention, and goes on as if nothing had happened."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_model

from edgemind.engine import llama
from edgemind.models import builtin

TEXT = "The quick brown fox jumps over the lazy dog, and then it does so again; "


@pytest.fixture(scope="module", params=["qwen3", "gemma3"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[llama.Model]:
    """One cache, and two: gemma3 has sliding windows. Of the latter the state holds only what the window still sees."""
    path = tmp_path_factory.mktemp("models") / "tiny.gguf"
    with llama.Model.open(str(tiny_model(path, request.param, layers=7))) as opened:
        yield opened


def context(model: llama.Model, flash: bool, n_ctx: int = 512, n_seq_max: int = 3) -> llama.Context:
    return llama.Context(model, n_ctx=n_ctx, n_seq_max=n_seq_max, threads=1, flash_attention=flash)


def prefill(ctx: llama.Context, tokens: list[int], seq: int = 0) -> np.ndarray:
    """Append tokens to a sequence; the logits after the last."""
    batch = llama.Batch(len(tokens), ctx.n_seq_max)
    index = batch.extend(tokens, ctx.seq_max_pos(seq) + 1, seq, True)
    assert ctx.decode(batch) is llama.DecodeResult.OK
    return ctx.logits(index).copy()


def greedy(ctx: llama.Context, logits: np.ndarray, count: int, seq: int = 0) -> list[int]:
    written = []
    for _ in range(count):
        written.append(int(logits.argmax()))
        logits = prefill(ctx, written[-1:], seq)
    return written


def tokens_of(model: llama.Model, count: int = 150) -> list[int]:
    return (model.vocab.tokenize(TEXT * 4, add_special=True, parse_special=False) * 4)[:count]


@pytest.mark.parametrize("flash", [False, True])
def test_a_sequence_goes_on_in_a_larger_context(model: llama.Model, flash: bool) -> None:
    tokens = tokens_of(model)
    with context(model, flash) as ctx, context(model, flash, n_ctx=2048) as larger:
        prefill(ctx, tokens[:-1])
        state = ctx.seq_state(0)
        expected = greedy(ctx, prefill(ctx, tokens[-1:]), 20)
        assert larger.set_seq_state(2, state)
        assert larger.seq_max_pos(2) == len(tokens) - 2
        assert greedy(larger, prefill(larger, tokens[-1:], seq=2), 20, seq=2) == expected


@pytest.mark.parametrize("flash", [False, True])
def test_a_sequence_goes_on_across_flash_attention(model: llama.Model, flash: bool) -> None:
    tokens = tokens_of(model)
    with context(model, flash) as ctx, context(model, not flash, n_ctx=1024) as other:
        prefill(ctx, tokens[:-1])
        state = ctx.seq_state(0)
        assert not other.set_seq_state(1, state)
        assert other.seq_max_pos(1) == -1
        converted = llama.convert_state_flash(state, to_flash=not flash)
        assert converted is not None
        assert converted != state
        assert other.set_seq_state(1, converted)
        for token in [tokens[-1], *tokens[:20]]:
            expected, found = prefill(ctx, [token]), prefill(other, [token], seq=1)
            np.testing.assert_allclose(found, expected, atol=0.05)


def test_conversion_is_its_own_inverse(model: llama.Model) -> None:
    with context(model, flash=True) as ctx:
        prefill(ctx, tokens_of(model, 77))
        state = bytes(ctx.seq_state(0))
        there = llama.convert_state_flash(state, to_flash=False)
        assert there is not None
        assert llama.convert_state_flash(there, to_flash=True) == state
        assert llama.convert_state_flash(state, to_flash=True) == state
        assert llama.convert_state_flash(there, to_flash=False) == there


def test_cells_that_are_not_neighbours_are_converted_too(model: llama.Model) -> None:
    """Two sequences that grow by turns fill every other cell; removing one leaves gaps."""
    tokens = tokens_of(model, 40)
    with context(model, flash=True) as ctx, context(model, flash=False) as other:
        for token in tokens[:-1]:
            prefill(ctx, [token], seq=0)
            prefill(ctx, [token + 1], seq=1)
        converted = llama.convert_state_flash(ctx.seq_state(0), to_flash=False)
        assert converted is not None
        assert other.set_seq_state(0, converted)
        np.testing.assert_allclose(prefill(other, tokens[-1:]), prefill(ctx, tokens[-1:]), atol=0.05)


def test_a_cache_of_float32(model: llama.Model) -> None:
    tokens = tokens_of(model, 50)
    with (
        llama.Context(model, n_ctx=256, threads=1, flash_attention=True, kv_type="f32") as ctx,
        llama.Context(model, n_ctx=256, threads=1, flash_attention=False, kv_type="f32") as other,
    ):
        prefill(ctx, tokens[:-1])
        converted = llama.convert_state_flash(ctx.seq_state(0), to_flash=False)
        assert converted is not None
        assert other.set_seq_state(0, converted)
        np.testing.assert_allclose(prefill(other, tokens[-1:]), prefill(ctx, tokens[-1:]), atol=0.05)


def test_a_quantized_state_is_not_understood(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "wide.gguf", embd=128)
    with llama.Model.open(str(path)) as model:
        ctx, other = (
            llama.Context(model, n_ctx=256, threads=1, flash_attention=True, kv_type="q8_0") for _ in range(2)
        )
        with ctx, other:
            prefill(ctx, tokens_of(model, 20))
            state = ctx.seq_state(0)
            assert llama.convert_state_flash(state, to_flash=False) is None
            assert other.set_seq_state(0, state)
            np.testing.assert_array_equal(prefill(other, [1]), prefill(ctx, [1]))


def test_an_empty_sequence(model: llama.Model) -> None:
    with context(model, flash=True) as ctx, context(model, flash=False) as other:
        converted = llama.convert_state_flash(ctx.seq_state(1), to_flash=False)
        assert converted is not None
        assert other.set_seq_state(1, converted)
        assert other.seq_max_pos(1) == -1


def test_damaged_states_are_refused_and_end_nothing(model: llama.Model) -> None:
    chance = random.Random(3)
    with context(model, flash=True) as ctx:
        prefill(ctx, tokens_of(model, 30))
        state = bytes(ctx.seq_state(0))
    for data in (b"", state[:4], state[:-1], state + b"\0", state[:-4], b"\0" * 64):
        assert llama.convert_state_flash(data, to_flash=False) is None
    header = 16 + 12 * 30 + 40
    for _ in range(300):
        damaged = bytearray(state)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(header)] ^= 1 << chance.randrange(8)
        if chance.random() < 0.3:
            del damaged[chance.randrange(len(damaged)) :]
        llama.convert_state_flash(damaged, to_flash=False)


@pytest.mark.skipif(not builtin.available(), reason="the built-in model is not in this checkout")
@pytest.mark.parametrize("flash", [False, True])
def test_the_builtin_model_writes_the_same_words(flash: bool) -> None:
    with llama.Model.open(str(builtin.path())) as model:
        question = "<|im_start|>user\nWhat is 48 + 37?<|im_end|>\n<|im_start|>assistant\n"
        tokens = model.vocab.tokenize(question, add_special=True, parse_special=True)
        with context(model, flash) as ctx, context(model, not flash, n_ctx=1024) as other:
            prefill(ctx, tokens[:-1])
            converted = llama.convert_state_flash(ctx.seq_state(0), to_flash=not flash)
            assert converted is not None
            assert other.set_seq_state(0, converted)
            assert greedy(other, prefill(other, tokens[-1:]), 20) == greedy(ctx, prefill(ctx, tokens[-1:]), 20)
