"""A model put through held-out problems: what it writes, what of that is right, how sure it was, what it declines.

Not for: showing it (``cli.eval_``, ``report``), comparing two (``compare``).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from edgemind import __version__
from edgemind.distill.evaluation.answers import OnReply, Replies, Reply, engine_replies
from edgemind.distill.evaluation.calibration import calibration as calibrated
from edgemind.distill.evaluation.result import Declining, Evaluated, Evaluation, FamilyResult, Outcome, Share
from edgemind.distill.evaluation.unanswerable import FACTS, INVENTED, declines, invented_things, unseen_facts

if TYPE_CHECKING:
    from edgemind.distill.problems.base import Problem
    from edgemind.distill.problems.sources import Source

MAX_TOKENS = 512
SMALL = 64 << 20
"""Bytes of a model whose time goes into attention over the cells of all sequences rather than into its weights."""

DECLINING = "declining"
"""The family that asks for what the model was taught to decline; declining is right there."""

Progress = Callable[[int, int, int], None]
"""Problems that are answered, of how many, and tokens written so far."""


def evaluate_gguf(
    path: Path,
    problems: Sequence[Problem],
    sources: Mapping[str, Source],
    *,
    name: str = "",
    parts: Sequence[Path] = (),
    max_tokens: int = MAX_TOKENS,
    sequences: int | None = None,
    threads: int | None = None,
    declining: bool = True,
    calibration: bool = True,
    progress: Progress | None = None,
) -> Evaluated:
    """Greedy answers of a GGUF file, through the engine that users run.

    Args:
        problems: of any of ``sources``, which check the answers.
        parts: all files of a model that is split; ``path`` is the first.
        sequences: written at once, 1 to 32; by the model's size when left out.
        declining: also ask what cannot be known.
        calibration: also note how sure the model was of each answer.

    Raises:
        EdgemindError: the model cannot be opened, or died.
    """
    from edgemind.models.gguf import read_headers
    from edgemind.models.store.made import digest_of
    from edgemind.models.summary import summary

    files = list(parts) or [path]
    header = read_headers(files)
    sequences = sequences or sequences_for(header.size_bytes)
    asked = _asked(problems, declining)
    replies = engine_replies(
        path,
        asked,
        max_tokens=max_tokens,
        sequences=sequences,
        threads=threads,
        parts=parts,
        confidence=calibration,
        on_reply=_counting(progress, len(asked)),
    )
    made = _evaluated(name or path.stem, "gguf", problems, asked, sources, replies, max_tokens, sequences)
    facts = {
        "sha256": digest_of(files)[0] if len(files) == 1 else "",
        "size_bytes": header.size_bytes,
        "quantization": summary(header).quantization,
        "parameters": header.parameters,
    }
    return made.model_copy(update={"result": made.result.model_copy(update=facts)})


def sequences_for(size_bytes: int) -> int:
    """How many answers are best written at once: 8 were fastest with 4.5 million parameters, 24 a quarter slower."""
    return 8 if size_bytes < SMALL else 16


def _asked(problems: Sequence[Problem], declining: bool) -> list[Problem]:
    return [*problems, *(unseen_facts() if declining else ()), *(invented_things() if declining else ())]


def _counting(progress: Progress | None, total: int) -> OnReply:
    done = tokens = 0

    def count(reply: Reply) -> None:
        nonlocal done, tokens
        done, tokens = done + 1, tokens + reply.tokens
        if progress:
            progress(done, total, tokens)

    return count


def _evaluated(
    name: str,
    kind: Literal["gguf", "checkpoint", "server"],
    problems: Sequence[Problem],
    asked: Sequence[Problem],
    sources: Mapping[str, Source],
    made: Replies,
    max_tokens: int,
    sequences: int,
) -> Evaluated:
    outcomes = [_outcome(problem, reply, sources) for problem, reply in zip(asked, made.replies, strict=True)]
    own, extra = outcomes[: len(problems)], outcomes[len(problems) :]
    sure = [(one.confidence, one.right) for one in own if one.confidence is not None]
    count = max(1, len(own))
    result = Evaluation(
        model=name,
        kind=kind,
        families=_families(own, sources),
        declining=_declining(own, extra) if extra else None,
        calibration=calibrated(sure) if sure else None,
        tokens=sum(reply.tokens for reply in made.replies),
        seconds=round(made.seconds, 3),
        thought_tokens=round(sum(one.thought_tokens for one in own) / count, 2),
        answer_tokens=round(sum(one.answer_tokens for one in own) / count, 2),
        unfinished=sum(not one.ended for one in own),
        max_tokens=max_tokens,
        sequences=sequences,
        edgemind=__version__,
        machine=_machine(),
    )
    return Evaluated(result=result, outcomes=tuple(outcomes))


def _outcome(problem: Problem, reply: Reply, sources: Mapping[str, Source]) -> Outcome:
    source = sources.get(DECLINING if problem.family in (FACTS, INVENTED) else problem.family)
    declined = declines(reply.answer)
    if problem.family in (FACTS, INVENTED):
        right = reply.ended and (source.check(problem, reply.answer) if source else declined)
        declined = right
    else:
        right = reply.ended and source is not None and source.check(problem, reply.answer)
    return Outcome(
        id=problem.id,
        family=problem.family,
        level=problem.level,
        prompt=problem.prompt,
        thought=reply.thought,
        answer=reply.answer,
        right=right,
        declined=declined,
        ended=reply.ended,
        confidence=reply.confidence,
        thought_tokens=reply.thought_tokens,
        answer_tokens=reply.answer_tokens,
    )


def _families(outcomes: Sequence[Outcome], sources: Mapping[str, Source]) -> dict[str, FamilyResult]:
    counts: dict[str, dict[int, tuple[int, int]]] = {}
    for one in outcomes:
        levels = counts.setdefault(one.family, {})
        right, count = levels.get(one.level, (0, 0))
        levels[one.level] = (right + one.right, count + 1)
    return {
        family: FamilyResult(
            description=sources[family].description if family in sources else "",
            levels={level: Share(right=right, count=count) for level, (right, count) in sorted(levels.items())},
        )
        for family, levels in counts.items()
    }


def _declining(own: Sequence[Outcome], extra: Sequence[Outcome]) -> Declining:
    solvable = [one for one in own if one.family != DECLINING]
    return Declining(
        facts=_share([one.declined for one in extra if one.family == FACTS]),
        invented=_share([one.declined for one in extra if one.family == INVENTED]),
        mistaken=_share([one.declined and not one.right for one in solvable]),
    )


def _share(marks: Sequence[bool]) -> Share:
    return Share(right=sum(marks), count=len(marks))


def _machine() -> str:
    from edgemind.models import hardware

    machine = hardware.machine()
    return f"{machine.cpu_name or platform.machine()}, {machine.logical_cpus} CPUs, {machine.platform}"
