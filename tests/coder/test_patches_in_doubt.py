"""Patches of which a part could be lost, go to another file, or go to another line without a word."""

from __future__ import annotations

import pytest

from edgemind.coder.file_text import FileText
from edgemind.coder.patches.fences import name_alone
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.reading import read_patch
from edgemind.coder.patches.tree import Tree


def applied(patch: str, files: dict[str, str]) -> dict[str, str]:
    """The files that a patch changes, afterwards."""
    tree = Tree.of({path: FileText.read(text.encode()) for path, text in files.items()})
    return {change.path: (change.after or b"").decode() for change in read_patch(patch, tree)}


def refused(patch: str, files: dict[str, str]) -> str:
    with pytest.raises(BadPatch) as caught:
        applied(patch, files)
    assert caught.value.hint
    return caught.value.message


PAIR = {"a.py": "one\ntwo\n", "b.py": "three\nfour\n"}
DIFF = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-one\n+ONE\n two\n"
BLOCK = "b.py\n<<<<<<< SEARCH\nthree\n=======\nTHREE\n>>>>>>> REPLACE\n"
BEGIN = "*** Begin Patch\n*** Update File: b.py\n@@\n-three\n+THREE\n*** End Patch\n"
WHOLE = "\nAnd `b.py`:\n\n```python\nTHREE\nfour\n```\n"
NEW = "\n```python c.py\nnew\n```\n"
MIXED = {
    "a diff, blocks": (DIFF + BLOCK, "has a unified diff and, at line 8, SEARCH/REPLACE blocks"),
    "blocks, a diff": (BLOCK + DIFF, "has SEARCH/REPLACE blocks and, at line 7, a unified diff"),
    "a diff, a patch": (DIFF + BEGIN, "Hunk 2 is not in a.py"),
    "a patch, a diff": (BEGIN + DIFF, "has a *** Begin Patch and, at line 7, a unified diff"),
    "a patch, blocks": (BEGIN + BLOCK, "at line 8, SEARCH/REPLACE blocks"),
    "a diff, a file": (DIFF + WHOLE, "at line 10, a whole file"),
    "a file, a diff": (WHOLE + DIFF, "at line 4, a whole file"),
    "a diff in a fence, a new file": (f"```diff\n{DIFF}```\n{NEW}", "at line 10, a whole file"),
    "blocks in a fence, a new file": (f"```python\n{BLOCK}```\n{NEW}", "at line 10, a whole file"),
}


@pytest.mark.parametrize("name", MIXED)
def test_nothing_is_lost_of_an_answer_in_two_forms(name: str) -> None:
    patch, said = MIXED[name]
    assert said in refused(patch, PAIR)


def test_a_quotation_beside_an_edit_is_no_second_one() -> None:
    quoted = "`a.py` has\n```python\none\n```\nand becomes\n\na.py\n```\nONE\n```\nso:\n"
    run = "```bash\npython a.py\n```\n"
    assert applied(f"{quoted}```diff\n{DIFF}```\n{quoted}{run}", PAIR) == {"a.py": "ONE\ntwo\n"}


def test_the_message_of_a_commit_is_no_edit() -> None:
    mail = f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nSubject: x\n\nSee `c.py`:\n```\nnew\n```\n---\n{DIFF}"
    assert applied(mail, PAIR) == {"a.py": "ONE\ntwo\n"}


def test_several_begin_patches_in_one_answer() -> None:
    first = "*** Begin Patch\n*** Update File: a.py\n@@\n-one\n+ONE\n*** End Patch\n"
    gone = "*** Begin Patch\n*** Delete File: c.py\n*** End Patch\n"
    files = {**PAIR, "c.py": "x\n"}
    wanted = {"a.py": "ONE\ntwo\n", "b.py": "THREE\nfour\n", "c.py": ""}
    assert applied(f"First:\n{first}Then:\n{BEGIN}And:\n{gone}Done.\n", files) == wanted


def test_a_new_file_goes_to_the_path_that_is_said() -> None:
    files = {"pkg/__init__.py": "", "docs/README.md": "there\n"}
    for name in ("__init__.py", "README.md"):
        added = f"*** Begin Patch\n*** Add File: ./{name}\n+x = 1\n*** End Patch\n"
        assert applied(added, files) == {name: "x = 1\n"}
        assert applied(f"{name}\n<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE\n", files) == {name: "x = 1\n"}


def test_blank_lines_between_the_parts_of_a_begin_patch_are_of_no_file() -> None:
    patch = (
        "*** Begin Patch\n*** Add File: n.py\n+x\n\n*** Update File: a.py\n@@\n two\n+2\n\n\n"
        "*** Add File: m.py\n+y\n+\n\n*** End Patch\n"
    )
    assert applied(patch, PAIR) == {"n.py": "x\n", "a.py": "one\ntwo\n2\n", "m.py": "y\n\n"}


