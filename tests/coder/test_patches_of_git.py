"""What git and diff print makes of a folder what they compared it with, to the byte and to the executable bit."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgemind.coder.file_text import FileText
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.reading import read_patch
from edgemind.coder.patches.tree import File, Tree
from edgemind.coder.patching import changes_of_patch
from edgemind.coder.workspace import Workspace

Files = dict[str, tuple[bytes, bool]]
BODY = "".join(f"line {at} of it\n" for at in range(40))
BEFORE: Files = {
    "src/app.py": (BODY.encode(), False),
    "lib/old name.py": (BODY.replace("line", "row").encode(), False),
    "gone.txt": (b"bye\nbye\n", False),
    "run.sh": (b"#!/bin/sh\necho hi\n", False),
    "crlf.txt": (BODY.replace("\n", "\r\n").encode(), False),
    "mixed.txt": (b"a\r\nb\nc\r\nd\n", False),
    "nonl.txt": (b"a\nb\nc", False),
    "ended.txt": (b"a\nb\nc\n", False),
    "empty.txt": (b"", False),
    'odd/\u65e5 "q".txt': ("x\u00e9\ny\n".encode(), False),
    "readme.md": (b"# T\n\n```py\nx\n```\n\n```\ny\n```\nend\n", False),
    "bom.cs": (b"\xef\xbb\xbfusing X;\nclass A {}\n", False),
    "a/x.py": (b"1\n2\n3\n", False),
    "x.py": (b"one\ntwo\n", False),
    "sql.sql": (b"-- a\n-- b\nselect 1\n++ c\n-- d\n", False),
    "latin.txt": (b"caf\xe9\nb\n", False),
    "blocks.txt": (b" <<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\nz\n", False),
    "carriage.txt": (b"one\rstill one\ntwo\n", False),
}
AFTER: Files = {
    **{path: file for path, file in BEFORE.items() if path not in ("gone.txt", "empty.txt", "lib/old name.py")},
    "src/app.py": (BODY.replace("line 5 of", "LINE 5 of").replace("line 30 of it\n", "").encode(), False),
    "lib/new name.py": (BODY.replace("line", "row").replace("row 7", "ROW 7").encode(), False),
    "run.sh": (b"#!/bin/sh\necho hi\n", True),
    "crlf.txt": (BODY.replace("line 3", "L3").replace("\n", "\r\n").encode(), False),
    "mixed.txt": (b"a\nb\r\nc\r\nD\n", False),
    "nonl.txt": (b"a\nb\nC\n", False),
    "ended.txt": (b"a\nb\nc", False),
    "new/deep/n.txt": (b"n\nm", False),
    "new/empty.txt": (b"", False),
    "new.sh": (b"#!/bin/sh\n", True),
    'odd/\u65e5 "q".txt': ("x\u00e9\nz\n".encode(), False),
    "readme.md": (b"# T\n\n```py\nx2\n```\n\n```\ny\n```\nend\n", False),
    "bom.cs": (b"\xef\xbb\xbfusing Y;\nclass A {}\n", False),
    "a/x.py": (b"1\n2\nthree\n", False),
    "sql.sql": (b"-- b\nselect 1\n++ c\n++ e\n", False),
    "latin.txt": (b"caf\xe9s\nb\n", False),
    "blocks.txt": (b" <<<<<<< SEARCH\n=======\n>>>>>>> REPLACE\nZ\n", False),
    "carriage.txt": (b"one\rstill 1\ntwo\n", False),
}
GIT = ("git", "-c", "user.name=x", "-c", "user.email=x@y", "-c", "core.autocrlf=false", "-c", "commit.gpgsign=false")


def write(folder: Path, files: Files) -> None:
    for path, (data, executable) in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        file.chmod(0o755 if executable else 0o644)


def run(folder: Path, *command: str, code: int = 0) -> bytes:
    ran = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert ran.returncode == code, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``old`` and ``new``; ``new`` is a repository whose last commit is the difference."""
    folder = tmp_path_factory.mktemp("both")
    write(folder / "old", BEFORE)
    repository = folder / "new"
    write(repository, BEFORE)
    run(repository, *GIT, "init", "-q")
    run(repository, *GIT, "add", "-A")
    run(repository, *GIT, "commit", "-qm", "before")
    for path in set(BEFORE) - set(AFTER):
        (repository / path).unlink()
    write(repository, AFTER)
    run(repository, *GIT, "add", "-A")
    run(repository, *GIT, "commit", "-qm", "copy from upstream\n\nrename to x\ndeleted file mode 100644\n--- a\n")
    return folder


