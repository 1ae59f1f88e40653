"""The transcript: many messages, scrolling, what is said between and under messages."""

from __future__ import annotations

import asyncio

import pytest
from chat_turns import TranscriptApp, delta, turn

from edgemind.chat.attachments.types import AttachmentInfo, Passage
from edgemind.chat.types import Turn
from edgemind.engine.events import ContextTrimmed, Stats

LONG = "\n\n".join(f"Paragraph {n} of an answer that is long enough to be wrapped at eighty cells." for n in range(9))


def many(count: int) -> list[Turn]:
    return [
        turn(f"m{n}", "user" if n % 2 == 0 else "assistant", f"number {n}. {LONG if n % 2 else ''}")
        for n in range(count)
    ]


def test_of_five_thousand_messages_only_those_around_the_window_are_laid_out() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 24)) as pilot:
            app.transcript.show(many(5000))
            await pilot.pause()
            view = app.transcript.view
            assert any("Paragraph 8" in row for row in app.rows())
            assert sum(item.laid_out for item in view.items) < 20
            view.scroll_to(y=view.max_scroll_y // 2, animate=False)
            await pilot.pause()
            assert any("Paragraph" in row or "number" in row for row in app.rows())
            app.transcript.go_home()
            await pilot.pause()
            assert "number 0." in "\n".join(app.rows())
            assert sum(item.laid_out for item in view.items) < 80
            assert len(list(view.built)) < 80

    asyncio.run(run())


def test_lines_in_sight_stay_where_they_are_when_what_is_above_is_measured() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 24)) as pilot:
            app.transcript.show(many(300))
            await pilot.pause()
            view = app.transcript.view
            for _ in range(60):
                before = app.rows()
                view.scroll_relative(y=-3, animate=False)
                await pilot.pause()
                assert app.rows()[3:] == before[:-3]

    asyncio.run(run())


def test_older_messages_are_loaded_when_their_place_is_shown() -> None:
    async def run() -> None:
        everything = many(60)
        asked: list[str] = []

        def older(first: str) -> list[Turn]:
            asked.append(first)
            at = int(first[1:])
            return everything[max(0, at - 10) : at]

        app = TranscriptApp()
        async with app.run_test(size=(80, 24)) as pilot:
            app.transcript.show(everything[50:], older)
            await pilot.pause()
            view = app.transcript.view
            assert len(view.items) < 60
            for _ in range(40):
                before = app.rows()
                view.scroll_relative(y=-10, animate=False)
                await pilot.pause()
                assert app.rows()[10:] == before[:-10]
            app.transcript.go_home()
            await pilot.pause()
            assert [item.turn.id for item in view.items] == [one.id for one in everything]
            assert asked[0] == "m50"

    asyncio.run(run())


def test_it_stays_at_the_end_while_text_comes_unless_the_user_scrolled_up() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 24)) as pilot:
            app.transcript.show(many(4))
            live = app.transcript.begin(turn("live", state="writing"))
            for n in range(40):
                live.update(delta(answer=f"line {n}\n\n"))
            await pilot.pause()
            assert "line 39" in "\n".join(app.rows())
            app.transcript.view.scroll_relative(y=-10, animate=False)
            await pilot.pause()
            before = app.rows()
            live.update(delta(answer="more\n\nand more\n\n"))
            await pilot.pause()
            assert app.rows() == before
            assert "new text below" in app.hint
            app.transcript.go_end()
            await pilot.pause()
            assert "and more" in "\n".join(app.rows())
            assert app.hint == ""
            live.update(delta(answer="last\n"))
            await pilot.pause()
            assert "last" in "\n".join(app.rows())

    asyncio.run(run())


def test_a_resize_in_the_middle_of_an_answer_keeps_both() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 24)) as pilot:
            app.transcript.show(many(20))
            live = app.transcript.begin(turn("live", state="writing"))
            for size in ((60, 20), (120, 40), (20, 5), (80, 24)):
                live.update(delta(answer="some **words** that come. " * 5))
                await pilot.resize_terminal(*size)
                await pilot.pause()
                live.update(delta(answer="and more.\n"))
                await pilot.pause()
            text = "some **words** that come. " * 5 + "and more.\n"
            live.end(turn("live", content=text * 4, state="done"))
            await pilot.pause()
            assert "and more." in "\n".join(app.rows())
            assert "**" not in "\n".join(app.rows())

    asyncio.run(run())


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (40, 12), (20, 5)])
def test_every_size_draws_something(size: tuple[int, int]) -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=size) as pilot:
            app.transcript.show(many(10))
            await pilot.pause()
            app.transcript.select_previous()
            await pilot.pause()
            width = app.transcript.view.line_width
            assert all(app.transcript.view.render_line(y).cell_length == width for y in range(size[1]))

    asyncio.run(run())


def test_what_became_of_an_answer_is_said_under_it_and_a_click_asks_for_more() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(100, 30)) as pilot:
            states = ("stopped", "cut", "interrupted", "failed")
            app.transcript.show([turn(state, content="x", state=state, error="the worker died") for state in states])
            await pilot.pause()
            rows = app.rows()
            for word in ("stopped", "ctrl+g goes on", "EdgeMind ended while", "the worker died  (ctrl+r tries again)"):
                assert any(word in row for row in rows)
            for word, asked in (("cut off", ("continue", "cut")), ("worker died", ("retry", "failed"))):
                y = next(n for n, row in enumerate(rows) if word in row)
                await pilot.click("TranscriptView", offset=(8, y))
                await pilot.pause()
                assert app.asked[-1] == asked

    asyncio.run(run())


def test_trimming_sources_attachments_figures_and_notes_stand_where_they_belong() -> None:
    async def run() -> None:
        app = TranscriptApp()
        trimmed = ContextTrimmed(dropped_turns=3, dropped_tokens=1200, kept_tokens=10, context_limit=4096)
        passage = Passage(name="report.pdf", text="words of the\nreport " * 40, lines=(1, 4), pages=(3, 3))
        async with app.run_test(size=(100, 30)) as pilot:
            question = turn(
                "q", "user", "What?", attachments=(AttachmentInfo(name="report.pdf", size=52_000, tokens=9000),)
            )
            stats = Stats(answer_tokens=12, decode_rate=33.0)
            app.transcript.show(
                [question, turn("a", content="This.", trimmed=trimmed, passages=(passage,), stats=stats)]
            )
            app.transcript.note("the model was changed to other")
            await pilot.pause()
            text = "\n".join(app.rows())
            assert "▤ report.pdf  52 kB, 9,000 tokens" in text
            assert "3 of the oldest messages were left out from here on (1,200 tokens)" in text
            assert "[1] report.pdf, page 3" in text
            assert "12 tokens, 33 a second" in text
            assert "the model was changed to other" in text
            assert text.index("left out") < text.index("This.") < text.index("[1] report")

    asyncio.run(run())


def test_what_a_user_typed_is_shown_as_typed() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show([turn("q", "user", "**not bold**\n    four blanks\n\n\ttab\n# no head")])
            await pilot.pause()
            assert app.rows()[1:6] == ["▌ **not bold**", "▌     four blanks", "▌", "▌     tab", "▌ # no head"]

    asyncio.run(run())


def test_forgetting_leaves_nothing_behind() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            app.transcript.show([turn("q", "user", "a secret"), turn("a", content="the **secret** answer")])
            await pilot.pause()
            app.transcript.forget()
            await pilot.pause()
            view = app.transcript.view
            assert view.items == []
            assert not view._strips
            assert not list(view.built)
            assert not any("secret" in row for row in app.rows())

    asyncio.run(run())
