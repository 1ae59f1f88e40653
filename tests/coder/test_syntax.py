"""Syntax errors are told with their place, and only those that an edit brought in."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_repositories import SOURCES

from edgemind.coder.syntax import SyntaxProblem, new_problems, problems

ROOT = Path(__file__).parent.parent.parent

BROKEN = {
    "a.py": (b"def f(:\n    return 1\n", 1),
    "a.js": (b"function f( {\n  return 1;\n}\n", 1),
    "a.go": (b"package a\n\nfunc f( {\n}\n", 3),
    "a.rs": (b"fn f() {\n    let x = ;\n}\n", 2),
    "a.c": (b"int f(void) {\n  return 1\n}\n", 2),
    "A.java": (b"class A {\n  int f() { return 1 }\n}\n", 2),
    "a.json": (b'{"a": 1,\n "b": }\n', 2),
    "a.rb": (b"def f\n  1 +\nend\n", None),
    "a.ts": (b"let x: number = ;\n", 1),
    "a.toml": (b"[a\nb = 1\n", None),
    "a.sh": (b"if true; then\n  echo 1\n", None),
}


@pytest.mark.parametrize("path", sorted(BROKEN))
def test_an_error_is_found_in_its_line(path: str) -> None:
    data, line = BROKEN[path]
    found = problems(path, data)
    assert found
    if line is not None:
        assert line in [problem.line for problem in found]
    assert all(problem.message and "\n" not in problem.message for problem in found)


@pytest.mark.parametrize("name", sorted(name for name in SOURCES if not name.endswith((".unknown", ".pl"))))
def test_correct_files_have_no_problems(name: str) -> None:
    assert problems(name, SOURCES[name][0].encode()) == []


def test_this_repository_has_no_problems() -> None:
    files = [file for folder in ("edgemind/coder", "edgemind/engine") for file in (ROOT / folder).glob("*.py")]
    assert {
        file.name: problems(file.name, file.read_bytes()) for file in files if problems(file.name, file.read_bytes())
    } == {}


@pytest.mark.parametrize("path", ["notes.md", "notes.txt", "picture.xyz", "noname"])
def test_what_has_no_grammar_has_no_problems(path: str) -> None:
    assert problems(path, b"(((( not code") == []


def test_only_new_problems_count() -> None:
    before = b"x = = 1\n\n\ndef g():\n    return 1\n"
    assert len(problems("a.py", before)) == 1
    assert new_problems("a.py", before, b"# one more line\n" + before) == []
    after = before + b"\n\ny = * = 2\n"
    assert [problem.line for problem in new_problems("a.py", before, after)] == [8]
    assert new_problems("a.py", None, b"x = 1\n") == []
    assert new_problems("a.py", before, None) == []


def test_columns_count_characters() -> None:
    assert problems("a.json", '{"ä": }'.encode()) == [SyntaxProblem(1, 6, "number is missing here")]
