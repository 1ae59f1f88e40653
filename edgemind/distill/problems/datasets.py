"""Problems from a dataset on disk: questions, perhaps with answers to check against and thoughts to learn from.

A row is training or held-out by its question alone, so the same question never stands on both sides, in however many
rows and datasets it occurs. Not for: reading files (``tables``) and comparing answers (``answers``).
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from edgemind.distill.problems.answers import Check, is_right, last_number, letter
from edgemind.distill.problems.base import NoProblem, Problem, Split, split_of
from edgemind.distill.problems.tables import Row, as_text, missing, pick, read_dataset, read_jsonl
from edgemind.errors import BadInput, UsageError

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import DatasetRecipe

MOST_LEVELS = 50
_THOUGHT = re.compile(r"\s*<think(?:ing)?>(.*?)</think(?:ing)?>\s*(.*)", re.DOTALL)
_CALCULATED = re.compile(r"<<[^<>]*>>")
ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
"""What the roles of a conversation are called in common datasets."""


class DatasetSource:
    """A dataset of a recipe.

    Args:
        recipe: where it is, which columns it has, and how answers are checked.
        within: the only levels to draw, from and to; all when left out.

    Raises:
        UsageError: a missing column or extra, or no rows.
        BadInput: a bad row; the message names it.
    """

    def __init__(self, recipe: DatasetRecipe, within: tuple[int, int] | None = None) -> None:
        self.name: str = recipe.name
        self.description = f"{recipe.name}, a dataset of this machine"
        self._check: Check = recipe.check
        self._rows: dict[tuple[Split, int], list[Problem]] = {}
        written = count = 0
        for problem in _problems(recipe):
            count += 1
            written += bool(problem.thought and problem.answer)
            if within is None or within[0] <= problem.level <= within[1]:
                self._rows.setdefault((split_of(problem.key), problem.level), []).append(problem)
        if not self._rows:
            trouble = "has no rows" if not count else "has no rows of the levels in problems.levels"
            raise UsageError(f"The dataset {self.name} {trouble}.", "Leave it out, or give it rows.")
        self.levels = max(level for _, level in self._rows)
        self.written = written == count
        self.held_out = recipe.check != "none" and bool(self.levels_of("heldout"))

    def levels_of(self, split: Split) -> Sequence[int]:
        """The levels that have rows in this split."""
        return sorted(level for where, level in self._rows if where == split)

    def draw(self, rng: random.Random, level: int, split: Split) -> Problem:
        """Any row of them.

        Raises:
            NoProblem: there is none.
        """
        rows = self._rows.get((split, level))
        if not rows:
            raise NoProblem(f"The dataset {self.name} has no {split} row at level {level}.")
        return rng.choice(rows)

    def check(self, problem: Problem, answer: str) -> bool:
        """By the recipe's rule."""
        return is_right(self._check, answer, problem.result)


def _problems(recipe: DatasetRecipe) -> Iterator[Problem]:
    columns = [name for name in (recipe.prompt, recipe.answer, recipe.thought, recipe.level) if name]
    rows = read_jsonl(recipe.path) if recipe.kind == "jsonl" else read_dataset(recipe.path, recipe.split, columns)
    for row in rows:
        yield _problem(recipe, row)


def _problem(recipe: DatasetRecipe, row: Row) -> Problem:
    from edgemind.distill.problems.gym import text_key

    where = row[0]
    asked = _column(row, recipe.prompt)
    system, history, prompt, said = _conversation(row, recipe.prompt, asked)
    answer = thought = ""
    if recipe.answer == recipe.prompt:
        answer = said
    elif recipe.answer:
        answer = _last_said(row, recipe.answer)
    if recipe.thought:
        thought = _text(row, recipe.thought).strip()
    elif found := _THOUGHT.fullmatch(answer):
        thought, answer = found[1].strip(), found[2]
    elif recipe.check == "number" and "####" in answer:  # as GSM8K writes its solutions
        steps, _, result = answer.rpartition("####")
        thought, answer = _CALCULATED.sub("", steps).strip(), result.strip()
    if not prompt.strip():
        raise BadInput(f"{where}: {recipe.prompt} is empty.", "Leave the row out.")
    _check_reference(recipe, where, answer)
    level = _level(row, recipe.level) if recipe.level else 1
    key = text_key("\n".join((*(turn for pair in history for turn in pair), prompt)))
    made = Problem(recipe.name, key, prompt, thought, answer.strip(), answer.strip(), level)
    return replace(made, system=system, history=history) if system or history else made


