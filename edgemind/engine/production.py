"""From one model to a quantized one, from the first check to the name: plan, room, matrix, making, reading back.

Everything that can be known to be wrong is found before anything long begins. The result is a file, or a model in the
store. Not for: what the words on a command line mean (``cli.quantize``), the single steps (``quantize``,
``calibration``).
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Protocol

from edgemind import __version__
from edgemind.engine import calibration, quantize
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.engine.quantize import PLANNED, Choice, Plan, Quantizer, Wish
from edgemind.errors import UsageError
from edgemind.models import hardware, imatrix
from edgemind.models.header import Header
from edgemind.models.names import ModelFile
from edgemind.models.quantizations import named
from edgemind.models.splits import stem
from edgemind.models.store.files import explained
from edgemind.models.unfinished import Unfinished, UnfinishedParts, check_room, check_target, split_names

SPARE = 1 << 20
"""Bytes that a file may be longer than planned: its notes."""

FLOAT_ENDINGS = ("-f32", "-f16", "-bf16", "-fp16", ".f32", ".f16", ".bf16")


class Stages(Protocol):
    """Who is told what is being done."""

    def begin(self, what: str, unit: Literal["bytes", "pieces"] = "bytes") -> None: ...
    def __call__(self, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Order:
    """What is asked for."""

    source: ModelFile
    wish: Wish
    auto: bool = False
    """Choose ``wish.kind`` by this machine's memory."""
    matrix: Path | None = None
    """A file of an importance matrix."""
    calibrate: bool = False
    """Compute one."""
    text: str = ""
    """What it is computed from."""
    dataset: str = ""
    """The text's name."""
    chunks: int | None = None
    output: Path | None = None
    """The file to be, or what its name begins with when it is split."""
    name: str | None = None
    """The model to be, in the store."""
    force: bool = False
    """Replace a file that is there."""
    command: str = ""
    """What was typed, for the record."""


@dataclass(frozen=True)
class Product:
    """What was made."""

    files: tuple[Path, ...]
    name: str | None
    plan: Plan
    size: int
    """Bytes."""
    source_size: int
    seconds: float
    """Of quantizing alone."""
    choice: Choice | None = None
    without_matrix: tuple[str, ...] = ()
    matrix_used: bool = False


def plan(order: Order) -> tuple[Plan, Choice | None]:
    """What would be made, and why that type if it was to be chosen; nothing is written.

    Raises:
        EdgemindError: as ``quantize.Quantizer.plan`` and ``quantize.choose``.
    """
    has_matrix = order.matrix is not None or order.calibrate
    with Quantizer(order.source.files, matrix=PLANNED if has_matrix else None, name=order.source.name) as planner:
        if not order.auto:
            return planner.plan(order.wish), None
        free = hardware.machine().available_ram
        choice = quantize.choose(planner, order.wish, free, with_matrix=has_matrix)
        return choice.plan, choice


def produce(order: Order, stages: Stages) -> Product:
    """Make it.

    Raises:
        EdgemindError: one sentence for each thing that can be in the way; nothing is left then.
    """
    if order.matrix is not None:
        imatrix.read(order.matrix)
    planned, choice = plan(order)
    if not planned.heeds_matrix:
        order = replace(order, matrix=None, calibrate=False)
    wish = replace(order.wish, kind=planned.kind)
    destination = _destination(order, planned, wish)
    with contextlib.ExitStack() as opened:
        output = destination.open(opened, planned)
        matrix, descriptors = _matrix(order, opened, stages)
        with Quantizer(order.source.files, output, matrix, descriptors, order.source.name) as quantizer:
            stages.begin(f"quantizing to {wish.kind.name}")
            began = time.perf_counter()
            made = quantizer.make(wish, _metadata(order, matrix), stages)
            seconds = time.perf_counter() - began
            source = quantizer.header
        stages.begin("trying it", "pieces")
        header = quantize.check_result(source, output.files, output.descriptors)
        files = destination.publish(output, order, wish, stages)
        return Product(
            files=tuple(files),
            name=destination.name,
            plan=replace(planned, header=header),
            size=header.size_bytes,
            source_size=source.size_bytes,
            seconds=seconds,
            choice=choice,
            without_matrix=made.without_matrix,
            matrix_used=matrix is not None,
        )


