"""The stages ``traces``: worked solutions, written by the teacher, or those that the problems come with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.pipeline.models import Teacher
from edgemind.distill.pipeline.stage import Done, Run, Stage, View
from edgemind.distill.pipeline.stages.problems import TRAINING, checks_of, file
from edgemind.distill.pipeline.variants import adjusted
from edgemind.errors import BadInput

if TYPE_CHECKING:
    from edgemind.distill.traces.generate import Moment
    from edgemind.distill.traces.report import TraceReport
    from edgemind.distill.traces.trace import Writer


def stages(run: Run) -> list[Stage]:
    """One for each origin that the recipe or a variant of it learns from."""
    recipes = [run.recipe, *(adjusted(run.recipe, variant) for variant in run.variants)]
    origins = {recipe.traces.source for recipe in recipes}
    found = []
    for origin in sorted(origins):
        needs: dict[str, tuple[str, ...]] = {"problems": (TRAINING,)}
        if origin == "teacher":
            needs["teacher"] = ()
        found.append(
            Stage(f"traces {origin}", "traces", needs, partial(_inputs, origin=origin), partial(_work, origin=origin))
        )
    return found


def folder_of(run: Run, origin: str) -> Path:
    return run.directory / "traces" / origin


def _inputs(run: Run, origin: str) -> Mapping[str, Any]:
    if origin == "written":
        return {"seed": run.recipe.seed}
    server = run.recipe.teacher
    return {
        "[traces]": run.recipe.traces.model_dump(mode="json"),
        "teacher.server": [server.server, server.served_model],
        "seed": run.recipe.seed,
        **checks_of(run),
    }


def _work(run: Run, folder: Path, view: View, origin: str) -> Done:
    from edgemind.distill.problems.sources import open_sources, read_problems
    from edgemind.distill.traces.generate import make_traces

    recipe = run.recipe
    problems = read_problems(file(run, TRAINING))
    sources = open_sources(recipe.problems, recipe.seed)
    asked = recipe.traces.model_copy(update={"source": origin})
    with _writer(run) if origin == "teacher" else nullcontext() as writer:
        if writer is not None and writer.notice:
            view.note(writer.notice)
        report = make_traces(
            problems, sources, writer, asked, folder, recipe.seed, lambda moment: view.progress(*_said(moment))
        )
    files = sorted(folder.rglob("*.jsonl"))
    figures = _figures(report)
    if origin == "written" and not figures["written"]:
        raise BadInput(
            f"None of {len(problems):,} problems comes with a solution of its own, so nothing is left to learn from.",
            "Leave out the variants no-teacher and no-traces, or name the column answer of the dataset.",
        )
    if not figures["kept"] and not figures["written"]:
        raise BadInput(
            f"The teacher {report.writer} solved none of {len(problems):,} problems, so nothing is left to learn.",
            "Ask it easier ones (problems.levels), let it write longer (traces.max_tokens), or take another teacher.",
        )
    return Done(files, figures)


@contextmanager
def _writer(run: Run) -> Iterator[Writer]:
    """The teacher: through a server, on a graphics card as a checkpoint, else through the engine."""
    recipe, teacher = run.recipe, Teacher.of(run)
    writer: Writer
    if recipe.teacher.server is not None:
        from edgemind.distill.traces.server import ServerWriter

        writer = ServerWriter(
            recipe.teacher.server,
            recipe.teacher.served_model or "",
            recipe.teacher.key_variable,
            allow_network=run.allow_network,
            requests=recipe.traces.sequences,
        )
    elif teacher.folder is not None and (teacher.gguf is None or _has_graphics()):
        from edgemind.distill.traces.transformers_writer import TransformersWriter

        writer = TransformersWriter(teacher.folder)
    else:
        from edgemind.distill.traces.engine_writer import EngineWriter

        assert teacher.gguf is not None
        writer = EngineWriter(teacher.gguf, recipe.traces.sequences)
    try:
        yield writer
    finally:
        writer.close()


def _has_graphics() -> bool:
    import torch

    return torch.cuda.is_available()


def _said(moment: Moment) -> tuple[int, int, str]:
    if not moment.rate:
        return moment.done, moment.total, "problems"
    return moment.done, moment.total, f"problems, {moment.rate:,.0f} tokens/s, {moment.acceptance:.0%} right and whole"


def _figures(report: TraceReport) -> dict[str, Any]:
    by = [
        {"family": family, "level": level, **asdict(tally)} for (family, level), tally in sorted(report.tallies.items())
    ]
    counts = ("problems", "samples", "right", "kept", "written", "lost")
    totals = {name: sum(int(row[name]) for row in by) for name in counts}
    return {
        "writer": report.writer,
        **totals,
        "acceptance": round(totals["right"] / totals["samples"], 4) if totals["samples"] else None,
        "tokens": report.tokens,
        "seconds": round(report.seconds, 2),
        "tokens_per_second": round(report.rate, 1),
        "by_family_and_level": by,
    }
