"""A coding session with the built-in model: from words to files that are tested and can be taken back."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edgemind.coder.session import CodeSession, Options
from edgemind.coder.session_events import (
    Applied,
    Committed,
    ContextChosen,
    Finished,
    Note,
    Proposal,
    SessionEvent,
    Tested,
)
from edgemind.coder.verifying import test_command as command_of
from edgemind.coder.workspace import Workspace
from edgemind.distill.problems.language.python_functions import inflect
from edgemind.distill.problems.language.python_tasks import TASKS, Task
from edgemind.engine import defaults
from edgemind.engine.client import Engine
from edgemind.engine.events import Answer, Thinking
from edgemind.models import names
from edgemind.settings import Settings

TASK = "write a function that sorts a list into sort.py"
FEW = ("sort_list", "reverse_string", "is_prime", "factorial", "count_words")
PHRASINGS = {
    "short": ("third", "write a function that {task} into {name}.py"),
    "that": ("third", "Write a Python function that {task} in {name}.py."),
    "to": ("infinitive", "Write a Python function to {task} and save it as {name}.py."),
}
TRIED = (
    [(task, phrasing) for task in TASKS for phrasing in PHRASINGS]
    if os.environ.get("EDGEMIND_TEST_ALL_TASKS")
    else [(task, "short") for task in TASKS if task.name in FEW]
)
CHECK = """
import contextlib, io
from {name} import {name}
with open("cases.txt", "w") as file:
    file.write("one\\ntwo\\n")
for arguments, wanted in {cases!r}:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        made = {name}(*eval(arguments))
    made = printed.getvalue().strip() if {printed} else made
    assert repr(made) == repr(wanted), (arguments, made, wanted)
