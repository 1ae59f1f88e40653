"""One answer being written: a thread that reads the engine, and a thread that saves what has come.

The reading thread never waits for the disk, so a slow one holds up neither the engine nor what is shown. The saving
thread writes the partial answer every ``SAVE_SECONDS`` and the whole at the end. Both end with the answer.
Not for: what to ask (``prompting``), what a message is answered to (``session``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from edgemind.chat.live import Live
from edgemind.engine.events import ContextTrimmed, Done, Failed, GenerateRequest, Stats, Step
from edgemind.errors import EdgemindError

if TYPE_CHECKING:
    from edgemind.chat.engines import Engines
    from edgemind.chat.keeping import Keeper
    from edgemind.chat.types import State, Turn
    from edgemind.engine.client import Generation

SAVE_SECONDS = 0.8
"""Between two savings of a partial answer; with the saving itself less than a second on a disk that works."""

LAST_SAVE_SECONDS = 0.5
"""How long the end of an answer waits for its saving before it is shown as over."""

STOP_SECONDS = 1.0
"""How long a worker has to stop; then the answer ends without it."""


@dataclass(frozen=True)
class Asked:
    """What the engine is asked, and how many oldest turns were too far back to be sent at all."""

    request: GenerateRequest
    left_out: int = 0


class Stopped(Exception):
    """The user stopped the answer before the engine was asked."""


class Answering:
    """One answer, from the request to its last saving.

    Args:
        turn: the answer as it is: empty, or what is continued.
        ask: makes the request, on the reading thread; may take long and use the engine. It is given this object, for
            ``check`` and ``live.say``.
        on_end: told the finished turn, on the reading thread.
    """

    def __init__(
        self,
        turn: Turn,
        keeper: Keeper,
        engines: Engines,
        ask: Callable[[Answering], Asked],
        on_end: Callable[[Turn], None],
        budget: int | None = None,
    ) -> None:
        info = engines.info
        self.turn = turn
        self.live = Live(
            turn, budget=budget, context_limit=info.context_limit if info else 0, ready=engines.state == "ready"
        )
        self._keeper = keeper
        self._engines = engines
        self._ask = ask
        self._on_end = on_end
        self._lock = threading.Lock()
        self._generation: Generation | None = None
        self._stopped = False
        self._answer_now = False
        self._final: Turn | None = None
        self._over = threading.Event()
        self._saved = threading.Event()
        self._threads = [
            threading.Thread(target=self._read, name="answer", daemon=True),
            threading.Thread(target=self._save, name="save", daemon=True),
        ]

    def start(self) -> None:
        """Begin; returns at once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End within a token; what is there stays."""
        with self._lock:
            self._stopped = True
            generation = self._generation
        if generation is None:
            self._engines.wake()
            return
        if self.live.phase == "loading":
            generation.abandon()
            return
        generation.cancel()
        timer = threading.Timer(STOP_SECONDS, self._give_up, (generation,))
        timer.daemon = True
        timer.start()

    def answer_now(self) -> None:
        """End the thought."""
        with self._lock:
            self._answer_now = True
            generation = self._generation
        if generation:
            generation.answer_now()

    @property
    def stopped(self) -> bool:
        """The user wants no more."""
        return self._stopped

    def check(self) -> None:
        """Raises Stopped."""
        if self._stopped:
            raise Stopped

    def wait(self, seconds: float) -> bool:
        """Wait until everything is saved; whether it is."""
        return self._saved.wait(seconds)

    def _give_up(self, generation: Generation) -> None:
        if not self._over.is_set():
            generation.abandon()

    def _read(self) -> None:
        with self._engines.in_use():
            last = self._last_event()
        if self._stopped and isinstance(last, Failed):  # ended before it could say that it stopped
            last = Done(stop_reason="cancelled")
        self._final = self._finished(last)
        self._keeper.hold(self._final)
        self._over.set()
        self._saved.wait(LAST_SAVE_SECONDS)
        self._on_end(self._final)
        self.live.end(last)

    def _last_event(self) -> Done | Failed:
        try:
            asked = self._ask(self)
            self.live.say("")
            engine = self._engines.engine(lambda: self._stopped)
            self.check()
            generation = engine.generate(asked.request)
            with self._lock:
                self._generation = generation
                stopped, answer_now = self._stopped, self._answer_now
            if stopped:
                generation.abandon()
            elif answer_now:
                generation.answer_now()
            return self._events(generation, asked.left_out)
        except Stopped:
            return Done(stop_reason="cancelled")
        except EdgemindError as problem:
            return Failed(kind=problem.kind, message=problem.message, hint=problem.hint)
        except (
            Exception
        ) as problem:  # a mistake of ours must not leave the chat busy for ever; its text may be the chat's
            name = type(problem).__name__
            return Failed(
                kind="error", message=f"Something went wrong inside EdgeMind ({name}).", hint="Send it again."
            )

    def _events(self, generation: Generation, left_out: int) -> Done | Failed:
        for event in generation:
            if isinstance(event, Done | Failed):
                return event
            if isinstance(event, ContextTrimmed) and left_out:
                event = event.model_copy(update={"dropped_turns": event.dropped_turns + left_out})
            self.live.put(event)
        return Done(stop_reason="cancelled")

    def _save(self) -> None:
        saved = self.live.written()
        while not self._over.wait(SAVE_SECONDS):
            written = self.live.written()
            if written != saved:
                self._keeper.save(
                    replace(
                        self.turn,
                        state="writing",
                        reasoning=written.reasoning,
                        content=written.content,
                        steps=written.steps,
                        confidence=written.confidence,
                        trimmed=written.trimmed,
                    )
                )
                saved = written
        assert self._final is not None
        self._keeper.save(self._final)
        self._saved.set()

    def _finished(self, last: Done | Failed) -> Turn:
        """The turn as it stays."""
        written = self.live.written()
        turn = replace(
            self.turn,
            reasoning=written.reasoning,
            content=written.content,
            steps=written.steps,
            confidence=written.confidence,
            trimmed=written.trimmed,
            model=self._engines.name or self.turn.model,
        )
        if isinstance(last, Failed):
            return replace(turn, state="failed", error=f"{last.message} {last.hint}".strip())
        state: State = "done"
        if last.stop_reason == "cancelled":
            state = "stopped"
        elif last.stop_reason in ("max_tokens", "context_full"):
            state = "cut"
        if state == "done" or turn.content:
            turn = replace(turn, reasoning=turn.reasoning.rstrip(), content=turn.content.lstrip("\n"))
        elif last.thought_closed:
            turn = replace(turn, content="\n")  # the thought is over: to continue means to answer
        if last.steps:
            turn = replace(turn, steps=merged(self.turn.steps, last.steps))
        if last.stats.prompt_tokens:
            turn = replace(turn, stats=added(self.turn, last.stats))
        return replace(turn, state=state, error="")


def merged(before: tuple[Step, ...], now: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps of a thought that was continued: what each took before is added. Without new ones the old ones stay."""
    if not before or not now:
        return now or before
    found = []
    for old, new in zip_longest(before, now):
        if new is None:
            break
        more = (old.tokens, old.seconds) if old else (0, 0.0)
        found.append(Step(text=new.text, tokens=new.tokens + more[0], seconds=new.seconds + more[1]))
    return tuple(found)


def added(turn: Turn, stats: Stats) -> Stats:
    """The figures of an answer that was continued: its tokens and seconds are those of all its parts."""
    before = turn.stats
    if not before or not (turn.content or turn.reasoning):
        return stats
    return stats.model_copy(
        update={
            "thinking_tokens": stats.thinking_tokens + before.thinking_tokens,
            "answer_tokens": stats.answer_tokens + before.answer_tokens,
            "prefill_seconds": stats.prefill_seconds + before.prefill_seconds,
            "decode_seconds": stats.decode_seconds + before.decode_seconds,
        }
    )
