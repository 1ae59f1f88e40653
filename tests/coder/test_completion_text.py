"""What of a model's text goes into a gap: places in files, ends of lines and blocks, what is there already."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemind.coder import completion_text
from edgemind.coder.completion_text import Lines, end_of, fitted, split_at
from edgemind.errors import BadInput


def completed(prefix: str, text: str, suffix: str = "", lines: Lines = "block") -> str:
    """What remains of a text that goes on for ever, written one character at a time."""
    end = next(
        (end for cut in range(1, len(text) + 1) if (end := end_of(text[:cut], prefix, suffix, lines)) is not None), None
    )
    return fitted(text if end is None else text[:end], prefix, suffix)


def test_a_place_without_a_column_is_the_end_of_the_line() -> None:
    assert split_at("ab\ncd\nef", 2, None, "f") == ("ab\ncd", "\nef")


def test_columns_count_from_1_in_characters() -> None:
    assert split_at("äö\n", 1, 1, "f") == ("", "äö\n")
    assert split_at("äö\n", 1, 2, "f") == ("ä", "ö\n")
    assert split_at("äö\n", 1, 3, "f") == ("äö", "\n")


def test_an_empty_file_has_one_place() -> None:
    assert split_at("", 1, None, "f") == ("", "")
    assert split_at("", 1, 1, "f") == ("", "")


def test_windows_line_ends_are_one_character() -> None:
    assert split_at("ab\r\ncd\r\n", 2, 1, "f") == ("ab\n", "cd\n")


@pytest.mark.parametrize(
    ("line", "column", "said"),
    [
        (0, None, "a.py has 2 lines, so there is no line 0."),
        (4, None, "a.py has 2 lines, so there is no line 4."),
        (1, 0, "Line 1 of a.py has 3 characters, so there is no column 0."),
        (1, 5, "Line 1 of a.py has 3 characters, so there is no column 5."),
    ],
)
def test_a_place_that_is_not_there_is_told_with_the_numbers(line: int, column: int | None, said: str) -> None:
    with pytest.raises(BadInput) as raised:
        split_at("abc\nd\n", line, column, "a.py")
    assert raised.value.message == said
    assert raised.value.hint.startswith("Try a.py:")


@given(st.text("ab\n", max_size=20), st.data())
def test_both_sides_together_are_the_text(text: str, data: st.DataObject) -> None:
    lines = text.split("\n")
    line = data.draw(st.integers(1, len(lines)))
    column = data.draw(st.none() | st.integers(1, len(lines[line - 1]) + 1))
    assert "".join(split_at(text, line, column, "f")) == text


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "wanted"),
    [
        ("x = ", "1\ny = 2\n", "\n", "1"),
        ("def f(x):", "\n    return x\n\n\ndef g", "\n", "\n    return x"),
        ("", "\n\nimport os\nimport sys\n", "", "\n\nimport os"),
        ("foo(", "a, b)\nbar", ")\n", "a, b"),
        ("foo(bar(", "a)\nbaz", ")\n", "a)"),
        ("    baz", " + 1)\n", ")\n", " + 1"),
        ("x = ", "a + 1\n", " + 1\n", "a"),
        ("if ", "a == b:\n    c", ":\n", "a == b"),
        ("x = f(", "1)\n", ");\n", "1"),
        ("x = f(", "1);\n", ");\n", "1"),
        ("say('", "hello'\n", "');\n", "hello"),
        ("say('", "hello')\n", "')\n", "hello"),
        ("x = ", "\n1", "  # the number\n", ""),
    ],
)
def test_one_line(prefix: str, text: str, suffix: str, wanted: str) -> None:
    assert completed(prefix, text, suffix, "one") == wanted


PYTHON_BODY = "\n    if x:\n        return 1\n\n    return 2\n\n\ndef g():\n    pass\n"


@pytest.mark.parametrize(
    ("prefix", "text", "suffix", "wanted"),
    [
        ("def f(x):", PYTHON_BODY, "\n", "\n    if x:\n        return 1\n\n    return 2"),
        ("def f(x):\n    ", "y = x\n    return y\n\n    # more\n    z = 1\n", "\n", "y = x\n    return y"),
        ("def f(x):\n    ", "y = x\n    return y\nprint(f(1))\n", "\n", "y = x\n    return y"),
        ("", "def f():\n    return 1\n\ndef g():\n    return 2\n", "", "def f():\n    return 1"),
        ("x = fo", "o(1)\ny = 2\n", "\n", "o(1)"),
        ("int f() {", "\n    return 1;\n}\n\nint g() {\n", "", "\n    return 1;\n}"),
        ("int f() {", "\n    return 1;\n}\n\nint g() {\n", "\n}\n", "\n    return 1;"),
        ("class A {\n  int f() {", "\n    return 1;\n  }\n}\n", "\n}\n", "\n    return 1;\n  }"),
        ("foo(\n    a,\n    ", "b,\n    c)\nbar()\n", "", "b,\n    c)"),
        ("foo(\n    a,\n    ", "b,\n    c)\nbar()\n", "\n)\n", "b,\n    c"),
        ("foo(\n    a,\n    ", "b,\n)\nbar()\n", "\n)\n", "b,"),
        ("x = [", "1, 2, 3]\ny", "]\n", "1, 2, 3"),
        ("x = [", "\n    1,\n    2,\n]\ny = 1\n", "\n", "\n    1,\n    2,\n]"),
        ("print(f(", "')', 1)\n", ")\n", "')', 1)"),
        ("    x = 1\n    ", "y = 2\n    return x\n    z = 3\n", "\n    return x\n", "y = 2"),
        ("a = ", "b and c\nmore\n", " and c\n", "b"),
        # the editor has closed the bracket already
        ("f() {", "\n  return 1;\n}\n\ng() {\n", "}\n", "\n  return 1;\n"),
        ("  x = {", "\n    1,\n  };\n  y\n", "};\n", "\n    1,\n  "),
        ("} catch (e) {", "\n  log(e);\n}\nmore();\n", "\n", "\n  log(e);\n}"),
        ("  self.equal(str(", "x.y),\n    z)\n", "),\n    z)\n", "x.y"),
        # several paragraphs, up to the end of the body
        ("def f():\n    ", "a = 1\n\n    return a\n\ndef g():\n", "\n\n\nx = 1\n", "a = 1\n\n    return a"),
        ("def f():\n    ", "return 1\n    return 1\n", "\n", "return 1"),
        ("def f():\n    ", "if x:\n        yy()\n    zz()\n", "\n        yy()\n", "if x:"),
        # at the end of a line that says all it has to say
        ("    x = 1", "\n    y = 2\n    z = 3\n", "\n    z = 3\n", "\n    y = 2"),
        # what stands below
        ("    ", "return 1\n", "\n    return 1\n", ""),
        ("    the end", ' of it.\n    """\n    x()\n', '\n    """\n    x()\n', " of it."),
        ("  }\n  ", "}\n", "\n}\n", "}"),
        # the same again and again
        ("", "a1()\na1()\na1()\na1()\n", "", "a1()"),
        ("", "a1()\nb1()\na1()\nb1()\na1()\n", "", "a1()\nb1()"),
        # an apostrophe that is no quote
        ("fn a<'a>(x: &'a str) {", "\n    x\n}\n\nfn b() {\n", "\n", "\n    x\n}"),
    ],
)
def test_a_block(prefix: str, text: str, suffix: str, wanted: str) -> None:
    assert completed(prefix, text, suffix) == wanted


@given(st.text("a (){}[]\n'\"", max_size=40), st.text("a ({\n", max_size=15), st.text("a )}\n", max_size=15))
def test_what_remains_is_the_beginning_of_what_was_written(text: str, prefix: str, suffix: str) -> None:
    for lines in ("one", "block"):
        end = end_of(text, prefix, suffix, lines)
        assert end is None or 0 <= end <= len(text)
        whole = text if end is None else text[:end]
        assert whole.startswith(fitted(whole, prefix, suffix))


@given(st.text("a (){}[]\n'\"", max_size=40), st.text("a ({\n", max_size=15), st.text("a )}\n", max_size=15))
def test_an_end_that_was_found_stays_where_it_is(text: str, prefix: str, suffix: str) -> None:
    for lines in ("one", "block"):
        ends = [end_of(text[:cut], prefix, suffix, lines) for cut in range(len(text) + 1)]
        found = [end for end in ends if end is not None]
        assert found == [] or ends[-1] is not None


@pytest.mark.parametrize("lines", ["one", "block"])
@pytest.mark.parametrize("prefix", ["", "def f():\n    ", "x = f("])
def test_blank_lines_without_end_are_ended(prefix: str, lines: Lines) -> None:
    assert end_of("\n" * 6, prefix, "", lines) == 0
    assert completed(prefix, "\n" * 99 + "x1()\n", "", lines) == ""


def test_three_blank_lines_belong_to_a_block_and_more_do_not() -> None:
    assert completed("def f():\n    ", "a1()\n\n\n\n    b1()\n\n\n\n\n    c1()\n") == "a1()\n\n\n\n    b1()"


@pytest.mark.parametrize("lines", [["ab", *["}"] * 600], [f"line {number}" for number in range(600)]])
def test_looking_for_what_is_said_again_takes_a_few_looks_a_line(lines: list[str]) -> None:
    """It is done at every token."""
    looks = 0

    class Line(str):
        def __eq__(self, other: object) -> bool:
            nonlocal looks
            looks += 1
            return str.__eq__(self, other)

        def __ne__(self, other: object) -> bool:
            return not self == other

        __hash__ = str.__hash__

    assert completion_text._repeated([Line(line) for line in lines], "") is None
    assert looks <= completion_text._MOST_REPEATED * len(lines)
