"""The table of keys: complete, without two meanings for one key, and every row of it can be done."""

from __future__ import annotations

import itertools

import pytest
from textual.binding import Binding

from edgemind.tui import keys
from edgemind.tui.app import EdgemindApp
from edgemind.tui.screens import help as help_screen
from edgemind.tui.screens.chat import ChatScreen
from edgemind.tui.widgets.sidebar import ChatList
from edgemind.tui.widgets.transcript import Transcript
from edgemind.tui.widgets.transcript_view import TranscriptView

EATEN = {"ctrl+i", "ctrl+m", "ctrl+h", "ctrl+left_square_bracket", "ctrl+s"}
"""What terminals keep for themselves, or send as another key."""


def test_no_key_means_two_things_in_one_place() -> None:
    for where in ("composer", "transcript", "sidebar"):
        used = [key for action in keys.ACTIONS if action.where in ("app", "chat", where) for key in action.keys]
        twice = {key for key in used if used.count(key) > 1} - {"enter", "delete"}
        assert twice == set()


def test_no_key_that_a_terminal_eats() -> None:
    assert EATEN.isdisjoint(itertools.chain.from_iterable(action.keys for action in keys.ACTIONS))


@pytest.mark.parametrize("action", [a for a in keys.ACTIONS if a.where != "composer"], ids=lambda a: a.name)
def test_every_action_can_be_done(action: keys.Action) -> None:
    if action.where == "transcript":
        bound = {binding.key for binding in Binding.make_bindings(Transcript.BINDINGS)}
        merged = TranscriptView._merged_bindings  # its arrows are those of everything that scrolls
        assert merged is not None
        assert set(action.keys) <= bound | set(merged.key_to_bindings)
    else:
        owners = (ChatList,) if action.where == "sidebar" else (ChatScreen, EdgemindApp)
        assert any(hasattr(owner, f"action_{action.name}") for owner in owners)


def test_everything_but_typing_is_a_command_too() -> None:
    by_key_only = {a.name for a in keys.ACTIONS if a.where in ("app", "chat") and not a.command}
    assert by_key_only == {"select_previous", "select_next", "next_branch", "copy_or_quit", "suspend"}


def test_a_command_is_found_by_name_alias_and_beginning() -> None:
    assert keys.of_command("/new") is keys.of_command("new") is keys.BY_NAME["new_chat"]
    assert keys.of_command("exit") is keys.BY_NAME["quit"]
    assert keys.of_command("ephem") is keys.BY_NAME["ephemeral"]
    assert keys.of_command("p") is None
    assert keys.of_command("") is None


@pytest.mark.parametrize("width", [94, 74, 50, 30])
def test_the_help_has_every_row_and_no_line_too_long(width: int) -> None:
    text = help_screen.content(width).plain
    assert all(len(line) <= width for line in text.splitlines())
    joined = " ".join(text.split())
    for action in keys.ACTIONS:
        for key in action.keys:
            assert keys.shown(key) in joined
        if action.command:
            assert f"/{action.command}" in joined
