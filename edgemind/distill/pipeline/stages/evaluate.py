"""The stages ``evaluate``: teacher, student, student with something taken away, student as it ships, one by one.

Not for: the figures themselves (``evaluation``), comparing them (``report``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.pipeline.models import Teacher
from edgemind.distill.pipeline.stage import Done, Run, Stage, Telling, View
from edgemind.distill.pipeline.stages.problems import HELD_OUT, checks_of, file
from edgemind.distill.pipeline.stages.train import model_of
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.distill.evaluation.result import Evaluated
    from edgemind.distill.problems.base import Problem

TEACHER = "teacher"
SHIPPED = "shipped"
"""The student quantized, which is what is installed."""


def stages(run: Run) -> list[Stage]:
    return [
        Stage(
            f"evaluate {subject}",
            "evaluate",
            _needs(run, subject),
            partial(_inputs, subject=subject),
            partial(_work, subject=subject),
        )
        for subject in subjects(run)
    ]


def _needs(run: Run, subject: str) -> dict[str, tuple[str, ...]]:
    needs: dict[str, tuple[str, ...]] = {"problems": (HELD_OUT,), _made_by(subject): ()}
    if subject != TEACHER and TEACHER in subjects(run):
        needs.update({"teacher": (), f"evaluate {TEACHER}": (f"{TEACHER}.outcomes.jsonl",)})
    return needs


def subjects(run: Run) -> tuple[str, ...]:
    """Names of what is evaluated. A teacher behind an address is not: its problems would leave again."""
    teacher = () if run.recipe.teacher.server else (TEACHER,)
    return (*teacher, "full", *run.variants, SHIPPED)


def folder_of(run: Run, subject: str) -> Path:
    """Where ``evaluation.result.read_evaluated`` finds it, under the name ``subject``."""
    return run.directory / "evaluate" / subject


def _made_by(subject: str) -> str:
    if subject == TEACHER:
        return "teacher"
    return f"train {'full' if subject == SHIPPED else subject}"


def _inputs(run: Run, subject: str) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        "[evaluation]": run.recipe.evaluation.model_dump(mode="json", exclude={"variants", "held_out"}),
        **checks_of(run),
    }
    if subject == SHIPPED:
        found["export.quantization"] = run.recipe.export.quantization
    return found


def _work(run: Run, folder: Path, view: View, subject: str) -> Done:
    from edgemind.distill.evaluation.evaluate import evaluate_gguf
    from edgemind.distill.evaluation.result import write_evaluated
    from edgemind.distill.problems.sources import open_sources, read_problems

    recipe = run.recipe
    model = _file(run, folder, subject, view)
    problems = read_problems(file(run, HELD_OUT))
    evaluated = evaluate_gguf(
        model,
        problems,
        open_sources(recipe.problems, recipe.seed),
        name=subject,
        max_tokens=recipe.evaluation.max_tokens,
        declining=recipe.evaluation.unanswerable,
        calibration=recipe.evaluation.calibration,
        progress=_progress(view),
    )
    if subject != TEACHER and TEACHER in subjects(run):
        evaluated = _with_agreement(run, evaluated, model, problems, view)
    files = write_evaluated(folder, subject, evaluated)
    result = evaluated.result
    mean, low, high = result.average
    figures = {
        "said": f"{100 * mean:.1f} % right ({100 * low:.1f} to {100 * high:.1f})",
        "average": mean,
        "interval": [low, high],
        "right": result.all.right,
        "count": result.all.count,
        "families": {name: one.all.share for name, one in result.families.items()},
        "levels": {str(level): [one.right, one.count] for level, one in result.levels.items()},
        "size_bytes": result.size_bytes,
        "parameters": result.parameters,
        "agreement": result.agreement.share.share if result.agreement else None,
        "divergence": result.agreement.divergence if result.agreement else None,
        "tokens_per_second": round(result.rate, 1),
    }
    return Done(files, figures)


def _with_agreement(run: Run, evaluated: Evaluated, model: Path, problems: Sequence[Problem], view: View) -> Evaluated:
    """Also how near it is to the teacher, token by token, where both cut text the same way."""
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.evaluation.agreement import agree, texts_of
    from edgemind.distill.evaluation.result import read_evaluated

    teacher = Teacher.of(run)
    assert teacher.gguf is not None
    answered = read_evaluated(folder_of(run, TEACHER), TEACHER)
    try:
        texts = texts_of(ChatFormat.of_gguf(teacher.gguf), problems, answered)
        found = agree(
            model,
            teacher.gguf,
            texts,
            name=teacher.name,
            progress=lambda done, total: view.progress(done, total, "texts compared with the teacher"),
        )
    except UsageError:
        return evaluated
    return evaluated.model_copy(update={"result": evaluated.result.model_copy(update={"agreement": found})})


def _file(run: Run, folder: Path, subject: str, view: View) -> Path:
    """The GGUF file that the engine runs."""
    from edgemind.distill.deliver import About, deliver_file, gguf_of

    if subject == TEACHER:
        found = Teacher.of(run).gguf
        assert found is not None
        return found
    if subject == SHIPPED:
        target = folder / f"{run.recipe.model_name}.gguf"
        kind = run.recipe.export.quantization
        return deliver_file(model_of(run, "full"), target, kind, About(run.recipe.model_name), Telling(view)).path
    view.progress(0, 0, "converting")
    return gguf_of(model_of(run, subject), folder / f"{subject}.gguf")


def _progress(view: View) -> Callable[[int, int, int], None]:
    began = time.monotonic()

    def tell(done: int, of: int, tokens: int) -> None:
        rate = tokens / max(time.monotonic() - began, 1e-3)
        view.progress(done, of, f"problems, {rate:,.0f} tokens/s")

    return tell
