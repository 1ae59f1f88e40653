"""The language families: own answers pass, wrong ones fail, prompts vary, and a refusal never carries a digit."""

from __future__ import annotations

import operator
import random
import re
from collections import Counter

import pytest

from edgemind.distill.problems.base import Family, Problem, sample_split, split_of
from edgemind.distill.problems.language import LANGUAGE_FAMILIES
from edgemind.distill.problems.language.declining import TEXTS, reserved_key, templates
from edgemind.distill.problems.language.greeting_phrases import KINDS
from edgemind.distill.problems.language.python_check import harmless, passes
from edgemind.distill.problems.language.python_tasks import TASKS, Task
from edgemind.distill.problems.language.slots import LISTS
from edgemind.distill.problems.language.stories import stories
from edgemind.distill.problems.language.unseen import FACT_QUESTIONS_UNSEEN
from edgemind.distill.problems.language.word_problems import WORDS

BY_NAME = {family.name: family for family in LANGUAGE_FAMILIES}
OPERATORS = {"+": operator.add, "-": operator.sub, "×": operator.mul, "÷": operator.truediv}
EQUATION = re.compile(r"(?<![\d+×÷-] )(\d+) ([+×÷-]) (\d+)(?: \+ (\d+))? = (\d+)")
every_family = pytest.mark.parametrize("family", LANGUAGE_FAMILIES, ids=lambda f: f.name)
every_task = pytest.mark.parametrize("task", TASKS, ids=lambda t: t.name)


def draws(family: Family, count: int, seed: int = 0) -> list[Problem]:
    """Problems of all levels in turn."""
    rng = random.Random(seed)
    return [family.sample(rng, 1 + index % family.levels) for index in range(count)]


def shown(code: str) -> str:
    """``code`` as an answer shows it."""
    return f"```python\n{code}\n```\n"


@every_family
def test_a_wrong_answer_fails(family: Family) -> None:
    for problem, other in zip(draws(family, 60, 1), draws(family, 60, 2), strict=True):
        assert not family.check(problem, "")
        assert not family.check(problem, "Paris has 2102650 people.")
        if problem.result != other.result:
            assert not family.check(problem, other.answer), (problem, other.answer)


@every_family
def test_the_seed_decides(family: Family) -> None:
    assert draws(family, 80, 7) == draws(family, 80, 7)
    assert draws(family, 80, 7) != draws(family, 80, 8)


@every_family
def test_answers_follow_from_the_problem(family: Family) -> None:
    """No random wording: problems with one key and one result have one thought and one answer."""
    found: dict[tuple[str, str, str], str] = {}
    for problem in draws(family, 3000):
        if family.name != "word_problems":  # who and what a story is about is in its prompt, not in its key
            continue
        same = (problem.key, problem.prompt, problem.result)
        assert found.setdefault(same, problem.thought + problem.answer) == problem.thought + problem.answer


@every_family
def test_heldout_is_disjoint(family: Family) -> None:
    rng = random.Random(3)
    train = {sample_split(family, rng, 1, "train").key for _ in range(150)}
    heldout = {sample_split(family, rng, 1, "heldout").key for _ in range(150)}
    assert not train & heldout
    assert len(heldout) >= 10


@every_family
def test_texts_are_clean(family: Family) -> None:
    for problem in draws(family, 1500):
        assert problem.prompt.strip()
        assert "\n" not in problem.prompt
        assert not re.search(r"\{[a-z_0-9]*\}|\(.*\|.*\)", problem.prompt), problem.prompt
        assert len((problem.thought + problem.answer).split()) < 160
        assert "  " not in problem.prompt, problem.prompt
        if family.name != "python_functions":
            assert "  " not in problem.thought + problem.answer


@pytest.mark.parametrize(
    ("name", "count", "distinct"),
    [
        ("word_problems", 3000, 2950),
        ("python_functions", 3000, 2400),
        ("greetings", 3000, 1200),
        ("declining", 3000, 2700),
        ("structured", 1000, 980),
    ],
)
def test_prompts_vary(name: str, count: int, distinct: int) -> None:
    assert len({problem.prompt for problem in draws(BY_NAME[name], count)}) > distinct


def test_worked_arithmetic_is_right() -> None:
    """Every equation of every thought, computed here."""
    seen = Counter[str]()
    for name in ("word_problems", "structured"):
        for problem in draws(BY_NAME[name], 3000):
            for a, sign, b, carry, result in EQUATION.findall(problem.thought):
                left, right = int(a), int(b)
                value = OPERATORS[sign](left, right)
                assert value + int(carry or 0) == int(result), (problem.thought, a, sign, b)
                seen[sign] += 1
    assert min(seen[sign] for sign in "+-×÷") > 200


