"""``edgemind catalog``: the models that EdgeMind knows about, whether they are here or not.

Not for: what is installed (``list``), what suits this machine (``recommend``), checking a file (``catalog_check``).
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import catalog_check, completion, console
from edgemind.cli.table import Column, facts, note, screen_width, table

if TYPE_CHECKING:
    from edgemind.models.catalog_schema import CatalogEntry, Shape

COLUMNS = (
    Column("NAME"),
    Column("PARAMS", right=True, rank=2),
    Column("SIZE", right=True, rank=1),
    Column("CONTEXT", right=True, rank=5),
    Column("USES", shrinks=True, rank=3),
    Column("LICENCE", shrinks=True, rank=4),
    Column("HERE", shrinks=True, rank=6),
)
FILES = (
    Column("QUANT"),
    Column(""),
    Column("SIZE", right=True),
    Column("FILE", shrinks=True, rank=1),
)


def catalog_names(incomplete: str) -> list[str]:
    """For the shell's completion; it must never fail."""
    with contextlib.suppress(Exception):
        from edgemind.models import catalog as known

        return sorted(name for name in known.load() if name.startswith(incomplete.lower()))
    return []


Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
For = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="USE",
        help="chat, reasoning, code, infill, math, multilingual, tiny, embedding or demo.",
        autocompletion=completion.uses,
    ),
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="The models that can be had, and what is known of them.", rich_markup_mode=None)
    group.callback(invoke_without_command=True)(catalog)
    group.command(name="list")(list_entries)
    group.command(name="show")(show)
    group.command(name="check", epilog=catalog_check.EPILOG)(catalog_check.check)
    app.add_typer(group, name="catalog")


def catalog(context: typer.Context, use: For = None, json_output: Json = False) -> int:
    """List the models of the catalog; see the commands below for more."""
    return list_entries(use, json_output) if context.invoked_subcommand is None else 0


def list_entries(use: For = None, json_output: Json = False) -> int:
    """List the models of the catalog."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    found = gather(use)
    if json_output:
        console.out_json(found)
        return 0
    width = screen_width()
    console.out(table(COLUMNS, [_row(model) for model in found["models"]], width))
    if console.is_terminal(sys.stdout):
        more = "edgemind catalog show NAME tells more about one, edgemind pull NAME fetches it. "
        console.err(note(f"{more}What suits this machine: edgemind recommend", width))
    return 0


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model of the catalog.", autocompletion=catalog_names)],
    json_output: Json = False,
) -> int:
    """Show everything that is known about one model of the catalog."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    entry = find(name)
    about = {**entry.model_dump(mode="json", exclude_none=True), **_beside(entry)}
    if json_output:
        console.out_json(about)
        return 0
    width = screen_width()
    console.out(facts(_facts(entry, about), width))
    if entry.files:
        console.out("\n" + table(FILES, _files(entry), width))
    if about["pull"]:
        other = next((quantization for quantization in entry.files if quantization != entry.quantization()), None)
        another = f", or another quantization: {about['pull']}:{other}" if other else ""
        console.out("\n" + note(f"To fetch it: {about['pull']}{another}", width))
    return 0


def gather(use: str | None = None) -> dict[str, Any]:
    """The catalog as plain values; only the models for one use, when it is given.

    Raises:
        UsageError: there is no such use.
        BadConfig: a catalog file is not valid.
    """
    from edgemind.models import catalog as known

    _check_use(use)
    entries = [entry for entry in known.load().values() if use is None or use in entry.use]
    here = _installed(entries)
    return {
        "for": use,
        "models": [
            {
                "name": entry.name,
                "description": entry.description,
                "family": entry.family,
                "parameters": entry.parameters,
                "context": entry.context,
                "quantization": entry.quantization(),
                "size_bytes": file.size if (file := entry.file()) else None,
                "use": list(entry.use),
                "licence": entry.licence,
                "repository": entry.repository,
                "verified": entry.verified,
                "installed": here[entry.name],
            }
            for entry in entries
        ],
    }


def find(name: str) -> CatalogEntry:
    """The entry of this name, or the only one whose name begins so.

    Raises:
        ModelNotFound: there is none, or there are several.
        BadConfig: a catalog file is not valid.
    """
    from edgemind.errors import ModelNotFound
    from edgemind.models import catalog as known
    from edgemind.models import suggestions
    from edgemind.models.opening import shown

    entries = known.load()
    wanted = name.strip().lower()
    beginning = [other for other in entries if wanted and other.startswith(wanted)]
    if wanted in entries:
        return entries[wanted]
    if len(beginning) == 1:
        return entries[beginning[0]]
    if beginning:
        raise ModelNotFound(suggestions.ambiguous(name, beginning).message, "What it has: edgemind catalog list")
    near = suggestions.nearest(wanted, entries)
    raise ModelNotFound(
        f"The catalog has no model {shown(name)!r}" + (f"; did you mean {' or '.join(near)}?" if near else "."),
        f"edgemind catalog show {near[0]}" if near else "What it has: edgemind catalog list",
    )


