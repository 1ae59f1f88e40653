"""How a shard lies in its file: header, blocks of examples in columns, table at the end.

    64 bytes   magic, version, where the table begins, length of the file, checksums of header and table
    header     JSON: what the targets are (``ShardHeader``)
    blocks     each with whole examples, in columns that numpy reads where they are, padded to 64 bytes:
               token ids (int32) | tails (float32) | span ends (int32) | span likelihoods (float32)
               | low 16 bits of the target ids (uint16) | log-probabilities (float16) | the high bits of the ids
    table      counts; checksum (CRC-32), bytes and examples of each block; tokens, start, spans, level and family of
               each example; names of families and problems (JSON)

Where a column begins follows from the counts, so there are no offsets that could point anywhere. Numbers are
little-endian. The ids of one row have their high bits side by side: none for a vocabulary up to 65,536, two bits (four
ids a byte) up to 262,144, else four or eight. At k = 64 and two bits that is 64 * (2 + 2) + 16 + 4 = 276 bytes a token.
Not for: files (``shards``).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgemind.distill.targets.top import Ints

MAGIC = b"EMSHARD\n"
VERSION = 1
PROLOGUE = struct.Struct("<8sIIQQII")
"""Magic, version, bytes of the header, offset of the table, bytes of the file, checksums of header and table."""
CHECKSUM = struct.Struct("<I")
"""Of the prologue, behind it."""
HEADER_AT = 64
ALIGNMENT = 64
MOST_HEADER = 1 << 16
MOST_K = 4096
MOST_TOKENS = 1 << 24
"""A vocabulary's largest size: ids have 24 bits."""
COUNTS = struct.Struct("<III")
"""Blocks, examples, bytes of the names."""

BLOCKS = np.dtype([("bytes", "<u8"), ("examples", "<u4"), ("crc", "<u4")])
EXAMPLES = np.dtype([("tokens", "<u4"), ("start", "<u4"), ("spans", "<u4"), ("level", "<i4"), ("family", "<u4")])


class ShardHeader(BaseModel):
    """What a shard says about itself; all shards of a set say the same, but for ``inputs``."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    k: int = Field(ge=0, le=MOST_K)
    """Tokens of each soft target; 0: none."""
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    logp: Literal["float16"] = "float16"
    """How log-probabilities are stored: to 1 part in 2,048 of their value, so 0.004 at a probability of e^-10."""
    vocabulary: str = Field(max_length=128)
    """Digest of the student's vocabulary."""
    vocabulary_size: int = Field(ge=1, le=MOST_TOKENS)
    teacher: str = Field(default="", max_length=1024)
    teacher_digest: str = Field(default="", max_length=128)
    spans: bool = False
    """Targets are a teacher's likelihoods of aligned spans (another tokenizer), and ``k`` is 0."""
    inputs: str = Field(default="", max_length=128)
    """Hash of the examples as they were encoded."""

    @property
    def high_bits(self) -> int:
        """Bits of an id beyond 16."""
        needed = max(0, (self.vocabulary_size - 1).bit_length() - 16)
        return next(bits for bits in (0, 2, 4, 8) if bits >= needed)

    @property
    def high_bytes(self) -> int:
        """Of one row of ids."""
        return -(-self.k * self.high_bits // 8)

    @property
    def bytes_per_token(self) -> int:
        """Stored for the soft target of one learned token; 0 without soft targets."""
        return 4 * self.k + self.high_bytes + 4 if self.k else 0

    def alike(self) -> ShardHeader:
        """What all shards of a set have in common."""
        return self.model_copy(update={"inputs": ""})

    def dump(self) -> bytes:
        """As it stands in the file, with the bytes a token for whoever looks into one."""
        return json.dumps({**self.model_dump(), "bytes_per_token": self.bytes_per_token}, indent=1).encode()

    @staticmethod
    def load(data: bytes) -> ShardHeader:
        """The header in these bytes.

        Raises:
            ValueError: it is none; with the reason, as the end of a sentence.
        """
        try:
            found = json.loads(data)
            if isinstance(found, dict):
                found.pop("bytes_per_token", None)
            return ShardHeader.model_validate(found)
        except ValidationError as problem:
            first = problem.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "it"
            raise ValueError(f"its header is none ({where}: {first['msg']})") from problem
        except (ValueError, RecursionError) as problem:
            raise ValueError("its header is no JSON") from problem


@dataclass(frozen=True)
class Columns:
    """Where the columns of one block begin, in bytes from its own beginning."""

    tails: int
    ends: int
    spans: int
    low: int
    logp: int
    high: int
    size: int
    """Of the block, padding included."""


def columns(header: ShardHeader, tokens: int, learned: int, spans: int) -> Columns:
    """The layout of a block with so many tokens, learned tokens and spans."""
    rows = learned if header.k else 0
    tails = 4 * tokens
    ends = tails + 4 * rows
    of_spans = ends + 4 * spans
    low = of_spans + 4 * spans
    logp = low + 2 * header.k * rows
    high = logp + 2 * header.k * rows
    return Columns(tails, ends, of_spans, low, logp, high, aligned(high + header.high_bytes * rows))


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def pack_high(ids: Ints, bits: int) -> NDArray[np.uint8]:
    """The bits beyond 16 of ``[n, k]`` ids, each row in bytes of its own: ``[n, ceil(k * bits / 8)]``."""
    high = (ids >> 16).astype(np.uint8)
    if bits == 8:
        return high
    per_byte = 8 // bits
    rows, k = high.shape
    padded = np.zeros((rows, -(-k // per_byte), per_byte), np.uint8)
    padded.reshape(rows, -1)[:, :k] = high
    shifts = np.arange(per_byte, dtype=np.uint8) * np.uint8(bits)
    packed: NDArray[np.uint8] = np.bitwise_or.reduce(padded << shifts, axis=2)
    return packed


def add_high(ids: Ints, packed: NDArray[np.uint8], bits: int) -> None:
    """Put the bits of ``pack_high`` into ``[n, k]`` ids that have only their low ones."""
    if bits == 8:
        ids |= packed.astype(np.int32) << 16
        return
    rows, k = ids.shape
    ids |= _UNPACKED[bits][packed].reshape(rows, -1)[:, :k]


def _unpacked(bits: int) -> Any:
    shifts = np.arange(0, 8, bits)
    return ((np.arange(256)[:, None] >> shifts & (1 << bits) - 1) << 16).astype(np.int32)


_UNPACKED = {bits: _unpacked(bits) for bits in (2, 4)}
"""What a byte of high bits stands for: ``[256, ids a byte]``."""