def options(files: tuple[Path, ...], threads: int | None) -> LoadOptions:
    """How a model is opened to be read with, not talked to."""
    parts = tuple(str(file) for file in files)
    return LoadOptions(
        path=parts[0],
        parts=parts if len(parts) > 1 else (),
        context=max(256, calibration.CHUNK),
        sequences=1,
        threads=threads,
    )


def matrix_of(
    files: tuple[Path, ...], text: str, dataset: str, stages: Stages, *, chunks: int | None, threads: int | None
) -> imatrix.Matrix:
    """Compute an importance matrix.

    Raises:
        BadInput: the text is too short.
        EdgemindError: the model.
    """
    stages.begin("opening the model", "pieces")
    with Engine(options(files, threads)) as engine:
        engine.wait_loaded()
        stages.begin("reading the calibration text", "pieces")
        return calibration.compute(engine, text, chunks=chunks, dataset=dataset, progress=stages)


def model_name(source: ModelFile, kind: str) -> str:
    """``qwen3-0.6b-f16`` and ``Q4_K_M`` give ``qwen3-0.6b-q4_k_m``."""
    base = source.name.lower()
    for ending in FLOAT_ENDINGS:
        base = base.removesuffix(ending)
    return f"{base}-{kind.lower()}"


def _matrix(order: Order, opened: contextlib.ExitStack, stages: Stages) -> tuple[str | None, tuple[int, ...]]:
    """The matrix's path for the worker, and the descriptors it takes."""
    if order.matrix is not None:
        return os.path.abspath(order.matrix), ()
    if not order.calibrate:
        return None, ()
    place = opened.enter_context(
        matrix_file(Path(tempfile.gettempdir()) / "edgemind-matrix.gguf", order.source.header, mode=0o600)
    )
    matrix = matrix_of(
        order.source.files, order.text, order.dataset, stages, chunks=order.chunks, threads=order.wish.threads
    )
    place.write(matrix)
    return place.output.path, place.output.descriptors


def _metadata(order: Order, matrix: str | None) -> dict[str, str | int]:
    """What llama.cpp's tool notes of a matrix; of paths only the last part."""
    if matrix is None:
        return {}
    read = imatrix.read(matrix)
    name = order.matrix.name if order.matrix else "computed while quantizing"
    notes: dict[str, str | int] = {"quantize.imatrix.file": name}
    if read.datasets:
        notes["quantize.imatrix.dataset"] = Path(read.datasets[0]).name
    notes["quantize.imatrix.entries_count"] = len(read.entries)
    if read.chunks:
        notes["quantize.imatrix.chunks_count"] = read.chunks
    return notes


class _ToFile:
    """The result is a file where the user wants it."""

    name = None

    def __init__(self, target: Path, force: bool, parts: int) -> None:
        self._target = target
        self._force = force
        self._parts = parts

    def open(self, opened: contextlib.ExitStack, planned: Plan) -> Unfinished | UnfinishedParts:
        check_room(self._target.parent, planned.size + SPARE)
        if self._parts > 1:
            return opened.enter_context(UnfinishedParts(self._target, self._parts))
        return opened.enter_context(Unfinished(self._target))

    def publish(self, output: Unfinished | UnfinishedParts, order: Order, wish: Wish, stages: Stages) -> list[Path]:
        output.publish(replace=self._force)
        return output.targets


class _ToStore:
    """The result is a model in the user's store."""

    def __init__(self, name: str, parts: int) -> None:
        from edgemind.models.store.made import check_name
        from edgemind.models.store.store import own_store

        self.name = name
        self._parts = parts
        self._store = own_store()
        check_name(self._store, name)

    def open(self, opened: contextlib.ExitStack, planned: Plan) -> Unfinished | UnfinishedParts:
        from edgemind.models.store.made import MadeModel

        self._made = opened.enter_context(MadeModel(self._store, self.name, self._parts))
        check_room(self._store.root, planned.size + SPARE)
        if self._parts > 1:
            return opened.enter_context(UnfinishedParts(self._made.target, self._parts))
        return opened.enter_context(Unfinished(self._made.target, mode=0o600))

    def publish(self, output: Unfinished | UnfinishedParts, order: Order, wish: Wish, stages: Stages) -> list[Path]:
        notes = _provenance(order, wish, stages)
        output.publish()
        stages.begin("hashing")
        manifest = self._made.finish(notes, progress=stages)
        return list(self._store.files(manifest))