@pytest.mark.parametrize("after", [BLOCK, "That is all.\n", "- item\n", "```\n"])
def test_what_follows_a_new_file_without_an_end_does_not_become_a_part_of_it(after: str) -> None:
    assert "adds n.py with lines without +" in refused(f"*** Begin Patch\n*** Add File: n.py\n+x\n{after}", PAIR)


BRACES = "".join(f"f{at}\n}}\n" for at in range(200))
CLOSE = "@@{}\n-}}\n+}};\n"


def braces(*hunks: str) -> str:
    return f"*** Begin Patch\n*** Update File: a.c\n{''.join(hunks)}*** End Patch\n"


def test_more_places_than_are_looked_for_are_a_doubt() -> None:
    files = {"a.c": BRACES}
    for at in (97, 98, 99, 100, 150):
        patch = braces(f"@@\n-f{at}\n+g\n", CLOSE.format(""))
        assert "places" in refused(patch, files)
        assert applied(braces(CLOSE.format(f" f{at}")), files)["a.c"] == BRACES.replace(f"f{at}\n}}", f"f{at}\n}};")
    at_end = braces(CLOSE.format("") + "*** End of File\n")
    assert applied(at_end, files)["a.c"] == BRACES.removesuffix("}\n") + "};\n"
    late = {"a.c": "}\nhere\n" + "}\n" * 150 + "here\n}\n"}
    assert "places" in refused(braces(CLOSE.format(" here")), late)


def test_places_with_other_indentation_are_all_seen() -> None:
    """The first hundred that are alike without blanks are none: their lines are indented differently."""
    text = "  x\n\ty\n" * 120 + "\tx\n\ty\n" * 2
    patch = "a.c\n<<<<<<< SEARCH\nx\ny\n=======\nz\ny\n>>>>>>> REPLACE\n"
    assert "2 places" in refused(patch, {"a.c": text})


OLD = {"old/setup.py": "import setuptools\n\nsetuptools.setup(\n    name='x',\n)\n", "pkg/__init__.py": ""}


def test_a_whole_file_is_not_written_over_another_of_its_name() -> None:
    other = "{}\n```python\nfrom distutils import core\n\ncore.configure()\ncore.build()\ncore.run()\n```\n"
    assert "little in common with old/setup.py" in refused(other.format("setup.py"), OLD)
    assert "little in common with pkg/__init__.py" in refused(other.format("__init__.py"), OLD)
    assert list(applied(other.format("./setup.py"), OLD)) == ["setup.py"]
    assert list(applied(other.format("old/setup.py"), OLD)) == ["old/setup.py"]
    new = OLD["old/setup.py"].replace("'x'", "'y'")
    assert applied(f"setup.py\n```python\n{new}```\n", OLD) == {"old/setup.py": new}


@pytest.mark.parametrize("line", ["#" + " " * 30_000 + "x", "# ..." + ". " * 15_000 + "x", "a" + " " * 30_000 + "x"])
def test_long_lines_of_blanks_and_dots_cost_nothing(line: str) -> None:
    """With the patterns that went back and forth over them, each of these took minutes and more."""
    text = "x = 1\n"
    assert applied(f"{line}\na.py\n```python\n{text}{line}\n```\n", {"a.py": text}) == {"a.py": f"{text}{line}\n"}
    assert applied(f"{line}\n{BLOCK}", PAIR) == {"b.py": "THREE\nfour\n"}
    assert name_alone(line) == line.removeprefix("#").strip()


def rename(old: str, new: str, hunk: str = "") -> str:
    names = f"--- a/{old}\n+++ b/{new}\n{hunk}" if hunk else ""
    return f"diff --git a/{old} b/{new}\nsimilarity index 90%\nrename from {old}\nrename to {new}\n{names}"


def test_files_that_swap_their_names() -> None:
    there = rename("b.py", "a.py", "@@ -1,2 +1,2 @@\n-three\n+3\n four\n")
    assert applied(there + rename("a.py", "b.py"), PAIR) == {"a.py": "3\nfour\n", "b.py": PAIR["a.py"]}
    chain = rename("a.py", "b.py") + rename("b.py", "c.py")
    assert applied(chain, PAIR) == {"a.py": "", "b.py": PAIR["a.py"], "c.py": PAIR["b.py"]}
    assert "creates b.py, which exists" in refused(rename("a.py", "b.py"), PAIR)
    swap = rename("b.py", "a.py") + rename("a.py", "b.py")
    assert applied(swap + swap, PAIR) == {}
