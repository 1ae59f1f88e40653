"""``edgemind rm``: remove installed models, and the settings that pointed to them.

Blobs that another name needs stay. Not for: leftovers of interrupted work (``store gc``).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import completion, console
from edgemind.errors import EdgemindError, StoreProblem, UsageError

if TYPE_CHECKING:
    from edgemind.models.store.manifest import Manifest
    from edgemind.models.store.store import Store
    from edgemind.settings import Settings


def register(app: typer.Typer) -> None:
    app.command(name="rm")(rm)


@dataclass(frozen=True)
class Doomed:
    """A model that is to go; without a manifest when that is damaged."""

    name: str
    manifest: Manifest | None


def rm(
    names: Annotated[
        list[str],
        typer.Argument(metavar="NAME", help="Installed models.", autocompletion=completion.removable_names),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needs whole names.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Remove models from the store. Files that another model shares stay."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.models.store.store import own_store

    store = own_store()
    doomed = list({one.name: one for one in (_meant(store, name, yes) for name in names)}.values())
    if not yes:
        _ask(doomed, freed_by(store, doomed))
    removed = [{"name": one.name, "freed_bytes": store.remove(one.name)} for one in doomed]
    aliases, was_default, trouble = _forget([one.name for one in doomed])
    result = {
        "removed": removed,
        "freed_bytes": sum(int(str(one["freed_bytes"])) for one in removed),
        "aliases_removed": aliases,
        "was_default": was_default,
    }
    if json_output:
        console.out_json(result)
    else:
        console.out(_as_text(result))
    if trouble:
        raise trouble
    return 0


def _meant(store: Store, text: str, whole: bool) -> Doomed:
    """The model of the user's own store that is meant.

    Raises:
        UsageError: it is the built-in one, or not named in full where nobody is asked.
        ModelNotFound, StoreProblem: there is none, or it belongs to a shared store.
    """
    from edgemind.models import builtin, names
    from edgemind.models.opening import typed

    if text.strip().lower() in dict(store.damaged()):
        return Doomed(text.strip().lower(), None)
    found = names.find(text, "rm")
    if found is None:
        raise UsageError(f"{builtin.NAME} comes with EdgeMind and cannot be removed.", "edgemind list")
    if found.store.root != store.root:
        raise StoreProblem(
            f"{found.name} is in the shared store {found.store.label}, which is only read.",
            f"To stop using that store: edgemind store remove {typed(found.store.root)}",
        )
    if whole and found.name != text.strip().lower():
        raise UsageError(
            f"--yes needs the whole name; {text!r} stands for {found.name}.", f"edgemind rm {found.name} --yes"
        )
    return Doomed(found.name, found.manifest)


def freed_by(store: Store, doomed: list[Doomed]) -> int:
    """Bytes of files that no other model of the store has."""
    names = {one.name for one in doomed}
    going = {file.sha256: file.size for one in doomed if one.manifest for file in one.manifest.files}
    for manifest in store.manifests():
        if manifest.name not in names:
            for file in manifest.files:
                going.pop(file.sha256, None)
    return sum(going.values())


def _ask(doomed: list[Doomed], freed: int) -> None:
    """Go on only after a yes.

    Raises:
        UsageError: there is nobody to ask, or the answer was no.
    """
    from edgemind.models.sizes import human_bytes

    listed = " ".join(one.name for one in doomed)
    if not (console.is_terminal(sys.stdin) and console.is_terminal(sys.stderr)):
        raise UsageError("Nobody can be asked here whether to remove it.", f"edgemind rm {listed} --yes")
    console.err(f"Remove {listed.replace(' ', ', ')}? That frees {human_bytes(freed)}. [y/N] ")
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        console.err("\n")
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was removed.", f"To be asked no more: edgemind rm {listed} --yes")


def _forget(removed: list[str]) -> tuple[list[str], bool, EdgemindError | None]:
    """Take aliases and the default that pointed to what is gone out of the settings.

    Returns:
        The aliases, whether the default was among it, and why the settings could not be written.
    """
    from edgemind.models import names
    from edgemind.settings import load_settings

    gone = [name for name in removed if name not in names.known_names()]
    settings = load_settings()
    aliases = sorted(alias for alias, target in settings.aliases.items() if target in gone)
    was_default = settings.model in gone or settings.model in aliases
    if not aliases and not was_default:
        return [], False, None
    from edgemind.settings_file import edit_settings

    def without(now: Settings) -> dict[str, Any]:
        kept = {alias: target for alias, target in now.aliases.items() if alias not in aliases}
        return {"aliases": kept} | ({"model": None} if was_default else {})

    try:
        edit_settings(without)
    except EdgemindError as problem:
        return [], False, problem
    return aliases, was_default, None


def _as_text(result: dict[str, Any]) -> str:
    from edgemind.models import builtin
    from edgemind.models.sizes import human_bytes

    lines = [f"Removed {one['name']}; {human_bytes(one['freed_bytes'])} freed." for one in result["removed"]]
    if result["aliases_removed"]:
        lines.append(f"Its aliases are gone too: {', '.join(result['aliases_removed'])}.")
    if result["was_default"]:
        lines.append(f"It was the default; {builtin.NAME} is now.")
    return "".join(f"{line}\n" for line in lines)
