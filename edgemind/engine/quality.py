"""How far quantized models are from their source on a text: perplexity, divergence, and how often they agree.

The text is cut as llama.cpp's perplexity tool cuts it: pieces of the context's length, of which the second half counts,
so that every token has half a context before it. Source and models run side by side and go through each piece in step,
so that never more than some rows of logits of each are in memory.
Not for: drawing or printing it (``cli.quality``), the rows themselves (``scoring``).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.engine import scoring
from edgemind.engine.calibration import pieces
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.errors import ModelUnusable, UsageError
from edgemind.models import builtin, fit, gguf, hardware
from edgemind.models.sizes import human_bytes
from edgemind.models.summary import summary

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Rows = NDArray[np.float32]

BUILT_IN = "evaluation.txt"
"""Another text than the one importance matrices are computed from."""

SAMPLE = 2000
"""Characters by which it is seen whether two models cut text alike."""

ROOM = 0.9
"""Part of the free memory that models side by side may take."""


@dataclass(frozen=True)
class Model:
    """One model to be measured."""

    name: str
    files: tuple[Path, ...]

    @property
    def options(self) -> LoadOptions:
        parts = tuple(str(file) for file in self.files)
        return LoadOptions(path=parts[0], parts=parts if len(parts) > 1 else (), sequences=1)


@dataclass(frozen=True)
class Quality:
    """One model's result. Divergence and losses in nats; each ``_error`` is a standard error."""

    name: str
    quantization: str
    size_bytes: int
    bits: float
    """Per weight."""
    perplexity: float
    perplexity_error: float
    divergence: float = 0.0
    """Mean Kullback-Leibler divergence of the source's next-token distribution from this model's."""
    divergence_error: float = 0.0
    worst: float = 0.0
    """The largest divergence of a single token."""
    agreement: float = 1.0
    """Part of the tokens where both would choose the same."""
    agreement_error: float = 0.0


@dataclass(frozen=True)
class Report:
    """All of them, the source first."""

    source: Quality
    models: tuple[Quality, ...]
    tokens: int
    """That counted."""
    chunks: int
    context: int


class Tally:
    """Sums over tokens, from which a ``Quality`` is made."""

    def __init__(self) -> None:
        self.count = 0
        self._loss = [0.0, 0.0]
        self._divergence = [0.0, 0.0]
        self._worst = 0.0
        self._same = 0

    def add(self, source: Rows, model: Rows, targets: Sequence[int]) -> None:
        """Some positions: log-probabilities ``[positions, vocabulary]`` of both, and the token that really followed."""
        import numpy as np

        if not len(targets):
            return
        losses = -model[np.arange(len(targets)), list(targets)].astype(np.float64)
        each = (np.exp(source) * (source - model)).sum(axis=1, dtype=np.float64)
        self.count += len(targets)
        for sums, values in ((self._loss, losses), (self._divergence, each)):
            sums[0] += float(values.sum())
            sums[1] += float((values * values).sum())
        self._worst = max(self._worst, float(each.max()))
        self._same += int((source.argmax(axis=1) == model.argmax(axis=1)).sum())

    def quality(self, name: str, quantization: str, size: int, bits: float) -> Quality:
        """The means and their standard errors."""
        loss, loss_error = _mean(self._loss, self.count)
        divergence, divergence_error = _mean(self._divergence, self.count)
        perplexity = math.exp(min(loss, 700.0))
        same = self._same / max(self.count, 1)
        return Quality(
            name=name,
            quantization=quantization,
            size_bytes=size,
            bits=bits,
            perplexity=perplexity,
            perplexity_error=perplexity * loss_error,
            divergence=max(divergence, 0.0),
            divergence_error=divergence_error,
            worst=self._worst,
            agreement=same,
            agreement_error=math.sqrt(same * (1 - same) / max(self.count - 1, 1)),
        )


def built_in_text() -> str:
    """The text that comes with EdgeMind for measuring."""
    return (builtin.DATA / BUILT_IN).read_text(encoding="utf-8")


