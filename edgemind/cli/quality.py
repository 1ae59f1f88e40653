"""``edgemind quality``: quantized models beside their source, in a table, as JSON, or drawn.

Not for: the measuring (``engine.quality``).
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import completion, console
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.engine.quality import Model, Quality, Report
    from edgemind.models.unfinished import Unfinished

DRAWING = "pip install 'edgemind[plot]'"


def register(app: typer.Typer) -> None:
    app.command(name="quality")(quality)


def quality(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME", help="Installed names or GGUF files.", autocompletion=completion.installed_names
        ),
    ],
    against: Annotated[
        str, typer.Option("--against", metavar="NAME", help="The model they were made from.", show_default=False)
    ],
    text: Annotated[
        str | None, typer.Option("--text", metavar="FILE", help="Measure on this text, not on the built-in.")
    ] = None,
    context: Annotated[int, typer.Option("--context", min=64, max=131_072, help="Tokens of one piece.")] = 512,
    tokens: Annotated[
        int | None, typer.Option("--tokens", min=1, metavar="N", help="Read so many at most; one piece at least.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads of each model.")] = None,
    plot: Annotated[
        str | None, typer.Option("--plot", metavar="FILE.png", help="Draw size against divergence.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a drawing that is there.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Measure how much quantizing cost.

    Perplexity, divergence from the source, and how often both agree.
    """
    from edgemind.cli.quantize import read_text
    from edgemind.cli.shut_in import shut_in
    from edgemind.cli.stages import Stages
    from edgemind.engine.quality import built_in_text, measure
    from edgemind.models.unfinished import Unfinished

    target = _drawing(plot, force) if plot else None
    shut_in()
    source, others = _named(against, models)
    words = read_text(text) if text else built_in_text()
    with Stages() as stages, Unfinished(target) if target else nullcontext() as drawing:
        stages.begin("measuring", "pieces")
        report = measure(
            source,
            others,
            words,
            context=context,
            tokens=tokens,
            threads=threads,
            progress=stages,
            tell=lambda line: console.err(f"{line}\n"),
        )
        if drawing:
            _draw(report, drawing, force)
    if json_output:
        console.out_json(as_object(report, os.path.basename(text) if text else None))
    else:
        console.out(as_table(report))
        if target:
            console.err(f"Drew {target}.\n")
    return 0


def as_object(report: Report, text: str | None) -> dict[str, Any]:
    """The report as ``--json`` prints it."""
    return {
        "text": text or "built in",
        "tokens": report.tokens,
        "chunks": report.chunks,
        "context": report.context,
        "source": _row_object(report.source),
        "models": [_row_object(model) for model in report.models],
    }


def as_table(report: Report) -> str:
    """The report for a person."""
    from edgemind.cli.table import Column, note, screen_width, table

    columns = (
        Column("MODEL", shrinks=True),
        Column("TYPE", rank=4),
        Column("SIZE", right=True, rank=2),
        Column("BITS", right=True, rank=6),
        Column("PERPLEXITY", right=True, rank=3),
        Column("KL", right=True),
        Column("SAME", right=True, rank=1),
        Column("WORST KL", right=True, rank=5),
    )
    rows = [_row(report.source, is_source=True), *(_row(model) for model in report.models)]
    width = screen_width()
    about = (
        f"{report.tokens:,} tokens counted. KL: how far the next token's probabilities are from the source's, in nats, "
        "0 is the same; SAME: how often both would choose the same token."
    )
    return table(columns, rows, width) + "\n" + note(about, width)


def _row(one: Quality, is_source: bool = False) -> list[str]:
    from edgemind.models.sizes import human_bytes

    return [
        one.name,
        one.quantization,
        human_bytes(one.size_bytes),
        f"{one.bits:.2f}",
        f"{one.perplexity:,.3f} ± {one.perplexity_error:,.3f}",
        "source" if is_source else f"{one.divergence:.5f} ± {one.divergence_error:.5f}",
        "" if is_source else f"{100 * one.agreement:.1f} %",
        "" if is_source else f"{one.worst:.3f}",
    ]


def _row_object(one: Quality) -> dict[str, Any]:
    return asdict(one)


def _named(against: str, models: list[str]) -> tuple[Model, list[Model]]:
    """The source and the models, each with a name of its own: different files of one name are called by their paths.

    Raises:
        UsageError: one model is named twice.
    """
    source, found = _model(against), [_model(name) for name in models]
    files = [[os.path.realpath(file) for file in model.files] for model in found]
    for number, model in enumerate(found):
        if files[number] in files[:number]:
            raise UsageError(f"{model.name} is named twice.", "Name each model once.")
    names = [model.name for model in (source, *found)]
    own = [os.path.realpath(file) for file in source.files]
    others = [
        replace(model, name=typed) if names.count(model.name) > 1 and where != own else model
        for model, typed, where in zip(found, models, files, strict=True)
    ]
    return source, others


def _model(name: str) -> Model:
    from edgemind.engine.quality import Model
    from edgemind.models.names import resolve

    found = resolve(name, command="quality")
    return Model(found.name, found.files)


def _drawing(path: str, force: bool) -> Path:
    """Where the drawing goes; that it can be drawn at all is known before anything is measured."""
    import importlib.util

    from edgemind.models.unfinished import check_target

    if importlib.util.find_spec("matplotlib") is None:
        raise UsageError("Drawing needs matplotlib, which is not installed.", DRAWING)
    target = Path(os.path.abspath(os.path.expanduser(path)))
    if target.suffix.lower() != ".png":
        raise UsageError("A drawing is a PNG file.", f"--plot {path}.png")
    check_target(target, [], replace=force)
    return target


def _draw(report: Report, drawing: Unfinished, force: bool) -> None:
    from edgemind.cli.quality_plot import draw
    from edgemind.models.store.files import explained

    with explained("write the drawing", drawing.target.parent):
        draw(report, drawing.path)
    drawing.publish(replace=force)
