"""The story patterns, read from the text files beside this module."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from edgemind.distill.problems.language.blocks import read_blocks


@dataclass(frozen=True)
class Story:
    """A story pattern; see the head of ``stories_one_step.txt`` for its parts."""

    name: str
    operations: str
    tellings: tuple[str, ...]
    questions: tuple[str, ...]
    wholes: tuple[str, ...]
    answer: str
    working: tuple[str, ...]
    ranges: dict[str, tuple[int, int]]


def ranges_of(lines: list[str]) -> dict[str, tuple[int, int]]:
    """``"a 20 90"`` lines as bounds by letter."""
    return {letter: (int(low), int(high)) for letter, low, high in (line.split() for line in lines)}


@cache
def stories() -> dict[int, tuple[Story, ...]]:
    """The stories by how many operations they have."""
    found = [
        Story(
            name=block.name,
            operations=block.note,
            tellings=block.variants("T"),
            questions=block.variants("Q"),
            wholes=block.variants("F"),
            answer=block.text("A"),
            working=block.variants("W"),
            ranges=ranges_of(block.lines.get("R", [])),
        )
        for name in ("stories_one_step.txt", "stories_two_steps.txt")
        for block in read_blocks(name)
    ]
    return {count: tuple(s for s in found if len(s.operations) == count) for count in (1, 2)}
