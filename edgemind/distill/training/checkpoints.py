"""A training's state on disk: whole or not there.

Not for: the finished model (``trainer``), checkpoints of many processes (``distributed``).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import zipfile
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

NAME, EARLIER, OLD, BROKEN = "checkpoint.pt", "checkpoint.earlier.pt", "checkpoint.old.pt", "checkpoint.damaged.pt"


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint. At any moment the newest whole one is ``path``, or beside it ``EARLIER``.

    Raises:
        NoRoom, StoreProblem: the disk.
    """
    partial = path.with_suffix(".partial")
    try:
        with explained("write a checkpoint", path.parent):
            if path.exists():
                path.with_name(EARLIER).unlink(missing_ok=True)
            try:
                with partial.open("wb") as file:
                    torch.save(state, file)
                    file.flush()
                    os.fsync(file.fileno())
            except RuntimeError as problem:
                raise _cause(problem, partial) from problem
            if path.exists():
                os.replace(path, path.with_name(EARLIER))
            os.replace(partial, path)
            sync_folder(path.parent)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def load(path: Path) -> dict[str, Any] | None:
    """The checkpoint, on the CPU; ``None`` if there is none. Every byte is checked: torch itself looks at no checksum.

    Raises:
        Damaged: it cannot be read.
    """
    if not path.exists():
        return None
    whole = False
    try:
        with zipfile.ZipFile(path) as parts:
            whole = parts.testzip() is None
        state: object = torch.load(path, map_location="cpu", weights_only=True) if whole else None
    except MemoryError:
        raise
    except Exception as problem:  # a damaged pickle may raise anything
        if "memory" in str(problem) and whole:
            raise
        raise Damaged(f"The checkpoint {shown(path)} cannot be read.", f"Begin anew: rm {shown(path)}") from problem
    if not isinstance(state, dict):
        raise Damaged(f"The checkpoint {shown(path)} is damaged.", f"Begin anew: rm {shown(path)}")
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

        A damaged checkpoint, or one of another training, gets another name and lies there unused.

        Returns:
            The facts, or ``None`` when there is no checkpoint of this training; and what is to be said about it.
        """
        state, note = self._read()
        if state is None:
            return None, note
        if state.get("identity") != identity:
            os.replace(self._path if self._path.exists() else self._path.with_name(EARLIER), self._path.with_name(OLD))
            self.remove()
            return None, another(OLD)
        with torch.no_grad():
            for name, value in state.pop("model").items():
                self._weights[name].copy_(value)
        self._optimizers.restore(state.pop("optimizers"))
        average = state.pop("average")
        if self._average is not None:
            self._average.restore(average)
        return state, note

    def remove(self) -> None:
        """Nothing is to be gone on from any more."""
        for path in (self._path, self._path.with_name(EARLIER), self._path.with_suffix(".partial")):
            path.unlink(missing_ok=True)

    def _read(self) -> tuple[dict[str, Any] | None, str]:
        """The newest checkpoint that is whole, and a note if that is not the newest."""
        note = ""
        for path in (self._path, self._path.with_name(EARLIER)):
            try:
                state = load(path)
            except Damaged:
                os.replace(path, path.with_name(BROKEN))
                note = f"The checkpoint was damaged; it is {BROKEN} now, and this training begins anew."
                continue
            if state is not None:
                if note:
                    note = f"The newest checkpoint was damaged; it is {BROKEN} now, and this training goes on from "
                    note += f"the one before, of step {state.get('step')}."
                return state, note
        return None, note


def another(name: str) -> str:
    """What is said of a checkpoint that is not this training's."""
    return f"A checkpoint of another training was there; it is {name} now, and this one begins anew."


def publish_folder(target: Path, fill: Callable[[Path], None]) -> None:
    """Have a folder filled beside ``target`` and give it that name when it is whole; an older one goes away.

    Raises:
        NoRoom, StoreProblem: the disk.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        with explained(f"write {shown(target.name)}", target.parent):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            try:
                fill(partial)
            except Exception as problem:
                if type(problem).__name__ != "SafetensorError":
                    raise
                raise _cause(problem, partial / "model.safetensors") from problem
            for path in sorted(partial.rglob("*")):
                if path.is_file():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
            shutil.rmtree(target, ignore_errors=True)
            os.replace(partial, target)
            sync_folder(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk."""
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _cause(problem: Exception, partial: Path) -> Exception:
    """torch and safetensors say a full disk as errors of their own; ask the disk itself."""
    try:
        with partial.open("ab") as file:
            file.write(bytes(1 << 16))
            file.flush()
            os.fsync(file.fileno())
    except OSError as found:
        return found
    return problem
