"""The field at the foot of a chat: writing, sending, commands, what was sent before, drafts."""

from __future__ import annotations

import pytest
from hosting import ComposerHost, play, until
from textual.binding import Binding
from textual.pilot import Pilot

from edgemind.chat.history import History
from edgemind.tui import keys
from edgemind.tui.widgets.editor import Editor


def editor(app: ComposerHost) -> Editor:
    return app.query_one(Editor)


def test_enter_sends_and_leaves_an_empty_field() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"hello", "enter")
        await pilot.pause()
        assert [message.text for message in app.sent] == ["hello"]
        assert app.composer.draft == ""
        await pilot.press("enter", "space", "enter")
        await pilot.pause()
        assert len(app.sent) == 1, "nothing but spaces is not sent"

    play(app, run)


@pytest.mark.parametrize("key", ["shift+enter", "alt+enter", "ctrl+j"])
def test_a_new_line_has_three_keys(key: str) -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press("a", key, "b", "enter")
        await pilot.pause()
        assert app.sent[0].text == "a\nb"

    play(app, run)


@pytest.mark.parametrize(("rows", "most"), [(40, 10), (24, 8), (12, 3), (5, 1)])
def test_it_grows_with_its_text_and_less_in_a_small_terminal(rows: int, most: int) -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        assert editor(app).size.height == 1
        for lines in range(1, 15):
            await pilot.press("x", "ctrl+j")
            await pilot.pause()
            assert editor(app).size.height == min(lines + 1, most)

    play(app, run, (80, rows))


def test_it_lives_through_every_size() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"/mo")
        for size in ((80, 24), (20, 5), (40, 12), (3, 2), (1, 1), (200, 60)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await pilot.press("escape", "enter")
        await pilot.pause()
        assert app.is_running

    play(app, run)


def test_up_and_down_walk_what_was_sent_at_the_edges_only() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        app.composer.open_chat("chat", None, ["first", "second\nof two lines"])
        await pilot.press(*"unsent")
        await pilot.press("up")
        assert app.composer.draft == "second\nof two lines"
        await pilot.press("up")
        assert app.composer.draft == "first"
        await pilot.press("up")
        assert app.composer.draft == "first", "there is nothing before the first"
        await pilot.press("down")
        assert app.composer.draft == "second\nof two lines"
        await pilot.press("up", "up", "x", "down")
        assert app.composer.draft == "second\nof two lines"
        await pilot.press("up", "up")
        assert app.composer.draft == "firstx", "what was changed on the way is found again"
        await pilot.press("down", "down")
        assert app.composer.draft == "unsent"
        await pilot.press("down")
        assert app.composer.draft == "unsent"

    play(app, run)


def test_inside_several_lines_up_and_down_move_the_cursor() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        app.composer.open_chat("chat", None, ["earlier"])
        await pilot.press("a", "ctrl+j", "b", "up")
        assert app.composer.draft == "a\nb"
        await pilot.press("up")
        assert app.composer.draft == "earlier"

    play(app, run)


def test_while_an_answer_is_written_typing_goes_on_and_enter_says_how_to_stop() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        app.composer.busy = True
        await pilot.press(*"next", "enter")
        await pilot.pause()
        assert app.sent == []
        assert app.composer.draft == "next"
        assert "esc stops it" in app.picture()
        app.composer.busy = False
        await pilot.pause()
        assert app.sent == [], "nothing was queued"
        await pilot.press("enter")
        await pilot.pause()
        assert app.sent[0].text == "next"

    play(app, run)


@pytest.mark.parametrize(
    ("typed", "asked"),
    [
        ("/new", ("new", "")),
        ("/rename A title of two  ", ("rename", "A title of two")),
        ("/again", ("regenerate", "")),
        ("/ephem", ("ephemeral", "")),
        ("/system one\ntwo", ("system", "one\ntwo")),
    ],
)
def test_a_slash_begins_a_command(typed: str, asked: tuple[str, str]) -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        app.composer.set_text(typed)
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert app.asked == [asked]
        assert app.sent == []
        assert app.composer.draft == ""

    play(app, run)


def test_commands_work_while_an_answer_is_written() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        app.composer.busy = True
        await pilot.press(*"/stop", "enter")
        await pilot.pause()
        assert app.asked == [("stop", "")]

    play(app, run)


@pytest.mark.parametrize("text", ["// a comment", "/etc/hosts is what?", " /new", "1/2"])
def test_what_is_no_command_is_sent_as_it_is(text: str) -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        app.composer.set_text(text)
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert [message.text for message in app.sent] == [text]

    play(app, run)


def test_an_unknown_command_is_answered_with_the_nearest_name() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"/regenrate", "enter")
        await pilot.pause()
        assert (app.asked, app.sent) == ([], [])
        assert "Did you mean /regenerate?" in app.picture()
        assert app.composer.draft == "/regenrate"

    play(app, run)


