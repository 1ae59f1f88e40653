"""A thought as lines: what is new costs, what is shown, what is found."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from edgemind.chat.live import LiveStep
from edgemind.engine.events import Step
from edgemind.tui.widgets.thought import RECENT, TAIL, Thought, duration


def lines(thought: Thought) -> list[str]:
    return ["".join(piece.text for piece in thought.line(n).pieces) for n in range(thought.height)]


def fed(*texts: str, unfolded: bool = False) -> Thought:
    thought = Thought()
    thought.streaming, thought.unfolded = True, unfolded
    thought.feed(LiveStep(number, text, 3, 1.0) for number, text in enumerate(texts, 1))
    thought.layout(40)
    return thought


@pytest.mark.parametrize("unfolded", [False, True])
def test_only_lines_from_the_first_that_changed_are_others(unfolded: bool) -> None:
    for seed in range(30):
        rng = random.Random(seed)
        thought = Thought()
        thought.streaming, thought.unfolded = True, unfolded
        before: list[str] = []
        for number in range(1, 12):
            for _ in range(rng.randint(1, 9)):
                piece = rng.choice(("word ", "a longer part of the text ", "\n", "日本 ", "\n\nand on"))
                thought.feed([LiveStep(number, piece, 1, 0.1)])
                first = thought.layout(30)
                now = lines(thought)
                assert now[1:first] == before[1:first]
                before = now


def test_a_streaming_thought_is_short_whatever_its_length() -> None:
    thought = fed(*[f"step {n} " * 30 for n in range(40)])
    assert thought.height <= 2 + RECENT + TAIL
    assert "⋮ 34 earlier steps" in lines(thought)[1]
    assert lines(thought)[-1].strip()


def test_unfolded_it_is_all_there() -> None:
    thought = fed("one\ntwo", "three", unfolded=True)
    assert lines(thought)[1:] == ["  1 │ one", "    │ two", "  2 │ three"]


def test_a_thought_without_steps_is_one() -> None:
    thought = Thought()
    thought.set((), "some\nreasoning\n", 2.0, 7)
    thought.fold(True)
    thought.layout(40)
    assert lines(thought) == [
        "▾ thought for 2.0 s, 1 step, 7 tokens",
        "  1 │ some",
        "    │ reasoning",
    ]


def test_steps_without_text_are_none() -> None:
    thought = Thought()
    thought.set((Step(text="\n", tokens=1, seconds=1.0), Step(text="x", tokens=1, seconds=1.0)), "", 2.0, 2)
    assert thought.count == 1


def test_finding_marks_every_hit_across_wrapped_lines() -> None:
    thought = Thought()
    thought.set((Step(text="find the needle in this long text about a Needle", tokens=1, seconds=1.0),), "", 1.0, 1)
    thought.fold(True)
    for width in (12, 20, 60):
        assert thought.find("needle") == 2
        thought.layout(width)
        marked = [
            piece for n in range(thought.height) for piece in thought.line(n).pieces if piece.look.startswith("hit")
        ]
        assert "".join(piece.text for piece in marked) == "needleNeedle"
        thought.next_hit(1)
        line = thought.line(thought.line_of_hit())
        assert any(piece.look == "hit-current" for piece in line.pieces)
    assert thought.find("") == 0


def test_finding_goes_on_while_the_thought_streams() -> None:
    thought = fed("a word", unfolded=True)
    thought.find("word")
    thought.feed([LiveStep(1, " and a word", 1, 1.0), LiveStep(2, "word", 1, 1.0)])
    assert [(hit.step, hit.start) for hit in thought.hits] == [(0, 2), (0, 13), (1, 0)]
    assert thought.hit == 0


@pytest.mark.parametrize(("seconds", "words"), [(0.84, "0.8 s"), (12.2, "12 s"), (125.0, "2 min 5 s")])
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_finding_reads_only_the_steps_that_grew() -> None:
    thought = fed(*(f"word {number}" for number in range(50)), unfolded=True)
    thought.find("word")
    read: list[str] = []

    class Counted:
        pattern = "word"

        def finditer(self, text: str) -> Iterator[re.Match[str]]:
            read.append(text)
            return re.finditer("word", text)

    thought._needle = Counted()  # type: ignore[assignment]
    thought.feed([LiveStep(50, " and a word", 1, 1.0)])
    assert read == ["word 49 and a word"]
    assert [(hit.step, hit.start) for hit in thought.hits[-3:]] == [(48, 0), (49, 0), (49, 14)]