def test_a_story_ends_in_its_result() -> None:
    for problem in draws(BY_NAME["word_problems"], 2000):
        last = problem.thought.splitlines()[-1]
        assert last.endswith(f"= {problem.result}."), problem
        assert re.findall(r"\d+", problem.answer) == [problem.result]
        assert 2 <= int(problem.result) <= 999


def test_numbers_of_a_story_are_in_its_prompt() -> None:
    for problem in draws(BY_NAME["word_problems"], 2000):
        wanted = problem.key.split(":")[2:]
        words = re.findall(r"\d+", problem.prompt)
        assert all(n in words or int(n) <= 20 or problem.key.startswith("word:legs") for n in wanted), problem


def test_there_are_enough_stories() -> None:
    assert len(stories()[1]) + len(stories()[2]) >= 60
    assert len({name for section in ("he", "she") for name in WORDS[section]}) >= 80
    assert len(WORDS["thing"]) >= 120


@every_task
def test_reference_code_passes(task: Task) -> None:
    assert passes(task, task.name, shown(task.code.replace("NAME", task.name)))


@every_task
def test_code_that_does_nothing_fails(task: Task) -> None:
    assert not passes(task, task.name, shown(f"def {task.name}(*arguments):\n    pass"))
    assert not passes(task, "another_name", shown(task.code.replace("NAME", task.name)))


def test_endless_code_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemind.distill.problems.language.python_check.SECONDS", 1)
    assert not passes(TASKS[0], "f", shown("def f(items):\n    while True:\n        pass"))


@pytest.mark.parametrize(
    "code",
    [
        "import os\ndef f(): return os.environ",
        "from os import system",
        "def f(): return ().__class__",
        "def f(): return __import__('os')",
        "def f(): return eval('1')",
        "def f(): open('x', 'w')",
        "def f(): open('x', mode='w')",
        "def f(:",
    ],
)
def test_code_that_reaches_out_is_not_run(code: str) -> None:
    assert not harmless(code)


def test_python_covers_tasks_and_phrasings() -> None:
    problems = draws(BY_NAME["python_functions"], 6000)
    phrasings = Counter(key.key.split(":", 2)[1] for key in {p.key: p for p in problems}.values())
    assert len(TASKS) >= 35
    assert min(phrasings.values()) >= 30


def test_every_refusal_points_on_and_has_no_digit() -> None:
    kinds = Counter[str]()
    for problem in draws(BY_NAME["declining"], 3000):
        assert not re.search(r"\d", problem.thought + problem.answer)
        assert problem.answer.endswith("run `edgemind recommend`, then `edgemind pull NAME`.")
        kinds[problem.answer] += 1
    assert len(kinds) == len(TEXTS)


def test_a_refusal_with_a_digit_fails() -> None:
    problem = draws(BY_NAME["declining"], 1)[0]
    assert not BY_NAME["declining"].check(problem, f"{problem.answer} Perhaps 1923.")


def test_many_declined_prompts_have_numbers() -> None:
    assert sum(bool(re.search(r"\d", p.prompt)) for p in draws(BY_NAME["declining"], 1000)) > 200


def test_templates_and_slots_are_many() -> None:
    every = [template for lines in templates().values() for template in lines]
    assert len(every) >= 250
    assert 0.04 < sum(bool(reserved_key(t)) for t in every) / len(every) < 0.12
    assert all(split_of(key) == "heldout" for key in map(reserved_key, every) if key)
    assert len(LISTS["country"]) + len(LISTS["city"]) >= 200
    assert len(LISTS["topic"]) >= 150
    for template in every:
        for slot in re.findall(r"\{(\w+)\}", template):
            assert slot in LISTS or slot in {
                *("year", "date", "num", "keys", "pseudo", "pseudos", "long", "big", "odd", "sign", "fraction"),
                *("decimal", "expression", "equation"),
            }, template


def test_unseen_questions_stay_unseen() -> None:
    prompts = {problem.prompt.lower().strip(" ?.!") for problem in draws(BY_NAME["declining"], 30000)}
    assert len(set(FACT_QUESTIONS_UNSEEN)) == 100
    assert not [q for q in FACT_QUESTIONS_UNSEEN if q.lower().strip(" ?.!") in prompts]


def test_a_greeting_belongs_to_one_kind() -> None:
    phrases = Counter(phrase.lower() for kind in KINDS for phrase in kind.phrases)
    assert [phrase for phrase, times in phrases.items() if times > 1] == []
    for kind in KINDS:
        assert all(marker in kind.answer.lower() for marker in kind.markers), kind.name
