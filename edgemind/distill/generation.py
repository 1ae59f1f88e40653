"""Many prompts at once through a transformers model in this process: greedy or sampled, with a cache of keys and values.

Rows that end make room: when enough have ended, waiting prompts take their places, so a long thought does not keep
the others waiting. Every row draws from a generator of its own, seeded by the caller, so what it draws does not depend on
its neighbours. Not for: what users run (``engine``), chat formats (``chat_format``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BATCH = 128
REFILL = 0.25
"""Waiting prompts are let in when this share of the places is free; each time all keys and values are copied once."""

ROOM = 64
"""Cells by which the cache grows."""

LIKELY = 256
"""Tokens among which a draw with top-p is looked for first; rows that need more are sorted whole."""


@dataclass
class _Row:
    """One prompt and what has been written after it."""

    index: int
    prompt: list[int]
    limit: int
    draws: random.Random | None
    made: list[int] = field(default_factory=list)


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    end_ids: Sequence[int],
    max_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seeds: Sequence[int] | None = None,
    batch: int = BATCH,
) -> list[list[int]]:
    """What the model writes after each prompt, in the order of the prompts.

    The token that ended a row is its last one; a row without it was cut at ``max_tokens`` or at the end of the context.

    Args:
        model: a transformers model for causal language modelling with attention in every layer.
        prompts: token ids, at least one each.
        end_ids: any of these ends a row.
        max_tokens: of each row.
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens whose probabilities reach this sum, after the temperature.
        seeds: one for each prompt when ``temperature`` is above 0; by default its number.
        batch: rows at once.
    """
    made: list[list[int]] = [[] for _ in prompts]
    for index, tokens in generating(
        model,
        prompts,
        end_ids=end_ids,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seeds=seeds,
        batch=batch,
    ):
        made[index] = tokens
    return made


def generating(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    end_ids: Sequence[int],
    max_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seeds: Sequence[int] | None = None,
    batch: int = BATCH,
) -> Iterator[tuple[int, list[int]]]:
    """As ``generate``, but each row with its number as soon as it has ended."""
    raise NotImplementedError
