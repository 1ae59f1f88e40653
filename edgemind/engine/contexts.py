"""Sequences that keep their prefixes, in a context that grows.

One unified KV cache holds up to ``n_seq`` sequences; each ``Slot`` knows the tokens whose keys and values
it holds. The cache starts at what the first prompt needs and grows by copying sequence state; when the
limit is near, idle slots go first, the longest unused one first.
Not for: what is decoded when (``scheduler``), or how a token is chosen (``llama``).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgemind.engine import llama
from edgemind.engine.threads import ThreadGovernor
from edgemind.errors import EdgemindError, OutOfMemory

GRANULE = 256
"""Context sizes are multiples of this many cells, as llama.cpp rounds them."""

SPLIT_CELLS = 512
"""From here on ggml's flash attention on the CPU gives each thread a part of the cells (``ops.cpp``, 0c1e57098)."""

STAY_SMALL = 64
"""A context stays in the small sizes where flash attention is the faster way while this many cells are free."""

SHORTER = "Ask for less with a smaller --context or --max-tokens, or close other programs."
"""What to do when there is no room."""

MOST_GROWTH = 4096
"""Cells by which a large context grows at once; a small one doubles."""


@dataclass
class Slot:
    """One sequence of the KV cache. ``tokens`` are exactly those whose cells are filled."""

    seq: int
    tokens: list[int] = field(default_factory=list)
    busy: bool = False
    last_used: int = 0


@dataclass(frozen=True)
class ContextPlan:
    """What every context of one model is opened with, whatever its size."""

    limit: int
    """Most tokens of one sequence."""
    total_limit: int
    """Most cells of all sequences together."""
    n_seq: int
    threads: int
    fixed_threads: bool
    """The user chose the count: it is kept whatever else runs on the machine."""
    n_batch: int
    kv_type: str
    flash_for: Callable[[int], bool]
    """Whether a context of this many cells runs with flash attention."""
    offload_kqv: bool = True
    drafted: int = 0
    """Most tokens of one batch that are only guessed; the logits of each are wanted."""
    exact: bool = False
    """With flash attention, a few tokens at once are computed bit for bit as one after the other."""
    guarded: bool = False
    """Where they are not, the difference is what ``rounding`` knows."""


class ContextFull(OutOfMemory):
    """No room for more cells, with every idle sequence gone."""


