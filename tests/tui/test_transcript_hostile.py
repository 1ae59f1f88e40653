"""Hostile text through everything that a transcript shows: nothing in it reaches the terminal as anything but text.

``EDGEMIND_HOSTILE=100000`` sets the number of strings; without it the number is small.
"""

from __future__ import annotations

import asyncio
import os
import random
import re

from chat_turns import TranscriptApp, delta, tokens, turn

from edgemind.chat.attachments.types import AttachmentInfo, Passage
from edgemind.chat.live import LiveStep
from edgemind.engine.events import Step
from edgemind.terminal import clean
from edgemind.tui.widgets import code
from edgemind.tui.widgets.markdown.lines import Line, width_of
from edgemind.tui.widgets.message import MessageItem, NoteItem

COUNT = int(os.environ.get("EDGEMIND_HOSTILE", "300"))
THROUGH_THE_APP = 40

PARTS = (
    "\x1b]52;c;ZXZpbA==\x07",
    *("\x1b[2J", "\x1b[31m", "\x1bP+q544e\x1b\\", "\x1b", "\x9b31m", "\x9d0;t\x9c", "\x07", "\x00"),
    *("\r", "\r\n", "\x0b", "\x0c", "\x08", "\x7f", "\x85", "\u2028", "\u2029", "\x1f", "\t", "\n", "\n\n", "\n    "),
    *("\u202e", "\u2066", "\u200b", "\u200d", "\ufeff", "\u00ad", "\U000e0041", "\u061c", "\u3164", "\ufe0f", "\ud800"),
    *("e\u0301", "\u0301" * 9, "日本", "👩\u200d👧", "❤\ufe0f", "ｱ", "\uffff", "ﷺ", "ก็็็็"),
    *("a" * 200, "word ", " "),
    *("&#27;", "&#x1b;[2J", "&#x9b;", "&#8238;", "&#0;", "&#10;", "&Tab;", "&amp;", "\\\x1b", "\\", "&"),
    *("**", "*", "_", "`", "``", "~~", "[", "](", "](\x1b]8;;x\x07)", ")", "![", "<", ">", "<\x1b[2J>"),
    *("http://a.b/\x1b[5m"),
    "\x0c ",
    *("# ", "- "),
    *("1. ", "> ", "```", "```py\x1b[2J\n", "~~~\n", "---\n", "| a\x1b[2J | b |\n|--|--|\n", "|", "| x |\n"),
    "==",
    *("- [ ] ", "    ", "<div>", "<!--", "'''", '"""', "/*", "`x\x1b`", "[x](y\x07)"),
    "```python\nx = '\x1b[2J'\n```\n",
)  # fmt: skip
ALLOWED = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*\Z")


def hostile(rng: random.Random) -> str:
    return "".join(rng.choice(PARTS) for _ in range(rng.randint(1, 12)))


def is_safe(text: str) -> bool:
    return ALLOWED.match(text) is not None and clean(text) == text


def check(item: MessageItem | NoteItem, width: int, source: str) -> None:
    item.layout(width)
    for number in range(item.height):
        line: Line = item.line(number)
        for piece in line.pieces:
            assert is_safe(piece.text), (source, piece)
        assert sum(width_of(piece.text) for piece in line.pieces) <= max(width, 8), (source, width, line)


def everywhere(rng: random.Random) -> MessageItem:
    """A message with hostile text wherever text can stand."""
    role = "user" if rng.random() < 0.25 else "assistant"
    return MessageItem(
        turn(
            hostile(rng),
            role,  # type: ignore[arg-type]
            hostile(rng),
            model=hostile(rng),
            reasoning=hostile(rng),
            steps=(Step(text=hostile(rng), tokens=1, seconds=1.0), Step(text=hostile(rng), tokens=1, seconds=1.0)),
            state="failed",
            error=hostile(rng),
            attachments=(AttachmentInfo(name=hostile(rng)),),
            passages=(Passage(name=hostile(rng), text=hostile(rng), lines=(1, 2)),),
        )
    )


def test_hostile_text_is_shown_and_never_acts() -> None:
    for language in ("python", "py"):
        code.lexer(language, wait=True)
    rng = random.Random(int(os.environ.get("EDGEMIND_HOSTILE_SEED", "1")))
    used = 0
    while used < COUNT:
        width = rng.choice((8, 20, 40, 80))
        item = everywhere(rng)
        used += 8
        check(item, width, item.turn.content)
        item.toggle_thought()
        item.thought.find(hostile(rng))
        check(item, width, item.turn.content)
        check(NoteItem(hostile(rng)), width, "note")
        if not item.is_user:
            _stream(rng, width, item.turn.content + hostile(rng))


def _stream(rng: random.Random, width: int, text: str) -> None:
    """The same text cut anywhere, as an answer and as a thought, ends as it would have come at once."""
    live = MessageItem(turn("live", state="writing"), live=True)
    live.layout(width)
    at = 0
    while at < len(text):
        size = rng.randint(1, 9)
        part = text[at : at + size]
        at += size
        if rng.random() < 0.3:
            live.update(delta(phase="thinking", steps=(LiveStep(1 + at // 20, part, 1, 0.1),), thinking=part))
        live.update(delta(answer=part, confidence=tokens((part, rng.random()))))
        check(live, width, text)
    for guess in live.guesses:
        assert is_safe(live.guess_words(guess))
    done = turn("live", content=text)
    live.end(done)
    check(live, width, text)
    whole = MessageItem(done)
    whole.layout(width)
    said = ["".join(piece.text for piece in live.line(live.section_top("body") + n).pieces) for n in range(200)]
    once = ["".join(piece.text for piece in whole.line(whole.section_top("body") + n).pieces) for n in range(200)]
    assert said == once, repr((width, text))


def test_nothing_but_styles_goes_with_what_the_app_draws() -> None:
    async def run() -> None:
        rng = random.Random(2)
        app = TranscriptApp()
        async with app.run_test(size=(60, 20)) as pilot:
            transcript = app.transcript
            transcript.set_confidence(True)
            for _ in range(THROUGH_THE_APP):
                item = everywhere(rng)
                transcript.show([item.turn])
                transcript.note(hostile(rng))
                live = transcript.begin(turn("live", model=hostile(rng), state="writing"))
                text = hostile(rng)
                live.update(delta(note=hostile(rng), phase="prompt"))
                live.update(delta(answer=text, confidence=tokens((text, 0.1))))
                transcript.action_guess(1)
                transcript.say(hostile(rng))
                transcript.toggle_thought()
                await pilot.pause()
                for strip in app.screen._compositor.render_strips():
                    for segment in strip:
                        assert segment.control is None
                        assert is_safe(segment.text), segment
                        assert segment.style is None or not segment.style.link

    asyncio.run(run())
