"""An importance matrix of a model from a text, asked of the jailed worker piece by piece.

The text is cut as llama.cpp's own tool cuts it: its tokens in pieces of one size, each beginning with the start token
where the model has one; what is left over at the end is not used.
Not for: the file (``models.imatrix``), the worker's side (``calibrator``).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edgemind.engine import protocol, scoring
from edgemind.errors import BadInput
from edgemind.models import builtin

if TYPE_CHECKING:
    from edgemind.engine.client import Engine
    from edgemind.models.imatrix import Entry, Matrix

CHUNK = 512
"""Tokens of a piece."""

BUILT_IN = "calibration.txt"

_AT_ONCE = 1 << 20
"""Characters of a text that one command carries."""


def built_in_text() -> str:
    """The text that comes with EdgeMind: prose, dialogue, code, sums and tables, in several languages."""
    return (builtin.DATA / BUILT_IN).read_text(encoding="utf-8")


LONGER = "Give a longer text, or none at all."


def pieces(engine: Engine, text: str, size: int, most: int | None = None, hint: str = LONGER) -> list[tuple[int, ...]]:
    """The text in tokens, cut into pieces of ``size``.

    Args:
        most: not more pieces than this.
        hint: what to do about a text that is too short.

    Raises:
        BadInput: the text has fewer tokens than one piece.
        EdgemindError: the model cannot be loaded, or the worker died.
    """
    parts = [text[start : start + _AT_ONCE] for start in range(0, len(text), _AT_ONCE)]
    tokens = [token for part in parts for token in scoring.tokenize(engine, [part], parse_special=False)[0]]
    opening = scoring.tokenize(engine, [""], add_special=True)[0][:1]
    count = len(tokens) // size if most is None else min(most, len(tokens) // size)
    if count < 1:
        raise BadInput(f"The text has {len(tokens):,} tokens, and one piece takes {size:,}.", hint)
    cut = [tokens[number * size : (number + 1) * size] for number in range(count)]
    return [(*opening, *piece[len(opening) :]) for piece in cut]


def compute(
    engine: Engine,
    text: str,
    *,
    chunks: int | None = None,
    dataset: str = "",
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Matrix:
    """Read the text with the model and return what went into each of its matrices.

    Args:
        chunks: pieces of ``CHUNK`` tokens at most; all of the text unless given.
        dataset: the text's name, to be kept with the numbers.
        progress: told pieces done and pieces in all.

    Raises:
        BadInput: the text is shorter than a piece.
        ModelUnusable, OutOfMemory, EdgemindError: the model.
    """
    from edgemind.models.imatrix import Matrix

    cut = pieces(engine, text, CHUNK, chunks)
    progress(0, len(cut))
    for number, tokens in enumerate(cut, 1):
        engine.ask(_calibrate(tokens), protocol.Calibrated)
        progress(number, len(cut))
    entries = {sums.name: _entry(sums) for sums in _collect(engine)}
    return Matrix(entries, (dataset,) if dataset else (), len(cut), CHUNK)


def _calibrate(tokens: Sequence[int]) -> Callable[[int], protocol.Command]:
    return lambda number: protocol.Calibrate(id=number, tokens=tuple(tokens))


def _collect(engine: Engine) -> list[protocol.Sums]:
    found: list[protocol.Sums] = []
    left = 1
    while left:
        reply = engine.ask(_from(len(found)), protocol.Collected)
        found += reply.tensors
        left = reply.left
    return found


def _from(start: int) -> Callable[[int], protocol.Command]:
    return lambda number: protocol.Collect(id=number, start=start)


def _entry(sums: protocol.Sums) -> Entry:
    import numpy as np

    from edgemind.models.imatrix import Entry

    squares = np.frombuffer(base64.b64decode(sums.squares), "<f4").reshape(sums.experts, -1)
    return Entry(squares, np.array(sums.counts, np.float32))
