"""``edgemind code`` as it is installed: its output, exit codes, and one sentence for each thing that can be wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, TIMEOUT, Command, Ran, Screen

TASK = "write a function that sorts a list into sort.py"
MADE = "def sort_list(items):\n    return sorted(items)\n"
CHECK = "from sort import sort_list\nassert sort_list([3, 1, 2]) == [1, 2, 3]\n"

Code = Callable[..., Ran]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    return made


@pytest.fixture
def code(edgemind: Command, folder: Path) -> Code:
    def run(*arguments: str, stdin: str = "") -> Ran:
        done = subprocess.run(
            [COMMAND, "code", *arguments],
            input=stdin.encode(),
            capture_output=True,
            timeout=TIMEOUT,
            env=edgemind.environment(),
            cwd=folder,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


def _sentence(ran: Ran, exit_code: int, said: str) -> None:
    """One sentence and the next command; nothing half done."""
    lines = [line for line in ran.err.splitlines() if line.startswith(("edgemind: ", "  "))]
    at = next(number for number, line in enumerate(lines) if line.startswith("edgemind: "))
    assert (ran.code, said in lines[at]) == (exit_code, True), ran.err
    assert lines[at + 1].strip(), ran.err


def test_an_empty_folder_a_test_and_a_task(code: Code, folder: Path) -> None:
    (folder / "test_sort.py").write_text(CHECK)
    ran = code(TASK, "--yes", "--test", f"{sys.executable} test_sort.py")
    assert (ran.code, (folder / "sort.py").read_text()) == (0, MADE), ran.err
    assert "+def sort_list(items):" in ran.out
    assert "the test passes" in ran.err
    assert sorted(os.listdir(folder)) == ["sort.py", "test_sort.py"]
    undone = code("undo")
    assert (undone.code, "sort.py is removed" in undone.out) == (0, True)
    assert os.listdir(folder) == ["test_sort.py"]


@pytest.mark.parametrize("task", ["", "  \n"])
def test_an_empty_task(code: Code, folder: Path, task: str) -> None:
    ran = code(task, "--yes")
    _sentence(ran, 2, "The task is empty.")
    assert "edgemind code " in ran.err
    assert os.listdir(folder) == []


@pytest.mark.parametrize("place", ["/etc/x.py", "../x.py"])
def test_a_task_for_a_place_outside(code: Code, folder: Path, place: str) -> None:
    ran = code(f"write a function that sorts a list into {place}", "--yes")
    _sentence(ran, 20, f"{place} is not a file inside")
    assert os.listdir(folder) == []
    assert not (folder.parent / "x.py").exists()


def test_a_dry_run_into_git_apply(code: Code, folder: Path) -> None:
    ran = code(TASK, "--dry-run")
    assert (ran.code, os.listdir(folder)) == (0, [])
    subprocess.run(["git", "apply", "-"], input=ran.out.encode(), cwd=folder, check=True)
    assert (folder / "sort.py").read_text() == MADE


def test_json_is_one_object_on_success_and_on_failure(code: Code, folder: Path) -> None:
    made = json.loads(code(TASK, "--apply", "--json").out)
    assert (made["outcome"], made["steps"], made["rounds"][0]["files"][0]["path"]) == ("applied", [1], "sort.py")
    failed = code("Tell me about the sea into sea.py", "--apply", "--json")
    assert failed.code == 1
    assert json.loads(failed.out)["error"]["message"]
    refused = code(TASK, "../out.py", "--apply", "--json")
    assert (refused.code, json.loads(refused.out)["error"]["kind"]) == (20, "workspace")


def test_the_task_can_come_through_a_pipe(code: Code, folder: Path) -> None:
    assert code("--apply", stdin=f"{TASK}\n").code == 0
    assert (folder / "sort.py").read_text() == MADE


def test_a_file_that_is_named_beside_a_task_from_a_pipe_is_the_one_that_is_written(code: Code, folder: Path) -> None:
    (folder / "mine.py").touch()
    assert code("mine.py", "--apply", stdin="write a function that sorts a list\n").code == 0
    assert os.listdir(folder) == ["mine.py"]
    assert (folder / "mine.py").read_text().startswith("def ")


def test_the_log_and_an_undo_for_each_step(code: Code, folder: Path) -> None:
    code(TASK, "--apply")
    code("write a function that reverses a string into rev.py", "--apply")
    listed = json.loads(code("log", "--json").out)["steps"]
    assert [one["created"] for one in listed] == [["rev.py"], ["sort.py"]]
    assert (code("undo").code, code("undo").code, os.listdir(folder)) == (0, 0, [])


def test_the_map(code: Code, folder: Path) -> None:
    (folder / "shop.py").write_text("class Basket:\n    def total(self):\n        return 0\n")
    ran = code("map", "basket")
    assert (ran.code, "class Basket" in ran.out, "shop.py" in ran.out) == (0, True, True)
    assert json.loads(code("map", "--json").out)["map"][0]["path"] == "shop.py"


def test_a_patch_from_elsewhere(code: Code, folder: Path) -> None:
    (folder / "a.py").write_text("x = 1\ny = 2\n")
    patch = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n"
    _sentence(code("apply", "-", stdin=patch), 2, "no terminal to ask on")
    assert code("apply", "-", "--yes", stdin=patch).code == 0
    assert (folder / "a.py").read_text() == "x = 1\ny = 3\n"
    wrong = code("apply", "-", "--yes", stdin=patch.replace("y = 2", "q = 9").replace("x = 1", "w = 8"))
    assert (wrong.code, (folder / "a.py").read_text()) == (10, "x = 1\ny = 3\n")


def test_a_task_that_begins_with_the_name_of_a_command(code: Code) -> None:
    ran = code("--dry-run", "--", "map all keys")
    assert "No such option" not in ran.err
    assert ran.code == 1


def test_a_folder_and_a_pattern_stand_for_their_files(code: Code, folder: Path) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "sort.py").touch()
    for word in ("src", "src/*.py"):
        assert "+++ b/src/sort.py" in code("write a function that sorts a list", word, "--dry-run").out


def test_ctrl_c_tells_a_program_which_steps_are_written(folder: Path, edgemind: Command) -> None:
    process = edgemind.start(
        *("code", TASK, "--apply", "--json", "--test", "touch begun; sleep 600"),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder,
    )  # fmt: skip
    for _ in range(3000):
        if (folder / "begun").exists():
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=TIMEOUT)
    told = json.loads(out)
    assert (process.returncode, told["outcome"], told["steps"]) == (130, "stopped", [1])
    assert (folder / "sort.py").read_text() == MADE


def test_a_question_goes_where_the_terminal_is(folder: Path, edgemind: Command) -> None:
    with Screen() as screen:
        os.write(screen.master, b"y\n")
        process = edgemind.start(
            *("code", TASK), stdin=screen.slave, stdout=screen.slave, stderr=subprocess.DEVNULL, cwd=folder
        )
        assert process.wait(TIMEOUT) == 0
        assert "Write sort.py? [y/N]" in screen.text()
    assert (folder / "sort.py").read_text() == MADE


def test_whoever_is_asked_has_seen_the_edits_also_under_json(folder: Path, edgemind: Command) -> None:
    with Screen() as screen:
        os.write(screen.master, b"n\n")
        process = edgemind.start(
            *("code", TASK, "--json"), stdin=screen.slave, stdout=subprocess.PIPE, stderr=screen.slave, cwd=folder
        )
        out, _ = process.communicate(timeout=TIMEOUT)
        text = screen.text()
    assert json.loads(out)["outcome"] == "declined"
    assert text.index("+def sort_list(items):") < text.index("Write sort.py? [y/N]")


# What can be wrong


def test_a_folder_that_is_gone(code: Code, folder: Path) -> None:
    lost = f"mkdir lost; cd lost; rmdir ../lost; exec {COMMAND} code"
    for rest in ("log", "map", "'add a test' --apply"):
        done = subprocess.run(
            ["sh", "-c", f"{lost} {rest}"], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT
        )
        _sentence(Ran(done.returncode, done.stdout, done.stderr), 10, "no longer there")


def test_a_commit_that_nobody_can_be_asked_about(code: Code, folder: Path) -> None:
    _sentence(code(TASK, "--apply", "--commit"), 2, "no terminal to ask on")
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("write", "a", "function", "into", "sort.py"), "edgemind code 'write a function into sort.py'"),
        (("ask", "where is it?"), "edgemind code --ask "),
        (("help",), "edgemind code --help"),
        (("revert",), "edgemind code undo"),
        (("--json", "log"), "edgemind code log --help"),
        (("--ask", ""), "edgemind code --ask 'Where is the retry logic?'"),
    ],
    ids=["no quotes", "ask", "help", "revert", "flags first", "no question"],
)
def test_words_that_are_no_task(code: Code, folder: Path, words: tuple[str, ...], command: str) -> None:
    ran = code(*words)
    assert (ran.code, command in ran.err, os.listdir(folder)) == (2, True, []), ran.err


def test_no_repository_is_no_problem(code: Code, folder: Path) -> None:
    assert code(TASK, "--apply").code == 0
    _sentence(code(TASK, "--yes", "--commit"), 20, "not a git repository")


def test_a_dirty_tree_keeps_what_is_the_users(code: Code, folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    (folder / "mine.py").write_text("half done")
    assert code(TASK, "--apply").code == 0
    assert code("undo").code == 0
    assert (folder / "mine.py").read_text() == "half done"


def test_no_such_file_for_a_patch(code: Code) -> None:
    _sentence(code("apply", "missing.patch", "--yes"), 10, "There is no file missing.patch")
    for path in (".", os.devnull):
        ran = code("apply", path, "--yes")
        assert ran.code == 10
        assert "edgemind code apply FILE.patch" in ran.err


def test_a_file_outside(code: Code) -> None:
    _sentence(code(TASK, "/etc/passwd", "--apply"), 20, "is not a file inside")


def test_a_file_too_large_for_the_context(code: Code, folder: Path) -> None:
    (folder / "large.py").write_text("".join(f"value_{n} = {n}\n" for n in range(2000)))
    _sentence(code("add a comment to large.py", "--apply"), 6, "large.py")


def test_no_test_command_like_that(code: Code, folder: Path) -> None:
    _sentence(code(TASK, "--apply", "--test", "surely-no-such-program"), 2, "is not there")
    assert os.listdir(folder) == []


def test_a_test_command_that_hangs(code: Code, folder: Path) -> None:
    ran = code(TASK, "--apply", "--test", "sleep 60", "--test-timeout", "1", "--rounds", "0")
    _sentence(ran, 21, "does not end in time")
    assert (folder / "sort.py").read_text() == MADE


def test_merge_conflict_markers(code: Code, folder: Path) -> None:
    text = "a = 1\n<<<<<<< HEAD\nb = 2\n=======\nb = 3\n>>>>>>> other\n"
    (folder / "both.py").write_text(text)
    _sentence(code("fix both.py", "--apply"), 10, "conflict")
    assert (folder / "both.py").read_text() == text


def test_a_read_only_file(code: Code, folder: Path) -> None:
    (folder / "fixed.py").write_text("x = 1\n")
    (folder / "fixed.py").chmod(0o444)
    ran = code("apply", "-", "--yes", stdin="--- a/fixed.py\n+++ b/fixed.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n")
    _sentence(ran, 20, "read-only")
    assert (folder / "fixed.py").read_text() == "x = 1\n"


def test_a_task_in_another_language(code: Code, folder: Path) -> None:
    ran = code("Schreibe eine Funktion, die eine Liste sortiert, in liste.py", "--apply")
    _sentence(ran, 1, "nothing was written")
    assert os.listdir(folder) == []


def test_no_terminal_and_no_consent(code: Code, folder: Path) -> None:
    _sentence(code(TASK), 2, "no terminal to ask on")
    _sentence(code(), 2, "There is no task")
    _sentence(code("--ask"), 2, "There is no question")


def test_a_protected_file_without_a_terminal(code: Code, folder: Path) -> None:
    _sentence(code("write a function that sorts a list", ".hidden.py", "--yes"), 20, "no terminal to ask on")
    assert os.listdir(folder) == []


def test_why_a_file_is_protected_is_said_once(code: Code, folder: Path, edgemind: Command) -> None:
    task = ("write a function that sorts a list", ".hidden.py")
    reason = ".hidden.py is"
    shown = code(*task, "--dry-run")
    assert (shown.code, shown.err.count(reason)) == (0, 1)
    with Screen() as screen:
        os.write(screen.master, b"n\n")
        process = edgemind.start(
            "code", *task, stdin=screen.slave, stdout=screen.slave, stderr=screen.slave, cwd=folder
        )
        assert process.wait(TIMEOUT) == 0
        text = screen.text()
    assert (text.count(reason), "Write it all the same?" in text, os.listdir(folder)) == (1, True, [])


@pytest.mark.parametrize(
    "flags",
    [("--apply", "--dry-run"), ("--ask", "--test", "true"), ("--think", "--no-think")],
    ids=["apply and dry run", "ask and test", "think"],
)
def test_flags_that_contradict_each_other(code: Code, flags: tuple[str, ...]) -> None:
    _sentence(code("x y", *flags), 2, "contradict each other")


def test_a_command_that_is_nearly_one(code: Code) -> None:
    _sentence(code("mapp"), 2, "did you mean 'map'?")


def test_a_question_is_answered_without_an_edit(code: Code, folder: Path) -> None:
    (folder / "a.py").write_text("def retry():\n    pass\n")
    ran = code("--ask", "where is the retry logic?")
    assert ran.code == 0
    assert ran.out.strip()
    assert os.listdir(folder) == ["a.py"]


def test_a_patch_that_deletes_says_so(code: Code, folder: Path) -> None:
    (folder / "old.py").write_text("x = 1\n")
    ran = code("apply", "-", "--yes", stdin="--- a/old.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x = 1\n")
    assert ran.code == 0
    assert not (folder / "old.py").exists()
    assert "Removed: old.py" in ran.err
    assert "Written" not in ran.err


def test_a_patch_is_exact_on_both_ways(folder: Path, tmp_path: Path) -> None:
    """Line ends, a missing final newline and bytes that are no UTF-8: read from a file, written to a pipe."""
    before, after = b"a\r\ncaf\xe9\r\nc", b"a\r\ncaf\xe9s\r\nC"
    odd, other = folder / "odd.txt", tmp_path / "other.txt"
    odd.write_bytes(before)
    other.write_bytes(after)
    patch = tmp_path / "odd.patch"
    with patch.open("wb") as file:
        labels = ("--label", "a/odd.txt", "--label", "b/odd.txt")
        subprocess.run(["diff", "-au", *labels, odd, other], stdout=file, check=False)
    command = [COMMAND, "code", "apply", str(patch)]
    shown = subprocess.run([*command, "--dry-run"], cwd=folder, capture_output=True, check=True, timeout=TIMEOUT).stdout
    subprocess.run(["git", "apply", "--check", "-"], input=shown, cwd=folder, check=True)
    subprocess.run([*command, "--yes"], cwd=folder, capture_output=True, check=True, timeout=TIMEOUT)
    assert odd.read_bytes() == after
