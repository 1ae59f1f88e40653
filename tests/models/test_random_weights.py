"""Random-weight models: sane numbers in every block, a vocabulary that works, and llama.cpp runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest

from edgemind.convert.random_weights import SPREAD, build
from edgemind.convert.shapes import SHAPES, Shape, tensors
from edgemind.convert.synthetic_vocabulary import END, SPECIALS, START, THINK, byte_letters, vocabulary
from edgemind.errors import UsageError
from edgemind.models.ggml_types import BY_NAME
from edgemind.models.gguf import read_header
from edgemind.models.summary import summary

ODD = Shape("odd", "gemma3", 6, 288, 4, 1, 64, 768, 900, 1024, 1e6, qk_norm=True, post_norms=True, window=64)
"""Rows of 288 are no multiple of 256, so the fallback types are used; five layers of six have a window."""
BIASED = Shape("biased", "qwen2", 2, 256, 4, 2, 64, 512, 900, 1024, 1e6, tied=False, qkv_bias=True)
PLAIN = Shape("plain", "llama", 2, 256, 4, 2, 64, 512, 900, 1024, 5e5)


@pytest.mark.parametrize("shape", [SHAPES["tiny"], ODD, BIASED, PLAIN], ids=lambda shape: shape.name)
def test_llama_cpp_runs_it(shape: Shape, tmp_path: Path) -> None:
    path = build(shape, tmp_path / "model.gguf")
    text = "<|im_start|>user\nWhat is 12 × 12? Ünïcode \x07 — もし<|im_end|>\n<think>\n"
    child = [sys.executable, str(Path(__file__).with_name("use_model.py")), str(path), text]
    found = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
    assert found["round_trip"] == text
    assert found["size"] == shape.vocabulary
    assert found["empty"] == 0
    assert set(found["bytes"]) == set(range(256))
    first = shape.vocabulary - len(SPECIALS)
    assert {first + SPECIALS.index(text) for text in (START, END, THINK)} <= set(found["tokens"])
    assert found["finite"]
    assert 0.1 < found["spread"] < 1000


@pytest.mark.parametrize("shape", [SHAPES["tiny"], ODD], ids=lambda shape: shape.name)
def test_weights_have_mean_zero_and_the_wanted_spread(shape: Shape, tmp_path: Path) -> None:
    path = build(shape, tmp_path / "model.gguf")
    seen = set()
    for tensor in gguf.GGUFReader(path).tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if tensor.tensor_type is gguf.GGMLQuantizationType.F32:
            assert np.all(values == 1)
            continue
        seen.add(tensor.tensor_type.name)
        assert values.shape == tuple(reversed(tensor.shape.tolist()))
        assert abs(values.mean()) < SPREAD / 20, tensor.name
        assert values.std() == pytest.approx(SPREAD, rel=0.05), tensor.name
        assert np.abs(values).max() < 10 * SPREAD
    assert seen == ({"Q4_K", "Q6_K"} if shape.name == "tiny" else {"Q4_K", "Q5_0", "Q6_K", "Q8_0"})


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    one, same, other = (build("tiny", tmp_path / f"{n}.gguf", seed).read_bytes() for n, seed in enumerate((1, 1, 2)))
    assert one == same
    assert one != other


def test_the_file_is_private_and_comes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = build("tiny", tmp_path / "model.gguf")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["model.gguf"]
    monkeypatch.setattr("edgemind.convert.random_weights._draw", lambda plan, rng: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        build("tiny", tmp_path / "second.gguf")
    assert [file.name for file in tmp_path.iterdir()] == ["model.gguf"]


def test_an_unknown_shape_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        build("qwen9-900b", tmp_path / "x.gguf")
    assert "qwen3-0.6b" in caught.value.hint


def test_header_and_summary_agree_with_the_shape(tmp_path: Path) -> None:
    shape = ODD
    facts = summary(read_header(build(shape, tmp_path / "model.gguf")))
    assert (facts.layers, facts.embedding, facts.vocabulary) == (shape.layers, shape.embedding, shape.vocabulary)
    assert (facts.sliding_window, facts.windowed) == (64, (True,) * 5 + (False,))
    assert facts.quantization == "Q4_K_M"


def test_the_real_shapes_have_the_real_sizes() -> None:
    """Bytes of weights as planned, no file needed; 0.6B is 373 MiB, as ``llama-quantize`` makes it."""

    def size(name: str) -> float:
        plans = tensors(SHAPES[name])
        return sum(BY_NAME[plan.type.lower()].bytes_for(int(np.prod(plan.shape))) for plan in plans) / 2**20

    assert size("qwen3-0.6b") == pytest.approx(373, rel=0.01)
    assert size("llama-3.2-1b") == pytest.approx(763, rel=0.01)
    assert size("qwen3-1.7b") == pytest.approx(1050, rel=0.02)


def test_a_vocabulary_of_full_size() -> None:
    words = vocabulary(151_936)
    assert len(set(words.tokens)) == len(words.tokens) == len(words.kinds) == 151_936
    ids = {token: number for number, token in enumerate(words.tokens)}
    for merge in words.merges:
        left, right = merge.split(" ")
        assert ids[left + right] > max(ids[left], ids[right])
    assert set(byte_letters().values()) <= set(ids)
    assert [words.tokens[words.id_of(special)] for special in SPECIALS] == list(SPECIALS)
    with pytest.raises(ValueError, match="100"):
        vocabulary(100)
