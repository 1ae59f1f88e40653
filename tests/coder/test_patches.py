"""Patches from elsewhere: read with patience, and refused where the place is in doubt."""

from __future__ import annotations

import random

import pytest

from edgemind.coder.file_text import FileText
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.reading import read_patch
from edgemind.coder.patches.tree import Tree
from edgemind.coder.patches.whole import read_answer
from edgemind.coder.types import EditState, Folder

APP = "import os\n\n\ndef first():\n    return 1\n\n\ndef second():\n    if True:\n        return 2\n"
OTHER = "def third():\n    return 3\n"


def texts(**files: str) -> dict[str, FileText]:
    given = files or {"app": APP, "other": OTHER}
    return {f"src/{name}.py": FileText.read(text.encode()) for name, text in given.items()}


def applied(patch: str, **files: str) -> dict[str, str]:
    """The files that a patch changes, afterwards."""
    there = texts(**files)
    return {change.path: (change.after or b"").decode() for change in read_patch(patch, Tree.of(there))}


def refused(patch: str, **files: str) -> str:
    with pytest.raises(BadPatch) as caught:
        read_patch(patch, Tree.of(texts(**files)))
    assert caught.value.hint
    return caught.value.message


def block(old: str, new: str, name: str = "src/app.py") -> str:
    return f"{name}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"


