"""The worker's side of quantizing: the source's header and the matrix are checked, then llama.cpp writes.

Runs in a worker that may write exactly the files it was given. Not for: making those files or giving them their names
(``quantize``), llama.cpp's call (``llama.quantize``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.engine.llama import quantize as native
from edgemind.engine.protocol import Made, Making, Quantize
from edgemind.errors import EdgemindError, ModelUnusable, StoreProblem, UsageError
from edgemind.models import gguf
from edgemind.models.header import Header
from edgemind.models.quantizations import ALWAYS_NEED_ROWS, NEED_ROWS
from edgemind.models.store.files import as_error, write_all
from edgemind.models.summary import check_model

if TYPE_CHECKING:
    from edgemind.models.imatrix import Matrix

UNWRITTEN = "iostream error"
"""What llama.cpp says when a write fails, whatever the reason."""

ONE_MORE = 1 << 16
"""Bytes whose writing shows why the last ones could not be written."""

LAYERS = "blk."
"""Begins the names of tensors that a matrix has numbers for."""

FLAGS = {"token_embd.weight": "--token-embedding-type ", "output.weight": "--output-type "}
"""What gives a tensor its type; for all others it is a pattern."""

ENOUGH = 0.5
"""A matrix that covers a smaller part of the model's blocks was made from another model."""


def quantize(command: Quantize, tell: Callable[[Making], None]) -> Made:
    """Do what the command says.

    Raises:
        ModelUnusable: the source is no sound model, or llama.cpp refuses it.
        UsageError: the matrix is another model's, or is missing where one is needed.
        BadInput: the matrix file cannot be used.
    """
    header = gguf.read_headers(command.parts)
    check_model(header)
    job = _job(command)
    if command.dry_run:
        plan = native.plan(job, with_matrix=command.matrix is not None)
        if command.matrix is not None or not plan.needs_matrix:
            planned = command.matrix is not None
            check_covered(plan.types, lambda name: planned and name.startswith(LAYERS))
        return Made(types=plan.types, fallbacks=plan.fallbacks, needs_matrix=plan.needs_matrix)
    matrix = _matrix(command, header)
    check_covered(
        native.plan(job, with_matrix=matrix is not None).types, matrix.entries.__contains__ if matrix else None
    )
    sizes = {tensor.name: tensor.size for tensor in header.tensors}
    total = sum(sizes.values())
    done = 0
    before = ""

    def progress(_: int, __: int, name: str) -> None:
        nonlocal done, before
        done += sizes.get(before, 0)
        before = name
        tell(Making(done=min(done, total), total=total, tensor=name))

    means = {name: entry.mean() for name, entry in matrix.entries.items()} if matrix else None
    try:
        fallbacks = native.quantize(job, means, progress)
    except ModelUnusable as problem:
        if UNWRITTEN not in problem.message:
            raise
        raise _unwritten(command.writable) from problem
    return Made(fallbacks=fallbacks, without_matrix=_uncovered(header, matrix) if matrix else ())


def check_covered(types: Mapping[str, str], covered: Callable[[str], object] | None) -> None:
    """Refuse what llama.cpp would end this process over: a tensor of a type that needs numbers which are not there.

    Args:
        types: planned for each tensor, upper case.
        covered: whether there are numbers for a tensor; ``None``: there are none for any.

    Raises:
        UsageError: it names a tensor, and the flags that give other types.
    """
    bad = {name: kind for name, kind in types.items() if _needs_numbers(name, kind) and not (covered and covered(name))}
    if not bad:
        return
    name, kind = next(iter(bad.items()))
    more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
    flags = [FLAGS.get(one, f"--tensor-type {one}=") + "q4_k" for one in list(bad)[:4]]
    raise UsageError(
        f"{name}{more} would become {kind}, which needs an importance matrix with numbers for it, and there are none.",
        f"Give another type there: {' '.join(flags)}",
    )


def _needs_numbers(name: str, kind: str) -> bool:
    return kind.lower() in (NEED_ROWS if name.startswith(LAYERS) else ALWAYS_NEED_ROWS)


def _unwritten(files: Sequence[str]) -> EdgemindError:
    """llama.cpp only knows that it could not write; the same write tells why."""
    for file in files:
        try:
            fd = os.open(file, os.O_WRONLY)
            try:
                os.lseek(fd, 0, os.SEEK_END)
                write_all(fd, bytes(ONE_MORE))
            finally:
                os.close(fd)
        except OSError as problem:
            return as_error(problem, "write the quantized model", Path(file))
    return StoreProblem("The quantized model could not be written.", "Check the disk, then try again.")


def _job(command: Quantize) -> native.Job:
    return native.Job(
        source=command.source,
        target=command.target,
        type=command.kind,
        tensor_types=command.tensor_types,
        output_type=command.output_type,
        embedding_type=command.embedding_type,
        allow_requantize=command.allow_requantize,
        pure=command.pure,
        leave_output=command.leave_output,
        keep_split=command.keep_split,
        threads=command.threads or 0,
        notes=command.notes,
    )


def _matrix(command: Quantize, header: Header) -> Matrix | None:
    if command.matrix is None:
        return None
    from edgemind.models import imatrix

    matrix = imatrix.read(Path(command.matrix))
    check_matrix(matrix, header)
    return matrix


def check_matrix(matrix: Matrix, header: Header) -> None:
    """Refuse a matrix that was made from another model.

    Raises:
        UsageError: a tensor has another number of columns, or most have no entry.
    """
    hint = "Make one from this model: edgemind imatrix MODEL -o FILE"
    for name, entry in matrix.entries.items():
        tensor = header.by_name.get(name)
        if tensor is None:
            raise UsageError(f"The importance matrix is another model's: this one has no tensor {name}.", hint)
        shape = (*tensor.shape, 1, 1)
        if entry.squares.size != shape[0] * shape[2]:
            raise UsageError(
                f"The importance matrix is another model's: for {name} it has {entry.squares.size:,} numbers and the "
                f"model needs {shape[0] * shape[2]:,}.",
                hint,
            )
    blocks = _blocks(header)
    if len(_uncovered(header, matrix)) > ENOUGH * len(blocks):
        raise UsageError("The importance matrix has no numbers for most of this model's tensors.", hint)


def _blocks(header: Header) -> list[str]:
    """The matrices of the layers."""
    return [
        tensor.name
        for tensor in header.tensors
        if tensor.name.startswith("blk.")
        and tensor.name.endswith(".weight")
        and len(tensor.shape) > 1
        and "norm" not in tensor.name
    ]


def _uncovered(header: Header, matrix: Matrix) -> tuple[str, ...]:
    return tuple(name for name in _blocks(header) if name not in matrix.entries)
