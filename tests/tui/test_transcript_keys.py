"""What the transcript does on a key: select, copy, branch, unfold and find in thoughts, walk guessed words."""

from __future__ import annotations

import asyncio

from chat_turns import TranscriptApp, delta, tokens, turn

from edgemind.chat.live import LiveStep
from edgemind.engine.events import Step
from edgemind.tui.widgets.find_line import FindLine
from edgemind.tui.widgets.transcript_view import TranscriptView

STEPS = tuple(
    Step(text=f"Step {n} looks at the question again.\nAnd at its end.", tokens=9, seconds=1.5) for n in range(1, 8)
)
CODE = "Look:\n\n```python\nx = 1\n```\n\nand\n\n```\n\tlast\n```\n"


def thoughtful(id: str = "a") -> object:  # noqa: A002
    return turn(id, content="The answer.", reasoning="\n".join(step.text for step in STEPS), steps=STEPS)


def test_messages_are_selected_and_their_keys_are_said() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(90, 24)) as pilot:
            transcript = app.transcript
            transcript.show([turn("q", "user", "hm?"), turn("a", content=CODE)], branches=lambda one: (2, 3))
            await pilot.pause()
            assert transcript.selected is None
            transcript.select_previous()
            assert transcript.selected is not None
            assert transcript.selected.id == "a"
            assert "y copy code" in app.hint
            assert "branch 2/3" in app.hint
            transcript.select_previous()
            assert transcript.selected.id == "q"
            transcript.select_previous()
            assert transcript.selected.id == "q"
            assert any("‹ 2/3 ›" in row for row in app.rows())
            transcript.select_next()
            transcript.select_next()
            assert transcript.selected is None
            assert not transcript.deselect()

    asyncio.run(run())


def test_branches_are_asked_for_of_the_selected_message_or_the_newest_with_any() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 24)) as pilot:
            turns = [turn("q", "user", "hm?"), turn("a", content="one"), turn("b", content="two")]
            app.transcript.show(turns, branches=lambda one: (1, 2) if one == "a" else (1, 1))
            await pilot.pause()
            app.transcript.ask_branch(1)
            app.transcript.select("q")
            app.transcript.ask_branch(-1)
            await pilot.pause()
            assert app.asked == [("branch", "a", 1), ("branch", "q", -1)]

    asyncio.run(run())


def test_copying_gives_what_the_model_wrote() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 30)) as pilot:
            app.transcript.show([turn("q", "user", "hm?"), turn("a", content=CODE + "\x1b[201~\r\n\x9b2J")])
            await pilot.pause()
            app.query_one(TranscriptView).focus()
            await pilot.press("y", "y", "y", "c")
            assert [text for _, text, _ in app.asked] == ["\tlast", "x = 1", "\tlast", CODE + "[201~\n2J"]
            assert app.asked[0][2] == "code block 2 of 2"

    asyncio.run(run())


def test_a_link_is_never_opened_but_copied_by_a_click() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 24)) as pilot:
            opened: list[str] = []
            app.open_url = lambda url, **_: opened.append(url)  # type: ignore[method-assign]
            app.transcript.show([turn("a", content="[here](https://example.org/x)")])
            await pilot.pause()
            assert app.rows()[1] == "  here (https://example.org/x)"
            await pilot.click("TranscriptView", offset=(3, 1))
            await pilot.pause()
            assert app.asked == [("copy", "https://example.org/x", "address")]
            assert not opened

    asyncio.run(run())


def test_a_thought_streams_folds_and_unfolds() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 24)) as pilot:
            transcript = app.transcript
            live = transcript.begin(turn("a", state="writing"))
            await pilot.pause()
            for number, step in enumerate(STEPS, 1):
                for piece in (step.text[:9], step.text[9:]):
                    live.update(
                        delta(
                            phase="thinking",
                            thinking=piece,
                            steps=(LiveStep(number, piece, 9, 1.5),),
                            thinking_tokens=9 * number,
                            thinking_seconds=1.5 * number,
                            budget=100,
                        )
                    )
            text = "\n".join(app.rows())
            assert "▾ thinking for 10 s, 7 steps, 63 tokens, 37 left" in text
            assert "⋮ 1 earlier step" in text
            assert "And at its end." in text
            assert text.count("looks at the question") == 6
            live.update(delta(answer="So.", thinking_seconds=10.5))
            assert "▸ thought for 10 s, 7 steps" in "\n".join(app.rows())
            assert "looks at" not in "\n".join(app.rows())
            transcript.toggle_thought()
            await pilot.pause()
            assert "\n".join(app.rows()).count("looks at the question") == 7
            transcript.toggle_thought()
            await pilot.pause()
            assert "looks at" not in "\n".join(app.rows())

    asyncio.run(run())