HEAD = "--- a/src/app.py\n+++ b/src/app.py\n"
HUNK = "@@ -4,2 +4,2 @@\n def first():\n-    return 1\n+    return 10\n"
WANTED = APP.replace("return 1\n", "return 10\n")
GOOD = {
    "blocks": block("    return 1\n", "    return 10\n"),
    "blocks in a fence": "Here:\n```python\n" + block("    return 1\n", "    return 10\n") + "```\nDone.\n",
    "name above the fence": "**src/app.py**\n```python\n"
    + block("    return 1\n", "    return 10\n", "")[1:]
    + "```\n",
    "words between the name and the block": block(
        "    return 1\n", "    return 10\n", "src/app.py\n\nThis changes what it returns:"
    ),
    "name by its end": block("    return 1\n", "    return 10\n", "app.py"),
    "no name": block("def first():\n    return 1\n", "def first():\n    return 10\n", ""),
    "blanks at line ends": block("    return 1  \n", "    return 10\n"),
    "other indentation": block("return 1\n", "return 10\n"),
    "CRLF": block("    return 1\n", "    return 10\n").replace("\n", "\r\n"),
    "diff of git": f"diff --git a/src/app.py b/src/app.py\nindex 1..2 100644\n{HEAD}{HUNK}",
    "diff without prefixes": f"--- src/app.py\n+++ src/app.py\n{HUNK}",
    "diff with times": f"--- src/app.py\t2026-01-01\n+++ src/app.py\t2026-01-02\n{HUNK}",
    "wrong line numbers": "--- a/src/app.py\n+++ b/src/app.py\n" + HUNK.replace("-4,2 +4,2", "-71,9 +80,3"),
    "absurd line numbers": HEAD + HUNK.replace("-4,2", f"-{'9' * 5000},2"),
    "no line numbers": "--- a/src/app.py\n+++ b/src/app.py\n" + HUNK.replace("@@ -4,2 +4,2 @@", "@@ ... @@"),
    "diff in a fence": f"So:\n\n```diff\n--- a/src/app.py\n+++ b/src/app.py\n{HUNK}```\n\nThat is all.\n",
    "marks without blank": HEAD + "@@ -4,2 +4,2 @@\ndef first():\n-    return 1\n+    return 10\n",
    "mail signature": f"--- a/src/app.py\n+++ b/src/app.py\n{HUNK}-- \n2.40.0\n",
    "diff with CRLF": f"--- a/src/app.py\n+++ b/src/app.py\n{HUNK}".replace("\n", "\r\n"),
    "whole file": f"src/app.py\n```python\n{WANTED}```\n",
    "whole file named in the fence": f"```python src/app.py\n{WANTED}```\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_the_usual_forms(name: str) -> None:
    assert applied(GOOD[name]) == {"src/app.py": WANTED}


def test_several_hunks_in_any_order_and_files() -> None:
    patch = (
        "--- a/src/app.py\n+++ b/src/app.py\n@@ -8,3 +8,4 @@\n def second():\n     if True:\n-        return 2\n"
        "+        x = 2\n+        return x\n@@ -1,2 +1,1 @@\n-import os\n \n"
        "--- a/src/other.py\n+++ b/src/other.py\n@@ -2 +2,2 @@\n     return 3\n+\n"
    )
    after = applied(patch)
    assert after["src/app.py"] == APP.replace("import os\n", "").replace("return 2", "x = 2\n        return x")
    assert after["src/other.py"] == OTHER + "\n"


def test_a_shifted_block_indents_what_is_new() -> None:
    patch = block("if True:\n    return 2\n", "if False:\n    return 2\nelse:\n    return 3\n")
    assert applied(patch)["src/app.py"].endswith("    if False:\n        return 2\n    else:\n        return 3\n")


def test_new_files() -> None:
    assert applied(block("", "x = 1\n", "src/new.py")) == {"src/new.py": "x = 1\n"}
    diff = "--- /dev/null\n+++ b/src/new.py\n@@ -0,0 +1,2 @@\n+x = 1\n+\n"
    assert applied(diff) == {"src/new.py": "x = 1\n\n"}
    assert applied("src/new.py\n```\nx = 1\n```") == {"src/new.py": "x = 1\n"}


def test_an_empty_file() -> None:
    assert applied(block("", "x = 1\n", "src/a.py"), a="") == {"src/a.py": "x = 1\n"}
    assert applied("--- a/src/a.py\n+++ b/src/a.py\n@@ -0,0 +1 @@\n+x = 1\n", a="") == {"src/a.py": "x = 1\n"}


def test_what_is_in_both_stays_as_the_file_has_it() -> None:
    """The quote lacks a blank at a line's end, and an invisible character; only the line that changes is changed."""
    patch = block("one\ntwo\nthree\n", "one\ntwo\nfour\n", "src/a.py")
    assert applied(patch, a="one  \ntwo\u200b\nthree\n") == {"src/a.py": "one  \ntwo\u200b\nfour\n"}


def test_a_final_newline_and_line_ends_stay() -> None:
    there = Tree.of({"x.txt": FileText.read(b"a\r\nb\r\nc")})
    patch = "--- a/x.txt\n+++ b/x.txt\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n\\ No newline at end of file\n"
    assert read_patch(patch, there)[0].after == b"a\r\nB\r\nc"


TWICE = "a = 1\nb = 2\n\na = 1\nc = 3\n"


def test_two_places_are_none_but_for_an_exact_number() -> None:
    said = refused(block("a = 1\n", "a = 2\n", "src/a.py"), a=TWICE)
    assert "2 places" in said
    assert "lines 1, 4" in said
    diff = "--- a/src/a.py\n+++ b/src/a.py\n@@ -{} +{} @@\n-a = 1\n+a = 2\n"
    assert "2 places" in refused(diff.format(2, 2), a=TWICE)
    assert applied(diff.format(4, 4), a=TWICE) == {"src/a.py": "a = 1\nb = 2\n\na = 2\nc = 3\n"}


BAD = {
    "not there": (block("    return 7\n", "    return 8\n"), "Block 1 is not in src/app.py; nearest is line"),
    "second block": (block("import os\n", "import re\n") + block("nothing\n", "x\n"), "Block 2 is not in"),
    "no end": ("src/app.py\n<<<<<<< SEARCH\nimport os\n=======\nimport re\n", "no end"),
    "no divider": ("src/app.py\n<<<<<<< SEARCH\nimport os\n>>>>>>> REPLACE\n", "no line ======="),
    "no file": (block("zzz\n", "x\n", ""), "names no file"),
    "empty quote": (block("", "x = 1\n"), "quotes no line"),
    "changes what is not there": (block("x\n", "y\n", "src/none.py"), "does not exist"),
    "deleted": ("diff --git a/src/app.py b/src/app.py\ndeleted file mode 100644\n--- a/src/app.py\n+++ /dev/null\n"
                "@@ -1 +0,0 @@\n-import os\n", "deletes src/app.py, which has lines"),
    "renamed to what is there": ("diff --git a/src/app.py b/src/other.py\nrename from src/app.py\n"
                                 "rename to src/other.py\n", "creates src/other.py, which exists"),
    "a link": ("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+../x\n"
               "\\ No newline at end of file\n", "l, which is a symbolic link"),
    "a submodule": ("diff --git a/m b/m\nindex 1..2 160000\n--- a/m\n+++ b/m\n@@ -1 +1 @@\n-Subproject commit 1\n"
                    "+Subproject commit 2\n", "m, which is a submodule"),
    "of a merge": ("diff --cc src/app.py\nindex 1,2..3\n--- a/src/app.py\n+++ b/src/app.py\n@@@ -1,1 -1,1 +1,1 @@@\n"
                   "- import os\n -import re\n++import sys\n", "a diff of a merge"),
    "without -u": ("1c1\n< import os\n---\n> import re\n", "a diff without -u"),
    "renamed by names": (f"--- a/src/app.py\n+++ b/src/b.py\n{HUNK}", "renames src/app.py to src/b.py without"),
    "binary": ("diff --git a/x.png b/x.png\n--- a/x.png\n+++ b/x.png\nBinary files a/x.png and b/x.png differ\n",
               "binary"),
    "created but there": ("--- /dev/null\n+++ b/src/app.py\n@@ -0,0 +1 @@\n+x\n", "which exists"),
    "outside": (block("", "x\n", "../out.py"), "out.py"),
    "git's own": (block("", "x\n", ".git/config.py"), "git"),
    "overlap": (block("import os\n", "import re\n") + block("import os\n", "import sys\n"), "Block 2 is not in"),
    "a line changed twice": (f"{HEAD}{HUNK}@@ -5 +5 @@\n-    return 1\n+    return 11\n",
                             "contradicts itself: two of its parts change line 5"),
    "nothing": ("Have you tried turning it off?", "There is no edit"),
    "hunk without lines": ("--- a/src/app.py\n+++ b/src/app.py\n@@ -5,0 +6 @@\n+x = 1\n", "has no line of"),
    "unfinished whole file": ("src/app.py\n```\nx = 1\n", "has no end"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_refused(name: str) -> None:
    patch, said = BAD[name]
    assert said in refused(patch)


def test_a_text_with_lines_like_the_divider() -> None:
    rst = "Title\n=======\n\nText\n"
    clear = "src/a.py\n<<<<<<< SEARCH\nText\n=======\nMore\n=======\n>>>>>>> REPLACE\n"
    assert applied(clear, a=rst) == {"src/a.py": "Title\n=======\n\nMore\n=======\n"}
    two_ways = "src/a.py\n<<<<<<< SEARCH\nTitle\n=======\n=======\nName\n=======\n>>>>>>> REPLACE\n"
    assert "more than one line" in refused(two_ways, a=rst)


def test_controls_are_taken_out_of_a_whole_file() -> None:
    found = read_answer("```python\nx = 1 \x1b[2J\u202e\ufeff\ty\n```", EditState(new=("x.py",)))
    assert found is not None
    assert found.edit.lines == ("x = 1 [2J\ty",)


ROOT = (Folder("", ("there.py", "src")),)
ANSWERS = {
    "in the task": ("```python\nx = 1\n```", "Use os.path and write it into a/tools.py", "", "a/tools.py"),
    "behind the block": ("```python\nx = 1\n```\nIt is short. Save it as tools.py.", "Write it.", "", "tools.py"),
    "in the thought": ("```python\nx = 1\n```\n", "Write it.", "Use re.sub.\nFile: tools.py.", "tools.py"),
    "above the block": ("`tools.py`:\n\n```python\nx = 1\n```\n", "Write it.", "", "tools.py"),
    "in the fence": ("```python tools.py\nx = 1\n```\n", "Write it.", "", "tools.py"),
    "in a comment": ("```python\n# tools.py\nx = 1\n```\n", "Write it.", "", "tools.py"),
    "of what it defines": ("```python\ndef Tool():\n    pass\n```\n", "Write it.", "", "tool.py"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_the_name_of_a_file_that_a_small_model_writes(name: str) -> None:
    answer, task, thought, path = ANSWERS[name]
    found = read_answer(answer, EditState(folders=ROOT), task=task, thought=thought)
    assert found is not None
    assert (found.edit.path, found.closed) == (path, True)
    assert found.edit.lines in (("x = 1",), ("def Tool():", "    pass"))


NAMELESS = {
    "taken": ("```python\nx = 1\n```\nSave it as There.py.", "there is There.py"),
    "no name": ("```python\nx = 1\n```\n", "without a name"),
    "in a folder that was not listed": ("```python src/new.py\nx = 1\n```\n", "there is src"),
    "git's own": ("```python .git/hooks.py\nx = 1\n```\n", "without a name"),
}


@pytest.mark.parametrize("name", NAMELESS)
def test_a_file_that_a_small_model_may_not_write(name: str) -> None:
    answer, said = NAMELESS[name]
    with pytest.raises(BadPatch, match=said):
        read_answer(answer, EditState(folders=ROOT))


def test_an_answer_in_words_holds_no_file() -> None:
    assert read_answer("I would rather not.", EditState(folders=ROOT)) is None


def test_whole_file_of_the_only_file() -> None:
    assert applied("```\nx\n```", a="y\n") == {"src/a.py": "x\n"}


BEGIN = "*** Begin Patch\n{}*** End Patch\n"
PAIR = "class A:\n    def go(self):\n        return 1\n\n\nclass B:\n    def go(self):\n        return 1\n"


def begin(part: str, name: str = "src/a.py") -> str:
    return BEGIN.format(f"*** Update File: {name}\n{part}")


def test_begin_patch() -> None:
    change = "@@ class B:\n     def go(self):\n-        return 1\n+        return 2\n"
    wanted = PAIR[::-1].replace("1 nruter", "2 nruter", 1)[::-1]
    assert applied(begin(change), a=PAIR) == {"src/a.py": wanted}
    assert applied(f"Here:\n\n```\n{begin(change)}```\n", a=PAIR) == {"src/a.py": wanted}
    moved = begin(f"*** Move to: src/b.py\n{change}")
    assert applied(moved, a=PAIR) == {"src/a.py": "", "src/b.py": wanted}
    both = begin("@@\n     def go(self):\n-        return 1\n+        return 2\n")
    assert "2 places" in refused(both, a=PAIR)
    ordered = begin("@@ class A:\n-        return 1\n+        return 0\n@@\n-        return 1\n+        return 2\n")
    assert applied(ordered, a=PAIR)["src/a.py"] == wanted.replace("return 1", "return 0")
    at_end = begin("@@\n-        return 1\n+        return 2\n*** End of File\n")
    assert applied(at_end, a=PAIR) == {"src/a.py": wanted}
    added = BEGIN.format("*** Add File: src/new.py\n+x = 1\n+\n*** Delete File: src/a.py\n")
    assert applied(added, a=PAIR) == {"src/new.py": "x = 1\n\n", "src/a.py": ""}
    assert "line after @@ is not in" in refused(begin("@@ class C:\n-        return 1\n"), a=PAIR)
    assert "does not exist" in refused(begin("@@\n-x\n+y\n", "src/none.py"), a=PAIR)


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        ("------- SEARCH", "+++++++ REPLACE"),
        ("<<<<<<< ORIGINAL", ">>>>>>> UPDATED"),
        ("<<<<<<< SEARCH\n:start_line:4\n-------", ">>>>>>> REPLACE"),
        ("<<<<<<< SEARCH>", ">>>>>>> REPLACE"),
    ],
    ids=["brackets of lines", "original and updated", "a line number", "a bracket more"],
)
def test_blocks_of_other_assistants(opens: str, closes: str) -> None:
    patch = f"src/app.py\n{opens}\n    return 1\n=======\n    return 10\n{closes}\n"
    assert applied(patch) == {"src/app.py": WANTED}


def test_a_block_sees_what_the_block_before_it_changed() -> None:
    patch = block("import os\n", "import re\n") + block("import re\n", "import re\nimport sys\n")
    assert applied(patch)["src/app.py"].startswith("import re\nimport sys\n\n")


def test_blanks_at_a_lines_end_can_be_taken_away() -> None:
    assert applied(block("x = 1  \n", "x = 1\n", "src/a.py"), a="x = 1  \n") == {"src/a.py": "x = 1\n"}


PIECES = (
    "--- a/x.py", "+++ b/x.py", "--- /dev/null", "+++ /dev/null", "@@ -1,2 +1,2 @@", "@@ -0,0 +1 @@", "@@", "@@ ... @@",
    "@@@ -1 -1 +1 @@@", " a", "-a", "+b", "-b", "+", "-", " ", "", "\\ No newline at end of file",
    "diff --git a/x.py b/x.py", "diff --git a/x.py b/y.py", "diff --git ", 'diff --git "a',
    "new file mode 100755", "deleted file mode 100644",
    "new mode 100755", "rename from x.py", "rename to y.py", "rename to ../../x", "rename to .git/config",
    "copy from x.py", "copy to z.py", "index 1..2 100644", "Binary files a and b differ",
    "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE",
    "------- SEARCH", "```", "```python", "````", "~~~", "   ```", "x.py", "**x.py**", "*** Begin Patch",
    "*** Update File: x.py", "*** Add File: n.py", "*** Delete File: x.py", "*** Move to: m.py", "*** End of File",
    "*** End Patch", "a", "b", "a\r", "\r", '--- "a/\\303\\244"', "--- \t", "+++ ", "@@ -99999999,5 +1,5 @@", "-- ",
    "\x1b[1mdiff --git a/x.py b/x.py\x1b[m", "# ... existing code ...", "\x0b", "\u00e9",
)  # fmt: skip


def test_pieces_of_patches_in_any_order_are_read_or_refused_in_a_sentence() -> None:
    rng = random.Random(7)
    for _ in range(800):
        patch = "\n".join(rng.choices(PIECES, k=rng.randint(1, 12)))
        text = rng.choice(("a\nb\nc\n", "a\nb", "", "a\r\nb\r\n", "a\na\na\n", "a\rb\r"))
        there = Tree.of({"x.py": FileText.read(text.encode()), "y.py": FileText.read(b"a\nb\n")})
        made, problem = [], None
        try:
            made = read_patch(patch, there)
        except BadPatch as refusal:
            problem = refusal
        assert not any(part in ("..", ".git") for change in made for part in change.path.split("/"))
        assert problem is None or (problem.hint and problem.message.isprintable() and problem.message.endswith("."))


NAMES = ("my file.py", "Dockerfile.dev", "bin/run", ".env.example", "weird[1].c", "src/\u65e5\u672c.txt")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", ["{}", "**{}**", "### `{}`", "File: {}:"])
def test_names_of_all_kinds_above_a_block(name: str, line: str) -> None:
    tree = Tree.of({one: FileText.read(b"x = 1\n") for one in (*NAMES, "file.py")})
    (change,) = read_patch(block("x = 1\n", "x = 2\n", line.format(name)), tree)
    assert change.path == name


PARTS = {
    "left out": ("import os\n\n# ... existing code ...\n\ndef second():\n    pass\n```\n", "leaves out lines"),
    "left out, said otherwise": ("// rest of the file remains unchanged...\n```\n", "leaves out lines"),
    "a part": ("def first():\n    return 10\n```\n", "lacks most of the 10"),
    "code without a name": (WANTED + "```\nThen:\n```python\nimport app\n```\n", "block 2 names no"),
}


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_not_written_over_the_whole(name: str) -> None:
    patch, said = PARTS[name]
    assert said in refused(f"In `src/app.py`:\n```python\n{patch}")


def test_what_is_to_be_typed_is_no_file() -> None:
    patch = (
        f"`src/app.py`:\n```python\n{WANTED}```\nRun `tests/test_app.py`:\n\n```bash\npytest tests/test_app.py\n```\n"
    )
    assert applied(patch) == {"src/app.py": WANTED}


def test_a_removed_line_that_looks_like_a_header() -> None:
    sql = "-- a\n-- b\nselect 1;\n-- c\nselect 2;\n"
    patch = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1,3 +1,3 @@\n--- a\n+++ a\n -- b\n select 1;\n@@ -4,2 +4,2 @@\n"
    assert applied(patch + "--- c\n+-- d\n select 2;\n", a=sql) == {
        "src/a.py": "++ a\n-- b\nselect 1;\n-- d\nselect 2;\n"
    }


def test_lines_after_too_small_a_count_are_not_lost() -> None:
    patch = (
        f"{HEAD}@@ -4,1 +4,1 @@\n def first():\n-    return 1\n+    return 10\n \n \n-def second():\n+def third():\n"
    )
    assert applied(patch) == {"src/app.py": WANTED.replace("second", "third")}


def test_a_number_counts_from_where_its_neighbours_are() -> None:
    """The file has two more lines at its top than when the diff was made: number 5 names the wrong one of two."""
    lines = ["new", "new", "top", "x", "same", "y", "same", "z"]
    patch = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-top\n+TOP\n@@ -5 +5 @@\n-same\n+SAME\n"
    assert applied(patch, a="\n".join(lines) + "\n")["src/a.py"] == "new\nnew\nTOP\nx\nsame\ny\nSAME\nz\n"


def test_what_is_done_already_is_not_done_elsewhere() -> None:
    """Its old lines are still there, but in another place."""
    done = "def a():\n    go()\n    stop()\n\ndef b():\n    go()\n    end()\n    stop()\n".replace("stop", "x", 1)
    patch = "--- a/src/a.py\n+++ b/src/a.py\n@@ -2,2 +2,2 @@\n     go()\n-    end()\n+    x()\n"
    assert "already, at line 2" in refused(patch, a=done)


def test_a_mark_at_the_beginning_of_a_file() -> None:
    patch = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1 +1 @@\n-import os\n+import re\n"
    there = Tree.of({"src/a.py": FileText.read(b"\xef\xbb\xbfimport os\n")})
    assert read_patch(patch, there)[0].after == b"\xef\xbb\xbfimport re\n"


def test_old_lines_of_a_diff_are_no_blocks_and_blocks_no_diff() -> None:
    text = " <<<<<<< SEARCH\nx\n"
    patch = "--- a/src/a.py\n+++ b/src/a.py\n@@ -1,2 +1,2 @@\n  <<<<<<< SEARCH\n-x\n+y\n"
    assert applied(patch, a=text) == {"src/a.py": text.replace("x", "y")}
    quoted = "@@ -1 +1 @@\n-a\n+b\n"
    assert applied(block(quoted, "none\n", "src/a.py"), a=quoted) == {"src/a.py": "none\n"}


def test_hunks_come_in_order() -> None:
    """The second hunk's number names a place before the first one's."""
    text = "same\nx\ntop\ny\nsame\n"
    patch = "--- a/src/a.py\n+++ b/src/a.py\n@@ -{} +3 @@\n-top\n+TOP\n@@ -{} +5 @@\n-same\n+SAME\n"
    assert applied(patch.format(1, 3), a=text)["src/a.py"] == "same\nx\nTOP\ny\nSAME\n"
    assert applied(patch.format(3, 1), a=text)["src/a.py"] == "SAME\nx\nTOP\ny\nsame\n"
    assert "before the hunk above it" in refused(patch.format(1, 3), a="same\nx\ntop\n")
