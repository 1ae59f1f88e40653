"""How near a model's distributions are to its teacher's on the same texts: the same best token, and the divergence.

Whole rows of both are compared, so the divergence is exact. The texts are what the teacher itself wrote to held-out
problems, and only the tokens of thought and answer count. Not for: training (``training.losses``), the stored top-k
(``targets``).
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgemind.distill.evaluation.result import Agreement, Evaluated
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.distill.chat_format import ChatFormat, Encoded
    from edgemind.distill.problems.base import Problem

Rows: TypeAlias = "NDArray[np.float32]"
"""``[learned tokens, vocabulary]`` logits."""

MOST_TOKENS = 20_000
"""Learned tokens that are compared."""

BLOCK = 256
"""Rows of which float64 copies exist at once."""


def texts_of(
    written: ChatFormat, problems: Sequence[Problem], teacher: Evaluated, tokens: int = MOST_TOKENS
) -> list[Encoded]:
    """What the teacher wrote to these problems, as tokens; the families in turn, until there are enough.

    Args:
        written: the teacher's format, which the model must share.
        teacher: its evaluation on these problems.
    """
    by_id = {problem.id: problem for problem in problems}
    waiting: dict[str, list[Encoded]] = {}
    for outcome in teacher.outcomes:
        if outcome.ended and outcome.id in by_id:
            encoded = written.encode(by_id[outcome.id], outcome.thought, outcome.answer)
            waiting.setdefault(outcome.family, []).append(encoded)
    chosen: list[Encoded] = []
    count = 0
    for turn in range(max((len(texts) for texts in waiting.values()), default=0)):
        for texts in waiting.values():
            if turn < len(texts) and count < tokens:
                chosen.append(texts[turn])
                count += len(texts[turn].ids) - texts[turn].start
    return chosen


def agree(
    model: Path,
    teacher: Path,
    texts: Sequence[Encoded],
    *,
    name: str = "",
    threads: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Agreement:
    """Compare two models, each a GGUF file or a checkpoint's folder, on these texts.

    Args:
        name: of the teacher, for the record.
        progress: told the texts done, of how many.

    Raises:
        UsageError: their vocabularies are not the same, so nothing can be compared token by token.
        EdgemindError: one of them cannot be opened.
    """
    size = _shared_vocabulary(model, teacher)
    same = count = 0
    sums: list[tuple[float, int]] = []
    with _rows_of(model, threads) as ours, _rows_of(teacher, threads) as theirs:
        for number, text in enumerate(texts):
            agreed, divergences = _compared(ours(text)[:, :size], theirs(text)[:, :size])
            same += agreed
            count += len(divergences)
            sums.append((float(divergences.sum()), len(divergences)))
            progress(number + 1, len(texts))
    mean = sum(total for total, _ in sums) / max(1, count)
    spread = sum((total - mean * rows) ** 2 for total, rows in sums)
    groups = len(sums)
    error = math.sqrt(groups / (groups - 1) * spread) / count if groups > 1 and count else 0.0
    return Agreement(teacher=name or teacher.stem, tokens=count, same=same, divergence=mean, divergence_error=error)


def _compared(ours: Rows, theirs: Rows) -> tuple[int, NDArray[np.float64]]:
    """Rows with the same best token, and KL(theirs || ours) of each row in nats."""
    same = int((ours.argmax(1) == theirs.argmax(1)).sum())
    found = []
    for start in range(0, len(ours), BLOCK):
        q, p = _log_softmax(ours[start : start + BLOCK]), _log_softmax(theirs[start : start + BLOCK])
        found.append((np.exp(p) * (p - q)).sum(1))
    return same, np.maximum(np.concatenate(found), 0.0) if found else np.zeros(0)


def _log_softmax(rows: Rows) -> NDArray[np.float64]:
    shifted = rows.astype(np.float64) - rows.max(1, keepdims=True)
    normal: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return normal


def _shared_vocabulary(model: Path, teacher: Path) -> int:
    """The size of the vocabulary that both have, padding left out.

    Raises:
        UsageError: they are different.
    """
    from edgemind.distill.targets.vocabulary import compare, of_gguf, of_tokenizer_folder

    ours, theirs = (of_tokenizer_folder(path) if path.is_dir() else of_gguf(path) for path in (model, teacher))
    match = compare(ours, theirs)
    if not match.usable:
        raise UsageError(
            f"{model.name} and {teacher.name} cannot be compared token by token: {match.why}.",
            "Compare what they answer instead: edgemind eval NAME --against OTHER",
        )
    return min(ours.size, theirs.size)


@contextlib.contextmanager
def _rows_of(path: Path, threads: int | None) -> Iterator[Callable[[Encoded], Rows]]:
    if path.is_dir():
        yield _folder_rows(path)
        return
    from edgemind.engine import scoring
    from edgemind.engine.client import Engine
    from edgemind.engine.events import LoadOptions

    with Engine(LoadOptions(path=str(path), sequences=1, threads=threads)) as engine:

        def rows(text: Encoded) -> Rows:
            pieces = list(scoring.logits(engine, text.ids[:-1], skip=text.start - 1))
            return np.concatenate([piece for piece in pieces if len(piece)])

        yield rows


def _folder_rows(folder: Path) -> Callable[[Encoded], Rows]:
    import torch

    from edgemind.distill.students import open_model

    model: Any = open_model(folder, torch.float32)
    model.eval()

    def rows(text: Encoded) -> Rows:
        kept = len(text.ids) - text.start
        with torch.no_grad():
            made = model(input_ids=torch.tensor([text.ids[:-1]]), use_cache=False, logits_to_keep=kept).logits[0]
        found: Rows = made.float().numpy()
        return found

    return rows
