"""Importance matrices: the engine's sums against a NumPy forward pass, mixtures of experts, and both file formats."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import tiny
from gguf import GGMLQuantizationType
from numpy.typing import NDArray
from tiny import tiny_model

from edgemind.engine import calibration, quantizer
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.engine.llama.imatrix import operations
from edgemind.errors import BadInput, EdgemindError, ModelNotFound, UsageError
from edgemind.models import imatrix
from edgemind.models.gguf import read_header
from edgemind.models.imatrix import Entry, Matrix

Floats = NDArray[np.float64]
TEXT = "the ones plus the tens equals the sum. So then: 12 + 30 = 42. " * 40
LAYERS, HEADS, KV_HEADS = 2, 4, 2


def computed(path: Path, **more: int) -> Matrix:
    options = LoadOptions(path=str(path), threads=1, sequences=1, kv_type="f32", flash_attention="off")
    with Engine(options) as engine:
        return calibration.compute(engine, TEXT, dataset="sums.txt", **more)


def pieces_of(path: Path) -> list[tuple[int, ...]]:
    with Engine(LoadOptions(path=str(path), threads=1)) as engine:
        return calibration.pieces(engine, TEXT, calibration.CHUNK)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("model") / "tiny.gguf", layers=LAYERS, heads=HEADS, kv_heads=KV_HEADS)


@pytest.fixture(scope="module")
def matrix(model: Path) -> Matrix:
    return computed(model)


def test_the_sums_are_those_of_a_forward_pass_in_numpy(model: Path, matrix: Matrix) -> None:
    weights = {tensor.name: np.array(tensor.data, np.float64) for tensor in gguf.GGUFReader(model).tensors}
    wanted: dict[str, Floats] = {}
    cut = pieces_of(model)
    for tokens in cut:
        for name, rows in inputs_of(weights, np.array(tokens)):
            wanted[name] = wanted.get(name, 0) + (rows**2).sum(axis=0)
    assert set(matrix.entries) == set(wanted)
    assert len(wanted) == 7 * LAYERS
    for name, sums in wanted.items():
        np.testing.assert_allclose(matrix.entries[name].squares[0], sums, rtol=2e-3, err_msg=name)
        assert matrix.entries[name].counts.tolist() == [len(cut) * calibration.CHUNK]


def inputs_of(weights: dict[str, Floats], tokens: NDArray[np.int64]) -> list[tuple[str, Floats]]:
    """What goes into each matrix of a qwen3 model: RMS norms, rotary embedding over half heads, SwiGLU."""
    state, found = weights["token_embd.weight"][tokens], []
    for layer in range(LAYERS):
        of = {name.split(".", 2)[2]: data for name, data in weights.items() if name.startswith(f"blk.{layer}.")}
        rows = norm(state, of["attn_norm.weight"])
        found += [(f"blk.{layer}.attn_{part}.weight", rows) for part in "qkv"]
        query, key, value = (
            (rows @ of[f"attn_{part}.weight"].T).reshape(len(tokens), heads, -1)
            for part, heads in (("q", HEADS), ("k", KV_HEADS), ("v", KV_HEADS))
        )
        query, key = rotated(norm(query, of["attn_q_norm.weight"])), rotated(norm(key, of["attn_k_norm.weight"]))
        mixed = attention(query, key.repeat(HEADS // KV_HEADS, 1), value.repeat(HEADS // KV_HEADS, 1))
        found.append((f"blk.{layer}.attn_output.weight", mixed))
        state = state + mixed @ of["attn_output.weight"].T
        rows = norm(state, of["ffn_norm.weight"])
        found += [(f"blk.{layer}.ffn_{part}.weight", rows) for part in ("gate", "up")]
        gate = rows @ of["ffn_gate.weight"].T
        rows = gate / (1 + np.exp(-gate)) * (rows @ of["ffn_up.weight"].T)
        found.append((f"blk.{layer}.ffn_down.weight", rows))
        state = state + rows @ of["ffn_down.weight"].T
    return found


def norm(rows: Floats, weight: Floats) -> Floats:
    return rows / np.sqrt((rows**2).mean(axis=-1, keepdims=True) + 1e-6) * weight


def rotated(heads: Floats) -> Floats:
    half = heads.shape[-1] // 2
    angles = np.arange(len(heads))[:, None] * 10000.0 ** (-np.arange(half) / half)
    cos, sin = np.cos(angles)[:, None], np.sin(angles)[:, None]
    low, high = heads[..., :half], heads[..., half:]
    return np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)


def attention(query: Floats, key: Floats, value: Floats) -> Floats:
    scores = np.einsum("qhd,khd->hqk", query, key) / np.sqrt(query.shape[-1])
    scores += np.triu(np.full(scores.shape[1:], -np.inf), 1)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    return np.einsum("hqk,khd->qhd", weights, value).reshape(len(query), -1)


def test_fewer_pieces_are_the_first_ones(model: Path, matrix: Matrix) -> None:
    fewer = computed(model, chunks=1)
    assert (fewer.chunks, fewer.tokens, fewer.datasets) == (1, calibration.CHUNK, ("sums.txt",))
    name = "blk.0.attn_q.weight"
    assert (fewer.entries[name].squares < matrix.entries[name].squares).all()


def test_a_mixture_counts_each_expert_by_itself(tmp_path: Path) -> None:
    found = computed(mixture_of_experts(tmp_path / "moe.gguf"), chunks=2).entries
    router, experts = found["blk.0.ffn_gate_inp.weight"], found["blk.0.ffn_gate_exps.weight"]
    assert experts.squares.shape == (4, 64)
    assert experts.counts.sum() == 2 * router.counts.sum() == 2 * 2 * calibration.CHUNK
    np.testing.assert_allclose(experts.squares.sum(axis=0), 2 * router.squares[0], rtol=1e-4)
    down = found["blk.0.ffn_down_exps.weight"]
    assert down.squares.shape == (4, 32)
    assert down.counts.tolist() == experts.counts.tolist()


def mixture_of_experts(path: Path) -> Path:
    """One layer, four experts of which a token uses two."""
    writer = gguf.GGUFWriter(path, "llama")
    for add, value in (
        (writer.add_context_length, 4096),
        (writer.add_embedding_length, 64),
        (writer.add_block_count, 1),
        (writer.add_feed_forward_length, 32),
        (writer.add_head_count, 4),
        (writer.add_head_count_kv, 4),
        (writer.add_rope_dimension_count, 16),
        (writer.add_layer_norm_rms_eps, 1e-6),
        (writer.add_expert_count, 4),
        (writer.add_expert_used_count, 2),
    ):
        add(value)
    size = tiny._bpe(writer, "llama-bpe", tiny.WORDS, 0, tiny.SPECIALS)
    shapes = tiny._tensors("llama", 1, 64, 4, 4, size)
    for part in ("gate", "up", "down"):
        del shapes[f"blk.0.ffn_{part}.weight"]
        shapes[f"blk.0.ffn_{part}_exps.weight"] = (4, 64, 32) if part == "down" else (4, 32, 64)
    shapes["blk.0.ffn_gate_inp.weight"] = (4, 64)
    rng = np.random.default_rng(3)
    for name, shape in shapes.items():
        tiny._add(writer, name, tiny._draw(rng, name, shape), GGMLQuantizationType.F32)
    tiny._write(writer)
    return path


def test_a_short_text_is_refused(model: Path) -> None:
    with (
        Engine(LoadOptions(path=str(model), threads=1)) as engine,
        pytest.raises(BadInput, match="tokens, and one piece takes 512"),
    ):
        calibration.compute(engine, "too short")


def test_the_built_in_texts_are_long_and_different(model: Path) -> None:
    from edgemind.engine import quality

    text = calibration.built_in_text()
    assert 30_000 <= len(text.encode()) <= 60_000
    paragraphs = {part for part in text.split("\n\n") if len(part) > 40}
    assert not paragraphs & set(quality.built_in_text().split("\n\n"))


def test_the_layout_of_tensors_is_known() -> None:
    assert sorted(operations().values()) == ["MUL_MAT", "MUL_MAT_ID"]


def test_written_and_read_back(matrix: Matrix, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    imatrix.write(matrix, path, "qwen3")
    again = imatrix.read(path)
    assert (again.datasets, again.chunks, again.chunk_size) == (matrix.datasets, matrix.chunks, matrix.chunk_size)
    assert again.entries.keys() == matrix.entries.keys()
    for name, entry in matrix.entries.items():
        assert np.array_equal(entry.squares, again.entries[name].squares)
        assert np.array_equal(entry.counts, again.entries[name].counts)


def test_the_file_is_what_llama_cpp_looks_for(matrix: Matrix, tmp_path: Path) -> None:
    """``common/imatrix-loader.cpp``: the keys, and two tensors of type F32 for each entry."""
    imatrix.write(matrix, tmp_path / "m.gguf", "qwen3")
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    assert reader.fields["general.type"].contents() == "imatrix"
    assert reader.fields["imatrix.datasets"].contents() == ["sums.txt"]
    assert reader.fields["imatrix.chunk_count"].contents() == matrix.chunks
    assert reader.fields["imatrix.chunk_size"].contents() == 512
    shapes = {tensor.name: tuple(int(n) for n in tensor.shape) for tensor in reader.tensors}
    assert shapes["blk.0.attn_q.weight.in_sum2"] == (64, 1)
    assert shapes["blk.0.attn_q.weight.counts"] == (1, 1)
    assert {tensor.tensor_type for tensor in reader.tensors} == {GGMLQuantizationType.F32}
    assert len(shapes) == 2 * len(matrix.entries)


def dat(entries: dict[str, NDArray[np.float32]], calls: int = 4) -> bytes:
    data = struct.pack("<i", len(entries))
    for name, values in entries.items():
        data += struct.pack("<i", len(name)) + name.encode()
        data += struct.pack("<ii", calls, values.size) + values.astype("<f4").tobytes()
    return data + struct.pack("<ii", calls, 8) + b"text.txt"


def test_the_older_format_is_read(tmp_path: Path) -> None:
    values = np.arange(1, 65, dtype=np.float32)
    (tmp_path / "old.dat").write_bytes(dat({"blk.0.attn_q.weight": 4 * values}))
    found = imatrix.read(tmp_path / "old.dat")
    assert (found.chunks, found.datasets) == (4, ("text.txt",))
    assert np.array_equal(found.entries["blk.0.attn_q.weight"].mean(), values)


def test_an_expert_that_was_never_asked_counts_as_one() -> None:
    entry = Entry(np.array([[8, 4], [0, 0]], np.float32), np.array([2, 0], np.float32))
    assert entry.mean().tolist() == [4, 2, 1, 1]


@pytest.mark.parametrize(
    "data",
    [b"", b"GGUF", b"hello world", dat({"a": np.ones(3, np.float32)})[:-30], struct.pack("<i", 1 << 30) + bytes(99)],
)
def test_no_matrix_is_said_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(BadInput, match="is no importance matrix that can be used"):
        imatrix.read(tmp_path / "x")


def test_numbers_that_are_none(tmp_path: Path, model: Path) -> None:
    for bad, why in ((np.nan, "not finite"), (-1.0, "negative")):
        (tmp_path / "x.dat").write_bytes(dat({"t": np.array([1, bad], np.float32)}))
        with pytest.raises(BadInput, match=why):
            imatrix.read(tmp_path / "x.dat")
    with pytest.raises(BadInput, match="no sums of squares"):
        imatrix.read(model)
    with pytest.raises(ModelNotFound):
        imatrix.read(tmp_path / "none")


def test_every_cut_and_flipped_file_is_read_or_refused_in_words(matrix: Matrix, tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    imatrix.write(matrix, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(150):
        data = bytearray(whole[: rng.integers(4, len(whole))] if rng.random() < 0.3 else whole)
        for place in rng.integers(0, min(len(data), 4000), 4):
            data[place] ^= int(rng.integers(1, 256))
        path.write_bytes(data)
        try:
            found = imatrix.read(path)
        except EdgemindError:
            continue
        assert all(np.isfinite(entry.mean()).all() for entry in found.entries.values())


def test_another_models_matrix_is_told(matrix: Matrix, model: Path, tmp_path: Path) -> None:
    quantizer.check_matrix(matrix, read_header(model))
    wider = read_header(tiny_model(tmp_path / "wider.gguf", embd=128))
    with pytest.raises(UsageError, match=r"has 64 numbers and the\s+model needs 128"):
        quantizer.check_matrix(matrix, wider)
    shorter = read_header(tiny_model(tmp_path / "shorter.gguf", layers=1))
    with pytest.raises(UsageError, match=r"this one has no tensor blk\.1"):
        quantizer.check_matrix(matrix, shorter)
    deeper = read_header(tiny_model(tmp_path / "deeper.gguf", layers=5))
    with pytest.raises(UsageError, match="no numbers for most"):
        quantizer.check_matrix(matrix, deeper)
