"""``edgemind import``: take a model into the store without a network. Not for: fetching one (``pull``)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgemind.cli import console
from edgemind.errors import StoreProblem, UsageError

if TYPE_CHECKING:
    from edgemind.cli.bar import Bar
    from edgemind.models.store.manifest import Manifest


def register(app: typer.Typer) -> None:
    app.command(name="import")(import_model)


def import_model(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE.gguf|DIR",
            help="A GGUF file (any part of a split one), a folder that was exported, or one of safetensors.",
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What to call it.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Copy a model from a file or a folder into the store."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.cli.bar import Bar

    path = Path(os.path.expanduser(source))
    if name is not None:
        _check_name(name, path)
    with Bar(f"importing {path.name or path}") as bar:
        manifest = _folder(path, name, bar) if path.is_dir() else _file(path, name, bar)
    if json_output:
        console.out_json({
            "name": manifest.name,
            "kind": manifest.kind,
            "size_bytes": manifest.size,
            "files": [file.model_dump() for file in manifest.files],
        })  # fmt: skip
        return 0
    from edgemind.models.sizes import human_bytes

    console.out(f"Imported {manifest.name}, {human_bytes(manifest.size)}.\n")
    if manifest.kind == "gguf":
        console.err(f"  edgemind run --model {manifest.name} 'your prompt'\n")
    return 0


def _folder(path: Path, name: str | None, bar: Bar) -> Manifest:
    from edgemind.models.store.moving import import_folder
    from edgemind.models.store.store import own_store

    return import_folder(own_store(), path, name, bar)


def _file(path: Path, name: str | None, bar: Bar) -> Manifest:
    from edgemind.models import names
    from edgemind.models.store.moving import import_gguf, name_from
    from edgemind.models.store.store import own_store

    model = names.from_path(os.fspath(path))
    chosen = name or _check_name(name_from(model.name), path)
    _refuse_clash(chosen, path, [file.stat().st_size for file in model.files])
    return import_gguf(own_store(), model.files, chosen, bar)


def _check_name(name: str, path: Path) -> str:
    """A name that ``edgemind run --model`` will find.

    Raises:
        UsageError: it cannot be one, or something else is found by it.
    """
    from edgemind.models import builtin
    from edgemind.models.opening import shown, typed
    from edgemind.models.store.manifest import is_model_name
    from edgemind.settings import load_settings

    another = f"edgemind import {typed(path)} --name NAME"
    if not is_model_name(name):
        raise UsageError(
            f"{shown(name)[:140]!r} cannot be the name of a model.",
            "Use lower-case letters, digits, and . _ - inside.",
        )
    if name == builtin.NAME:
        raise UsageError(f"{name} is the model that comes with EdgeMind.", another)
    target = load_settings().aliases.get(name)
    if target:
        raise UsageError(f"{name} is an alias of {target}.", f"{another}, or: edgemind alias {name} --remove")
    return name


def _refuse_clash(name: str, path: Path, sizes: list[int]) -> None:
    """Say before anything is copied that the name is taken; files of the same sizes may be the same.

    Raises:
        StoreProblem: it is, by files of other sizes, or by a manifest that cannot be read.
    """
    from edgemind.models.opening import typed
    from edgemind.models.store.store import own_store

    existing = own_store().get(name)
    if existing and [file.size for file in existing.files] != sizes:
        raise StoreProblem(
            f"There is a model named {name} already, with other files.",
            f"edgemind import {typed(path)} --name NAME, or first: edgemind rm {name}",
        )