"""


@dataclass
class Says:
    """The answers of a user."""

    apply_: bool = True
    touch_: bool = True
    message: str | None = None
    asked: list[str] = field(default_factory=list)

    def apply(self, proposal: Proposal) -> bool:
        self.asked.append(f"apply {' '.join(proposal.paths)}")
        return self.apply_

    def touch(self, path: str, reason: str) -> bool:
        self.asked.append(f"touch {path}")
        return self.touch_

    def commit(self, branch: str, message: str) -> str | None:
        self.asked.append(f"commit {branch}: {message}")
        return self.message


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(defaults.load_options(names.resolve("edgemind-nano"), Settings())) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    made = tmp_path / "folder"
    made.mkdir()
    return made


def _session(engine: Engine, folder: Path, says: Says | None = None, test: str = "", **options: object) -> CodeSession:
    workspace = Workspace.find(folder)
    command = command_of(test, folder) if test else None
    return CodeSession(workspace, engine, Options(test=command, **options), says or Says())  # type: ignore[arg-type]


def _done(events: list[SessionEvent]) -> Finished:
    assert isinstance(events[-1], Finished)
    return events[-1]


@pytest.mark.parametrize(("task", "phrasing"), TRIED, ids=[f"{task.name}-{phrasing}" for task, phrasing in TRIED])
def test_a_small_task_works_from_words_to_a_test_that_passes(
    engine: Engine, folder: Path, task: Task, phrasing: str
) -> None:
    (folder / "check.py").write_text(CHECK.format(name=task.name, cases=list(task.cases), printed=task.printed))
    session = _session(engine, folder, test=f"{sys.executable} check.py")
    form, words = PHRASINGS[phrasing]
    infinitive = task.infinitives[0]
    task_words = inflect(infinitive, "third") if form == "third" else infinitive
    events = list(session.run(words.format(task=task_words, name=task.name)))
    assert _done(events).outcome == "verified", events[-3:]
    assert len([event for event in events if isinstance(event, Applied)]) == 1
    session.writing.undo()
    assert not (folder / f"{task.name}.py").exists()


def test_a_test_that_cannot_pass_leaves_a_step_for_each_try(engine: Engine, folder: Path) -> None:
    (folder / "check.py").write_text("raise SystemExit('never')\n")
    session = _session(engine, folder, test=f"{sys.executable} check.py", rounds=2)
    events = list(session.run(TASK))
    done = _done(events)
    assert done.outcome == "failing"
    assert "still fails" in done.text
    assert done.hint.startswith("edgemind code undo")
    assert [event.result.passed for event in events if isinstance(event, Tested)] == [False] * len(done.steps)
    for _ in done.steps:
        session.writing.undo()
    assert sorted(os.listdir(folder)) == ["check.py"]


def test_no_is_no(engine: Engine, folder: Path) -> None:
    says = Says(apply_=False)
    events = list(_session(engine, folder, says).run(TASK))
    assert _done(events).outcome == "declined"
    assert says.asked == ["apply sort.py"]
    assert os.listdir(folder) == []


def test_a_dry_run_asks_nothing_and_writes_nothing(engine: Engine, folder: Path) -> None:
    says = Says()
    events = list(_session(engine, folder, says, dry_run=True).run(TASK))
    assert _done(events).outcome == "shown"
    assert any(isinstance(event, Proposal) and "+def sort_list(items):" in event.diffs[0].lines for event in events)
    assert (says.asked, os.listdir(folder)) == ([], [])


def test_a_protected_file_needs_a_question_that_names_it(engine: Engine, folder: Path) -> None:
    says = Says(touch_=False)
    events = list(_session(engine, folder, says).run("write a function that sorts a list", [".hidden.py"]))
    assert _done(events).outcome == "declined"
    assert says.asked == ["touch .hidden.py"]
    assert os.listdir(folder) == []


def test_what_the_model_cannot_do_is_said_and_nothing_written(engine: Engine, folder: Path) -> None:
    done = _done(list(_session(engine, folder).run("Schreibe eine Funktion, die eine Liste sortiert, in liste.py")))
    assert done.outcome == "nothing"
    assert done.hint
    assert os.listdir(folder) == []


def test_a_path_in_a_folder_is_made_with_its_folder_and_undone_with_it(engine: Engine, folder: Path) -> None:
    session = _session(engine, folder)
    assert _done(list(session.run("write a function that sorts a list into src/deep/sort.py"))).outcome == "applied"
    assert (folder / "src" / "deep" / "sort.py").read_text().startswith("def ")
    session.writing.undo()
    assert os.listdir(folder) == []


def test_a_commit_holds_the_task_on_its_own_branch(engine: Engine, folder: Path) -> None:
    for command in (["init", "-q"], ["config", "user.name", "A"], ["config", "user.email", "a@example.org"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / "mine.txt").write_text("not yet committed\n")
    says = Says(message="Sort lists")
    events = list(_session(engine, folder, says, commit=True).run(TASK))
    committed = next(event for event in events if isinstance(event, Committed))
    shown = subprocess.run(
        ["git", "show", "--name-only", "--format=%s", committed.commit], cwd=folder, capture_output=True, text=True
    )
    assert shown.stdout.split() == ["Sort", "lists", "sort.py"]
    assert says.asked[-1].startswith(f"commit {committed.branch}: Write a function that sorts a list")


def test_what_git_ignores_is_not_committed(engine: Engine, folder: Path) -> None:
    for command in (["init", "-q"], ["config", "user.name", "A"], ["config", "user.email", "a@example.org"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    (folder / ".gitignore").write_text("sort.py\n")
    events = list(_session(engine, folder, Says(message="Sort lists"), commit=True).run(TASK))
    assert [event.text for event in events if isinstance(event, Note)] == [
        "nothing was committed: git is told to ignore sort.py"
    ]
    assert _done(events).outcome == "applied"


def test_a_stop_before_the_answer_has_begun_is_not_lost(engine: Engine, folder: Path) -> None:
    for run in (_session(engine, folder).run, _session(engine, folder).ask):
        session = run.__self__
        assert isinstance(session, CodeSession)
        events = []
        for event in run(TASK):
            events.append(event)
            if isinstance(event, ContextChosen):
                session.stop()
        assert _done(events).outcome == "stopped"
        assert sum(len(event.text) for event in events if isinstance(event, (Thinking, Answer))) < 40
        assert os.listdir(folder) == []


def test_a_stop_ends_the_answer_and_writes_nothing(engine: Engine, folder: Path) -> None:
    session = _session(engine, folder)
    events = []
    for event in session.run(TASK):
        events.append(event)
        session.stop()
    assert _done(events).outcome == "stopped"
    assert os.listdir(folder) == []
