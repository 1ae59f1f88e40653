"""The training loop: examples to steps to a finished checkpoint folder, resumable at any moment.

One code path for a CPU, a GPU and many processes. Not for: losses (``losses``), what comes next (``batches``).
"""

from __future__ import annotations

from edgemind.distill.training.job import Observer, TrainJob, TrainResult


def train(job: TrainJob, observer: Observer) -> TrainResult:
    """Train from where ``job.directory`` stands to the recipe's last step.

    Raises:
        OutOfMemory: it does not fit; the hint names what to make smaller.
        EdgemindError: the loss is no number any more; the last good checkpoint is kept.
    """
    raise NotImplementedError
