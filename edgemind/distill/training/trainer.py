"""The training loop: examples to steps to a finished checkpoint folder, resumable at any moment.

A directory holds ``checkpoint.pt`` while it runs, ``log.jsonl``, and in the end ``model/`` (``adapter/`` for LoRA) and
``result.json``. Not for: losses (``losses``), what comes next (``batches``), the parts of a run (``state``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from edgemind.distill.training import schedule
from edgemind.distill.training.job import Observer, StepFigures, TrainJob, TrainResult
from edgemind.distill.training.state import Run, Work
from edgemind.errors import EdgemindError, OutOfMemory

SMOOTH = 20
"""Steps over which the time left is estimated."""


def train(job: TrainJob, observer: Observer) -> TrainResult:
    """Train from where ``job.directory`` stands to the recipe's last step.

    Raises:
        OutOfMemory: it does not fit; the hint names what to make smaller.
        EdgemindError: the loss is no number any more; the last good checkpoint is kept.
        UsageError: the recipe asks for what these files cannot do.
    """
    with _explained(job):
        run = Run(job, observer)
        done = run.finished()
        if done is not None:
            return done
        try:
            _loop(run, observer)
            return run.finish()
        finally:
            run.close()


def _loop(run: Run, observer: Observer) -> None:
    """All steps that are left."""
    recent: list[float] = []
    observer.on_phase("train")
    run.before_first_step()
    for work in run.works():
        started = time.monotonic()
        sums = torch.zeros(3, dtype=torch.float64)
        for portion in work.portions:
            part = run.learner.backward(portion.batch, portion.mix, portion.scale * run.processes.world, portion.online)
            sums += torch.stack((part.loss * portion.scale, part.cross_entropy, part.divergence)).cpu()
        sums = run.processes.summed(sums, run.where)
        _check_finite(run, float(sums[0]), "loss")
        norm = float(run.optimizers.clip(run.job.recipe.clip))
        _check_finite(run, norm, "gradient")
        share = schedule.share(run.step, run.steps, run.job.recipe)
        run.optimizers.step(share, run.learner.network.head)
        run.advance(work, time.monotonic() - started + run.just_waited())
        recent = [*recent[1 - SMOOTH :], run.last_seconds]
        figures = _figures(run, work, sums.tolist(), share, norm, sum(recent) / len(recent))
        run.log.step(figures)
        observer.on_step(figures)
        run.after_step(figures)


def _figures(run: Run, work: Work, sums: list[float], share: float, norm: float, each: float) -> StepFigures:
    count = max(1, work.learned)
    return StepFigures(
        step=run.step,
        steps=run.steps,
        loss=sums[0],
        cross_entropy=sums[1] / count,
        divergence=sums[2] / work.taught if work.taught else None,
        tokens=run.tokens,
        learned=run.learned,
        rate=work.read / max(run.last_seconds, 1e-9),
        learning_rate=run.optimizers.rate * share,
        norm=norm,
        seconds=run.seconds,
        left=each * (run.steps - run.step),
        busy=run.busy,
    )


def _check_finite(run: Run, value: float, what: str) -> None:
    if math.isfinite(value):
        return
    kept = f"the checkpoint of step {run.saved} is kept" if run.saved else "nothing was saved before"
    recipe = run.job.recipe
    smaller = f"training.rate (it is {recipe.rates[0]:g}; try {recipe.rates[0] / 3:.1g})"
    also = ', or say training.precision = "fp32"' if recipe.precision == "bf16" else ""
    raise EdgemindError(
        f"The {what} is no number at step {run.step + 1} of {run.steps} ({value}); {kept}.",
        f"Make {smaller} smaller in the recipe{also}, then run the same command again.",
    )


@contextmanager
def _explained(job: TrainJob) -> Iterator[None]:
    """Too little memory as one sentence, with the knobs that help."""
    try:
        yield
    except (MemoryError, RuntimeError) as problem:
        text = str(problem)
        short = isinstance(problem, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text
        if not short:
            raise
        recipe = job.recipe
        half = max(16, recipe.batch_tokens // 2)
        raise OutOfMemory(
            f"There is not enough memory to train on {recipe.batch_tokens:,} tokens at once.",
            f"Set training.batch_tokens = {half} and training.accumulate = {recipe.accumulate * 2} (same steps), or "
            "loss.chunk = 64, or training.gradient_checkpointing = true.",
        ) from problem