def _check_use(use: str | None) -> None:
    from typing import get_args

    from edgemind.errors import UsageError
    from edgemind.models.catalog_schema import Use
    from edgemind.models.suggestions import nearest

    uses = get_args(Use)
    if use is not None and use not in uses:
        near = nearest(use, uses)
        asked = f"edgemind catalog list --for {near[0] if near else 'chat'}"
        raise UsageError(f"There is no use {use!r}; there are {', '.join(uses)}.", asked)


def _installed(entries: list[CatalogEntry]) -> dict[str, list[str]]:
    """Under which names each entry is here. A store that cannot be read is not this command's matter."""
    from edgemind.errors import EdgemindError
    from edgemind.models import builtin, names

    here: dict[str, list[str]] = {entry.name: [] for entry in entries}
    if builtin.NAME in here and builtin.available():
        here[builtin.NAME].append(builtin.NAME)
    try:
        stored = names.in_stores()
    except EdgemindError:
        return here
    for model in stored:
        repository = model.manifest.source.repository
        for entry in entries:
            if model.name == entry.name or (repository and repository == entry.repository):
                here[entry.name].append(model.name)
    return here


def _row(model: dict[str, Any]) -> list[str]:
    from edgemind.models.sizes import human_count

    here = model["installed"]
    return [
        model["name"],
        human_count(model["parameters"]),
        _size(model["size_bytes"], model["quantization"], model["parameters"]),
        _tokens(model["context"]),
        ", ".join(model["use"]),
        model["licence"],
        "yes" if here == [model["name"]] else ", ".join(here),
    ]


def _beside(entry: CatalogEntry) -> dict[str, Any]:
    """What the entry itself does not say."""
    return {
        "default_quantization": entry.quantization(),
        "installed": _installed([entry])[entry.name],
        "pull": f"edgemind pull {entry.name}" if entry.repository else None,
    }


def _facts(entry: CatalogEntry, about: dict[str, Any]) -> list[tuple[str, str]]:
    from edgemind.models.sizes import human_count

    active = f", of which a token uses {human_count(entry.active_parameters)}" if entry.active_parameters else ""
    thinks = {"on": "always", "off": "never", "auto": "when asked, or as its template has it"}[entry.thinking]
    sampling = ", ".join(f"{name} {value:g}" for name, value in entry.sampling.given().items())
    at = f" at commit {entry.revision[:12]}" if entry.revision else ""
    return [
        ("name", entry.name),
        ("", entry.description),
        ("family", entry.family or ""),
        ("uses", ", ".join(entry.use)),
        *_several("good at", entry.good_at),
        *_several("bad at", entry.bad_at),
        ("thinks", thinks),
        ("reasoning", f"marked as {entry.reasoning!r}" if entry.reasoning else ""),
        ("code", "fills a gap between a beginning and an end" if entry.fill_in_middle else ""),
        ("parameters", f"{human_count(entry.parameters)} ({entry.parameters:,}){active}"),
        ("context", f"{entry.context:,} tokens"),
        ("shape", _shape(entry.shape) if entry.shape else ""),
        ("sampling", sampling or "llama.cpp's own"),
        ("licence", entry.licence),
        ("released", entry.released or ""),
        ("page", entry.page or ""),
        ("repository", f"{entry.repository}{at}" if entry.repository else ""),
        ("checked", _checked(entry)),
        ("installed", ", ".join(about["installed"]) or "no"),
    ]


def _several(name: str, values: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name if number == 0 else "", value) for number, value in enumerate(values)]


def _checked(entry: CatalogEntry) -> str:
    if entry.verified:
        return "every fact, against the files or the publisher's own pages"
    return "not by us: put together from documentation, and read again from the hub when it is pulled"


def _shape(shape: Shape) -> str:
    """``28 layers of 1,024; 16 heads of 128 with 8 for keys and values; ...``"""
    parts = [
        f"{shape.architecture}: {shape.layers} layers of {shape.embedding:,}",
        f"{shape.heads} heads of {shape.head_dim}, {shape.kv_heads} for keys and values",
        f"feed-forward {shape.feed_forward:,}",
        f"vocabulary {shape.vocabulary:,}",
    ]
    if shape.attention_layers is not None:
        parts.append(f"{shape.attention_layers} layers keep keys and values")
    if shape.sliding_window:
        parts.append(f"a window of {shape.sliding_window:,} tokens in all but one of {shape.window_period} layers")
    return "; ".join(parts)


def _files(entry: CatalogEntry) -> list[list[str]]:
    return [
        [
            quantization,
            "*" if quantization == entry.quantization() else "",
            _size(file.size, quantization, entry.parameters),
            file.paths[0] + (f" and {len(file.parts) - 1} more" if file.parts else ""),
        ]
        for quantization, file in entry.files.items()
    ]


def _size(known: int | None, quantization: str | None, parameters: int) -> str:
    """Bytes for a person; about as many as this quantization takes, where the catalog does not know them."""
    from edgemind.models.quantizations import ALL
    from edgemind.models.sizes import human_bytes

    if known:
        return human_bytes(known)
    bits = next((one.bits for one in ALL if one.name == quantization), None)
    return f"~{human_bytes(parameters * bits / 8)}" if bits else ""


def _tokens(count: int) -> str:
    return f"{count // 1024}k" if count % 1024 == 0 else f"{count:,}"
