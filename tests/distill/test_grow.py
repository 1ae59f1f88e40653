"""Growing: the larger model says what the smaller one said, and its copies learn apart."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="torch comes with edgemind[distill]")
pytest.importorskip("transformers", reason="transformers comes with edgemind[distill]")

import torch
import transformers

from edgemind.distill.grow import deepened, doubled


def model(width: int, heads: int, ffn: int, layers: int) -> torch.nn.Module:
    config = transformers.Qwen3Config(
        vocab_size=96,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=2,
        head_dim=16,
        intermediate_size=ffn,
        tie_word_embeddings=True,
    )
    made = transformers.Qwen3ForCausalLM(config).eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


def test_a_grown_model_computes_what_the_small_one_did() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    small, large = model(32, 4, 48, 3), model(64, 8, 96, 5)
    state = deepened(doubled(small.state_dict(), heads=4, kv_heads=2, seed=1, noise=0.0), layers=3, after=(0, 2))
    large.load_state_dict(state, strict=False)
    large.tie_weights()
    tokens = torch.randint(0, 96, (2, 24))
    with torch.no_grad():
        before, after = small(tokens).logits, large(tokens).logits
    assert torch.allclose(before, after, atol=2e-4 * float(before.abs().max()))


def test_the_two_copies_of_a_channel_learn_differently() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    small, large = model(32, 4, 48, 2), model(64, 8, 96, 2)
    large.load_state_dict(doubled(small.state_dict(), heads=4, kv_heads=2, seed=1, noise=0.0), strict=False)
    large.tie_weights()
    tokens = torch.randint(0, 96, (2, 24))
    large(tokens, labels=tokens).loss.backward()
    gradient = large.model.layers[0].mlp.gate_proj.weight.grad
    first, second = gradient[:48], gradient[48:]
    assert (first - second).norm() > 0.05 * first.norm()
