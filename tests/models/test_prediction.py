"""Predicted memory and speed: a catalog entry's against the real file's, and what decides the speed."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemind.convert.random_weights import build
from edgemind.convert.shapes import Shape as RealShape
from edgemind.models import fit, gguf
from edgemind.models.bandwidth import Bandwidth
from edgemind.models.catalog import CatalogEntry, load
from edgemind.models.graphics import Device
from edgemind.models.hardware import Machine
from edgemind.models.header import Header
from edgemind.models.prediction import (
    OWN_BYTES,
    could_be_free,
    decode_seconds,
    human_rate,
    predict,
    read_bytes,
    will_it_fit,
)
from edgemind.models.sketch import bits_per_weight, sketch

GB = 10**9
FAST = Bandwidth(35e9, 2)

SHAPES = (
    RealShape("qwen3-like", "qwen3", 4, 1024, 16, 8, 128, 3072, 8000, 40_960, 1e6, qk_norm=True),
    RealShape("llama-like", "llama", 4, 1024, 16, 8, 64, 4096, 8000, 131_072, 5e5, tied=False),
    RealShape("smollm3-like", "smollm3", 4, 1024, 8, 2, 128, 5632, 8000, 65_536, 5e6),
    RealShape("gemma3-like", "gemma3", 7, 640, 4, 1, 256, 2048, 8000, 32_768, 1e6, True, True, False, True, 512),
)


def machine(total: float = 16, free: float = 12, cores: int = 2, *flags: str) -> Machine:
    kept = flags or ("avx2", "avx512_vnni")
    return Machine(int(total * GB), int(free * GB), cores, cores, None, "A processor", kept, "linux-x86_64")


def entry(parameters: int = 4 * GB, **more: object) -> CatalogEntry:
    fields = {
        "name": "a-model",
        "description": "A model",
        "parameters": parameters,
        "context": 32768,
        "licence": "MIT",
        "files": {"Q4_K_M": "a.gguf", "Q8_0": "b.gguf"},
        "use": ["chat"],
        **more,
    }
    return CatalogEntry.model_validate(fields)


@pytest.fixture(scope="module")
def headers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Header]:
    folder = tmp_path_factory.mktemp("shapes")
    return {shape.name: gguf.read_header(build(shape, folder / f"{shape.name}.gguf")) for shape in SHAPES}


def entry_of(shape: RealShape, header: Header) -> CatalogEntry:
    """What a catalog would say about a real file."""
    described = {
        "architecture": shape.architecture,
        "layers": shape.layers,
        "embedding": shape.embedding,
        "heads": shape.heads,
        "kv_heads": shape.kv_heads,
        "head_dim": shape.head_dim,
        "feed_forward": shape.feed_forward,
        "vocabulary": shape.vocabulary,
        "tied": shape.tied,
        "sliding_window": shape.window,
        "window_period": 6 if shape.window else 0,
    }
    files = {"Q4_K_M": {"name": "a.gguf", "size": header.size_bytes}}
    return entry(header.parameters, context=shape.context, shape=described, files=files)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_an_entry_is_predicted_as_its_file_is(headers: dict[str, Header], shape: RealShape) -> None:
    header = headers[shape.name]
    known = entry_of(shape, header)
    assert not sketch(known).rough
    for context in (1024, 4096, 32768):
        ours, real = (predict(model, machine(), context=context, bandwidth=FAST) for model in (known, header))
        assert ours.estimate.kv_bytes == real.estimate.kv_bytes
        assert ours.host_bytes == pytest.approx(real.host_bytes, rel=0.03)
        assert ours.tokens_per_second == pytest.approx(real.tokens_per_second, rel=0.15)
        assert ours.disk_bytes == real.disk_bytes


def test_memory_is_what_the_loader_sums_up_and_edgeminds_own(headers: dict[str, Header]) -> None:
    header = headers["qwen3-like"]
    found = predict(header, machine(), context=4096)
    assert found.host_bytes == fit.estimate(header, n_ctx=4096).host.total + OWN_BYTES
    assert (found.rough, found.tokens_per_second, found.quantization) == (False, None, "Q4_K_M")


def test_of_the_embedding_one_row_is_read_unless_it_is_the_output_too(headers: dict[str, Header]) -> None:
    tied, untied = headers["qwen3-like"], headers["llama-like"]
    assert sum(read_bytes(tied).values()) == tied.tensor_bytes
    assert sum(read_bytes(untied).values()) == untied.tensor_bytes - untied.by_name["token_embd.weight"].size


def test_of_experts_only_those_in_use_are_read() -> None:
    whole = entry(30 * GB, files={"Q4_K_M": {"name": "a.gguf", "size": 18 * GB}})
    mixture = entry(30 * GB, active_parameters=3 * GB, files={"Q4_K_M": {"name": "a.gguf", "size": 18 * GB}})
    known = sketch(mixture)
    assert sum(read_bytes(known.header, known.active_share).values()) < 0.2 * 18 * GB
    big = machine(64, 60)
    dense, sparse = (predict(one, big, bandwidth=FAST).tokens_per_second or 0 for one in (whole, mixture))
    assert sparse > 4 * dense
    assert predict(whole, big).host_bytes == predict(mixture, big).host_bytes


def test_embeddings_of_each_layer_lie_in_memory_but_are_not_read() -> None:
    gemma = load()["gemma-4-e2b"]
    known = sketch(gemma)
    assert known.header.by_name["per_layer_token_embd.weight"].size > GB
    assert sum(read_bytes(known.header, known.active_share).values()) < 0.65 * known.header.tensor_bytes
    assert known.active_share > 0.9, "which are not among those that the publisher counts as active"


def test_more_bandwidth_is_faster_until_the_cores_are_the_limit(headers: dict[str, Header]) -> None:
    header = headers["qwen3-like"]
    times = [decode_seconds(header, machine(), Bandwidth(rate, 2), depth=1) for rate in (5e9, 1e10, 2e10, 2e11, 2e12)]
    assert times == sorted(times, reverse=True)
    assert times[0] > 1.5 * times[1]
    assert times[3] == pytest.approx(times[4], rel=0.02)
    older = decode_seconds(header, machine(16, 12, 2, "avx2"), Bandwidth(2e12, 2), depth=1)
    assert older > 1.2 * times[4]


def test_a_deep_context_is_slower(headers: dict[str, Header]) -> None:
    rates = [predict(headers["qwen3-like"], machine(), context=n, bandwidth=FAST) for n in (1024, 8192, 32768)]
    assert [found.depth for found in rates] == [256, 2048, 8192]
    speeds = [found.tokens_per_second or 0 for found in rates]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[0] > 2 * speeds[2]


def test_without_size_and_shape_the_prediction_is_rough() -> None:
    bare = entry()
    found = predict(bare, machine(), bandwidth=FAST)
    assert found.rough
    assert found.disk_bytes == pytest.approx(4e9 * 4.89 / 8)
    assert found.host_bytes > found.disk_bytes
    assert predict(bare, machine(), quantization="q8_0").disk_bytes == pytest.approx(4e9 * 8.5 / 8)
    assert "about " in will_it_fit(bare, machine=machine()).sentence


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("Q4_K_M", 4.8, 5), ("UD-Q4_K_XL", 4.6, 5), ("q8_0", 8.5, 8.5), ("IQ3_M", 3.5, 4), ("NEW_KIND", 5, 5)],
)
def test_bits_of_any_quantization(name: str, low: float, high: float) -> None:
    assert low <= bits_per_weight(name) <= high


def test_every_entry_that_ships_can_be_sketched() -> None:
    for known in load().values():
        for name, file in known.files.items():
            found = sketch(known, name)
            assert found.quantization == name
            assert all(tensor.size > 0 for tensor in found.header.tensors), (known.name, name)
            assert found.header.tensor_bytes <= found.header.size_bytes
            if file.size:
                assert found.header.tensor_bytes > 0.99 * file.size
                assert predict(known, machine(), quantization=name).host_bytes > file.size


def test_a_report_says_the_numbers() -> None:
    model = entry(files={"Q4_K_M": {"name": "a.gguf", "size": 5 * GB}}, shape=None)
    roomy = will_it_fit(model, machine=machine(16, 12), bandwidth=FAST)
    assert roomy.fits
    assert 5 * GB < roomy.needed_bytes < 7 * GB
    assert (roomy.available_bytes, roomy.total_bytes) == (12 * GB, 16 * GB)
    assert "12.0 GB is free" in roomy.sentence
    assert "4,096 tokens" in roomy.sentence
    assert f"about {human_rate(roomy.tokens_per_second or 0)} tokens/s are predicted" in roomy.sentence
    busy = will_it_fit(model, machine=machine(16, 3), bandwidth=FAST)
    assert not busy.fits
    assert "close other programs" in busy.sentence
    small = will_it_fit(model, machine=machine(4, 3))
    assert not small.fits
    assert small.tokens_per_second is None
    assert "4.0 GB in all" in small.sentence


def test_a_device_takes_what_it_can() -> None:
    model = load()["qwen3-4b"]
    card = Device("RTX", "nvidia", 24 * GB, 23 * GB)
    whole = predict(model, machine(), bandwidth=FAST, device=card)
    assert whole.all_on_device
    assert whole.tokens_per_second is None, "which was not measured"
    assert whole.host_bytes < GB < whole.device_bytes < 23 * GB
    assert "RTX, whose speed is not measured" in will_it_fit(model, machine=machine(), device=card).sentence
    part = predict(model, machine(), bandwidth=FAST, device=Device("RTX", "nvidia", 2 * GB, 2 * GB))
    assert 0 < part.gpu_layers <= 36
    assert part.tokens_per_second == predict(model, machine(), bandwidth=FAST).tokens_per_second
    shared = predict(model, machine(), device=Device("Apple M2", "apple", 12 * GB, 12 * GB))
    assert shared.host_bytes > whole.host_bytes + 2 * GB, "it shares the machine's memory"


def test_what_closing_programs_would_free() -> None:
    assert could_be_free(machine(8, 3)) == 6 * GB
    assert could_be_free(machine(64, 30)) == 61_500_000_000
    assert could_be_free(machine(8, 7.5)) == int(7.5 * GB), "what is free already counts"


def test_rates_have_two_digits() -> None:
    assert [human_rate(rate) for rate in (0.04, 3.44, 9.96, 14.4, 146.2)] == ["0.0", "3.4", "10", "14", "150"]


def test_an_engines_file_is_predicted_too() -> None:
    from edgemind.models import builtin

    found = will_it_fit(gguf.read_header(Path(builtin.path())), 1024, machine=machine(), bandwidth=FAST)
    assert found.fits
    assert (found.tokens_per_second or 0) > 100
