"""Cuts a thought into steps while it streams.

Where a step begins (the first rule that fits decides; each needs only text that has already arrived):

1. Inside a code fence, a table or display math nothing begins. Such a block belongs to the line above it, unless a
   blank line stands between them and that line does not end in ``:`` or ``,``.
2. A list item (``1.``, ``2)``, ``-``, ``*``) begins a step; an indented item belongs to the item above it.
3. After a blank line a step begins.
4. A new line begins a step, since models trained on one step a line, and lists of equations, are read that way.
   It continues the step when the line above ends in ``,`` ``:`` or an operator, when it starts with an operator
   or a closing bracket, or when it is the rest of a wrapped line: it starts in lower case, and the line above has at
   least 40 characters and did not end a sentence. A label (``word: ``), ``wait``, ``hmm`` and their like begin a
   step in lower case too.
5. Within a line a step begins at a sentence that starts with a turning word (Wait, But, So, Alternatively, ...) once
   the current step has more than 200 characters.

The newlines before a step belong to the step above, so the pieces joined are the text. A step always has something
visible in it. How the text was cut into pieces changes nothing. Not for: finding the thought (``reasoning``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from edgemind.engine.events import Step

LONG_STEP = 200
"""Characters after which a turning word inside a line begins a step."""

WRAPPED_LINE = 40
"""Text is wrapped at widths well above this; a shorter line was ended on purpose."""

TURNING_WORDS = (
    "actually", "additionally", "alternatively", "also", "another", "but", "consider", "double-check", "finally",
    "first", "hence", "hmm", "hold on", "however", "i need to", "i should", "instead", "let me", "let's", "moving on",
    "next", "now", "ok", "okay", "on the other hand", "oh", "right", "second", "similarly", "since", "so", "then",
    "therefore", "third", "thus", "to verify", "wait",
)  # fmt: skip
"""A sentence that starts with one of these takes the thought in a new direction or to its next station."""

TURNING_WORDS_CJK = ("等等", "但是", "不过", "然而", "所以", "因此", "首先", "其次", "然后", "最后", "另外", "或者")

_UNMISTAKABLE = ("actually", "alternatively", "double-check", "hmm", "hold on", "let me", "wait")
"""Turning words that a wrapped line hardly ever starts with, so they count in lower case too."""

_ENDS = ".!?。！？…"
_CONTINUES_BELOW = ",:=+([{&、，："
_CONTINUES_ABOVE = "=)]}≤≥≈→⇒,;"
_SENTENCE_END = re.compile(r"[.!?。！？…\n]")
_ITEM = re.compile(r"(?:\d{1,3}[.)]|[-*+•])\s")
_MAYBE_ITEM = re.compile(r"\d{1,3}[.)]?|[-*+•]")
_LABEL = re.compile(r"[a-z]{1,12}: ")
_MAYBE_LABEL = re.compile(r"[a-z]{1,12}:?")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})([^`]*)$")
_LINE_KEPT = 400
"""Characters of a line that are kept to recognise fences and math; longer lines are neither."""


@dataclass
class _Draft:
    text: list[str] = field(default_factory=list)
    length: int = 0
    visible: bool = False
    tokens: int = 0
    seconds: float = 0.0


class StepSplitter:
    """Splits one thought. Times are seconds of any steady clock.

    Args:
        started: when the thought began; by default the time of the first ``feed``.
    """

    def __init__(self, started: float | None = None) -> None:
        self._steps = [_Draft()]
        self._pieces: list[tuple[int, list[str]]] = []
        self._now = started
        self._tokens = 0
        self._seconds = 0.0
        # The line that is being read.
        self._probe: str | None = ""
        self._line = ""
        self._indent = 0
        # The line above it.
        self._blank = False
        self._last = ""
        self._above = 0
        # Blocks.
        self._fence = ""
        self._math = ""
        self._table = False
        self._in_item = False
        # The sentence inside a line.
        self._sentence: str | None = None
        self._ended = ""

    def feed(self, text: str, tokens: int, now: float) -> list[tuple[int, str]]:
        """Pieces ``(step index from 1, text)``. A few characters may wait for the next call where a step might begin.

        ``tokens`` and the time since the last call are shared among the steps that ``text`` touches.
        """
        if self._now is None:
            self._now = now
        self._tokens += tokens
        self._seconds += max(0.0, now - self._now)
        self._now = max(self._now, now)
        position = 0
        while position < len(text):
            position = self._read(text, position)
        return self._take()

    def resume(self, text: str) -> int:
        """Go on behind a thought that was said before, for no tokens and no seconds. For a new splitter.

        Returns:
            How many characters at its end wait where a step might begin; the next pieces start with them.
        """
        given = sum(len(piece) for _, piece in self.feed(text, 0, 0.0))
        self._now = None
        return len(text) - given

    def flush(self) -> list[tuple[int, str]]:
        """The characters that still wait, when the thought is over. ``finish`` counts them either way."""
        if self._probe:
            self._decide_line(final=True)
        if self._sentence is not None:
            self._decide_sentence(final=True)
        return self._take()

    def finish(self, now: float) -> tuple[Step, ...]:
        """All steps: texts stripped, tokens and seconds that add up to those of the whole thought.

        A thought of nothing but whitespace has no steps.
        """
        self.flush()
        last = self._steps[-1]
        if self._now is not None:
            self._seconds += max(0.0, now - self._now)
            self._now = max(self._now, now)
        last.tokens += self._tokens
        last.seconds += self._seconds
        self._tokens, self._seconds = 0, 0.0
        return tuple(
            Step(text="".join(draft.text).strip(), tokens=draft.tokens, seconds=draft.seconds)
            for draft in self._steps
            if draft.visible
        )

    # Reading: at the start of a line, at the start of a sentence, or through the rest of a line.

    def _read(self, text: str, position: int) -> int:
        character = text[position]
        if self._probe is not None and character != "\n":
            if not self._probe and character.isspace():
                self._indent += 4 if character == "\t" else 1
                self._write(character)
                return position + 1
            self._probe += character
            self._decide_line(final=False)
            return position + 1
        if self._sentence is not None and character != "\n":
            self._sentence += character
            self._decide_sentence(final=False)
            return position + 1
        if character == "\n":
            self._end_line()
            return position + 1
        return self._read_on(text, position)

    def _read_on(self, text: str, position: int) -> int:
        """Through the line up to the next sentence end or newline; both are looked at on their own."""
        character = text[position]
        if self._ended:
            cjk = self._ended in "。！？"
            if character.isspace():
                self._write(character)
                self._ended = " "
                return position + 1
            if character in "\"')]*_”’" and self._ended != " " and not cjk:
                self._write(character)
                return position + 1
            at_start = self._ended == " " or cjk
            self._ended = ""
            if at_start and self._may_split():
                self._sentence = ""
                return position
        match = _SENTENCE_END.search(text, position)
        if match is None:
            self._write(text[position:])
            return len(text)
        if match.group() == "\n":
            self._write(text[position : match.start()])
            return match.start()
        self._write(text[position : match.end()])
        self._ended = match.group()
        return match.end()

    def _may_split(self) -> bool:
        return self._steps[-1].length > LONG_STEP and not (self._fence or self._math or self._table)

    def _decide_sentence(self, final: bool) -> None:
        probe = self._sentence or ""
        turning = _begins_with_word(probe, TURNING_WORDS, capital=True)
        if turning is None and final:
            turning = _begins_with_word(probe + " ", TURNING_WORDS, capital=True)
        if turning is None and not final:
            return
        self._sentence = None
        if turning:
            self._begin()
        self._write(probe)

    def _end_line(self) -> None:
        """The line is over: settles what waits, writes the newline, and remembers what the next line depends on."""
        if self._probe:
            self._decide_line(final=True)
        if self._sentence is not None:
            self._decide_sentence(final=True)
        line = self._line.strip()
        if line:
            self._last, self._above = line[-1], len(line)
            self._blank = False
            self._track_blocks(line)
        else:
            self._blank = True
            self._math = ""
        self._write("\n")
        self._line, self._indent, self._probe, self._ended, self._sentence = "", 0, "", "", None

    def _track_blocks(self, line: str) -> None:
        if self._fence:
            if set(line) == {self._fence[0]} and len(line) >= len(self._fence):
                self._fence = ""
            return
        match = _FENCE.match(line)
        if match:
            self._fence = match.group(1)
            return
        if self._math:
            closes = "$$" in line if self._math == "$$" else "\\]" in line
            self._math = "" if closes else self._math
        elif line.count("$$") % 2:
            self._math = "$$"
        elif line.rfind("\\[") > line.rfind("\\]"):
            self._math = "\\["

    # Deciding about the start of a line.

    def _decide_line(self, final: bool) -> None:
        probe = self._probe or ""
        begins = self._line_begins(probe, final)
        if begins is None:
            return
        self._probe = None
        if begins:
            self._begin()
        self._write(probe)

    def _line_begins(self, rest: str, final: bool) -> bool | None:
        """Whether the line that starts with ``rest``, after its indent, begins a step; None while that is open."""
        if self._fence or self._math:
            return False
        indented = self._indent >= 2
        if not final and rest in ("`", "``", "~", "~~", "$", "\\"):
            return None
        block = rest.startswith(("```", "~~~", "$$", "\\["))
        if block or rest[0] == "|":
            inside, self._table = self._table and not self._blank, rest[0] == "|"
            return self._blank and not inside and self._last not in ":,：，"
        after_table, self._table = self._table, False
        if not final and _MAYBE_ITEM.fullmatch(rest):
            return None
        if _ITEM.match(rest):
            nested = indented and self._in_item
            self._in_item = True
            return not nested
        if indented and self._in_item:
            return False
        begins = self._text_begins(rest, final)
        if begins is None:
            self._table = after_table
        elif begins:
            self._in_item = False
        return begins

    def _text_begins(self, rest: str, final: bool) -> bool | None:
        if self._blank:
            return True
        first = rest[0]
        if first.islower() and self._last not in _ENDS and self._above >= WRAPPED_LINE:
            if _LABEL.match(rest):
                return True
            if not final and _MAYBE_LABEL.fullmatch(rest):
                return None
            turning = _begins_with_word(rest + (" " if final else ""), _UNMISTAKABLE, capital=False)
            return turning if turning is not None or not final else False
        return not (self._last and self._last in _CONTINUES_BELOW) and first not in _CONTINUES_ABOVE

    # Writing.

    def _begin(self) -> None:
        if self._steps[-1].visible:
            self._steps.append(_Draft())

    def _write(self, text: str) -> None:
        if not text:
            return
        index = len(self._steps)
        step = self._steps[-1]
        step.text.append(text)
        step.length += len(text)
        step.visible = step.visible or not text.isspace()
        if text != "\n":
            line = self._line + text
            self._line = line if len(line) <= _LINE_KEPT else line[: _LINE_KEPT - 1] + line.rstrip()[-1:]
        if self._pieces and self._pieces[-1][0] == index:
            self._pieces[-1][1].append(text)
        else:
            self._pieces.append((index, [text]))

    def _take(self) -> list[tuple[int, str]]:
        """The pieces so far; the waiting tokens and seconds go to their steps by visible characters."""
        pieces = [(index, "".join(parts)) for index, parts in self._pieces]
        self._pieces = []
        if not pieces:
            return []
        weights = [len(text.strip()) for _, text in pieces]
        if not any(weights):
            weights[-1] = 1
        total, seen, given = sum(weights), 0, 0
        for (index, _), weight in zip(pieces, weights, strict=True):
            seen += weight
            upto = (self._tokens * seen * 2 + total) // (total * 2)
            self._steps[index - 1].tokens += upto - given
            self._steps[index - 1].seconds += self._seconds * weight / total
            given = upto
        self._tokens, self._seconds = 0, 0.0
        return pieces


def _begins_with_word(text: str, words: tuple[str, ...], capital: bool) -> bool | None:
    """Whether ``text`` starts with one of ``words`` as a whole word; None while more text could tell."""
    if capital:
        for word in TURNING_WORDS_CJK:
            if text.startswith(word):
                return True
        if any(word.startswith(text) for word in TURNING_WORDS_CJK):
            return None
        if not text[0].isupper():
            return False
    lowered = text.lower().replace("’", "'")
    for word in words:
        if lowered.startswith(word) and len(lowered) > len(word) and not lowered[len(word)].isalnum():
            return True
    return None if any(word.startswith(lowered) for word in words) else False
