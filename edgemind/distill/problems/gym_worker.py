"""The child process in which reasoning-gym runs: it makes questions and scores answers, in the jail.

Some of its checks evaluate the answer, and answers are a model's, so nothing of it runs in our own process; a fixed
hash seed makes the datasets that go through sets repeat themselves. One request a line on standard input, one reply a
line on standard output. Not for: what becomes of them (``gym``).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
from collections import OrderedDict
from copy import deepcopy
from itertools import pairwise
from typing import Any

LEVELS = 5
"""Of a dataset whose own curriculum has more."""
SPACE = 10**6
"""Questions of one level."""
BLOCKS = {"acre": (1000, 16), "word_ladder": (500, 4)}
"""Datasets that work their questions out in advance: so many at a time, from so many seeds."""
PROBES = 6
"""Questions that are tried; a level where these do not give two different ones is left out."""
KEPT = 64
"""Datasets in memory, and entries: an answer is often scored soon after its question was made, or several to one."""
REFUSED = {
    "codeio": "it runs code that it comes with, and its questions are others at every start",
    "knight_swap": "it searches for minutes for boards that have a puzzle, and mostly finds none",
    "sokoban": "it searches for up to a minute for a puzzle",
    "composite": "it is put together from others; name those",
}
EASIEST = {
    "bf": 2, "countdown": 1, "jugs": 1, "number_sequence": 1, "polynomial_multiplication": 2,
    "puzzle24": 1,
}  # fmt: skip
"""Levels of datasets whose harder ones take minutes a question, or find none."""
EVALUATING = (
    "algorithmic.string_insertion", "algorithmic.spiral_matrix", "algorithmic.binary_matrix", "games.n_queens",
)  # fmt: skip
"""Modules that evaluate an answer to give it less than full marks, which is no use here."""
EXPRESSIONS = {
    "puzzle24": "", "countdown": "", "polynomial_multiplication": "a-z", "simple_integration": "a-zA-Z",
    "intermediate_integration": "a-zA-Z", "polynomial_equations": "a-z",
}  # fmt: skip
"""Datasets that read an answer as an expression, and the single letters that may be in it."""
FUNCTIONS = r"sin|cos|tan|exp|log|ln|sqrt|pi|asin|acos|atan|sinh|cosh|tanh"


class Gym:
    """reasoning-gym's datasets, made as they are asked for."""

    def __init__(self) -> None:
        import reasoning_gym  # type: ignore[import-untyped, unused-ignore]  # noqa: F401
        from reasoning_gym import factory

        self._factory = factory
        self._made: OrderedDict[tuple[str, int, int], Any] = OrderedDict()
        self._entries: OrderedDict[tuple[str, int, int, int], dict[str, Any]] = OrderedDict()
        self._known: dict[str, list[dict[str, Any]]] = {}
        for name in EVALUATING:
            module = sys.modules.get(f"reasoning_gym.{name}")
            if module is not None:
                module.eval = _refuse  # type: ignore[attr-defined]

    def open(self, name: str) -> dict[str, Any]:
        """Which levels of a dataset have questions, and how many questions it has, or why it cannot be had."""
        known = sorted(set(self._factory.DATASETS) - set(REFUSED))
        if name in REFUSED:
            return {"refused": REFUSED[name]}
        if name not in self._factory.DATASETS:
            return {"known": known}
        places = [place for place, settings in enumerate(self._levels(name)) if self._has_questions(name, settings)]
        if not places:
            return {"refused": "it makes no questions with the settings of its own curriculum"}
        block, blocks = BLOCKS.get(name, (SPACE, 1))
        return {"places": places, "space": block * blocks}

    def _levels(self, name: str) -> list[dict[str, Any]]:
        """Settings from easy to hard, of the levels that its own curriculum gets right."""
        if name not in self._known:
            found: list[dict[str, Any]] = [{}]
            if self._factory.has_curriculum(name):
                attributes = self._factory.create_curriculum(name).attributes.values()
                most = min(max((len(one.levels) for one in attributes), default=1), EASIEST.get(name, LEVELS))
                every = [settings for level in range(most) if (settings := self._settings(name, level)) is not None]
                found = [one for index, one in enumerate(every) if one not in every[:index]]
            self._known[name] = found
        return self._known[name]

    def _has_questions(self, name: str, settings: dict[str, Any]) -> bool:
        maker, config = self._factory.DATASETS[name]
        size, _ = BLOCKS.get(name, (SPACE, 1))
        found: set[str] = set()
        with contextlib.suppress(Exception):
            dataset = maker(config(**settings, seed=1, size=size))
            for index in range(PROBES):
                with contextlib.suppress(Exception):
                    found.add(str(dataset[index]["question"]))
                if len(found) > 1:
                    return True
        return False

    def _settings(self, name: str, level: int) -> dict[str, Any] | None:
        from reasoning_gym.coaching.base_curriculum import (  # type: ignore[import-untyped, unused-ignore]
            DefaultCurriculumContext,
            RangeAttributeMode,
        )

        for mode in (RangeAttributeMode.UPPER_BOUND, RangeAttributeMode.INCLUSIVE):
            with contextlib.suppress(Exception):
                curriculum = self._factory.create_curriculum(name)
                curriculum.set_global_level(level)
                config = curriculum.generate_configuration({"seed": 1, "size": 100}, DefaultCurriculumContext(mode))
                if hasattr(config, "validate"):
                    config.validate()
                return {key: value for key, value in vars(config).items() if key not in ("seed", "size")}
        return None

    def _dataset(self, name: str, place: int, seed: int, size: int) -> Any:
        key = (name, place, seed)
        if key not in self._made:
            dataset, config = self._factory.DATASETS[name]
            self._made[key] = dataset(config(**self._levels(name)[place], seed=seed, size=size))
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]

    def entry(self, name: str, place: int, seed: int, index: int) -> tuple[Any, dict[str, Any]]:
        """A dataset and one of its entries."""
        block, _ = BLOCKS.get(name, (SPACE, 1))
        dataset = self._dataset(name, place, seed + index // block, block)
        key = (name, place, seed, index)
        if key not in self._entries:
            self._entries[key] = dataset[index % block]
            while len(self._entries) > KEPT:
                self._entries.popitem(last=False)
        return dataset, deepcopy(self._entries[key])

    def draw(self, name: str, place: int, seed: int, index: int) -> dict[str, Any]:
        """A question with its answer, or that there is none by this number."""
        try:
            _, entry = self.entry(name, place, seed, index)
        except Exception as error:
            return {"none": f"{type(error).__name__}: {error}"[:300]}
        answer = entry["answer"]
        return {"question": str(entry["question"]), "answer": "" if answer is None else str(answer)}

    def score(self, name: str, place: int, seed: int, index: int, answers: list[str]) -> dict[str, Any]:
        """Whether one of ``answers`` has full marks, and the question that was scored."""
        try:
            dataset, entry = self.entry(name, place, seed, index)
        except Exception:
            return {"right": False, "question": ""}
        right = any(full_marks(name, dataset, entry, answer) for answer in answers)
        return {"right": right, "question": str(entry["question"])}


def full_marks(name: str, dataset: Any, entry: dict[str, Any], answer: str) -> bool:
    """Whether reasoning-gym gives ``answer`` full marks, where its check can be relied on."""
    if not answer.strip() or (name in EXPRESSIONS and not is_expression(answer, EXPRESSIONS[name])):
        return False
    if name == "game_of_life_halting":  # its own check takes every text that is not empty for True
        return answer.strip().strip(".").casefold() == str(entry["answer"]).casefold()
    if name == "puzzle24":  # nor does it look which numbers were used
        used = sorted(int(number) for number in re.findall(r"\d+", answer))
        if used != sorted(entry["metadata"]["numbers"]):
            return False
    try:
        return float(dataset.score_answer(answer, entry)) >= 1.0
    except Exception:
        return False


def is_expression(text: str, letters: str) -> bool:
    """Whether ``text`` can be evaluated as an expression: numbers, operators, single letters, functions of school."""
    if len(text) > 3000 or not re.fullmatch(r"[\w\s+\-*/^().,=\[\]{}]*", text, re.ASCII) or "__" in text:
        return False
    words = re.findall(r"[A-Za-z_]+\w*", text)
    if any(not re.fullmatch(FUNCTIONS if letters else "", word) for word in words if len(word) > 1 or not letters):
        return False
    if any(not re.fullmatch(f"[{letters}]", word) for word in words if len(word) == 1):
        return False
    base, *powers = re.split(r"\*\*|\^", text)
    if any(not re.match(r"\s*\(?-?\d{1,2}(?!\d)", power) for power in powers):
        return False
    if any(re.fullmatch(r"[\s(\-\d)]*", power) for power in powers[:-1]):  # a power of a power
        return False
    of_sums = (
        int(re.findall(r"\d+", p)[0]) for before, p in pairwise([base, *powers]) if before.rstrip().endswith(")")
    )
    return math.prod(of_sums) <= 200


def _refuse(*_: object) -> None:
    raise ValueError("answers are not evaluated")


def main() -> None:
    """Serve until the parent closes our input."""
    from edgemind.privacy import jail

    replies = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)
    jail.arm("worker")
    gym = Gym()
    for line in sys.stdin:
        request = json.loads(line)
        reply = getattr(gym, request.pop("do"))(**request)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
