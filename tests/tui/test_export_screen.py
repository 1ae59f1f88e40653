"""Export: the path is completed, the format and the ending follow each other, nothing is overwritten unasked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hosting import Host, ask, until
from textual.pilot import Pilot

from edgemind.tui.screens.export import ExportScreen, ExportTo, PathScreen
from edgemind.tui.widgets.line import Choice
from edgemind.tui.widgets.path_field import PathField


def test_a_name_is_suggested_and_it_says_that_the_file_is_not_encrypted(tmp_path: Path) -> None:
    async def look(pilot: Pilot[None], app: Host) -> None:
        assert "not encrypted" in app.picture()
        await pilot.press("enter")
        await pilot.pause()

    (result,) = ask(lambda: ExportScreen("A title", folder=tmp_path), then=look).results
    assert result.path.parent == tmp_path
    assert result.path.suffix == ".md"
    assert (result.format, result.overwrite) == ("markdown", False)


def test_format_and_ending_follow_each_other(tmp_path: Path) -> None:
    async def change(pilot: Pilot[None], app: Host) -> None:
        field = app.screen.query_one(PathField)
        app.screen.query_one(Choice).focus()
        await pilot.pause()
        await pilot.press("right")
        await pilot.pause()
        assert field.value.endswith(".json")
        field.focus()
        await pilot.pause()
        await pilot.press("ctrl+u", *"page.html")
        await pilot.pause()
        assert app.screen.query_one(Choice).value == "html"
        await pilot.press("enter")
        await pilot.pause()

    assert ask(lambda: ExportScreen("A title", folder=tmp_path), then=change).results == [
        ExportTo(tmp_path / "page.html", "html", False)
    ]


def test_an_existing_file_is_asked_about(tmp_path: Path) -> None:
    (tmp_path / "x.md").write_text("mine")

    async def export(pilot: Pilot[None], app: Host) -> None:
        await pilot.press("ctrl+u", *"x.md", "enter")
        await pilot.pause()
        assert app.results == []
        assert "x.md exists. Enter again replaces it" in app.picture()
        await pilot.press("backspace", "d")
        await pilot.pause()
        assert "Enter again" not in app.picture()
        await pilot.press("enter")
        await pilot.pause()
        assert app.results == [], "it asks again after a change"
        await pilot.press("enter")
        await pilot.pause()

    (result,) = ask(lambda: ExportScreen("A title", folder=tmp_path), then=export).results
    assert result == ExportTo(tmp_path / "x.md", "markdown", True)
    assert (tmp_path / "x.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "Write the name of a file."),
        ("sub", "is a folder"),
        ("no/x.md", "There is no folder"),
        ("p", "no plain file"),
    ],
)
def test_where_nothing_can_be_written_is_said(tmp_path: Path, typed: str, said: str) -> None:
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "p")

    async def export(pilot: Pilot[None], app: Host) -> None:
        await pilot.press("ctrl+u", *typed, "enter")
        await pilot.pause()
        assert app.results == []
        assert said in " ".join(app.picture().replace("│", "").split())

    ask(lambda: ExportScreen("A title", folder=tmp_path), then=export)


def test_a_path_is_completed(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "chats.json").write_text("{}")
    (tmp_path / "exports" / "other.json").write_text("{}")

    async def complete(pilot: Pilot[None], app: Host) -> None:
        field = app.screen.query_one(PathField)
        await pilot.press(*"ex")
        await until(pilot, lambda: "exports/" in app.picture())
        await pilot.press("tab")
        await until(pilot, lambda: "exports/chats.json" in app.picture())
        assert field.value == "exports/"
        await pilot.press("down", "up", "tab")
        await pilot.pause()
        assert field.value == "exports/chats.json"
        await pilot.press("enter")
        await pilot.pause()

    app = ask(lambda: PathScreen("Import chats from a file", folder=tmp_path), then=complete)
    assert app.results == [tmp_path / "exports" / "chats.json"]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    async def choose(pilot: Pilot[None], app: Host) -> None:
        await pilot.press(*"gone", "enter")
        await pilot.pause()
        assert "There is no file" in app.picture()
        await pilot.press("ctrl+u", "enter")
        await pilot.pause()
        assert "Write the path" in app.picture()

    assert ask(lambda: PathScreen("Attach a file", folder=tmp_path), ["x", "backspace"], then=choose).results == []
