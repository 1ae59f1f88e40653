"""Arrays of strings of every length: most are stepped over many at a time, some cannot be."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgemind.errors import ModelUnusable
from edgemind.models.gguf import read_array, read_header

LENGTHS = {
    "nothing at all": (0,),
    "short": (1, 2, 3, 7, 12),
    "around the limit": (62, 63, 64, 65),
    "two bytes of length": (0, 5, 255, 256, 300),
    "three bytes of length": (1, 70_000),
}


def string(data: bytes) -> bytes:
    return struct.pack("<Q", len(data)) + data


def header_of(strings: Sequence[bytes]) -> bytes:
    """A header with these strings, and a number after them that is found only at the right place."""
    array = string(b"words") + struct.pack("<IIQ", 9, 8, len(strings)) + b"".join(map(string, strings))
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + array + string(b"after") + struct.pack("<II", 4, 77)


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_what_is_read_is_what_was_written(tmp_path: Path, lengths: tuple[int, ...], count: int) -> None:
    rng = random.Random(count)
    written = [bytes([rng.choice((0, 1, 8, 65))]) * rng.choice(lengths) for _ in range(count)]
    file = tmp_path / "words.gguf"
    file.write_bytes(header_of(written))
    header = read_header(file)
    assert header.metadata["after"] == 77
    assert read_array(header, "words") == tuple(text.decode() for text in written)


def test_a_large_vocabulary_is_cut_nowhere(tmp_path: Path) -> None:
    """Some megabytes, so that strings lie across the pieces in which the file is read."""
    rng = random.Random(1)
    written = [rng.randbytes(rng.choice((3, 8, 60, 64, 200))).hex().encode() for _ in range(40_000)]
    file = tmp_path / "words.gguf"
    file.write_bytes(header_of(written))
    header = read_header(file, arrays=True)
    assert header.metadata["after"] == 77
    assert header.metadata["words"] == tuple(text.decode() for text in written)


@pytest.mark.parametrize("place", [0, 1, 63, 64, 100, 199])
@pytest.mark.parametrize("byte", range(1, 8))
def test_a_high_byte_of_a_length_is_never_overlooked(tmp_path: Path, place: int, byte: int) -> None:
    strings = [b"abc"] * 200
    data = bytearray(header_of(strings))
    length_at = data.index(string(b"abc")) + place * 11
    data[length_at + byte] = 1
    file = tmp_path / "words.gguf"
    file.write_bytes(data)
    with pytest.raises(ModelUnusable):
        read_header(file)
