"""What a training writes down: a JSON line for every step, and TensorBoard's events when asked for.

Not for: showing it (whoever observes the training), curves (``report``).
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from edgemind.distill.training.job import StepFigures
from edgemind.models.store.files import explained

NAME = "log.jsonl"
DIGITS = 6


class TrainingLog:
    """Appends to ``log.jsonl`` in a directory.

    Args:
        step: of the checkpoint that training goes on from; lines of later steps are of a run that was lost, and go.
        tensorboard: write its events too, to ``tensorboard/``.
        silent: write nothing, as every process but the first does.

    Attributes:
        note: why there is no TensorBoard although it was asked for.
    """

    def __init__(self, directory: Path, step: int, tensorboard: bool = False, silent: bool = False) -> None:
        self.path = directory / NAME
        self.note = ""
        self._file: IO[str] | None = None
        self._board: Any = None
        if silent:
            return
        self._cut(step)
        with explained("write the training's log", directory):
            self._file = self.path.open("a", encoding="utf-8")
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter

                self._board = SummaryWriter(str(directory / "tensorboard"), purge_step=step + 1)
            except ImportError:
                self.note = "TensorBoard is not installed, so only log.jsonl is written: pip install tensorboard"

    def step(self, figures: StepFigures) -> None:
        """One step's figures."""
        values = {
            key: round(value, DIGITS) if isinstance(value, float) else value for key, value in asdict(figures).items()
        }
        self.write(**values)
        if self._board is not None:
            for key, value in values.items():
                if key not in ("step", "steps", "left") and value is not None:
                    self._board.add_scalar(f"train/{key}", value, figures.step)

    def levels(self, step: int, tokens: int, level: int, accuracy: dict[int, tuple[int, int]]) -> None:
        """Held-out ``(right, count)`` by level."""
        self.write(
            step=step, tokens=tokens, level=level, accuracy={str(key): list(pair) for key, pair in accuracy.items()}
        )
        if self._board is not None:
            for key, (right, count) in accuracy.items():
                self._board.add_scalar(f"held_out/level_{key}", right / max(1, count), step)

    def write(self, **values: object) -> None:
        """One line."""
        if self._file is None:
            return
        with explained("write the training's log", self.path.parent):
            self._file.write(json.dumps(values) + "\n")
            self._file.flush()

    def close(self) -> None:
        """Nothing more comes."""
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            self._board.close()

    def _cut(self, step: int) -> None:
        if not self.path.exists():
            return
        kept = []
        with explained("read the training's log", self.path.parent):
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    values = json.loads(line)
                except ValueError:
                    continue
                if isinstance(values, dict) and isinstance(values.get("step"), int) and values["step"] <= step:
                    kept.append(line)
            partial = self.path.with_suffix(".partial")
            partial.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
            os.replace(partial, self.path)
