"""A thought falls into readable steps, the same ones however it streamed, and nothing of it is lost."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemind.distill.problems import ALL_FAMILIES
from edgemind.distill.problems.base import Family
from edgemind.engine.events import Step
from edgemind.engine.steps import LONG_STEP, StepSplitter


def split(parts: list[str]) -> tuple[list[str], list[tuple[int, str]], tuple[Step, ...]]:
    """Step texts, pieces in order, and the finished steps of a thought fed in ``parts``, one token each."""
    splitter = StepSplitter(started=0.0)
    pieces: list[tuple[int, str]] = []
    for number, part in enumerate(parts, 1):
        pieces += splitter.feed(part, 1, float(number))
    pieces += splitter.flush()
    steps = splitter.finish(float(len(parts)))
    return [step.text for step in steps], pieces, steps


def steps_of(text: str) -> list[str]:
    """The step texts, checked to be the same in one piece and character by character."""
    whole, pieces, _ = split([text])
    single, single_pieces, _ = split(list(text))
    assert whole == single
    assert "".join(text for _, text in pieces) == "".join(text for _, text in single_pieces) == text
    return whole


def test_a_model_that_writes_one_step_a_line() -> None:
    thought = "Ones: 8 + 7 = 15, write 5, carry 1.\nTens: 4 + 3 + 1 = 8, write 8.\nSo 48 + 37 = 85."
    assert steps_of(thought) == thought.split("\n")


def test_paragraphs() -> None:
    assert steps_of("First I read.\n\nThen I add.\n\n\n\nDone.\n") == ["First I read.", "Then I add.", "Done."]


def test_lists_with_their_indented_parts() -> None:
    thought = "The plan:\n1. Read\n   more of one\n   - a detail\n2) Write\n- a\n* b\nStep 3: check"
    assert steps_of(thought) == [
        "The plan:",
        "1. Read\n   more of one\n   - a detail",
        "2) Write",
        "- a",
        "* b",
        "Step 3: check",
    ]


def test_numbers_at_the_start_of_a_line_are_no_list() -> None:
    assert steps_of("We have:\n8 + 7 = 15\nand so on") == ["We have:\n8 + 7 = 15", "and so on"]
    assert steps_of("We have\n-5 apples\n1.5 pears\n3") == ["We have", "-5 apples", "1.5 pears", "3"]


def test_a_wrapped_line_goes_on() -> None:
    wrapped = "The sum of the two numbers that the user gave me\nis 5, which is odd,\nWhich I had not expected."
    assert steps_of(wrapped + "\nnext") == [wrapped, "next"]
    assert steps_of("x\n= 3\n= 4\ny +\nZ") == ["x\n= 3\n= 4", "y +\nZ"]


def test_short_lines_are_no_wrapped_text() -> None:
    assert steps_of("Look for green.\nfork: no\nshoe: no\ngreen: yes, 1") == [
        "Look for green.",
        "fork: no",
        "shoe: no",
        "green: yes, 1",
    ]


def test_doubt_begins_a_step_even_in_lower_case() -> None:
    long = "the sum of the two numbers that the user gave me is 5"
    assert steps_of(f"{long}\nwait, no") == [long, "wait, no"]
    assert steps_of(f"{long}\nhmm") == [long, "hmm"]
    assert steps_of(f"{long}\nwaiter") == [f"{long}\nwaiter"]


@pytest.mark.parametrize("family", ALL_FAMILIES, ids=lambda family: family.name)
def test_what_the_built_in_model_learns_has_one_step_a_line(family: Family) -> None:
    rng = random.Random(7)
    for level in range(1, family.levels + 1):
        for _ in range(20):
            thought = family.sample(rng, level).thought
            if thought:
                assert split([thought])[0] == [line.strip() for line in thought.split("\n")]


def test_code_stays_in_one_step_with_its_introduction() -> None:
    thought = "Try this:\n\n```python\nfor x in y:\n\n    print(x)\n\nWait = 3\n```\nIt works."
    assert steps_of(thought) == [thought[: thought.rindex("\n")], "It works."]
    fenced = "Text.\n```\nA\n```\n\n```\nB\n```"
    assert steps_of(fenced) == ["Text.\n```\nA\n```", "```\nB\n```"]
    assert steps_of("A ```x``` b\nC") == ["A ```x``` b", "C"]
    assert steps_of("~~~~\n```\n\nA\n~~~~\nB") == ["~~~~\n```\n\nA\n~~~~", "B"]


def test_tables_and_display_math_stay_together() -> None:
    table = "Compare:\n| a | b |\n|---|---|\n| 1 | 2 |"
    assert steps_of(table + "\nSo b.") == [table, "So b."]
    math = "So\n$$\nA = 1\nB = 2\n$$"
    assert steps_of(math + "\nDone.") == [math, "Done."]
    assert steps_of("So\n\\[\nA\nB\n\\]\nDone.") == ["So\n\\[\nA\nB\n\\]", "Done."]
    assert steps_of("$5 each\nTwo") == ["$5 each", "Two"]


def test_math_that_is_never_closed_ends_at_a_blank_line() -> None:
    assert steps_of("$$\nA\nB\n\nC\nD") == ["$$\nA\nB", "C", "D"]


def test_a_turning_word_inside_a_long_paragraph() -> None:
    long = "This goes on " * 20 + "and ends."
    assert len(long) > LONG_STEP
    assert steps_of(long + " Wait, is it?") == [long, "Wait, is it?"]
    assert steps_of(long + ' "Alternatively," he said.') == [long + ' "Alternatively," he said.']
    assert steps_of(long + "  So be it. Sodium. Some. but") == [long, "So be it. Sodium. Some. but"]
    assert steps_of(long + " Somehow. Let me see. Letter.") == [long + " Somehow.", "Let me see. Letter."]
    assert steps_of(long + " So") == [long, "So"]
    assert steps_of("Short. Wait, no.") == ["Short. Wait, no."]
    assert steps_of(long + "。等等，不对。") == [long + "。", "等等，不对。"]
    assert steps_of(long.replace("on", "v1.5") + " But x") == [long.replace("on", "v1.5"), "But x"]


def test_no_step_is_empty() -> None:
    assert steps_of("") == []
    assert steps_of(" \n\n \n") == []
    assert steps_of("\n\n\nA\n\n \n\nB\n\n") == ["A", "B"]
    _, pieces, _ = split(["\n\n", "A"])
    assert {index for index, _ in pieces} == {1}


def test_tokens_and_seconds_add_up() -> None:
    splitter = StepSplitter(started=10.0)
    splitter.feed("One.\n", 3, 11.0)
    splitter.feed("Two is a longer step.", 5, 13.0)
    splitter.feed("\nTh", 2, 14.0)
    steps = splitter.finish(16.0)
    assert [step.text for step in steps] == ["One.", "Two is a longer step.", "Th"]
    assert sum(step.tokens for step in steps) == 10
    assert steps[0].tokens == 3
    assert sum(step.seconds for step in steps) == pytest.approx(6.0)
    assert steps[1].seconds == pytest.approx(2.0)


def test_a_whole_thought_at_once_shares_its_tokens_by_length() -> None:
    splitter = StepSplitter(started=0.0)
    splitter.feed("a" * 30 + "\n\n" + "B" * 10, 40, 4.0)
    steps = splitter.finish(4.0)
    assert [step.tokens for step in steps] == [30, 10]
    assert [step.seconds for step in steps] == pytest.approx([3.0, 1.0])


def test_tokens_without_text_go_to_the_step_that_follows() -> None:
    splitter = StepSplitter(started=0.0)
    splitter.feed("", 4, 1.0)
    splitter.feed("A", 1, 2.0)
    splitter.feed("", 2, 3.0)
    (step,) = splitter.finish(3.0)
    assert (step.tokens, step.seconds) == (7, 3.0)


def test_finish_counts_what_still_waits() -> None:
    splitter = StepSplitter()
    splitter.feed("A.\n1", 1, 0.0)
    assert [step.text for step in splitter.finish(0.0)] == ["A.", "1"]


def test_a_clock_that_goes_back_does_no_harm() -> None:
    splitter = StepSplitter(started=5.0)
    splitter.feed("A", 1, 3.0)
    (step,) = splitter.finish(2.0)
    assert step.seconds == 0.0


PARTS = ["\n", "\n\n", " ", "  ", "\t", "a", "Word", "word", ". ", ".", "!", "。", ",", ":", "- ", "1. ", "12", ")"]
PARTS += ["```", "~~~", "$$", "$", "\\[", "\\]", "\\", "| a |", "Wait", "wait", ", ", "So ", "Let me ", "let", "="]
PARTS += ["等等", "A rather long sentence that goes on and on. " * 5, "-", "*", "•", "`", '"', "\r", "\x0b", "İ"]


@given(st.lists(st.one_of(st.sampled_from(PARTS), st.text(max_size=2)), max_size=40))
def test_how_the_thought_was_cut_changes_no_step(parts: list[str]) -> None:
    text = "".join(parts)
    whole, _, _ = split([text])
    for cut in (parts, list(text)):
        texts, pieces, steps = split(cut)
        assert texts == whole
        assert "".join(piece for _, piece in pieces) == text
        assert all(step.text for step in steps)
        indexes = [index for index, _ in pieces]
        assert indexes == sorted(indexes)
        assert set(indexes) <= set(range(1, max(len(steps), 1) + 1))
        for number, step in enumerate(steps, 1):
            assert "".join(piece for index, piece in pieces if index == number).strip() == step.text
        if steps:
            assert sum(step.tokens for step in steps) == len(cut)
            assert sum(step.seconds for step in steps) == pytest.approx(len(cut))


@pytest.mark.parametrize(
    "unit", ["a", ".", ". ", "\n", "A\n", "- ", "$$", "`", "So ", ". So ", "Let ", "1", " ", "|\n"]
)
def test_hostile_thoughts_take_linear_time(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    for parts in ([text], [text[i : i + 4] for i in range(0, len(text), 4)]):
        start = time.process_time()
        split(parts)
        assert time.process_time() - start < 4.0
