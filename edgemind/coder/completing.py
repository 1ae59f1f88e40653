"""One completion: the text around a cursor goes to a model that fills gaps, and what fits there comes back.

The text before and after is cut to what a small machine reads in a moment. The cut before it moves in steps, so that
from one key press to the next the beginning stays the same and is in the engine's cache.
Not for: where a line or block ends (``completion_text``), how such a prompt is built (``engine``).
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Literal

from edgemind.coder.completion_text import Lines, end_of, fitted
from edgemind.coder.file_text import visible
from edgemind.engine.client import Engine, Generation, error_from
from edgemind.engine.events import Answer, Done, Failed, GenerateRequest, Infill, PromptProgress, Sampling
from edgemind.errors import ModelUnusable
from edgemind.terminal import clean_line

MOST_BEFORE = 8_000
MOST_AFTER = 2_000
"""Characters around the cursor that the model is given; about 2,500 tokens of code."""

STEP = 2_000
"""Characters by which the beginning of a long text before the cursor moves."""

BROKEN = "\ufffd"
"""What stands for bytes that are no character: nothing after one is worth having in a file that has none."""

MOST_TOKENS: dict[Lines, int] = {"one": 64, "block": 256}

Stop = Literal["line", "block", "end", "max_tokens", "context_full", "cancelled"]


@dataclass(frozen=True)
class Gap:
    """Where something is to be written. Lines end with ``\\n``."""

    prefix: str
    suffix: str
    path: str | None = None
    """Of the file, told to models that know what to do with it."""
    lines: Lines = "block"
    max_tokens: int | None = None


@dataclass(frozen=True)
class Completion:
    """What goes into the gap, and what it took."""

    text: str
    """Without control and invisible characters, which nobody would notice in the file."""
    stop: Stop
    """``line`` or ``block``: what was wanted is whole; else why the model went no further."""
    tokens: int
    prompt_tokens: int
    cached_tokens: int
    seconds: float
    hidden: tuple[str, ...] = ()
    """Control and invisible characters near the gap, which the model was not given."""
    model_seconds: float | None = None
    """Of these the model's, as the engine measures; ``None`` when the line or block was over before the model was."""


class Completing:
    """One completion that another thread may cancel, before it begins too."""

    def __init__(self, engine: Engine, gap: Gap) -> None:
        self._engine = engine
        self._gap = gap
        self._lock = threading.Lock()
        self._generation: Generation | None = None
        self._cancelled = False

    def cancel(self) -> None:
        """End it at once, with what there is. Safe from any thread, any number of times."""
        with self._lock:
            self._cancelled = True
            generation = self._generation
        if generation:
            generation.abandon()

    def run(self) -> Completion:
        """Ask, and wait.

        Raises:
            ModelUnusable: the model has no tokens for it.
            EdgemindError: what the engine says is wrong.
        """
        started = time.perf_counter()
        with self._lock:
            if self._cancelled:
                return Completion("", "cancelled", 0, 0, 0, 0.0)
            asked, hidden = request(self._gap)
            self._generation = self._engine.generate(asked)
        before, after = shortened_before(self._gap.prefix), shortened_after(self._gap.suffix)
        text, tokens, prompt, cached = "", 0, 0, 0
        stop: Stop = "end"
        worked: float | None = None
        end: int | None = None
        with self._generation as generation:
            for event in generation:
                if isinstance(event, PromptProgress):
                    prompt, cached = event.total, event.cached
                elif isinstance(event, Answer):
                    text += event.text
                    tokens += event.tokens
                    end = end_of(text, before, after, self._gap.lines)
                    if end is not None:
                        break
                elif isinstance(event, Failed):
                    raise error_from(event)
                elif isinstance(event, Done):
                    worked = event.stats.prefill_seconds + event.stats.decode_seconds
                    stop = "end" if event.stop_reason == "stop_string" else event.stop_reason
        if end is not None:
            stop = "line" if self._gap.lines == "one" else "block"
        text = text if end is None else text[:end]
        if BROKEN not in before + after:
            text = text.partition(BROKEN)[0]
        whole, _ = visible(fitted(text, before, after))
        return Completion(whole, stop, tokens, prompt, cached, time.perf_counter() - started, hidden, worked)


def request(gap: Gap) -> tuple[GenerateRequest, tuple[str, ...]]:
    """What the engine is asked, and which characters are kept from it.

    Greedy, so that the same place has the same completion.
    """
    prefix, hidden_before = visible(shortened_before(gap.prefix))
    suffix, hidden_after = visible(shortened_after(gap.suffix))
    asked = GenerateRequest(
        infill=Infill(prefix=prefix, suffix=suffix, path=gap.path),
        sampling=Sampling(temperature=0.0),
        max_tokens=gap.max_tokens or MOST_TOKENS[gap.lines],
    )
    return asked, tuple(dict.fromkeys((*hidden_before, *hidden_after)))


def shortened_before(prefix: str) -> str:
    """The end of it, from the beginning of a line if there is one near."""
    if len(prefix) <= MOST_BEFORE:
        return prefix
    start = -(-(len(prefix) - MOST_BEFORE) // STEP) * STEP
    line = prefix.find("\n", start, start + STEP) + 1
    return prefix[line or start :]


def shortened_after(suffix: str) -> str:
    """The beginning of it, up to the end of a line if there is one near."""
    if len(suffix) <= MOST_AFTER:
        return suffix
    line = suffix.rfind("\n", MOST_AFTER // 2, MOST_AFTER) + 1
    return suffix[: line or MOST_AFTER]


def cannot(model: str, command: str) -> ModelUnusable:
    """The error for a model that has no tokens for a gap.

    Args:
        command: what to type instead, up to the name of another model.
    """
    from edgemind.models import infill

    return ModelUnusable(
        f"The model {clean_line(model)} cannot fill gaps: its vocabulary has no fill-in-the-middle tokens.",
        infill.next_command(command),
    )
