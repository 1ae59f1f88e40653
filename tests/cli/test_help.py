"""Help texts at the width of an old terminal: nothing cut off, nothing that reads like a slip."""

from __future__ import annotations

import re

import pytest

from edgemind.cli.app import app
from tests.cli.conftest import Command

COMMANDS = [info.name for info in app.registered_commands if info.name]
SUBCOMMANDS = {
    str(group.name): [str(info.name) for info in group.typer_instance.registered_commands if not info.hidden]
    for group in app.registered_groups
    if group.typer_instance
}
GROUPS = ["", *SUBCOMMANDS]
EVERY = [*COMMANDS, *SUBCOMMANDS, *(f"{group} {name}" for group, names in SUBCOMMANDS.items() for name in names)]


def _text(edgemind: Command, command: str) -> str:
    ran = edgemind(*command.split(), "--help", COLUMNS="80", TERM="dumb")
    assert (ran.code, ran.err) == (0, "")
    return ran.out


@pytest.mark.parametrize("group", GROUPS)
def test_what_a_command_does_fits_its_line(edgemind: Command, group: str) -> None:
    listed = _text(edgemind, group).split("Commands:\n", 1)[1].split("\n\n")[0].splitlines()
    assert len(listed) == len(SUBCOMMANDS[group] if group else [*COMMANDS, *SUBCOMMANDS])
    for line in listed:
        assert re.fullmatch(r"  [a-z-]+  +[A-Z].*[^.]\.", line), line


@pytest.mark.parametrize("command", EVERY)
def test_the_usage_names_each_argument_once_and_in_capitals(edgemind: Command, command: str) -> None:
    text = _text(edgemind, command)
    usage = " ".join(text.split("\n\n")[0].split())
    assert usage.startswith(f"Usage: edgemind {command}")
    assert not any(slip in usage for slip in ("[[", "......", "...}"))
    for argument in re.findall(r"[\[{]([^\]}]+)[\]}]", usage.removeprefix(f"Usage: edgemind {command}")):
        assert argument == argument.upper() or argument == "FILE.gguf|DIR", usage


def test_the_command_to_try_can_be_copied(edgemind: Command) -> None:
    last = _text(edgemind, "").splitlines()[-1]
    assert last.endswith("Try: edgemind run 'What is 48 + 37?'")
