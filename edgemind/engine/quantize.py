"""Quantizing a model: what llama.cpp would make of it, whether it fits, and the making itself, all in a jailed worker.

The worker may read the source and write one file, which has no name until it is complete, is read back, and has run.
Not for: llama.cpp's call (``llama.quantize``), the matrix (``calibration``), the store (``cli.quantize``).
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from edgemind.engine import protocol
from edgemind.engine.client import error_from
from edgemind.engine.events import Failed
from edgemind.engine.process import WorkerProcess
from edgemind.errors import ModelUnusable, OutOfMemory, UsageError, WorkerDied
from edgemind.models import fit, gguf
from edgemind.models.ggml_types import BY_NAME
from edgemind.models.header import Header
from edgemind.models.opening import shown
from edgemind.models.quantizations import BY_TYPE, COPY, HEED_NO_ROWS, NEED_ROWS, Quantization
from edgemind.models.sizes import human_bytes
from edgemind.models.splits import count_of, stem
from edgemind.models.summary import check_model, summary
from edgemind.models.unfinished import split_names

UNQUANTIZED = ("F32", "F16", "BF16", "F64")

LADDER = ("Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "IQ4_XS", "Q3_K_M", "Q2_K")
"""What ``choose`` tries, best first. More than Q8_0 is nothing that could be told from it."""
LADDER_WITH_MATRIX = (*LADDER[:-1], "IQ3_XXS", "IQ2_M", "IQ2_XXS")
CONTEXT = 4096
"""Tokens that must fit beside the weights."""
ROOM = 0.1
"""Part of the free memory that is left alone."""
PLANNED = ""
"""In place of a matrix's file: plan as if there were one."""
ALIGNMENT = 32
"""Of tensors in files that llama.cpp writes."""

Progress = Callable[[int, int], None]


class Output(Protocol):
    """Where it is written: ``unfinished.Unfinished`` or ``UnfinishedParts``."""

    @property
    def path(self) -> str: ...
    @property
    def files(self) -> Sequence[str | Path]: ...
    @property
    def targets(self) -> list[Path]: ...
    @property
    def descriptors(self) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Wish:
    """What is to be made."""

    kind: Quantization
    tensor_types: tuple[tuple[str, str], ...] = ()
    """``(pattern, ggml type)``; the first pattern found in a name decides."""
    output_type: str | None = None
    embedding_type: str | None = None
    allow_requantize: bool = False
    pure: bool = False
    leave_output: bool = False
    keep_split: bool = False
    threads: int | None = None


@dataclass(frozen=True)
class Plan:
    """What llama.cpp would make."""

    kind: Quantization
    header: Header
    """Of the file to be, as far as sizes and types go."""
    fallbacks: int
    needs_matrix: bool

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.header.size_bytes

    @property
    def bits(self) -> float:
        """Per weight."""
        return 8 * self.header.tensor_bytes / max(1, self.header.parameters)

    @property
    def heeds_matrix(self) -> bool:
        """Whether an importance matrix would change anything."""
        return self.kind.name != COPY and any(tensor.type.lower() not in HEED_NO_ROWS for tensor in self.header.tensors)


@dataclass(frozen=True)
class Choice:
    """The type that ``choose`` found, and why."""

    plan: Plan
    needed: int
    """Bytes of memory with ``context`` tokens."""
    usable: int  # bytes that may be taken
    better: Quantization | None
    """The next better one, which does not fit."""
    better_needs: int
    context: int

    @property
    def why(self) -> str:
        text = (
            f"{self.plan.kind.name}: {human_bytes(self.needed)} with {self.context:,} tokens of context, "
            f"of {human_bytes(self.usable)} that can be used"
        )
        if self.better is None:
            return f"{text}; a larger type would not answer better."
        return f"{text}; {self.better.name} would need {human_bytes(self.better_needs)}."


