"""``edgemind alias``: short names of the user's own for models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import typer

from edgemind.cli import completion, console
from edgemind.errors import ModelNotFound, UsageError


def register(app: typer.Typer) -> None:
    app.command(name="alias")(alias)


def alias(
    short: Annotated[
        str | None, typer.Argument(metavar="SHORT", help="The alias.", autocompletion=completion.alias_names)
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="The model it stands for.", autocompletion=completion.installed_names),
    ] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the alias.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Show aliases, set one, or remove one."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.settings import load_settings

    aliases = load_settings().aliases
    if remove:
        if short is None or name is not None:
            raise UsageError("--remove takes the one alias that is to go.", "edgemind alias SHORT --remove")
        return _remove(short, aliases, json_output)
    if short is None or name is None:
        return _show(short, aliases, json_output)
    return _set(short, name, json_output)


def _show(short: str | None, aliases: Mapping[str, str], json_output: bool) -> int:
    if short is not None and short not in aliases:
        raise ModelNotFound(f"There is no alias {short!r}.", f"To set it: edgemind alias {short} NAME")
    shown = dict(aliases) if short is None else {short: aliases[short]}
    if json_output:
        console.out_json({"aliases": shown})
        return 0
    from edgemind.cli.table import Column, screen_width, table

    if not shown:
        console.out("There is no alias yet: edgemind alias SHORT NAME\n")
        return 0
    columns = (Column("ALIAS"), Column("MODEL", shrinks=True))
    console.out(table(columns, sorted(shown.items()), screen_width()))
    return 0


def _set(short: str, name: str, json_output: bool) -> int:
    from edgemind.models import builtin, names
    from edgemind.models.store.manifest import is_model_name
    from edgemind.settings_file import edit_settings

    if not is_model_name(short):
        raise UsageError(f"{short!r} cannot be an alias.", "Use lower-case letters, digits, and . _ - inside.")
    if short == builtin.NAME or short in names.installed_names():
        raise UsageError(f"There is a model named {short}; an alias would hide it.", "Choose another alias.")
    found = names.find(name, f"alias {short}")
    target = builtin.NAME if found is None else found.name
    edit_settings(lambda now: {"aliases": {**now.aliases, short: target}})
    if json_output:
        console.out_json({"aliases": {short: target}})
    else:
        console.out(f"{short} stands for {target} from now on.\n")
    return 0


def _remove(short: str, aliases: Mapping[str, str], json_output: bool) -> int:
    from edgemind.settings_file import edit_settings

    if short not in aliases:
        raise ModelNotFound(f"There is no alias {short!r}.", "edgemind alias")
    target = aliases[short]
    edit_settings(lambda now: {"aliases": {alias: name for alias, name in now.aliases.items() if alias != short}})
    if json_output:
        console.out_json({"removed": short, "model": target})
    else:
        console.out(f"{short} no longer stands for {target}.\n")
    return 0
