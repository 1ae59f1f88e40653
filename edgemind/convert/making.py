"""From a checkpoint to a model that can be run, from the first check to the name: convert, prove, quantize, publish.

Nothing gets a name before it is proven. Not for: the words of a command line (``cli.convert``), the single steps.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.convert.checkpoint import Checkpoint
from edgemind.convert.convert import Converted, convert, head_of, plan, provenance
from edgemind.convert.lora import Adapter, convert_adapter, merged, read_adapter
from edgemind.convert.parity import Parity, verify
from edgemind.convert.write import fill
from edgemind.engine.production import Stages
from edgemind.errors import ModelUnusable, OutOfMemory, UsageError, WorkerDied
from edgemind.models.unfinished import Unfinished, check_target

if TYPE_CHECKING:
    from edgemind.engine.quantize import Wish


__all__ = ["Made", "Order", "convert", "make"]


@dataclass(frozen=True)
class Order:
    """What is asked for."""

    folder: Path
    type: str | None = None
    """``None``: f16 for a model, f32 for an adapter."""
    output: Path | None = None
    name: str | None = None
    """Of a model in the store, in place of a file."""
    quantize: str | None = None
    lora: Path | None = None
    merge: bool = False
    """Add the adapter to the weights, instead of writing it alone."""
    prove: bool = True
    template: str | None = None
    """A chat template in place of the checkpoint's."""
    force: bool = False
    threads: int | None = None
    command: str = ""
    """What was typed, for the record."""


@dataclass(frozen=True)
class Made:
    """What was made."""

    converted: Converted
    parity: Parity | None
    """``None`` when it was not proven."""
    unproven: str
    """Why not, in one sentence."""
    name: str | None
    path: Path
    size: int
    type: str
    """What it is stored as: ``f16``, ``Q4_K_M``."""


def make(order: Order, stages: Stages) -> Made:
    """Make it.

    Raises:
        EdgemindError: one sentence for each thing that can be in the way; nothing is left then.
    """
    if order.lora is not None and not order.merge:
        return _adapter(order, stages)
    if order.merge and order.lora is None:
        raise UsageError("--merge needs the adapter that is to be merged.", "Add --lora ADAPTER_DIR.")
    wish = _wish(order)
    adapter = read_adapter(order.lora) if order.lora else None
    changed = merged(order.folder, adapter) if adapter else None
    planned = plan(order.folder, order.type or "f16", template=order.template, merged=changed)
    if planned.vocabulary.doubt and not order.prove:
        raise UsageError(
            f"Without a comparison nobody knows whether text is cut the same way: {planned.vocabulary.doubt}.",
            "Leave out --no-verify.",
        )
    with contextlib.ExitStack() as opened:
        place = _Store(order, opened) if order.name else _File(order, planned.checkpoint)
        output = place.open(opened)
        stages.begin(f"converting to {planned.type}")
        size = fill(output, head_of(planned, order.name), planned.tensors, stages)
        converted = planned.converted(place.target, size)
        parity, unproven = _prove(order, output, adapter, planned.vocabulary.doubt, stages)
        kind = order.type or "f16"
        if wish is not None:
            kind = wish.kind.name
            output = _quantized(output, wish, place.open(opened), stages)
        path = place.publish(output, order, planned.checkpoint, stages)
        return Made(converted, parity, unproven, order.name, path, path.stat().st_size, kind)


def _prove(
    order: Order, output: Unfinished, adapter: Adapter | None, doubt: str, stages: Stages
) -> tuple[Parity | None, str]:
    """Compare the file with the checkpoint, before it has a name; or why that cannot be done here.

    Raises:
        ModelUnusable: it is not the same model.
        UsageError: it cannot be compared, and without that nobody knows whether text is cut the same way.
    """
    if not order.prove:
        return None, ""
    try:
        parity = verify(
            order.folder,
            Path(output.path),
            lambda what: stages.begin(what, "pieces"),
            adapter=adapter,
            template=order.template,
            threads=order.threads,
            descriptors=output.descriptors,
        )
    except UsageError as problem:
        if doubt:
            raise UsageError(f"{problem.message} It is needed here: {doubt}.", problem.hint) from problem
        return None, f"{problem.message} To do so: {problem.hint}, then `edgemind verify-conversion`."
    except (ModelUnusable, WorkerDied) as problem:
        why = problem.message.replace(f"load {Path(output.path).name}:", "load it:")
        raise ModelUnusable(
            f"llama.cpp cannot run what was converted, so nothing was kept. {why}",
            "Add --no-verify to have the file all the same.",
        ) from problem
    except OutOfMemory as problem:
        return None, f"its tokens and tensors are the same, but its logits were not compared. {problem.message}"
    if not parity.passed:
        where = f" The first difference is {parity.first_difference}." if parity.first_difference else ""
        raise ModelUnusable(
            f"The converted model is not the checkpoint, so nothing was kept. {parity.reason}{where}",
            "Add --no-verify to have it all the same, and `edgemind verify-conversion` to see more.",
        )
    return parity, ""


