"""Title, folder and tags in one dialog."""

from __future__ import annotations

from dataclasses import replace

from hosting import Host, ask
from textual.pilot import Pilot

from edgemind.chat.types import Chat
from edgemind.tui.screens.rename import Renamed, RenameScreen, tags_of

CHAT = Chat("c", "Old title", True, 0.0, 0.0, folder="work", tags=("a", "b c"))


def test_enter_gives_back_what_was_there_even_what_cannot_be_shown() -> None:
    odd = replace(CHAT, title="odd\x1b title", folder="f\x07", tags=("t\x1b",))
    assert ask(lambda: RenameScreen(CHAT), ["enter"]).results == [Renamed("Old title", "work", ("a", "b c"))]
    assert ask(lambda: RenameScreen(odd), ["enter"]).results == [Renamed(odd.title, odd.folder, odd.tags)]


def test_all_three_are_changed() -> None:
    keys = ["ctrl+u", *"New", "down", "ctrl+u", *"home", "down", "ctrl+u", *"x, #y z,,x", "enter"]
    assert ask(lambda: RenameScreen(CHAT), keys).results == [Renamed("New", "home", ("x", "y z"))]


def test_an_empty_title_keeps_the_old_one_and_a_folder_can_be_emptied() -> None:
    keys = ["ctrl+u", "down", "ctrl+u", "enter"]
    assert ask(lambda: RenameScreen(CHAT), keys).results == [Renamed("Old title", "", ("a", "b c"))]


def test_it_begins_where_it_was_asked_to_and_completes_what_is_in_use() -> None:
    async def complete(pilot: Pilot[None], app: Host) -> None:
        await pilot.press(*", Al")
        await pilot.pause()
        await pilot.press("right", "enter")
        await pilot.pause()

    app = ask(lambda: RenameScreen(CHAT, tags=["alpha", "beta"], begin="tags"), then=complete)
    assert app.results[0].tags == ("a", "b c", "Alpha")


def test_a_title_has_an_end() -> None:
    async def type_on(pilot: Pilot[None], app: Host) -> None:
        await pilot.press("enter")
        await pilot.pause()
        assert app.results == []
        assert "at most 200 characters" in app.picture()

    ask(lambda: RenameScreen(replace(CHAT, title="x" * 201)), then=type_on)


def test_tags_are_written_in_two_ways() -> None:
    assert tags_of("work, two words , #x") == ("work", "two words", "x")
    assert tags_of("#work #letters") == ("work", "letters")
    assert tags_of(" , ") == ()
