"""Damaged GGUF files, made from a sound one: for the header reader, and for the worker that really loads them.

Half of the mutants change a field that means something (a length, a count, a type, a dimension, an offset); the rest
flip bits, cut, insert or repeat bytes anywhere in the header.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator

NASTY = (0, 1, 2, 3, 8, 9, 13, 31, 32, 63, 64, 255, 256, 4095, 65_535, 2**20, 2**24, 2**31 - 1, 2**31, 2**32 - 1, 2**32)
NASTY_WIDE = (*NASTY, 2**40, 2**60, 2**61, 2**63 - 8, 2**63 - 1, 2**63, 2**64 - 32, 2**64 - 8, 2**64 - 1)

WIDTHS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9


def mutants(seed_bytes: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """``count`` different files; the same for the same arguments.

    Args:
        seed_bytes: a sound GGUF file, little-endian.
    """
    rng = random.Random(seed)
    places = list(fields(seed_bytes))
    head = max(offset + width for offset, width in places)
    seen = {_digest(seed_bytes)}
    while len(seen) <= count:
        mutant = _mutant(seed_bytes, places, head, rng)
        if _digest(mutant) not in seen:
            seen.add(_digest(mutant))
            yield mutant


def fields(data: bytes) -> Iterator[tuple[int, int]]:
    """Offset and width of every number that steers the parser of a sound file."""
    yield 0, 4
    yield 4, 4
    yield 8, 8
    yield 16, 8
    n_tensors, n_keys = struct.unpack_from("<QQ", data, 8)
    pos = 24
    for _ in range(n_keys):
        yield pos, 8
        pos += 8 + _u64(data, pos)
        yield pos, 4
        kind, pos = _u32(data, pos), pos + 4
        if kind == ARRAY:
            yield pos, 4
            yield pos + 4, 8
            element, number, pos = _u32(data, pos), _u64(data, pos + 4), pos + 12
            if element != STRING:
                pos += WIDTHS[element] * number
                continue
            for index in range(number):
                if index in (0, number - 1):
                    yield pos, 8
                pos += 8 + _u64(data, pos)
        elif kind == STRING:
            yield pos, 8
            pos += 8 + _u64(data, pos)
        else:
            yield pos, WIDTHS[kind]
            pos += WIDTHS[kind]
    for _ in range(n_tensors):
        yield pos, 8
        pos += 8 + _u64(data, pos)
        yield pos, 4
        dims, pos = _u32(data, pos), pos + 4
        for _ in range(dims):
            yield pos, 8
            pos += 8
        yield pos, 4
        yield pos + 4, 8
        pos += 12


def _mutant(data: bytes, places: list[tuple[int, int]], head: int, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        choice = rng.random()
        at = rng.randrange(min(head, len(changed)) or 1)
        if choice < 0.5:
            offset, width = rng.choice(places)
            value = rng.choice(NASTY_WIDE if width == 8 else NASTY) % (1 << 8 * width)
            changed[offset : offset + width] = value.to_bytes(width, "little")
        elif choice < 0.7 and changed:
            changed[at % len(changed)] ^= 1 << rng.randrange(8)
        elif choice < 0.78:
            del changed[rng.randrange(len(changed) + 1) :]
        elif choice < 0.86:
            del changed[at : at + rng.choice((1, 4, 8, 64))]
        elif choice < 0.94:
            changed[at:at] = rng.randbytes(rng.choice((1, 4, 8, 64)))
        else:
            changed[at:at] = changed[at : at + rng.choice((8, 64, 512))]
    return bytes(changed)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _u32(data: bytes, pos: int) -> int:
    return int(struct.unpack_from("<I", data, pos)[0])


def _u64(data: bytes, pos: int) -> int:
    return int(struct.unpack_from("<Q", data, pos)[0])
