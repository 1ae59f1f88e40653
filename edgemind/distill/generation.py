"""Many prompts at once through a transformers model in this process, greedy or sampled, with keys and values cached.

Rows that end make room: when enough have ended, waiting prompts take their places, so a long thought does not keep
the others waiting. Every row draws from a generator of its own, seeded by the caller, so that what it draws does not
depend on its neighbours. Not for: what users run (``engine``), chat formats (``chat_format``).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

BATCH = 128
REFILL = 1 / 16
"""Waiting prompts are let in when this share of the places is free, so that not each is prefilled alone."""

SHRINK = 0.5
"""When nobody waits, places are given up once fewer than this share of them are taken."""

LIKELY = 256
"""Tokens among which a draw with top-p is looked for first; rows that need more are sorted whole."""


@dataclass
class _Row:
    """One prompt and what has been written after it."""

    index: int
    prompt: list[int]
    limit: int
    draws: random.Random | None
    made: list[int] = field(default_factory=list)


def generate(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    end_ids: Sequence[int],
    max_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seeds: Sequence[int] | None = None,
    batch: int = BATCH,
) -> list[list[int]]:
    """What the model writes after each prompt, in the order of the prompts.

    The token that ended a row is its last one; a row without it was cut at ``max_tokens`` or at the end of the context.

    Args:
        model: a transformers model for causal language modelling with attention in every layer.
        prompts: token ids, at least one each.
        end_ids: any of these ends a row.
        max_tokens: of each row.
        temperature: 0 takes the likeliest token.
        top_p: the smallest set of tokens whose probabilities reach this sum, after the temperature.
        seeds: one for each prompt when ``temperature`` is above 0; by default its number.
        batch: rows at once.
    """
    made: list[list[int]] = [[] for _ in prompts]
    for index, tokens in generating(
        model,
        prompts,
        end_ids=end_ids,
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        seeds=seeds,
        batch=batch,
    ):
        made[index] = tokens
    return made


def generating(
    model: Any,
    prompts: Sequence[Sequence[int]],
    *,
    end_ids: Sequence[int],
    max_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seeds: Sequence[int] | None = None,
    batch: int = BATCH,
) -> Iterator[tuple[int, list[int]]]:
    """As ``generate``, but each row with its number as soon as it has ended."""
    import torch

    ends = frozenset(end_ids)
    context = getattr(model.config, "max_position_embeddings", None) or 1 << 30
    rows = [
        _Row(
            index,
            list(prompt),
            min(max_tokens, context - len(prompt)),
            random.Random(seeds[index] if seeds is not None else index) if temperature > 0 else None,
        )
        for index, prompt in enumerate(prompts)
    ]
    for row in rows:
        if row.limit <= 0:
            yield row.index, []
    waiting = sorted((row for row in rows if row.limit > 0), key=lambda row: len(row.prompt))
    with _evaluating(model):
        decoder = _Decoder(model)
        while decoder.live or waiting:
            free = batch - len(decoder.live)
            entering: list[_Row] = []
            if waiting and (free >= batch * REFILL or not decoder.live):
                entering = [waiting.pop() for _ in range(min(free, len(waiting)))]
            with torch.no_grad():
                live, logits = decoder.step(entering, shrinks=not waiting)
                chosen = _choose(logits, live, temperature, top_p)
            for row, token in zip(live, chosen, strict=True):
                row.made.append(token)
            ended = [row for row in live if row.made[-1] in ends or len(row.made) >= row.limit]
            decoder.leave(ended)
            for row in ended:
                yield row.index, row.made


class _Decoder:
    """The places of a batch, with the cache of the rows in them."""

    def __init__(self, model: Any) -> None:
        from edgemind.distill.generation_cache import Cells

        self._model = model
        self._device = model.get_input_embeddings().weight.device
        self._cells = Cells()
        self._places: list[_Row | None] = []
        kinds = getattr(model.config, "layer_types", None) or ()
        windowed = any("full" not in kind for kind in kinds) or bool(getattr(model.config, "sliding_window", None))
        self._own_mask = not windowed and getattr(model.config, "_attn_implementation", "") == "sdpa"

    @property
    def live(self) -> list[_Row]:
        """The rows that are being written."""
        return [row for row in self._places if row is not None]

    def leave(self, rows: list[_Row]) -> None:
        """These have ended; their places are free."""
        gone = {row.index for row in rows}
        self._places = [None if row is not None and row.index in gone else row for row in self._places]

    def step(self, entering: list[_Row], shrinks: bool) -> tuple[list[_Row], torch.Tensor]:
        """Everyone in a place, then who enters, and the logits ``[rows, vocabulary]`` of each one's next token."""
        import torch

        live = self.live
        found = []
        if live:
            if self._cells.is_full or (shrinks and len(live) < SHRINK * len(self._places)):
                self._tidy(live if shrinks else self._places)
            live = self.live
            found.append(self._next())
        if entering:
            cells, first = self._prefill(entering)
            found.append(first)
            self._let_in(entering, cells)
        return [*live, *entering], torch.cat(found)

    def _tidy(self, rows: Sequence[_Row | None]) -> None:
        """Only the places of these rows, and only the cells that the longest of them needs, with room behind."""
        import torch

        at = {row.index: place for place, row in enumerate(self._places) if row is not None}
        keep = torch.tensor([0 if row is None else at[row.index] for row in rows], device=self._device)
        self._cells.move(keep, max(len(row.prompt) + len(row.made) - 1 for row in self.live))
        self._places = list(rows)

    def _let_in(self, entering: list[_Row], cells: Any) -> None:
        import torch

        if not self.live:
            self._cells, self._places = cells, list(entering)
            return
        free = [place for place, row in enumerate(self._places) if row is None]
        missing = len(entering) - len(free)
        if missing > 0:
            free += range(len(self._places), len(self._places) + missing)
            self._tidy([*self._places, *[None] * missing])
        for place, row in zip(free, entering, strict=False):
            self._places[place] = row
        self._cells.put(cells, torch.tensor(free[: len(entering)], device=self._device))

    def _prefill(self, rows: list[_Row]) -> tuple[Any, torch.Tensor]:
        import torch

        from edgemind.distill.generation_cache import Cells

        longest = max(len(row.prompt) for row in rows)
        tokens = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for number, row in enumerate(rows):
            tokens[number, longest - len(row.prompt) :] = torch.tensor(row.prompt)
            mask[number, longest - len(row.prompt) :] = 1
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        cells = Cells()
        return cells, self._forward(cells, tokens, mask.to(self._device), positions)

    def _next(self) -> torch.Tensor:
        import torch

        length = self._cells.length + 1
        sizes = torch.tensor([1 if row is None else len(row.prompt) + len(row.made) for row in self._places])
        mask = torch.arange(length) >= (length - sizes)[:, None]
        tokens = torch.tensor([[0 if row is None else row.made[-1]] for row in self._places])
        shaped = mask[:, None, None, :] if self._own_mask else mask.long()
        logits = self._forward(self._cells, tokens, shaped.to(self._device), (sizes - 1)[:, None])
        taken = [place for place, row in enumerate(self._places) if row is not None]
        return logits if len(taken) == len(self._places) else logits[torch.tensor(taken, device=self._device)]

    def _forward(self, cells: Any, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self._model(
            input_ids=tokens.to(self._device),
            attention_mask=mask,
            position_ids=positions.to(self._device),
            past_key_values=cells,
            use_cache=True,
            logits_to_keep=1,
        ).logits[:, -1]
        return made.float()


def _choose(logits: torch.Tensor, rows: list[_Row], temperature: float, top_p: float) -> list[int]:
    """The next token of each row: the likeliest, or a draw by inversion of the cumulated probabilities."""
    import torch

    if temperature <= 0:
        return [int(token) for token in logits.argmax(-1).tolist()]
    draws = torch.tensor([row.draws.random() for row in rows if row.draws], dtype=torch.float64).to(logits.device)
    chances = torch.softmax(logits / temperature, dim=-1)
    if top_p >= 1:
        return [int(token) for token in _drawn(chances, draws).tolist()]
    best, ids = chances.topk(min(LIKELY, chances.shape[-1]), dim=-1)
    short = best.sum(-1) < top_p
    chosen = ids.gather(1, _drawn(_nucleus(best, top_p), draws)[:, None])[:, 0]
    if bool(short.any()):
        full, full_ids = chances[short].sort(dim=-1, descending=True, stable=True)
        chosen[short] = full_ids.gather(1, _drawn(_nucleus(full, top_p), draws[short])[:, None])[:, 0]
    return [int(token) for token in chosen.tolist()]


def _nucleus(falling: torch.Tensor, top_p: float) -> torch.Tensor:
    """Falling probabilities with those beyond the smallest set of mass ``top_p`` made zero."""
    before = falling.cumsum(-1) - falling
    return falling.masked_fill(before >= top_p, 0)


def _drawn(chances: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """``[rows]``: where ``draws`` in [0, 1) fall in each row's cumulated chances, which need not sum to 1."""
    import torch

    sums = chances.double().cumsum(-1)
    found = torch.searchsorted(sums, (draws * sums[:, -1])[:, None], right=True)[:, 0]
    last = (chances > 0).long().mul(torch.arange(chances.shape[-1], device=chances.device)).amax(-1)
    return torch.minimum(found, last)


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """The model in evaluation mode, and afterwards in the mode that it was in."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
