"""A SentencePiece file (``tokenizer.model``): pieces, scores and how text is normalized, read without the library.

It is a protocol buffer; only the fields that matter here are looked at. Source: ``sentencepiece_model.proto``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from edgemind.convert.tokenizer.vocabulary import Kind
from edgemind.errors import BadInput

UNIGRAM, BPE = 1, 2
KINDS = {
    1: Kind.NORMAL,
    2: Kind.UNKNOWN,
    3: Kind.CONTROL,
    4: Kind.USER_DEFINED,
    5: Kind.UNUSED,
    6: Kind.BYTE,
}
"""``SentencePiece.Type``, where unused comes before byte."""

Field = tuple[int, int | bytes]


@dataclass(frozen=True)
class Pieces:
    """The file's content."""

    pieces: list[str]
    scores: list[float]
    kinds: list[Kind]
    model: int
    """``UNIGRAM`` or ``BPE``."""
    space_prefix: bool
    merge_spaces: bool
    charsmap: bytes
    unknown: int
    start: int
    end: int
    padding: int


def parse(data: bytes) -> Pieces:
    """Read the file.

    Raises:
        BadInput: it is damaged.
    """
    pieces: list[str] = []
    scores: list[float] = []
    kinds: list[Kind] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    try:
        for number, value in _fields(data):
            if number == 1 and isinstance(value, bytes):
                piece = dict(_fields(value))
                pieces.append(_bytes(piece.get(1)).decode("utf-8"))
                scores.append(struct.unpack("<f", _bytes(piece.get(2, b"\0\0\0\0")))[0])
                kinds.append(KINDS[_int(piece.get(3, 1))])
            elif number == 2:
                trainer = dict(_fields(_bytes(value)))
            elif number == 3:
                normalizer = dict(_fields(_bytes(value)))
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as problem:
        raise BadInput("tokenizer.model is damaged.", "Copy the tokenizer's files again.") from problem
    if not pieces:
        raise BadInput("tokenizer.model holds no pieces.", "Copy the tokenizer's files again.")
    return Pieces(
        pieces=pieces,
        scores=scores,
        kinds=kinds,
        model=_int(trainer.get(3, UNIGRAM)),
        space_prefix=bool(_int(normalizer.get(3, 1))),
        merge_spaces=bool(_int(normalizer.get(4, 1))),
        charsmap=_bytes(normalizer.get(2, b"")),
        unknown=_signed(trainer.get(40, 0)),
        start=_signed(trainer.get(41, 1)),
        end=_signed(trainer.get(42, 2)),
        padding=_signed(trainer.get(43, -1)),
    )


def _fields(data: bytes) -> Iterator[Field]:
    """Number and value of every field of a message, as far as its wire types go."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        length = {1: 8, 5: 4}.get(wire)
        if wire == 2:
            length, at = _varint(data, at)
        if length is None or at + length > len(data):
            raise ValueError("a field that is cut short")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number that never ends")


def _bytes(value: int | bytes | None) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("text was expected")
    return value


def _int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise TypeError("a number was expected")
    return value


def _signed(value: int | bytes) -> int:
    number = _int(value)
    return number - (1 << 64) if number >= 1 << 63 else number
