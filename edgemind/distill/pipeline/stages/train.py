"""The stages ``train``: the student, and the same student with one thing taken away."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.pipeline.models import Teacher
from edgemind.distill.pipeline.records import write_whole
from edgemind.distill.pipeline.stage import Done, Run, Stage, View
from edgemind.distill.pipeline.stages.problems import LEVELS, TRAINING, checks_of, file
from edgemind.distill.pipeline.stages.student import UNREAD, stage_of, start_folder
from edgemind.distill.pipeline.stages.targets import folder_of as examples_folder
from edgemind.distill.pipeline.variants import adjusted, examples_of
from edgemind.distill.recipe.schema import Recipe, Variant

if TYPE_CHECKING:
    from edgemind.distill.training.job import TrainResult

JOB = "job.json"
"""What is trained, for the many processes of ``torchrun``: theirs and this stage's work on the same folder is one."""


def stages(run: Run) -> list[Stage]:
    found = []
    variants: tuple[Variant, ...] = ("full", *run.variants)
    for variant in variants:
        recipe = adjusted(run.recipe, variant)
        needs: dict[str, tuple[str, ...]] = {
            stage_of(run, recipe.student): (),
            "problems": (TRAINING, LEVELS),
            f"targets {examples_of(recipe)}": (),
        }
        if _asks_teacher(recipe):
            needs["teacher"] = ()
        found.append(
            Stage(
                f"train {variant}", "train", needs, partial(_inputs, variant=variant), partial(_work, variant=variant)
            )
        )
    return found


def model_of(run: Run, variant: str) -> Path:
    """The checkpoint folder that a training ended with."""
    return run.path(run.record(f"train {variant}").figures["model"])


def log_of(run: Run, variant: str) -> Path:
    """Its log, a JSON object a line."""
    return run.directory / "train" / variant / "log.jsonl"


def _asks_teacher(recipe: Recipe) -> bool:
    online = recipe.targets.online and bool(recipe.targets.k) and recipe.loss.weight > 0
    return online or recipe.policy is not None


def _inputs(run: Run, variant: Variant) -> Mapping[str, Any]:
    recipe = adjusted(run.recipe, variant)
    policy = recipe.policy.model_dump(mode="json") if recipe.policy else None
    training = recipe.training.model_dump(mode="json", exclude=UNREAD)
    return {
        "[training]": training,
        "[loss]": recipe.loss.model_dump(mode="json"),
        "[curriculum]": recipe.curriculum.model_dump(mode="json"),
        "[policy]": policy,
        "targets.online": recipe.targets.online,
        "targets.temperature": recipe.targets.temperature,
        "seed": recipe.seed,
        **checks_of(run),
    }


def _work(run: Run, folder: Path, view: View, variant: Variant) -> Done:
    from edgemind.distill.training.job import JobFile, read_job
    from edgemind.distill.training.trainer import train

    recipe = adjusted(run.recipe, variant)
    teacher = Teacher.of(run) if _asks_teacher(recipe) else None
    job = JobFile(
        model=start_folder(run, recipe.student),
        examples=examples_folder(run, examples_of(recipe)),
        recipe=recipe.training,
        loss=recipe.loss,
        curriculum=recipe.curriculum,
        directory=folder,
        seed=recipe.seed,
        policy=recipe.policy,
        teacher=teacher.scorer if teacher else None,
        online=recipe.targets.online and teacher is not None,
        sources=recipe.problems,
        sources_seed=recipe.seed,
        problems=file(run, TRAINING),
        held_out=file(run, LEVELS),
    )
    write_whole(folder / JOB, job.model_dump_json(indent=1))
    result = train(read_job(folder / JOB), view)
    files = [path for path in result.model.rglob("*") if path.is_file()]
    return Done(sorted(files), _figures(run, result))


def _figures(run: Run, result: TrainResult) -> dict[str, Any]:
    return {
        "model": run.shown(result.model),
        "adapter": run.shown(result.adapter) if result.adapter else None,
        "steps": result.steps,
        "tokens": result.tokens,
        "learned": result.learned,
        "seconds": round(result.seconds, 2),
        "tokens_per_second": round(result.tokens / result.seconds, 1) if result.seconds else None,
        "loss": result.loss,
        "cross_entropy": result.cross_entropy,
        "divergence": result.divergence,
        "busy": round(result.busy, 4),
        "levels": {str(level): list(counts) for level, counts in sorted(result.levels.items())},
        "notes": list(result.notes),
    }
