"""Every family from a checkpoint of transformers to the engine: the same tokens, the same logits, the same text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from checkpoints import FAMILIES, LONG, SHAPE, TEXTS, checkpoint

from edgemind.convert.convert import convert
from edgemind.convert.parity import Parity, verify
from edgemind.engine import scoring
from edgemind.engine.client import Engine
from edgemind.engine.events import Answer, GenerateRequest, LoadOptions, Sampling, Thinking
from edgemind.models import gguf

NEW = 64


def proven(folder: Path, target: Path, kind: str = "f32") -> Parity:
    convert(folder, target, type=kind)
    parity = verify(folder, target, threads=1)
    assert parity.passed, (parity.reason, parity.first_difference, parity.tokenizer.mismatches[:3])
    assert parity.tokenizer.texts >= 400
    return parity


def exact(file: Path) -> Engine:
    options = LoadOptions(path=str(file), threads=1, kv_type="f32", flash_attention="off", sequences=1)
    return Engine(options)


def greedy(folder: Path, prompt: str) -> tuple[list[int], list[int]]:
    """Tokens of the prompt, and what transformers writes after it."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    tokens = tokenizer.encode(prompt)
    written = model.generate(
        torch.tensor([tokens]), max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, pad_token_id=0
    )
    return tokens, written[0].tolist()[len(tokens) :]


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_family_is_the_same_model(name: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / name, name)
    parity = proven(folder, tmp_path / "model.gguf")
    assert parity.logits is not None
    assert parity.logits.top_1 + parity.logits.ties == parity.logits.tokens
    assert parity.logits.mean_kl < 1e-6
    tokens, written = greedy(folder, TEXTS[0])
    with exact(tmp_path / "model.gguf") as engine:
        rows = np.concatenate(list(scoring.logits(engine, [*tokens, *written[:-1]])))
    assert rows[len(tokens) - 1 :].argmax(axis=1).tolist() == written


@pytest.mark.parametrize("name", ["llama3", "phi4-mini", "granite"])
def test_the_engine_writes_what_transformers_writes(name: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / name, name, seed=3)
    convert(folder, tmp_path / "model.gguf", type="f32")
    tokens, written = greedy(folder, TEXTS[1])
    request = GenerateRequest(
        tokens=tuple(tokens), sampling=Sampling(temperature=0), max_tokens=NEW, ignore_end=True, thinking="off"
    )
    with exact(tmp_path / "model.gguf") as engine:
        events = list(engine.generate(request))
    text = "".join(event.text for event in events if isinstance(event, Answer | Thinking))
    wanted = transformers.AutoTokenizer.from_pretrained(folder).decode(written, skip_special_tokens=True)
    assert text == wanted


@pytest.mark.parametrize("kind", ["f16", "bf16", "q8_0"])
def test_other_types_are_near(kind: str, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "qwen3", "qwen3")
    parity = proven(folder, tmp_path / "model.gguf", kind)
    assert parity.logits is not None
    assert parity.type == kind.upper()
    assert parity.logits.mean_kl < {"f16": 1e-3, "bf16": 1e-2, "q8_0": 3e-2}[kind]


def test_a_bfloat16_checkpoint_keeps_its_bits(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "qwen2", "qwen2")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    proven(folder, tmp_path / "model.gguf", "f32")
    convert(folder, tmp_path / "half.gguf", type="bf16")
    weight = model.state_dict()["model.layers.1.mlp.up_proj.weight"].view(torch.int16).numpy()
    file = tmp_path / "half.gguf"
    tensor = gguf.read_header(file).by_name["blk.1.ffn_up.weight"]
    assert file.read_bytes()[tensor.offset : tensor.offset + tensor.size] == weight.tobytes()


def test_long_factors_beyond_the_original_context(tmp_path: Path) -> None:
    """llama.cpp decides by the size of the context, transformers by the length of the text."""
    folder = checkpoint(tmp_path / "phi3-long", "phi3-long")
    convert(folder, tmp_path / "model.gguf", type="f32")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer.encode(" ".join(TEXTS) * 3)[: LONG["original_max_position_embeddings"] + 60]
    assert len(tokens) > LONG["original_max_position_embeddings"]
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    with torch.inference_mode():
        wanted = model(torch.tensor([tokens])).logits[0].numpy()
    with exact(tmp_path / "model.gguf") as engine:
        rows = np.concatenate(list(scoring.logits(engine, tokens)))
    assert np.abs(rows - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_shards_are_read_by_their_index(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "qwen3", "qwen3")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    convert(folder, tmp_path / "whole.gguf", name="same")
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="100KB")
    assert len(list(folder.glob("*.safetensors"))) > 2
    convert(folder, tmp_path / "shards.gguf", name="same")
    whole, shards = tmp_path / "whole.gguf", tmp_path / "shards.gguf"
    one, other = gguf.read_header(whole), gguf.read_header(shards)
    first, second = whole.read_bytes(), shards.read_bytes()
    for name, tensor in one.by_name.items():
        there = other.by_name[name]
        assert first[tensor.offset : tensor.offset + tensor.size] == second[there.offset : there.offset + there.size]


def test_gemma_with_another_pattern_of_windows(tmp_path: Path) -> None:
    kinds = ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]
    folder = checkpoint(
        tmp_path / "gemma3",
        "gemma3",
        num_hidden_layers=len(kinds),
        layer_types=kinds,
    )
    proven(folder, tmp_path / "model.gguf")


def test_a_gemma_2_without_a_window_has_none(tmp_path: Path) -> None:
    """llama.cpp takes 4,096 where a file says nothing; no text of a test would be long enough to show it."""
    kinds = ["full_attention"] * SHAPE["num_hidden_layers"]
    folder = checkpoint(tmp_path / "gemma2", "gemma2", layer_types=kinds)
    convert(folder, tmp_path / "model.gguf")
    header = gguf.read_header(tmp_path / "model.gguf")
    assert header.arch_number("attention.sliding_window") == SHAPE["max_position_embeddings"]


def test_the_file_says_what_the_configuration_says(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "llama3", "llama3")
    convert(folder, tmp_path / "model.gguf", name="Tiny")
    header = gguf.read_header(tmp_path / "model.gguf")
    assert header.text("general.name") == "Tiny"
    assert header.arch_number("context_length") == SHAPE["max_position_embeddings"]
    assert header.arch_number("rope.dimension_count") == 16
    assert header.metadata["llama.rope.freq_base"] == 500000.0
    assert header.metadata["general.file_type"] == 1
    assert "rope_freqs.weight" in header.by_name
    assert "output.weight" not in header.by_name
