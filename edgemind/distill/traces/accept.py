"""Which of a teacher's texts about one problem are worth learning: right, whole, different from each other, short.

The rule, in this order: a text that was cut goes; a wrong answer goes; what is longer than the limit goes. Of those
left the shortest is kept first, then again and again the one that is least like those kept already (the shorter one of
equals), until ``keep`` are kept or only repetitions are left. Two texts repeat each other when they are equal but for
white space and case, or share at least ``ALIKE`` of their groups of three words.
Not for: writing (``generate``), reports.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.report import Tally
from edgemind.distill.traces.trace import Trace, Written

ALIKE = 0.85
"""Jaccard's index of two texts' groups of three words, from which they are the same (Broder 1997, shingles)."""

WORDS = 3
_WORD = re.compile(r"\w+|[^\w\s]")

Check = Callable[[Problem, str], bool]


@dataclass(frozen=True)
class _Right:
    sample: int
    written: Written
    groups: frozenset[tuple[str, ...]]


def choose(
    problem: Problem, written: Sequence[Written], check: Check | None, keep: int, longest: int
) -> tuple[list[Trace], Tally]:
    """The traces to keep, and what became of every text.

    Args:
        written: by sample number.
        check: ``None`` when there is nothing to compare with; then every whole text is as good as right.
        keep: at most so many.
        longest: in the teacher's tokens.
    """
    wrong = cut = long = 0
    right: list[_Right] = []
    for sample, text in enumerate(written):
        if not text.ended:
            cut += 1
        elif not text.answer.strip() or (check is not None and not check(problem, text.answer)):
            wrong += 1
        else:
            if text.tokens > longest:
                long += 1
            else:
                right.append(_Right(sample, text, groups(problem, text)))
    chosen, repeated = _different(right, keep)
    traces = [
        Trace(
            problem=problem.id,
            family=problem.family,
            level=problem.level,
            thought=one.written.thought if problem.thinking else "",
            answer=one.written.answer,
            source="teacher",
            sample=one.sample,
            tokens=one.written.tokens,
            right=None if check is None else True,
        )
        for one in chosen
    ]
    tally = Tally(
        problems=1,
        samples=len(written),
        right=len(right) + long,
        wrong=wrong,
        cut=cut,
        repeated=repeated,
        long=long,
        kept=len(traces),
    )
    return traces, tally


def written_solution(problem: Problem) -> Trace:
    """The solution that a problem comes with."""
    return Trace(
        problem=problem.id,
        family=problem.family,
        level=problem.level,
        thought=problem.thought if problem.thinking else "",
        answer=problem.answer,
        source="written",
        sample=0,
        tokens=0,
        right=None,
    )


def groups(problem: Problem, text: Written) -> frozenset[tuple[str, ...]]:
    """Every group of three neighbouring words of thought and answer; a shorter text is one group."""
    words = _WORD.findall(f"{text.thought if problem.thinking else ''}\n{text.answer}".casefold())
    if len(words) < WORDS:
        return frozenset((tuple(words),))
    return frozenset(zip(*(words[start:] for start in range(WORDS)), strict=False))


def likeness(left: frozenset[tuple[str, ...]], right: frozenset[tuple[str, ...]]) -> float:
    """Jaccard's index, 0 to 1."""
    return len(left & right) / len(left | right)


def _different(right: Sequence[_Right], keep: int) -> tuple[list[_Right], int]:
    """Those that are kept, in the order of being chosen, and how many of the others repeat one of them."""
    left = sorted(right, key=lambda one: (one.written.tokens, len(one.written.thought), one.sample))
    nearest = [0.0] * len(left)
    chosen: list[_Right] = []
    while left and len(chosen) < keep:
        best = min(range(len(left)), key=lambda place: (nearest[place], place))
        if nearest[best] >= ALIKE:
            break
        one = left.pop(best)
        nearest.pop(best)
        chosen.append(one)
        nearest = [max(old, likeness(one.groups, other.groups)) for old, other in zip(nearest, left, strict=True)]
    return chosen, sum(value >= ALIKE for value in nearest)
