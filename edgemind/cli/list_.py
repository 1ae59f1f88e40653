"""``edgemind list``: every model that can be used by name, without opening one of them.

The table goes to standard output; what is amiss with a store goes to standard error, so that a pipe gets rows only.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import console
from edgemind.cli.table import Column, note, screen_width, table

if TYPE_CHECKING:
    from edgemind.models.store.manifest import Manifest, Source

COLUMNS = (
    Column("NAME"),
    Column(""),
    Column("QUANT", rank=3),
    Column("SIZE", right=True, rank=1),
    Column("PARAMS", right=True, rank=4),
    Column("CONTEXT", right=True, rank=6),
    Column("SOURCE", shrinks=True, rank=8),
    Column("STORE", shrinks=True, rank=7),
    Column("ALIASES", shrinks=True, rank=9),
)


def register(app: typer.Typer) -> None:
    app.command(name="list")(list_models)


def list_models(json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> int:
    """List the models that are installed."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    found = gather()
    if json_output:
        console.out_json(found)
        return 0
    console.out(table(COLUMNS, [_row(model) for model in found["models"]], screen_width()))
    width = screen_width()
    for line in _remarks(found):
        console.err(note(line, width))
    return 0


def gather() -> dict[str, Any]:
    """Everything that the list shows, as plain values.

    Raises:
        StoreProblem: the user's own store cannot be read.
        BadConfig: the settings are not valid.
    """
    from edgemind.models import builtin, names
    from edgemind.models.store.manifest import Manifest
    from edgemind.models.store.shared import unavailable
    from edgemind.models.store.store import all_stores
    from edgemind.settings import load_settings

    settings = load_settings()
    default = settings.aliases.get(settings.model or "", settings.model) or builtin.NAME
    models: list[dict[str, Any]] = [_built_in()] if builtin.available() else []
    damaged: list[dict[str, str]] = []
    found: dict[str, dict[str, Any]] = {}
    for store in all_stores():
        for name, manifest in store.entries():
            if not isinstance(manifest, Manifest):
                damaged.append({"name": name, "store": store.label, "reason": str(manifest)})
            elif name != builtin.NAME:
                found.setdefault(name, _of_manifest(manifest, store.label))
    models += (found[name] for name in sorted(found))
    for row in models:
        row["default"] = row["name"] == default
        row["aliases"] = sorted(alias for alias, target in settings.aliases.items() if target == row["name"])
    return {
        "models": models,
        "default": default,
        "damaged": damaged,
        "unavailable": [{"store": str(folder), "reason": reason} for folder, reason in unavailable()],
        "loose": [str(path) for path in names.loose_files()],
    }


def _of_manifest(manifest: Manifest, store: str) -> dict[str, Any]:
    facts = manifest.facts
    return {
        "name": manifest.name,
        "kind": manifest.kind,
        "quantization": facts.quantization,
        "size_bytes": manifest.size,
        "parameters": facts.parameters,
        "context": facts.context,
        "architecture": facts.architecture,
        "source": _source(manifest.source),
        "licence": manifest.licence,
        "store": store,
        "trouble": manifest.trouble,
    }


def _built_in() -> dict[str, Any]:
    """The model that comes with EdgeMind. Its header is read: the file is small, and it is the only one."""
    from edgemind.errors import EdgemindError
    from edgemind.models import builtin, gguf
    from edgemind.models.summary import summary

    row: dict[str, Any] = {
        "name": builtin.NAME,
        "kind": "gguf",
        "quantization": "",
        "size_bytes": builtin.path().stat().st_size,
        "parameters": 0,
        "context": 0,
        "architecture": "",
        "source": "built in",
        "licence": "Apache-2.0",
        "store": "built in",
        "trouble": None,
    }
    try:
        facts = summary(gguf.read_header(builtin.path()))
    except EdgemindError as problem:
        return row | {"trouble": problem.message}
    return row | {
        "quantization": facts.quantization,
        "parameters": facts.parameters,
        "context": facts.context_trained,
        "architecture": facts.architecture,
    }


def _source(source: Source) -> str:
    if source.kind == "hub":
        return source.repository or "a hub"
    return "made here" if source.kind == "made" else source.file or "a file"


def _row(model: dict[str, Any]) -> list[str]:
    from edgemind.models.sizes import human_bytes, human_count

    return [
        model["name"],
        "*" if model["default"] else "",
        model["quantization"] or (model["kind"] if model["kind"] != "gguf" else ""),
        human_bytes(model["size_bytes"]),
        human_count(model["parameters"]) if model["parameters"] else "",
        _tokens(model["context"]),
        model["source"],
        "" if model["store"] in ("own", "built in") else model["store"],
        ", ".join(model["aliases"]),
    ]


def _tokens(count: int) -> str:
    if not count:
        return ""
    return f"{count // 1024}k" if count % 1024 == 0 else f"{count:,}"


def _remarks(found: dict[str, Any]) -> list[str]:
    """What is amiss, and what to do about it."""
    from edgemind.models.opening import typed

    lines = [
        f"The manifest of {one['name']} ({one['store']}) cannot be used: {one['reason']}. edgemind store repair"
        for one in found["damaged"]
    ]
    lines += [f"{one['reason']}" for one in found["unavailable"]]
    lines += [f"{row['name']}: {row['trouble']}" for row in found["models"] if row["trouble"]]
    loose = found["loose"]
    if loose:
        more = f" ({len(loose)} files)" if len(loose) > 1 else ""
        lines.append(f"Not in the store yet{more}: edgemind import {typed(loose[0])}")
    known = {row["name"] for row in found["models"]}
    default = found["default"]
    if os.sep in default:
        lines.append(f"The default model is the file {default}")
    elif default not in known:
        lines.append(f"The default model {default} is not installed: edgemind default NAME")
    if console.is_terminal(sys.stdout):
        lines.append(_legend(found))
    return [line for line in lines if line]


def _legend(found: dict[str, Any]) -> str:
    """For a person at a terminal: the star, and the way to more when there is little."""
    star = "* is the default." if any(row["default"] for row in found["models"]) else ""
    more = "For a larger model: edgemind recommend" if len(found["models"]) < 2 else ""
    return f"{star} {more}".strip()
