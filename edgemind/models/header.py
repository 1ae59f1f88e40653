"""What the header of a GGUF file says, once ``gguf.read_header`` has checked it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

Scalar = int | float | bool | str
Value = int | float | bool | str | tuple[Scalar, ...]

STRING = 8
"""GGUF's number for the value type string."""


@dataclass(frozen=True)
class ArrayInfo:
    """Where an array lies: ``count`` elements of GGUF type ``kind``, ``size`` bytes from ``offset`` in the file."""

    kind: int
    count: int
    offset: int
    size: int


@dataclass(frozen=True)
class Tensor:
    """One tensor. ``shape`` is in ggml order: the first dimension is the contiguous one."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    """In the file, in bytes."""
    size: int

    @property
    def elements(self) -> int:
        count = 1
        for dim in self.shape:
            count *= dim
        return count


@dataclass(frozen=True)
class Header:
    """Everything a GGUF file says before its tensor data."""

    path: Path
    version: int
    size_bytes: int
    """Of the whole file; of all its files for a model that is split."""
    alignment: int
    data_offset: int
    metadata: Mapping[str, Value]
    """Scalars and short arrays; with ``arrays=True`` the long ones too."""
    arrays: Mapping[str, ArrayInfo]
    """Every array, read or not."""
    tensors: tuple[Tensor, ...]
    by_name: Mapping[str, Tensor] = field(repr=False)
    parts: tuple[Path, ...] = ()
    """All files of a model that is split, in order; ``path`` is the first of them."""

    @property
    def architecture(self) -> str:
        return self.text("general.architecture") or ""

    @property
    def kind(self) -> str:
        """``model`` unless the file says ``adapter``, ``mmproj``, ``imatrix`` or the like."""
        return self.text("general.type") or "model"

    @property
    def parameters(self) -> int:
        return sum(tensor.elements for tensor in self.tensors)

    @property
    def tensor_bytes(self) -> int:
        return sum(tensor.size for tensor in self.tensors)

    def text(self, key: str) -> str | None:
        value = self.metadata.get(key)
        return value if isinstance(value, str) else None

    def number(self, key: str) -> int | None:
        """A whole number, or ``None`` when the key is absent or something else."""
        value = self.metadata.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def real(self, key: str) -> float | None:
        value = self.metadata.get(key)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    def arch(self, key: str) -> Value | None:
        """The value of ``<architecture>.<key>``."""
        return self.metadata.get(f"{self.architecture}.{key}")

    def arch_number(self, key: str) -> int | None:
        return self.number(f"{self.architecture}.{key}")
