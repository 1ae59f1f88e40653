"""Definitions and references in many languages, read by the jailed children; hostile files cost themselves only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_repositories import SOURCES

from edgemind.coder import parsers as parsers_module
from edgemind.coder.languages import language_of
from edgemind.coder.parsers import Parsers

ROOT = Path(__file__).parent.parent.parent

HOSTILE = {
    "brackets": ("shapes.py", b"(" * 100_000),
    "types": ("Shapes.java", b"List<" * 40_000),
    "generics": ("Shapes.cs", b"a<" * 50_000),
    "comments": ("Shapes.kt", b"/*" * 100_000),
    "sum": ("shapes.pl", b"x=" + b"1+" * 60_000),
    "items": ("shapes.yaml", b"- " * 50_000),
    "one-line": ("shapes.js", b"function a(b){return b+1;}" * 10_000),
    "binary": ("shapes.py", bytes(range(256)) * 2_000),
    "not-utf-8": ("shapes.py", b"def caf\xe9(x):\n    return x\n" + b"\xff\xfe" * 1_000),
    "indents": ("shapes.py", b"".join(b" " * depth + b"if x:\n" for depth in range(500))),
    "tags": ("shapes.html", b"<a>" * 50_000),
    "nul": ("shapes.c", b"\0" * 100_000),
}


@pytest.fixture(scope="module")
def parsers() -> Iterator[Parsers]:
    found = Parsers(1)
    yield found
    found.close()


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_definitions_are_found_with_their_lines(parsers: Parsers, name: str) -> None:
    text, expected = SOURCES[name]
    outline = parsers.outline(language_of(name), text.encode())
    assert outline.problem == ""
    lines: dict[str, int] = {}
    for one in outline.definitions:
        lines.setdefault(one.name, one.first)
        assert one.first <= one.last <= text.count("\n")
        assert one.name in one.signature
        assert "\n" not in one.signature
    assert {found: lines.get(found) for found in expected} == expected


def test_a_signature_goes_up_to_the_body(parsers: Parsers) -> None:
    text, _ = SOURCES["shapes.py"]
    outline = parsers.outline("python", text.encode())
    signatures = {one.name: (one.signature, one.level) for one in outline.definitions}
    assert signatures["draw"] == ("async def draw( shape: Shape, *, width: int, ) -> None:", 0)
    assert signatures["area"] == ("def area(self, scale: float = 1) -> float:", 1)


def test_references_are_not_taken_from_comments_and_strings(parsers: Parsers) -> None:
    outline = parsers.outline("python", b'# alpha\nx = \'beta\'\ngamma(delta)\n"""epsilon"""\n')
    assert set(outline.references) == {"gamma", "delta"}


def test_invisible_characters_are_not_in_signatures(parsers: Parsers) -> None:
    outline = parsers.outline("python", "def f(a, b='\u202e\x1b[2J'):\n    pass\n".encode())
    assert [one.signature for one in outline.definitions] == ["def f(a, b='[2J'):"]


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_a_hostile_file_costs_a_few_seconds_at_most(parsers: Parsers, name: str) -> None:
    path, data = HOSTILE[name]
    began = time.monotonic()
    outline = parsers.outline(language_of(path), data)
    parsers.problems(language_of(path) or "", data)
    assert time.monotonic() - began < 4 * parsers_module.ANSWER_SECONDS
    assert outline.problem in ("", "it takes too long to parse", "its parser stopped", "it defines too much")
    good = parsers.outline("python", b"def f():\n    pass\n")
    assert [one.name for one in good.definitions] == ["f"]


def test_a_parser_that_is_killed_is_started_anew(parsers: Parsers) -> None:
    assert parsers.outline("python", b"def f(): pass\n").definitions
    parsers._idle[0]._process.kill()
    parsers._idle[0]._process.wait()
    lost = parsers.outline("python", b"def g(): pass\n")
    assert (lost.problem, [one.name for one in lost.definitions]) == ("its parser stopped", ["g"])
    assert parsers.outline("python", b"def h(): pass\n").problem == ""


def test_every_definition_of_this_repository_is_where_it_says(parsers: Parsers) -> None:
    files = sorted((ROOT / "edgemind" / "engine").glob("*.py"))
    for file in files:
        data = file.read_bytes()
        lines = data.decode().splitlines()
        outline = parsers.outline("python", data)
        assert outline.problem == ""
        assert outline.definitions or file.name == "__init__.py"
        for one in outline.definitions:
            assert one.name in lines[one.first - 1]


@pytest.mark.parametrize(
    ("path", "first_line", "expected"),
    [
        ("a/b.py", b"", "python"),
        ("A.PY", b"", "python"),
        ("Makefile", b"", "make"),
        ("Dockerfile.dev", b"", "dockerfile"),
        ("run", b"#!/usr/bin/env python3", "python"),
        ("run", b"#!/bin/sh -e", "bash"),
        ("run", b"#!/usr/bin/env -S node --x", "javascript"),
        ("run", b"words", None),
        ("notes.xyz", b"#!/bin/sh", None),
        (".bashrc", b"", "bash"),
        ("py", b"", None),
    ],
    ids=lambda value: repr(value),
)
def test_languages_are_known_by_name_or_first_line(path: str, first_line: bytes, expected: str | None) -> None:
    assert language_of(path, first_line) == expected
