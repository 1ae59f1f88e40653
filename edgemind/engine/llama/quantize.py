"""Quantizing a model file with llama.cpp, inside the jailed worker.

llama.cpp writes one file by path while it reads the other; what it says about each tensor goes to its log, and that is
where progress and the plan of a dry run come from.
Not for: where the file comes to lie and when it counts (``engine.quantize``), the matrix itself (``imatrix``).
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemind.engine.llama.bindings import LOG_WARN, C, reason, recording, set_log, start_backend
from edgemind.errors import ModelUnusable, UsageError
from edgemind.models.ggml_types import BY_NAME
from edgemind.models.quantizations import COPY, named

MOST_ROWS_BYTES = 512 << 20
"""Rows of one tensor that llama.cpp holds at once. Its own default would take a whole tensor as floats: 5 GB for the
output of a model of 8 B. The result is the same, rows are quantized one by one."""

NO_TYPE = int(C.GGML_TYPE_COUNT)
_BEGIN = re.compile(r"^\[\s*(\d+)/\s*(\d+)\] (.*?) +- \[")
_PLANNED = re.compile(r" MiB \((\w+)\)\s*$")
_FELL_BACK = re.compile(r"falling back to\s+(\w+)")
_IMATRIX_NEEDED = "will require an imatrix"


@dataclass(frozen=True)
class Job:
    """What is to be made of which file."""

    source: str
    """The file, or the first of a split model, with its siblings beside it."""
    target: str
    type: str
    """A name of ``models.quantizations``."""
    tensor_types: tuple[tuple[str, str], ...] = ()
    """``(pattern, ggml type)``; the first pattern found in a tensor's name decides."""
    output_type: str | None = None
    embedding_type: str | None = None
    allow_requantize: bool = False
    pure: bool = False
    leave_output: bool = False
    keep_split: bool = False
    threads: int = 0
    """0: one for each hardware thread."""
    notes: Mapping[str, str | int] = field(default_factory=dict)
    """Metadata to add: up to 127 bytes a text."""


@dataclass(frozen=True)
class Plan:
    """What llama.cpp would do."""

    types: dict[str, str]
    """New ggml type (upper case) of each tensor that changes, by name."""
    fallbacks: int
    """Tensors whose rows do not divide into the blocks of their type, so that they get another."""
    needs_matrix: bool


