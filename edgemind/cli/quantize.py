"""``edgemind quantize`` and ``edgemind imatrix``: a smaller model out of a larger one, in the jailed worker.

Not for: how it is done (``engine.production``), how good it is (``quality``).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import completion, console
from edgemind.errors import BadInput, UsageError

if TYPE_CHECKING:
    from edgemind.engine.production import Order, Product
    from edgemind.engine.quantize import Choice, Plan
    from edgemind.models.names import ModelFile

MODEL = "Installed name, or a path to a GGUF file."
MOST_TEXT = 64 << 20
"""Bytes of a text that is read whole."""


def register(app: typer.Typer) -> None:
    app.command(name="quantize")(quantize)
    app.command(name="imatrix")(imatrix)


def quantize(
    model: Annotated[
        str | None, typer.Argument(metavar="NAME|FILE", help=MODEL, autocompletion=completion.installed_names)
    ] = None,
    kind: Annotated[
        str | None,
        typer.Argument(metavar="TYPE", help="As llama.cpp names them: Q4_K_M, Q8_0, ... (--list); not with --auto."),
    ] = None,
    list_types: Annotated[bool, typer.Option("--list", help="Show all types with their bits per weight.")] = False,
    output: Annotated[str | None, typer.Option("-o", "--output", metavar="FILE", help="Write this file.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Make it a model of this name in the store.")
    ] = None,
    auto: Annotated[bool, typer.Option("--auto", help="Choose the type by this machine's free memory.")] = False,
    imatrix: Annotated[
        str,
        typer.Option("--imatrix", metavar="FILE|auto|none", help="Which columns matter; auto computes that first."),
    ] = "none",
    calibrate: Annotated[
        str | None,
        typer.Option("--calibrate", metavar="TEXTFILE", help="Compute the matrix from this text, not the built-in."),
    ] = None,
    chunks: Annotated[
        int | None, typer.Option("--chunks", min=1, help="Pieces of 512 tokens that the matrix is computed from.")
    ] = None,
    tensor_type: Annotated[
        list[str] | None,
        typer.Option("--tensor-type", metavar="PATTERN=TYPE", help="Of tensors whose name has this; may be repeated."),
    ] = None,
    output_type: Annotated[
        str | None, typer.Option("--output-type", metavar="T", help="Type of the output matrix.")
    ] = None,
    token_embedding_type: Annotated[
        str | None, typer.Option("--token-embedding-type", metavar="T", help="Type of the token embeddings.")
    ] = None,
    pure: Annotated[bool, typer.Option("--pure", help="The same type for every matrix.")] = False,
    leave_output_tensor: Annotated[
        bool, typer.Option("--leave-output-tensor", help="Keep the output matrix as it is.")
    ] = False,
    allow_requantize: Annotated[
        bool, typer.Option("--allow-requantize", help="Also take a model that is quantized already; it loses twice.")
    ] = False,
    keep_split: Annotated[bool, typer.Option("--keep-split", help="Write as many files as the source has.")] = False,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads to work with.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be made.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Make a model smaller: its weights with fewer bits."""
    from dataclasses import replace

    from edgemind.cli.shut_in import shut_in
    from edgemind.cli.stages import Stages

    if list_types:
        from edgemind.cli.quantize_types import tell_types

        tell_types(json_output)
        return 0
    if model is None:
        raise UsageError("Which model?", "edgemind quantize NAME TYPE")
    _check_order(model, kind)
    from edgemind.engine import production

    wish = replace(
        production.check_kind(kind, auto),
        tensor_types=tuple(_override(text) for text in tensor_type or ()),
        output_type=_tensor_type(output_type),
        embedding_type=_tensor_type(token_embedding_type),
        pure=pure,
        leave_output=leave_output_tensor,
        allow_requantize=allow_requantize,
        keep_split=keep_split,
        threads=threads,
    )
    if output and name:
        raise UsageError("-o writes a file and --name makes a model in the store.", "Give one of the two.")
    matrix, computes = _matrix(imatrix, calibrate, chunks)
    shut_in()
    text, dataset = _text(calibrate) if computes else ("", "")
    order = production.Order(
        source=_source(model, "quantize"),
        wish=wish,
        auto=auto,
        matrix=matrix,
        calibrate=computes,
        text=text,
        dataset=dataset,
        chunks=chunks,
        output=Path(os.path.expanduser(output)) if output else None,
        name=name,
        force=force,
        command=" ".join(["edgemind", *sys.argv[1:]])[:2000],
    )
    if dry_run:
        _tell_plan(order, *production.plan(order), json_output)
        return 0
    with Stages() as stages:
        product = production.produce(order, stages)
    _tell_product(order, product, model, json_output)
    return 0


