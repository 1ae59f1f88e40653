"""The stage ``problems``: what is trained on, what the curriculum is measured with, what the end is measured with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgemind.distill.pipeline.stage import Done, Run, Stage, View
from edgemind.distill.recipe.schema import ProblemsRecipe
from edgemind.errors import BadInput, UsageError

TRAINING, LEVELS, HELD_OUT = "training.jsonl", "levels.jsonl", "held-out.jsonl"


def stages(run: Run) -> list[Stage]:
    return [Stage("problems", "problems", {}, _inputs, _work, ready=_ready)]


def _ready(run: Run) -> None:
    """The names of our own families, and the datasets by their first row: what can be seen at once."""
    from edgemind.distill.problems.sources import GYM, open_sources
    from edgemind.distill.problems.tables import needed, read_jsonl

    recipe = run.recipe.problems
    own = tuple(name for name in recipe.families if not name.startswith(GYM))
    open_sources(recipe.model_copy(update={"families": own, "dataset": (), "weights": {}}), run.recipe.seed)
    for dataset in recipe.dataset:
        if dataset.kind == "jsonl":
            columns = [name for name in (dataset.prompt, dataset.answer, dataset.thought, dataset.level) if name]
            first = next(read_jsonl(dataset.path), None)
            if first is None:
                raise UsageError(f"The dataset {dataset.name} has no rows.", "Leave it out, or give it rows.")
            needed(Path(first[0]), columns, list(first[1]))
        elif not dataset.path.is_dir():
            raise BadInput(
                f"The dataset {dataset.name} should be a folder, and {dataset.path} is none.",
                'Mend its path; for JSON lines say kind = "jsonl".',
            )


def file(run: Run, name: str) -> Path:
    """One of the three files."""
    return run.directory / "problems" / name


def inputs_of(recipe: ProblemsRecipe, run: Run) -> dict[str, Any]:
    """A table of problems, with what its datasets hold."""
    values = recipe.model_dump(mode="json")
    for dataset, about in zip(recipe.dataset, values["dataset"], strict=True):
        about["path"] = run.hashes.digest(dataset.path)
    return values


def checks_of(run: Run) -> dict[str, Any]:
    """How the answers of datasets are compared, as an input of whatever checks some: the three files do not say it."""
    checks = {dataset.name: dataset.check for dataset in run.recipe.problems.dataset}
    return {"problems.dataset.check": checks} if checks else {}


def _inputs(run: Run) -> Mapping[str, Any]:
    return {
        "[problems]": inputs_of(run.recipe.problems, run),
        "evaluation.held_out": run.recipe.evaluation.held_out,
        "curriculum.held_out": run.recipe.curriculum.held_out,
        "seed": run.recipe.seed,
    }


def _work(run: Run, folder: Path, view: View) -> Done:
    from edgemind.distill.problems.sources import (
        make_held_out,
        make_level_checks,
        make_training,
        open_sources,
        write_problems,
    )

    recipe = run.recipe
    sources = open_sources(recipe.problems, recipe.seed)
    training = make_training(recipe.problems, sources, recipe.seed)
    held_out = make_held_out(recipe.evaluation.held_out, sources, recipe.seed)
    kept = {problem.id for problem in held_out}
    levels = make_level_checks(recipe.curriculum.held_out, sources, recipe.seed, without=kept)
    sets = {TRAINING: training, LEVELS: levels, HELD_OUT: held_out}
    for name, found in sets.items():
        write_problems(folder / name, found)
    families = Counter(problem.family for problem in training)
    return Done(
        [folder / name for name in sets],
        {
            "training": len(training),
            "held_out": len(held_out),
            "levels": len(levels),
            "families": dict(sorted(families.items())),
            "by_level": dict(sorted(Counter(str(problem.level) for problem in training).items())),
        },
    )
