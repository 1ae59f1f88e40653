"""What a session makes of a model's repairs: each a step of its own, and at the end what is true is said."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

from edgemind.coder.session import CodeSession, Options
from edgemind.coder.session_events import Applied, Finished, Proposal, SessionEvent
from edgemind.coder.verifying import test_command as command_of
from edgemind.coder.workspace import Workspace
from edgemind.errors import PromptTooLong

START = "value = 1\nother = 1\n"
TO_2 = "edit app.py\nreplace 1-1\n```\nvalue = 2\n```"
TO_3 = "edit app.py\nreplace 1-1\n```\nvalue = 3\n```"
TO_1 = "edit app.py\nreplace 1-1\n```\nvalue = 1\n```"
BROKEN = "edit app.py\nreplace 1-1\n```\nvalue = (\n```"
OTHER = "edit app.py\nreplace 2-2\n```\nother = 2\n```"
ANOTHER_FILE = "create more.py\n````\nmore = 1\n````"

Answer = Sequence[str] | Callable[[], Sequence[str]]


class Agrees:
    """To as many proposals as it is told."""

    def __init__(self, times: int = 99) -> None:
        self.times = times
        self.touched: list[str] = []

    def apply(self, proposal: Proposal) -> bool:
        self.times -= 1
        return self.times >= 0

    def touch(self, path: str, reason: str) -> bool:
        self.touched.append(f"{path} {reason}")
        return True

    def commit(self, branch: str, message: str) -> str | None:
        return message


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    made = tmp_path / "folder"
    made.mkdir()
    (made / "app.py").write_text(START)
    return made


def run(
    folder: Path, *answers: Answer, wanted: str = "", times: int = 99, limit: int = 32_768, **options: object
) -> tuple[Finished, list[SessionEvent], CodeSession]:
    """The task with these answers; the test wants a line of that text in ``app.py``."""
    engine = ScriptedEngine(*answers, limit=limit)
    test = command_of(f"{sys.executable} -c \"assert '{wanted}' in open('app.py').read()\"", folder) if wanted else None
    session = CodeSession(Workspace.find(folder), engine, Options(test=test, **options), Agrees(times))  # type: ignore[arg-type]
    events = list(session.run("Change the value in app.py"))
    done = events[-1]
    assert isinstance(done, Finished)
    assert list(done.steps) == [event.step for event in events if isinstance(event, Applied)]
    return done, events, session


def test_a_repair_that_helps_is_a_step_of_its_own(folder: Path) -> None:
    done, _, session = run(folder, [TO_2], [TO_3], wanted="value = 3")
    assert (done.outcome, len(done.steps)) == ("verified", 2)
    session.writing.undo()
    assert (folder / "app.py").read_text() == START.replace("1", "2", 1)
    session.writing.undo()
    assert (folder / "app.py").read_text() == START


@pytest.mark.parametrize(
    ("repair", "said"),
    [
        ([], "; the model has no other edit."),
        ([TO_2], "; the model's next edits change nothing."),
        (["edit app.py\nrepl…"], ". The last edit was cut off"),
    ],
    ids=["none", "the same", "cut off"],
)
def test_a_repair_without_a_change_says_that_the_edits_are_written(folder: Path, repair: list[str], said: str) -> None:
    done, _, _ = run(folder, [TO_2], repair, wanted="value = 3")
    assert (done.outcome, len(done.steps)) == ("failing", 1)
    assert done.text.startswith(f"The edits are written, and after 1 try the test still fails{said}")
    assert done.hint == "edgemind code undo"


def test_a_repair_that_undoes_everything_says_so(folder: Path) -> None:
    done, _, _ = run(folder, [TO_2], [TO_1], wanted="value = 3", rounds=1)
    assert (done.outcome, done.text) == (
        "failing",
        "The files are as they were, and after 2 tries the test still fails.",
    )
    assert (folder / "app.py").read_text() == START


def test_a_repair_that_is_declined_leaves_a_failure(folder: Path) -> None:
    done, _, _ = run(folder, [TO_2], [TO_3], wanted="value = 3", times=1)
    assert (done.outcome, len(done.steps)) == ("failing", 1)
    assert done.text.endswith("the test still fails; the repair was not written.")


@pytest.mark.parametrize("repair", [[OTHER], [ANOTHER_FILE]], ids=["elsewhere", "another file"])
def test_a_syntax_error_of_an_earlier_round_is_not_forgotten(folder: Path, repair: list[str]) -> None:
    done, _, _ = run(folder, [BROKEN], repair, rounds=1)
    assert (done.outcome, len(done.steps)) == ("failing", 2)
    assert "after 2 tries there is still a syntax error" in done.text


def test_a_syntax_error_is_mended(folder: Path) -> None:
    done, _, _ = run(folder, [BROKEN], [OTHER], [TO_2], rounds=2)
    assert (done.outcome, len(done.steps)) == ("applied", 3)
    assert (folder / "app.py").read_text() == "value = 2\nother = 2\n"


def test_a_syntax_error_that_was_there_before_is_not_the_tasks(folder: Path) -> None:
    (folder / "app.py").write_text("value = 1\nother = (\n")
    assert run(folder, [TO_2])[0].outcome == "applied"


def test_a_file_that_somebody_changes_meanwhile_stays_and_the_failure_is_told(folder: Path) -> None:
    def meanwhile() -> list[str]:
        (folder / "app.py").write_text("mine\n")
        return [TO_3]

    done, _, _ = run(folder, [TO_2], meanwhile, wanted="value = 3")
    assert (done.outcome, len(done.steps)) == ("failing", 1)
    assert "the test still fails. " in done.text
    assert (folder / "app.py").read_text() == "mine\n"


def test_a_repair_is_shown_no_more_of_a_large_file_than_was_shown_before(folder: Path) -> None:
    lines = [f"number_{at} = {at}" for at in range(3000)]
    (folder / "large.py").write_text("\n".join(lines) + "\n")
    fence = "```"
    longer = f"edit large.py\nreplace 1001-1001\n{fence}\nnumber_1000 = 2\nmore = 2\n{fence}"
    engine = ScriptedEngine([longer, "edit large.py\ndelete 2001-2005"], [], limit=4096)
    session = CodeSession(Workspace.find(folder), engine, Options(test=command_of("false", folder), rounds=1), Agrees())  # type: ignore[arg-type]
    done = list(session.run("Change the number", ["large.py:990-1010", "large.py:2000-2010", "large.py:5-9"]))[-1]
    assert isinstance(done, Finished)
    assert done.text.endswith("the model has no other edit.")
    shown = engine.requests[-1].messages[1].content
    assert "large.py (lines 990 to 1011 of 2996)" in shown
    assert "1002|more = 2" in shown
    assert "large.py (lines 2001 to 2006 of 2996)" in shown
    assert "lines 5 to 9" not in shown


@pytest.mark.parametrize(
    ("command", "task", "asked"),
    [
        ("./check.sh", "Make it pass", 1),
        ("sh -c './check.sh && true'", "Make it pass", 1),
        ("./check.sh", "Change check.sh", 0),
        ("test -e app.py", "Make it pass", 0),
    ],
    ids=["the script", "inside a shell", "named in the task", "another"],
)
def test_what_the_test_runs_is_not_changed_without_a_question(
    folder: Path, command: str, task: str, asked: int
) -> None:
    (folder / "check.sh").write_text("#!/bin/sh\n# Make it pass\nexit 1\n")
    (folder / "check.sh").chmod(0o755)
    engine, agrees = ScriptedEngine(["edit check.sh\nreplace 3-3\n```\nexit 0\n```"]), Agrees()
    session = CodeSession(Workspace.find(folder), engine, Options(test=command_of(command, folder)), agrees)  # type: ignore[arg-type]
    done = list(session.run(task))[-1]
    assert isinstance(done, Finished)
    assert (done.outcome, len(agrees.touched)) == ("verified", asked)
    assert all(line.startswith("check.sh is run by the test") for line in agrees.touched)


@pytest.mark.parametrize(("task", "asked"), [("Make it pass", 1), ("Change tests/test_x.sh", 0)])
def test_nor_is_a_test_of_a_folder_that_it_runs(folder: Path, task: str, asked: int) -> None:
    (folder / "tests").mkdir()
    (folder / "tests" / "test_x.sh").write_text("# Make it pass\nexit 1\n")
    engine, agrees = ScriptedEngine(["edit tests/test_x.sh\nreplace 2-2\n```\nexit 0\n```"]), Agrees()
    test = command_of("cat tests/* | sh", folder)
    session = CodeSession(Workspace.find(folder), engine, Options(test=test), agrees)  # type: ignore[arg-type]
    done = list(session.run(task))[-1]
    assert isinstance(done, Finished)
    assert (done.outcome, len(agrees.touched)) == ("verified", asked)


def test_a_test_that_the_task_itself_made_may_be_repaired(folder: Path) -> None:
    make, mend = "create new_test.py\n````\nx = 1\n````", "edit new_test.py\nreplace 1-1\n```\ny = 1\n```"
    engine, agrees = ScriptedEngine([make], [mend]), Agrees()
    test = command_of("grep -q y new_test.py", folder)
    session = CodeSession(Workspace.find(folder), engine, Options(test=test), agrees)  # type: ignore[arg-type]
    done = list(session.run("Make it pass"))[-1]
    assert isinstance(done, Finished)
    assert (done.outcome, agrees.touched) == ("verified", [])


def test_what_cannot_be_begun_is_an_error(folder: Path) -> None:
    (folder / "app.py").write_text(START * 2000)
    with pytest.raises(PromptTooLong):
        run(folder, [TO_2], limit=4096)
