"""``edgemind export``: write a model into a folder that can be carried to a machine without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from edgemind.cli import completion, console
from edgemind.errors import UsageError

EPILOG = (
    "On the other machine: edgemind import DIR/NAME, or edgemind store add DIR to use it from there. "
    "`sha256sum -c SHA256SUMS` checks the files without EdgeMind."
)


def register(app: typer.Typer) -> None:
    app.command(name="export", epilog=EPILOG)(export)


def export(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="An installed model.", autocompletion=completion.stored_names)
    ],
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder; the model becomes DIR/NAME.")],
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Copy a model out of the store, with its hashes."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.cli.bar import Bar
    from edgemind.models import builtin, names
    from edgemind.models.opening import shown, typed
    from edgemind.models.store.moving import export as write_out
    from edgemind.terminal import clean_line

    place = Path(os.path.expanduser(folder))
    if os.path.lexists(place) and not place.is_dir():
        raise UsageError(f"{shown(place)} is no folder.", f"edgemind export {name} {typed(place.parent)}")
    found = names.find(name, "export")
    if found is None:
        raise UsageError(f"{builtin.NAME} comes with every EdgeMind and needs no export.", "edgemind list")
    with Bar(f"exporting {found.name}") as bar:
        target = write_out(found.store, found.manifest, place, bar)
    if json_output:
        files = [file.path for file in found.manifest.files]
        console.out_json({"name": found.name, "path": shown(target), "size_bytes": found.manifest.size, "files": files})
        return 0
    from edgemind.models.sizes import human_bytes

    console.out(f"Exported {found.name} to {clean_line(shown(target))}, {human_bytes(found.manifest.size)}.\n")
    console.err(f"  There: edgemind import {typed(target)}\n")
    return 0
