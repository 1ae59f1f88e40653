"""How much text around a cursor a model is given."""

from __future__ import annotations

from edgemind.coder.completing import (
    MOST_AFTER,
    MOST_BEFORE,
    STEP,
    Completing,
    Gap,
    shortened_after,
    shortened_before,
)


def test_a_short_text_stays_whole() -> None:
    assert shortened_before("x" * MOST_BEFORE) == "x" * MOST_BEFORE
    assert shortened_after("x" * MOST_AFTER) == "x" * MOST_AFTER


def test_a_long_text_begins_and_ends_with_a_line() -> None:
    text = "".join(f"line {number}\n" for number in range(5000))
    before, after = shortened_before(text), shortened_after(text)
    assert text.endswith(before)
    assert text.startswith(after)
    assert before.startswith("line ")
    assert after.endswith("\n")
    assert MOST_BEFORE - 2 * STEP < len(before) <= MOST_BEFORE
    assert MOST_AFTER // 2 < len(after) <= MOST_AFTER


def test_one_endless_line_is_cut_all_the_same() -> None:
    assert MOST_BEFORE - STEP < len(shortened_before("x" * 1_000_000)) <= MOST_BEFORE
    assert len(shortened_after("x" * 1_000_000)) == MOST_AFTER


def test_while_somebody_types_the_beginning_seldom_moves() -> None:
    text = "".join(f"line {number}\n" for number in range(2000))
    beginnings = {shortened_before(text[:length])[:200] for length in range(15_000, 15_000 + STEP)}
    assert len(beginnings) <= 2


def test_one_that_was_cancelled_before_it_began_asks_nobody() -> None:
    completing = Completing(None, Gap("", ""))  # type: ignore[arg-type]
    completing.cancel()
    assert completing.run().stop == "cancelled"
