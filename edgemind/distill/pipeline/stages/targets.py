"""The stages ``targets``: traces as tokens, each with the teacher's probabilities, in shards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.pipeline.matching import matched
from edgemind.distill.pipeline.models import Teacher
from edgemind.distill.pipeline.stage import Done, Run, Stage, View
from edgemind.distill.pipeline.stages.problems import TRAINING, file
from edgemind.distill.pipeline.stages.student import TOKENIZER_FILES, start_folder
from edgemind.distill.pipeline.stages.teacher import context_of
from edgemind.distill.pipeline.stages.traces import folder_of as traces_of
from edgemind.distill.pipeline.variants import adjusted, examples_of, scored
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.targets.capture import CaptureStep
    from edgemind.distill.targets.teachers import Scorer


def stages(run: Run) -> list[Stage]:
    """One for each set of examples that the recipe or a variant of it learns from."""
    recipes = [run.recipe, *(adjusted(run.recipe, variant) for variant in run.variants)]
    sets = {examples_of(recipe): (recipe.traces.source, scored(recipe)) for recipe in recipes}
    found = []
    for name, (origin, with_scores) in sorted(sets.items()):
        needs: dict[str, tuple[str, ...]] = {
            "problems": (TRAINING,),
            "student": (*TOKENIZER_FILES, "config.json"),
            f"traces {origin}": (),
        }
        if with_scores:
            needs["teacher"] = ()
        found.append(
            Stage(
                f"targets {name}",
                "targets",
                needs,
                partial(_inputs, with_scores=with_scores),
                partial(_work, origin=origin, with_scores=with_scores),
            )
        )
    return found


def folder_of(run: Run, examples: str) -> Path:
    """Where a set of examples is."""
    return run.directory / "targets" / examples


def _inputs(run: Run, with_scores: bool) -> Mapping[str, Any]:
    targets = run.recipe.targets
    context, per_shard = run.recipe.training.context, targets.shard_examples
    found: dict[str, Any] = {"training.context": context, "targets.shard_examples": per_shard}
    if with_scores:
        found["[targets]"] = [targets.k, targets.temperature, targets.across]
    return found


def _work(run: Run, folder: Path, view: View, origin: str, with_scores: bool) -> Done:
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.problems.sources import read_problems
    from edgemind.distill.targets.capture import capture
    from edgemind.distill.traces.trace import read_traces

    recipe, student = run.recipe, start_folder(run)
    context = context_of(student, recipe.training.context)
    form = ChatFormat.of_folder(student)
    with _scorer(run, view) if with_scores else _nobody() as (scorer, teacher_form):
        report = capture(
            read_problems(file(run, TRAINING)),
            read_traces(traces_of(run, origin)),
            form,
            scorer,
            folder,
            recipe.targets.k if with_scores else 0,
            recipe.targets.temperature,
            recipe.targets.shard_examples,
            lambda step: view.progress(*_said(step, with_scores)),
            context=context,
            teacher_format=teacher_form,
        )
    if not report.examples:
        raise UsageError(
            f"No trace fits {context} tokens, so there is nothing to train on.", "Make training.context larger."
        )
    if report.too_long:
        view.note(f"{report.too_long} traces are longer than {context} tokens and were left out.")
    figures = {name: round(value, 2) if isinstance(value, float) else value for name, value in asdict(report).items()}
    return Done(sorted(folder.glob("*.shard")), figures)


@contextmanager
def _scorer(run: Run, view: View) -> Iterator[tuple[Scorer | None, ChatFormat | None]]:
    """The teacher; with its own format when it cuts text differently, which the recipe allows then."""
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.targets.teachers import open_scorer

    path = Teacher.of(run).scorer
    assert path is not None
    match = matched(run, start_folder(run))
    own = None
    if not match.usable:
        view.note(f"The teacher cuts text differently, so its probabilities are matched by spans of text: {match.why}")
        own = ChatFormat.of_folder(path) if path.is_dir() else ChatFormat.of_gguf(path)
    scorer = open_scorer(path)
    try:
        yield scorer, own
    finally:
        scorer.close()


@contextmanager
def _nobody() -> Iterator[tuple[None, None]]:
    yield None, None


def _said(step: CaptureStep, with_scores: bool) -> tuple[int, int, str]:
    rate = f", {step.tokens_per_second:,.0f} tokens/s" if with_scores and step.tokens_per_second else ""
    return step.done, step.total, f"examples{rate}"
