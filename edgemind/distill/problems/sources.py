"""Where problems come from, whatever made them: our own families, reasoning-gym, datasets on disk.

A source draws training and held-out problems that are disjoint by construction, and checks answers to them. Not for:
rendering them for a model (``chat_format``), nor choosing among levels while training (``curriculum``).
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Protocol

from edgemind.distill.problems import ALL_FAMILIES
from edgemind.distill.problems.answers import LONGEST
from edgemind.distill.problems.base import Family, NoProblem, Problem, Split, sample_split
from edgemind.distill.problems.language.greetings import MoreGreetings
from edgemind.distill.problems.numeric.counting import OneByOne
from edgemind.distill.problems.problem_files import read_problems, write_problems
from edgemind.distill.problems.variety import varied
from edgemind.errors import UsageError
from edgemind.terminal import clean

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import ProblemsRecipe

__all__ = [
    "FamilySource",
    "Source",
    "make_held_out",
    "make_level_checks",
    "make_training",
    "open_sources",
    "read_problems",
    "write_problems",
]

GYM = "gym:"
"""What names of reasoning-gym's datasets begin with."""
EXERCISES: dict[str, tuple[Family, str]] = {
    "one_by_one": (OneByOne(), "counting"),
    "more_greetings": (MoreGreetings(), "greetings"),
}
"""Families for training only, and the family that asks what they teach; named beside it, they have no held-out."""
TRIES = 12
"""So often an exact duplicate is drawn again before it is taken."""
FRUITLESS = 400
"""After so many held-out draws without a new problem there are no more."""


class Source(Protocol):
    """A source of problems of one kind, under the name of a family."""

    name: str
    description: str
    """What it covers, in one sentence."""
    levels: int
    """Difficulties, from 1."""
    written: bool
    """Whether its problems come with a thought and an answer; without, only a teacher can write the thought."""
    held_out: bool
    """Whether accuracy is measured on it: it has held-out problems, and answers can be checked."""

    def levels_of(self, split: Split) -> Sequence[int]:
        """The levels that it has problems of, rising."""
        ...

    def draw(self, rng: random.Random, level: int, split: Split) -> Problem:
        """A problem of this level and split; every random choice comes from ``rng``.

        Raises:
            NoProblem: it has none.
        """
        ...

    def check(self, problem: Problem, answer: str) -> bool:
        """Whether ``answer`` (the text after the thought) solves ``problem``."""
        ...


class FamilySource:
    """One of our own families, split by key.

    Args:
        held_out: whether accuracy is measured on it.
        within: the only levels to draw, from and to; a family that ends before has its highest one.
    """

    written = True

    def __init__(self, family: Family, held_out: bool = True, within: tuple[int, int] | None = None) -> None:
        self.name = family.name
        self.description = family.description
        self.levels = family.levels
        self.held_out = held_out
        self._family = family
        self._range = levels_within(family.levels, within)

    def levels_of(self, split: Split) -> Sequence[int]:
        """The same for both splits."""
        return self._range

    def draw(self, rng: random.Random, level: int, split: Split) -> Problem:
        """By drawing until a key of the split comes up.

        Raises:
            NoProblem: none came up.
        """
        try:
            return sample_split(self._family, rng, level, split)
        except ValueError as error:
            raise NoProblem(f"{error}.") from error

    def check(self, problem: Problem, answer: str) -> bool:
        """As the family checks it, by the end of a very long answer."""
        return self._family.check(problem, answer[-LONGEST:])


def levels_within(levels: int, within: tuple[int, int] | None) -> range:
    """The levels from 1 to ``levels`` that are ``within`` the two given, or the highest when all are below them."""
    first, last = within or (1, levels)
    return range(min(first, levels), min(last, levels) + 1)


def open_sources(recipe: ProblemsRecipe, seed: int) -> dict[str, Source]:
    """The sources that a recipe names, by name, in its order.

    Args:
        seed: of the run; sources that generate by seed are other ones with another seed.

    Raises:
        UsageError: an unknown name (with the nearest known one), a missing extra, a dataset that cannot be used.
        BadInput: a dataset with a bad line or row; the message names it.
    """
    names = [family.name for family in ALL_FAMILIES] if "all" in recipe.families else list(recipe.families)
    sources: dict[str, Source] = {}
    for name in names:
        sources[name] = _open(name, names, recipe.levels, seed)
    for dataset in recipe.dataset:
        if dataset.name in sources:
            raise UsageError(f"A dataset is named {dataset.name!r}, as a family is.", "Give it another name.")
        from edgemind.distill.problems.datasets import DatasetSource

        sources[dataset.name] = DatasetSource(dataset, recipe.levels)
    for name in recipe.weights:
        if name not in sources:
            raise unknown_name(name, sources, "problems.weights names", "there is no such family in this recipe")
    return sources


def _open(name: str, names: Collection[str], within: tuple[int, int] | None, seed: int) -> Source:
    if name.startswith(GYM):
        from edgemind.distill.problems.gym import GymSource

        return GymSource(name.removeprefix(GYM), seed, within)
    if name in EXERCISES:
        family, asks = EXERCISES[name]
        return FamilySource(family, held_out=asks not in names, within=within)
    own = {family.name: family for family in ALL_FAMILIES}
    if name not in own:
        known = [*own, *EXERCISES, "all", GYM + "NAME"]
        raise unknown_name(name, known, "problems.families names", "there is no such family")
    return FamilySource(own[name], within=within)


