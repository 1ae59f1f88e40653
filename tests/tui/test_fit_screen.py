"""What is attached does not fit: the numbers and three ways on."""

from __future__ import annotations

import pytest
from hosting import Host, ask
from textual.pilot import Pilot

from edgemind.tui.screens.attach import FitScreen


def screen() -> FitScreen:
    return FitScreen(("report.pdf",), tokens=20_000, room=5_000, parts=6)


def test_it_says_the_numbers() -> None:
    async def look(pilot: Pilot[None], app: Host) -> None:
        assert "report.pdf has 20,000 tokens; there is room for 5,000." in app.picture()
        await pilot.press("down")
        await pilot.pause()
        assert "25 % of it" in app.picture()
        await pilot.press("down")
        await pilot.pause()
        assert "in 6 requests" in app.picture()

    ask(screen, then=look)


@pytest.mark.parametrize(
    ("keys", "choice"),
    [(["enter"], "passages"), (["down", "enter"], "cut"), (["3"], "summarise"), (["2"], "cut"), (["escape"], None)],
)
def test_a_way_on_is_chosen(keys: list[str], choice: str | None) -> None:
    assert ask(screen, keys).results == [choice]
