"""Text of files as lines: what no edit touches stays, byte for byte."""

from __future__ import annotations

import codecs
import difflib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemind.coder.file_text import MOST_COMPARED, FileText, new_text, visible, with_edits
from edgemind.coder.problems import UnreadableText
from edgemind.coder.types import Create, Delete, Edit, Insert, Replace, Whole

KINDS = {
    "plain": b"a\nb\nc\n",
    "no-final-newline": b"a\nb\nc",
    "crlf": b"a\r\nb\r\nc\r\n",
    "mixed": b"a\r\nb\nc\r\n",
    "old-mac": b"a\rb\rc\r",
    "lone-cr": b"a\rb\nc\n",
    "bom": codecs.BOM_UTF8 + "ä\nb\n".encode(),
    "utf-16-le": codecs.BOM_UTF16_LE + "ä\r\nb\r\n".encode("utf-16-le"),
    "utf-16-be": codecs.BOM_UTF16_BE + "ä\nb".encode("utf-16-be"),
    "utf-16-lone": codecs.BOM_UTF16_LE + b"\x00\xd8a\x00\n\x00",
    "latin-1": b"caf\xe9\nb\n",
    "form-feed": b"a\x0cb\x0b\x85\n\xe2\x80\xa8b\n",
    "only-newlines": b"\n\n\n",
    "empty": b"",
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_reading_and_writing_changes_nothing(kind: str) -> None:
    assert FileText.read(KINDS[kind]).encode() == KINDS[kind]
    assert with_edits(FileText.read(KINDS[kind]), []) == KINDS[kind]


@given(st.binary(max_size=200))
def test_any_bytes_come_back_or_are_no_text(data: bytes) -> None:
    try:
        text = FileText.read(data)
    except UnreadableText:
        return
    assert text.encode() == data
    shown = tuple(visible(line)[0] for line in text.lines)
    assert with_edits(text, [Whole("x", shown)]) == data
    assert with_edits(text, [Replace("x", at, at, (line,)) for at, line in enumerate(shown, 1)]) == data
    for at, line in enumerate(shown, 1):
        changed = FileText.read(with_edits(text, [Replace("x", at, at, (f"{line}#",))]))
        assert (changed.lines[: at - 1], changed.lines[at:]) == (text.lines[: at - 1], text.lines[at:])
        if len(line) > 3:
            assert changed.lines[at - 1].replace("#", "") == text.lines[at - 1].replace("#", "")


@pytest.mark.parametrize(
    "data", [b"a\0b", b"\x7fELF\0\0", codecs.BOM_UTF16_LE + b"a", codecs.BOM_UTF16_LE + b"a\0\0\0"]
)
def test_binary_files_are_no_text(data: bytes) -> None:
    with pytest.raises(UnreadableText):
        FileText.read(data)


FAMILY = "👨\u200d👩\u200d👧"

EDITS: dict[str, tuple[bytes, Sequence[Edit], bytes]] = {
    "replace": (b"a\nb\nc\n", [Replace("x", 2, 2, ("B", "BB"))], b"a\nB\nBB\nc\n"),
    "insert-top": (b"a\n", [Insert("x", 0, ("z",))], b"z\na\n"),
    "insert-end-unended": (b"a", [Insert("x", 1, ("b",))], b"a\nb"),
    "insert-into-empty": (b"", [Insert("x", 0, ("b",))], b"b\n"),
    "delete-last-unended": (b"a\nb", [Delete("x", 2, 2)], b"a"),
    "delete-all": (b"a\nb", [Delete("x", 1, 2)], b""),
    "crlf-kept": (b"a\r\nb\r\n", [Replace("x", 1, 1, ("A", "AA"))], b"A\r\nAA\r\nb\r\n"),
    "mixed-kept": (b"a\r\nb\nc\r\n", [Replace("x", 2, 2, ("B",))], b"a\r\nB\nc\r\n"),
    "usual-end-for-new": (b"a\r\nb\nc\r\n", [Insert("x", 2, ("n",))], b"a\r\nb\nn\r\nc\r\n"),
    "order-does-not-matter": (
        b"1\n2\n3\n4\n",
        [Delete("x", 4, 4), Insert("x", 1, ("i",)), Replace("x", 2, 2, ("two",))],
        b"1\ni\ntwo\n3\n",
    ),
    "two-inserts-in-order": (b"1\n", [Insert("x", 1, ("a",)), Insert("x", 1, ("b",))], b"1\na\nb\n"),
    "broken-bytes-stay": (b"caf\xe9 \xc3\xa9\nb\n", [Replace("x", 2, 2, ("ü",))], b"caf\xe9 \xc3\xa9\n\xc3\xbc\n"),
    "latin-1": (
        b"caf\xe9\nb\n",
        [Replace("x", 2, 2, ("ü €",)), Insert("x", 2, ("漢",))],
        b"caf\xe9\n\xfc \x80\n\xe6\xbc\xa2\n",
    ),
    "latin-1-line": (b"x = 'caf\xe9'\n", [Replace("x", 1, 1, ("y = 'caf\ufffd ü'",))], b"y = 'caf\xe9 \xfc'\n"),
    "joined-emoji": (
        f"a = '{FAMILY}'\nb\n".encode(),
        [Replace("x", 1, 2, ("# new", "a2 = 'no 👨👩👧'", "b"))],
        f"# new\na2 = 'no {FAMILY}'\nb\n".encode(),
    ),
    "hidden-at-both-ends": (
        "\u200ba = 1\u2060\nb\n".encode(),
        [Replace("x", 1, 1, ("a = 2 + 1",))],
        "\u200ba = 2 + 1\u2060\n".encode() + b"b\n",
    ),
    "hidden-in-what-goes": ("a\u200bb = 1\n".encode(), [Replace("x", 1, 1, ("b = 1",))], b"b = 1\n"),
    "repeated-in-a-part": (
        "one\r\ntwo\u200b\nthree\r\n".encode(),
        [Replace("x", 1, 3, ("zero", "one", "two", "3"))],
        "zero\r\none\r\ntwo\u200b\n3\r\n".encode(),
    ),
    "invisible-stays": ("a\u202e\nb\n".encode(), [Replace("x", 2, 2, ("c",))], "a\u202e\nc\n".encode()),
    "whole-keeps-what-was-hidden": (
        "a\u200b\r\nb\nc\n".encode(),
        [Whole("x", ("a", "B", "c"))],
        "a\u200b\r\nB\nc\n".encode(),
    ),
    "whole-keeps-final": (b"a", [Whole("x", ("b", "c"))], b"b\nc"),
    "utf-16": (
        KINDS["utf-16-le"],
        [Replace("x", 2, 2, ("c",))],
        codecs.BOM_UTF16_LE + "ä\r\nc\r\n".encode("utf-16-le"),
    ),
}


@pytest.mark.parametrize("name", sorted(EDITS))
def test_an_edit_changes_what_it_says_and_no_more(name: str) -> None:
    before, edits, after = EDITS[name]
    assert with_edits(FileText.read(before), edits) == after


@pytest.mark.parametrize("inserted", [0, 40])
def test_hidden_bytes_of_many_changed_lines_stay_for_a_bounded_price(
    inserted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0

    class Counted(difflib.SequenceMatcher[str]):
        def get_matching_blocks(self) -> list[difflib.Match]:
            nonlocal compared
            compared += len(self.a) * len(self.b)
            return super().get_matching_blocks()

    monkeypatch.setattr(difflib, "SequenceMatcher", Counted)
    before = "".join(f"    total_{at} = compute(alpha_{at}, 'caf\xe9')  # r\xe9sultat {at}\n" for at in range(400))
    after = before.replace("compute(alpha", "calculate(beta")
    top = [f"number_{at} = {at}" for at in range(inserted)]
    new = (*top, *after.replace("\xe9", "\ufffd").splitlines())
    edited = with_edits(FileText.read(before.encode("latin-1")), [Replace("x", 1, 400, new)])
    assert edited.decode("latin-1") == "".join(f"{line}\n" for line in top) + after
    assert compared <= 4 * MOST_COMPARED


@pytest.mark.parametrize(
    "edits",
    [
        [Replace("x", 1, 2, ("a",)), Replace("x", 2, 2, ("b",))],
        [Replace("x", 1, 3, ("a",)), Insert("x", 1, ("b",))],
        [Replace("x", 0, 1, ("a",))],
        [Replace("x", 3, 4, ("a",))],
        [Replace("x", 2, 1, ("a",))],
        [Insert("x", 4, ("a",))],
        [Create("x", ("a",))],
        [Insert("x", 1, ("a\nb",))],
        [Whole("x", ("a\rb",))],
        [Whole("x", ("a",)), Delete("x", 1, 1)],
    ],
    ids=lambda edits: "-".join(type(edit).__name__ for edit in edits) + str(getattr(edits[0], "first", "")),
)
def test_edits_that_make_no_sense_are_refused(edits: Sequence[Edit]) -> None:
    with pytest.raises(ValueError, match=r"line|change|created|replaced"):
        with_edits(FileText.read(b"a\nb\nc\n"), edits)


def test_a_new_file_ends_with_a_newline() -> None:
    assert new_text(["a", "", "ä"]) == "a\n\nä\n".encode()
    assert new_text([]) == b""


def test_what_is_hidden_is_taken_out_and_told() -> None:
    text, found = visible("if x:\x1b[8m\u202e\t# \u200bz\udce9é👍\ufe0f")
    assert text == "if x:[8m\t# z\N{REPLACEMENT CHARACTER}é👍\ufe0f"
    assert found == (
        "U+001B control character",
        "U+202E right-to-left override",
        "U+200B zero width space",
        "byte 0xE9",
    )
    assert visible("plain\ttext") == ("plain\ttext", ())
