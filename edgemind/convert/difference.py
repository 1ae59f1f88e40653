"""Where a GGUF file first differs from what its checkpoint would be written as: a key, or a tensor.

Not for: logits (``parity``).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import gguf as writer
import numpy as np

from edgemind.convert.convert import head_of, plan
from edgemind.convert.lora import Adapter, merged
from edgemind.convert.values import Values, floats
from edgemind.models import gguf
from edgemind.models.ggml_types import BY_NAME
from edgemind.models.header import Tensor

TOLERANCE = {"F32": 1e-6, "F16": 1e-3, "BF16": 8e-3, "Q8_0": 1e-2}
"""Largest difference against the largest number of a piece; other types get ``ROUGH``."""

ROUGH = 0.5
GENERAL = ("general.", "tokenizer.chat_template")
"""Keys that may differ."""


def first_difference(folder: Path, file: Path, adapter: Adapter | None = None) -> str:
    """The first key or tensor of the file that is not what the checkpoint says; empty when all are.

    Raises:
        BadInput, ModelUnusable: one of the two cannot be read.
    """
    planned = plan(folder, "f32", merged=merged(folder, adapter) if adapter else None)
    header = gguf.read_header(file, arrays=True)
    head = head_of(planned)
    for key, value in head.kv_data[0].items():
        if key.startswith(GENERAL):
            continue
        if not _same(header.metadata.get(key), value.value):
            return f"the key {key}"
    with file.open("rb") as stream:
        for values, _ in planned.tensors:
            tensor = header.by_name.get(values.name)
            if tensor is None:
                return f"the tensor {values.name} (missing)"
            if tensor.shape != tuple(reversed(values.shape)):
                return f"the tensor {values.name} (its shape)"
            if _difference(values, stream, tensor) > TOLERANCE.get(tensor.type, ROUGH):
                return f"the tensor {values.name}, from {values.source or 'the configuration'}"
    return ""


def _same(found: object, wanted: object) -> bool:
    if isinstance(wanted, list | tuple):
        return (
            isinstance(found, tuple)
            and list(found)
            == [int(each) if isinstance(each, int) and not isinstance(each, bool) else each for each in wanted]
        ) or _near(found, wanted)
    if isinstance(wanted, float):
        return isinstance(found, float) and bool(np.isclose(found, wanted, rtol=1e-6))
    return found == wanted


def _near(found: object, wanted: object) -> bool:
    try:
        return bool(np.allclose(np.array(found, np.float64), np.array(wanted, np.float64), rtol=1e-6))
    except (ValueError, TypeError):
        return False


def _difference(values: Values, file: BinaryIO, tensor: Tensor) -> float:
    """The largest difference of a number, against the largest number of its piece."""
    kind = BY_NAME[tensor.type.lower()]
    columns = values.shape[-1]
    file.seek(tensor.offset)
    largest = 0.0
    for piece in values.pieces():
        wanted = floats(piece, values.type)
        size = kind.bytes_for(wanted.size)
        raw = np.frombuffer(file.read(size), np.uint8)
        if len(raw) != size:
            return np.inf
        rows = wanted.size // columns
        found = writer.quants.dequantize(raw.reshape(rows, -1), writer.GGMLQuantizationType(kind.number))
        gap = float(np.abs(found.reshape(wanted.shape) - wanted).max())
        largest = max(largest, gap / (float(np.abs(wanted).max()) + 1e-30) if np.isfinite(gap) else np.inf)
    return largest
