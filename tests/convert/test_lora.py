"""LoRA adapters of peft: alone for ``--lora``, and merged into their base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from checkpoints import TEXTS, checkpoint
from safetensors.torch import load_file, save_file

from edgemind.convert.convert import convert
from edgemind.convert.lora import convert_adapter, merged, read_adapter
from edgemind.convert.parity import verify
from edgemind.engine import scoring
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.errors import BadInput, ModelNotFound

MODULES = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.o_proj", "mlp.down_proj")
LAYERS = 3


def adapter(folder: Path, base: Path, modules: tuple[str, ...] = MODULES, rank: int = 4, **config: Any) -> Path:
    """A random PEFT folder for a checkpoint, written by hand: the format is peft's, the library is not needed."""
    folder.mkdir()
    weights = load_file(base / "model.safetensors")
    generator = torch.Generator().manual_seed(1)
    tensors = {}
    for layer in range(LAYERS):
        for module in modules:
            name = f"model.layers.{layer}.{module}"
            outputs, inputs = weights[f"{name}.weight"].shape
            own = config.get("rank_pattern", {}).get(module.split(".")[-1], rank)
            for side, shape in (("A", (own, inputs)), ("B", (outputs, own))):
                matrix = 0.2 * torch.randn(shape, generator=generator)
                tensors[f"base_model.model.{name}.lora_{side}.weight"] = matrix
    save_file(tensors, folder / "adapter_model.safetensors")
    known = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 8, "target_modules": list(modules)}
    known |= {"bias": "none", "base_model_name_or_path": str(base), **config}
    (folder / "adapter_config.json").write_text(json.dumps(known))
    return folder


def with_peft(base: Path, folder: Path, tokens: list[int]) -> np.ndarray:
    """Logits of the base with the adapter, as peft computes them."""
    peft = pytest.importorskip("peft")
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    adapted = peft.PeftModel.from_pretrained(model, folder).eval()
    with torch.inference_mode():
        return np.asarray(adapted(torch.tensor([tokens])).logits[0])


def with_engine(model: Path, tokens: list[int], *adapters: Path) -> np.ndarray:
    options = LoadOptions(
        path=str(model),
        threads=1,
        kv_type="f32",
        flash_attention="off",
        adapters=tuple((str(file), 1.0) for file in adapters),
    )
    with Engine(options) as engine:
        return np.concatenate(list(scoring.logits(engine, tokens)))


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama3", {}),
    "rank-stabilized": ("qwen3", {"use_rslora": True}),
    "patterns": ("qwen3", {"rank_pattern": {"k_proj": 2}, "alpha_pattern": {"k_proj": 3, "layers.1.mlp.down_proj": 1}}),
    "fused": ("phi3", {"modules": ("self_attn.qkv_proj", "mlp.gate_up_proj")}),
}


@pytest.mark.parametrize("case", CASES)
def test_an_adapter_does_what_it_does_in_peft(case: str, tmp_path: Path) -> None:
    name, config = CASES[case]
    base = checkpoint(tmp_path / name, name)
    folder = adapter(tmp_path / "adapter", base, **config)
    convert(base, tmp_path / "model.gguf", type="f32")
    done = convert_adapter(base, folder, tmp_path / "adapter.gguf")
    tokens = transformers.AutoTokenizer.from_pretrained(base).encode(TEXTS[0])
    wanted = with_peft(base, folder, tokens)
    scale = np.abs(wanted).max()
    alone = with_engine(tmp_path / "model.gguf", tokens)
    together = with_engine(tmp_path / "model.gguf", tokens, tmp_path / "adapter.gguf")
    assert done.tensors == 2 * LAYERS * len(config.get("modules", MODULES))
    assert np.abs(alone - wanted).max() > 0.05 * scale, "the adapter changes something"
    assert np.abs(together - wanted).max() < 1e-4 * scale
    convert(base, tmp_path / "merged.gguf", type="f32", merged=merged(base, read_adapter(folder)))
    assert np.abs(with_engine(tmp_path / "merged.gguf", tokens) - wanted).max() < 1e-4 * scale


def test_a_merged_model_is_proven_with_its_adapter(tmp_path: Path) -> None:
    base = checkpoint(tmp_path / "qwen3", "qwen3")
    read = read_adapter(adapter(tmp_path / "adapter", base))
    convert(base, tmp_path / "merged.gguf", type="f32", merged=merged(base, read))
    assert verify(base, tmp_path / "merged.gguf", adapter=read, threads=1).passed
    alone = verify(base, tmp_path / "merged.gguf", threads=1)
    assert not alone.passed
    assert "blk.0.ffn_down" in alone.first_difference


