"""Separates a model's thought from its answer while the text streams in.

``ReasoningParser`` takes text in pieces of any size and gives back the same text as pieces of thought and answer, with
the tags gone. The tags arrive as text, whether they were special tokens or not: the worker must detokenize with
special tokens visible. Not for: finding out which format a model uses (``reasoning_formats``), steps (``steps``).

Rules that hold for every split of the input:

- Nothing that may still become a tag is given out; nothing else waits, except whitespace inside a thought.
- Whitespace around a thought and before the answer is dropped; inside, and after the answer, it is kept.
- A thought that is never closed stays a thought. A tag cut off by the end of the output is dropped.
- When the template opened the tag itself, the caller must say ``inside=True``: text that was given out as answer cannot
  be taken back when a ``</think>`` arrives later. Such a lone close tag at the start of a line is dropped.
- Once the answer has begun, a tag in it counts only outside code spans and code fences, and for tags that prose may
  mention (``<think>``) only at the start of a line. Inside a thought a close tag counts anywhere but directly between
  two backticks.
- A further thought begins with a blank line, so that it does not run into the one before.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edgemind.engine.code_context import CodeContext
from edgemind.engine.reasoning_formats import (
    FORMATS,
    Detection,
    ReasoningFormat,
    Span,
    closed_empty,
    continuation,
    detect,
    opens_inside,
    suppression,
)

__all__ = [
    "FORMATS",
    "Detection",
    "Piece",
    "ReasoningFormat",
    "ReasoningParser",
    "Span",
    "closed_empty",
    "continuation",
    "detect",
    "opens_inside",
    "suppression",
]

Kind = Literal["thinking", "answer"]
State = Literal["before", "thinking", "answer"]

_HEADER_MARKS = ("<|start|>", "<|channel|>", "<|constrain|>")
_END_MARKS = ("<|end|>", "<|return|>", "<|call|>")
_HEADER_LIMIT = 256
"""A harmony header is a role, a channel and perhaps a recipient; anything longer is no header."""
_RECIPIENT = re.compile(r"to=[^\s<]{0,200}\s{0,8}")
"""How the rest of a header begins when the prompt ended in ``<|start|>assistant``. A control token has to follow, or it
is an answer that happens to begin with these letters."""


@dataclass(frozen=True)
class Piece:
    """A piece of model text; ``text`` is never empty."""

    kind: Kind
    text: str


class ReasoningParser:
    """Splits one answer of a model. See the rules at the top of this module."""

    def __init__(self, fmt: ReasoningFormat, inside: bool) -> None:
        self._fmt = fmt
        self._state: State = "thinking" if inside and fmt.spans else "before"
        self._span: Span | None = None
        self._held = ""
        self._pieces: list[Piece] = []
        self._code = CodeContext()
        self._thought_space: list[str] = []
        self._thought_empty = True
        self._any_thought = False
        self._answer_last = "\n"
        self._answer_lead = ""
        self._answer_blank = True
        self._last_thought_character = ""
        self._in_header = False
        self._marks = self._marks_of_format()
        self._pattern = _alternatives(self._marks)

    @property
    def state(self) -> State:
        """``before`` the first visible character, then what the next character would be."""
        return self._state

    @property
    def force_close(self) -> str:
        """What to write to end the thought that is open now."""
        return self._span.force_close if self._span else self._fmt.force_close

    def resume(self, thought: str, answer: str) -> None:
        """Go on behind text that was given out before; nothing of it is given out again. For a new parser."""
        self._any_thought = bool(thought)
        if answer:
            self._begin_answer()
            self._code.feed(answer)
            self._answer_last, self._answer_blank = answer[-1], answer.isspace()
        elif thought and self._state == "thinking":
            self._thought_empty, self._last_thought_character = False, thought[-1]

    def feed(self, text: str) -> list[Piece]:
        """The pieces that ``text`` settled, in order; neighbours of one kind are joined."""
        if not self._fmt.spans:
            if text:
                self._state = "answer"
            return [Piece("answer", text)] if text else []
        buffer = self._held + text
        self._held = ""
        while buffer:
            rest = self._advance(buffer, final=False)
            if rest is None:
                break
            buffer = rest
        return self._take()

    def finish(self, cut: bool = False) -> list[Piece]:
        """The end of the output: what was held back is settled.

        Args:
            cut: the output could go on. What may still become a tag is left out, so that it can be written again, and
                whitespace at the end of a thought is given out: it may be one token with what stands before it.
        """
        if cut and self._state == "thinking" and not self._thought_empty and self._thought_space:
            self._pieces.append(Piece("thinking", "".join(self._thought_space)))
        buffer, self._held = "" if cut else self._held, ""
        while buffer:
            rest = self._advance(buffer, final=True)
            if rest is None:
                break
            buffer = rest
        self._thought_space.clear()
        return self._take()

    # One step of work: consumes the beginning of the buffer and returns the rest, or None when all of it is used up
    # or held back.

    def _advance(self, buffer: str, final: bool) -> str | None:
        if self._in_header:
            return self._header(buffer, final)
        if self._state == "before":
            return self._before(buffer, final)
        if self._state == "thinking":
            return self._thinking(buffer, final)
        return self._answering(buffer, final)

    def _before(self, buffer: str, final: bool) -> str | None:
        buffer = buffer.lstrip()
        if not buffer:
            return None
        starts = (*self._marks, "to=") if self._fmt.channels else self._marks
        mark = _first_of(buffer, starts)
        waits = _is_beginning(buffer, starts)
        if mark == "to=" and (recipient := _RECIPIENT.match(buffer)):
            rest, follows = buffer[recipient.end() :], (*_HEADER_MARKS, "<|message|>")
            waits = _is_beginning(rest, follows)
            mark = mark if _first_of(rest, follows) else None
        if waits and not final:
            self._held = buffer
            return None
        if mark is None:
            self._state = "answer"
            return buffer
        return self._take_mark(mark, buffer[len(mark) :])

    def _thinking(self, buffer: str, final: bool) -> str | None:
        if self._thought_empty:
            buffer = buffer.lstrip()
            if not buffer:
                return None
            opens = self._fmt.open
            if not final and _is_beginning(buffer, opens):
                self._held = buffer
                return None
            repeated = _first_of(buffer, opens)
            if repeated is not None:
                self._span = self._span or self._span_of(repeated)
                return buffer[len(repeated) :] or None
        ends = self._ends()
        for match in _alternatives(ends).finditer(buffer):
            start, end = match.span()
            before = buffer[start - 1] if start else self._last_thought_character
            if before == "`":
                if end == len(buffer) and not final:
                    self._think(buffer[:start])
                    self._held = buffer[start:]
                    return None
                if end < len(buffer) and buffer[end] == "`":
                    continue
            self._think(buffer[:start])
            return self._take_mark(match.group(), buffer[end:])
        self._settle(buffer, ends, final, thought=True)
        return None

    def _answering(self, buffer: str, final: bool) -> str | None:
        if self._answer_blank and self._answer_last.isspace():
            buffer = buffer.lstrip()
            if not buffer:
                return None
        used = 0
        for match in self._pattern.finditer(buffer):
            start, end = match.span()
            self._answer(buffer[used:start])
            used = start
            if self._counts(match.group()):
                return self._take_mark(match.group(), buffer[end:])
        self._settle(buffer[used:], self._marks, final, thought=False)
        return None

    def _counts(self, mark: str) -> bool:
        """Whether a mark found here in the answer is a tag."""
        if self._code.in_code():
            return False
        if mark in self._fmt.answer_marks:
            return self._answer_blank or mark.startswith("</")
        if self._answer_blank:
            return True
        if self._fmt.reopen == "line":
            return self._code.line_start
        return self._fmt.reopen == "anywhere"

    def _take_mark(self, mark: str, rest: str) -> str | None:
        """A mark was recognised at the current place."""
        if self._fmt.channels:
            if mark in _END_MARKS:
                self._begin_answer()
                self._state, self._answer_lead = "before", "\n\n"
            elif mark != "<|message|>":
                self._in_header = True
                rest = mark + rest
        elif mark in self._fmt.open:
            self._begin_thought(self._span_of(mark))
        else:
            self._begin_answer()
        return rest or None

    def _header(self, buffer: str, final: bool) -> str | None:
        """Harmony: everything up to ``<|message|>`` is about the message, not part of it."""
        header, found, rest = buffer.partition("<|message|>")
        if not found:
            if len(buffer) <= _HEADER_LIMIT and not final:
                self._held = buffer
                return None
            self._in_header = False
            self._begin_answer()
            if not final:
                self._answer(_alternatives(_HEADER_MARKS).sub("", buffer))
            return None
        self._in_header = False
        channel = header.rpartition("<|channel|>")[2].split(maxsplit=1) if "<|channel|>" in header else []
        if channel[:1] == ["analysis"] or "to=" in header:
            self._begin_thought(self._fmt.spans[0])
        else:
            self._begin_answer()
        return rest or None

    # What the two kinds of text go through on their way out.

    def _begin_thought(self, span: Span | None) -> None:
        self._state, self._span = "thinking", span
        self._thought_empty = True
        self._last_thought_character = ""

    def _begin_answer(self) -> None:
        self._state, self._span = "answer", None
        self._thought_space.clear()
        self._answer_blank = True

    def _think(self, text: str) -> None:
        if not text:
            return
        self._last_thought_character = text[-1]
        visible = text.rstrip()
        if visible:
            lead = "\n\n" if self._thought_empty and self._any_thought else "".join(self._thought_space)
            self._pieces.append(Piece("thinking", lead + visible))
            self._thought_space.clear()
            self._thought_empty, self._any_thought = False, True
        if len(visible) < len(text):
            self._thought_space.append(text[len(visible) :])

    def _answer(self, text: str) -> None:
        if text:
            if self._answer_lead and not self._answer_last.isspace():
                text = self._answer_lead + text.lstrip()
            self._answer_lead = ""
            self._pieces.append(Piece("answer", text))
            self._code.feed(text)
            self._answer_last = text[-1]
            self._answer_blank = self._answer_blank and text.isspace()

    def _settle(self, buffer: str, marks: tuple[str, ...], final: bool, *, thought: bool) -> None:
        """Gives out all but what could still become one of ``marks``; at the end drops a tag that was cut off."""
        keep = _held_length(buffer, marks)
        cut = len(buffer) - keep
        (self._think if thought else self._answer)(buffer[:cut])
        tail = buffer[cut:]
        if not final:
            self._held = tail
        elif len(tail) < 3 or tail[0] not in "<[":
            (self._think if thought else self._answer)(tail)

    def _take(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        joined: list[Piece] = []
        for piece in pieces:
            if joined and joined[-1].kind == piece.kind:
                joined[-1] = Piece(piece.kind, joined[-1].text + piece.text)
            else:
                joined.append(piece)
        return joined

    # Which marks matter.

    def _marks_of_format(self) -> tuple[str, ...]:
        if self._fmt.channels:
            return (*_HEADER_MARKS, *_END_MARKS, "<|message|>")
        return tuple(dict.fromkeys((*self._fmt.open, *self._fmt.close, *self._fmt.answer_marks)))

    def _ends(self) -> tuple[str, ...]:
        """What ends the thought that is open now; when the template opened it, any close tag does."""
        if self._fmt.channels:
            return (*_END_MARKS, "<|start|>", "<|channel|>")
        return self._span.close if self._span else self._fmt.close

    def _span_of(self, mark: str) -> Span | None:
        return next((span for span in self._fmt.spans if mark in span.open), None)


_patterns: dict[tuple[str, ...], re.Pattern[str]] = {}


def _alternatives(marks: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern for the earliest of ``marks``, the longest one where several start together."""
    if marks not in _patterns:
        _patterns[marks] = re.compile("|".join(re.escape(mark) for mark in sorted(marks, key=len, reverse=True)))
    return _patterns[marks]


def _first_of(text: str, marks: tuple[str, ...]) -> str | None:
    return next((mark for mark in sorted(marks, key=len, reverse=True) if text.startswith(mark)), None)


def _is_beginning(text: str, marks: tuple[str, ...]) -> bool:
    """Whether ``text`` is a true beginning of a mark."""
    return any(len(text) < len(mark) and mark.startswith(text) for mark in marks)


def _held_length(text: str, marks: tuple[str, ...]) -> int:
    """Length of the longest end of ``text`` that is a true beginning of a mark."""
    longest = max(len(mark) for mark in marks) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if _is_beginning(text[-length:], marks):
            return length
    return 0
