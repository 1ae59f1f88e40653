"""The stage ``report``: everything that was found, in one file that can be read anywhere.

Not for: what it looks like (``distill.report``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.pipeline.models import Teacher
from edgemind.distill.pipeline.stage import Done, Run, Stage, View
from edgemind.distill.pipeline.stages.evaluate import folder_of, subjects
from edgemind.distill.pipeline.stages.train import log_of

if TYPE_CHECKING:
    from edgemind.distill.report.facts import Curve
    from edgemind.distill.traces.report import TraceReport

NAME = "report.html"


def stages(run: Run) -> list[Stage]:
    needs: dict[str, tuple[str, ...]] = {"teacher": (), "problems": (), "export": ()}
    needs.update({f"train {variant}": () for variant in ("full", *run.variants)})
    needs.update({f"evaluate {subject}": () for subject in subjects(run)})
    return [Stage("report", "report", needs, _inputs, _work)]


def _inputs(run: Run) -> Mapping[str, Any]:
    return {"the recipe": run.recipe.model_dump(mode="json", by_alias=True), "variants": list(run.variants)}


def _work(run: Run, folder: Path, view: View) -> Done:
    from edgemind.distill.evaluation.result import read_evaluated
    from edgemind.distill.report.facts import Facts
    from edgemind.distill.report.html import write_report

    trained = ("full", *run.variants)
    trainings: dict[str, Any] = {variant: run.record(f"train {variant}").figures for variant in trained}
    if run.recipe.teacher.train:
        trainings["teacher"] = run.record("teacher").figures
    facts = Facts(
        name=run.recipe.model_name,
        description=run.recipe.description,
        recipe=run.file.read_text("utf-8", errors="replace") if run.file else "",
        curves=_curves(run, trained),
        evaluations={subject: read_evaluated(folder_of(run, subject), subject) for subject in subjects(run)},
        trainings=trainings,
        traces=_traces(run),
        stages=_times(run),
        provenance=_provenance(run),
        machine=run.record("train full").machine,
    )
    target = run.directory / NAME
    write_report(target, facts)
    return Done([target], {"said": run.shown(target), "report": run.shown(target)})


def _curves(run: Run, trained: tuple[str, ...]) -> dict[str, Curve]:
    from edgemind.distill.report.facts import read_log

    found = {variant: read_log(log_of(run, variant)) for variant in trained}
    if run.recipe.teacher.train:
        found["teacher"] = read_log(run.directory / "teacher" / "train" / "log.jsonl")
    return found


def _traces(run: Run) -> TraceReport | None:
    from edgemind.distill.traces.report import Tally, TraceReport

    record = run.records.read("traces teacher")
    if record is None:
        return None
    figures, tallies = record.figures, {}
    for row in figures["by_family_and_level"]:
        counts = {name: value for name, value in row.items() if name not in ("family", "level")}
        tallies[row["family"], row["level"]] = Tally(**counts)
    return TraceReport(figures["writer"], tallies, figures["tokens"], figures["seconds"])


def _times(run: Run) -> list[tuple[str, float]]:
    """Of every stage that this run has, in order."""
    from edgemind.distill.pipeline.stages import stages_of

    records = [run.records.read(stage.name) for stage in stages_of(run) if stage.kind != "report"]
    return [(record.stage, record.seconds) for record in records if record is not None]


def _provenance(run: Run) -> list[tuple[str, str]]:
    export, student = run.record("export").figures, run.record("student").figures
    problems = run.record("problems").figures
    return [
        ("teacher", Teacher.of(run).name),
        ("student's parameters", f"{student['parameters']:,}"),
        ("problems to train on", f"{problems['training']:,}"),
        ("held-out problems", f"{problems['held_out']:,}"),
        ("seed", str(run.recipe.seed)),
        ("file", f"{export['name']}, {export['size']:,} bytes, {export['type']}"),
        ("SHA-256 of the file", export["sha256"]),
        ("compared with the checkpoint", export["parity"]),
        ("licence", run.recipe.licence),
        ("EdgeMind", run.record("export").edgemind),
    ]
