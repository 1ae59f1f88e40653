"""Tables on wide and narrow screens and in pipes; bars."""

from __future__ import annotations

import io
import sys

import pytest

from edgemind.cli.bar import Bar, progress_line
from edgemind.cli.table import Column, facts, note, screen_width, table

from .conftest import Screen

COLUMNS = (
    Column("NAME"),
    Column("SIZE", right=True, rank=1),
    Column("SOURCE", shrinks=True, rank=2),
    Column("ALIASES", rank=3),
)
ROWS = [["qwen3-0.6b", "639.4 MB", "Qwen/Qwen3-0.6B-GGUF", "q"], ["tiny", "17 bytes", "made here", ""]]


def test_a_pipe_gets_everything() -> None:
    assert table(COLUMNS, ROWS, None).splitlines() == [
        "NAME            SIZE  SOURCE                ALIASES",
        "qwen3-0.6b  639.4 MB  Qwen/Qwen3-0.6B-GGUF  q",
        "tiny        17 bytes  made here",
    ]


@pytest.mark.parametrize("width", range(22, 60))
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    lines = table(COLUMNS, ROWS, width).splitlines()
    assert max(len(line) for line in lines) <= width
    assert lines[1].startswith("qwen3-0.6b  639.4 MB")


def test_a_narrow_screen_cuts_what_may_be_cut_then_drops_the_least_important() -> None:
    assert "Qwen/Qwen…" in table(COLUMNS, ROWS, 41)
    assert "ALIASES" in table(COLUMNS, ROWS, 41)
    assert "ALIASES" not in table(COLUMNS, ROWS, 36)
    assert table(COLUMNS, ROWS, 12).splitlines()[1] == "qwen3-0.6b"


def test_an_empty_column_is_left_out() -> None:
    assert "ALIASES" not in table(COLUMNS, [["a", "1", "b", ""]], None)
    assert table(COLUMNS, [], None) == "NAME  SIZE  SOURCE  ALIASES\n"


def test_cells_are_cleaned_and_measured_as_they_are_shown() -> None:
    hostile = table(COLUMNS, [["a\x1b[2J\nb", "1", "\u202eevil", ""], ["日本", "2", "x", ""]], None)
    assert "\x1b" not in hostile
    assert "\u202e" not in hostile
    assert len(hostile.splitlines()) == 3
    rows = hostile.splitlines()
    assert rows[1].index("1") == rows[2].index("2") + 2  # two characters that take two columns each


def test_facts_go_on_below_themselves() -> None:
    text = facts([("name", "value"), ("longer", "one two three four five six"), ("gone", ""), ("", "more")], 32)
    assert text.splitlines() == ["name    value", "longer  one two three four five", "        six", "        more"]
    assert facts([("a", "word " * 40)], None).count("\n") == 1


def test_a_note_is_wrapped_for_a_screen_only() -> None:
    assert note("word " * 30, None).count("\n") == 1
    assert max(map(len, note("word " * 30, 40).splitlines())) <= 40


def test_only_a_terminal_has_a_width(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert screen_width() is None
    monkeypatch.setattr(sys, "stdout", screen.stream())
    assert screen_width() == 80


def test_a_bar_says_how_far_and_how_long() -> None:
    line = progress_line("hashing", 500_000_000, 1_000_000_000, 5.0)
    assert line == "hashing ##########----------  50 %  500.0 MB of 1.0 GB, 100.0 MB/s, 5 s left"
    assert len(progress_line("hashing", 5 * 10**8, 10**9, 5.0, columns=70)) == 70
    assert progress_line("hashing", 5 * 10**8, 10**9, 5.0, columns=20).startswith("hashing ##--  50 %")
    assert progress_line("x", 0, 0, 0.0).startswith("x ----")
    assert "100 %" in progress_line("x", 7, 7, 1.0)


def test_a_bar_is_drawn_on_a_terminal_and_taken_away(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen.stream())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("edgemind.cli.bar.DELAY", 0.0)
    with Bar("hashing\x1b[2J") as bar:
        bar(1, 2)
        bar(2, 2)
    sys.stderr.close()
    shown = screen.text()
    assert "hashing␛[2J" in shown
    assert "50 %" in shown
    assert shown.endswith("\r\x1b[2K")


def test_a_pipe_sees_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("edgemind.cli.bar.DELAY", 0.0)
    with Bar("hashing") as bar:
        bar(1, 2)
    assert stream.getvalue() == ""