def _check_reference(recipe: DatasetRecipe, where: str, answer: str) -> None:
    """That there is something to compare with.

    Raises:
        BadInput: there is not.
    """
    trouble = ""
    if recipe.check != "none" and not answer.strip():
        trouble = f"{recipe.answer} is empty"
    elif recipe.check == "number" and last_number(answer) is None:
        trouble = f"{recipe.answer} has no number"
    elif recipe.check == "choice" and letter(answer) is None:
        trouble = f"{recipe.answer} has no letter from A to E"
    if trouble:
        raise BadInput(f"{where}: {trouble}.", 'Leave the row out, or choose another check, such as "exact" or "none".')


def _conversation(row: Row, name: str, value: Any) -> tuple[str | None, tuple[tuple[str, str], ...], str, str]:
    """System message, earlier turns, question, and what the assistant says to it, of a text or a list of messages.

    Raises:
        BadInput: these are no messages, or not in turn.
    """
    if not isinstance(value, list):
        return None, (), _text(row, name), ""
    said = [_message(row, name, message) for message in value]
    system = said.pop(0)[1] if said and said[0][0] == "system" else None
    answer = said.pop()[1] if said and said[-1][0] == "assistant" else ""
    if [role for role, _ in said] != ["user", "assistant"] * (len(said) // 2) + ["user"]:
        raise BadInput(f"{row[0]}: {name} is not user and assistant in turn.", "Leave the row out.")
    texts = [text for _, text in said]
    return system, tuple(zip(texts[0:-1:2], texts[1:-1:2], strict=True)), texts[-1], answer


def _message(row: Row, name: str, message: Any) -> tuple[str, str]:
    if isinstance(message, dict):
        role = message.get("role", message.get("from"))
        content = message.get("content", message.get("value"))
        if isinstance(role, str) and role in ROLES and isinstance(content, str):
            return ROLES[role], as_text(content)
    raise BadInput(f"{row[0]}: {name} is a list, but not of messages with role and content.", "Name a column of text.")


def _last_said(row: Row, name: str) -> str:
    """A text, or the last thing that the assistant says in a list of messages."""
    value = _column(row, name)
    if isinstance(value, list) and value and isinstance(value[-1], dict):
        return _message(row, name, value[-1])[1]
    if isinstance(value, list) and value:  # several answers that are right: the first
        value = value[0]
    try:
        return as_text(value)
    except ValueError as error:
        raise BadInput(f"{row[0]}: {name} {error}.", "Leave the row out, or name another column.") from error


def _level(row: Row, name: str) -> int:
    value = _column(row, name)
    found = re.fullmatch(r"\D{0,40}?(\d{1,3})", value.strip()) if isinstance(value, str) else None
    number = int(found[1]) if found else value
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_LEVELS:
        sentence = f"{row[0]}: {name} is no whole number from 1 to {MOST_LEVELS}."
        raise BadInput(sentence, "Leave out level, or name a column of difficulties.")
    return number


def _text(row: Row, name: str) -> str:
    try:
        return as_text(_column(row, name))
    except ValueError as error:
        raise BadInput(f"{row[0]}: {name} {error}.", "Leave the row out, or name another column.") from error


def _column(row: Row, name: str) -> Any:
    try:
        return pick(row[1], name)
    except KeyError as error:
        raise missing(row[0], name, list(row[1])) from error
