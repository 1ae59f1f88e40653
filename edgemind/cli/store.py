"""``edgemind store``: where models lie. Shared folders, freeing what nothing needs, mending what was lost.

Not for: the models themselves (``list``, ``rm``, ``verify``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import completion, console
from edgemind.cli.table import Column, note, screen_width, table
from edgemind.errors import ModelNotFound, StoreProblem, UsageError

if TYPE_CHECKING:
    from edgemind.models.store.view import View
    from edgemind.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

COLUMNS = (
    Column("STORE", shrinks=True),
    Column("MODELS", right=True, rank=2),
    Column("SIZE", right=True, rank=1),
    Column("FREE", right=True, rank=3),
    Column("STATE", rank=4, shrinks=True),
)


def register(app: typer.Typer) -> None:
    stores = typer.Typer(
        name="store",
        help="Where models lie: sizes, shared folders, repair.",
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        invoke_without_command=True,
        callback=_bare,
    )
    for name, command in (("list", list_), ("add", add), ("remove", remove), ("gc", gc), ("repair", repair)):
        stores.command(name=name)(command)
    app.add_typer(stores, name="store")


def _bare(context: typer.Context) -> None:
    """Where models lie: sizes, shared folders, repair."""
    if context.invoked_subcommand is None:
        list_()


def list_(json_output: Json = False) -> int:
    """List the own store and the shared ones, with their sizes."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    found = gather()
    if json_output:
        console.out_json({"stores": found})
        return 0
    width = screen_width()
    console.out(table(COLUMNS, [_row(store) for store in found], width))
    unfinished = found[0]["unfinished_bytes"]
    if unfinished:
        from edgemind.models.sizes import human_bytes

        text = f"{human_bytes(unfinished)} of unfinished downloads are kept to go on with; edgemind store gc drops old"
        console.err(note(f"{text} ones.", width))
    return 0


def gather() -> list[dict[str, Any]]:
    """The stores as plain values, the own one first.

    Raises:
        StoreProblem: the own store cannot be read. BadConfig: the settings are not valid.
    """
    from edgemind.models.store.shared import open_shared
    from edgemind.models.store.store import own_store
    from edgemind.settings import load_settings

    own = own_store()
    first = _facts(own, own.root)
    first |= {"shared": False, "writable": own.writable, "unfinished_bytes": _size_below(own.root / "partial")}
    found = [first]
    for text in load_settings().stores:
        root = Path(os.path.expanduser(text))
        shared = open_shared(root, own)
        facts = _facts(shared, root) if shared.problem is None else _empty(root)
        found.append(facts | {"shared": True, "writable": False, "problem": shared.problem})
    return found


def _empty(root: Path) -> dict[str, Any]:
    from edgemind.models.opening import shown

    return {"path": shown(root), "models": [], "size_bytes": 0, "free_bytes": None, "damaged": [], "problem": None}


def _facts(store: View, root: Path) -> dict[str, Any]:
    """One store; a file that two models share counts once."""
    from edgemind.models.hardware import free_disk
    from edgemind.models.store.manifest import Manifest

    entries = store.entries()
    sound = [found for _, found in entries if isinstance(found, Manifest)]
    sizes = {file.sha256: file.size for manifest in sound for file in manifest.files}
    return _empty(root) | {
        "models": [manifest.name for manifest in sound],
        "size_bytes": sum(sizes.values()),
        "free_bytes": free_disk(root),
        "damaged": [name for name, found in entries if not isinstance(found, Manifest)],
    }


def _size_below(folder: Path) -> int:
    try:
        return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder))
    except OSError:
        return 0


def _row(store: dict[str, Any]) -> list[str]:
    from edgemind.models.sizes import human_bytes

    if store["problem"]:
        return [store["path"], "", "", "", store["problem"].removeprefix(f"{store['path']} is ").rstrip(".")]
    state = "shared, only read" if store["shared"] else "own" if store["writable"] else "own, cannot be written"
    if store["damaged"]:
        state += f"; damaged: {', '.join(store['damaged'])}"
    free = store["free_bytes"]
    return [
        store["path"],
        str(len(store["models"])),
        human_bytes(store["size_bytes"]),
        human_bytes(free) if free is not None else "",
        state,
    ]