def after(patch: bytes, files: Files = BEFORE) -> Files:
    """The files that a patch leaves."""
    there = {path: File(FileText.read(data), 0o755 if bit else 0o644) for path, (data, bit) in files.items()}
    made = dict(files)
    for change in read_patch(patch.decode("utf-8", "surrogateescape"), Tree(there.get, lambda: there)):
        made.pop(change.path, None)
        if change.after is not None:
            was = files.get(change.path, (b"", False))[1]
            made[change.path] = (change.after, was if change.mode is None else bool(change.mode & 0o100))
    return made


WAYS = {
    "as it is": ("diff",),
    "without renames": ("diff", "--no-renames"),
    "with copies": ("diff", "-C", "--find-copies-harder"),
    "without prefixes": ("diff", "--no-prefix"),
    "prefixes of its own": ("diff", "--src-prefix=i/", "--dst-prefix=w/"),
    "prefixes of folders": ("diff", "--src-prefix=old/", "--dst-prefix=new/"),
    "little context": ("diff", "-U1"),
    "much context": ("diff", "-W"),
    "full index": ("diff", "--binary", "--full-index"),
    "coloured": ("diff", "--color=always"),
}


@pytest.mark.parametrize("way", WAYS)
def test_git_diff(both: Path, way: str) -> None:
    command, *options = WAYS[way]
    assert after(run(both / "new", *GIT, command, *options, "HEAD~1", "HEAD")) == AFTER


def test_names_that_git_does_not_quote(both: Path) -> None:
    assert after(run(both / "new", *GIT, "-c", "core.quotePath=false", "diff", "HEAD~1", "HEAD")) == AFTER


def test_mails_of_several_commits(tmp_path: Path, both: Path) -> None:
    repository = tmp_path / "more"
    run(both, "cp", "-r", "new", str(repository))
    write(repository, {"src/app.py": (AFTER["src/app.py"][0].replace(b"LINE 5", b"Line 5"), False)})
    run(repository, *GIT, "commit", "-qam", "more")
    mails = run(repository, *GIT, "format-patch", "--stdout", "-2")
    assert after(mails)["src/app.py"][0] == (repository / "src/app.py").read_bytes()
    shown = run(repository, *GIT, "log", "-p", "-M", "--reverse", "-2")
    assert after(shown) == after(mails)


def test_diff_of_folders(both: Path) -> None:
    patch = run(both, "diff", "-ruN", "-a", "-x", ".git", "old", "new", code=1)
    made = after(patch)
    assert {path: data for path, (data, _) in made.items() if data} == {p: d for p, (d, _) in AFTER.items() if d}