def unknown_name(name: str, known: Collection[str], where: str, trouble: str) -> UsageError:
    """The error for a name that nothing has: the nearest known one, and in the hint all that are known."""
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
    nearest = f"; the nearest is {near[0]!r}" if near else ""
    listed = ", ".join(islice(sorted(known), 120))
    return UsageError(f"{where} {clean(name)!r}, and {trouble}{nearest}.", f"Known: {listed}.")


class Mixture:
    """Draws training problems: a family by its weight, then one of its levels by hardness."""

    def __init__(self, recipe: ProblemsRecipe, sources: Mapping[str, Source]) -> None:
        weighed = [(source, recipe.weights.get(name, 1.0)) for name, source in sources.items()]
        self._sources = [source for source, weight in weighed if weight > 0]
        if not self._sources:
            raise UsageError("Every weight in problems.weights is 0.", "Give one family a weight above 0.")
        self._cumulative = list(accumulate(weight for _, weight in weighed if weight > 0))
        self._levels = {source.name: list(source.levels_of("train")) for source in self._sources}
        empty = next((name for name, levels in self._levels.items() if not levels), None)
        if empty:
            raise UsageError(f"{empty} has no training problems.", "Leave it out, or give it more rows.")
        self._hardness = {
            name: list(accumulate(recipe.hardness ** (level - 1) for level in levels))
            for name, levels in self._levels.items()
        }

    def draw(self, rng: random.Random) -> tuple[Source, Problem]:
        """A source and a problem of it."""
        source = rng.choices(self._sources, cum_weights=self._cumulative)[0]
        level = rng.choices(self._levels[source.name], cum_weights=self._hardness[source.name])[0]
        return source, _drawn(source, rng, level)

    def draw_new(self, rng: random.Random, seen: set[tuple[str, str, str]]) -> tuple[Source, Problem]:
        """The same, avoiding exact duplicates of what has been ``seen`` (without changing how often a family comes)."""
        source, problem = self.draw(rng)
        for _ in range(TRIES):
            if _identity(problem) not in seen:
                break
            problem = _drawn(source, rng, problem.level)
        seen.add(_identity(problem))
        return source, problem


def _drawn(source: Source, rng: random.Random, level: int) -> Problem:
    try:
        return source.draw(rng, level, "train")
    except NoProblem as error:
        raise UsageError(str(error), f"Leave {source.name} out of [problems], or set problems.levels.") from error


def _identity(problem: Problem) -> tuple[str, str, str]:
    return problem.family, problem.key, problem.prompt


def make_training(recipe: ProblemsRecipe, sources: Mapping[str, Source], seed: int) -> list[Problem]:
    """``recipe.count`` training problems of the recipe's mixture, a function of recipe and seed alone.

    Exact duplicates are drawn again a few times; a family that is too small for its share repeats itself.

    Raises:
        UsageError: a source has nothing to train on.
    """
    rng = random.Random(f"{seed}:problems")
    mixture = Mixture(recipe, sources)
    seen: set[tuple[str, str, str]] = set()
    problems = []
    for _ in range(recipe.count):
        source, problem = mixture.draw_new(rng, seen)
        problems.append(varied(rng, problem, recipe.variety, lambda: mixture.draw(rng)[1], source.written))
    return problems


def make_held_out(count: int, sources: Mapping[str, Source], seed: int) -> list[Problem]:
    """Up to ``count`` distinct held-out problems of each source that is asked, spread evenly over its levels."""
    made: list[Problem] = []
    for source in sources.values():
        if source.held_out:
            rng = random.Random(f"{seed}:heldout:{source.name}")
            made += islice(_distinct(source, source.levels_of("heldout"), rng), count)
    return made


def make_level_checks(
    count: int, sources: Mapping[str, Source], seed: int, without: Collection[str] = ()
) -> list[Problem]:
    """Up to ``count`` distinct held-out problems of each level, spread evenly over the sources that have it.

    For the curriculum, which looks often and must not look at what the evaluation asks.

    Args:
        without: ids of held-out problems that are kept for something else.
    """
    kept = frozenset(without)
    asked = [source for source in sources.values() if source.held_out]
    made: list[Problem] = []
    for level in range(1, 1 + max((source.levels for source in asked), default=0)):
        streams = [
            _distinct(source, [level], random.Random(f"{seed}:checks:{source.name}:{level}"), kept)
            for source in asked
            if level in source.levels_of("heldout")
        ]
        made += islice(_in_turn(streams), count)
    return made


def _distinct(
    source: Source, levels: Sequence[int], rng: random.Random, without: frozenset[str] = frozenset()
) -> Iterator[Problem]:
    """Held-out problems of the levels in turn, none twice, until no new ones come."""
    seen: set[tuple[str, str, str]] = set()
    left = list(levels)
    tries = fruitless = 0
    while left and fruitless < FRUITLESS:
        level = left[tries % len(left)]
        tries += 1
        fruitless += 1
        try:
            problem = source.draw(rng, level, "heldout")
        except NoProblem:
            left.remove(level)
            continue
        if _identity(problem) in seen or problem.id in without:
            continue
        seen.add(_identity(problem))
        fruitless = 0
        yield problem


def _in_turn(streams: Sequence[Iterator[Problem]]) -> Iterator[Problem]:
    """One of each, until all have ended."""
    left = list(streams)
    while left:
        for stream in list(left):
            found = next(stream, None)
            if found is None:
                left.remove(stream)
            else:
                yield found
