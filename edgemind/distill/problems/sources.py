"""Where problems come from, whatever made them: our own families, reasoning-gym, datasets on disk.

A source draws training and held-out problems that are disjoint by construction, and checks answers to them. Not for:
rendering them for a model (``chat_format``), nor choosing among levels while training (``curriculum``).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from edgemind.distill.problems.base import Problem, Split
from edgemind.distill.problems.problem_files import read_problems, write_problems

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import ProblemsRecipe

__all__ = [
    "Source",
    "make_held_out",
    "make_level_checks",
    "make_training",
    "open_sources",
    "read_problems",
    "write_problems",
]


class Source(Protocol):
    """A source of problems of one kind, under the name of a family."""

    name: str
    description: str
    """What it covers, in one sentence."""
    levels: int
    """Difficulties, from 1 (or from ``first_level``)."""
    first_level: int
    written: bool
    """Whether its problems come with a thought and an answer; without, only a teacher can write the thought."""
    held_out: bool
    """Whether accuracy is measured on it: it has held-out problems, and answers can be checked."""

    def draw(self, rng: random.Random, level: int, split: Split) -> Problem:
        """A problem of this level and split; every random choice comes from ``rng``.

        Raises:
            UsageError: it has none.
        """
        ...

    def check(self, problem: Problem, answer: str) -> bool:
        """Whether ``answer`` (the text after the thought) solves ``problem``."""
        ...


def open_sources(recipe: ProblemsRecipe, seed: int) -> dict[str, Source]:
    """The sources that a recipe names, by name, in its order.

    Raises:
        UsageError: an unknown name (with the nearest known one), a missing extra, a dataset that cannot be used.
        BadInput: a dataset with a bad line or row; the message names it.
    """
    raise NotImplementedError


def make_training(recipe: ProblemsRecipe, sources: Mapping[str, Source], seed: int) -> list[Problem]:
    """``recipe.count`` training problems of the recipe's mixture, a function of recipe and seed alone.

    Exact duplicates are drawn again a few times; a family that is too small for its share repeats itself.
    """
    raise NotImplementedError


def make_held_out(count: int, sources: Mapping[str, Source], seed: int) -> list[Problem]:
    """Up to ``count`` distinct held-out problems of each source that is asked, spread evenly over its levels."""
    raise NotImplementedError


def make_level_checks(
    count: int, sources: Mapping[str, Source], seed: int, without: Collection[str] = ()
) -> list[Problem]:
    """Up to ``count`` distinct held-out problems of each level, spread evenly over the sources that have it.

    For the curriculum, which looks often and must not look at what the evaluation asks.

    Args:
        without: ids of held-out problems that are kept for something else.
    """
    raise NotImplementedError
