"""What people say to greet a model and to ask about it, and what ``edgemind-nano`` answers."""

from __future__ import annotations

from dataclasses import dataclass

from edgemind.distill.problems.language.blocks import read_blocks


@dataclass(frozen=True)
class Kind:
    """Phrases that have one answer.

    Attributes:
        name: of the kind.
        thought: one line.
        answer: the whole answer.
        markers: what an answer of this kind must contain, in small letters.
        phrases: what the user says; a question ends in a question mark.
        short: a greeting that may be followed by a name.
    """

    name: str
    thought: str
    answer: str
    markers: tuple[str, ...]
    phrases: tuple[str, ...]
    short: bool


KINDS: tuple[Kind, ...] = tuple(
    Kind(
        name=block.name,
        thought=block.text("T"),
        answer=block.text("A"),
        markers=block.variants("M"),
        phrases=block.variants("P"),
        short=block.note == "named",
    )
    for block in read_blocks("greetings.txt")
)
"""Every kind of greeting; a phrase belongs to one kind only."""