def test_embeddings_and_whole_tensors(tmp_path: Path) -> None:
    """What peft does for new tokens: a LoRA of the embedding, and modules that were trained as a whole."""
    base = checkpoint(tmp_path / "qwen2", "qwen2")
    folder = adapter(tmp_path / "adapter", base)
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    rows, columns = load_file(base / "model.safetensors")["model.embed_tokens.weight"].shape
    tensors["base_model.model.model.embed_tokens.lora_embedding_A"] = 0.1 * torch.ones(4, rows)
    tensors["base_model.model.model.embed_tokens.lora_embedding_B"] = 0.1 * torch.ones(columns, 4)
    save_file(tensors, file)
    convert(base, tmp_path / "model.gguf", type="f32")
    convert_adapter(base, folder, tmp_path / "adapter.gguf")
    convert(base, tmp_path / "merged.gguf", type="f32", merged=merged(base, read_adapter(folder)))
    tokens = list(range(40, 90))
    one = with_engine(tmp_path / "model.gguf", tokens, tmp_path / "adapter.gguf")
    other = with_engine(tmp_path / "merged.gguf", tokens)
    assert np.abs(one - other).max() < 1e-4 * np.abs(other).max()
    tensors["base_model.model.lm_head.weight"] = torch.zeros(rows, columns)
    save_file(tensors, file)
    with pytest.raises(BadInput, match="replaces whole tensors"):
        convert_adapter(base, folder, tmp_path / "again.gguf")
    convert(base, tmp_path / "whole.gguf", type="f32", merged=merged(base, read_adapter(folder)))
    assert verify(base, tmp_path / "whole.gguf", adapter=read_adapter(folder), threads=1).tokenizer.passed
    assert np.abs(with_engine(tmp_path / "whole.gguf", tokens)).max() == 0


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another method": ({"peft_type": "IA3"}, "only LoRA"),
    "dora": ({"use_dora": True}, "DoRA"),
    "transposed": ({"fan_in_fan_out": True}, "transposed"),
    "biases": ({"bias": "all"}, "biases"),
    "no alpha": ({"lora_alpha": None}, "lora_alpha"),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("base") / "qwen3", "qwen3")


def refused(base: Path, folder: Path) -> BadInput:
    target = folder.parent / "adapter.gguf"
    with pytest.raises(BadInput) as caught:
        convert_adapter(base, folder, target)
    assert not target.exists()
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("case", BAD)
def test_what_llama_cpp_does_not_have(case: str, base: Path, tmp_path: Path) -> None:
    config, words = BAD[case]
    assert words in refused(base, adapter(tmp_path / "adapter", base, **config)).message


def test_an_adapter_that_is_none(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        convert_adapter(base, tmp_path / "nowhere", tmp_path / "adapter.gguf")
    folder = adapter(tmp_path / "adapter", base)
    (folder / "adapter_config.json").rename(folder / "kept.json")
    assert "no adapter_config.json" in refused(base, folder).message
    (folder / "adapter_config.json").write_text("[]")
    refused(base, folder)
    (folder / "kept.json").rename(folder / "adapter_config.json")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    assert "pickle" in refused(base, folder).message


def test_an_adapter_for_another_model(base: Path, tmp_path: Path) -> None:
    other = checkpoint(tmp_path / "llama3", "llama3")
    assert "another model" in refused(base, adapter(tmp_path / "adapter", other)).message


def test_half_an_adapter(base: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", base)
    tensors = load_file(folder / "adapter_model.safetensors")
    tensors.pop(next(name for name in tensors if "lora_B" in name))
    save_file(tensors, folder / "adapter_model.safetensors")
    assert "only a part" in refused(base, folder).message


def test_an_adapter_of_the_output_of_a_tied_model(base: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", base)
    tensors = load_file(folder / "adapter_model.safetensors")
    tensors["base_model.model.lm_head.lora_A.weight"] = torch.ones(4, 64)
    tensors["base_model.model.lm_head.lora_B.weight"] = torch.ones(420, 4)
    save_file(tensors, folder / "adapter_model.safetensors")
    assert "embedding itself" in refused(base, folder).message
