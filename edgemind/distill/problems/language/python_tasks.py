"""The Python functions that the built-in model can write, each with its plan, its reference code and its tests."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from edgemind.distill.problems.language.blocks import Block, read_blocks


@dataclass(frozen=True)
class Task:
    """One function.

    Attributes:
        name: its default name.
        infinitives: what it does ("sort a list").
        named: what it is called ("list sorting"); may be empty.
        plan: the thought, one or two lines.
        code: reference code, with ``NAME`` for the function's name.
        says: the sentence after the code.
        cases: arguments as a Python tuple and the expected value, or the printed text when ``printed``.
        printed: the function prints instead of returning.
    """

    name: str
    infinitives: tuple[str, ...]
    named: tuple[str, ...]
    plan: str
    code: str
    says: str
    cases: tuple[tuple[str, object], ...]
    printed: bool


def task_of(block: Block) -> Task:
    """The function that a block of the text files describes."""
    pairs = [case.split(" -> ") for case in block.variants("C")]
    return Task(
        name=block.name,
        infinitives=block.variants("V"),
        named=block.variants("N"),
        plan="\n".join(block.variants("P")),
        code=block.text(">"),
        says=block.text("S"),
        cases=tuple((arguments, ast.literal_eval(value)) for arguments, value in pairs),
        printed=block.note == "prints",
    )


TASKS: tuple[Task, ...] = tuple(
    task_of(block)
    for name in ("python_tasks_texts_lists.txt", "python_tasks_numbers.txt")
    for block in read_blocks(name)
)
"""Every function of the family."""