class Quantizer:
    """One source and one output in one worker; use it as a context manager.

    Args:
        files: of the source, in order.
        output: where it is to be written; nowhere when there will only be plans.
        matrix: the file of an importance matrix; ``PLANNED`` for plans, while there is none yet.
        descriptors: of further open files that the worker needs, for a ``matrix`` without a name.
        name: what sentences call the source; its file's name, unless given.

    Raises:
        ModelNotFound, ModelUnusable: the source is no sound model.
    """

    def __init__(
        self,
        files: Sequence[Path],
        output: Output | None = None,
        matrix: str | None = None,
        descriptors: Sequence[int] = (),
        name: str | None = None,
    ) -> None:
        self.files = [Path(os.path.abspath(file)) for file in files]
        self.header = gguf.read_headers(self.files)
        check_model(self.header)
        self._output = output
        self.name = name or shown(self.files[0].name)
        self._matrix = matrix
        self._descriptors = (*(output.descriptors if output else ()), *descriptors)
        self._inbox: queue.SimpleQueue[protocol.Reply] = queue.SimpleQueue()
        self._open = contextlib.ExitStack()
        self._worker: WorkerProcess | None = None

    def __enter__(self) -> Quantizer:
        self._source = self._open.enter_context(_siblings(self.files))
        return self

    def __exit__(self, *_: object) -> None:
        if self._worker:
            self._worker.close()
        self._open.close()

    def plan(self, wish: Wish) -> Plan:
        """What llama.cpp would make; nothing is written.

        Raises:
            UsageError: a wish that contradicts the source: it is quantized already, or there is no matrix.
            ModelUnusable: llama.cpp refuses the source.
            WorkerDied: the source made it crash.
        """
        self._check_source(wish)
        reply = self._ask(self._command(wish, dry_run=True))
        plan = Plan(wish.kind, self._planned(wish, reply.types), reply.fallbacks, reply.needs_matrix)
        if self._matrix is None and reply.needs_matrix:
            raise needs_matrix(wish)
        return plan

    def make(
        self, wish: Wish, notes: Mapping[str, str | int] | None = None, progress: Progress = lambda *_: None
    ) -> protocol.Made:
        """Have it written.

        Args:
            notes: metadata to add.
            progress: told bytes of the source done, and in all.

        Raises:
            UsageError, ModelUnusable, NoRoom, WorkerDied: as ``plan``; the disk got full.
        """
        self._check_source(wish)
        command = self._command(wish, dry_run=False).model_copy(update={"notes": dict(notes or {})})
        reply = self._ask(command, progress)
        progress(self.header.tensor_bytes, self.header.tensor_bytes)
        return reply

    def _check_source(self, wish: Wish) -> None:
        _check_wish(wish, self.header)
        if self._matrix is None and lacks_matrix(wish):
            raise needs_matrix(wish)
        if wish.kind.name == COPY or wish.allow_requantize:
            return
        kinds = {tensor.type for tensor in self.header.tensors if len(tensor.shape) > 1}
        if kinds - set(UNQUANTIZED):
            raise UsageError(
                f"{self.name} is quantized already ({summary(self.header).quantization}), and what was "
                "lost then would be lost again, and more.",
                "Start from the F32, F16 or BF16 file of this model, or add --allow-requantize.",
            )

    def _command(self, wish: Wish, *, dry_run: bool) -> protocol.Quantize:
        target = self._output.path if self._output else os.devnull
        return protocol.Quantize(
            id=1,
            parts=tuple(str(file) for file in self.files),
            source=self._source,
            target=target,
            writable=tuple(str(file) for file in self._output.files) if self._output else (),
            kind=wish.kind.name,
            tensor_types=wish.tensor_types,
            output_type=wish.output_type,
            embedding_type=wish.embedding_type,
            matrix=self._matrix,
            allow_requantize=wish.allow_requantize,
            pure=wish.pure,
            leave_output=wish.leave_output,
            keep_split=wish.keep_split,
            threads=wish.threads,
            dry_run=dry_run,
        )

    def _ask(self, command: protocol.Quantize, progress: Progress = lambda *_: None) -> protocol.Made:
        if self._worker is None:
            self._worker = WorkerProcess(self._received, self._died, self._descriptors)
        self._worker.send(command)
        while True:
            reply = self._inbox.get()
            if isinstance(reply, protocol.Making):
                progress(reply.done, reply.total)
            elif isinstance(reply, protocol.Made):
                return reply
            elif isinstance(reply, Failed):
                raise error_from(reply.model_copy(update={"message": self._in_words(reply.message)}))

    def _in_words(self, message: str) -> str:
        """The source's name, and where the output will be, in place of what the worker calls them."""
        message = message.replace(os.path.basename(self._source), self.name)
        if self._output:
            folder = shown(self._output.targets[0].parent)
            for file in self._output.files:
                message = message.replace(str(file), folder)
        return message

    def _received(self, _: WorkerProcess, __: int, reply: protocol.Reply) -> None:
        self._inbox.put(reply)

    def _died(self, _: WorkerProcess, problem: WorkerDied) -> None:
        self._worker = None
        self._inbox.put(Failed(kind=problem.kind, message=problem.message, hint=problem.hint))

    def _planned(self, wish: Wish, types: Mapping[str, str]) -> Header:
        tensors = []
        padded = 0
        for tensor in self.header.tensors:
            kind = BY_NAME[types.get(tensor.name, tensor.type).lower()]
            size = kind.bytes_for(tensor.elements)
            tensors.append(replace(tensor, type=kind.name, size=size))
            padded += size + -size % ALIGNMENT
        return replace(
            self.header,
            tensors=tuple(tensors),
            by_name={tensor.name: tensor for tensor in tensors},
            size_bytes=self.header.data_offset + padded,
            metadata={**self.header.metadata, "general.file_type": wish.kind.number},
        )


