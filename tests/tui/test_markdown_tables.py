"""Tables fit: natural widths, wrapped cells, rows as lists; and they stay calm while rows come."""

from __future__ import annotations

import pytest

from edgemind.tui.widgets.markdown.document import Document
from edgemind.tui.widgets.markdown.lines import width_of

TABLE = "| Name | Value | Text |\n|:-----|------:|:---:|\n| a | 1 | short |\n| b `c` | 22 | **much** longer |\n"
WIDE = (
    "| City | Country | Remarks |\n|---|---|---|\n"
    "| Paris | France | The capital, on the Seine, with more museums than anybody could see in a week of walking |\n"
    "| 東京 | Japan | The capital, and the largest urban area of the world by most counts that have been made |\n"
)


def drawn(text: str, width: int, *, finished: bool = True) -> list[str]:
    document = Document(text, finished=finished)
    document.layout(width)
    return ["".join(piece.text for piece in document.line(n).pieces) for n in range(document.height)]


def test_a_small_table_is_as_wide_as_it_needs_and_aligned() -> None:
    assert drawn(TABLE, 80) == [
        "Name │ Value │    Text    ",
        "─────┼───────┼────────────",
        "a    │     1 │    short   ",
        "b c  │    22 │ much longer",
    ]


def test_a_wide_table_wraps_its_cells_and_parts_its_rows() -> None:
    lines = drawn(WIDE, 60)
    assert all(width_of(line) <= 60 for line in lines)
    assert sum("┄┼┄" in line for line in lines) == 1
    assert {line.index("│") for line in lines if line.isascii() is False and "│" in line and "東" not in line} == {6}
    assert any("with more" in line for line in lines)


def test_a_table_with_more_columns_than_can_be_read_becomes_a_list_of_rows() -> None:
    names = [f"column{n}" for n in range(9)]
    text = f"|{'|'.join(names)}|\n|{'---|' * 9}\n|{'|'.join('value ' + str(n) for n in range(9))}|\n"
    lines = drawn(text, 40)
    assert lines[:2] == ["column0: value 0", "column1: value 1"]


@pytest.mark.parametrize("width", [10, 25, 40, 80, 200])
def test_no_line_of_a_table_is_wider_than_the_screen(width: int) -> None:
    for end in range(0, len(WIDE), 7):
        assert all(width_of(line) <= width for line in drawn(WIDE[:end], width, finished=False))


def test_a_first_line_between_bars_is_shown_as_a_head_at_once() -> None:
    assert drawn("| Name | Val", 80, finished=False)[0] == "Name │ Val"
    assert drawn("| Name | Value |\n|--", 80, finished=False)[0] == "Name │ Value"
    assert drawn("| not a table\n\nafter", 80)[0] == "| not a table"


def test_a_full_table_keeps_its_columns_while_rows_come() -> None:
    document = Document(WIDE, finished=False)
    widths = set()
    for number in range(60):
        document.feed(f"| City {number} | Country | Remarks that are as long as those above, and a little more |\n")
        document.layout(60)
        line = "".join(piece.text for piece in document.line(1).pieces)
        widths.add(line)
    assert len(widths) <= 6


def test_rows_with_too_few_or_too_many_cells_and_escaped_bars() -> None:
    assert drawn("|a|b|\n|-|-|\n|x|\n|1|2|3|\n|p\\|q|r|", 40)[2:] == ["x   │  ", "1   │ 2", "p|q │ r"]
