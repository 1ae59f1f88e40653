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
from typing import Any

import torch

from edgemind.errors import Damaged
from edgemind.models.opening import shown
from edgemind.models.store.files import explained

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
