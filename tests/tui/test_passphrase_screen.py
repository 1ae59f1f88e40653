"""Setting and changing the passphrase: typed twice, never shown, its strength in words."""

from __future__ import annotations

import pytest
from hosting import Host, ask, until
from textual import events
from textual.pilot import Pilot

from edgemind.errors import WrongPassphrase
from edgemind.tui.screens.passphrase import Passphrases, PassphraseScreen
from edgemind.tui.screens.strength import estimate, strength
from edgemind.tui.widgets.line import Line

GOOD = "correct horse battery staple"


def test_it_is_typed_twice_and_never_shown() -> None:
    async def look(pilot: Pilot[None], app: Host) -> None:
        await pilot.press(*GOOD, "enter")
        assert "correct" not in app.picture()
        await pilot.press(*GOOD)
        assert "staple" not in app.picture()
        await pilot.press("enter")
        await pilot.pause()

    app = ask(lambda: PassphraseScreen("set"), then=look)
    assert app.results == [Passphrases("", GOOD)]
    assert GOOD not in repr(app.results)


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [("short", "short", "at least 8 characters"), (GOOD, GOOD + "x", "The two differ")],
)
def test_what_is_wrong_with_it_is_said(first: str, second: str, said: str) -> None:
    async def look(pilot: Pilot[None], app: Host) -> None:
        await pilot.press(*first, "enter", *second, "enter")
        await pilot.pause()
        assert said in app.picture()

    assert ask(lambda: PassphraseScreen("set"), then=look).results == []


def test_a_wrong_old_passphrase_keeps_the_dialog_open() -> None:
    tried: list[str] = []

    def apply(passphrases: Passphrases) -> None:
        tried.append(passphrases.old)
        if passphrases.old != "the old one":
            raise WrongPassphrase("That is not the passphrase.", "Try again in 2 s.")

    async def change(pilot: Pilot[None], app: Host) -> None:
        await pilot.press(*"wrong", "enter", *GOOD, "enter", *GOOD, "enter")
        await until(pilot, lambda: "That is not the passphrase. Try again in 2 s." in app.picture())
        assert app.results == []
        await pilot.press(*"the old one", "enter")
        await until(pilot, lambda: bool(app.results))

    app = ask(lambda: PassphraseScreen("change", apply=apply), then=change)
    assert app.results == [Passphrases("the old one", GOOD)]
    assert tried == ["wrong", "the old one"]


def test_a_secret_is_not_copied_and_pasted_as_it_is() -> None:
    async def paste(pilot: Pilot[None], app: Host) -> None:
        app.post_message(events.Paste("pass\u200dword \x1b!\nsecond line"))
        await pilot.pause()
        line = app.screen.query(Line).first()
        assert line.value == "pass\u200dword \x1b!"
        await pilot.press("shift+home", "ctrl+c", "ctrl+x")
        await pilot.pause()
        assert app.clipboard == ""
        assert line.value != ""

    ask(lambda: PassphraseScreen("set"), then=paste)


def test_leaving_drops_what_was_typed() -> None:
    screen = PassphraseScreen("set")
    ask(lambda: screen, [*GOOD, "escape"])
    assert all(line.value == "" for line in (screen._old, screen._new, screen._again))


def test_strength_follows_what_is_hard_to_guess() -> None:
    weak = ["password", "password123", "a" * 16, "1234567890" * 2, "qwertyuiop", "abcdefghijkl", "password password"]
    fair = ["horse staple battery wheel"]
    strong = ["correct horse battery staple wheel lantern moss", "x7#Kq!92mZ@fLp4v"]
    assert max(strength(text).level for text in weak) <= 2
    assert all(strength(text).level >= 3 for text in fair)
    assert all(strength(text).level == 5 for text in strong)
    assert estimate("") == 0.0
    assert "secret" not in strength("my secret words").words