def imatrix(
    model: Annotated[str, typer.Argument(metavar="NAME|FILE", help=MODEL, autocompletion=completion.installed_names)],
    output: Annotated[str, typer.Option("-o", "--output", metavar="FILE", help="Write this file.")],
    text: Annotated[
        str | None, typer.Option("--text", metavar="FILE", help="Read this text with the model, not the built-in.")
    ] = None,
    chunks: Annotated[int | None, typer.Option("--chunks", min=1, help="Pieces of 512 tokens at most.")] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads to work with.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Compute which columns of a model's matrices matter.

    For quantizing; llama.cpp's tools read the file too.
    """
    from edgemind.cli.shut_in import shut_in
    from edgemind.cli.stages import Stages
    from edgemind.engine import production
    from edgemind.models.opening import typed
    from edgemind.models.unfinished import check_target

    shut_in()
    words, dataset = _text(text)
    source = _source(model, "imatrix")
    target = Path(os.path.abspath(os.path.expanduser(output)))
    check_target(target, list(source.files), replace=force)
    with Stages() as stages, production.matrix_file(target, source.header) as place:
        matrix = production.matrix_of(source.files, words, dataset, stages, chunks=chunks, threads=threads)
        place.keep(matrix, force=force)
    if json_output:
        console.out_json({
            "file": str(target),
            "model": source.name,
            "tensors": len(matrix.entries),
            "chunks": matrix.chunks,
            "chunk_size": matrix.chunk_size,
            "tokens": matrix.tokens,
            "text": dataset,
        })  # fmt: skip
        return 0
    console.out(f"Wrote {target.name}: {len(matrix.entries)} tensors, from {matrix.tokens:,} tokens of {dataset}.\n")
    console.err(f"  edgemind quantize {typed(model)} IQ3_XXS --imatrix {typed(output)}\n")
    return 0


def _source(model: str, command: str) -> ModelFile:
    from edgemind.models.names import resolve

    return resolve(model, command=command)


def _check_order(model: str, kind: str | None) -> None:
    """Two words the wrong way round."""
    from edgemind.models.opening import typed
    from edgemind.models.quantizations import is_type

    if kind is not None and is_type(model) and not is_type(kind) and not os.path.exists(model):
        raise UsageError(
            "The model comes first, then the type.", f"edgemind quantize {typed(kind)} {model.strip().upper()}"
        )


def _override(text: str) -> tuple[str, str]:
    pattern, equals, kind = text.rpartition("=")
    if not equals or not pattern:
        raise UsageError(f"--tensor-type {text!r} is not PATTERN=TYPE.", "For example: --tensor-type attn_v=q8_0")
    return pattern, _tensor_type(kind) or ""


def _tensor_type(text: str | None) -> str | None:
    from edgemind.models.quantizations import tensor_type

    return None if text is None else tensor_type(text)


def _matrix(wanted: str, calibrate: str | None, chunks: int | None) -> tuple[Path | None, bool]:
    """The matrix's file, and whether one is to be computed."""
    word = wanted.strip().lower()
    computes = word == "auto" or (word == "none" and calibrate is not None)
    if (calibrate is not None or chunks is not None) and not computes:
        given = "--calibrate" if calibrate is not None else "--chunks"
        raise UsageError(f"{given} is for a matrix that is computed.", "Add --imatrix auto, or leave it out.")
    if computes or word == "none":
        return None, computes
    return Path(os.path.expanduser(wanted)), False


def _text(path: str | None) -> tuple[str, str]:
    """A text and its name; the built-in one when there is none."""
    if path is None:
        from edgemind.engine.calibration import BUILT_IN, built_in_text

        return built_in_text(), BUILT_IN
    return read_text(path), os.path.basename(path)


def read_text(path: str) -> str:
    """A text file.

    Raises:
        BadInput: it cannot be read, is no UTF-8 text, or is larger than ``MOST_TEXT``.
    """
    from edgemind.models.opening import shown

    file = Path(os.path.expanduser(path))
    try:
        if not file.is_file():
            if file.exists():
                raise BadInput(f"{shown(path)} is a folder, pipe or device, not a file.", "Save the text to a file.")
            raise BadInput(f"There is no text file {shown(path)}.", "Check the path.")
        if file.stat().st_size > MOST_TEXT:
            raise BadInput(f"{shown(path)} is larger than 64 MB.", "A few hundred kilobytes are plenty.")
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise BadInput(f"{shown(path)} is no UTF-8 text.", "Save it as UTF-8.") from problem
    except OSError as problem:
        raise BadInput(f"{shown(path)} cannot be read: {problem.strerror}.", "Check its permissions.") from problem


def _plan_object(order: Order, plan: Plan, choice: Choice | None) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": order.source.name,
        "type": plan.kind.name,
        "size_bytes": plan.size,
        "bits_per_weight": round(plan.bits, 4),
        "fallbacks": plan.fallbacks,
    }
    return found | ({"why": choice.why} if choice else {})


