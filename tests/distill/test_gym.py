"""reasoning-gym's datasets: the same whatever the hash seed, split by text, scored in a jailed child process."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

pytest.importorskip("reasoning_gym")

from edgemind.distill.problems import gym
from edgemind.distill.problems.base import NoProblem, split_of
from edgemind.distill.problems.gym import GymSource
from edgemind.distill.problems.gym_worker import EXPRESSIONS, is_expression
from edgemind.distill.problems.sources import make_held_out, make_training, open_sources
from edgemind.distill.recipe.schema import ProblemsRecipe
from edgemind.errors import Damaged, UsageError


@pytest.fixture(autouse=True, scope="module")
def _ended() -> Iterator[None]:
    yield
    gym._worker.close()


def test_answers_are_scored_by_its_own_rule() -> None:
    source = GymSource("chain_sum", 1)
    assert (source.levels, source.written) == (5, False)
    rng = random.Random(1)
    for level in (1, 3, 5):
        problem = source.draw(rng, level, "train")
        assert split_of(problem.key) == "train"
        assert (problem.level, problem.thought) == (level, "")
        for right in (problem.answer, f"The answer is {problem.answer}.", f"So:\n\n<answer>{problem.answer}</answer>"):
            assert source.check(problem, right)
        for wrong in ("", " ", f"{problem.answer}1", "I do not know.", f"<answer>0.5</answer>\n{problem.answer}"):
            assert not source.check(problem, wrong)


def test_training_and_held_out_never_meet() -> None:
    recipe = ProblemsRecipe(families=("gym:coin_flip", "gym:spell_backward", "addition"), count=900)
    sources = open_sources(recipe, 1)
    training = {problem.prompt for problem in make_training(recipe, sources, 1)}
    held_out = make_held_out(20, sources, 1)
    assert len(held_out) > 40
    assert not training & {problem.prompt for problem in held_out}


def test_other_processes_make_the_same_problems() -> None:
    code = (
        "import random; from edgemind.distill.problems.gym import *;"
        "s = [GymSource(n, 2) for n in ('isomorphic_strings', 'ransom_note', 'letter_counting')];"
        "print([s[i % 3].draw(random.Random(i), 1 + i % 2, 'train').prompt for i in range(12)])"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1


def test_a_problem_of_another_version_is_told_from_a_wrong_answer() -> None:
    source = GymSource("chain_sum", 1)
    problem = source.draw(random.Random(1), 1, "train")
    with pytest.raises(Damaged, match="makes another problem"):
        source.check(replace(problem, prompt="1 + 1"), "2")
    with pytest.raises(Damaged, match="does not say"):
        source.check(replace(problem, result="{}"), "2")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("chain_sums", "the nearest is 'gym:chain_sum'"),
        ("", "no such dataset"),
        ("codeio", "runs code"),
        ("composite", "put together"),
        ("../x\x1b", "no such dataset"),
    ],
)
def test_what_cannot_be_had_is_refused_by_name(name: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as caught:
        GymSource(name, 1)
    assert "\x1b" not in caught.value.message


def test_checks_that_take_any_answer_are_put_right() -> None:
    halting = GymSource("game_of_life_halting", 1)
    problem = halting.draw(random.Random(1), 1, "train")
    assert halting.check(problem, problem.answer)
    assert not halting.check(problem, {"True": "False", "False": "True"}[problem.answer])
    twentyfour = GymSource("puzzle24", 1)
    problem = twentyfour.draw(random.Random(1), 1, "train")
    assert twentyfour.check(problem, problem.answer)
    assert not twentyfour.check(problem, "6 * 4 * 1 * 1" if "6" not in problem.answer else "8 * 3 * 1 * 1")


def test_an_answer_is_never_run() -> None:
    source = GymSource("spiral_matrix", 1)
    problem = source.draw(random.Random(1), 1, "train")
    assert not source.check(problem, "exit()")
    assert source.check(problem, problem.answer)
    for hostile in ("open('x')", "9**9**9**9", "exit()", "().__class__", "factorial(99999999)", "(2**99)**999"):
        assert not any(is_expression(hostile, letters) for letters in EXPRESSIONS.values())
    assert is_expression("(8 - 4) * (7 - 1)", "")
    assert is_expression("x**2/2 + sin(3*x) + C", "a-zA-Z")


def test_a_child_that_takes_too_long_is_ended_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    source = GymSource("chain_sum", 1)
    rng = random.Random(1)
    problem = source.draw(rng, 1, "train")
    assert gym._worker._process is not None
    os.kill(gym._worker._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(gym, "SECONDS", 0.1)
    assert not source.check(problem, problem.answer)
    monkeypatch.undo()
    assert source.check(problem, problem.answer)
    gym._worker._stop()
    assert source.draw(random.Random(2), 2, "train")


def test_a_draw_that_finds_nothing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    source = GymSource("chain_sum", 1)
    monkeypatch.setattr(gym, "TRIES", 0)
    with pytest.raises(NoProblem, match="no heldout problem at level 1"):
        source.draw(random.Random(1), 1, "heldout")
    assert make_held_out(3, {"gym": source}, 1) == []


def test_without_the_extra_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        GymSource("chain_sum", 1)
    assert caught.value.hint == "Run `pip install 'edgemind[gym]'`."


def test_where_a_problem_comes_from_stands_in_it() -> None:
    problem = GymSource("chain_sum", 3).draw(random.Random(1), 2, "train")
    assert set(json.loads(problem.result)) == {"level", "seed", "index"}
