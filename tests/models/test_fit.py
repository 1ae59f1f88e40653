"""The memory estimate against what llama.cpp logs for models of ten shapes, and what follows from it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgemind.convert.random_weights import build
from edgemind.convert.shapes import Shape
from edgemind.errors import OutOfMemory
from edgemind.models import fit
from edgemind.models.gguf import read_header
from edgemind.models.header import Header

# Four layers each: the last computes only the wanted rows, so with fewer the buffer is up to a sixth smaller.
SHAPES = (
    Shape("qwen3-like", "qwen3", 4, 1024, 16, 8, 128, 3072, 8000, 40_960, 1e6, qk_norm=True),
    Shape("qwen2-like", "qwen2", 4, 768, 12, 2, 64, 4480, 8000, 32_768, 1e6, qkv_bias=True),
    Shape("llama-like", "llama", 4, 1024, 16, 8, 64, 4096, 8000, 131_072, 5e5),
    Shape("all-heads", "llama", 4, 512, 8, 8, 64, 1536, 4000, 4096, 1e4, tied=False),
    Shape("one-kv-head", "qwen3", 4, 512, 8, 1, 64, 1536, 4000, 8192, 1e6, qk_norm=True),
    Shape("wide-heads", "qwen3", 4, 512, 4, 2, 256, 1536, 4000, 8192, 1e6, qk_norm=True),
    Shape("qwen3-4b-like", "qwen3", 4, 1280, 16, 4, 128, 4864, 8000, 40_960, 1e6, qk_norm=True),
    Shape("smollm3-like", "smollm3", 4, 1024, 8, 2, 128, 5632, 8000, 65_536, 5e6),
    Shape("ministral3-like", "mistral3", 4, 1024, 16, 4, 128, 4608, 8000, 131_072, 1e6),
    Shape("gemma3-like", "gemma3", 7, 640, 4, 1, 256, 2048, 8000, 32_768, 1e6, True, True, False, True, 512),
)

CONTEXTS: list[list[Any]] = [
    [256, 512, 1, False, "f16", True],
    [1024, 512, 4, False, "f16", True],
    [4096, 512, 1, False, "f16", True],
    [4096, 128, 1, False, "f32", True],
    [512, 512, 4, True, "f16", True],
    [4096, 512, 1, True, "f16", True],
    [8192, 512, 1, True, "q8_0", True],
    [4096, 256, 2, True, "f16", False],
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("shapes")
    return {shape.name: build(shape, folder / f"{shape.name}.gguf") for shape in SHAPES}


@pytest.fixture(scope="module")
def header(files: dict[str, Path]) -> Header:
    return read_header(files["qwen3-like"])


def test_estimates_are_within_a_tenth_of_what_llama_cpp_allocates(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = tmp_path / "request.json"
    request.write_text(json.dumps([[str(path), CONTEXTS] for path in files.values()]))
    child = [sys.executable, str(Path(__file__).with_name("llama_sizes.py")), str(request)]
    answer = json.loads(subprocess.run(child, check=True, capture_output=True, text=True).stdout)
    rows = []
    for (name, path), found in zip(files.items(), answer, strict=True):
        ours = read_header(path)
        errors = []
        for (n_ctx, n_batch, n_seq, flash, kv_type, swa_full), real in zip(CONTEXTS, found["contexts"], strict=True):
            guess = fit.estimate(
                ours, n_ctx=n_ctx, n_batch=n_batch, n_seq=n_seq, flash=flash, kv_type=kv_type, swa_full=swa_full
            )
            case = (name, n_ctx, n_batch, n_seq, flash, kv_type, swa_full)
            assert guess.weights_bytes == pytest.approx(found["weights"], rel=0.01, abs=2**15), case
            assert guess.kv_bytes == pytest.approx(real["kv"], rel=0.01, abs=2**15), case
            assert guess.compute_bytes == pytest.approx(real["compute"], rel=0.10, abs=2**18), case
            errors.append(guess.compute_bytes / real["compute"] - 1)
        rows.append(f"{name:12} compute buffer {min(errors):+.1%} to {max(errors):+.1%} over {len(errors)} contexts")
    with capsys.disabled():
        print("\n" + "\n".join(rows))


def test_a_context_is_rounded_up_to_256_cells(header: Header) -> None:
    assert fit.estimate(header, n_ctx=1).kv_bytes == fit.estimate(header, n_ctx=256).kv_bytes
    assert fit.estimate(header, n_ctx=257).kv_bytes == 2 * fit.estimate(header, n_ctx=256).kv_bytes


def test_flash_attention_saves_the_scores(header: Header) -> None:
    without, with_flash = (fit.estimate(header, n_ctx=16_384, flash=flash).compute_bytes for flash in (False, True))
    assert without - with_flash > 16 * 16_384 * 512 * 4 * 0.9
    by_rule = fit.estimate(header, n_ctx=16_384, flash=lambda cells: cells <= 512)
    assert by_rule.compute_bytes == without


def test_layers_move_to_the_device(header: Header) -> None:
    none, some, every = (fit.estimate(header, n_ctx=1024, gpu_layers=count) for count in (0, 1, 5))
    assert none.device.total == 0
    assert 0 < some.device.weights < every.device.weights
    assert some.kv_bytes == every.kv_bytes == none.kv_bytes
    assert every.host.kv == 0
    embedding = header.by_name["token_embd.weight"].size
    assert every.host.weights == embedding
    assert every.device.weights == header.tensor_bytes


def test_gpu_layers_that_fit_grow_with_the_device(header: Header) -> None:
    counts = [fit.gpu_layers_that_fit(header, size << 20, n_ctx=1024) for size in (0, 40, 60, 2000)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 5)
    for count, size in zip(counts, (0, 40, 60, 2000), strict=True):
        if count:
            assert fit.estimate(header, n_ctx=1024, gpu_layers=count).device.total <= size << 20


def test_max_context_is_the_largest_that_fits(header: Header) -> None:
    for free in (64 << 20, 256 << 20, 600 << 20):
        cells = fit.max_context(header, free, n_seq=2)
        assert cells % 256 == 0
        if cells:
            assert fit.estimate(header, n_ctx=cells, n_seq=2).host.total <= free
        assert fit.estimate(header, n_ctx=cells + 256, n_seq=2).host.total > free
    assert fit.max_context(header, 1 << 20) == 0
    assert fit.max_context(header, 1 << 40) == 40_960
    assert fit.max_context(header, 1 << 40, limit=8192) == 8192


def test_not_enough_memory_is_said_in_numbers(header: Header) -> None:
    needed = fit.estimate(header, n_ctx=40_960).host
    fit.check_memory(needed, needed.total)
    with pytest.raises(OutOfMemory) as caught:
        fit.check_memory(fit.Split(9_100_000_000, 4_600_000_000, 500_000_000), 7_800_000_000, context_chosen=True)
    assert "needs 14.2 GB (weights 9.1 GB + context 4.6 GB + buffers 500.0 MB)" in caught.value.message
    assert "7.8 GB is free" in caught.value.message
    assert "--context" in caught.value.hint
    with pytest.raises(OutOfMemory) as caught:
        fit.check_memory(fit.Split(9_100_000_000, 1, 1), 7_800_000_000)
    assert "--context" not in caught.value.hint
