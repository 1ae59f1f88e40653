"""One message as lines of a width: who says it, its thought, its text, and what became of it.

A message costs little until it is laid out, and can be let go again (``release``) when it is far from the screen; its
height stays known. Not for: where it stands among others (``view``), colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from edgemind.terminal import clean_line
from edgemind.tui.widgets import message_notes
from edgemind.tui.widgets.chip import bytes_in_words
from edgemind.tui.widgets.confidence import Guesses
from edgemind.tui.widgets.markdown.document import Document
from edgemind.tui.widgets.markdown.lines import EMPTY, Guess, Line, Piece, cropped, width_of, wrap
from edgemind.tui.widgets.markdown.views import plain
from edgemind.tui.widgets.thought import Thought

if TYPE_CHECKING:
    from edgemind.chat.live import Delta
    from edgemind.chat.types import Turn

WIDEST = 110
"""Cells of a line of text; longer ones are hard to read."""
PASSAGE_LINES = 2
"""Lines of a passage that are shown."""
_CODE_MARKS = ("```", "~~~", "    ", "\t")
"""One of them stands in every text with a code block."""
EDGE = 2
"""Cells before the text, where the bar is."""

Section = Literal["head", "trimmed", "thought", "status", "body", "after", "gap"]


class Part(NamedTuple):
    """A section and the line it begins at."""

    section: Section
    top: int


class Item:
    """Anything that takes lines of the transcript."""

    def __init__(self) -> None:
        self.height = 0
        """Lines, known or guessed."""
        self.laid_out = False
        """Whether the height is known for the present width."""

    def layout(self, width: int) -> int:
        """Lay out what is new; the first line that may have changed."""
        raise NotImplementedError

    def line(self, number: int) -> Line:
        raise NotImplementedError

    def release(self) -> None:
        """Forget what can be made again."""

    def guess_height(self, width: int) -> None:
        """Set a height that is about right, without laying out."""


class NoteItem(Item):
    """A line between messages."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text
        self._lines: list[Line] = []

    def layout(self, width: int) -> int:
        self._lines = plain(self._text, min(WIDEST, width - EDGE - 1), "note")
        self.height = len(self._lines) + 1
        self.laid_out = True
        return 0

    def line(self, number: int) -> Line:
        if number >= len(self._lines):
            return EMPTY
        return Line((Piece("  "), *self._lines[number].pieces))

    def guess_height(self, width: int) -> None:
        self.height = 2


