"""The transcript when messages are far away, when something fails under it, and when what comes is late."""

from __future__ import annotations

import asyncio
import gc
import re

import pytest
from chat_turns import TranscriptApp, delta, tokens, turn
from rich.cells import cached_cell_len
from textual import events
from textual.geometry import Offset
from textual.selection import Selection

from edgemind.chat.types import Turn
from edgemind.errors import HistoryProblem
from edgemind.tui.widgets import code
from edgemind.tui.widgets.find_line import FindLine
from edgemind.tui.widgets.message import MessageItem
from edgemind.tui.widgets.transcript_view import KEPT, KEPT_LINES, STRIDE

LONG = "\n\n".join(f"Paragraph {n} of an answer that is long enough to be wrapped at sixty cells." for n in range(5))
CODE = f"{LONG}\n\n```python\nx = 1\n```\n\n{LONG}"


def answers(count: int) -> list[Turn]:
    return [turn(f"m{n}", content=f"number {n}. {LONG}") for n in range(count)]


def in_memory(app: TranscriptApp) -> int:
    """Messages whose Markdown has been read and not let go."""
    return sum(isinstance(item, MessageItem) and item.document is not None for item in app.transcript.view.items)


def test_copying_code_reads_no_message_that_has_none_and_shows_the_block_that_is_copied() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show(answers(300))
            await pilot.pause()
            before = in_memory(app), sum(item.laid_out for item in app.transcript.view.items)
            app.transcript.copy_code()
            assert app.hint == "no code block here"
            assert (in_memory(app), sum(item.laid_out for item in app.transcript.view.items)) == before
            app.transcript.show([turn("code", content=CODE), *answers(100)])
            await pilot.pause()
            app.transcript.copy_code()
            await pilot.pause()
            assert app.asked == [("copy", "x = 1", "code block")]
            assert any("x = 1" in row for row in app.rows())
            view = app.transcript.view
            assert [top - view._tops[0] for top in view._tops[1:3]] == [view.items[0].height, sum(
                item.height for item in view.items[:2])]  # fmt: skip

    asyncio.run(run())


def test_a_selection_begins_where_it_begins_also_after_older_messages_came() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show(answers(3), lambda before: answers(8)[3:] if before == "m0" else [])
            await pilot.pause()
            view = app.transcript.view
            assert len(view.items) == 8
            found = view.get_selection(Selection(Offset(0, 0), Offset(20, 1)))
            assert found is not None
            assert found[0] == "nano\nnumber 0. Paragrap"
            everything = view.get_selection(Selection(None, None))
            assert everything is not None
            assert everything[0].count("Paragraph 4") == 8
            assert view._tops[-1] == sum(item.height for item in view.items)

    asyncio.run(run())


def test_a_selection_does_not_go_over_to_the_next_chat() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show([turn("a", content="One chat.")])
            await pilot.pause()
            app.screen.selections = {app.transcript.view: Selection(Offset(2, 1), Offset(9, STRIDE))}
            app.transcript.show([turn("b", content="Another.")])
            await pilot.pause()
            assert app.screen.get_selected_text() is None

    asyncio.run(run())


def test_a_history_that_fails_is_said_and_asked_again() -> None:
    async def run() -> None:
        failing = True

        def older(before: str) -> list[Turn]:
            if failing:
                raise HistoryProblem("The history is damaged.", "Look.")
            return answers(9)[5:] if before == "m0" else []

        def branches(turn_id: str) -> tuple[int, int]:
            if failing:
                raise HistoryProblem("The history is damaged.", "Look.")
            return 1, 2

        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show(answers(4), older, branches)
            await pilot.pause()
            app.transcript.go_home()
            await pilot.pause()
            assert app.hint == "The history is damaged. Look."
            failing = False
            app.transcript.go_home()
            await pilot.pause()
            assert len(app.transcript.view.items) == 8

    asyncio.run(run())


def test_a_guessed_word_whose_answer_became_another_says_nothing() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            transcript = app.transcript
            transcript.set_confidence(True)
            guessed = turn("a", content="It is Paris.", confidence=tokens(("It", 0.9), (" is", 0.9), (" Paris", 0.2)))
            transcript.show([guessed])
            await pilot.pause()
            transcript.action_guess(1)
            assert app.hint.startswith("Paris")
            transcript.replace(turn("a", content="Something else."))
            transcript.say("")
            transcript._say()
            await pilot.pause()
            assert app.hint == ""

    asyncio.run(run())