class Contexts:
    """The KV cache of one model: slots, growth, reuse. All calls come from the thread that decodes."""

    def __init__(self, model: llama.Model, plan: ContextPlan, adapters: Sequence[tuple[llama.Adapter, float]] = ()):
        self.model = model
        self.plan = plan
        self.adapters = tuple(adapters)
        self.slots = [Slot(seq) for seq in range(plan.n_seq)]
        self.abort = llama.AbortFlag()
        self.governor = ThreadGovernor(plan.threads)
        self.batch_governor = ThreadGovernor(plan.threads)
        self.ceiling = plan.total_limit
        """Falls below the plan when an allocation fails."""
        self._context: llama.Context | None = None
        self._flash = False
        self._clock = itertools.count(1)

    def apart(self, cells: int, rows: int, on_node: Any = None, sequences: int = 1) -> llama.Context:
        """A context of its own, for reading texts whole: up to ``rows`` tokens at once, with the logits of each.

        Args:
            on_node: as in ``llama.Context``.
            sequences: texts at once.

        Raises:
            OutOfMemory: llama.cpp found no room.
        """
        context = llama.Context(
            self.model,
            n_ctx=cells,
            n_seq_max=sequences,
            n_batch=rows,
            n_ubatch=rows,
            n_outputs=rows,
            threads=self.plan.threads,
            flash_attention=self.plan.flash_for(cells),
            kv_type=self.plan.kv_type,
            offload_kqv=self.plan.offload_kqv,
            on_node=on_node,
        )
        if self.adapters:
            context.set_adapters(self.adapters)
        return context

    @property
    def context(self) -> llama.Context:
        """The open context; ``reserve`` opens it."""
        if self._context is None:
            raise EdgemindError("The engine used a context before reserving one.")
        return self._context

    @property
    def size(self) -> int:
        """Cells allocated now."""
        return self._context.n_ctx if self._context else 0

    @property
    def used(self) -> int:
        """An upper bound of the cells filled (a prefix shared by two sequences counts twice)."""
        return sum(len(slot.tokens) for slot in self.slots)

    @property
    def spare(self) -> int:
        """Cells that can be filled without growing, and without giving up what an idle sequence holds."""
        return max(0, min(self.size, self.ceiling) - self.used)

    @property
    def exact(self) -> bool:
        """Whether drafts change no bit of what is computed: from ``SPLIT_CELLS`` on only one thread sums as one."""
        return self.plan.exact and self._flash and (self.size < SPLIT_CELLS or self.plan.threads == 1)

    @property
    def flash_attention(self) -> bool:
        return self._flash if self._context else self.plan.flash_for(GRANULE)

    @property
    def may_change_threads(self) -> bool:
        """Flash attention from ``SPLIT_CELLS`` cells on sums in another order with another number of threads."""
        return not (self.plan.fixed_threads or (self._flash and self.size >= SPLIT_CELLS))

    def acquire(self, prompt: Sequence[int]) -> tuple[Slot, int]:
        """The idle slot that serves ``prompt`` best, and how many of its first tokens are already there.

        At least one token is left to decode, for its logits. The caller owns the slot until ``release``.

        Raises:
            EdgemindError: every slot is busy.
        """
        idle = [slot for slot in self.slots if not slot.busy]
        if not idle:
            raise EdgemindError("Every sequence of the engine is busy.")
        best = max(self.slots, key=lambda slot: (_shared(slot.tokens, prompt), not slot.busy, slot.last_used))
        shared = min(_shared(best.tokens, prompt), len(prompt) - 1)
        chosen = best
        if best.busy or (2 * shared < len(best.tokens) and len(idle) > 1):
            spare = [slot for slot in idle if slot is not best]
            chosen = min(spare, key=lambda slot: (len(slot.tokens) > 0, slot.last_used)) if spare else best
        if chosen is best:
            self.truncate(chosen, shared)
        else:
            self.clear(chosen)
            if shared and self.context.seq_copy(best.seq, chosen.seq, 0, shared):
                chosen.tokens = list(best.tokens[:shared])
        chosen.busy = True
        chosen.last_used = next(self._clock)
        return chosen, len(chosen.tokens)

    def release(self, slot: Slot) -> None:
        """The slot is idle again; its tokens stay for the next request with the same beginning."""
        slot.busy = False
        slot.last_used = next(self._clock)

    def truncate(self, slot: Slot, length: int) -> None:
        """Keep the first ``length`` tokens. A memory that cannot forget its tail (recurrent layers) forgets all."""
        if length >= len(slot.tokens):
            return
        if length and self._context and self._context.seq_remove(slot.seq, length):
            del slot.tokens[length:]
        else:
            self.clear(slot)

    def rewind(self, slot: Slot) -> None:
        """After an aborted decode: forget whatever of the batch went in, back to ``slot.tokens``."""
        if not self.context.seq_remove(slot.seq, len(slot.tokens)):
            self.clear(slot)

    def clear(self, slot: Slot) -> None:
        if self._context:
            self._context.seq_remove(slot.seq, 0)
        slot.tokens.clear()

    def reserve(self, cells: int, room: int = 0) -> None:
        """Make sure that ``cells`` more cells can be filled; grow with ``room`` to spare where possible.

        Raises:
            ContextFull: they do not fit below the limit though every idle sequence was dropped.
        """
        while self.used + cells > self.ceiling:
            idle = [slot for slot in self.slots if not slot.busy and slot.tokens]
            if not idle:
                raise ContextFull(
                    f"The context is full: {self.used} of {self.ceiling} tokens are used and {cells} more are needed.",
                    SHORTER,
                )
            self.clear(min(idle, key=lambda slot: slot.last_used))
        needed = self.used + cells
        if needed <= self.size:
            return
        wanted = max(needed + room, min(2 * self.size, needed + MOST_GROWTH))
        small = _granules(needed + STAY_SMALL)
        if self.plan.flash_for(small) and not self.plan.flash_for(_granules(wanted)):
            wanted = small
        wanted = min(_granules(wanted), _granules(self.ceiling))
        try:
            self._resize(wanted)
        except EdgemindError:
            if _granules(needed) < wanted:
                self._resize(_granules(needed))
            else:
                self.ceiling = max(self.size, GRANULE)
                raise

    def _resize(self, n_ctx: int) -> None:
        """Open a context of ``n_ctx`` cells and move every sequence into it.

        Raises:
            ContextFull: it cannot be allocated; the old size is restored.
        """
        flash = self.plan.flash_for(n_ctx)
        previous, old_flash = self.size, self._flash
        states: list[tuple[Slot, bytearray]] = []
        if self._context:
            states = [(slot, self._context.seq_state(slot.seq)) for slot in self.slots if slot.tokens]
            self.close()
        try:
            self._open(n_ctx, flash)
        except EdgemindError as problem:
            if not previous:
                raise
            try:
                self._open(previous, old_flash)
            except EdgemindError:
                for slot in self.slots:
                    slot.tokens.clear()
                raise
            self._restore(states, old_flash, old_flash)
            raise ContextFull(f"The context cannot grow to {n_ctx} tokens: {problem.message}", SHORTER) from problem
        self._restore(states, old_flash, flash)

    def _open(self, n_ctx: int, flash: bool) -> None:
        plan = self.plan
        self._context = llama.Context(
            self.model,
            n_ctx=n_ctx,
            n_seq_max=plan.n_seq,
            n_batch=plan.n_batch,
            n_ubatch=plan.n_batch,
            threads=plan.threads,
            flash_attention=flash,
            kv_type=plan.kv_type,
            offload_kqv=plan.offload_kqv,
            n_outputs=plan.n_seq + plan.drafted,
        )
        self._flash = flash
        self._context.set_abort(self.abort)
        if self.adapters:
            self._context.set_adapters(self.adapters)

    def _restore(self, states: Sequence[tuple[Slot, bytearray]], was_flash: bool, flash: bool) -> None:
        for slot, state in states:
            data = state if was_flash == flash else llama.convert_state_flash(state, to_flash=flash)
            if data is None or not self.context.set_seq_state(slot.seq, data):
                self.clear(slot)

    def close(self) -> None:
        if self._context:
            self._context.close()
            self._context = None


def _shared(held: Sequence[int], prompt: Sequence[int]) -> int:
    """Length of the longest common prefix."""
    for index, (mine, theirs) in enumerate(zip(held, prompt, strict=False)):
        if mine != theirs:
            return index
    return min(len(held), len(prompt))


def _granules(cells: int) -> int:
    return -(-cells // GRANULE) * GRANULE
