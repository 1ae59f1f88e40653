"""Reading the stories and their words from the text files beside this module."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files


@dataclass
class Story:
    """A story pattern; see the head of ``stories.txt`` for its parts."""

    name: str
    operations: str
    tellings: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()
    wholes: tuple[str, ...] = ()
    answer: str = ""
    working: tuple[str, ...] = ()
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)


def read(name: str) -> list[str]:
    """Lines of a text file of this package, without comments and empty lines."""
    text = files("edgemind.distill.problems.language").joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


@lru_cache(maxsize=1)
def stories() -> dict[int, tuple[Story, ...]]:
    """The stories by how many operations they have."""
    found: list[Story] = []
    for line in read("stories.txt"):
        if line.startswith("["):
            name, _, operations = line[1:].partition("] ")
            found.append(Story(name, operations))
            continue
        story, (mark, _, rest) = found[-1], line.partition(" ")
        variants = tuple(rest.split(" | "))
        if mark == "T":
            story.tellings = variants
        elif mark == "Q":
            story.questions = variants
        elif mark == "F":
            story.wholes = variants
        elif mark == "A":
            story.answer = rest
        elif mark == "W":
            story.working = variants
        else:
            letter, low, high = rest.split()
            story.ranges[letter] = (int(low), int(high))
    return {count: tuple(s for s in found if len(s.operations) == count) for count in (1, 2)}


@lru_cache(maxsize=1)
def words() -> dict[str, tuple[str, ...]]:
    """The entries of ``story_words.txt`` by section."""
    found: dict[str, tuple[str, ...]] = {}
    section = ""
    for line in read("story_words.txt"):
        if line.startswith("["):
            section = line.strip("[]")
        else:
            found[section] = found.get(section, ()) + tuple(entry.strip() for entry in line.split(","))
    return found
