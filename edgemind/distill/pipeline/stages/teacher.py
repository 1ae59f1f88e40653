"""The stage ``teacher``: the model that the recipe names is looked up, or trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgemind.distill.pipeline.models import Named, Teacher, named
from edgemind.distill.pipeline.records import write_whole
from edgemind.distill.pipeline.stage import Done, Run, Stage, Telling, View
from edgemind.distill.pipeline.stages.problems import inputs_of
from edgemind.distill.pipeline.stages.student import UNREAD, check_start, start, start_inputs
from edgemind.distill.recipe.schema import CurriculumRecipe, LossRecipe
from edgemind.errors import ModelUnusable
from edgemind.models.gguf import read_header
from edgemind.models.summary import check_model, is_embedding

SEED = 1_000_003
"""Added to the recipe's seed: a teacher that is trained here sees other problems than its student."""


def stages(run: Run) -> list[Stage]:
    return [Stage("teacher", "teacher", {}, _inputs, _work, ready=_ready)]


def _ready(run: Run) -> None:
    recipe = run.recipe.teacher
    for text in (recipe.model, recipe.score_with):
        if text is not None:
            model = named(text)
            if not model.is_folder:
                header = read_header(model.path)
                check_model(header)
                if is_embedding(header):
                    raise ModelUnusable(
                        f"{model.name} makes numbers of texts and writes none, so it cannot teach.",
                        "Name a model that you can chat with: edgemind list",
                    )
    if recipe.start is not None:
        check_start(recipe.start, "teacher.start.shape")


def _inputs(run: Run) -> Mapping[str, Any]:
    recipe = run.recipe.teacher
    found: dict[str, Any] = {"teacher.server": [recipe.server, recipe.served_model]}
    for key, text in (("teacher.model", recipe.model), ("teacher.score_with", recipe.score_with)):
        if text is not None:
            model = named(text)
            found[key] = [model.name, str(model.path), model.digest(run)]
    if recipe.start and recipe.training:
        found["[teacher.start]"] = start_inputs(recipe.start, run)
        found["[teacher.training]"] = recipe.training.model_dump(mode="json", exclude=UNREAD)
        found["teacher.problems"] = recipe.problems
        found["[problems]"] = inputs_of(run.recipe.problems, run)
        found["seed"] = run.recipe.seed
    return found


def _work(run: Run, folder: Path, view: View) -> Done:
    recipe = run.recipe.teacher
    figures: dict[str, Any] = {}
    if recipe.train:
        teacher, figures = _trained(run, folder, view)
    elif recipe.model:
        teacher = _found(named(recipe.model), folder, view)
    else:
        teacher = Teacher(recipe.served_model or "")
    if recipe.score_with:
        scorer = named(recipe.score_with)
        path = scorer.in_folder(folder / "scorer")
        teacher = Teacher(teacher.name, teacher.gguf, teacher.folder, path)
    about = folder / "teacher.json"
    write_whole(about, json.dumps({"name": teacher.name, "files": _digests(run, teacher), "server": recipe.server}))
    return Done([about], {**teacher.figures(run), **figures})


def _found(model: Named, folder: Path, view: View) -> Teacher:
    if not model.is_folder:
        return Teacher(model.name, gguf=model.path, scorer=model.path)
    checkpoint = model.in_folder(folder / "checkpoint")
    return Teacher(model.name, _as_gguf(checkpoint, folder, view), checkpoint, checkpoint)


def _trained(run: Run, folder: Path, view: View) -> tuple[Teacher, dict[str, Any]]:
    """Plain training on the written solutions, easy levels first, like everything that is trained here."""
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.problems.sources import make_level_checks, make_training, open_sources
    from edgemind.distill.targets.capture import capture
    from edgemind.distill.targets.example_set import ExampleSet
    from edgemind.distill.traces.generate import make_traces
    from edgemind.distill.traces.trace import read_traces
    from edgemind.distill.training.job import TrainJob
    from edgemind.distill.training.trainer import train

    recipe = run.recipe
    assert recipe.teacher.start
    assert recipe.teacher.training
    seed = recipe.seed + SEED
    asked = recipe.problems.model_copy(update={"count": recipe.teacher.problems or recipe.problems.count})
    sources = open_sources(asked, recipe.seed)
    problems = make_training(asked, sources, seed)
    held_out = make_level_checks(recipe.curriculum.held_out, sources, seed)
    begin = start(recipe.teacher.start, recipe.seed, folder / "start", None, problems)
    written = recipe.traces.model_copy(update={"source": "written"})
    make_traces(problems, sources, None, written, folder / "traces", seed, lambda moment: None)
    context = context_of(begin, recipe.teacher.training.context)
    capture(
        problems,
        read_traces(folder / "traces"),
        ChatFormat.of_folder(begin),
        None,
        folder / "examples",
        0,
        1.0,
        recipe.targets.shard_examples,
        lambda step: view.progress(step.done, step.total, "examples"),
        context=context,
    )
    result = train(
        TrainJob(
            model=begin,
            examples=ExampleSet(folder / "examples"),
            recipe=recipe.teacher.training,
            loss=LossRecipe(weight=0.0),
            curriculum=CurriculumRecipe(held_out=recipe.curriculum.held_out, every=recipe.curriculum.every),
            directory=folder / "train",
            seed=recipe.seed,
            sources=sources,
            problems=problems,
            held_out=held_out,
        ),
        view,
    )
    name = f"{recipe.name}-teacher"
    figures = {"steps": result.steps, "tokens": result.tokens, "seconds": round(result.seconds, 1), "loss": result.loss}
    return Teacher(name, _as_gguf(result.model, folder, view), result.model, result.model), figures


def context_of(model: Path, wanted: int | None) -> int:
    """Tokens of the longest example: the recipe's, and no more than the network has positions for."""
    config = json.loads((model / "config.json").read_text("utf-8"))
    own = int(config.get("max_position_embeddings") or 1024)
    return min(own, wanted or min(own, 4096))


def _as_gguf(checkpoint: Path, folder: Path, view: View) -> Path:
    """The checkpoint as a file that the engine runs: it writes traces, and is measured like any model."""
    from edgemind.convert.making import Order, make

    target = folder / "teacher.gguf"
    make(Order(checkpoint, type="f16", output=target, force=True), Telling(view))
    return target


def _digests(run: Run, teacher: Teacher) -> list[str]:
    return [run.hashes.digest(path) for path in (teacher.gguf, teacher.folder, teacher.scorer) if path]