def quantize(
    job: Job,
    matrix: Mapping[str, NDArray[np.float32]] | None = None,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> int:
    """Write the quantized file.

    Args:
        matrix: mean square of each column of a tensor's inputs, ``[experts * columns]``, by tensor name.
        progress: told tensors done, tensors in all and the name of the next, before each.

    Returns:
        How many tensors fell back to another type than their mix says.

    Raises:
        UsageError: a pattern that is no regular expression.
        ModelUnusable: llama.cpp refuses, with its reason.
    """
    seen = _Seen(progress)
    _run(job, matrix, seen, dry=False)
    return seen.fallbacks


def plan(job: Job, with_matrix: bool = False) -> Plan:
    """Ask llama.cpp what it would do, tensor by tensor; nothing is written.

    Args:
        with_matrix: as if there were an importance matrix, which changes some mixes.

    Raises:
        UsageError, ModelUnusable: as ``quantize``.
    """
    seen = _Seen(lambda *_: None)
    matrix = {"": np.zeros(1, np.float32)} if with_matrix else None
    _run(job, matrix, seen, dry=True)
    return Plan(seen.types, seen.fallbacks, seen.needs_matrix)


class _Seen:
    """llama.cpp's log, line by line, although it comes in pieces."""

    def __init__(self, progress: Callable[[int, int, str], None]) -> None:
        self._progress = progress
        self._line = ""
        self._name = ""
        self.types: dict[str, str] = {}
        self.fallbacks = 0
        self.needs_matrix = False

    def take(self, level: int, text: str) -> None:
        if level >= LOG_WARN:
            self.fallbacks += bool(_FELL_BACK.search(text))
            self.needs_matrix |= _IMATRIX_NEEDED in text
            return
        begun = _BEGIN.match(text)
        if begun:
            self._name = begun[3]
            self._progress(int(begun[1]) - 1, int(begun[2]), self._name)
        self._line = text if begun else self._line + text
        if self._line.endswith("\n"):
            planned = _PLANNED.search(self._line)
            if planned and self._name:
                self.types[self._name] = planned[1].upper()
            self._line = ""


def _run(job: Job, matrix: Mapping[str, NDArray[np.float32]] | None, seen: _Seen, *, dry: bool) -> None:
    start_backend()
    params = _params(job)
    params.dry_run = dry
    kept = _attach(params, job, matrix)
    with recording() as lines, _listening(seen):
        code = C.llama_model_quantize(_path(job.source), _path(job.target), ctypes.byref(params))
    del kept
    if code:
        raise _refused(job, lines)


def _params(job: Job) -> Any:
    params = C.llama_model_quantize_default_params()
    kind = named(job.type)
    params.only_copy = kind.name == COPY
    params.ftype = kind.number
    params.nthread = job.threads
    params.allow_requantize = job.allow_requantize
    params.quantize_output_tensor = not job.leave_output
    params.pure = job.pure
    params.keep_split = job.keep_split
    params.max_buf_size = MOST_ROWS_BYTES
    params.output_tensor_type = _number(job.output_type)
    params.token_embedding_type = _number(job.embedding_type)
    return params


def _attach(params: Any, job: Job, matrix: Mapping[str, NDArray[np.float32]] | None) -> list[Any]:
    """The arrays behind the pointers of ``params``; they must live as long as the call."""
    kept: list[Any] = []
    if job.tensor_types:
        rows = [(pattern.lower().encode(), _number(kind)) for pattern, kind in job.tensor_types]
        overrides = (C.llama_model_tensor_override * (len(rows) + 1))(*rows, (None, NO_TYPE))
        params.tt_overrides = ctypes.cast(overrides, type(params.tt_overrides))
        kept += [rows, overrides]
    if matrix is not None:
        float_p = ctypes.POINTER(ctypes.c_float)
        entries = [(name.encode(), np.ascontiguousarray(values, np.float32)) for name, values in matrix.items()]
        table = (C.llama_model_imatrix_data * (len(entries) + 1))()
        for row, (name, values) in zip(table, entries, strict=False):
            row.name, row.data, row.size = name, values.ctypes.data_as(float_p), values.size
        params.imatrix = ctypes.cast(table, type(params.imatrix))
        kept += [entries, table]
    if job.notes:
        values_table = (C.llama_model_kv_override * (len(job.notes) + 1))()
        for row, (key, value) in zip(values_table, job.notes.items(), strict=False):
            row.key = key.encode()[:127]
            if isinstance(value, int):
                row.tag, row.value.val_i64 = C.LLAMA_KV_OVERRIDE_TYPE_INT, value
            else:
                row.tag, row.value.val_str = C.LLAMA_KV_OVERRIDE_TYPE_STR, _short(value)
        params.kv_overrides = ctypes.cast(values_table, type(params.kv_overrides))
        kept.append(values_table)
    return kept


@contextlib.contextmanager
def _listening(seen: _Seen) -> Iterator[None]:
    """Send the log to ``seen`` for the length of a call."""
    before = set_log(seen.take)
    try:
        yield
    finally:
        set_log(before)


def _refused(job: Job, lines: list[str]) -> UsageError | ModelUnusable:
    why = reason([line for line in lines if "====" not in line]).removeprefix("failed to quantize: ").rstrip(". \n!")
    name = os.path.basename(job.source)
    if "regex" in why.lower() or "Unexpected" in why or "Mismatched" in why:
        return UsageError(
            f"A pattern of --tensor-type is no regular expression: {why}.", "Try: --tensor-type attn_v=q8_0"
        )
    if "validation failed" in why or "invalid data" in why:
        return ModelUnusable(f"{name} has weights that are no finite numbers.", "Make or fetch the model again.")
    if "imatrix" in why or "importance matrix" in why:
        return UsageError(
            f"{job.type} needs an importance matrix for every tensor: {why}.", "Add --imatrix auto, or take Q2_K."
        )
    return ModelUnusable(f"llama.cpp cannot quantize {name}: {why}.", "Try another type, or make the source again.")


def _number(name: str | None) -> int:
    return NO_TYPE if name is None else BY_NAME[name.lower()].number


def _short(text: str) -> bytes:
    """At most 127 bytes of UTF-8 that end with a whole character."""
    return text.encode("utf-8", "replace")[:127].decode("utf-8", "ignore").encode()


def _path(path: str) -> bytes:
    return path.encode() if os.name == "nt" else os.fsencode(path)
