"""What a model thinks of a text: the logits at every position, or the loss of every token, asked of the jailed worker.

Rows come in pieces that fit into memory, so a text may be as long as the context. For exact comparisons open the engine
with ``kv_type="f32"`` and ``flash_attention="off"``.
Not for: generating (``client``); the arithmetic inside the worker (``scorer``).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.engine import protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgemind.engine.client import Engine

PIECE_BYTES = 48 << 20
"""Of one answer's rows."""

PIECE_LOSSES = 2048
"""Tokens of one answer when only losses are wanted."""


@dataclass(frozen=True)
class TopRows:
    """The most probable tokens at ``n`` places of one text, and the token that stands there."""

    ids: NDArray[np.int32]
    """``[n, k]``, the most probable first."""
    logp: NDArray[np.float32]
    """``[n, k]``: natural logarithms of the probabilities at the temperature."""
    tail: NDArray[np.float32]
    """``[n]``: logarithm of the probability of all others together; ``-inf`` for none."""
    chosen: NDArray[np.float32]
    """``[n]``: logarithm of the probability of the text's own token, at temperature 1, cut off like the others."""


def tokenize(
    engine: Engine, texts: Sequence[str], *, add_special: bool = False, parse_special: bool = True
) -> list[list[int]]:
    """Token ids of each text, as llama.cpp sees them.

    Args:
        add_special: put the start (and end) token there if the model is configured so.
        parse_special: read ``<|im_start|>`` and the like as control tokens rather than as text.

    Raises:
        EdgemindError: the model could not be loaded, or the worker died.
    """
    reply = engine.ask(
        lambda number: protocol.Tokenize(
            id=number, texts=tuple(texts), add_special=add_special, parse_special=parse_special
        ),
        protocol.Tokenized,
    )
    return [list(tokens) for tokens in reply.tokens]


def logits(
    engine: Engine, tokens: Sequence[int], *, skip: int = 0, half: bool = False
) -> Iterator[NDArray[np.float32]]:
    """The logits after each token, in order, in pieces ``[some tokens, vocabulary]``.

    Args:
        skip: leave out those after the first so many tokens.
        half: send them as float16, for half of the traffic.

    Raises:
        UsageError: a token that the vocabulary does not have.
        OutOfMemory, EdgemindError: the context does not fit, or the worker died.
    """
    import numpy as np

    size = 2 if half else 4
    at_once = max(1, PIECE_BYTES // (size * engine.wait_loaded().vocabulary))
    ends = [*range(skip + at_once, len(tokens), at_once), len(tokens)]
    start = 0
    for end in ends:
        piece = tuple(tokens[start:end])
        reply = _score(engine, piece, start, len(tokens), skip=max(0, skip - start), half=half)
        rows = np.frombuffer(base64.b64decode(reply.rows), "<f2" if half else "<f4")
        yield rows.reshape(-1, reply.vocabulary).astype(np.float32, copy=False)
        start = end


def losses(engine: Engine, tokens: Sequence[int]) -> list[float]:
    """Negative log-probability, in nats, of every token but the first given those before it: one less than tokens.

    Raises:
        UsageError, OutOfMemory, EdgemindError: as ``logits``.
    """
    found: list[float] = []
    given, targets = tokens[:-1], tokens[1:]
    for start in range(0, len(given), PIECE_LOSSES):
        end = start + PIECE_LOSSES
        found += _score(engine, tuple(given[start:end]), start, len(given), targets=tuple(targets[start:end])).losses
    return found


def top(
    engine: Engine,
    texts: Sequence[Sequence[int]],
    wanted: Sequence[int],
    k: int,
    *,
    temperature: float = 1.0,
    size: int | None = None,
    room: int = 0,
) -> list[TopRows]:
    """The most probable tokens at the last places of each text; ``k`` values a token cross the pipe, not whole rows.

    Args:
        texts: each in tokens, read from its beginning.
        wanted: of how many tokens at each end; fewer than the text has.
        k: tokens of each distribution; 0 for the text's own alone.
        size: cut the distributions off after so many tokens, before they are normalized.
        room: cells of the context where these texts need no more: the same for the same results to the last bit.

    Raises:
        UsageError: a token that the vocabulary does not have, or numbers that do not fit it.
        OutOfMemory, EdgemindError: the context does not fit, or the worker died.
    """
    import numpy as np

    if not texts:
        return []
    cut = size or engine.wait_loaded().vocabulary
    reply = engine.ask(
        lambda number: protocol.Top(
            id=number,
            texts=tuple(tuple(text) for text in texts),
            wanted=tuple(wanted),
            k=k,
            temperature=temperature,
            size=cut,
            room=room,
        ),
        protocol.Topped,
    )
    ids = np.frombuffer(base64.b64decode(reply.ids), "<i4").reshape(-1, max(k, 1))
    logp = np.frombuffer(base64.b64decode(reply.logp), "<f4").reshape(-1, max(k, 1))
    tail, chosen = (np.frombuffer(base64.b64decode(data), "<f4") for data in (reply.tail, reply.chosen))
    found, at = [], 0
    for count in wanted:
        piece = slice(at, at + count)
        found.append(TopRows(ids[piece], logp[piece], tail[piece], chosen[piece]))
        at += count
    return found


def _score(
    engine: Engine,
    tokens: tuple[int, ...],
    start: int,
    room: int,
    *,
    skip: int = 0,
    half: bool = False,
    targets: tuple[int, ...] = (),
) -> protocol.Scored:
    return engine.ask(
        lambda number: protocol.Score(
            id=number, tokens=tokens, start=start, room=room, skip=skip, half=half, targets=targets
        ),
        protocol.Scored,
    )
