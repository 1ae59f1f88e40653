"""Themes, and what is left of them where a terminal has no UTF-8."""

from __future__ import annotations

import typing

import pytest
from driving import Hands, drive
from rich.cells import cell_len

from edgemind.settings import ChatSettings
from edgemind.tui import theme
from edgemind.tui.app import EdgemindApp


def test_the_settings_name_the_themes_that_there_are() -> None:
    assert set(typing.get_args(ChatSettings.model_fields["theme"].annotation)) == set(theme.NAMES)


def test_each_theme_can_be_chosen_and_a_wrong_name_is_told(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        for name in theme.NAMES:
            await hands.say(f"/theme {name}")
            assert hands.app.theme == theme.PREFIX + name
        await hands.say("/theme pink")
        await hands.until(lambda: "high-contrast" in hands.text())
        await hands.say("/theme")
        assert hands.app.theme == theme.PREFIX + theme.NAMES[0]

    drive(app, script)


@pytest.mark.parametrize("text", ["╭──╮│ x │╰──╯", "● kernel █▌ ★ …", "日本語", "naïve “quoted” – dash", "👩‍🔬"])
def test_ascii_of_the_same_width(text: str) -> None:
    shown = theme.as_ascii(text)
    assert shown.isascii()
    assert len(shown) == sum(cell_len(character) for character in text)


@pytest.mark.parametrize(
    ("environment", "encoding", "reads"),
    [
        ({}, "utf-8", True),
        ({"LANG": "en_US.UTF-8"}, "utf-8", True),
        ({"LANG": "en_US.utf8"}, "utf-8", True),
        ({"LC_ALL": "C"}, "utf-8", False),
        ({"LC_ALL": "de_DE.ISO-8859-1"}, "utf-8", False),
        ({"LANG": "de_DE.ISO-8859-1", "LC_CTYPE": "C.UTF-8"}, "utf-8", False),
        ({"LC_CTYPE": "C.UTF-8"}, "utf-8", True),
        ({"LANG": "en_US"}, "utf-8", True),
        ({"LANG": "en_US"}, "iso8859-1", False),
        ({"LANG": "en_US.UTF-8"}, "latin-1", False),
    ],
)
def test_whether_a_terminal_reads_utf8(environment: dict[str, str], encoding: str, reads: bool) -> None:
    assert theme.reads_utf8(environment, encoding) is reads
