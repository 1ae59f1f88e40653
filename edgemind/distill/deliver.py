"""A trained checkpoint's folder made a model that runs: converted, proven, quantized; in the store or as a file.

Not for: the steps themselves (``convert.making``), the model's card (``model_card``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemind.engine.production import Stages


@dataclass(frozen=True)
class About:
    """What a file says of itself.

    Attributes:
        provenance: plain facts; ``edgemind.KEY`` in the file, and notes of the model in the store.
    """

    name: str
    description: str = ""
    author: str = ""
    licence: str = ""
    provenance: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Delivered:
    """What was made.

    Attributes:
        name: in the store; ``None`` for a file.
        parity: how it was compared with the checkpoint, in a sentence.
    """

    path: Path
    name: str | None
    size: int
    type: str
    sha256: str
    parity: str


def gguf_of(folder: Path, path: Path, *, type: str = "f16") -> Path:
    """A plain GGUF file of a checkpoint, not quantized and not proven: to be evaluated. One that is there is replaced."""
    raise NotImplementedError


def deliver_file(
    folder: Path, path: Path, quantization: str, about: About, stages: Stages, *, force: bool = True
) -> Delivered:
    """Write a GGUF file.

    Raises:
        EdgemindError: one sentence; nothing is left then.
    """
    raise NotImplementedError


def deliver_to_store(
    folder: Path, name: str, quantization: str, about: About, stages: Stages, *, run: str, command: str = ""
) -> Delivered:
    """Make it a model of the store. A model of this name is replaced only when it came from the same ``run``.

    Args:
        run: what tells this distillation from others, such as the recipe's name and the run directory.

    Raises:
        UsageError: another model has this name.
        EdgemindError: one sentence; nothing is left then.
    """
    raise NotImplementedError