def test_what_is_pasted_into_the_line_that_finds_cannot_act() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show([turn("a", content="An answer.", reasoning="A thought.")])
            await pilot.pause()
            app.transcript.find_in_thought()
            await pilot.pause()
            line = app.query_one(FindLine)
            line.post_message(events.Paste("a\x1b[2J\u202eb"))
            await pilot.pause()
            assert line.value == "a␛[2J<U+202E>b"
            assert "\x1b" not in line.render_line(0).text

    asyncio.run(run())


def test_the_branch_is_still_said_when_an_answer_goes_on() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show([turn("a", content="Half", state="cut")], branches=lambda one: (2, 3))
            await pilot.pause()
            live = app.transcript.begin(turn("a", content="Half"))
            live.update(delta(answer=" more"))
            await pilot.pause()
            assert any("‹ 2/3 ›" in row for row in app.rows())

    asyncio.run(run())


def test_what_comes_late_for_a_message_that_is_gone_is_dropped() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            live = app.transcript.begin(turn("a"))
            live.update(delta(answer="One"))
            app.transcript.show(answers(9))
            await pilot.pause()
            app.transcript.go_home()
            live.update(delta(answer=" secret"))
            live.end(turn("a", content="One secret"))
            await pilot.pause()
            assert app.hint == ""
            assert live._item.turn.content == ""
            assert "secret" not in live._item._text

    asyncio.run(run())


def test_no_frame_looks_at_what_stands_far_above(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        asked = 0
        waiting = code.CodeView.is_waiting.fget
        assert waiting is not None

        def counted(view: code.CodeView) -> bool:
            nonlocal asked
            asked += 1
            return bool(waiting(view))

        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            code.lexer("python", wait=True)
            live = app.transcript.begin(turn("a"))
            await pilot.pause()
            monkeypatch.setattr(code.CodeView, "is_waiting", property(counted))
            view = app.transcript.view
            for number in range(150):
                live.update(delta(answer=f"```python\nx = {number}\n```\n\nwords {number}\n\n"))
                app.rows()
            assert asked == 0
            view.scroll_to(y=0, animate=False)
            for y in range(0, view.max_scroll_y, 10):
                view.scroll_to(y=y, animate=False)
                app.rows()
            assert view.max_scroll_y > KEPT_LINES
            assert sum(map(len, view._strips.values())) <= KEPT_LINES + view.size.height

    asyncio.run(run())


def test_a_resize_keeps_account_of_what_is_laid_out() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show(answers(200))
            await pilot.pause()
            view = app.transcript.view
            for number in range(8):
                view.scroll_to(y=view.max_scroll_y * number // 8, animate=False)
                for _ in range(20):
                    view.scroll_relative(y=10, animate=False)
                await pilot.resize_terminal(60 + number % 2, 20)
            assert in_memory(app) <= KEPT + 20

    asyncio.run(run())


def test_forgetting_reaches_what_libraries_keep() -> None:
    def kept() -> list[str]:
        words = [one for one in gc.get_referents(cached_cell_len) if isinstance(one, str)]
        words += [str(key) for name, cache in vars(re).items() if name.startswith("_cache") for key in cache]
        return [one for one in words if "secret" in one]

    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show([turn("a", content="The sécret: secret", reasoning="A secret thought, é.")])
            await pilot.pause()
            app.transcript.find_in_thought()
            app.transcript._find.value = "secret thought"
            await pilot.pause()
            assert kept()
            app.transcript.forget()
            assert not kept()

    asyncio.run(run())


def test_a_selection_follows_the_mouse_back_and_forth_on_a_line() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show([turn("a", content="日本語のテキスト and more")])
            await pilot.pause()
            await pilot.mouse_down("TranscriptView", offset=(6, 1))
            places = {10: "語のテ", 16: "語のテキスト", 12: "語のテキ", 21: "語のテキスト and", 8: "語の"}
            for x, chosen in places.items():
                await pilot.hover("TranscriptView", offset=(x, 1))
                await pilot.pause()
                assert app.screen.get_selected_text() == chosen
            await pilot.mouse_up("TranscriptView", offset=(8, 1))

    asyncio.run(run())


def test_a_message_that_is_not_loaded_yet_can_be_selected() -> None:
    async def run() -> None:
        everything = answers(60)

        def older(before: str) -> list[Turn]:
            at = int(before[1:])
            return everything[max(0, at - 10) : at]

        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show(everything[50:], older)
            await pilot.pause()
            assert app.transcript.select("m7")
            await pilot.pause()
            assert any("number 7." in row for row in app.rows())
            assert not app.transcript.select("nobody")

    asyncio.run(run())
