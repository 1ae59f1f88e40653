"""The problem families: right by an independent reading of their own steps, disjoint, varied, repeatable."""

from __future__ import annotations

import operator
import random
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from edgemind.distill.problems import ALL_FAMILIES
from edgemind.distill.problems.base import Family, Problem, sample_split, split_of
from edgemind.distill.problems.numeric import NUMERIC_FAMILIES

DRAWS = 300
OPERATORS = {"+": operator.add, "-": operator.sub, "×": operator.mul}
EQUATION = re.compile(r"(\d+(?: [-+×] \d+)+) = (\d+)")
ORDER = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?) ([<>=]) (\d+(?:\.\d+)?)(?![\d.])(?! [-+×÷])")

every_family = pytest.mark.parametrize("family", ALL_FAMILIES, ids=lambda f: f.name)
numeric_family = pytest.mark.parametrize("family", NUMERIC_FAMILIES, ids=lambda f: f.name)


def draws(family: Family, seed: int = 0, count: int = DRAWS) -> Iterator[Problem]:
    """Problems of all levels in turn."""
    rng = random.Random(seed)
    for index in range(count):
        yield family.sample(rng, 1 + index % family.levels)


def value(expression: str) -> int:
    """``"4 + 3 + 1"`` by our own reading, from the left (no expression mixes × with + or -)."""
    first, *rest = expression.split()
    total = int(first)
    for sign, number in zip(rest[::2], rest[1::2], strict=True):
        total = OPERATORS[sign](total, int(number))
    return total


@every_family
def test_check_accepts_the_own_answer(family: Family) -> None:
    for problem in draws(family):
        assert family.check(problem, problem.answer), problem


@numeric_family
def test_check_rejects_the_answer_to_another_problem(family: Family) -> None:
    problems = list(draws(family))
    rejected = 0
    for problem, other in pairwise(problems):
        if problem.result != other.result:
            assert not family.check(problem, other.answer), (problem, other.answer)
            rejected += 1
    assert rejected > DRAWS / 4


@numeric_family
def test_check_rejects_silence(family: Family) -> None:
    for problem in draws(family, count=20):
        assert not family.check(problem, "")
        assert not family.check(problem, "I do not know.")


@numeric_family
def test_every_equation_in_a_thought_holds(family: Family) -> None:
    for problem in draws(family, count=2000):
        for expression, result in EQUATION.findall(problem.thought):
            assert value(expression) == int(result), problem


@pytest.mark.parametrize(
    "family", [f for f in NUMERIC_FAMILIES if f.name in ("subtraction", "comparison")], ids=lambda f: f.name
)
def test_every_comparison_in_a_thought_holds(family: Family) -> None:
    signs = {"<": operator.lt, ">": operator.gt, "=": operator.eq}
    seen = 0
    for problem in draws(family, count=2000):
        for line in problem.thought.splitlines():
            for left, sign, right in ORDER.findall(EQUATION.sub("", line)):
                assert signs[sign](float(left), float(right)), problem
                seen += 1
    assert seen > 500


@pytest.mark.parametrize("family", NUMERIC_FAMILIES[:4], ids=lambda f: f.name)
def test_arithmetic_results_match_python(family: Family) -> None:
    for problem in draws(family, count=2000):
        left, right = problem.answer.rstrip(".").split(" = ")
        if "÷" in left:
            number, divisor = map(int, left.split(" ÷ "))
            quotient, rest = divmod(number, divisor)
            assert right == (f"{quotient} remainder {rest}" if rest else str(quotient))
        else:
            assert value(left) == int(right)


@every_family
def test_the_same_seed_gives_the_same_problems(family: Family) -> None:
    assert list(draws(family, seed=7, count=40)) == list(draws(family, seed=7, count=40))


@every_family
def test_splits_are_disjoint(family: Family) -> None:
    rng = random.Random(3)
    train = {sample_split(family, rng, 1 + n % family.levels, "train").key for n in range(DRAWS)}
    heldout = {sample_split(family, rng, 1 + n % family.levels, "heldout").key for n in range(60)}
    assert not train & heldout
    assert all(split_of(key) == "heldout" for key in heldout)


@numeric_family
def test_phrasings_are_many(family: Family) -> None:
    skeletons = {re.sub(r"\d+", "#", problem.prompt.lower()) for problem in draws(family, count=2000)}
    assert len(skeletons) >= 150


@numeric_family
def test_one_problem_has_one_wording(family: Family) -> None:
    """The thought and the answer say nothing that the prompt's phrasing alone decides, such as a greeting."""
    for problem in draws(family):
        assert not re.search(r"please|hello|hi,|thank", problem.thought + problem.answer, re.IGNORECASE)
