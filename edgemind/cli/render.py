"""Shows a generation while it streams: the answer on standard output, the reasoning dimmed beside it.

On a terminal both go to standard output. When standard output is a pipe or a file the reasoning goes to standard
error, so that ``edgemind run ... | jq`` sees the answer and nothing else. Model text for a terminal passes
``terminal.clean``; a pipe gets it as it is. Not for: ``--json`` (``result``).
"""

from __future__ import annotations

import sys

from edgemind.cli import console
from edgemind.cli.confidence import GUESSED, GuessedWords, marked
from edgemind.cli.progress import Progress
from edgemind.engine.events import (
    Answer,
    ContextTrimmed,
    Done,
    Event,
    Failed,
    Loaded,
    Loading,
    PromptProgress,
    Thinking,
)
from edgemind.terminal import clean

PREFILL_TOLD = 64
"""Prompt tokens still to be read from which on their progress is worth a line."""


class Waiting:
    """What is going on before and between the text, on one passing line."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._progress = Progress()
        self._progress.say(f"loading {model}")

    def show(self, event: Event) -> None:
        if isinstance(event, Loading):
            self._progress.say(f"loading {self._model} {event.fraction:.0%} {event.note}".rstrip())
        elif isinstance(event, PromptProgress):
            if event.total - event.cached >= PREFILL_TOLD:
                self._progress.say(f"reading the prompt, {event.done:,} of {event.total:,} tokens")
            else:
                self._progress.clear()

    def say(self, text: str) -> None:
        self._progress.say(text)

    def clear(self) -> None:
        self._progress.clear()

    def close(self) -> None:
        self._progress.close()

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class StepWriter:
    """The reasoning, each step behind its number; lines after the first are drawn in."""

    def __init__(self, to_terminal_stdout: bool) -> None:
        self._write = console.out if to_terminal_stdout else console.err_raw
        stream = sys.stdout if to_terminal_stdout else sys.stderr
        self._dim, self._reset = (console.DIM, console.RESET) if console.has_colour(stream) else ("", "")
        self._bar = "│" if console.draws(stream, "│") else "|"
        self._step = 0
        self._newlines = 0

    @property
    def is_open(self) -> bool:
        return self._step > 0

    def add(self, piece: Thinking) -> None:
        text = piece.text
        if piece.step != self._step:
            self._newlines = 0
            text = text.lstrip("\n")
            if not text:
                return
            text = ("\n" if self._step else "") + f"{piece.step:>3} {self._bar} {self._held(text)}"
            self._step = piece.step
        else:
            text = self._held(text)
        if text:
            self._write(f"{self._dim}{clean(text)}{self._reset}")

    def end(self) -> None:
        """Close the last line; a later thought begins with its own."""
        if self._step:
            self._write("\n")
        self._step = 0
        self._newlines = 0

    def _held(self, text: str) -> str:
        """The text with line starts drawn in; newlines at its end wait for what follows them."""
        body = text.rstrip("\n")
        if not body:
            self._newlines += len(text)
            return ""
        shown = ("\n" * self._newlines + body).replace("\n", f"\n    {self._bar} ")
        self._newlines = len(text) - len(body)
        return shown


class View:
    """Draws the events of one generation.

    Args:
        hide_thinking: show that the model thinks, not what.
        confidence: mark guessed words.
    """

    def __init__(self, model: str, *, hide_thinking: bool, confidence: bool) -> None:
        self._terminal = console.is_terminal(sys.stdout)
        self._hide_thinking = hide_thinking
        self._words = GuessedWords() if confidence else None
        self._colour = console.GUESSED if console.has_colour(sys.stdout) else ""
        self._marked = 0
        self._waiting = Waiting(model)
        self._steps = StepWriter(self._terminal)
        self._thought = False
        self._answered = False
        self._line_open = False

    def show(self, event: Event) -> None:
        if isinstance(event, (Loading, PromptProgress)):
            self._waiting.show(event)
        elif isinstance(event, Loaded):
            self._waiting.clear()
            for note in event.info.notes:
                self._note(note)
        elif isinstance(event, Thinking):
            self._think(event)
        elif isinstance(event, Answer):
            self._answer(event)
        elif isinstance(event, ContextTrimmed):
            self._note(
                f"{event.dropped_turns} of the oldest turns ({event.dropped_tokens:,} tokens) were left out: "
                f"the context holds {event.context_limit:,} tokens"
            )
        elif isinstance(event, (Done, Failed)):
            self._end(event)

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal tidy, however it ended."""
        self._waiting.close()

    def _think(self, event: Thinking) -> None:
        self._thought = True
        if self._hide_thinking:
            self._waiting.say(f"thinking, step {event.step}")
            return
        self._waiting.clear()
        if self._line_open and self._terminal:
            console.out("\n")
            self._line_open = False
        self._steps.add(event)

    def _answer(self, event: Answer) -> None:
        text = event.text
        if not self._answered and self._terminal and not text.strip("\n"):
            return
        self._waiting.clear()
        if not self._answered or self._steps.is_open:
            self._close_thought()
        if not self._answered and self._terminal:
            event = event.model_copy(update={"text": text.lstrip("\n")})
        self._answered = True
        if self._words is None:
            self._say(event.text)
        else:
            self._say_words(self._words.feed(event))

    def _say_words(self, words: list[tuple[str, bool]]) -> None:
        for word, guessed in words:
            self._marked += guessed
            text = clean(word) if self._terminal else word
            self._write(marked(text, self._colour, console.RESET) if guessed else text)
            self._line_open = not word.endswith("\n")

    def _say(self, text: str) -> None:
        if text:
            self._write(clean(text) if self._terminal else text)
            self._line_open = not text.endswith("\n")

    def _write(self, text: str) -> None:
        console.out(text)

    def _close_thought(self) -> None:
        if self._steps.is_open:
            self._steps.end()
            if self._terminal:
                console.out("\n")

    def _end(self, event: Done | Failed) -> None:
        self._waiting.clear()
        if self._words is not None:
            self._say_words(self._words.finish())
        self._steps.end()
        if self._line_open:
            console.out("\n")
            self._line_open = False
        if self._marked and console.is_terminal(sys.stderr):
            which = "coloured words" if self._colour else "words marked [?]"
            self._note(f"{which} were guesses: the model gave them a probability under {GUESSED:.0%}")
        if isinstance(event, Done):
            self._say_why_it_stopped(event)

    def _say_why_it_stopped(self, done: Done) -> None:
        if done.stop_reason == "context_full":
            self._note(f"the answer was cut off: the context of {done.stats.context_limit:,} tokens is full")
        elif done.stop_reason == "max_tokens":
            what = "answer" if self._answered or not self._thought else "reasoning"
            self._note(f"the {what} was cut off at --max-tokens")
        elif done.stop_reason == "end" and not self._answered:
            self._note("the model ended without an answer" + (" after its thought" if self._thought else ""))

    def _note(self, text: str) -> None:
        self._waiting.clear()
        remark(text)


def remark(text: str) -> None:
    """A note in brackets on standard error."""
    dim, reset = (console.DIM, console.RESET) if console.has_colour(sys.stderr) else ("", "")
    console.err_raw(f"{dim}({clean(text)}){reset}\n")