def add(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A store, or a folder of exported models.")],
    json_output: Json = False,
) -> int:
    """Use a network drive or a stick too; it is only read."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.models.opening import shown, typed
    from edgemind.models.store.shared import open_shared
    from edgemind.models.store.store import own_store
    from edgemind.settings import load_settings
    from edgemind.settings_file import edit_settings
    from edgemind.terminal import clean_line

    folder, own, stores = _absolute(path), own_store(), load_settings().stores
    if os.path.realpath(folder) == os.path.realpath(own.root):
        raise UsageError("That is the own store, which is used anyway.", "edgemind store list")
    shared = open_shared(folder, own)
    if shared.problem:
        raise StoreProblem(shared.problem, f"edgemind store add {typed(folder)}")
    names = shared.names()
    if not names:
        raise StoreProblem(
            f"{shown(folder)} holds no models that EdgeMind can use from there.",
            f"To put one there: edgemind export NAME {typed(folder)}. To take a file in: edgemind import FILE.gguf",
        )
    if not any(_absolute(known) == folder for known in stores):
        text = _storable(folder)
        edit_settings(lambda now: {"stores": [*now.stores, text]})
    if json_output:
        console.out_json({"path": shown(folder), "models": names})
    else:
        console.out(f"{clean_line(shown(folder))} is used from now on: {', '.join(names)}.\n")
    return 0


def remove(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A shared store.", autocompletion=completion.store_folders)
    ],
    json_output: Json = False,
) -> int:
    """Stop using a shared folder; nothing in it is touched."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.models.opening import shown
    from edgemind.settings import load_settings
    from edgemind.settings_file import edit_settings
    from edgemind.terminal import clean_line

    def is_meant(known: str) -> bool:
        return known == path or _absolute(known) == _absolute(path)

    if not any(map(is_meant, load_settings().stores)):
        raise ModelNotFound(f"{shown(path)} is no shared store of yours.", "edgemind store list")
    settings = edit_settings(lambda now: {"stores": [known for known in now.stores if not is_meant(known)]})
    if json_output:
        console.out_json({"removed": shown(_absolute(path))})
    else:
        console.out(f"{clean_line(shown(_absolute(path)))} is no longer used; nothing in it was touched.\n")
        console.err("".join(f"{line}\n" for line in _left_hanging(settings)))
    return 0


def _left_hanging(settings: Settings) -> list[str]:
    """What the settings name that is in no store any more, with the command for each."""
    from edgemind.models import names

    known = {*names.known_names()}
    model = settings.model
    lines = [
        f"The alias {alias} stands for {target}, which is gone with it: edgemind alias {alias} --remove"
        for alias, target in settings.aliases.items()
        if target not in known and os.sep not in target
    ]
    if model and settings.aliases.get(model, model) not in known and os.sep not in model:
        lines.append(f"The default model {model} is gone with it: edgemind default NAME")
    return lines


def gc(
    everything: Annotated[
        bool, typer.Option("--all", help="Unfinished downloads too, however new; they begin again then.")
    ] = False,
    json_output: Json = False,
) -> int:
    """Free what no model needs.

    That is files that no model has any more, and unfinished downloads that nobody came back for in a week.
    """
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.models.store.collect import WEEK, Collected, collect
    from edgemind.models.store.store import own_store

    store = own_store()
    age = 0.0 if everything else WEEK
    done = collect(store, age) if store.root.exists() else Collected(0, 0, 0)
    if json_output:
        console.out_json(vars(done))
        return 0
    from edgemind.models.sizes import human_bytes

    files = "1 file" if done.blobs == 1 else f"{done.blobs} files"
    downloads = "1 unfinished download" if done.partials == 1 else f"{done.partials} unfinished downloads"
    went = f"{files} without a model, {downloads}"
    console.out(f"{human_bytes(done.bytes_freed)} freed: {went}.\n")
    if done.kept_because:
        console.err(f"{done.kept_because}\n  edgemind store repair\n")
    return 0


def repair(json_output: Json = False) -> int:
    """Mend manifests that are damaged or lost, from the files."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.models.store.repair import repair as mend
    from edgemind.models.store.store import Store
    from edgemind.settings import paths
    from edgemind.terminal import clean

    done = mend(Store(paths().data / "models"))  # not own_store: what that refuses may be what is to be mended
    if json_output:
        console.out_json({"repaired": done})
    else:
        console.out(clean("".join(f"{line}\n" for line in done)) or "There was nothing to repair.\n")
    return 0


def _absolute(text: str) -> Path:
    return Path(os.path.abspath(os.path.expanduser(text)))


def _storable(folder: Path) -> str:
    """The folder as the settings file can hold it.

    Raises:
        UsageError: its path is not text.
    """
    try:
        os.fspath(folder).encode()
    except UnicodeEncodeError as problem:
        raise UsageError("That path holds bytes that are not UTF-8 text.", "Rename the folder.") from problem
    return os.fspath(folder)