def measure(
    source: Model,
    models: Sequence[Model],
    text: str,
    *,
    context: int = 512,
    tokens: int | None = None,
    threads: int | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
    tell: Callable[[str], None] = lambda _: None,
) -> Report:
    """Measure models against their source.

    Args:
        context: tokens of one piece.
        tokens: read not more than so many of the text, but one piece at least.
        progress: told pieces done and in all, over all models.
        tell: told a sentence worth knowing.

    Raises:
        BadInput: the text is shorter than a piece.
        UsageError: a model has another vocabulary than the source.
        ModelUnusable, OutOfMemory, EdgemindError: a model.
    """
    groups = _groups(source, models, context)
    if len(groups) > 1:
        tell(f"The models do not fit into memory together; the source runs {len(groups)} times.")
    for line in _beyond(source, context):
        tell(line)
    most = None if tokens is None else max(1, tokens // context)
    tallies = {model.files: Tally() for model in models}
    first, cut = Tally(), list[tuple[int, ...]]()
    for number, group in enumerate(groups):
        with contextlib.ExitStack() as opened:
            engines = [opened.enter_context(_opened(model, context, threads)) for model in (source, *group)]
            for engine in engines:
                engine.wait_loaded()
            cut = cut or pieces(engines[0], text, context, most, "Give a longer --text, or a smaller --context.")
            for model, engine in zip(group, engines[1:], strict=True):
                _check_same_vocabulary(source, engines[0], model, engine, text)
            for done, piece in enumerate(cut):
                progress(number * len(cut) + done, len(groups) * len(cut))
                counted = [Tally() if number else first, *(tallies[model.files] for model in group)]
                _compare((source, *group), engines, piece, counted)
    progress(len(groups) * len(cut), len(groups) * len(cut))
    return Report(
        source=_quality(source, first),
        models=tuple(_quality(model, tallies[model.files]) for model in models),
        tokens=first.count,
        chunks=len(cut),
        context=context,
    )


def log_probabilities(rows: Rows) -> Rows:
    """Log-softmax of each row of logits."""
    import numpy as np

    shifted: Rows = rows - rows.max(axis=1, keepdims=True)
    total = np.exp(shifted).sum(axis=1, dtype=np.float64, keepdims=True)
    shifted -= np.log(total).astype(np.float32)
    return shifted


def _compare(
    models: Sequence[Model], engines: Sequence[Engine], piece: Sequence[int], tallies: Sequence[Tally]
) -> None:
    """One piece through all engines; the first is the source."""
    skip = len(piece) // 2
    streams = [scoring.logits(engine, piece[:-1], skip=skip) for engine in engines]
    targets = piece[skip + 1 :]
    at = 0
    for together in zip(*streams, strict=True):
        for model, rows in zip(models, together, strict=True):
            _check_finite(model, rows)
        reference = log_probabilities(together[0])
        here = targets[at : at + len(reference)]
        tallies[0].add(reference, reference, here)
        for rows, tally in zip(together[1:], tallies[1:], strict=True):
            tally.add(reference, log_probabilities(rows), here)
        at += len(reference)


def _check_finite(model: Model, rows: Rows) -> None:
    import numpy as np

    if not np.isfinite(rows).all():
        raise ModelUnusable(f"{model.name} computes numbers that are not finite.", "Make or fetch the model again.")


def _beyond(source: Model, context: int) -> list[str]:
    """What to say of a context that the model has never seen the like of."""
    trained = summary(gguf.read_headers(source.files)).context_trained
    if not trained or context <= trained:
        return []
    return [f"{source.name} was trained for {trained:,} tokens of context; with {context:,} the figures say little."]


def _opened(model: Model, context: int, threads: int | None) -> Engine:
    return Engine(model.options.model_copy(update={"context": max(256, context), "threads": threads}))


def _quality(model: Model, tally: Tally) -> Quality:
    header = gguf.read_headers(model.files)
    bits = 8 * header.tensor_bytes / max(1, header.parameters)
    return tally.quality(model.name, summary(header).quantization, header.size_bytes, bits)


def _check_same_vocabulary(source: Model, engine: Engine, model: Model, other: Engine, text: str) -> None:
    sample = text[:SAMPLE]
    same = engine.wait_loaded().vocabulary == other.wait_loaded().vocabulary
    if not same or scoring.tokenize(engine, [sample]) != scoring.tokenize(other, [sample]):
        raise UsageError(
            f"{model.name} and {source.name} have different vocabularies, so they cannot be compared token by token.",
            "Give --against the model that it was made from.",
        )


def _groups(source: Model, models: Sequence[Model], context: int) -> list[list[Model]]:
    """Models that fit into memory together, the source with each group."""
    free = hardware.machine().available_ram * ROOM
    left = free - _memory(source, context)
    groups: list[list[Model]] = []
    room = 0.0
    for model in models:
        needed = _memory(model, context)
        if needed > left:
            from edgemind.errors import OutOfMemory

            raise OutOfMemory(
                f"{source.name} and {model.name} need {human_bytes(free - left + needed)} together, and "
                f"{human_bytes(free)} can be used.",
                "Close other programs, or compare smaller models.",
            )
        if not groups or needed > room:
            groups.append([])
            room = left
        groups[-1].append(model)
        room -= needed
    return groups


def _memory(model: Model, context: int) -> int:
    return fit.estimate(gguf.read_headers(model.files), n_ctx=context, n_outputs=128).total


def _mean(sums: Sequence[float], count: int) -> tuple[float, float]:
    """Mean and its standard error, from the sum and the sum of squares."""
    if not count:
        return 0.0, 0.0
    mean = sums[0] / count
    spread = max(sums[1] / count - mean * mean, 0.0)
    return mean, math.sqrt(spread / max(count - 1, 1))
