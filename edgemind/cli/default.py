"""``edgemind default``: which model is used when none is named."""

from __future__ import annotations

from typing import Annotated

import typer

from edgemind.cli import completion, console
from edgemind.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command(name="default")(default)


def default(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME|PATH", help="The new default.", autocompletion=completion.installed_names),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Show the default model, or choose another."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    if name is None:
        return _show(json_output)
    if not name.strip():
        raise UsageError("That is no name, so the default stays.", "edgemind default NAME")
    from edgemind.models import builtin, names
    from edgemind.settings_file import edit_settings

    model = names.resolve(name, command="default")
    chosen = model.name if model.installed else str(model.path.absolute())
    edit_settings(model=None if chosen == builtin.NAME else chosen)
    if json_output:
        console.out_json({"default": chosen})
    else:
        console.out(f"The default model is {_clean(chosen)} from now on.\n")
    return 0


def _show(json_output: bool) -> int:
    """The default, and whether it is there.

    Raises:
        ModelNotFound: it is not; that says what to do.
    """
    from edgemind.models import names
    from edgemind.settings import load_settings

    model = names.resolve()
    chosen = model.name if model.installed else str(model.path)
    if json_output:
        console.out_json({"default": chosen, "set": load_settings().model is not None, "path": str(model.path)})
    else:
        console.out(f"{_clean(chosen)}\n")
    return 0


def _clean(text: str) -> str:
    from edgemind.terminal import clean_line

    return clean_line(text)