class MessageItem(Item):
    """A message of the user or of the model."""

    def __init__(self, turn: Turn, *, live: bool = False) -> None:
        super().__init__()
        self.turn = turn
        self.live = live
        self.selected = False
        self.branch: tuple[int, int] | None = None
        """Position and number among its siblings, once somebody has asked."""
        self.document: Document | None = None
        self.thought = Thought()
        self._guesses = Guesses()
        self._text = ""
        """What the document was fed."""
        self._status = ""
        self._trimmed = turn.trimmed
        self._rate = 0.0
        self._tokens = 0
        self._width = 0
        self._parts: list[Part] = []
        self._before: list[Line] = []
        self._after: list[Line] = []
        self._plain: list[Line] = []
        self._by_hand = False
        """Whether the user has folded or unfolded the thought."""
        self._stale = False
        """Whether everything has to be laid out again."""

    @property
    def is_user(self) -> bool:
        return self.turn.role == "user"

    # Content

    def _build(self) -> None:
        """Read the turn."""
        turn = self.turn
        self._trimmed = turn.trimmed
        self._text = turn.content
        if self.is_user:
            return
        self.document = Document()
        self._guesses = Guesses()
        if turn.content:
            self.document.feed(turn.content)
        if turn.confidence:
            guesses = self._guesses.feed(turn.confidence, turn.content) + self._guesses.finish()
            self.document.guess(guesses, 1 << 60)
        if not self.live:
            self.document.finish()
        if turn.reasoning or turn.steps:
            seconds = sum(step.seconds for step in turn.steps)
            tokens = turn.stats.thinking_tokens if turn.stats else sum(step.tokens for step in turn.steps)
            self.thought.set(turn.steps, turn.reasoning, seconds, tokens)

    def update(self, delta: Delta) -> int:
        """What came; returns the first line that may have changed. ``layout`` has been called before."""
        self.absorb(delta)
        return self.layout(self._width)

    def absorb(self, delta: Delta) -> None:
        """What came, without laying it out."""
        if self.document is None:
            self._build()
        assert self.document is not None
        if delta.trimmed is not None:
            self._trimmed = delta.trimmed
            self._stale = True
        if delta.steps or delta.phase == "thinking":
            self._think(delta)
        if delta.answer:
            self._end_thought()
            self._text += delta.answer
            self.document.feed(delta.answer)
        if delta.confidence:
            found = self._guesses.feed(delta.confidence, self._text)
            self.document.guess(found, self._guesses.known)
        self._rate, self._tokens = delta.rate, delta.tokens
        status = message_notes.status(delta) if not self._text and not self.thought.streaming else ""
        if status != self._status:
            self._status, self._stale = status, True

    def _think(self, delta: Delta) -> None:
        if not self.thought.streaming and not self._text:
            self.thought.streaming = True
            self._stale = True
        self.thought.feed(delta.steps)
        self.thought.seconds = delta.thinking_seconds
        self.thought.tokens = delta.thinking_tokens
        self.thought.budget = delta.budget

    def _end_thought(self) -> None:
        if not self.thought.streaming:
            return
        self.thought.streaming = False
        if not self._by_hand:
            self.thought.fold(False)
        self._stale = True

    def end(self, turn: Turn) -> None:
        """The answer is written. What was streamed stays laid out if it is what was stored."""
        self._end_thought()
        self.live = False
        same = turn.content == self._text and self.document is not None
        self.turn = turn
        self._stale = True
        self._status = ""
        if turn.steps and self.thought.count:
            seconds = sum(step.seconds for step in turn.steps)
            self.thought.seconds = seconds or self.thought.seconds
        if not same or self.document is None:
            self._build()
            return
        guesses = self._guesses.finish()
        self.document.guess(guesses, 1 << 60)
        self.document.finish()
        if turn.stats:
            self.thought.tokens = turn.stats.thinking_tokens

    def go_on(self, turn: Turn) -> None:
        """The stored answer will be continued: its end is open again."""
        self.live, self.document = True, None
        self.replace(turn)

    def replace(self, turn: Turn) -> None:
        """The stored turn has changed."""
        self.turn, self.branch, self._stale = turn, None, True
        if turn.content != self._text or self.document is None:
            self._build()

    def toggle_thought(self) -> bool:
        """Whether there is a thought to fold or unfold."""
        if self.document is None and not self.is_user:
            self._build()
        if self.thought.is_empty:
            return False
        self._by_hand = True
        self.thought.fold(not self.thought.unfolded)
        self._stale = True
        return True

    # Lines

    def guess_height(self, width: int) -> None:
        text = self.turn.content
        inner = max(8, min(WIDEST, width - EDGE - 1))
        self.height = 2 + text.count("\n") + len(text) // inner + 1 + bool(self.turn.reasoning)

    def release(self) -> None:
        if self.live or self.thought.unfolded:
            return
        self.document, self._plain, self._parts, self._width = None, [], [], 0
        self._before, self._after = [], []

    def layout(self, width: int) -> int:
        if self.document is None and not self.is_user:
            self._build()
        inner = max(1, min(WIDEST, width - EDGE - 1))
        first = 0 if self._stale or width != self._width or not self._parts else 1 << 30
        if self._stale or width != self._width or not self._parts:
            self._plain = self._user_lines(inner) if self.is_user else []
            self._before = self._trimmed_lines(inner)
            self._after = self._after_lines(inner)
        self._width, self._stale = width, False
        parts = [Part("trimmed", 0), Part("head", len(self._before))]
        top = len(self._before) + 1
        parts.append(Part("thought", top))
        first = (
            min(first, top + self.thought.layout(inner)) if self.thought.height or not self.thought.is_empty else first
        )
        if self.thought.streaming:
            first = min(first, top)
        top += self.thought.height
        if self._status:
            parts.append(Part("status", top))
            top += 1
        body = len(self._plain)
        changed = body
        if self.document is not None:
            changed = self.document.layout(inner)
            body = self.document.height
        if body and self.thought.height and self.document is not None:
            parts.append(Part("gap", top))
            top += 1
        parts.append(Part("body", top))
        if self.document is not None:
            first = min(first, top + changed)
        top += body
        if self._after:
            parts.append(Part("gap", top))
            parts.append(Part("after", top + 1))
            top += 1 + len(self._after)
        parts.append(Part("gap", top))
        height = top + 1
        if parts != self._parts or height != self.height:
            first = min(first, self._moved(parts, height))
        self._parts, self.height, self.laid_out = parts, height, True
        return min(first, height)

    def _moved(self, parts: list[Part], height: int) -> int:
        """The first line that belongs to another section than before."""
        for old, new in zip(self._parts, parts, strict=False):
            if old != new:
                return min(old.top, new.top)
        return min(self.height, height) - 1 if self._parts else 0

    def line(self, number: int) -> Line:
        index = len(self._parts) - 1
        while index > 0 and self._parts[index].top > number:
            index -= 1
        if index < 0:
            return EMPTY
        section, top = self._parts[index]
        within = number - top
        if section == "head":
            return self._head()
        if section == "trimmed":
            return self._barred(self._before[within]) if within < len(self._before) else EMPTY
        if section == "thought":
            return self._barred(self.thought.line(within))
        if section == "status":
            return self._barred(Line((Piece(self._status, "status"),)))
        if section == "after":
            return self._barred(self._after[within])
        if section == "body":
            if self.document is not None:
                return self._barred(self.document.line(within))
            return self._barred(self._plain[within]) if within < len(self._plain) else EMPTY
        return EMPTY if index == len(self._parts) - 1 else self._barred(EMPTY)

    def section_top(self, section: Section) -> int:
        """The line where a section begins; 0 when there is none."""
        return next((part.top for part in self._parts if part.section == section), 0)

    @property
    def busy_lines(self) -> tuple[int, ...]:
        """Lines with figures that change while it streams."""
        head = self.section_top("head")
        return (head, self.section_top("thought")) if self.thought.streaming else (head,)

    @property
    def has_thought(self) -> bool:
        return not self.thought.is_empty or bool(self.turn.reasoning or self.turn.steps)

    @property
    def code(self) -> list[str]:
        """Its code blocks, as the model wrote them. Lays nothing out, and keeps nothing of a message far away."""
        if self.is_user:
            return []
        if self.document is not None:
            return self.document.code
        text = self.turn.content
        return Document(text).code if any(mark in text for mark in _CODE_MARKS) else []

    def line_of_code(self, number: int) -> int:
        """The line where a code block begins; the message is laid out."""
        assert self.document is not None
        return self.section_top("body") + self.document.line_of_code(number)

    @property
    def is_waiting_for_colours(self) -> bool:
        return self.document is not None and self.document.is_waiting

    def step_lines(self, step: int) -> tuple[int, int]:
        """First and last line of a step of the unfolded thought."""
        top = self.section_top("thought")
        end = self.thought.line_of(step + 1) or self.thought.height
        return top + self.thought.line_of(step), top + end - 1

    # Guessed words

    @property
    def guesses(self) -> Sequence[Guess]:
        if self.document is not None:
            return self.document.guesses
        words = Guesses()
        return words.feed(self.turn.confidence, self.turn.content) + words.finish()

    def line_of_guess(self, guess: Guess) -> int:
        """The line a guessed word stands on."""
        top = self.section_top("body")
        if self.document is not None:
            for number in range(self.document.height):
                if any(piece.mark == guess for piece in self.document.line(number).pieces):
                    return top + number
        return top

    def guess_words(self, guess: Guess) -> str:
        """A guessed word and what it might have been, as one line; empty when it stands here no more."""
        known = self._guesses.alternatives(guess.number)
        if not known:
            return ""
        said, *others = [f"{text} {probability:.0%}" for text, probability in known]
        return said + ("   or  " + "  ·  ".join(others) if others else "")

    def _barred(self, line: Line) -> Line:
        if self.selected:
            bar = "bar-selected"
        elif self.is_user:
            bar = "bar-user"
        else:
            bar = ""
        edge = Piece("▌ " if bar else "  ", bar)
        if not self.is_user:
            return Line((edge, *line.pieces), line.fill)
        return Line(tuple(piece._replace(look=f"user {piece.look}") for piece in (edge, *line.pieces)), "user")

    def _head(self) -> Line:
        turn = self.turn
        width = max(1, self._width - EDGE - 1)
        name, look = ("You", "name-user") if self.is_user else (clean_line(turn.model or "model"), "name-model")
        right = self._figures()
        name = cropped(name, width)
        pieces = [Piece(name, look)]
        branch = self.branch
        if branch is not None and branch[1] > 1:
            right = f"‹ {branch[0]}/{branch[1]} ›" + (f"  {right}" if right else "")
        inner = min(width, WIDEST)
        space = inner - width_of(name) - width_of(right)
        if right and space > 1:
            pieces += [Piece(" " * space), Piece(right, "figures", ("branch", 1) if branch and branch[1] > 1 else None)]
        return self._barred(Line(tuple(pieces)))

    def _figures(self) -> str:
        if self.is_user:
            return ""
        if self.live:
            return f"{self._tokens:,} tokens, {self._rate:.0f} a second" if self._tokens and self._rate else ""
        stats = self.turn.stats
        if stats is None or not stats.answer_tokens + stats.thinking_tokens:
            return ""
        tokens = stats.answer_tokens + stats.thinking_tokens
        rate = f", {stats.decode_rate:.0f} a second" if stats.decode_rate else ""
        return f"{tokens:,} tokens{rate}"

    def _user_lines(self, width: int) -> list[Line]:
        lines = plain(self.turn.content, width) if self.turn.content else []
        for info in self.turn.attachments:
            tokens = f", {info.tokens:,} tokens" if info.tokens is not None else ""
            given = {"cut": ", only its beginning", "summary": ", summarised", "passages": ", passages of it"}
            facts = f"  {bytes_in_words(info.size)}{tokens}{given.get(info.treatment, '')}"
            name = cropped(f"▤ {clean_line(info.name)}", width)
            lines.append(Line((Piece(name, "attachment"), Piece(cropped(facts, width - width_of(name)), "figures"))))
        return lines

    def _trimmed_lines(self, width: int) -> list[Line]:
        if self._trimmed is None:
            return []
        return [*plain(message_notes.trimmed(self._trimmed), width, "note"), EMPTY]

    def _after_lines(self, width: int) -> list[Line]:
        lines: list[Line] = []
        for number, passage in enumerate(self.turn.passages, 1):
            source = cropped(f"[{number}] {clean_line(passage.source)}", width)
            lines.append(Line((Piece(source, "source"),)))
            text = " ".join(passage.text.split())
            indent = 4 if width >= 24 else 0
            shown = wrap([Piece(clean_line(text[: width * PASSAGE_LINES * 2]), "passage")], width - indent - 2)
            for row, pieces in enumerate(shown[:PASSAGE_LINES]):
                cut = row == PASSAGE_LINES - 1 and len(shown) > PASSAGE_LINES
                lines.append(Line((Piece(" " * indent), *pieces, Piece(" …" if cut else "", "passage"))))
        if not self.live and not self.is_user:
            for text, look, mark in message_notes.ending(self.turn):
                if lines:
                    lines.append(EMPTY)
                lines += [
                    Line(tuple(piece._replace(mark=mark) for piece in pieces))
                    for pieces in wrap([Piece(clean_line(text), look)], width)
                ]
        return lines
