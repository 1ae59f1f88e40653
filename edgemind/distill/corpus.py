"""Training examples out of problem families: a shard of batches is a function of (seed, shard number) alone.

Nothing is stored, so a run resumes exactly from a step number.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from edgemind.distill.problems.base import Family, Problem, sample_split
from edgemind.distill.tokenizer import PAD, SPECIALS, render_completion, render_prompt

SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "You are a helpful assistant.", "You are EdgeMind, a helpful assistant.",
    "You are a friendly and precise assistant.", "You are a careful math tutor.", "Answer briefly.",
    "You are a helpful AI assistant that thinks step by step.", "Be concise and correct.",
    "You answer the user's questions.", "You are a private assistant that runs on this computer.",
    "Think step by step, then answer.", "You are a useful assistant.",
)  # fmt: skip
NO_THINK_SHARE, SYSTEM_SHARE, HISTORY_SHARE = 0.08, 0.06, 0.08
EARLIER_TURNS = (1, 1, 1, 1, 2, 2, 2, 3, 5, 9)
"""How many turns a history has; the long ones teach the far positions of the context."""
IGNORE = -100


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one mixture.

    Attributes:
        start: the first step it governs.
        hardness: how much likelier each level is than the one below it (1: equally likely).
        weights: how often a family is drawn, against 1 for those not named.
        examples: how many examples a step takes, on average.
    """

    start: int
    hardness: float
    weights: Mapping[str, float]
    examples: int = 64


@dataclass(frozen=True)
class Batch:
    """``tokens`` and shifted ``targets``, both ``[examples, positions]``; targets are -100 where there is no loss."""

    tokens: Tensor
    targets: Tensor


def draw(rng: random.Random, families: Sequence[Family], phase: Phase) -> Problem:
    """One training problem of the phase's mixture."""
    family = rng.choices(families, [phase.weights.get(f.name, 1.0) for f in families])[0]
    levels = range(1, family.levels + 1)
    level = rng.choices(levels, [phase.hardness ** (n - 1) for n in levels])[0]
    return sample_split(family, rng, level, "train")


def example_texts(rng: random.Random, families: Sequence[Family], phase: Phase) -> tuple[str, str]:
    """Prompt and completion of one example, some with a system prompt, earlier turns, or no thought asked for."""
    problem = draw(rng, families, phase)
    history = problem.history
    if not history and rng.random() < HISTORY_SHARE:
        earlier = [draw(rng, families, phase) for _ in range(rng.choice(EARLIER_TURNS))]
        history = tuple(turn for p in earlier for turn in (*p.history, (p.prompt, p.answer)))
    system = rng.choice(SYSTEM_PROMPTS) if rng.random() < SYSTEM_SHARE else None
    easy = problem.thought.count("\n") <= 1
    thinking = not (easy and rng.random() < NO_THINK_SHARE * 2)
    return (
        render_prompt(problem.prompt, history, system, thinking),
        render_completion(problem.thought, problem.answer, thinking),
    )


def sample_texts(seed: int, families: Sequence[Family], phase: Phase, count: int) -> Iterator[str]:
    """The texts of whole examples between their special tokens, for training the tokenizer."""
    rng = random.Random(f"{seed}:tokenizer")
    between = re.compile("|".join(map(re.escape, SPECIALS)))
    for _ in range(count):
        yield from filter(None, between.split("".join(example_texts(rng, families, phase))))


def make_shard(
    seed: int,
    number: int,
    families: Sequence[Family],
    phase: Phase,
    tokenizer: Tokenizer,
    steps: int,
    context: int,
) -> list[Batch]:
    """``steps`` batches of about equally many tokens, each of examples of about one length, in random order."""
    rng = random.Random(f"{seed}:{number}")
    texts = [example_texts(rng, families, phase) for _ in range(steps * phase.examples)]
    heads = tokenizer.encode_batch([head for head, _ in texts])
    bodies = tokenizer.encode_batch([body for _, body in texts])
    rows = [(head.ids, body.ids) for head, body in zip(heads, bodies, strict=True)]
    rows = [row for row in rows if len(row[0]) + len(row[1]) <= context]
    rows.sort(key=lambda row: len(row[0]) + len(row[1]))
    total = sum(len(head) + len(body) for head, body in rows)
    groups: list[list[tuple[list[int], list[int]]]] = [[] for _ in range(steps)]
    passed = 0
    for row in rows:
        groups[min(steps - 1, passed * steps // total)].append(row)
        passed += len(row[0]) + len(row[1])
    rng.shuffle(groups)
    pad = token_id(tokenizer, PAD)
    return [collate(group, pad) for group in groups]


def collate(rows: Sequence[tuple[list[int], list[int]]], pad: int) -> Batch:
    """Right-padded rows; the loss is on every token of the second part of a row."""
    width = max(len(head) + len(body) for head, body in rows) - 1
    tokens = torch.full((len(rows), width), pad)
    targets = torch.full((len(rows), width), IGNORE)
    for index, (head, body) in enumerate(rows):
        whole = head + body
        tokens[index, : len(whole) - 1] = torch.tensor(whole[:-1])
        targets[index, len(head) - 1 : len(whole) - 1] = torch.tensor(body)
    return Batch(tokens, targets)


def token_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a token that must be there.

    Raises:
        ValueError: the tokenizer lacks it.
    """
    found: int | None = tokenizer.token_to_id(token)
    if found is None:
        raise ValueError(f"the tokenizer has no {token}")
    return found
