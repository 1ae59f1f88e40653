"""The problems that a model is put through: held-out ones of families, or those of a file that somebody wrote.

Not for: training (``problems.sources``).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgemind.distill.problems.answers import Check, is_right
from edgemind.distill.problems.base import Problem, Split
from edgemind.distill.problems.problem_files import read_problems
from edgemind.distill.problems.sources import Source, make_held_out, open_sources
from edgemind.distill.recipe.schema import ProblemsRecipe
from edgemind.errors import BadInput, UsageError
from edgemind.models.opening import shown
from edgemind.models.store.files import explained

LONGEST = 4 << 20
"""Bytes of a line."""

MOST = 1_000_000
"""Lines."""


class _Line(BaseModel):
    """A question of a file, with the answer that is looked for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    prompt: Annotated[str, Field(min_length=1)]
    answer: str | int | float
    family: Annotated[str, Field(min_length=1, max_length=64)] = "problems"
    level: Annotated[int, Field(ge=1, le=1000)] = 1
    system: str | None = None


class FileSource:
    """Checks answers to the questions of a file."""

    levels = 1
    written = False
    held_out = True

    def __init__(self, name: str, check: Check, where: str) -> None:
        self.name = name
        self.description = f"questions of {where}, checked by {check}"
        self._check = check

    def levels_of(self, split: Split) -> Sequence[int]:
        """Nothing can be drawn."""
        return ()

    def draw(self, rng: random.Random, level: int, split: Split) -> Problem:
        """Its questions are those of the file.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"Nothing can be drawn from {self.name}.", "Read the file.")

    def check(self, problem: Problem, answer: str) -> bool:
        """By the rule that was given."""
        return is_right(self._check, answer, problem.result)


def of_families(
    families: Sequence[str], count: int, seed: int, levels: tuple[int, int] | None = None
) -> tuple[list[Problem], dict[str, Source]]:
    """Up to ``count`` held-out problems of each family, and who checks them.

    Raises:
        UsageError: there is no such family.
    """
    recipe = ProblemsRecipe(families=tuple(families) or ("all",), levels=levels)
    sources = open_sources(recipe, seed)
    problems = make_held_out(count, sources, seed)
    if not problems:
        raise UsageError("There is nothing to ask.", "Name a family: --families addition")
    return problems, sources


def of_file(path: Path, check: Check, count: int | None, seed: int) -> tuple[list[Problem], Mapping[str, Any]]:
    """The questions of a JSONL file: ``{"prompt": ..., "answer": ...}`` a line, or a file of problems of ours.

    Args:
        check: how an answer is compared with the one in the file; problems of ours are checked by their families.
        count: ask only so many, drawn by ``seed``.

    Raises:
        BadInput: a line that is none; the message names it.
    """
    with explained(f"read {shown(path)}", path.parent), path.open("rb") as file:
        lines: list[bytes] = []
        while len(lines) < MOST and (line := file.readline(LONGEST)):
            lines.append(line)
    if not any(line.strip() for line in lines):
        raise BadInput(f"{shown(path)} is empty.", 'Write a question a line: {"prompt": "...", "answer": "..."}')
    if b'"result"' in lines[0] and b'"key"' in lines[0]:
        problems = read_problems(path)
        sources: Mapping[str, Any] = open_sources(
            ProblemsRecipe(families=tuple(dict.fromkeys(problem.family for problem in problems))), seed
        )
    else:
        problems = [_problem(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        names = dict.fromkeys(problem.family for problem in problems)
        sources = {name: FileSource(name, check, shown(path.name)) for name in names}
    if count is not None and count < len(problems):
        chosen = sorted(random.Random(f"{seed}:questions").sample(range(len(problems)), count))
        problems = [problems[index] for index in chosen]
    return problems, sources


def _problem(path: Path, number: int, line: bytes) -> Problem:
    try:
        found = _Line.model_validate_json(line)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = f"{'.'.join(map(str, first['loc']))}: " if first["loc"] else ""
        raise BadInput(
            f"{shown(path)}, line {number}: {where}{first['msg'].lower()}.",
            'A line is {"prompt": "...", "answer": "..."}, and perhaps family, level, system.',
        ) from problem
    return Problem(
        family=found.family,
        key=f"{found.family}:{number}",
        prompt=found.prompt,
        thought="",
        answer="",
        result=str(found.answer),
        level=found.level,
        system=found.system,
    )
