"""One request while it is being answered: from sampled tokens to events.

Token -> bytes -> text -> reasoning parser -> steps or answer -> stop strings -> events; beside that the
thinking budget, the grammar that starts after the thought, confidence, and the counts for ``Done``.
Not for: batches and cells (``scheduler``, ``contexts``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from edgemind.engine import llama
from edgemind.engine.certainty import Certainty
from edgemind.engine.drafting import Drafting
from edgemind.engine.events import (
    Answer,
    ContextTrimmed,
    Done,
    Event,
    GenerateRequest,
    Stats,
    Step,
    StopReason,
    Thinking,
    TokenConfidence,
)
from edgemind.engine.lookup import Lookup
from edgemind.engine.prompts import Prompt
from edgemind.engine.reasoning import Piece, ReasoningParser
from edgemind.engine.reasoning_formats import FORMATS, ReasoningFormat
from edgemind.engine.rounding import Rounding
from edgemind.engine.steps import StepSplitter
from edgemind.engine.stops import StopStrings, Utf8Stream

CUT: frozenset[StopReason] = frozenset({"max_tokens", "context_full", "cancelled"})
"""Answers that end like this can be continued: half a character or half a tag at the end is left out."""

CLOSING_SENTENCE = "I have to answer now."
"""What the worker writes into a thought whose budget is spent, unless the request says otherwise."""


@dataclass(frozen=True)
class Voice:
    """What a live request needs to know about its model."""

    vocab: llama.Vocab
    format: ReasoningFormat
    tag_tokens: frozenset[int]
    """Control tokens that belong to the reasoning format: their text goes to the parser."""


class LiveRequest:
    """The state of one answer. ``cancelled`` and ``answer_now`` are set by another thread."""

    def __init__(
        self,
        request_id: int,
        request: GenerateRequest,
        prompt: Prompt,
        voice: Voice,
        sampler: llama.Sampler,
        grammar: llama.Grammar | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.id = request_id
        self.request = request
        self.trimmed: ContextTrimmed | None = prompt.trimmed
        self.tokens = list(prompt.tokens)
        self.prompt_length = len(prompt.tokens)
        self.cached = 0
        self.cancelled = False
        self.answer_now = False
        self.started = False
        self.written = 0
        """Tokens after the prompt, sampled or forced."""
        self.lookup = Lookup()
        self.drafting = Drafting()
        self._voice = voice
        self._ends = prompt.ends
        self._sampler = sampler
        self._grammar = grammar
        self._armed = False
        self._clock = clock
        self._utf8 = Utf8Stream()
        self._format = FORMATS["none"] if prompt.raw else voice.format
        self._inside = prompt.inside and bool(self._format.spans)
        self._parser = ReasoningParser(self._format, self._inside)
        self._splitter = StepSplitter()
        self._said_before = 0
        """Characters of a continued thought that the splitter still holds: they were said before."""
        self._stops = StopStrings(request.stop)
        self._events: list[Event] = []
        self._stop_reason: StopReason | None = None
        self._steps: tuple[Step, ...] = ()
        self._thinking_tokens = 0
        self._unsaid_tokens = 0
        """Answer tokens whose text is still held back."""
        self._unthought_tokens = 0
        """The same for the thought."""
        self._answer_tokens = 0
        self._certainty = Certainty(trims=bool(self._format.spans) and not (prompt.begun and prompt.begun.content))
        self._budget_spent = False
        self._closed = False
        """The worker has ended the thought: by the budget, or because the model stopped inside it."""
        self._began = self._first_token = self._last_token = self._thought_at = clock()
        if prompt.begun and self._format.spans:
            thought = prompt.begun.reasoning or ""
            self._parser.resume(thought, prompt.begun.content)
            self._said_before = self._splitter.resume(thought)
            if prompt.begun.content:
                self._splitter.flush()
                self._said_before = 0

    @property
    def finished(self) -> bool:
        return self._stop_reason is not None

    @property
    def repeatable(self) -> bool:
        """The same answer must come each time: the likeliest tokens were asked for, or the draws of one seed."""
        return self._sampler.greedy or self.request.sampling.seed is not None

    @property
    def greedy(self) -> bool:
        return self._sampler.greedy

    @property
    def may_write(self) -> int:
        """Most tokens this request can still add; a large number when it has no limit."""
        return (self.request.max_tokens or 1 << 30) - self.written

    def start(self, cached: int) -> None:
        self.started = True
        self.cached = cached
        self._began = self._clock()
        for token in self.tokens:
            self._sampler.accept(token)
        if not self._inside:
            self._arm()

    def sample(self, context: llama.Context, index: int, rounding: Rounding | None = None) -> bool:
        """Choose the next token from the logits at ``index`` of the last batch and say what it means.

        Args:
            rounding: of logits that came with drafts, where the token has to be the same as without.

        Returns:
            Whether there is one: not where ``rounding`` could have decided it.
        """
        now = self._clock()
        if rounding is None:
            token = self._sampler.sample(context, index)
        else:
            chosen = self._sampler.sample_clear(context, index, rounding.least(context.logits(index)))
            if chosen is None:
                return False
            token = chosen
        if not self.written:
            self._first_token = now
        self.tokens.append(token)
        self.written += 1
        self._last_token = now
        self._follow(token, context, index, now)
        return True

    def _follow(self, token: int, context: llama.Context, index: int, now: float) -> None:
        """What the token that was chosen means."""
        thinking = self._parser.state == "thinking"
        if (token in self._ends or self._voice.vocab.is_eog(token)) and not self.request.ignore_end:
            self._end(thinking, now)
            return
        if self.request.confidence and not thinking:
            self._certainty.note(self._piece(token), self._measure(context, index, token))
        self._say(self._utf8.feed(self._piece(token)), now, tokens=1)
        if self.finished:
            return
        if self.written >= (self.request.max_tokens or 1 << 30):
            self.finish("max_tokens")
        elif self._parser.state == "thinking" and (self.answer_now or self._over_budget()):
            self._close_thought(now)
        elif self._grammar and not self._armed and self._parser.state == "answer":
            if thinking:
                self._force("", self._format.after_close, now)
            self._arm()

    def finish(self, reason: StopReason) -> None:
        """End the answer: say what was held back, and fix the steps."""
        if self.finished:
            return
        self._stop_reason = reason
        now = self._clock()
        cut = reason in CUT
        if not cut:
            self._speak(self._parser.feed(self._utf8.finish()), now)
        self._speak(self._parser.finish(cut), now)
        if reason != "stop_string":
            rest = self._stops.finish()
            if rest:
                self._answer(rest)
        self._end_thought()
        self._steps = self._splitter.finish(self._thought_at)

    def take_events(self) -> list[Event]:
        """What happened since the last call."""
        events, self._events = self._events, []
        return events

    def done(self, context_used: int, context_size: int, context_limit: int) -> Done:
        decode_seconds = self._last_token - self._first_token
        prefill_seconds = (self._first_token if self.written else self._clock()) - self._began
        fresh = self.prompt_length - self.cached
        stats = Stats(
            prompt_tokens=self.prompt_length,
            cached_tokens=self.cached,
            thinking_tokens=self._thinking_tokens,
            answer_tokens=self._answer_tokens,
            prefill_seconds=prefill_seconds,
            decode_seconds=decode_seconds,
            prefill_rate=fresh / prefill_seconds if prefill_seconds > 0 else 0.0,
            decode_rate=(self.written - 1) / decode_seconds if decode_seconds > 0 else 0.0,
            drafted_tokens=self.drafting.drafted,
            accepted_tokens=self.drafting.accepted,
            context_used=context_used,
            context_size=context_size,
            context_limit=context_limit,
        )
        return Done(
            stop_reason=self._stop_reason or "cancelled",
            steps=self._steps,
            stats=stats,
            budget_spent=self._budget_spent,
            thought_closed=bool(self._steps) and self._parser.state == "answer",
        )

    def close(self) -> None:
        self._sampler.close()
        if self._grammar:
            self._grammar.close()

    def _piece(self, token: int) -> bytes:
        return self._voice.vocab.piece(token, special=token in self._voice.tag_tokens)

    def _over_budget(self) -> bool:
        budget = self.request.thinking_budget
        return budget is not None and self._thinking_tokens >= budget

    def _end(self, thinking: bool, now: float) -> None:
        """The model ends. Inside a thought that is no answer yet: the thought is closed, once, and it goes on."""
        if thinking and not self._closed:
            self.tokens.pop()
            self._closed = True
            self._force("", self._parser.force_close, now)
            self._arm()
        else:
            self.finish("end")

    def _close_thought(self, now: float) -> None:
        """Write the closing sentence and the closing tag in the model's stead."""
        self._budget_spent = self._closed = True
        sentence = self.request.thinking_close
        sentence = CLOSING_SENTENCE if sentence is None else sentence
        self._force("\n" + sentence if sentence else "", self._parser.force_close, now)
        self._arm()

    def _force(self, text: str, tag: str, now: float) -> None:
        """Append text as if the model had written it; the scheduler decodes it in one batch.

        What does not fit ``max_tokens`` is not written: the answer ends there.
        """
        vocab = self._voice.vocab
        tokens = vocab.tokenize(text, add_special=False, parse_special=False) if text else []
        tokens += vocab.tokenize(tag, add_special=False, parse_special=True) if tag else []
        if len(tokens) >= self.may_write:
            self.finish("max_tokens")
            return
        for token in tokens:
            self._sampler.accept(token)
        self.tokens += tokens
        self.written += len(tokens)
        self._say(self._utf8.finish() + text + tag, now, tokens=len(tokens), forced=True)

    def _arm(self) -> None:
        """The grammar holds from the next token on."""
        if self._grammar and not self._armed:
            self._armed = True
            self._sampler.set_grammar(self._grammar)

    def _measure(self, context: llama.Context, index: int, token: int) -> TokenConfidence:
        top = self.request.alternatives
        probability, entropy, others = llama.confidence(context.logits(index), token, top)
        return TokenConfidence(
            text=self._piece(token).decode("utf-8", "replace"),
            probability=probability,
            entropy=entropy,
            alternatives=tuple((self._piece(other).decode("utf-8", "replace"), p) for other, p in others),
        )

    def _say(self, text: str, now: float, tokens: int, forced: bool = False) -> None:
        before = self._parser.state
        pieces = self._parser.feed(text)
        if "thinking" in (before, self._parser.state):
            self._thinking_tokens += tokens
            self._unthought_tokens += tokens
        else:
            self._answer_tokens += tokens
            self._unsaid_tokens += tokens
        self._speak(pieces, now, forced)
        if self._parser.state == "thinking":
            self._certainty.forget()

    def _speak(self, pieces: list[Piece], now: float, forced: bool = False) -> None:
        for piece in pieces:
            if self._stop_reason == "stop_string":
                return
            if piece.kind == "thinking":
                self._think(piece.text, now, forced)
                continue
            safe, stopped = self._stops.feed(piece.text)
            if safe:
                self._answer(safe)
            if stopped:
                rest = self._certainty.cut()
                if rest:
                    self._events.append(Answer(text="", tokens=0, confidence=rest))
                self.finish("stop_string")

    def _think(self, text: str, now: float, forced: bool) -> None:
        self._thought_at = now
        tokens, self._unthought_tokens = self._unthought_tokens, 0
        for step, part in self._splitter.feed(text, tokens, now):
            new = self._new(part)
            if new or tokens:
                self._events.append(Thinking(text=new, step=step, tokens=tokens, forced=forced))
            tokens = 0

    def _new(self, part: str) -> str:
        """A piece of the thought without what was said before this request."""
        skipped = min(self._said_before, len(part))
        self._said_before -= skipped
        return part[skipped:]

    def _end_thought(self) -> None:
        """Say what the splitter still holds back."""
        for step, part in self._splitter.flush():
            new = self._new(part)
            if new or self._unthought_tokens:
                self._events.append(Thinking(text=new, step=step, tokens=self._unthought_tokens))
            self._unthought_tokens = 0

    def _answer(self, text: str) -> None:
        self._end_thought()
        self._events.append(Answer(text=text, tokens=self._unsaid_tokens, confidence=self._certainty.take(text)))
        self._unsaid_tokens = 0
