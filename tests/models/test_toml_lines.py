"""The lines of keys: every way that TOML has of writing one, checked against what ``tomllib`` says there is."""

from __future__ import annotations

from typing import Any

import pytest
import tomllib

from edgemind.models.catalog import shipped_file
from edgemind.models.toml_lines import lines_of

EVERYTHING = r"""# a comment with [brackets] = "and more"
top = 1
"quoted key" = 'literal # no comment'
'single' . "dotted\u0020key" = true
date = 1979-05-27 07:32:00
many = [ # comment
  1, 2,

  [ "nested ] bracket", '''multi
line''' ],
]
inline = { a = 1, b.c = { d = "}" }, e = [1, 2] }
text = '''
[not.a.table]
a = 1
'''
escaped = QQQone "" \" two
[[neither.this]]
\\QQQ
quotes_at_the_end = QQQ ""QQQ

[table]
a = 1
[table.sub]
a = -inf
  [  table . "sub two"  ]   # spaces
  a=0x1f
[[array]]
name = "first"
[array.sub]
x = 1
[[array.more]]
y = 1
[[array.more]]
y = 2
[[array]]
name = "second"
sub.x = 2
""".replace("QQQ", '"""')


def paths(value: Any, path: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], Any]:
    """Every path in a document."""
    found = {path: value} if path else {}
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        found |= paths(item, (*path, key))
    return found


def line(of: str, after: str = "", text: str = EVERYTHING) -> int:
    start = text.index(after)
    return text.count("\n", 0, text.index(of, start)) + 1


def test_every_key_has_a_line() -> None:
    found = lines_of(EVERYTHING)
    known = paths(tomllib.loads(EVERYTHING))
    assert set(known) - set(found.of) <= {("array",), ("array", 0, "more")}
    assert set(found.of) <= set(known)
    assert not found.twice


@pytest.mark.parametrize(
    ("path", "text", "after"),
    [
        (("top",), "top = 1", ""),
        (("quoted key",), '"quoted key"', ""),
        (("single", "dotted key"), "'single'", ""),
        (("many", 1), "  1, 2", ""),
        (("many", 2), "  [ ", "  1, 2"),
        (("many", 2, 1), "  [ ", "  1, 2"),
        (("inline", "b", "c", "d"), "inline", ""),
        (("escaped",), "escaped", ""),
        (("table", "a"), "a = 1", "[table]"),
        (("table", "sub"), "[table.sub]", ""),
        (("table", "sub two", "a"), "  a=0x1f", ""),
        (("array", 0, "sub", "x"), "x = 1", ""),
        (("array", 0, "more", 1), "[[array.more]]", "y = 1"),
        (("array", 1), "[[array]]", "y = 2"),
        (("array", 1, "sub", "x"), "sub.x = 2", ""),
    ],
)
def test_the_line_is_the_right_one(path: tuple[str | int, ...], text: str, after: str) -> None:
    assert lines_of(EVERYTHING).of[path] == line(text, after)


def test_windows_line_ends_and_none_at_the_end() -> None:
    found = lines_of(EVERYTHING.replace("\n", "\r\n").removesuffix("\r\n"))
    assert found.of == lines_of(EVERYTHING).of


def test_what_is_not_written_has_the_line_of_what_is_around_it() -> None:
    found = lines_of(EVERYTHING)
    assert found.find(("array", 1, "missing", 3)) == line("[[array]]", "y = 2")
    assert found.find(("nothing",), 7) == 7


def test_keys_that_stand_there_twice() -> None:
    found = lines_of('a = 1\n[t]\nx = [\n1]\n"x" = 2\n[t]\n[[m]]\nk.l = 1\nk.l = 2\n[[m]]\nk.l = 3\n')
    assert found.twice == [("x", 5, 3), ("t", 6, 2), ("l", 9, 8)]


@pytest.mark.parametrize(
    "text",
    [
        "a = ",
        "= 1",
        "a",
        "[",
        "[[a]",
        "a = [1 2]",
        'a = "open',
        "a = '''open",
        "a = {b 1}",
        "a b = 1",
        "a = 1 2",
        "\x00",
        "a.=1",
    ],
)
def test_no_toml_keeps_what_came_before(text: str) -> None:
    assert lines_of(f"first = 1\n{text}\n").of[("first",)] == 1


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 200_000, "a = " + "{a=" * 100_000, 'a = """' + '"\\"' * 200_000, "a = " + "'" * 500_000]
)
def test_hostile_texts_end_soon(text: str) -> None:
    assert lines_of(text).of


def test_the_file_that_ships() -> None:
    text = shipped_file().read_text(encoding="utf-8")
    found = lines_of(text)
    rows = text.splitlines()
    for path in paths(tomllib.loads(text)):
        if isinstance(path[-1], str) and len(path) > 2:
            assert path[-1] in rows[found.of[path] - 1], path