def _tell_plan(order: Order, plan: Plan, choice: Choice | None, json_output: bool) -> None:
    from edgemind.models.sizes import human_bytes

    if json_output:
        console.out_json(_plan_object(order, plan, choice) | {"dry_run": True})
        return
    if choice:
        console.out(f"{choice.why}\n")
    console.out(
        f"{order.source.name} as {plan.kind.name} would have {human_bytes(plan.size)}, {plan.bits:.2f} bits a weight.\n"
    )
    _tell_fallbacks(plan)


def _tell_product(order: Order, product: Product, model: str, json_output: bool) -> None:
    from edgemind.models.opening import shown, typed
    from edgemind.models.sizes import human_bytes

    if json_output:
        found = _plan_object(order, product.plan, product.choice) | {
            "size_bytes": product.size,
            "source_bytes": product.source_size,
            "seconds": round(product.seconds, 3),
            "name": product.name,
            "files": [str(file) for file in product.files],
            "without_matrix": list(product.without_matrix),
            "matrix_used": product.matrix_used,
        }
        console.out_json(found)
        return
    if product.choice:
        console.err(f"{product.choice.why}\n")
    _tell_fallbacks(product.plan)
    if product.without_matrix:
        count = len(product.without_matrix)
        console.err(f"The importance matrix has no numbers for {count} tensors; they were quantized without.\n")
    if (order.matrix or order.calibrate) and not product.matrix_used:
        console.err(f"{product.plan.kind.name} comes out the same without an importance matrix; none was used.\n")
    what = product.name or shown(product.files[0])
    console.out(
        f"Made {what}: {product.plan.kind.name}, {human_bytes(product.size)} of {human_bytes(product.source_size)}, "
        f"{product.plan.bits:.2f} bits a weight.\n"
    )
    console.err(f"  How good is it? edgemind quality {typed(what)} --against {typed(model)}\n")


def _tell_fallbacks(plan: Plan) -> None:
    if plan.kind.name == "MXFP4_MOE" and not any(tensor.type == "MXFP4" for tensor in plan.header.tensors):
        console.err("This model is no mixture of experts: MXFP4_MOE makes it Q8_0.\n")
    if plan.fallbacks:
        console.err(
            f"{plan.fallbacks} tensors have rows that do not divide into blocks of their type; they get a larger one.\n"
        )
