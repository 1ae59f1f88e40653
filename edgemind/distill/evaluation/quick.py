"""Accuracy by level of a model that is being trained, in its own process: what the curriculum asks for.

Not for: figures that anyone is told; those come through the engine (``evaluate``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgemind.distill.evaluation.accuracy import tallied
from edgemind.distill.generation import generate

if TYPE_CHECKING:
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.problems.base import Problem
    from edgemind.distill.problems.sources import Source

BATCH = 128
MAX_TOKENS = 420


def quick_accuracy(
    model: Any,
    format: ChatFormat,  # noqa: A002
    problems: Sequence[Problem],
    sources: Mapping[str, Source],
    batch: int = BATCH,
    max_tokens: int = MAX_TOKENS,
) -> dict[int, tuple[int, int]]:
    """``(right, count)`` by level, by greedy writing.

    Args:
        model: a transformers model; it is left in the mode in which it came.
        sources: who checks, by family.
        batch: problems at once.
        max_tokens: of each thought and answer together; what is cut is wrong.
    """
    prompts = [format.encode_prompt(problem) for problem in problems]
    made = generate(model, prompts, end_ids=format.end_ids, max_tokens=max_tokens, batch=batch)
    marks = []
    for problem, ids in zip(problems, made, strict=True):
        ended = bool(ids) and ids[-1] in format.end_ids
        right = ended and sources[problem.family].check(problem, format.read(ids)[1])
        marks.append((problem.level, right))
    return tallied(marks)
