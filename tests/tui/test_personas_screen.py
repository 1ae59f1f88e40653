"""Personas: list, use, new, edit, delete; kept in a real history."""

from __future__ import annotations

from hosting import Host, ask
from textual.pilot import Pilot

from edgemind.chat.history import History
from edgemind.chat.types import Parameters, Persona
from edgemind.tui.screens.personas import PersonasScreen


def filled() -> History:
    history = History.in_memory()
    history.save_persona(Persona("Doctor", "You are a physician.", Parameters(thinking="on")))
    history.save_persona(Persona("Poet", "Rhyme."))
    return history


def names(history: History) -> list[str]:
    return [persona.name for persona in history.personas()]


def test_enter_uses_the_marked_one() -> None:
    app = ask(lambda: PersonasScreen(filled(), "Doctor"), ["down", "enter"])
    assert app.results[0].name == "Poet"


def test_a_new_one_begins_with_this_chats_prompt() -> None:
    history = History.in_memory()

    async def make(pilot: Pilot[None], app: Host) -> None:
        assert "No persona yet" in app.picture()
        await pilot.press("n")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert "A persona needs a name." in app.picture()
        await pilot.press(*"Judge", "enter")
        await pilot.pause()
        assert "Judge" in app.picture()

    ask(lambda: PersonasScreen(history, system="Be fair.", parameters=Parameters(max_tokens=9)), then=make)
    (made,) = history.personas()
    assert (made.name, made.system, made.parameters.max_tokens) == ("Judge", "Be fair.", 9)


def test_editing_renames_and_refuses_a_name_that_is_taken() -> None:
    history = filled()

    async def edit(pilot: Pilot[None], app: Host) -> None:
        await pilot.press("e")
        await pilot.pause()
        await pilot.press("ctrl+u", *"Poet", "enter")
        await pilot.pause()
        assert "There is a persona Poet already." in app.picture()
        await pilot.press("s", "enter")
        await pilot.pause()

    ask(lambda: PersonasScreen(history, "Doctor"), then=edit)
    assert sorted(names(history)) == ["Poet", "Poets"]
    assert next(one for one in history.personas() if one.name == "Poets").parameters.thinking == "on"


def test_deleting_asks_once() -> None:
    history = filled()

    async def delete(pilot: Pilot[None], app: Host) -> None:
        await pilot.press("d")
        await pilot.pause()
        assert "Delete Doctor? Press d again." in app.picture()
        await pilot.press("down", "up")
        await pilot.pause()
        assert "Press d again" not in app.picture()
        await pilot.press("d")
        assert len(names(history)) == 2
        await pilot.press("d")
        await pilot.pause()

    ask(lambda: PersonasScreen(history, "Doctor"), then=delete)
    assert names(history) == ["Poet"]
