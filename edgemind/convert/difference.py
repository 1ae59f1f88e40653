"""Where a GGUF file first differs from what its checkpoint would be written as: a key, or a tensor.

Not for: logits (``parity``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import gguf as writer
import numpy as np

from edgemind.convert.convert import head_of, plan
from edgemind.convert.lora import Adapter, merged
from edgemind.convert.values import Floats, Values, floats
from edgemind.models import gguf
from edgemind.models.ggml_types import BY_NAME
from edgemind.models.header import Header, Tensor

TOLERANCE = {"F32": 1e-6, "F16": 1e-3, "BF16": 8e-3, "Q8_0": 1e-2}
"""Largest difference against the largest number of a piece; other types get ``ROUGH``."""

ROUGH = 0.9
"""Of a quantized tensor: the size of its error against its own. Two bits a weight have 0.4, another tensor has 1.4."""

TEMPLATE = "tokenizer.chat_template"
GENERAL = ("general.", TEMPLATE)
"""Keys that may differ."""

SETTINGS = ("tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id")
CUT = ("tokenizer.ggml.",)


def differing_key(folder: Path, header: Header, template: str | None = None, *, tokens: bool = False) -> str:
    """The first setting of the file that is not the checkpoint's, also where neither tokens nor logits would show it:
    a number of the architecture, the tokens that begin and end, a missing chat template. Empty when there is none.

    Args:
        template: the chat template that the file was given in place of the checkpoint's; any will do without.
        tokens: how text is cut is looked at too, and before all else.

    Raises:
        BadInput: the checkpoint cannot be read.
    """
    wanted = {key: entry.value for key, entry in head_of(plan(folder, "f32", template=template)).kv_data[0].items()}
    found = header.metadata
    if wanted["general.architecture"] != found.get("general.architecture"):
        return "the key general.architecture"
    ordered = sorted(wanted, key=lambda key: not key.startswith(CUT)) if tokens else list(wanted)
    for key in ordered:
        decided = key in SETTINGS or not key.startswith(("general.", "tokenizer."))
        if not decided and not (tokens and key.startswith(CUT)):
            continue
        if key in found and not _same(found[key], wanted[key]):
            return f"the key {key}"
    if TEMPLATE in wanted and (TEMPLATE not in found or (template and found[TEMPLATE] != template)):
        return f"the key {TEMPLATE}" + ("" if TEMPLATE in found else " (missing)")
    return ""


def first_difference(folder: Path, file: Path, adapter: Adapter | None = None, template: str | None = None) -> str:
    """The first key or tensor of the file that is not what the checkpoint says; empty when all are.

    Raises:
        BadInput, ModelUnusable: one of the two cannot be read.
    """
    planned = plan(folder, "f32", template=template, merged=merged(folder, adapter) if adapter else None)
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
            measure = _difference if tensor.type in TOLERANCE else _rough_difference
            if measure(values, stream, tensor) > TOLERANCE.get(tensor.type, ROUGH):
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
    largest = 0.0
    for found, wanted in _both(values, file, tensor):
        gap = float(np.abs(found - wanted).max())
        largest = max(largest, gap / (float(np.abs(wanted).max()) + 1e-30) if np.isfinite(gap) else np.inf)
    return largest


def _rough_difference(values: Values, file: BinaryIO, tensor: Tensor) -> float:
    """The size of the whole error, against that of the tensor."""
    error = size = 0.0
    for found, wanted in _both(values, file, tensor):
        error += float(np.square(found - wanted, dtype=np.float64).sum())
        size += float(np.square(wanted, dtype=np.float64).sum())
    ratio = float(np.sqrt(error / (size + 1e-30)))
    return ratio if np.isfinite(ratio) else np.inf


def _both(values: Values, file: BinaryIO, tensor: Tensor) -> Iterator[tuple[Floats, Floats]]:
    """The same rows of the file and of the checkpoint, piece by piece; infinity where the file ends before."""
    kind = BY_NAME[tensor.type.lower()]
    columns = values.shape[-1]
    file.seek(tensor.offset)
    for piece in values.pieces():
        wanted = floats(piece, values.type)
        size = kind.bytes_for(wanted.size)
        raw = np.frombuffer(file.read(size), np.uint8)
        if len(raw) != size:
            yield np.full_like(wanted, np.inf), wanted
            return
        rows = wanted.size // columns
        found = writer.quants.dequantize(raw.reshape(rows, -1), writer.GGMLQuantizationType(kind.number))
        yield found.reshape(wanted.shape), wanted
