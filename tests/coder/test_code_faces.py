"""How a session with edits and repairs looks: on a terminal's lines and as the object of ``--json``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scripted_engine import ScriptedEngine

from edgemind.cli.code_ask import Answers, Consent
from edgemind.cli.code_result import Collected
from edgemind.cli.code_view import TEST_COLUMNS, CodeView
from edgemind.coder.session import CodeSession, Options
from edgemind.coder.session_events import SessionEvent, Tested
from edgemind.coder.verifying import TestResult
from edgemind.coder.verifying import test_command as command_of
from edgemind.coder.workspace import Workspace

TO_2 = "edit app.py\nreplace 1-1\n```\nvalue = 2\n```"
OTHER = "edit app.py\ninsert after 1\n```\nother = 2\n```"


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SessionEvent]:
    """Two edits, a test that fails, and a repair that is cut off."""
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "app.py").write_text("value = 1\n")
    engine = ScriptedEngine([TO_2, OTHER], ["edit…"])
    options = Options(test=command_of("echo no; false", folder))
    session = CodeSession(Workspace.find(folder), engine, options, Answers(Consent(yes=True)))  # type: ignore[arg-type]
    return list(session.run("Change app.py"))


def test_edits_stand_on_lines_of_their_own(
    events: list[SessionEvent], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemind.cli.console.is_terminal", lambda _: True)
    monkeypatch.setenv("NO_COLOR", "1")
    with CodeView("scripted") as view:
        for event in events:
            view.show(event)
    out = capsys.readouterr().out
    assert f"{TO_2}\n{OTHER}\ndone\n" in out
    assert out.count("  no\n") == 1
    assert out.endswith("The last edit was cut off by the limit of tokens and was dropped whole.\n")


def test_the_object_holds_every_round(events: list[SessionEvent]) -> None:
    collected = Collected("scripted", "Change app.py")
    for event in events:
        collected.add(event)
    told = json.loads(json.dumps(collected.as_object()))
    assert told["rounds"][0]["answer"] == f"{TO_2}\n\n{OTHER}\n\ndone"
    assert [one.get("step") for one in told["rounds"]] == [1, None]
    assert told["rounds"][0]["test"]["output"] == "no"
    assert (told["outcome"], told["error"]["kind"], told["steps"]) == ("failing", "checks_failed", [1])
    assert {"kind", "path", "first", "last", "tokens", "used", "note"} == set(told["rounds"][0]["context"]["parts"][0])


def test_a_line_of_a_failed_test_is_shown_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    with CodeView("scripted") as view:
        view.show(Tested(TestResult("make", 1, "x" * 60_000 + "\nlast", 0.1)))
    lines = capsys.readouterr().err.splitlines()
    assert [len(line) for line in lines[:2]] == [TEST_COLUMNS + 2, 6]
