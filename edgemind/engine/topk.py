"""The most probable tokens of rows of logits, with the mass of all others.

Not for: where the rows come from (``scorer``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

AT_ONCE = 1 << 20
"""Bytes of rows that are worked on together: they stay in the processor's cache."""

PARTS = 32
"""Candidates are found by the largest of each of so many times ``k`` parts of a row, where rows are long."""


def top_rows(
    rows: NDArray[np.float32], k: int, temperature: float = 1.0
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """The ``k`` largest of the softmax of ``rows / temperature``.

    Args:
        rows: logits ``[n, vocabulary]``, contiguous; ``k`` is at most the vocabulary.

    Returns:
        Ids ``[n, k]`` with falling probability, logarithms of their probabilities ``[n, k]``, and the logarithm of
        the probability of all others ``[n]``, summed by itself and so exact however small; ``-inf`` where it is 0.
    """
    n, vocabulary = rows.shape
    ids, logp = np.empty((n, k), np.int32), np.empty((n, k), np.float32)
    tail = np.empty(n, np.float32)
    step = max(1, AT_ONCE // (4 * vocabulary))
    for start in range(0, n, step):
        piece = slice(start, start + step)
        _top(rows[piece], k, temperature, ids[piece], logp[piece], tail[piece])
    return ids, logp, tail


def chosen_rows(rows: NDArray[np.float32], tokens: NDArray[np.int32], size: int) -> NDArray[np.float32]:
    """Logarithm of the probability of one token of each row: ``row[token] - log(sum(exp(row)))``.

    Args:
        size: the sum is over the first so many columns; those behind them pad the vocabulary.
    """
    cut = rows[:, :size]
    top = cut.max(axis=1, keepdims=True)
    total = np.log(np.exp(cut - top).sum(axis=1))
    found: NDArray[np.float32] = (rows[np.arange(len(rows)), tokens] - top[:, 0] - total).astype(np.float32)
    return found


def _top(rows: NDArray[np.float32], k: int, temperature: float, ids: Any, logp: Any, tail: Any) -> None:
    ids[...] = _largest(rows, k)
    scaled = rows - rows.max(axis=1, keepdims=True)
    if temperature != 1.0:
        scaled /= np.float32(temperature)
    values = np.take_along_axis(scaled, ids, axis=1)
    np.exp(scaled, out=scaled)
    total = np.log(scaled.sum(axis=1))
    np.put_along_axis(scaled, ids, 0.0, axis=1)
    with np.errstate(divide="ignore"):
        tail[...] = np.log(scaled.sum(axis=1)) - total
    logp[...] = values - total[:, None]


def _largest(rows: NDArray[np.float32], k: int) -> NDArray[Any]:
    """The columns of the ``k`` largest numbers of each row, the largest first, of equals the first."""
    n, vocabulary = rows.shape
    width = vocabulary // (PARTS * k)
    if width < 2:
        ids = np.argpartition(rows, vocabulary - k, axis=1)[:, vocabulary - k :]
        ids.sort(axis=1)
        order = np.argsort(-np.take_along_axis(rows, ids, axis=1), axis=1, kind="stable")
        return np.take_along_axis(ids, order, axis=1)
    parts = PARTS * k
    maxima = rows[:, : parts * width].reshape(n, width, parts).max(axis=1)
    bound = np.partition(maxima, parts - k, axis=1)[:, parts - k]
    places = np.flatnonzero(rows >= bound[:, None])
    row, column = np.divmod(places, vocabulary)
    order = np.lexsort((column, -rows.reshape(-1)[places], row))
    firsts = np.concatenate(([0], np.cumsum(np.bincount(row, minlength=n))))[:-1]
    found: NDArray[Any] = column[order[firsts[:, None] + np.arange(k)]]
    return found
