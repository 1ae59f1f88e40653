"""Pasted text: made harmless and said so; large pastes become chips that can be taken out, undone and unfolded."""

from __future__ import annotations

from hosting import ComposerHost, play, until
from textual import events
from textual.pilot import Pilot

from edgemind.chat.history import History
from edgemind.tui.widgets.chip import Chip
from edgemind.tui.widgets.editor import Editor

LARGE = "\n".join(f"line {number}" for number in range(200))


async def paste(pilot: Pilot[None], text: str) -> None:
    pilot.app.post_message(events.Paste(text))
    await pilot.pause()
    await pilot.pause()


def test_control_characters_are_made_visible_and_it_is_said() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await paste(pilot, "a\x1b]52;c;aGk=\x07b\u202ec\r\nd")
        assert app.composer.draft == "a␛]52;c;aGk=␇b<U+202E>c\nd"
        assert "3 control characters" in app.picture()
        assert "\x1b" not in app.picture()

    play(app, run)


def test_joiners_of_emoji_and_languages_are_sent_as_they_were_and_drawn_as_dots() -> None:
    app = ComposerHost()
    text = "می\u200cخواهم \U0001f469\u200d\U0001f4bb"

    async def run(pilot: Pilot[None]) -> None:
        await paste(pilot, text)
        assert app.query_one(Editor).get_line(0).plain.count("·") == 2
        await pilot.press("enter")
        await pilot.pause()
        assert app.sent[0].text == text

    play(app, run)


def test_characters_that_stand_for_joiners_cannot_be_smuggled_in() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await paste(pilot, "a\U000f200db")
        assert app.composer.draft == "a\N{REPLACEMENT CHARACTER}b"

    play(app, run)


def test_a_large_paste_becomes_a_chip_with_lines_and_tokens() -> None:
    app = ComposerHost(count=lambda text: 1234)

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"see ")
        await paste(pilot, LARGE)
        await until(pilot, lambda: app.composer.attachments[0].tokens == 1234)
        await pilot.pause()
        assert "pasted text 200 lines · 1,234 tokens" in app.picture()
        assert app.composer.draft == "see "
        await paste(pilot, LARGE)
        assert "pasted text 2" in app.picture()
        await pilot.press("enter")
        await pilot.pause()
        assert app.sent[0].text == "see"
        assert [one.text for one in app.sent[0].attachments] == [LARGE, LARGE]
        assert "pasted text" not in app.picture()

    play(app, run)


def test_without_a_model_the_tokens_are_an_estimate_until_somebody_can_count() -> None:
    loaded: list[int] = []
    app = ComposerHost(count=lambda text: loaded[0] if loaded else None)

    async def run(pilot: Pilot[None]) -> None:
        await paste(pilot, LARGE)
        await until(pilot, lambda: "≈" in app.picture())
        loaded.append(321)
        app.composer.recount()
        await until(pilot, lambda: "321 tokens" in app.picture())

    play(app, run)


def test_a_chip_is_taken_out_by_keyboard_and_comes_back() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await paste(pilot, LARGE)
        await pilot.press("backspace")
        assert isinstance(app.focused, Chip)
        await pilot.press("delete")
        await pilot.pause()
        assert app.composer.attachments == ()
        assert isinstance(app.focused, Editor)
        await pilot.press("ctrl+underscore")
        await pilot.pause()
        assert len(app.composer.attachments) == 1
        await pilot.press("shift+tab")
        assert isinstance(app.focused, Chip)
        await pilot.press("escape")
        await pilot.pause()
        assert isinstance(app.focused, Editor)

    play(app, run)


def test_a_click_on_the_cross_takes_it_out() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await paste(pilot, LARGE)
        chip = app.query_one(Chip)
        await pilot.click(Chip, offset=(chip.size.width - 2, 0))
        await pilot.pause()
        assert app.composer.attachments == ()

    play(app, run)


def test_a_pasted_text_can_be_unfolded_into_the_field() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await paste(pilot, LARGE)
        await pilot.press("backspace", "enter")
        await pilot.pause()
        assert app.composer.draft == LARGE
        assert app.composer.attachments == ()

    play(app, run)


def test_a_draft_keeps_its_pasted_text() -> None:
    history = History.in_memory()
    chat = history.create_chat().id

    async def write(pilot: Pilot[None]) -> None:
        first.composer.open_chat(chat, history)
        await pilot.press(*"words")
        await paste(pilot, LARGE)

    async def read(pilot: Pilot[None]) -> None:
        second.composer.open_chat(chat, history)
        await pilot.pause()
        assert second.composer.draft == "words"
        assert [one.text for one in second.composer.attachments] == [LARGE]

    first, second = ComposerHost(), ComposerHost()
    play(first, write)
    play(second, read)