def test_steps_are_jumped_to_and_words_found_in_them() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(80, 12)) as pilot:
            app.transcript.show([turn("q", "user", "hm?"), thoughtful()])
            await pilot.pause()
            app.query_one(TranscriptView).focus()
            await pilot.press("right", "right", "left")
            assert any("1 │ Step 1" in row for row in app.rows())
            await pilot.press("left", *["right"] * 9)
            assert any("7 │ Step 7" in row for row in app.rows())
            await pilot.press("slash")
            assert isinstance(app.focused, FindLine)
            await pilot.press(*"ITS END")
            thought = app.transcript.view.items[-1].thought
            assert (len(thought.hits), thought.hit) == (7, 0)
            await pilot.press("enter", "down", "up", "f3")
            assert thought.hit == 2
            assert any(
                "hit-current" in piece.look for n in range(40) for piece in app.transcript.view.items[-1].line(n).pieces
            )
            await pilot.press("escape")
            assert thought.hits == []
            assert isinstance(app.focused, TranscriptView)

    asyncio.run(run())


def test_guessed_words_are_underlined_walked_and_explained() -> None:
    async def run() -> None:
        app = TranscriptApp()
        parts = (("The", 0.9), (" **Par", 0.3), ("is", 0.9), ("**", 0.9), (" is", 0.9), (" big", 0.2), (".", 0.1))
        text = "".join(part for part, _ in parts)
        async with app.run_test(size=(80, 12)) as pilot:
            transcript = app.transcript
            transcript.show([turn("a", content=text, confidence=tokens(*parts))])
            await pilot.pause()
            view = transcript.view

            def underlined() -> str:
                return "|".join(one.text for one in view.render_line(1) if one.style and one.style.underline)

            assert underlined() == ""
            transcript.set_confidence(True)
            assert underlined() == "Paris|big"
            app.query_one(TranscriptView).focus()
            await pilot.press("full_stop", "full_stop")
            assert app.hint.startswith("big 20%   or  other 20%")
            await pilot.press("full_stop")
            assert "Paris" in app.hint
            await pilot.hover("TranscriptView", offset=(16, 1))
            await pilot.pause()
            assert "big" in app.hint
            transcript.set_confidence(False)
            assert underlined() == ""
            assert app.hint == ""

    asyncio.run(run())


def test_an_answer_that_is_continued_goes_on_where_it_was_cut() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 16)) as pilot:
            cut = turn("a", content="Half a sen", state="cut")
            app.transcript.show([turn("q", "user", "hm?"), cut])
            await pilot.pause()
            live = app.transcript.begin(cut)
            live.update(delta(answer="tence and **mo"))
            live.update(delta(answer="re**."))
            await pilot.pause()
            assert "  Half a sentence and more." in app.rows()
            assert not any("cut off" in row for row in app.rows())
            live.end(turn("a", content="Half a sentence and **more**."))
            await pilot.pause()
            assert app.rows()[-3:].count("") == 3
            assert "  Half a sentence and more." in app.rows()

    asyncio.run(run())


def test_text_selected_with_the_mouse_is_what_is_shown_without_the_edge() -> None:
    async def run() -> None:
        app = TranscriptApp()
        async with app.run_test(size=(60, 16)) as pilot:
            app.transcript.show([turn("q", "user", "first line\nsecond line"), turn("a", content="An **answer**.")])
            await pilot.pause()
            await pilot.mouse_down("TranscriptView", offset=(8, 1))
            await pilot.hover("TranscriptView", offset=(8, 5))
            await pilot.mouse_up("TranscriptView", offset=(8, 5))
            await pilot.pause()
            chosen = app.screen.get_selected_text()
            assert chosen is not None
            assert chosen.startswith("line\nsecond line\n\nnano\nAn ans")
            assert app.asked == []

    asyncio.run(run())