def _quantized(source: Unfinished, wish: Wish, output: Unfinished, stages: Stages) -> Unfinished:
    from edgemind.engine.quantize import Quantizer, check_result

    with Quantizer([Path(source.path)], output, descriptors=source.descriptors) as quantizer:
        stages.begin(f"quantizing to {wish.kind.name}")
        quantizer.make(wish, progress=stages)
        stages.begin("trying it", "pieces")
        check_result(quantizer.header, output.files, output.descriptors)
    return output


def _wish(order: Order) -> Wish | None:
    if order.quantize is None:
        return None
    from edgemind.engine.quantize import Wish, lacks_matrix, needs_matrix
    from edgemind.models.quantizations import named

    wish = Wish(kind=named(order.quantize), threads=order.threads)
    if lacks_matrix(wish):
        problem = needs_matrix(wish)
        raise UsageError(problem.message, "Convert first, then `edgemind quantize` with --imatrix auto.")
    if order.type == "q8_0":
        raise UsageError("Weights in q8_0 have lost what quantizing starts from.", "Leave out --type q8_0.")
    return wish


def _adapter(order: Order, stages: Stages) -> Made:
    """An adapter alone: a file that ``run --lora`` takes."""
    assert order.lora is not None
    if order.name or order.quantize:
        raise UsageError("An adapter is a file for --lora, no model of its own.", "Give -o FILE, or add --merge.")
    target = order.output or Path.cwd() / f"{order.lora.resolve().name}-lora.gguf"
    stages.begin("converting the adapter")
    converted = convert_adapter(
        order.folder, order.lora, target, type=order.type or "f32", replace=order.force, progress=stages
    )
    return Made(converted, None, "", None, target, converted.size, converted.type)


class _File:
    """The result is a file where the user wants it."""

    def __init__(self, order: Order, checkpoint: Checkpoint) -> None:
        kind = order.quantize or order.type or "f16"
        target = order.output or Path.cwd() / f"{checkpoint.name}-{kind.upper()}.gguf"
        self.target = Path(os.path.abspath(target))
        self._force = order.force
        check_target(self.target, checkpoint.sources(), replace=order.force)

    def open(self, opened: contextlib.ExitStack) -> Unfinished:
        return opened.enter_context(Unfinished(self.target))

    def publish(self, output: Unfinished, order: Order, checkpoint: Checkpoint, stages: Stages) -> Path:
        output.publish(replace=self._force)
        return self.target


class _Store:
    """The result is a model in the user's store."""

    def __init__(self, order: Order, opened: contextlib.ExitStack) -> None:
        from edgemind.models.store.made import MadeModel
        from edgemind.models.store.store import own_store

        if order.output:
            raise UsageError("-o writes a file and --name makes a model in the store.", "Give one of the two.")
        assert order.name is not None
        self._store = own_store()
        self._made = opened.enter_context(MadeModel(self._store, order.name))
        self.target = self._made.target

    def open(self, opened: contextlib.ExitStack) -> Unfinished:
        return opened.enter_context(Unfinished(self.target, mode=0o600))

    def publish(self, output: Unfinished, order: Order, checkpoint: Checkpoint, stages: Stages) -> Path:
        stages.begin("hashing the source")
        notes = provenance(order.folder, checkpoint.files(), stages)
        kind = order.quantize or order.type or "f16"
        notes = {"made": f"converted to {kind}", "from": checkpoint.name, "command": order.command, **notes}
        output.publish()
        stages.begin("hashing")
        manifest = self._made.finish(notes, progress=stages)
        return self._store.files(manifest)[0]