def _check_wish(wish: Wish, header: Header) -> None:
    """Refuse what llama.cpp would pass over in silence.

    Raises:
        UsageError: a pattern that no matrix has in its name; a copy that is to be changed; an output matrix that is to
            stay as it is and to become something else.
    """
    if wish.kind.name == COPY and (wish.tensor_types or wish.output_type or wish.embedding_type or wish.pure):
        raise UsageError("COPY changes no tensor's type.", "Name a type, or leave the types of single tensors out.")
    if wish.leave_output and wish.output_type:
        raise UsageError(
            "The output matrix cannot both stay as it is and become another type.",
            "Leave out --leave-output-tensor, or --output-type.",
        )
    names = [tensor.name for tensor in header.tensors if len(tensor.shape) > 1]
    for pattern, _ in wish.tensor_types:
        try:
            found = any(re.search(pattern, name, re.IGNORECASE) for name in names)
        except re.error:
            continue  # llama.cpp says what is wrong with it
        if not found:
            raise UsageError(
                f"No matrix of this model has {shown(pattern)!r} in its name.",
                f"Their names are like: {', '.join(_examples(names))}.",
            )


def _examples(names: Sequence[str]) -> list[str]:
    """The names of one layer, and of what is in none."""
    layer = next((name.split(".")[1] for name in names if name.startswith("blk.")), "")
    return [
        name.removesuffix(".weight") for name in names if name.split(".")[:2] == ["blk", layer] or "blk." not in name
    ]


def lacks_matrix(wish: Wish) -> bool:
    """Whether a wish cannot be met without an importance matrix, as far as its words say."""
    asked = {kind for _, kind in wish.tensor_types}
    return wish.kind.needs_matrix or bool(asked & set(NEED_ROWS))


def needs_matrix(wish: Wish) -> UsageError:
    """What to say then."""
    return UsageError(
        f"{wish.kind.name} needs an importance matrix: with so few bits llama.cpp must know which columns matter.",
        "Add --imatrix auto, or --imatrix FILE; or take Q2_K, which needs none.",
    )


def choose(quantizer: Quantizer, wish: Wish, free: int, *, with_matrix: bool) -> Choice:
    """The best type whose weights fit into memory beside a context.

    Args:
        wish: everything but its ``kind``.
        free: bytes of memory.
        with_matrix: there is an importance matrix, so that the smallest types are open too.

    Raises:
        OutOfMemory: not even the smallest fits; the message has the numbers.
    """
    better: Quantization | None = None
    needs, usable = 0, int(free * (1 - ROOM))
    for name in LADDER_WITH_MATRIX if with_matrix else LADDER:
        plan = quantizer.plan(replace(wish, kind=BY_TYPE[name]))
        context = min(CONTEXT, summary(plan.header).context_trained or CONTEXT)
        needed = fit.estimate(plan.header, n_ctx=context).total
        if needed <= usable:
            return Choice(plan, needed, usable, better, needs, context)
        better, needs = plan.kind, needed
    raise OutOfMemory(
        f"Even {name} of this model needs {human_bytes(needs)} with {context:,} tokens of context, and "
        f"{human_bytes(usable)} can be used.",
        "Take a smaller model."
        if with_matrix
        else "Add --imatrix auto, which opens smaller types, or take a smaller model.",
    )


def check_result(source: Header, files: Sequence[str | Path], descriptors: Sequence[int] = ()) -> Header:
    """Read the new file back and let it write two tokens.

    Raises:
        ModelUnusable: it does not hold the source's tensors, or does not run.
    """
    from edgemind.engine.smoke import smoke

    again = "Try another type; if that does not help, report it with the name of the model."
    made = gguf.read_headers(list(files))
    before = {tensor.name: tensor.shape for tensor in source.tensors}
    if {tensor.name: tensor.shape for tensor in made.tensors} != before:
        raise ModelUnusable("llama.cpp left tensors out of the file it wrote.", again)
    seen = smoke([Path(file) for file in files], name="The quantized model", descriptors=descriptors)
    if not seen.ok and not seen.does_not_fit_now:
        raise ModelUnusable(f"The quantized model does not run: {seen.sentence}", again)
    return made


@contextlib.contextmanager
def _siblings(files: Sequence[Path]) -> Iterator[str]:
    """The path of the first file with the others beside it, named as llama.cpp looks for them: for parts in a store,
    links in a folder for the moment."""
    names = split_names(stem(files[0]), len(files))
    if len(files) == 1 or [file.name for file in files] == names:
        yield str(files[0])
        return
    with tempfile.TemporaryDirectory(prefix="edgemind-") as folder:
        links = [Path(folder) / name for name in split_names("model", len(files))]
        for link, file in zip(links, files, strict=True):
            link.symlink_to(file)
        yield str(links[0])


def part_count(header: Header) -> int:
    """Files of the source; 1 for a whole one."""
    return count_of(header) or 1
