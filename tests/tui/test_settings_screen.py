"""One chat's settings: every value is checked where it stands, and only valid ones leave the dialog."""

from __future__ import annotations

import pytest
from hosting import Host, ask
from textual.pilot import Pilot

from edgemind.chat.types import Chat, Parameters, Persona
from edgemind.engine.events import Sampling
from edgemind.tui.screens.fields import LENGTHS, SAMPLING, check, text_of
from edgemind.tui.screens.settings import ParametersForm, SettingsScreen
from edgemind.tui.widgets.line import Choice, Line

PARAMETERS = Parameters(
    thinking="on",
    thinking_budget=100,
    max_tokens=2000,
    sampling=Sampling(temperature=0.7, top_k=40, logit_bias={5: -1.0}),
    confidence=True,
)
CHAT = Chat("c", "Title", True, 0.0, 0.0, system="Be brief.", persona="Doctor", parameters=PARAMETERS)
DOCTOR = Persona("Doctor", "You are a physician.", Parameters(sampling=Sampling(temperature=0.1)))
POET = Persona("Poet", "Rhyme.", Parameters(thinking="off", sampling=Sampling(temperature=1.5)))
NUMBERS = {number.name: number for number in (*LENGTHS, *SAMPLING)}


def line(app: Host, name: str) -> Line:
    return app.screen.query_one(ParametersForm).lines[NUMBERS[name]]


def test_enter_gives_back_what_was_there() -> None:
    app = ask(lambda: SettingsScreen(CHAT, [DOCTOR, POET]), ["enter"])
    (result,) = app.results
    assert (result.parameters, result.system, result.persona) == (PARAMETERS, "Be brief.", "Doctor")


def test_every_number_has_a_field() -> None:
    assert set(NUMBERS) == (set(Sampling.model_fields) - {"logit_bias"}) | {"thinking_budget", "max_tokens"}


def test_values_are_changed_by_keyboard() -> None:
    async def change(pilot: Pilot[None], app: Host) -> None:
        form = app.screen.query_one(ParametersForm)
        form.thinking.focus()
        await pilot.pause()
        await pilot.press("right", "down", *"5", "down", "ctrl+u", "down", "left")
        line(app, "temperature").focus()
        await pilot.pause()
        await pilot.press("ctrl+u", *"0.25", "enter")
        await pilot.pause()

    (result,) = ask(lambda: SettingsScreen(CHAT), then=change).results
    assert result.parameters.thinking == "off"
    assert result.parameters.thinking_budget == 1005
    assert result.parameters.max_tokens is None
    assert result.parameters.confidence is False
    assert result.parameters.sampling.temperature == 0.25
    assert result.parameters.sampling.logit_bias == {5: -1.0}, "what has no field stays"


def test_a_wrong_value_is_said_at_once_and_holds_the_dialog_open() -> None:
    async def change(pilot: Pilot[None], app: Host) -> None:
        line(app, "top_p").focus()
        await pilot.pause()
        await pilot.press(*"1.5")
        await pilot.pause()
        assert "Top-p: a number from 0 to 1." in app.picture()
        assert line(app, "top_p").has_class("-invalid")
        line(app, "seed").focus()
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert app.results == []
        assert line(app, "top_p").has_focus
        await pilot.press("backspace", "backspace", "enter")
        await pilot.pause()

    (result,) = ask(lambda: SettingsScreen(CHAT), then=change).results
    assert result.parameters.sampling.top_p == 1.0


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("temperature", "-1", "Temperature: a number from 0 to 100."),
        ("temperature", "0,7", "Temperature: write the decimal with a point, as in 0.7."),
        ("temperature", "nan", "Temperature: a number from 0 to 100."),
        ("temperature", "inf", "Temperature: a number from 0 to 100."),
        ("top_k", "1.5", "Top-k: a whole number from 0 on."),
        ("repeat_penalty", "0", "Repeat penalty: a number above 0, up to 10."),
        ("mirostat", "3", "Mirostat: a whole number: 0, 1 or 2."),
        ("seed", "99999999999", "Seed: a whole number from 0 to 4,294,967,294."),
        ("max_tokens", "0", "Longest answer: a whole number from 1 on."),
        ("temperature", " ", ""),
        ("mirostat", "2", ""),
        ("penalty_last_n", "-1", ""),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(name: str, text: str, said: str) -> None:
    assert check(NUMBERS[name], text)[1] == said


def test_numbers_read_back_as_they_were_written() -> None:
    for number in NUMBERS.values():
        shown = text_of(number, PARAMETERS)
        value, wrong = check(number, shown)
        owner = PARAMETERS.sampling if number.sampling else PARAMETERS
        assert (value, wrong) == (getattr(owner, number.name), "")


def test_a_persona_brings_its_prompt_and_parameters() -> None:
    async def change(pilot: Pilot[None], app: Host) -> None:
        app.screen.query_one("#persona", Choice).focus()
        await pilot.pause()
        await pilot.press("right")
        await pilot.pause()
        assert "Rhyme." in app.picture()
        await pilot.press("enter")
        await pilot.pause()

    (result,) = ask(lambda: SettingsScreen(CHAT, [DOCTOR, POET]), then=change).results
    assert (result.persona, result.system) == ("Poet", "Rhyme.")
    assert result.parameters.thinking == "off"
    assert result.parameters.sampling.temperature == 1.5


def test_the_system_prompt_has_lines() -> None:
    async def change(pilot: Pilot[None], app: Host) -> None:
        app.screen.query_one(ParametersForm).system.focus()
        await pilot.pause()
        await pilot.press("ctrl+j", *"Two.", "enter")
        await pilot.pause()

    assert ask(lambda: SettingsScreen(CHAT), then=change).results[0].system == "Be brief.\nTwo."


def test_the_models_own_values_stand_in_the_empty_fields() -> None:
    async def look(pilot: Pilot[None], app: Host) -> None:
        assert "0.05 (model)" in app.picture()

    ask(lambda: SettingsScreen(CHAT, model=Sampling(min_p=0.05)), then=look)


def test_a_click_chooses_a_word() -> None:
    async def click(pilot: Pilot[None], app: Host) -> None:
        form = app.screen.query_one(ParametersForm)
        await pilot.click(form.thinking, offset=(13, 0))
        await pilot.press("enter")
        await pilot.pause()

    assert ask(lambda: SettingsScreen(CHAT), then=click).results[0].parameters.thinking == "off"