def test_completion_of_commands_shows_a_line_of_help_and_tab_takes_it() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"/ren")
        await pilot.pause()
        assert "/rename [TITLE]" in app.picture()
        assert "Rename" in app.picture()
        await pilot.press("tab")
        await pilot.pause()
        assert app.composer.draft == "/rename "
        await pilot.press(*"x", "enter")
        await pilot.pause()
        assert app.asked == [("rename", "x")]

    play(app, run)


def test_enter_runs_the_marked_command_and_escape_only_closes_the_list() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"/unl", "enter")
        await pilot.pause()
        assert app.asked == [("unload", "")]
        await pilot.press(*"/mod")
        await pilot.pause()
        assert app.composer.is_open
        await pilot.press("escape")
        await pilot.pause()
        assert not app.composer.is_open
        assert app.composer.draft == "/mod"
        await pilot.press("tab")
        await pilot.pause()
        assert app.composer.is_open, "tab asks again"

    play(app, run)


def test_values_of_a_command_are_completed_too() -> None:
    app = ComposerHost(values=lambda name: ["nano", "qwen3-4b"] if name == "model" else [])

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"/model q")
        await pilot.pause()
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert app.asked == [("model", "qwen3-4b")]

    play(app, run)


def test_a_click_takes_a_candidate() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"/unloa")
        await pilot.pause()
        await pilot.click("Popup", offset=(5, 0))
        await pilot.pause()
        assert app.asked == [("unload", "")]

    play(app, run)


def test_undo_brings_text_back() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"word", "ctrl+u")
        assert app.composer.draft == ""
        await pilot.press("ctrl+underscore")
        assert app.composer.draft == "word"
        await pilot.press("alt+y")
        assert app.composer.draft == ""

    play(app, run)


def test_the_keys_of_the_app_are_not_the_fields() -> None:
    own = {key for binding in Editor.BINDINGS if isinstance(binding, Binding) for key in binding.key.split(",")}
    apps = {key for action in keys.ACTIONS if action.where in ("app", "chat") for key in action.keys}
    assert own.isdisjoint(apps)


def test_a_draft_waits_in_its_chat_and_survives_a_new_start() -> None:
    history = History.in_memory()
    one, two = history.create_chat().id, history.create_chat().id
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        app.composer.open_chat(one, history)
        await pilot.press(*"unsent")
        app.composer.open_chat(two, history)
        await pilot.pause()
        assert app.composer.draft == ""
        await pilot.press(*"other")
        app.composer.open_chat(one, history)
        await pilot.pause()
        assert app.composer.draft == "unsent"
        app.composer.save_draft()
        app.composer.forget()
        await pilot.pause()
        assert app.composer.draft == ""
        assert "unsent" not in app.picture()

    play(app, run)
    assert (history.draft(one), history.draft(two)) == ("unsent", "other")


def test_a_draft_is_kept_while_it_is_typed_and_goes_when_it_is_sent() -> None:
    history = History.in_memory()
    chat = history.create_chat().id
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        app.composer.open_chat(chat, history)
        await pilot.press(*"half a thought")
        await until(pilot, lambda: history.draft(chat) == "half a thought")
        await pilot.press("enter")
        await until(pilot, lambda: history.draft(chat) == "")

    play(app, run)


def test_a_message_that_was_not_sent_comes_back() -> None:
    app = ComposerHost()

    async def run(pilot: Pilot[None]) -> None:
        await pilot.press(*"later")
        app.composer.restore("the message")
        await pilot.pause()
        assert app.composer.draft == "the message\nlater"

    play(app, run)
