"""What a safetensors checkpoint says about itself, and what a damaged or hostile one gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgemind.errors import ModelUnusable
from edgemind.models.checkpoint import read_checkpoint

CONFIG = {
    "model_type": "qwen3",
    "num_hidden_layers": 2,
    "hidden_size": 8,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 4096,
}


def tensors(path: Path, table: Any, data: bytes = bytes(64)) -> Path:
    text = table if isinstance(table, bytes) else json.dumps(table).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def one(dtype: str, *shape: int, start: int = 0, end: int = 32) -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def test_the_facts_of_a_checkpoint_in_parts(tmp_path: Path) -> None:
    files = {
        "a.safetensors": tensors(tmp_path / "a", {"x": one("BF16", 4, 4), "__metadata__": {"format": "pt"}}),
        "b.safetensors": tensors(tmp_path / "b", {"y": one("F32", 2, 4), "z": one("BF16", 4, 4, start=32, end=64)}),
        "config.json": tmp_path / "config.json",
        "tokenizer_config.json": tmp_path / "tokenizer_config.json",
    }
    files["config.json"].write_text(json.dumps(CONFIG))
    files["tokenizer_config.json"].write_text(json.dumps({"chat_template": "<|im_start|>"}))
    found = read_checkpoint(files)
    assert (found.architecture, found.parameters, found.layers, found.embedding) == ("qwen3", 40, 2, 8)
    assert (found.heads, found.kv_heads, found.vocabulary, found.context_trained) == (4, 2, 100, 4096)
    assert found.types == (("BF16", 64), ("F32", 32))
    assert found.quantization == "BF16"
    assert found.template == "<|im_start|>"
    assert found.size_bytes == files["a.safetensors"].stat().st_size + files["b.safetensors"].stat().st_size


def test_a_checkpoint_for_pictures_too_has_its_text_in_a_part_of_the_configuration(tmp_path: Path) -> None:
    weights = tensors(tmp_path / "w", {"x": one("F32", 8)})
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_type": "gemma3", "text_config": {**CONFIG, "model_type": "gemma3_text"}}))
    found = read_checkpoint({"w.safetensors": weights, "config.json": config})
    assert (found.architecture, found.layers) == ("gemma3_text", 2)


@pytest.mark.parametrize("config", ["", "[1]", "{" * 10_000, '{"model_type": 7, "num_hidden_layers": "x"}', "\udcff"])
def test_a_configuration_that_says_nothing_of_use(tmp_path: Path, config: str) -> None:
    weights = tensors(tmp_path / "w", {"x": one("F32", 8)})
    (tmp_path / "config.json").write_bytes(config.encode("utf-8", "surrogateescape"))
    found = read_checkpoint({"w.safetensors": weights, "config.json": tmp_path / "config.json"})
    assert (found.architecture, found.layers, found.parameters) == ("", 0, 8)


@pytest.mark.parametrize(
    "table",
    [
        b"not json",
        b"[]",
        b"[" * 100_000,
        {"x": {"dtype": "F32"}},
        {"x": one("F32", -1)},
        {"x": one("F32", 1 << 62)},
        {"x": one("F32", 8, start=32, end=0)},
        {"x": one("F32", 8, end=1 << 50)},
        {"x": {"dtype": "F32", "shape": "ab", "data_offsets": [0, 1]}},
        {"x": 7},
    ],
)
def test_a_damaged_table_is_one_sentence(tmp_path: Path, table: Any) -> None:
    weights = tensors(tmp_path / "w", table)
    with pytest.raises(ModelUnusable, match=r"w\.safetensors is damaged"):
        read_checkpoint({"w.safetensors": weights})


@pytest.mark.parametrize("data", [b"", b"1234567", b"\xff" * 8, (1 << 40).to_bytes(8, "little") + b"{}"])
def test_a_length_that_leads_out_of_the_file(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "w").write_bytes(data)
    with pytest.raises(ModelUnusable, match="damaged"):
        read_checkpoint({"w.safetensors": tmp_path / "w"})


def test_without_weights_it_is_none() -> None:
    with pytest.raises(ModelUnusable, match=r"no \.safetensors file"):
        read_checkpoint({})
