"""The header reader: what it reads, what it says about files that are not what they should be, and fuzz."""

from __future__ import annotations

import contextlib
import gzip
import os
import pickle
import socket
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from mutants import mutants

from edgemind.convert.random_weights import build
from edgemind.convert.shapes import Shape
from edgemind.errors import EdgemindError, ModelNotFound, ModelUnusable
from edgemind.models.ggml_types import FILE_TYPES, TYPES
from edgemind.models.gguf import MAX_TENSORS, read_array, read_header
from edgemind.models.summary import check_model, summary

MINI = Shape("mini", "qwen3", 1, 256, 4, 2, 64, 256, 320, 512, 1e4, qk_norm=True)
FUZZ = Shape("fuzz", "qwen3", 1, 32, 1, 1, 32, 32, 272, 512, 1e4, small="Q8_0", large="Q8_0")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sound model file."""
    return build(MINI, tmp_path_factory.mktemp("sound") / "mini.gguf")


def problem(path: Path) -> str:
    """What the reader says about a file it must refuse; one sentence."""
    with pytest.raises(ModelUnusable) as caught:
        read_header(path)
    assert caught.value.message.count("\n") == 0
    assert caught.value.message.endswith(".")
    assert str(path) in caught.value.message
    return caught.value.message


def head(version: int = 3, tensors: int = 0, keys: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, keys)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def key(name: str, kind: int, value: bytes) -> bytes:
    return text(name) + struct.pack("<I", kind) + value


def tensor(name: str = "t", dims: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)


def test_types_agree_with_the_gguf_package() -> None:
    theirs = {int(kind): (kind.name, *sizes) for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    newer = {42: ("Q2_0", 64, 18)}  # of llama.cpp 0.3.36, not of every gguf package
    assert {number: tuple(kind)[1:] for number, kind in TYPES.items()} == newer | theirs
    names = {int(kind): kind.name.removeprefix("MOSTLY_").removeprefix("ALL_") for kind in gguf.LlamaFileType}
    assert {number: FILE_TYPES.get(number) for number in names if number != 1024} == {
        number: name for number, name in names.items() if number != 1024
    }


def test_it_reads_what_the_gguf_package_reads(sound: Path) -> None:
    ours, theirs = read_header(sound, arrays=True), gguf.GGUFReader(sound)
    assert [(t.name, t.shape, t.type, t.offset, t.size) for t in ours.tensors] == [
        (t.name, tuple(int(n) for n in t.shape), t.tensor_type.name, int(t.data_offset), int(t.n_bytes))
        for t in theirs.tensors
    ]
    for name, found in theirs.fields.items():
        if not name.startswith("GGUF."):
            value = found.contents()
            assert ours.metadata[name] == (tuple(value) if isinstance(value, list) else value), name
    assert ours.data_offset == theirs.data_offset
    assert ours.architecture == "qwen3"


def test_long_arrays_wait_until_they_are_asked_for(sound: Path) -> None:
    header = read_header(sound)
    assert "tokenizer.ggml.tokens" not in header.metadata
    assert header.arrays["tokenizer.ggml.tokens"].count == 320
    tokens = read_array(header, "tokenizer.ggml.tokens")
    assert tokens == read_header(sound, arrays=True).metadata["tokenizer.ggml.tokens"]
    assert tokens[-2:] == ("<think>", "</think>")


def test_summary_of_a_model(sound: Path) -> None:
    facts = summary(read_header(sound))
    assert (facts.architecture, facts.quantization, facts.layers) == ("qwen3", "Q4_K_M", 1)
    assert (facts.embedding, facts.heads, facts.kv_heads, facts.key_length) == (256, (4,), (2,), 64)
    assert (facts.vocabulary, facts.context_trained, facts.has_template) == (320, 512, True)
    assert not facts.recurrent
    check_model(read_header(sound))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty (0 bytes)"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        (b"\n  <html lang='en'><head></head></html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git-lfs pointer"),
        (gzip.compress(b"x" * 100, mtime=0), "compressed with gzip"),
        (struct.pack("<Q", 8) + b'{"a": 1}' + bytes(64), "safetensors"),
        (pickle.dumps({"weight": [0.0] * 50}), "pickle"),
        (b"lmgg" + bytes(100), "GGML file"),
        (b"tjgg\x03\0\0\0" + bytes(100), "GGJT file"),
        (b'{"error": "not found"}', "JSON"),
        (b"Entry not found", "plain text"),
        (bytes(4096), "begins with zeros"),
        (b"\xff\xd8\xff\xe0" + bytes(range(200)), "first bytes are not those"),
        (b"GGUF", "cut short"),
        (b"GGU", "not a GGUF file"),
        (head()[:20], "cut short"),
        (b"GGUF" + struct.pack(">IQQ", 3, 1, 1), "big-endian"),
        (head(version=1), "version 1"),
        (head(version=4), "version 4; EdgeMind reads versions 2 and 3"),
        (head(version=0), "its version is 0"),
        (head(keys=2**63), "metadata entries"),
        (head(tensors=MAX_TENSORS + 1), "tensors"),
        (head(tensors=50) + bytes(64), "claims 50 tensors"),
        (head(keys=1) + struct.pack("<Q", 2**60) + bytes(64), "claims a length"),
        (head(keys=1) + text("") + bytes(64), "key is empty"),
        (head(keys=1) + key("k", 77, bytes(8)), "unknown value type 77"),
        (head(keys=1) + key("k", 8, struct.pack("<Q", 2**62)) + bytes(64), "claims a length"),
        (head(keys=1) + key("k", 9, struct.pack("<IQ", 9, 1)) + bytes(64), "array of arrays"),
        (head(keys=1) + key("k", 9, struct.pack("<IQ", 99, 1)) + bytes(64), "unknown value type 99"),
        (head(keys=1) + key("k", 9, struct.pack("<IQ", 8, 2**61)) + bytes(64), "elements of 'k'"),
        (head(keys=1) + key("k", 9, struct.pack("<IQ", 8, 2) + struct.pack("<Q", 2**64 - 8)) + bytes(64), "cut short"),
        (head(keys=2) + key("twice", 4, bytes(4)) * 2, "'twice' occurs twice"),
        (head(keys=1) + key("general.alignment", 4, struct.pack("<I", 3)) + bytes(64), "power of two"),
        (head(keys=1) + key("general.alignment", 4, bytes(4)) + bytes(64), "power of two"),
        (head(keys=1) + key("general.alignment", 8, text("32")) + bytes(64), "power of two"),
        (head(tensors=1) + tensor("x" * 64) + bytes(256), "length of 64 bytes"),
        (head(tensors=1) + tensor(dims=(1,) * 5) + bytes(256), "5 dimensions"),
        (head(tensors=1) + tensor(dims=(0, 4)) + bytes(256), "impossible shape"),
        (head(tensors=1) + tensor(dims=(2**32, 2**32)) + bytes(256), "impossible shape"),
        (head(tensors=1) + tensor(kind=36) + bytes(256), "type 36, which EdgeMind does not know"),
        (head(tensors=1) + tensor(dims=(33,), kind=8) + bytes(256), "not whole blocks of Q8_0"),
        (head(tensors=1) + tensor(offset=32) + bytes(256), "does not follow"),
        (head(tensors=2) + tensor() + tensor(offset=128) + bytes(512), "'t' occurs twice"),
        (head(tensors=1) + tensor(dims=(2**40,)) + bytes(256), "bytes but its header describes 4.4 TB"),
        (head(tensors=1) + tensor(dims=(2**60,)) + bytes(256), "more than any disk holds"),
    ],
)
def test_bad_files_get_their_sentence(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "bad.gguf"
    file.write_bytes(content)
    assert says in problem(file)


def test_zip_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "pytorch_model.bin"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("data.pkl", "x")
    assert "PyTorch checkpoint" in problem(file)


def test_a_cut_download_says_both_sizes(sound: Path, tmp_path: Path) -> None:
    whole = sound.read_bytes()
    file = tmp_path / "cut.gguf"
    file.write_bytes(whole[: len(whole) // 2])
    message = problem(file)
    assert f"is {len(whole) / 2000:.0f} kB but its header describes {len(whole) / 1000:.0f} kB" in message
    assert "the download was cut" in message


def test_missing_folder_and_special_files_never_block(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        read_header(tmp_path / "nothing.gguf")
    with pytest.raises(ModelNotFound):
        read_header(tmp_path / "nothing.gguf" / "below.gguf")
    assert "is a folder" in problem(tmp_path)
    fifo = tmp_path / "fifo.gguf"
    os.mkfifo(fifo)
    assert "pipe, socket or device" in problem(fifo)
    assert "pipe, socket or device" in problem(Path("/dev/zero"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "pipe, socket or device" in problem(tmp_path / "s")


def test_paths_that_no_file_can_have() -> None:
    for odd in ("a\0b.gguf", "x" * 5000 + ".gguf", "loop\udcff.gguf"):
        with pytest.raises(EdgemindError) as caught:
            read_header(odd)
        caught.value.message.encode()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(sound: Path, tmp_path: Path) -> None:
    file = tmp_path / "secret.gguf"
    file.write_bytes(sound.read_bytes())
    file.chmod(0)
    assert "may not be read" in problem(file)


def test_a_link_is_followed_and_a_loop_is_refused(sound: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.gguf"
    link.symlink_to(sound)
    assert read_header(link).tensors == read_header(sound).tensors
    loop = tmp_path / "loop.gguf"
    loop.symlink_to(loop)
    assert "cannot be opened" in problem(loop)


@pytest.mark.parametrize(
    ("kind", "says"), [("adapter", "LoRA adapter"), ("mmproj", "image part"), ("imatrix", "importance matrix")]
)
def test_sound_files_that_are_no_language_model(tmp_path: Path, kind: str, says: str) -> None:
    file = tmp_path / "other.gguf"
    file.write_bytes(head(keys=1) + key("general.type", 8, text(kind)))
    with pytest.raises(ModelUnusable, match=says):
        check_model(read_header(file))


def test_wrong_types_of_known_keys_count_as_absent(tmp_path: Path) -> None:
    file = tmp_path / "odd.gguf"
    entries = [
        key("general.architecture", 8, text("qwen3")),
        key("qwen3.block_count", 8, text("many")),
        key("qwen3.attention.head_count", 9, struct.pack("<IQ", 8, 1) + text("x")),
        key("general.name", 4, bytes(4)),
        key("tokenizer.ggml.tokens", 4, bytes(4)),
    ]
    file.write_bytes(head(keys=len(entries)) + b"".join(entries))
    facts = summary(read_header(file))
    assert (facts.layers, facts.name, facts.vocabulary) == (0, "odd", 0)


def test_mutants_only_ever_raise_model_unusable(tmp_path: Path) -> None:
    """800 damaged files: one error class, bounded time; for every fourth, memory in proportion to the file."""
    sound = build(FUZZ, tmp_path / "sound.gguf")
    refused, slowest, largest = 0, 0.0, 0
    file = tmp_path / "mutant.gguf"
    for number, data in enumerate(mutants(sound.read_bytes(), 800, seed=1)):
        file.write_bytes(data)
        if number % 4 == 0:
            tracemalloc.start()
        began = time.process_time()
        try:
            summary(read_header(file, arrays=number % 8 < 4))
        except ModelUnusable as error:
            refused += 1
            error.message.encode()
        slowest = max(slowest, time.process_time() - began)
        if number % 4 == 0:
            largest = max(largest, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert refused > 400
    assert slowest < 1.0
    assert largest < 8 * sound.stat().st_size + (1 << 20)


def claims(count: int) -> bytes:
    """An array of ``count`` empty strings in a header, as dense as it gets."""
    return head(keys=1) + key("k", 9, struct.pack("<IQ", 8, count)) + bytes(8 * count)


@pytest.mark.parametrize("make", [lambda: claims(400_000), lambda: head(keys=60_000) + bytes(900_000)])
def test_dense_claims_stay_in_proportion(tmp_path: Path, make: Callable[[], bytes]) -> None:
    file = tmp_path / "dense.gguf"
    file.write_bytes(make())
    tracemalloc.start()
    began = time.process_time()
    with contextlib.suppress(ModelUnusable):
        read_header(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * file.stat().st_size + (1 << 20)
    assert time.process_time() - began < 5


def test_speed_of_a_real_vocabulary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """151,936 tokens and as many merges; printed, not asserted, because machines differ."""
    shape = Shape("words", "qwen3", 1, 32, 1, 1, 32, 32, 151_936, 512, 1e4, small="Q8_0", large="Q8_0")
    file = build(shape, tmp_path / "words.gguf")
    times = []
    for _ in range(5):
        began = time.perf_counter()
        header = read_header(file)
        times.append(time.perf_counter() - began)
    assert header.arrays["tokenizer.ggml.tokens"].count == 151_936
    with capsys.disabled():
        print(
            f"\nheader with 151,936 tokens and {header.arrays['tokenizer.ggml.merges'].count:,} merges: "
            f"{min(times) * 1000:.0f} ms"
        )
