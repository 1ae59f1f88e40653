"""Every place that an answer names is checked: shown, there, or made up."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_repositories import workspace

from edgemind.coder.asking import citations
from edgemind.coder.context_types import Context
from edgemind.coder.types import EditState

FILES: dict[str, str | bytes] = {
    "src/app.py": "line\n" * 30,
    "src/other.py": "line\n" * 5,
    "lib/other.py": "line\n" * 9,
    "Makefile": "all:\n\ttrue\n",
    "a dir/x.go": "package a\n",
    "app/[id]/page.tsx": "x\n",
}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It is in src/app.py:12.", [("src/app.py", 12, 12, "shown")]),
        ("It is in src/app.py:12-14, see there", [("src/app.py", 12, 14, "shown")]),
        ("`src/app.py`:12 and **src/app.py**:13", [("src/app.py", 12, 12, "shown"), ("src/app.py", 13, 13, "shown")]),
        ("(./src/app.py:20-30)", [("src/app.py", 20, 30, "exists")]),
        ("src/app.py:19-21", [("src/app.py", 19, 21, "exists")]),
        ("src/app.py:31", [("src/app.py", 31, 31, "wrong")]),
        ("src/app.py:0", [("src/app.py", 0, 0, "wrong")]),
        ("src/app.py:14-12", [("src/app.py", 14, 12, "wrong")]),
        ("src/app.py:1-999999999", [("src/app.py", 1, 999_999_999, "wrong")]),
        ("app.py:12", [("src/app.py", 12, 12, "shown")]),
        ("other.py:3", [("other.py", 3, 3, "wrong")]),
        ("lib/other.py#L3-L5", [("lib/other.py", 3, 5, "exists")]),
        ("src/app.py, lines 12 to 13", [("src/app.py", 12, 13, "shown")]),
        ("src/app.py (line 12)", [("src/app.py", 12, 12, "shown")]),
        ("Makefile:2", [("Makefile", 2, 2, "exists")]),
        ("src/gone.py:3", [("src/gone.py", 3, 3, "wrong")]),
        ("../../etc/passwd:1", [("../../etc/passwd", 1, 1, "wrong")]),
        ("at 12:30 on localhost:8080 with ratio 3:4 and http://host.example:80/x", []),
        ("src/app.py:12 src/app.py:12", [("src/app.py", 12, 12, "shown")]),
        (
            "src\\app.py:12 and C:\\proj\\src\\app.py:13",
            [("src/app.py", 12, 12, "shown"), ("src/app.py", 13, 13, "shown")],
        ),
        ("src/app.py:12: error", [("src/app.py", 12, 12, "shown")]),
        ("src/app.py:12:5 and src/app.py:13:5-9", [("src/app.py", 12, 12, "shown"), ("src/app.py", 13, 13, "shown")]),
        ("src/app.py:12,14-15", [("src/app.py", 12, 12, "shown"), ("src/app.py", 14, 15, "shown")]),
        ("src/app.py, lines 3 and 12", [("src/app.py", 3, 3, "exists"), ("src/app.py", 12, 12, "shown")]),
        ("src/app.py:L12-L14 or src/app.py#L12", [("src/app.py", 12, 14, "shown"), ("src/app.py", 12, 12, "shown")]),
        ("lines 12–14 of `src/app.py`", [("src/app.py", 12, 14, "shown")]),
        ("in src/app.py at line 12", [("src/app.py", 12, 12, "shown")]),
        ('File "src/app.py", line 12, in f', [("src/app.py", 12, 12, "shown")]),
        ("[src/app.py:12](src/app.py#L12)", [("src/app.py", 12, 12, "shown")]),
        ("```\nsrc/app.py:12\n```", [("src/app.py", 12, 12, "shown")]),
        (
            "/srv/build/src/app.py:12 and /etc/gone.py:1",
            [("src/app.py", 12, 12, "shown"), ("/etc/gone.py", 1, 1, "wrong")],
        ),
        ("see a dir/x.go:1", [("a dir/x.go", 1, 1, "exists")]),
        ("app/[id]/page.tsx:1 and app/(b)/page.tsx:1", [("app/[id]/page.tsx", 1, 1, "exists")]),
        ("docs/gone.txt:4", [("docs/gone.txt", 4, 4, "wrong")]),
        ("and/or:3, python:3.11, docker.io/library/python:3, example.com:443, git@example.com:22, self.name:1", []),
        ("https://example.com/src/app.py:12 http://x:80 ftp://[::1]:21/src/app.py:3", []),
        ("", []),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_citations_are_checked(tmp_path: Path, answer: str, expected: list[tuple[str, int, int, str]]) -> None:
    place, listing = workspace(tmp_path, FILES)
    context = Context((), EditState(), "edits", (), 0, 0, shown=(("src/app.py", 10, 14), ("src/app.py", 15, 20)))
    found = citations(answer, place, listing, context)
    assert [(one.path, one.first, one.last, one.status) for one in found] == expected
    assert all(one.text in answer for one in found)


def test_an_endless_answer_is_bounded(tmp_path: Path) -> None:
    place, listing = workspace(tmp_path, FILES)
    context = Context((), EditState(), "edits", (), 0, 0)
    assert (
        len(citations(" ".join(f"src/app.py:{number}" for number in range(1, 5_000)), place, listing, context)) == 200
    )
    assert citations("a/" * 50_000 + ":1", place, listing, context) is not None
    assert citations("a." * 50_000, place, listing, context) == ()
    for piece in ("a/", "a+", "(", "1-", "line 1 ", "./", "a:1,", "\\"):
        assert citations(piece * 50_000, place, listing, context) is not None
