"""The commands at the prompt of a coding session, with the built-in model."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from edgemind.cli.code_ask import Answers, Consent
from edgemind.cli.code_flags import CodeFlags
from edgemind.cli.code_run import opened
from edgemind.cli.code_session import COMMANDS, Talk
from edgemind.coder.picking import MOST

Said = Callable[[str], str]

TASK = "write a function that sorts a list into sort.py"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    made = tmp_path / "folder"
    made.mkdir()
    (made / "shop.py").write_text("class Basket:\n    pass\n")
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def talk(folder: Path) -> Iterator[Talk]:
    given = {"model": "edgemind-nano", "test_timeout": 60.0, "rounds": 0}
    off = ("ask", "apply", "yes", "dry_run", "commit", "think", "no_think", "hide_thinking", "json_output")
    flags = CodeFlags(**{one.name: False if one.name in off else given.get(one.name) for one in fields(CodeFlags)})  # type: ignore[arg-type]
    answers = Answers(Consent(apply=True))
    with opened(flags, answers) as session:
        yield Talk(flags, session, answers)


@pytest.fixture
def said(talk: Talk, capsys: pytest.CaptureFixture[str]) -> Said:
    """What one line at the prompt prints."""

    def do(line: str) -> str:
        assert talk.do(line)
        out, err = capsys.readouterr()
        return out + err

    return do


def test_a_step_is_shown_listed_and_taken_back(said: Said, folder: Path) -> None:
    assert "Nothing was written in this session" in said("/diff")
    assert "There is no step to undo" in said("/log")
    assert "Done: sort.py written." in said(TASK)
    assert "+def sort_list(items):" in said("/diff")
    assert "+ sort.py" in said("/log")
    assert "sort.py is removed" in said("/undo")
    assert os.listdir(folder) == ["shop.py"]
    assert "no step" in said("/undo")


def test_files_are_named_and_dropped(said: Said) -> None:
    assert "No file is named" in said("/files")
    assert "new.py (new) is shown" in said("/add shop.py 'new.py'")
    assert said("/files").split() == ["shop.py", "new.py"]
    assert "shop.py is shown no longer" in said("/rm shop.py")
    assert "was not among" in said("/drop shop.py")
    assert said("/files").split() == ["new.py"]
    assert "not a file inside" in said("/add ../out.py")


def test_folders_patterns_and_lines_are_names_too(said: Said, folder: Path) -> None:
    (folder / "a b").mkdir()
    for name in ("a b/one.py", "a b/two.py", "a b/note.txt"):
        (folder / name).write_text("x = 1\ny = 2\n")
    assert said("/add 'a b/*.py'").count("is shown") == 2
    assert said("/add 'a b'").count("is shown") == 3
    assert said("/files").splitlines() == ["  a b/one.py", "  a b/two.py", "  a b/note.txt"]
    assert said("/drop 'a b'").count("no longer") == 3
    assert said("/add .").count("is shown") == 4
    assert said("/drop *.txt").count("no longer") == 1
    assert said("/drop").count("no longer") == 3
    assert "shop.py:1-2 is shown" in said("/add shop.py:1-2")
    assert "there are no lines 1 to 9" in said("/add shop.py:1-9")
    assert said("/drop shop.py").count("no longer") == 1
    assert "has no file" in said("/add *.rs")


def test_a_pattern_with_too_many_files_is_one_sentence(said: Said, folder: Path) -> None:
    for number in range(MOST + 1):
        (folder / f"file{number}.py").touch()
    assert "51 files" in said("/add file*.py")
    assert "No file is named" in said("/files")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("!ls", "fg comes back"),
        ("/model", "edgemind code --model NAME"),
        ("/commit", "edgemind code --commit"),
        ("/clear", "/drop forgets the files"),
        ("/run make", "/test CMD"),
        ("/undo 3", "again for the one before"),
        ("help", "/undo"),
        ("log", "no step to undo"),
        ("/map\tbasket", "class Basket"),
    ],
    ids=str,
)
def test_what_people_type_first_is_answered(said: Said, line: str, answer: str) -> None:
    assert answer in said(line)


@pytest.mark.parametrize("word", ["quit", "exit", "Quit", "q"])
def test_a_word_leaves(talk: Talk, word: str) -> None:
    assert not talk.do(word)


def test_a_question_is_asked_and_a_task_is_not(said: Said, folder: Path) -> None:
    assert "a question, so nothing is written" in said("where is the retry logic?")
    assert "/ask QUESTION" in said("Tell me about the sea, will you?")
    assert os.listdir(folder) == ["shop.py"]


def test_a_test_is_set_run_and_switched_off(said: Said) -> None:
    assert "There is no test command" in said("/test")
    assert "After each step" in said(f"/test {sys.executable} -c 'raise SystemExit(3)'")
    assert "failed with exit code 3" in said("/test")
    assert "the test still fails" in said(TASK)
    assert "No test is run" in said("/test off")
    assert "is not there" in said("/test surely-no-such-program")


def test_the_map_the_help_and_what_is_no_command(said: Said, talk: Talk) -> None:
    assert "class Basket" in said("/map basket")
    helped = said("/help")
    assert all(name in helped for name in COMMANDS)
    assert "Did you mean /undo?" in said("/undp")
    assert [talk.do(word) for word in ("", "/q", "/exit", "/quit")] == [True, False, False, False]


def test_what_a_word_can_become(talk: Talk) -> None:
    assert list(talk.completions("/un")) == [("/undo", -3)]
    assert list(talk.completions("/add sh")) == [("shop.py", -2)]
    assert list(talk.completions("change @sh")) == [("shop.py", -3)]
    assert list(talk.completions("change ")) == []
    talk.do("/add 'new one.py'")
    assert list(talk.completions("/drop ")) == [("'new one.py'", 0)]
    assert list(talk.completions("/drop 'ne")) == [("'new one.py'", -3)]
