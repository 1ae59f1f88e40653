"""Changes as diffs for people."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgemind.coder.diffing import as_text, diff
from edgemind.coder.types import FileChange


@pytest.mark.parametrize(
    ("before", "after", "kind", "counts"),
    [
        (None, b"a\nb\n", "new", (2, 0)),
        (b"a\nb\n", None, "deleted", (0, 2)),
        (b"a\nb\nc\n", b"a\nB\nc\n", "changed", (1, 1)),
    ],
    ids=["new", "deleted", "changed"],
)
def test_a_diff_applies_with_git(
    tmp_path: Path, before: bytes | None, after: bytes | None, kind: str, counts: tuple[int, int]
) -> None:
    one = diff(FileChange("f.txt", before, after, None))
    assert (one.kind, (one.added, one.removed)) == (kind, counts)
    file = tmp_path / "f.txt"
    if before is not None:
        file.write_bytes(before)
    subprocess.run(["git", "apply", "-"], input=as_text([one]).encode(), cwd=tmp_path, check=True)
    assert (file.read_bytes() if file.exists() else None) == after


def test_what_cannot_be_seen_is_shown() -> None:
    one = diff(FileChange("f.py", b"a = 1\n", "a = 1 \u202e\x1b[2J\n".encode(), None))
    text = "\n".join(one.lines)
    assert "<U+202E>" in text
    assert "\x1b" not in text


def test_a_line_end_that_differs_is_seen() -> None:
    assert any("␍" in line for line in diff(FileChange("f", b"a\nb\nc\n", b"a\nb\r\nc\n", None)).lines)
    one = diff(FileChange("f", b"a\nb\n", b"a\nb\r\n\xe2\x90\x89\n", None))
    assert one.lines[1:] == (" a", "-b", "+b␍␊", "+␉")
    assert any("no newline" in line for line in diff(FileChange("f", b"a\n", b"a", None)).lines)
