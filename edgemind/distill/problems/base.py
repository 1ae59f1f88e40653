"""The shape of a procedurally generated problem, and the split that keeps held-out problems disjoint.

Pure Python, no torch. A family makes problems; it never sees a model.
"""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

Split = Literal["train", "heldout"]

HELDOUT_SHARE = 20
"""One key in this many belongs to the held-out split."""


class NoProblem(LookupError):
    """A source has no problem of the level and split that were asked for, or found none; says which in a sentence."""


@dataclass(frozen=True)
class Problem:
    """One question with its written-out reasoning and its checkable result.

    Attributes:
        family: name of the family that made it.
        key: what makes the problem itself (``"add:48:37"``), without its phrasing; decides the split.
        prompt: what the user types.
        thought: the steps, one a line, without tags; empty when there is nothing to think about, or none is written.
        answer: what the model says after the thought; empty when nobody wrote one.
        result: what the check needs (``"85"``), in the form of the family or source that made it.
        level: difficulty, from 1.
        history: earlier turns as ``(user, assistant)`` pairs, oldest first.
        system: the system message, if there is one.
        thinking: whether a thought is asked for.
    """

    family: str
    key: str
    prompt: str
    thought: str
    answer: str
    result: str
    level: int = 1
    history: tuple[tuple[str, str], ...] = ()
    system: str | None = None
    thinking: bool = True

    @cached_property
    def id(self) -> str:
        """16 hex digits of everything that is asked: the same on every machine and in every run.

        The family is in it, since two families may put the same question and work it out differently.
        """
        asked = (self.family, self.key, self.prompt, self.history, self.system, self.thinking)
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]


class Family(Protocol):
    """A source of problems of one kind."""

    name: str
    description: str
    """The range it covers, in one sentence, for the model card."""
    levels: int

    def sample(self, rng: random.Random, level: int) -> Problem:
        """A problem of this level; every random choice comes from ``rng``."""
        ...

    def check(self, problem: Problem, answer: str) -> bool:
        """Whether ``answer`` (the text after the thought) solves ``problem``."""
        ...


def split_of(key: str) -> Split:
    """The split that a problem key belongs to, by hash, the same on every machine and in every run."""
    digest = hashlib.sha256(key.encode()).digest()
    return "heldout" if int.from_bytes(digest[:4], "big") % HELDOUT_SHARE == 0 else "train"


def sample_split(family: Family, rng: random.Random, level: int, split: Split, tries: int = 2000) -> Problem:
    """A problem of ``family`` whose key belongs to ``split``.

    Raises:
        ValueError: no such problem came up in ``tries`` draws (the family is too small for a split).
    """
    for _ in range(tries):
        problem = family.sample(rng, level)
        if split_of(problem.key) == split:
            return problem
    raise ValueError(f"family {family.name} gave no {split} problem at level {level} in {tries} draws")
