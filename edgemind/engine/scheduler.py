"""One decode for many sequences: which tokens of which request go into the next batch.

A live request is a list of tokens of which the first ``len(slot.tokens)`` are in the KV cache; whatever
stands beyond is decoded next, be it a prompt, one sampled token, or a forced end of a thought. A request that
loses its cells (growth without room for state, preemption) is prefilled again by the same rule.
Not for: processes and pipes (``worker``), the meaning of tokens (``live``).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgemind.engine import llama
from edgemind.engine.contexts import SHORTER, ContextFull, Contexts, Slot
from edgemind.engine.drafting import Costs
from edgemind.engine.events import Event, Failed, PromptProgress
from edgemind.engine.live import LiveRequest
from edgemind.engine.rounding import Rounding
from edgemind.errors import EdgemindError

SHARED_CHUNK = 128
"""Prompt tokens per batch while others are decoding, so that they do not wait for a whole long prompt."""

ROOM = 512
"""Cells reserved ahead for what a request may write, so that growth is rare."""

PATIENCE, SELDOM = 32, 4
"""After so many tokens where there is nothing to draft, only one in so many is looked at."""

OBSERVED = 8
"""Where nothing is drafted, one copied token of so many is asked whether it was a close call."""


@dataclass
class Seat:
    """A live request and the slot it sits in."""

    request: LiveRequest
    slot: Slot
    plain: int = 0
    """Cells of the slot, from the first on, that are bit for bit what they are without drafts."""
    doubt: npt.NDArray[np.float32] | None = None
    """The logits, with drafts, of a close call, while what drafts have computed is computed again."""
    idle: int = 0
    """Tokens since the last draft, or since something longer was copied."""
    runs: dict[int, int] = field(default_factory=dict)
    """Where tokens went in at once, since there was nothing to choose (the end of a thought), and how many."""

    @property
    def pending(self) -> int:
        return len(self.request.tokens) - len(self.slot.tokens)

    @property
    def again(self) -> bool:
        """Tokens are decoded one by one, since the next was a close call."""
        return self.doubt is not None

    @property
    def drafted(self) -> bool:
        """Whether drafts left their rounding in a cell."""
        return self.plain < len(self.slot.tokens)

    def lost(self) -> None:
        """The slot may have lost its cells."""
        if self.plain > len(self.slot.tokens):
            self.plain, self.doubt = len(self.slot.tokens), None


@dataclass(frozen=True)
class Share:
    """What one seat has in a batch: ``count`` tokens, the logits of the last at ``index``, or -1; then its draft."""

    seat: Seat
    count: int
    index: int
    draft: Sequence[int] = ()


class Scheduler:
    """Runs the requests of one model. ``step`` is called from one thread; ``cancel`` flags come from another."""

    def __init__(
        self,
        contexts: Contexts,
        emit: Callable[[int, Event], None],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.contexts = contexts
        self.emit = emit
        self._clock = clock
        self.waiting: deque[LiveRequest] = deque()
        self.seats: list[Seat] = []
        self._crowded = False
        """A request had to give its cells up: nobody is admitted until one leaves."""
        self._costs = Costs()
        self._rounding = Rounding()
        self._batch = llama.Batch(contexts.plan.n_batch, contexts.plan.n_seq)

    @property
    def busy(self) -> bool:
        return bool(self.waiting or self.seats)

    def add(self, request: LiveRequest) -> None:
        self.waiting.append(request)

    def step(self) -> None:
        """Decode one batch and let every request that has new logits choose its next token."""
        self.contexts.abort.clear()
        self._drop_cancelled()
        self._admit()
        shares = self._compose()
        if not shares:
            return
        began = self._clock()
        result = self._decode()
        seconds = self._clock() - began
        if result is not llama.DecodeResult.OK:
            for share in shares:
                self.contexts.rewind(share.seat.slot)
                share.seat.lost()
            if result is llama.DecodeResult.NO_SLOT:
                self._yield_cells(ContextFull("llama.cpp found no room in the context for the next tokens.", SHORTER))
            return
        written = [self._advance(share) for share in shares]
        if self.contexts.plan.drafted:
            self._account(shares, written, seconds)

    def _decode(self) -> llama.DecodeResult:
        """Run the batch; its time a token tells how many threads pay, for single tokens and for several apart.

        A batch with drafts, which has another size each time, is run with the threads of single tokens.
        """
        context, count = self.contexts.context, self._batch.n_tokens
        drafted = self._batch.n_outputs > len(self.seats)
        if not self.contexts.may_change_threads:
            return context.decode(self._batch)
        alone, together = self.contexts.governor, self.contexts.batch_governor
        context.set_threads(alone.threads, alone.threads if drafted else together.threads)
        began, used = time.perf_counter(), time.process_time()
        result = context.decode(self._batch)
        took, worked = time.perf_counter() - began, time.process_time() - used
        if not drafted:
            (alone if count == 1 else together).note(took / count, worked / count)
        return result

    def fail_all(self, problem: EdgemindError) -> None:
        """End every request with this error; the cache is forgotten, since its state is unknown."""
        for request in [*self.waiting, *(seat.request for seat in self.seats)]:
            self._fail(request, problem)
        self.waiting.clear()
        for seat in self.seats:
            self.contexts.release(seat.slot)
        self.seats.clear()
        self._crowded = False
        for slot in self.contexts.slots:
            self.contexts.clear(slot)

    def _drop_cancelled(self) -> None:
        for request in [request for request in self.waiting if request.cancelled]:
            self.waiting.remove(request)
            self._finish(request)
        for seat in [seat for seat in self.seats if seat.request.cancelled]:
            self._leave(seat)

    def _admit(self) -> None:
        while self.waiting and len(self.seats) < len(self.contexts.slots) and not self._crowded:
            request = self.waiting.popleft()
            slot, cached = self.contexts.acquire(request.tokens)
            seat = Seat(request, slot, plain=cached)
            self.seats.append(seat)
            if not request.started:
                try:
                    request.start(cached)
                except EdgemindError as problem:
                    self._expel(seat, problem)
                    continue
                if request.trimmed:
                    self._emit(request, request.trimmed)
                self._emit(request, PromptProgress(done=cached, total=request.prompt_length, cached=cached))

    def _compose(self) -> list[Share]:
        """Fill the batch: one token for each that decodes, then prompts in the order they came."""
        while self.seats:
            portions, size = self._portions(), self.contexts.size
            try:
                self.contexts.reserve(sum(count for _, count in portions), room=self._room())
                if self.contexts.size != size:
                    for seat in self.seats:
                        seat.lost()
                    portions = self._portions()
                break
            except ContextFull as problem:
                self._yield_cells(problem)
            except EdgemindError as problem:
                self.fail_all(problem)
        else:
            return []
        self._batch.clear()
        shares = []
        for (seat, count), draft in zip(portions, self._drafts(portions), strict=True):
            start = len(seat.slot.tokens)
            tokens = seat.request.tokens[start : start + count] + draft
            wanted = count == seat.pending
            last = self._batch.extend(tokens, start, seat.slot.seq, 1 + len(draft) if wanted else 0)
            shares.append(Share(seat, count, last - len(draft) if wanted else -1, draft))
        return shares

    def _drafts(self, portions: Sequence[tuple[Seat, int]]) -> list[list[int]]:
        """What each seat guesses beside its one token: nothing while there is a prompt to read.

        No draft makes the context grow, or stop growing, earlier than it would without.
        """
        plan, seats = self.contexts.plan, len(portions)
        if not plan.drafted or any(seat.pending > 1 for seat, _ in portions):
            return [[] for _ in portions]
        room = min(plan.drafted, plan.n_batch - seats, self.contexts.spare - seats)
        if room <= 0:
            return [[] for _ in portions]
        drafts = []
        for seat, _ in portions:
            draft = self._draft(seat, min(room, plan.limit - len(seat.request.tokens) - 1))
            room -= len(draft)
            drafts.append(draft)
        return drafts

    def _draft(self, seat: Seat, room: int) -> list[int]:
        request = seat.request
        seat.idle += 1
        if seat.again or not request.request.speculate or (seat.idle > PATIENCE and seat.idle % SELDOM):
            return []
        guarded = self._guarded(request)
        if request.repeatable and not self.contexts.exact and (not guarded or len(self.seats) > 1):
            return []
        lookup = request.lookup
        lookup.follow(request.tokens)
        survival = self._survival(seat) if guarded and lookup.copies else 1.0
        if not lookup.copies or not survival:
            request.drafting.pause()
            return []
        chances = lookup.chances(min(room, request.may_write - 1))
        count = request.drafting.worth(self._costs, len(self.seats), chances, lookup.right, survival)
        if count or lookup.run > PATIENCE // 4:
            seat.idle = 0
        return lookup.draft(request.tokens, count)

    def _survival(self, seat: Seat) -> float:
        """The chance that no close call takes back what a draft would gain; 0 where there had better be none."""
        lookup = seat.request.lookup
        left = lookup.left(seat.request.prompt_length)
        if not seat.drafted and not self._rounding.pays(lookup.run, left):
            return 0.0
        return self._rounding.survival(left)

    def _guarded(self, request: LiveRequest) -> bool:
        """Whether drafts would round its logits, and what it writes is kept the same all the same."""
        plan = self.contexts.plan
        rounds = plan.drafted > 0 and plan.guarded and not self.contexts.exact
        return rounds and request.greedy and request.request.speculate

    def _account(self, shares: Sequence[Share], written: Sequence[int], seconds: float) -> None:
        """What the batch took, for the next decision whether a draft is worth it."""
        count = len(shares)
        if any(share.count > 1 or share.index < 0 for share in shares):
            return
        drafted = sum(len(share.draft) for share in shares)
        self._costs.note(count + drafted, seconds)
        if not drafted:
            for share in shares:
                share.seat.request.drafting.note_plain(seconds / count)
                self._account_again(share.seat, seconds / count)
            return
        plain = self._costs.plain(count)
        usual = (plain or seconds) / count
        extra = self._costs.extra(count, drafted)[drafted] if plain else 0.0
        for share, tokens in zip(shares, written, strict=True):
            own = len(share.draft)
            if own:
                kept = min(max(tokens - 1, 0), own)
                share.seat.request.drafting.note(own, kept, tokens, usual, extra * own / drafted)
                self._account_again(share.seat, usual)

    @staticmethod
    def _account_again(seat: Seat, usual: float) -> None:
        if seat.again:
            seat.request.drafting.note_again(seat.pending, usual)

    def _portions(self) -> list[tuple[Seat, int]]:
        """Which seat puts how many tokens into the next batch."""
        decoding = [seat for seat in self.seats if seat.pending == 1 or seat.again]
        portions = [(seat, seat.runs.get(len(seat.slot.tokens), 1) if seat.again else 1) for seat in decoding]
        room = self.contexts.plan.n_batch - sum(count for _, count in portions)
        for seat in self.seats:
            if seat.pending > 1 and not seat.again and room > 0:
                count = min(seat.pending, room, SHARED_CHUNK if decoding else room)
                portions.append((seat, count))
                room -= count
        return portions

    def _room(self) -> int:
        return max(max(seat.pending for seat in self.seats) + min(seat.request.may_write, ROOM) for seat in self.seats)

    def _yield_cells(self, problem: ContextFull) -> None:
        """The cache is full: the youngest request waits for the others; alone, it ends with what it has."""
        youngest = self.seats[-1]
        if len(self.seats) > 1:
            self.seats.remove(youngest)
            self.contexts.release(youngest.slot)
            self.contexts.clear(youngest.slot)
            self.waiting.appendleft(youngest.request)
            self._crowded = True
        elif youngest.request.written:
            youngest.request.finish("context_full")
            self._leave(youngest)
        else:
            self._expel(youngest, problem)

    def _expel(self, seat: Seat, problem: EdgemindError) -> None:
        self._crowded = False
        self.seats.remove(seat)
        self.contexts.release(seat.slot)
        self._fail(seat.request, problem)

    def _advance(self, share: Share) -> int:
        """Let the request choose its next token, or several where the draft was right; how many."""
        seat, request = share.seat, share.seat.request
        start = len(seat.slot.tokens)
        seat.slot.tokens += request.tokens[start : start + share.count]
        if seat.plain == start and not share.draft:
            seat.plain += share.count
        if share.count > 1 and request.written:
            seat.runs[start] = share.count
        if len(seat.slot.tokens) <= request.prompt_length and not request.written:
            done = len(seat.slot.tokens)
            self._emit(request, PromptProgress(done=done, total=request.prompt_length, cached=request.cached))
        if share.index < 0:
            return 0
        seat.slot.tokens += share.draft
        if seat.doubt is not None:
            self._rounding.learn(seat.doubt, self.contexts.context.logits(share.index))
            seat.doubt = None
        before = request.written
        try:
            held = self._verify(share, start + share.count)
        except EdgemindError as problem:
            self._expel(seat, problem)
            return 0
        self.contexts.truncate(seat.slot, held)
        if not request.finished and len(request.tokens) >= self.contexts.plan.limit:
            request.finish("context_full")
        for event in request.take_events():
            self._emit(request, event)
        if request.finished:
            self._leave(seat)
        return request.written - before

    def _verify(self, share: Share, held: int) -> int:
        """Choose tokens while they are those that were drafted; how many cells are right, ``held`` without the draft.

        Where drafts round, a close call is not chosen: the cells that came of drafts are computed again first.
        """
        seat, request, context = share.seat, share.seat.request, self.contexts.context
        exact = self.contexts.exact and seat.plain >= held - share.count
        observed = request.lookup.copies and request.written % OBSERVED == 0
        guarded = self._guarded(request) and (seat.drafted or observed)
        for row, guess in enumerate([*share.draft, None]):
            length = len(request.tokens)
            if guarded and not self._choose(seat, share.index + row):
                return seat.plain
            if not guarded:
                request.sample(context, share.index + row)
            if request.finished or len(request.tokens) != length + 1 or request.tokens[-1] != guess:
                break
            held += 1
        if exact:
            seat.plain = held
        return held

    def _choose(self, seat: Seat, index: int) -> bool:
        """Choose a token that rounding has not decided; False where the logits have to be computed again.

        That is so for the first draft of a model too, which shows how far its logits move.
        """
        request, context, rounding = seat.request, self.contexts.context, self._rounding
        if rounding.known or not seat.drafted:
            chosen = request.sample(context, index, rounding)
            rounding.note(close=not chosen)
            if chosen or not seat.drafted:
                return chosen or request.sample(context, index)
        seat.doubt = context.logits(index).copy()
        return False

    def _leave(self, seat: Seat) -> None:
        self._crowded = False
        self.seats.remove(seat)
        self.contexts.release(seat.slot)
        self._finish(seat.request)

    def _finish(self, request: LiveRequest) -> None:
        if not request.finished:
            request.finish("cancelled")
        for event in request.take_events():
            self._emit(request, event)
        plan = self.contexts.plan
        self._emit(request, request.done(len(request.tokens), self.contexts.size, plan.limit))
        request.close()

    def _fail(self, request: LiveRequest, problem: EdgemindError) -> None:
        for event in request.take_events():
            self._emit(request, event)
        self._emit(request, Failed(kind=problem.kind, message=problem.message, hint=problem.hint))
        request.close()

    def _emit(self, request: LiveRequest, event: Event) -> None:
        self.emit(request.id, event)
