"""Sources of problems: disjoint, the same in every process, varied, and written to files that are checked."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemind.distill.problems import ALL_FAMILIES
from edgemind.distill.problems.base import Problem, split_of
from edgemind.distill.problems.sources import (
    make_held_out,
    make_level_checks,
    make_training,
    open_sources,
    read_problems,
    write_problems,
)
from edgemind.distill.problems.variety import is_easy
from edgemind.distill.recipe.schema import ProblemsRecipe, VarietyRecipe
from edgemind.errors import Damaged, UsageError

VARIED = VarietyRecipe(no_think=0.08, system=0.06, history=0.08)
ALL = ProblemsRecipe(families=("all",), count=3000, variety=VARIED)


def test_all_is_every_family_of_the_built_in_model() -> None:
    assert list(open_sources(ALL, 1)) == [family.name for family in ALL_FAMILIES]


def test_training_and_held_out_never_meet() -> None:
    recipe = ProblemsRecipe(families=(*(f.name for f in ALL_FAMILIES), "one_by_one", "more_greetings"), count=6000)
    sources = open_sources(recipe, 1)
    training = {problem.key for problem in make_training(recipe, sources, 1)}
    held_out = make_held_out(60, sources, 1)
    checks = make_level_checks(60, sources, 1)
    assert not training & {problem.key for problem in (*held_out, *checks)}
    assert not {problem.family for problem in held_out} & {"one_by_one", "more_greetings"}


def test_an_exercise_that_stands_alone_is_asked() -> None:
    sources = open_sources(ProblemsRecipe(families=("one_by_one",)), 1)
    assert len(make_held_out(20, sources, 1)) == 20


def test_held_out_problems_are_distinct_and_spread_over_levels() -> None:
    sources = open_sources(ALL, 1)
    made = make_held_out(40, sources, 7)
    assert Counter(problem.family for problem in made) == {family.name: 40 for family in ALL_FAMILIES}
    assert len({problem.id for problem in made}) == len(made)
    levels = Counter(problem.level for problem in made if problem.family == "addition")
    assert max(levels.values()) - min(levels.values()) <= 1


def test_level_checks_leave_out_what_the_evaluation_asks() -> None:
    sources = open_sources(ALL, 1)
    kept = {problem.id for problem in make_held_out(40, sources, 1)}
    checks = make_level_checks(50, sources, 1, kept)
    counts = Counter(problem.level for problem in checks)
    assert set(counts.values()) == {50}
    assert set(counts) == set(range(1, 1 + max(family.levels for family in ALL_FAMILIES)))
    assert not kept & {problem.id for problem in checks}


def test_every_process_makes_the_same_problems() -> None:
    code = (
        "from edgemind.distill.problems.sources import *; from edgemind.distill.recipe.schema import *;"
        "import hashlib;"
        "v = VarietyRecipe(no_think=.08, system=.06, history=.08);"
        "r = ProblemsRecipe(families=('all',), count=1500, variety=v);"
        "s = open_sources(r, 3); p = make_training(r, s, 3) + make_held_out(20, s, 3);"
        "print(hashlib.sha256(repr(p).encode()).hexdigest(), p[0].id)"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1


def test_the_mixture_follows_weights_and_hardness() -> None:
    recipe = ProblemsRecipe(
        families=("addition", "clock"), count=4000, weights={"addition": 3.0}, hardness=2.0, levels=(1, 2)
    )
    made = make_training(recipe, open_sources(recipe, 1), 1)
    families, levels = Counter(p.family for p in made), Counter(p.level for p in made)
    assert families["addition"] / families["clock"] == pytest.approx(3, rel=0.15)
    assert levels[2] / levels[1] == pytest.approx(2, rel=0.15)
    assert set(levels) == {1, 2}


def test_exact_duplicates_are_rare_and_a_small_family_repeats_itself() -> None:
    recipe = ProblemsRecipe(families=("multiplication",), count=3000)
    made = make_training(recipe, open_sources(recipe, 1), 1)
    assert len({(p.key, p.prompt) for p in made}) > 2990
    small = ProblemsRecipe(families=("greetings",), count=4000)
    assert len(make_training(small, open_sources(small, 1), 1)) == 4000


def test_variety_keeps_to_its_shares_and_to_easy_problems() -> None:
    made = make_training(ALL, open_sources(ALL, 1), 1)
    assert sum(p.system is not None for p in made) / len(made) == pytest.approx(0.06, abs=0.02)
    assert sum(bool(p.history) for p in made) / len(made) == pytest.approx(0.08, abs=0.03)
    silent = [p for p in made if not p.thinking]
    assert 0.02 < len(silent) / len(made) < 0.12
    assert all(is_easy(p) for p in silent)
    earlier = [turn for p in made for turn in p.history]
    assert all(question and answer for question, answer in earlier)


def test_no_earlier_turn_is_a_held_out_problem() -> None:
    recipe = ProblemsRecipe(families=("all",), count=1500, variety=VarietyRecipe(history=1.0))
    sources = open_sources(recipe, 1)
    asked = {problem.prompt for problem in make_held_out(100, sources, 1) if problem.family not in ("greetings",)}
    turns = {question for problem in make_training(recipe, sources, 1) for question, _ in problem.history}
    assert not asked & turns


@pytest.mark.parametrize(
    ("families", "says"),
    [(("adition",), "'addition'"), (("one_by_on",), "'one_by_one'"), (("ALL",), "'all'"), (("\x1b[31mx",), "no such")],
)
def test_an_unknown_family_is_told_the_nearest(families: tuple[str, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        open_sources(ProblemsRecipe(families=families), 1)
    assert "\x1b" not in caught.value.message


def test_a_weight_for_no_family_is_refused() -> None:
    with pytest.raises(UsageError, match="'clock'"):
        open_sources(ProblemsRecipe(families=("all",), weights={"clok": 2.0}), 1)
    recipe = ProblemsRecipe(families=("clock",), weights={"clock": 0.0})
    with pytest.raises(UsageError, match="is 0"):
        make_training(recipe, open_sources(recipe, 1), 1)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(st.builds(
    Problem, family=TEXT.filter(bool), key=TEXT.filter(bool), prompt=TEXT, thought=TEXT, answer=TEXT, result=TEXT,
    level=st.integers(1, 9), history=st.lists(st.tuples(TEXT, TEXT), max_size=3).map(tuple),
    system=st.none() | TEXT, thinking=st.booleans(),
), max_size=4))  # fmt: skip
def test_problems_survive_a_file(tmp_path_factory: pytest.TempPathFactory, problems: list[Problem]) -> None:
    path = tmp_path_factory.mktemp("p") / "problems.jsonl"
    assert write_problems(path, problems) == len(problems)
    again = read_problems(path)
    assert again == problems
    assert [p.id for p in again] == [p.id for p in problems]


@pytest.mark.parametrize("line", ["{}", "[]", "nonsense", '{"family": "x"}', "", '{"half": '])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "problems.jsonl"
    sources = open_sources(ALL, 1)
    write_problems(path, make_held_out(1, sources, 1)[:2])
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(Damaged, match="line 3"):
        read_problems(path)
    path.write_text(path.read_text().rstrip("\n" + line) + "}"[:0])
    with pytest.raises(Damaged, match="line 2"):
        read_problems(path)


def test_a_missing_file_and_a_refusing_disk_are_said(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="cannot be read"):
        read_problems(tmp_path / "no.jsonl")


def test_an_id_is_of_what_is_asked() -> None:
    problem = open_sources(ALL, 1)["addition"].draw(random.Random(1), 1, "train")
    assert split_of(problem.key) == "train"
    assert len(problem.id) == 16
    other = Problem(**{**{k: v for k, v in vars(problem).items() if k != "id"}, "thinking": False})
    assert other.id != problem.id


@pytest.mark.parametrize("end", ["9" * 5_000, "1" * 100_000, "," * 100_000, "a" * 100_000, "7 " * 30_000, "²", "\0",
                                 f"```python\ndef f():\n    return {'-' * 9_000}1\n```"])  # fmt: skip
def test_whatever_a_looping_teacher_writes_is_checked_soon(end: str) -> None:
    for name, source in open_sources(ALL, 1).items():
        problem = source.draw(random.Random(1), 1, "train")
        assert source.check(problem, end) in (False, True), name
        assert source.check(problem, problem.answer), name
