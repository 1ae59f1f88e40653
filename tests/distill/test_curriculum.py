"""The curriculum: it moves on when a level is passed, never sticks, and goes on exactly from its state."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemind.distill.curriculum import Curriculum
from edgemind.errors import Damaged

LEVELS = {"addition": 3, "clock": 2, "greetings": 1}
MIX = {
    ("addition", 1): 10.0,
    ("addition", 2): 20.0,
    ("addition", 3): 30.0,
    ("clock", 1): 15.0,
    ("clock", 2): 15.0,
    ("greetings", 1): 10.0,
}


def by_family(shares: dict[tuple[str, int], float]) -> dict[str, float]:
    """The shares of whole families."""
    found: dict[str, float] = {}
    for (family, _), share in shares.items():
        found[family] = found.get(family, 0.0) + share
    return found


def test_it_begins_with_the_easiest_and_moves_on_when_that_is_passed() -> None:
    curriculum = Curriculum(LEVELS, threshold=0.8, review=0.25)
    assert curriculum.weights() == {1: 1.0, 2: 0.0, 3: 0.0}
    assert not curriculum.report({1: 0.79, 2: 0.99})
    assert curriculum.report({1: 0.8, 2: 0.3})
    assert curriculum.level == 2
    assert curriculum.weights() == {1: 0.25, 2: 0.75, 3: 0.0}
    assert curriculum.report({2: 0.9})
    assert curriculum.weights() == {1: 0.125, 2: 0.125, 3: 0.75}
    assert [check.moved for check in curriculum.log] == [None, "passed", "passed"]


def test_levels_that_are_passed_already_are_left_behind_at_once() -> None:
    curriculum = Curriculum(LEVELS)
    assert curriculum.report({1: 0.95, 2: 0.9, 3: 0.1})
    assert curriculum.level == 3


def test_after_the_last_level_comes_the_whole_mix() -> None:
    curriculum = Curriculum(LEVELS)
    curriculum.report({1: 1.0, 2: 1.0, 3: 1.0})
    assert curriculum.level == curriculum.last + 1
    assert curriculum.shares(MIX) == pytest.approx({cell: amount / 100 for cell, amount in MIX.items()})
    assert not curriculum.report({1: 0.0})


def test_a_level_that_does_not_get_better_is_left_and_that_is_recorded() -> None:
    curriculum = Curriculum(LEVELS, patience=3)
    moves = [curriculum.report({1: one}) for one in (0.1, 0.2, 0.2, 0.205, 0.1)]
    assert moves == [False, False, False, False, True]
    assert curriculum.log[-1].moved == "patience"


def test_a_level_without_held_out_problems_does_not_hold_it() -> None:
    curriculum = Curriculum(LEVELS, patience=2)
    for _ in range(6):
        curriculum.report({})
    assert curriculum.level == curriculum.last + 1


def test_the_second_half_of_training_has_the_whole_mix_whatever_happens() -> None:
    curriculum = Curriculum(LEVELS, patience=1000)
    steady = iter(range(1000))
    reached = []
    for done in (0.1, 0.17, 0.3, 0.34, 0.49, 0.5):
        curriculum.report({level: next(steady) / 1000 for level in (1, 2, 3)}, done)
        reached.append(curriculum.level)
    assert reached == [1, 2, 2, 3, 3, 4]
    assert curriculum.log[1].moved == "time"


@given(st.integers(1, 4), st.floats(0, 1), st.dictionaries(
    st.tuples(st.sampled_from("abc"), st.integers(1, 4)), st.floats(0, 100), min_size=1
))  # fmt: skip
def test_families_keep_their_share_at_every_level(level: int, review: float, mix: dict[tuple[str, int], float]) -> None:
    total = sum(mix.values())
    if total < 1e-3:
        return
    curriculum = Curriculum({"a": 4, "b": 4, "c": 4}, review=review)
    for _ in range(level - 1):
        curriculum.report({curriculum.level: 1.0})
    shares = curriculum.shares(mix)
    assert sum(shares.values()) == pytest.approx(1.0)
    assert all(share >= 0 for share in shares.values())
    whole = by_family({cell: amount / total for cell, amount in mix.items()})
    assert by_family(shares) == pytest.approx(whole, abs=1e-9)


def test_a_family_with_few_levels_goes_on_with_its_highest() -> None:
    curriculum = Curriculum(LEVELS, review=0.25)
    curriculum.report({1: 1.0, 2: 1.0})
    shares = curriculum.shares(MIX)
    assert shares["greetings", 1] == pytest.approx(0.1)
    assert shares["clock", 2] == pytest.approx(0.3 * 0.75)
    assert shares["addition", 3] == pytest.approx(0.6 * 0.75)


def test_uniform_trains_on_everything_from_the_start_and_never_moves() -> None:
    curriculum = Curriculum(LEVELS, kind="uniform")
    assert curriculum.shares(MIX) == pytest.approx({cell: amount / 100 for cell, amount in MIX.items()})
    assert not curriculum.report({1: 1.0, 2: 1.0, 3: 1.0}, done=0.9)
    assert len(curriculum.log) == 1


@pytest.mark.parametrize("kind", ["levels", "uniform"])
def test_it_goes_on_from_its_state_as_if_nothing_had_happened(kind: str) -> None:
    rng = random.Random(5)
    reports = [{level: rng.random() for level in (1, 2, 3)} for _ in range(12)]
    whole, half = Curriculum(LEVELS, kind, 0.9), Curriculum(LEVELS, kind, 0.9)  # type: ignore[arg-type]
    for number, accuracy in enumerate(reports):
        half = Curriculum.from_state(json.loads(json.dumps(half.to_state())))
        assert whole.report(accuracy, number / 40, number) == half.report(accuracy, number / 40, number)
        assert whole.shares(MIX) == half.shares(MIX)
        assert whole.log == half.log


@pytest.mark.parametrize("state", [{}, {"level": 1}, {**Curriculum(LEVELS).to_state(), "log": [{"tokens": "x"}]}])
def test_a_state_that_is_none_is_refused(state: dict[str, object]) -> None:
    with pytest.raises(Damaged):
        Curriculum.from_state(state)
