"""Changes as diffs for people."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgemind.coder.diffing import as_text, diff
from edgemind.coder.file_text import FileText
from edgemind.coder.patches.reading import read_patch
from edgemind.coder.patches.tree import Tree
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


SIDES = {
    "CRLF": (b"a\r\nb\r\n", b"a\r\nB\r\n"),
    "no final newline": (b"a\nb\nc", b"A\nb\nc"),
    "a final newline more": (b"a\nb", b"a\nb\n"),
    "a final newline less": (b"a\nb\n", b"a\nb"),
    "one line": (b"a", b"b"),
    "a mark at the beginning": (b"\xef\xbb\xbfa\nb\n", b"\xef\xbb\xbfA\nb\n"),
    "no UTF-8": (b"caf\xe9\nb\n", b"caf\xe9\nB\n"),
    "controls": (b"a\x1b[0m\nb\rc\n", b"a\x1b[1m\nb\rd\n"),
    "other separators": ("a\u2028b\x0cc\nd\n".encode(), "a\u2028b\x0cC\nd\n".encode()),
    "an empty new file": (None, b""),
    "an empty file that goes": (b"", None),
    "emptied": (b"a\n", b""),
}


@pytest.mark.parametrize("path", ["my file.txt", 'a/q"uote \u65e5.txt'])
@pytest.mark.parametrize("name", SIDES)
def test_a_patch_is_what_git_makes_of_it(tmp_path: Path, name: str, path: str) -> None:
    before, after = SIDES[name]
    file = tmp_path / path
    file.parent.mkdir(exist_ok=True)
    if before is not None:
        file.write_bytes(before)
    patch = as_text([diff(FileChange(path, before, after, None))])
    subprocess.run(["git", "apply", "-"], input=patch.encode("utf-8", "surrogateescape"), cwd=tmp_path, check=True)
    assert (file.read_bytes() if file.exists() else None) == after
    there = Tree.of({} if before is None else {path: FileText.read(before)})
    assert [change.after for change in read_patch(patch, there)] == [after]


@pytest.mark.parametrize(
    "path", ['back\\slash and \\"both\\".txt', "tab\tand\nline.txt"], ids=["backslash", "controls"]
)
def test_git_finds_a_file_by_an_odd_name(tmp_path: Path, path: str) -> None:
    (tmp_path / path).write_bytes(b"a\n")
    patch = as_text([diff(FileChange(path, b"a\n", b"b\n", None))])
    subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=tmp_path, check=True)
    assert (tmp_path / path).read_bytes() == b"b\n"


@pytest.mark.parametrize(("mode", "said"), [(0o755, "(executable)"), (0o644, "(not executable)")])
def test_the_executable_bit_is_shown(tmp_path: Path, mode: int, said: str) -> None:
    one = diff(FileChange("run.sh", b"a\n", b"a\n", mode))
    assert one.lines == (said,)
    file = tmp_path / "run.sh"
    file.write_bytes(b"a\n")
    file.chmod(0o755 if mode == 0o644 else 0o644)
    subprocess.run(["git", "apply", "-"], input=as_text([one]).encode(), cwd=tmp_path, check=True)
    assert file.stat().st_mode & 0o777 == mode