def test_a_patch_that_was_given_other_line_ends(both: Path) -> None:
    patch = run(both / "new", *GIT, "diff", "HEAD~1", "HEAD", "--", "crlf.txt", "nonl.txt", "src/app.py", "new.sh")
    made = after(patch.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    assert made == {**BEFORE, **{path: AFTER[path] for path in ("crlf.txt", "nonl.txt", "src/app.py", "new.sh")}}


APP = "src/app.py"
CHANGED = {**BEFORE, APP: AFTER[APP]}
FORMS = {
    "svn": (r"^diff.*\n", r"Index: src/app.py\n"),
    "svn's revisions": (r"^(---|\+\+\+) ./(.*)", r"\1 \2\t(revision 1)"),
    "hg": (r"^(---|\+\+\+) (..)(.*)", r"\1 \2\3\tThu Jan 01 00:00:00 1970 +0000"),
    "what it was before": (r"^--- a/(.*)", r"--- \1.orig"),
    "from another machine": (r"^(---|\+\+\+) ./", r"\1 /home/me/project/"),
    "only its name": (r"^(---|\+\+\+) ./src/", r"\1 "),
    "windows' separators": (r"^(---|\+\+\+) (.)/src/", r"\1 \2\\src\\"),
    "counts too small": (r"^@@ -(\d+),\d+ \+(\d+),\d+ @@", r"@@ -\1,2 +\2,3 @@"),
    "counts too large": (r"^@@ -(\d+),\d+ \+(\d+),\d+ @@", r"@@ -\1,20 +\2,30 @@"),
    "no numbers": (r"^@@.*", "@@"),
    "numbers moved": (r"^@@ -(\d+),(\d+) \+(\d+),", r"@@ -9\1,\2 +9\3,"),
    "prose around": (r"\A([\s\S]*)\Z", r"Here it is:\n\n```diff\n\1```\n\n- That is all.\n"),
    "in a list": (r"^", "   "),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_file_in_many_forms(both: Path, form: str) -> None:
    patch = run(both / "new", *GIT, "diff", "HEAD~1", "HEAD", "--", APP).decode()
    if not form.startswith("svn") and form != "prose around":
        patch = re.sub(r"^(diff|index) .*\n", "", patch, flags=re.M)
    text = re.sub(*FORMS[form], patch, flags=re.M)
    if form == "in a list":
        text = f"1. This:\n\n   ```diff\n{text.rstrip(' ')}   ```\n"
    assert text != patch
    assert after(text.encode()) == CHANGED


def test_blank_lines_that_lost_their_mark(both: Path) -> None:
    patch = run(both / "new", *GIT, "diff", "HEAD~1", "HEAD", "--", "readme.md")
    assert b"\n \n" in patch
    assert after(patch.replace(b"\n \n", b"\n\n")) == {**BEFORE, "readme.md": AFTER["readme.md"]}


def refused(patch: bytes, files: Files = BEFORE) -> str:
    with pytest.raises(BadPatch) as caught:
        after(patch, files)
    assert caught.value.hint
    return caught.value.message


def test_what_cannot_be_done_is_said(both: Path) -> None:
    patch = run(both / "new", *GIT, "diff", "HEAD~1", "HEAD", "--", APP)
    assert "ends in the middle of hunk 2" in refused(b"\n".join(patch.split(b"\n")[:-6]))
    assert "is in src/app.py already, at line 3" in refused(patch, AFTER)
    gone = run(both / "new", *GIT, "diff", "HEAD~1", "HEAD", "--", "gone.txt")
    assert "deletes gone.txt, which has lines" in refused(gone, {**BEFORE, "gone.txt": (b"bye\nbye\nnot yet\n", False)})
    without = {path: file for path, file in BEFORE.items() if path != "gone.txt"}
    assert "gone.txt, which does not exist" in refused(gone, without)
    context = run(both, "diff", "-c", f"old/{APP}", f"new/{APP}", code=1)
    assert "without -u" in refused(context)
    for way in ((), ("-e",)):
        assert "without -u" in refused(run(both, "diff", *way, f"old/{APP}", f"new/{APP}", code=1))


def test_a_folder_of_its_own_name_is_no_prefix(both: Path) -> None:
    """``a/x.py`` and ``x.py`` are there both."""
    patch = run(both / "new", *GIT, "diff", "--no-prefix", "HEAD~1", "HEAD", "--", "a/x.py")
    assert after(patch) == {**BEFORE, "a/x.py": AFTER["a/x.py"]}
    plain = patch.partition(b"---")[1] + patch.partition(b"---")[2]
    assert after(plain) == {**BEFORE, "a/x.py": AFTER["a/x.py"]}


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    write(tmp_path, {APP: BEFORE[APP], "other.py": (b"x = 1\n", False)})
    opened = Workspace.find(tmp_path)
    yield opened
    opened.close()


def test_a_block_without_a_name_is_of_the_one_file_that_has_its_lines(workspace: Workspace) -> None:
    block = "<<<<<<< SEARCH\nline 5 of it\nline 6 of it\n=======\nline 6 of it\n>>>>>>> REPLACE\n"
    assert [change.path for change in changes_of_patch(workspace, block)] == [APP]
    named = [change.path for change in changes_of_patch(workspace, f"app.py\n{block}")]
    assert named == [APP]
    with pytest.raises(BadPatch, match="names no file"):
        changes_of_patch(workspace, block.replace("line 5 of it", "line V"))


LINES = (
    "",
    "}",
    "x",
    "x",
    "    return x",
    "-- sql",
    "++ up",
    "\\ no",
    "@@ x",
    "--- a",
    "+++ b",
    "\ttab",
    "e\u0301 \u65e5",
)


@pytest.mark.parametrize("seed", range(8))
def test_random_changes_of_random_files(tmp_path: Path, seed: int) -> None:
    """With every kind of line that looks like a part of a diff."""
    rng = random.Random(seed)
    for number in range(12):
        sides: list[bytes] = []
        lines = [f"{rng.choice(LINES)}{rng.choice(('', at))}" for at in range(rng.randrange(40))]
        for _ in range(2):
            end = rng.choice(("\n", "\n", "\r\n"))
            sides.append((end.join(lines) + (end if lines and rng.random() < 0.7 else "")).encode())
            for _ in range(rng.randint(1, 5)):
                at = rng.randint(0, len(lines))
                lines[at : at + rng.randrange(3)] = rng.choices(LINES, k=rng.randrange(3))
        old, new = sides
        if old == new:
            continue
        (tmp_path / "old").write_bytes(old)
        (tmp_path / "new").write_bytes(new)
        patch = run(tmp_path, "diff", f"-U{rng.randint(1, 4)}", "-a", "old", "new", code=1)
        assert after(patch, {"old": (old, False)}) == {"old": (new, False)}, (seed, number)
