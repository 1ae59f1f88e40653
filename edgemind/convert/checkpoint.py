"""A Hugging Face checkpoint as a folder on this disk: its configuration, and its weights read piece by piece.

Safetensors are read by hand: a table with limits, then plain reads of the rows that are wanted, so memory stays small
and a file that is cut short is an error and not a signal. Nothing of a checkpoint is run: pickles are refused.
Format: https://github.com/huggingface/safetensors#format. Not for: what the weights mean (``families``).
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edgemind.errors import BadInput, ModelNotFound
from edgemind.models.opening import shown

MOST_JSON = 64 << 20
"""A tokenizer of 262,144 tokens has 33 MB."""

MOST_TABLE = 100 << 20
"""The limit of the format's own reader."""

PIECE = 16 << 20
"""Bytes of a tensor that are read at once."""

NUMBERS: dict[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}
"""What weights may be stored as; numpy has no bfloat16, so its bits come as whole numbers."""

NONSENSE = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError)
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
INDEX = "model.safetensors.index.json"
AGAIN = "Copy or save the checkpoint again; `model.save_pretrained(DIR)` writes everything that is needed."


@dataclass(frozen=True)
class Weight:
    """One tensor of the checkpoint. ``shape`` as in PyTorch: a row is an output."""

    name: str
    file: Path
    type: str
    """The format's word for it. Buffers may be something else than ``NUMBERS``, and are not read."""
    shape: tuple[int, ...]
    offset: int
    """In the file, in bytes."""

    @property
    def row_bytes(self) -> int:
        return NUMBERS[self.type].itemsize * math.prod(self.shape[1:])

    def check(self) -> None:
        """Refuse what is no plain number.

        Raises:
            BadInput: it is a quantized weight, or none at all.
        """
        if self.type not in NUMBERS:
            raise BadInput(
                f"The tensor {self.name} is stored as {self.type}, which holds no plain weights.",
                "A quantized checkpoint cannot be converted: take the original in bfloat16 or float16.",
            )

    def pieces(self) -> Iterator[NDArray[Any]]:
        """Consecutive rows, some megabytes at once, in the stored number type.

        Raises:
            BadInput: the file became shorter, or cannot be read.
        """
        rows, size = self.shape[0], self.row_bytes
        at_once = max(1, PIECE // max(size, 1))
        with self.file.open("rb") as stream:
            for start in range(0, rows, at_once):
                yield self._read(stream.fileno(), start, min(at_once, rows - start))

    def _read(self, fd: int, start: int, rows: int) -> NDArray[Any]:
        buffer = np.empty(rows * self.row_bytes, np.uint8)
        view, done = buffer.data.cast("B"), 0
        while done < len(view):
            data = os.pread(fd, min(len(view) - done, 8 << 20), self.offset + start * self.row_bytes + done)
            if not data:
                raise BadInput(f"{shown(self.file)} ends in the middle of the tensor {self.name}.", AGAIN)
            view[done : done + len(data)] = data
            done += len(data)
        return buffer.view(NUMBERS[self.type]).reshape(rows, *self.shape[1:])


class Checkpoint:
    """The folder. Opening it reads the configuration and the tables of the tensors, no weight.

    Raises:
        ModelNotFound: there is no such folder.
        BadInput: it has no configuration, no safetensors, a shard is missing, or a table is damaged.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ModelNotFound(
                f"There is no folder {shown(folder)}.", "Name the folder that holds config.json and the weights."
            )
        self.folder = folder
        config = self.json("config.json")
        if config is None:
            raise BadInput(
                f"{shown(folder)} has no config.json, so it is no Hugging Face checkpoint.",
                "Name the folder that holds config.json and the weights.",
            )
        self.config = config
        self.weights = self._weights()

    def json(self, name: str) -> dict[str, Any] | None:
        """The object in the file of that name, or ``None`` when there is none.

        Raises:
            BadInput: it is too large or no JSON object.
        """
        text = self.text(name)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as problem:
            raise BadInput(f"{shown(self.folder / name)} is not valid JSON: {problem}.", AGAIN) from problem
        if not isinstance(value, dict):
            raise BadInput(f"{shown(self.folder / name)} holds no JSON object.", AGAIN)
        return value

    def text(self, name: str) -> str | None:
        """The text of the file of that name, or ``None`` when there is none.

        Raises:
            BadInput: it is too large or no UTF-8.
        """
        data = self.bytes(name)
        try:
            return None if data is None else data.decode("utf-8")
        except UnicodeDecodeError as problem:
            raise BadInput(f"{shown(self.folder / name)} is not UTF-8 text.", AGAIN) from problem

    def bytes(self, name: str) -> bytes | None:
        path = self.folder / name
        try:
            if not path.is_file():
                return None
            if path.stat().st_size > MOST_JSON:
                raise BadInput(f"{shown(path)} is larger than such a file can be.", AGAIN)
            return path.read_bytes()
        except OSError as problem:
            raise BadInput(
                f"{shown(path)} cannot be read: {problem.strerror}.", "Look at its permissions."
            ) from problem

    @property
    def name(self) -> str:
        """What the model is called: the folder's name, or in the cache of the Hugging Face Hub the repository's."""
        folder = self.folder.resolve()
        cache = folder.parent.parent.name
        if folder.parent.name == "snapshots" and cache.startswith("models--"):
            return cache.split("--")[-1]
        return folder.name

    def sources(self) -> list[Path]:
        """Everything in the folder that a conversion must not write over."""
        return [path for path in self.folder.iterdir() if path.is_file()]

    def files(self) -> list[Path]:
        """The files that the weights lie in, by name."""
        return sorted({weight.file for weight in self.weights.values()})

    def _weights(self) -> dict[str, Weight]:
        main = self.folder / "model.safetensors"
        if main.is_file():  # before the index, which may be left from an older save: as transformers does
            return read_table(main)
        index = self.json(INDEX)
        if index is not None:
            return self._indexed(index)
        files = sorted(self.folder.glob("*.safetensors"))
        if not files:
            raise self._none()
        found: dict[str, Weight] = {}
        for file in files:
            found.update(read_table(file))
        return found

    def _indexed(self, index: Mapping[str, Any]) -> dict[str, Weight]:
        places = index.get("weight_map")
        if not isinstance(places, dict) or not places or not all(isinstance(name, str) for name in places.values()):
            raise BadInput(f"{shown(self.folder / INDEX)} does not say which file holds which tensor.", AGAIN)
        tables: dict[str, dict[str, Weight]] = {}
        for name in sorted(set(places.values())):
            if "/" in name or "\\" in name or name.startswith(".") or not name.endswith(".safetensors"):
                raise BadInput(f"{shown(self.folder / INDEX)} names a file that is no shard: {name!r}.", AGAIN)
            if not (self.folder / name).is_file():
                raise BadInput(f"The shard {name} is missing from {shown(self.folder)}.", "Copy or download it again.")
            tables[name] = read_table(self.folder / name)
        missing = next((tensor for tensor, name in places.items() if tensor not in tables[name]), None)
        if missing is not None:
            raise BadInput(f"The shard {places[missing]} does not hold the tensor {missing}.", AGAIN)
        return {tensor: tables[name][tensor] for tensor, name in places.items()}

    def _none(self) -> BadInput:
        pickled = sorted(path.name for path in self.folder.iterdir() if path.suffix in PICKLES)
        if pickled:
            return BadInput(
                f"{shown(self.folder)} holds its weights as pickles ({pickled[0]}), which can run code when opened.",
                "Where you trust them, load them with transformers and `model.save_pretrained(DIR)`; convert that.",
            )
        return BadInput(f"{shown(self.folder)} holds no .safetensors file.", AGAIN)


@contextlib.contextmanager
def understood(what: str) -> Iterator[None]:
    """Files of a checkpoint come from anywhere: what nobody foresaw in them is one sentence too.

    Raises:
        BadInput: in place of the errors that nonsense in JSON leads to.
    """
    try:
        yield
    except (*NONSENSE, struct.error) as problem:
        raise BadInput(f"{what} cannot be understood ({type(problem).__name__}: {problem}).", AGAIN) from problem


def read_table(file: Path) -> dict[str, Weight]:
    """Where each tensor of a safetensors file lies.

    Raises:
        BadInput: the file is damaged, or holds what is no weight.
    """

    def damaged(why: str) -> BadInput:
        return BadInput(f"{shown(file)} is no whole safetensors file: {why}.", AGAIN)

    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            length = int.from_bytes(stream.read(8), "little")
            if not 2 <= length <= min(MOST_TABLE, size - 8):
                raise damaged("its table is cut short")
            table = json.loads(stream.read(length))
    except OSError as problem:
        raise BadInput(f"{shown(file)} cannot be read: {problem.strerror}.", "Look at its permissions.") from problem
    except (ValueError, RecursionError) as problem:
        raise damaged("its table is no JSON") from problem
    if not isinstance(table, dict):
        raise damaged("its table is no JSON object")
    base = 8 + length
    table.pop("__metadata__", None)
    found = {name: _weight(file, name, entry, base, size, damaged) for name, entry in table.items()}
    end = 0
    for start, stop, name in sorted((*entry["data_offsets"], name) for name, entry in table.items()):
        if start < end:
            raise damaged(f"the tensor {name} lies in the place of another")
        end = max(end, stop)
    return found


def _weight(file: Path, name: str, entry: Any, base: int, size: int, damaged: Any) -> Weight:
    entry = cast("Mapping[str, Any]", entry) if isinstance(entry, dict) else {}
    kind, shape, span = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not (isinstance(kind, str) and _whole_numbers(shape) and _whole_numbers(span) and len(span) == 2):
        raise damaged(f"the entry of {name} makes no sense")
    start, end = span
    wrong = kind in NUMBERS and end - start != math.prod(shape) * NUMBERS[kind].itemsize
    if wrong or not 0 <= start <= end <= size - base:
        raise damaged(f"the tensor {name} does not lie inside it; a download that stopped looks like this")
    return Weight(name, file, kind[:20], tuple(shape) or (1,), base + start)


def _whole_numbers(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 16
        and all(isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 1 << 48 for number in value)
    )
