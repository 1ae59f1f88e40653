"""Files that go along: ``@`` with completion, read in a thread, with what happens when one cannot be read."""

from __future__ import annotations

import threading
from pathlib import Path

from hosting import ComposerHost, play, read_text, until
from textual.pilot import Pilot

from edgemind.chat.attachments.types import Attachment
from edgemind.chat.history import History


def folder_with(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text("# Guide\n")
    (tmp_path / "notes.txt").write_text("some notes\n")
    (tmp_path / "two words.txt").write_text("x\n")
    (tmp_path / "raw.dat").write_bytes(b"\xff\xfe\x00\x01")
    return tmp_path


def test_at_completes_files_and_attaches_what_is_chosen(tmp_path: Path) -> None:
    app = ComposerHost(folder=folder_with(tmp_path))

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"sum up @gui")
        await until(pilot, lambda: "docs/guide.md" in app.picture())
        await pilot.press("enter")
        await until(pilot, lambda: len(app.composer.attachments) == 1)
        assert app.composer.draft == "sum up @docs/guide.md "
        await pilot.press("enter")
        await pilot.pause()
        assert app.sent[0].text == "sum up @docs/guide.md"
        assert app.sent[0].attachments[0].text == "# Guide\n"

    play(app, run)


def test_a_folder_is_walked_into_and_a_name_with_a_space_is_quoted(tmp_path: Path) -> None:
    app = ComposerHost(folder=folder_with(tmp_path))

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"@doc")
        await until(pilot, lambda: app.composer.is_open)
        await until(pilot, lambda: "docs/" in app.picture())
        await pilot.press("tab")
        await until(pilot, lambda: "docs/guide.md" in app.picture())
        assert app.composer.draft == "@docs/"
        await pilot.press("ctrl+u", *"@two")
        await until(pilot, lambda: "two words.txt" in app.picture())
        await pilot.press("tab")
        await until(pilot, lambda: len(app.composer.attachments) == 1)
        assert app.composer.draft == '@"two words.txt" '

    play(app, run)


def test_a_file_typed_without_completion_is_attached_when_sent(tmp_path: Path) -> None:
    app = ComposerHost(folder=folder_with(tmp_path))

    async def run(pilot: Pilot[None]) -> None:
        app.composer.set_text('compare @notes.txt, @"two words.txt" and @nobody')
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: bool(app.sent))
        assert [one.name for one in app.sent[0].attachments] == ["notes.txt", "two words.txt"]

    play(app, run)


def test_a_message_waits_for_its_file_while_typing_goes_on(tmp_path: Path) -> None:
    go = threading.Event()

    def read_slowly(path: Path) -> Attachment:
        go.wait()
        return read_text(path)

    app = ComposerHost(folder=folder_with(tmp_path), read=read_slowly)

    async def run(pilot: Pilot[None]) -> None:
        app.composer.add_attachment(tmp_path / "notes.txt")
        await pilot.press(*"hm", "enter")
        await pilot.pause()
        assert "Sent as soon as notes.txt has been read" in app.picture()
        await pilot.press("escape", "m", "enter")
        await pilot.pause()
        assert app.composer.draft == "hmm"
        go.set()
        await until(pilot, lambda: bool(app.sent))
        assert app.sent[0].text == "hmm"
        assert app.sent[0].attachments[0].name == "notes.txt"

    play(app, run)


def test_what_cannot_be_read_is_said_and_nothing_is_sent_without_it_unasked(tmp_path: Path) -> None:
    app = ComposerHost(folder=folder_with(tmp_path))

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"look")
        app.composer.add_attachment(tmp_path / "raw.dat")
        await pilot.press("enter")
        await until(pilot, lambda: "could not be read" in app.picture() or "raw.dat is not text" in app.picture())
        await pilot.pause()
        assert app.sent == []
        assert app.composer.draft == "look"
        app.composer.add_attachment(tmp_path / "gone.txt")
        await until(pilot, lambda: "gone.txt cannot be read" in app.picture())
        await pilot.press("enter")
        await until(pilot, lambda: "enter again sends without it" in app.picture())
        await pilot.press("enter")
        await until(pilot, lambda: [message.text for message in app.sent] == ["look"])

    play(app, run)


def test_a_name_that_would_act_on_the_terminal_is_shown_harmless(tmp_path: Path) -> None:
    evil = tmp_path / "evil\x1b[31m[red]x.txt"
    evil.write_text("x")
    app = ComposerHost(folder=tmp_path)

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"@ev")
        await until(pilot, lambda: "evil␛[31m[red]x.txt" in app.picture())
        await pilot.press("tab")
        await until(pilot, lambda: len(app.composer.attachments) == 1)
        assert "\x1b" not in app.picture()
        assert "\x1b" not in app.composer.draft

    play(app, run)


def test_a_draft_remembers_its_files(tmp_path: Path) -> None:
    history = History.in_memory()
    chat = history.create_chat().id
    folder = folder_with(tmp_path)

    async def write(pilot: Pilot[None]) -> None:
        first.composer.open_chat(chat, history)
        first.composer.add_attachment(folder / "notes.txt")
        await until(pilot, lambda: len(first.composer.attachments) == 1)

    async def read(pilot: Pilot[None]) -> None:
        second.composer.open_chat(chat, history)
        await until(pilot, lambda: len(second.composer.attachments) == 1)
        assert second.composer.attachments[0].text == "some notes\n"

    first, second = ComposerHost(folder=folder), ComposerHost(folder=folder)
    play(first, write)
    play(second, read)


def test_a_message_that_comes_back_brings_its_files(tmp_path: Path) -> None:
    app = ComposerHost(folder=folder_with(tmp_path))

    async def run(pilot: Pilot[None]) -> None:
        app.composer.add_attachment(tmp_path / "notes.txt")
        await until(pilot, lambda: "11 B" in app.picture())
        await pilot.press("x", "enter")
        await until(pilot, lambda: bool(app.sent))
        app.composer.restore(app.sent[0].text, app.sent[0].attachments)
        await until(pilot, lambda: "11 B" in app.picture())
        assert app.composer.draft == "x"

    play(app, run)