def _destination(order: Order, planned: Plan, wish: Wish) -> _ToFile | _ToStore:
    """Where it goes: the file or name that was asked for, else like the source, in the store or beside it."""
    parts = quantize.part_count(planned.header) if wish.keep_split else 1
    if order.output is None and (order.name or order.source.manifest or order.source.installed):
        return _ToStore(order.name or model_name(order.source, wish.kind.name), parts)
    target = order.output
    if target is None:
        first = order.source.files[0]
        ending = "" if parts > 1 else ".gguf"
        target = Path(os.path.abspath(first)).with_name(f"{stem(first)}-{wish.kind.name}{ending}")
    target = Path(os.path.abspath(target))
    if parts > 1 and target.suffix.lower() == ".gguf":
        target = target.with_suffix("")
    targets = [target.with_name(name) for name in split_names(target.name, parts)] if parts > 1 else [target]
    for one in targets:
        check_target(one, list(order.source.files), replace=order.force)
    return _ToFile(target, order.force, parts)


def _provenance(order: Order, wish: Wish, stages: Stages) -> Mapping[str, str]:
    from edgemind.models.store.made import digest_of

    if order.source.manifest:
        digests = [file.sha256 for file in order.source.manifest.files]
    else:
        stages.begin("hashing the source")
        digests = digest_of(list(order.source.files), stages)
    notes = {
        "made": f"quantized to {wish.kind.name}",
        "from": order.source.name,
        "from sha256": " ".join(digests)[:10_000],
        "edgemind": __version__,
        "llama-cpp-python": version("llama-cpp-python"),
    }
    if order.command:
        notes["command"] = order.command
    if order.matrix or order.calibrate:
        notes["importance matrix"] = order.matrix.name if order.matrix else order.dataset or "computed"
    return notes


class MatrixFile:
    """Where a matrix will be written, kept open while it is computed, so that a bad place is found before."""

    def __init__(self, output: Unfinished, architecture: str) -> None:
        self.output = output
        self._architecture = architecture

    def write(self, matrix: imatrix.Matrix) -> None:
        """Write it, without its name.

        Raises:
            StoreProblem, NoRoom: the disk.
        """
        with explained("write the importance matrix", self.output.target.parent):
            imatrix.write(matrix, Path(self.output.path), self._architecture)

    def keep(self, matrix: imatrix.Matrix, *, force: bool) -> None:
        """Write it, and give it its name.

        Raises:
            UsageError: something has that name by now, and ``force`` is not set.
            StoreProblem, NoRoom: the disk.
        """
        self.write(matrix)
        self.output.publish(replace=force)


@contextlib.contextmanager
def matrix_file(target: Path, header: Header, mode: int = 0o666) -> Iterator[MatrixFile]:
    """A place for the matrix of a model; nothing is left there unless it is kept.

    Raises:
        StoreProblem, NoRoom: the folder cannot be written, or the disk has no room.
    """
    check_room(target.parent, imatrix.bytes_for(header))
    with Unfinished(target, mode=mode) as output:
        yield MatrixFile(output, header.architecture)


def check_kind(text: str | None, auto: bool) -> Wish:
    """The wish that a type's name, or ``--auto`` in place of it, stands for.

    Raises:
        UsageError: neither, both, or an unknown type.
    """
    if auto and text is not None:
        raise UsageError("--auto chooses the type itself.", f"Leave out {text}, or --auto.")
    if not auto and text is None:
        from edgemind.models.quantizations import ALL_TYPES

        raise UsageError("To which type?", f"Name one, for example Q4_K_M, or add --auto. {ALL_TYPES}")
    return Wish(named(text) if text is not None else named("Q8_0"))
