"""A training's state on disk: whole or not there.

Not for: the finished model (``trainer``), checkpoints of many processes (``distributed``).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from edgemind.errors import Damaged
from edgemind.models.opening import shown
from edgemind.models.store.files import explained

if TYPE_CHECKING:
    from edgemind.distill.training.ema import Average
    from edgemind.distill.training.optimizers import Optimizers

NAME = "checkpoint.pt"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, leaving either the old one or the whole new one.

    Raises:
        NoRoom, StoreProblem: the disk.
    """
    partial = path.with_suffix(".partial")
    try:
        with explained("write a checkpoint", path.parent):
            try:
                with partial.open("wb") as file:
                    torch.save(state, file)
                    file.flush()
                    os.fsync(file.fileno())
            except RuntimeError as problem:
                raise _cause(problem, partial) from problem
            os.replace(partial, path)
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint, on the CPU; ``None`` if there is none.

    Raises:
        Damaged: it cannot be read.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as problem:
        raise Damaged(f"The checkpoint {shown(path)} cannot be read.", f"Begin anew: rm {shown(path)}") from problem
    return state


class FileKeeper:
    """Checkpoints of one process: one file."""

    def __init__(self, directory: Path, network: nn.Module, optimizers: Optimizers, average: Average | None) -> None:
        self._path = directory / NAME
        self._optimizers, self._average = optimizers, average
        self._weights = {name: p for name, p in network.named_parameters() if p.requires_grad}

    def save(self, facts: dict[str, Any]) -> None:
        """Write a checkpoint.

        Args:
            facts: all that is no weight: counts and places.

        Raises:
            NoRoom, StoreProblem: the disk.
        """
        tensors = {
            "model": {name: p.detach() for name, p in self._weights.items()},
            "optimizers": self._optimizers.state(),
            "average": self._average.values if self._average else None,
        }
        save(self._path, {**facts, **tensors})

    def load(self, identity: str) -> tuple[dict[str, Any] | None, str]:
        """Bring back weights, optimizers and average.

        Returns:
            The facts, or ``None`` when there is no checkpoint of this training; and the name that one of another
            training was given, to lie there unused.

        Raises:
            Damaged: it cannot be read.
        """
        state = load(self._path)
        if state is None:
            return None, ""
        if state.get("identity") != identity:
            aside = self._path.with_name("checkpoint.old.pt")
            os.replace(self._path, aside)
            return None, aside.name
        with torch.no_grad():
            for name, value in state.pop("model").items():
                self._weights[name].copy_(value)
        self._optimizers.restore(state.pop("optimizers"))
        average = state.pop("average")
        if self._average is not None:
            self._average.restore(average)
        return state, ""

    def remove(self) -> None:
        """Nothing is to be gone on from any more."""
        self._path.unlink(missing_ok=True)


def publish_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Have a folder filled beside ``target`` and give it that name when it is whole; an older one goes away.

    Raises:
        NoRoom, StoreProblem: the disk.
    """
    partial = target.with_name(f".{target.name}.partial")
    with explained(f"write {shown(target.name)}", target.parent):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        fill(partial)
        for path in sorted(partial.rglob("*")):
            if path.is_file():
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        shutil.rmtree(target, ignore_errors=True)
        os.replace(partial, target)
        sync_folder(target.parent)


def sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _cause(problem: RuntimeError, partial: Path) -> Exception:
    """torch says a full disk as a RuntimeError of its own writer; ask the disk itself."""
    try:
        with partial.open("ab") as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as found:
        return found
    return problem
