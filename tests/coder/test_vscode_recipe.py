"""The tasks for VS Code name commands and flags that there are, and inputs that are asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import typer

from edgemind.cli.app import app

FILE = Path(__file__).parent.parent.parent / "contrib" / "vscode" / "tasks.json"


def recipe() -> dict[str, Any]:
    """Comments are taken out: VS Code allows them, JSON does not."""
    text = re.sub(r"^\s*//.*$", "", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    value: dict[str, Any] = json.loads(text)
    return value


def test_every_task_runs_a_command_of_ours_with_flags_that_it_has() -> None:
    commands: Any = typer.main.get_command(app)
    for task in recipe()["tasks"]:
        assert (task["type"], task["command"]) == ("process", "edgemind")
        command = commands.commands[task["args"][0]]
        flags = {flag for parameter in command.params for flag in parameter.opts}
        assert {word for word in task["args"] if word.startswith("-")} <= flags


def test_every_input_is_asked_for_and_every_variable_is_known() -> None:
    value = recipe()
    used = set(re.findall(r"\$\{(.*?)\}", json.dumps(value["tasks"])))
    inputs = {f"input:{one['id']}" for one in value["inputs"]}
    assert used == inputs | {"relativeFile", "lineNumber", "workspaceFolder"}
