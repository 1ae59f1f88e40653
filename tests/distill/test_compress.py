"""Making a network smaller: what is there twice goes at no loss, a rotation alone changes nothing, every kind works."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("torch", reason="torch comes with edgemind[distill]")
pytest.importorskip("transformers", reason="transformers comes with edgemind[distill]")

import torch
import transformers

from edgemind.distill.compress import Text, compressed, loss_of, made_batches
from edgemind.distill.grow import deepened, doubled
from edgemind.distill.recipe.networks import ShapeRecipe
from edgemind.distill.selection import directions, heads, ridge, turned, units

torch.set_num_threads(1)
VOCAB = 64
SMALL = {"width": 24, "layers": 2, "heads": 4, "kv_heads": 2, "head_dim": 8, "ffn": 40, "context": 128}


def network(kind: str, tied: bool = True, seed: int = 0, **sizes: int) -> Any:
    """A network with weights large enough that everything in it matters, gains and biases included."""
    names = {"qwen3": "Qwen3", "qwen2": "Qwen2", "llama": "Llama", "mistral": "Mistral"}
    size = {**SMALL, **sizes}
    config = getattr(transformers, f"{names[kind]}Config")(
        vocab_size=VOCAB,
        hidden_size=size["width"],
        num_hidden_layers=size["layers"],
        num_attention_heads=size["heads"],
        num_key_value_heads=size["kv_heads"],
        head_dim=size["head_dim"],
        intermediate_size=size["ffn"],
        max_position_embeddings=size["context"],
        tie_word_embeddings=tied,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    made = getattr(transformers, f"{names[kind]}ForCausalLM")(config).eval()
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            centre = 1.0 if weight.ndim == 1 and not name.endswith("bias") else 0.0
            weight.copy_(centre + 0.3 * torch.randn(weight.shape, generator=rng))
    return made


def texts(count: int = 120) -> list[Text]:
    rng = torch.Generator().manual_seed(5)
    lengths = torch.randint(10, 30, (count,), generator=rng).tolist()
    return [Text(torch.randint(0, VOCAB, (length,), generator=rng).tolist(), 3) for length in lengths]


def logits(model: Any) -> torch.Tensor:
    tokens = torch.randint(0, VOCAB, (3, 20), generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        found: torch.Tensor = model(tokens).logits
    return found


def shape(**changes: int) -> ShapeRecipe:
    return ShapeRecipe(**{**SMALL, **changes})


@pytest.mark.parametrize(
    ("kind", "tied"), [("qwen3", True), ("qwen3", False), ("qwen2", True), ("llama", False), ("mistral", False)]
)
def test_the_same_shape_says_the_same(kind: str, tied: bool) -> None:
    large = network(kind, tied)
    before = logits(large)
    made = compressed(large, shape(), texts())
    after = logits(made.model)
    assert type(made.model) is type(large)
    assert made.layers == (0, 1)
    assert made.energy == pytest.approx(1.0)
    assert float((after - before).abs().max()) < 1e-3 * float(before.abs().max())
    assert made.loss == pytest.approx(made.teacher_loss, rel=1e-3)


@pytest.mark.parametrize("keep", [None, (0, 2)])
def test_what_was_grown_comes_back(keep: tuple[int, ...] | None) -> None:
    small = network("qwen3")
    state = deepened(doubled(small.state_dict(), 4, 2, seed=1, noise=0.0), layers=2, after=(0,))
    large = network("qwen3", width=48, layers=3, heads=8, ffn=80)
    large.load_state_dict(state, strict=False)
    large.tie_weights()
    made = compressed(large, shape(), texts(), keep)
    assert made.layers == (0, 2)
    before, after = logits(small), logits(made.model)
    assert float((after - before).abs().mean()) < 0.02 * float(before.abs().mean())


@pytest.mark.parametrize(("kind", "tied"), [("qwen3", True), ("qwen2", False), ("llama", False)])
def test_a_smaller_one_is_far_better_than_chance(kind: str, tied: bool) -> None:
    large = network(kind, tied)
    before = logits(large).flatten()
    made = compressed(large, shape(width=20, heads=2, kv_heads=1, ffn=32), texts(300))
    config = made.model.config
    assert (config.hidden_size, config.num_key_value_heads, config.intermediate_size) == (20, 1, 32)
    assert config.head_dim == 8
    near = float(torch.cosine_similarity(before, logits(made.model).flatten(), dim=0))
    assert near > 0.4


def test_it_is_the_same_every_time() -> None:
    cut = shape(width=16, layers=1, heads=2, kv_heads=2, ffn=24)
    one, other = (compressed(network("qwen3"), cut, texts(60)) for _ in range(2))
    assert one.layers == other.layers
    theirs = dict(other.model.named_parameters())
    assert all(torch.equal(weight, theirs[name]) for name, weight in one.model.named_parameters())


def test_the_loss_is_of_what_is_learned() -> None:
    model = network("qwen3")
    ids = texts(1)[0].ids
    batches = made_batches([Text(ids, 4), Text([*ids, 1, 2], 4)])
    with torch.no_grad():
        rows = [torch.tensor([list(one)]) for one in (ids, [*ids, 1, 2])]
        each = [
            torch.nn.functional.cross_entropy(model(row).logits[0, 3:-1], row[0, 4:], reduction="sum") for row in rows
        ]
    count = sum(row.shape[1] - 4 for row in rows)
    assert loss_of(model, batches) == pytest.approx(float(sum(each)) / count, rel=1e-4)


# --- Choosing ---------------------------------------------------------------------------------------------------------


def test_of_two_equal_units_one_is_kept() -> None:
    rng = torch.Generator().manual_seed(1)
    once = torch.randn(200, 6, generator=rng, dtype=torch.float64) * torch.tensor([5.0, 4, 3, 2, 1, 0.5])
    out = torch.randn(6, 10, generator=rng, dtype=torch.float64)
    activations, both = torch.cat((once, once), 1), torch.cat((0.4 * out, 0.6 * out))
    chosen = units(activations.T @ activations, both, 6)
    assert sorted(unit % 6 for unit in chosen) == list(range(6))
    assert len(units(activations.T @ activations, both, 9)) == 9


def test_of_two_equal_heads_one_is_kept() -> None:
    rng = torch.Generator().manual_seed(1)
    once = torch.randn(300, 4, 3, generator=rng, dtype=torch.float64)
    once[:, :2] *= 10  # The two loudest heads are in one group, and each of them is there twice.
    out = torch.randn(4, 3, 7, generator=rng, dtype=torch.float64)
    order = [0, 1, 0, 1, 2, 3, 2, 3]
    said = once[:, order].reshape(300, -1)
    chosen = heads(said.T @ said, out[order].reshape(24, 7) / 2, 2, 4, 2, 2)
    assert sorted(order[head] for head in chosen) == [0, 1, 2, 3]
    lone = heads(said.T @ said, out[order].reshape(24, 7) / 2, 2, 4, 1, 2)
    assert sorted(order[head] for head in lone) == [0, 1]


def test_directions_keep_most_of_the_power() -> None:
    values = torch.tensor([9.0, 4.0, 1.0, 0.0], dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)).Q
    kept, share = directions(turn @ values.diag() @ turn.T, 2)
    assert share == pytest.approx(13 / 14)
    assert torch.allclose(kept.T @ kept, torch.eye(2, dtype=torch.float64), atol=1e-9)
    assert torch.allclose((kept.T @ turn).abs()[:, :2], torch.eye(2, dtype=torch.float64), atol=1e-9)
    gains = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
    basis, found = turned(kept, gains)
    assert torch.allclose(basis.T @ gains.diag() @ basis, found.diag(), atol=1e-9)
    assert torch.allclose(basis @ basis.T, kept @ kept.T, atol=1e-9)


def test_a_fit_keeps_to_what_was_known_where_nothing_is_seen() -> None:
    rng = torch.Generator().manual_seed(3)
    inputs = torch.randn(50, 3, generator=rng, dtype=torch.float64)
    inputs[:, 2] = 0.0
    true = torch.randn(3, 2, generator=rng, dtype=torch.float64)
    prior = torch.full((3, 2), 7.0, dtype=torch.float64)
    found = ridge(inputs.T @ inputs, inputs.T @ (inputs @ true), prior, 1e-6)
    assert torch.allclose(found[:2], true[:2], atol=1e-3)
    assert torch.allclose(found[2], prior[2])
