"""``edgemind bench``: how fast a model runs on this machine, through the whole path."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import completion, console, options
from edgemind.cli.shut_in import insist
from edgemind.engine import defaults
from edgemind.errors import PromptTooLong, UsageError
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.engine.bench import BenchReport

DEPTHS = (0, 512, 2048)
DEEPEST = 1 << 30


def register(app: typer.Typer) -> None:
    app.command(name="bench")(bench)


def bench(
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            help="Installed name, or a path to a GGUF file.",
            autocompletion=completion.installed_names,
        ),
    ] = None,
    depth: Annotated[
        list[int] | None, typer.Option("--depth", min=0, help="Tokens already in the context; may be repeated.")
    ] = None,
    random_weights: Annotated[
        str | None,
        typer.Option("--random-weights", metavar="SHAPE", help="Build a model of this shape: right speed, no sense."),
    ] = None,
    repeat: Annotated[int, typer.Option("--repeat", min=1, max=50, help="Measure this often; medians count.")] = 3,
    threads: Annotated[int | None, typer.Option("--threads", min=1, help="Threads of the engine.")] = None,
    flash_attention: Annotated[str, typer.Option("--flash-attention", help="auto, on or off.")] = "auto",
    kv_type: Annotated[str, typer.Option("--kv-type", help="f16, q8_0 (with flash attention) or f32.")] = "f16",
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure how fast a model is, and the memory it takes.

    Prefill and decode speed, time to the first token, and memory, through the whole path.
    """
    if model and random_weights:
        raise UsageError("--model and --random-weights exclude each other.", "Give one of the two.")
    if kv_type == "q8_0" and flash_attention == "off":
        raise UsageError("--kv-type q8_0 needs flash attention.", "Leave out --flash-attention off.")
    if depth and max(depth) > DEEPEST:
        raise UsageError(f"--depth is at most {DEEPEST:,}.", "edgemind bench --help")

    insist()
    with ExitStack() as stack:
        if random_weights:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            files: dict[str, Any] = {"path": str(_built(random_weights, folder))}
        else:
            from edgemind.models.names import resolve

            files = defaults.model_files(resolve(model))
        opened = {**files, "threads": threads, **defaults.cache(kv_type, flash_attention)}
        try:
            report = _measured(opened, depth, repeat)
        except PromptTooLong as problem:
            raise PromptTooLong(problem.message, "Give a smaller --depth, or a model with a longer context.") from None
    if json_output:
        console.out_json(as_object(report))
    else:
        console.out(as_table(report))


def _built(shape: str, folder: Path) -> Path:
    from edgemind.convert import random_weights

    console.err(f"building random weights of the shape {shape}\n")
    path = folder / f"{shape}.gguf"
    random_weights.build(shape, path)
    return path


def _measured(opened: dict[str, Any], asked: list[int] | None, repeats: int) -> BenchReport:
    from edgemind.engine.bench import DECODE_TOKENS, PREFILL_TOKENS, measure
    from edgemind.engine.events import LoadOptions

    depths = asked or list(DEPTHS)
    room = max(256, max(depths) + 1 + PREFILL_TOKENS + DECODE_TOKENS)
    load = options.validated(LoadOptions, {**opened, "context": room, "sequences": 1}, "bench")
    return measure(load, depths, repeats=repeats, only_fitting=not asked, tell=lambda line: console.err(f"{line}\n"))


def as_object(report: BenchReport) -> dict[str, Any]:
    """The report as ``--json`` prints it."""
    return {
        "model": report.model.name,
        "architecture": report.model.architecture,
        "parameters": report.model.parameters,
        "size_bytes": report.model.size_bytes,
        "threads": report.model.threads,
        "gpu_layers": report.model.gpu_layers,
        "notes": list(report.model.notes),
        "repeats": report.repeats,
        "load_seconds": report.load_seconds,
        "first_token_cold_seconds": report.first_token_cold_seconds,
        "first_token_warm_seconds": report.first_token_warm_seconds,
        "worker_peak_bytes": report.worker_peak_bytes,
        "parent_peak_bytes": report.parent_peak_bytes,
        "results": [asdict(result) for result in report.results],
    }


def as_table(report: BenchReport) -> str:
    """The report for a person; the names come from the model's file."""
    info = report.model
    lines = [
        f"{clean_line(info.name)}: {clean_line(info.architecture)}, {info.parameters / 1e6:,.1f} M parameters, "
        f"{info.size_bytes / 2**20:,.0f} MiB, {info.threads} threads, {info.gpu_layers} layers on a GPU",
        *(f"({clean_line(note)})" for note in info.notes),
        "",
        f"{'depth':>8}  {'prefill tok/s':>14}  {'decode tok/s':>13}  {'ms per event':>13}",
    ]
    lines += [
        f"{row.depth:>8}  {row.prefill_tokens_per_second:>14,.1f}  {row.decode_tokens_per_second:>13,.1f}  "
        f"{1000 * row.event_seconds_per_token:>13,.2f}"
        for row in report.results
    ]
    lines += [
        "",
        f"time to first token: {report.first_token_cold_seconds:.2f} s cold (worker start included), "
        f"{report.first_token_warm_seconds:.3f} s warm",
        f"peak memory: {report.worker_peak_bytes / 2**20:,.0f} MiB worker, "
        f"{report.parent_peak_bytes / 2**20:,.0f} MiB this process",
    ]
    return "\n".join(lines) + "\n"
