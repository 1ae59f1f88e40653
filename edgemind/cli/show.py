"""``edgemind show``: what a model is, where it came from, and whether it fits this machine.

Not for: finding that out (``show_facts``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from edgemind.cli import completion, console
from edgemind.cli.table import facts, note, screen_width


def register(app: typer.Typer) -> None:
    app.command(name="show")(show)


def show(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|PATH",
            help="An installed model, or a path to a GGUF file or a folder of safetensors; the default model if not "
            "given.",
            autocompletion=completion.installed_names,
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Show what a model is, and the memory it takes.

    Its shape, tokenizer, template and reasoning format, licence, where it came from, its hashes, and the memory at
    several contexts, with what of it this machine has.
    """
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.cli.show_facts import examine, examine_folder

    if model and _is_checkpoint_folder(model):
        about = examine_folder(Path(os.path.expanduser(model)))
    else:
        from edgemind.models import names

        about = examine(names.resolve(model, command="show", any_kind=True))
    if json_output:
        console.out_json(about)
        return 0
    width = screen_width()
    console.out(facts(rows(about), width))
    if about["problem"]:
        console.out(note(about["problem"], width))
    return 0


def _is_checkpoint_folder(text: str) -> bool:
    folder = os.path.expanduser(text)
    try:
        return os.path.isdir(folder) and any(name.endswith(".safetensors") for name in os.listdir(folder))
    except OSError:
        return False


def rows(about: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person reads, as names and values."""
    from edgemind.models.sizes import human_bytes, human_count

    trained = about["context_trained"]
    return [
        ("model", _titled(about)),
        ("", about.get("description") or ""),
        ("architecture", _shape(about)),
        ("parameters", human_count(about["parameters"]) if about["parameters"] else ""),
        ("quantization", _quantization(about)),
        ("size", human_bytes(about["size_bytes"])),
        ("context", f"trained for {trained:,} tokens" if trained else ""),
        ("tokenizer", _tokenizer(about["tokenizer"])),
        ("template", _template(about["template"])),
        ("reasoning", _reasoning(about["reasoning"])),
        ("sampling", ", ".join(f"{name} {value:g}" for name, value in about.get("sampling", {}).items())),
        ("licence", about["licence"] or "not said"),
        ("source", _source(about)),
        *_files(about),
        *_memory(about),
        ("trouble", about.get("trouble") or ""),
    ]


def _titled(about: dict[str, Any]) -> str:
    title = about.get("title") or ""
    known = about.get("catalog_name")
    also = [title if title.lower() != about["name"].lower() else "", known if known != about["name"] else ""]
    more = ", ".join(dict.fromkeys(text for text in also if text))
    return f"{about['name']} ({more})" if more else str(about["name"])


def _shape(about: dict[str, Any]) -> str:
    parts = [about["architecture"] or "unknown"]
    for key, unit in (("layers", "layers"), ("embedding", "wide"), ("heads", "heads"), ("kv_heads", "KV heads")):
        if about[key]:
            parts.append(f"{about[key]:,} {unit}")
    if about.get("head_dim"):
        parts.append(f"{about['head_dim']} a head")
    if about.get("sliding_window"):
        parts.append(f"window {about['sliding_window']:,}")
    if about.get("experts"):
        parts.append(f"{about['experts']['count']} experts, {about['experts']['used']} used")
    return ", ".join(parts)


def _quantization(about: dict[str, Any]) -> str:
    from edgemind.models.sizes import human_bytes

    mix = ", ".join(f"{row['type']} {human_bytes(row['bytes'])}" for row in about["types"])
    return f"{about['quantization']} ({mix})" if mix else str(about["quantization"])


def _tokenizer(tokenizer: dict[str, Any]) -> str:
    kind = tokenizer["kind"] or ""
    kind += f" ({tokenizer['pre']})" if tokenizer["pre"] else ""
    tokens = f"{tokenizer['tokens']:,} tokens" if tokenizer["tokens"] else ""
    return ", ".join(part for part in (kind, tokens) if part)


def _template(template: dict[str, Any]) -> str:
    family = template["family"]
    if template["own"]:
        return f"{family}, its own" if family else "its own, of no known family"
    return f"none of its own; the {family or 'plain'} one is used"


def _reasoning(reasoning: dict[str, Any]) -> str:
    name, switch = reasoning["format"], reasoning["switch"]
    if name == "none":
        return "none known"
    text = {"on": f"{name}; it always reasons", "off": f"{name}; it does not reason"}.get(reasoning["thinking"], name)
    text += " (only its vocabulary says so)" if reasoning["evidence"] == "vocabulary" else ""
    return f"{text}; --think and --no-think set {switch}" if switch else text


def _source(about: dict[str, Any]) -> str:
    if about["built_in"]:
        return "comes with EdgeMind"
    source = about.get("source")
    if not source:
        return str(about["path"])
    if source["kind"] == "hub":
        where = f" on {source['endpoint']}" if source.get("endpoint") else ""
        at = f" at {source['revision'][:12]}" if source.get("revision") else ""
        return f"{source.get('repository') or 'a hub'}{at}{where}"
    made = "made here" if source["kind"] == "made" else f"imported from {source.get('file') or 'a file'}"
    notes = "; ".join(f"{name}: {value}" for name, value in source.get("notes", {}).items())
    return f"{made}; {notes}" if notes else made


def _files(about: dict[str, Any]) -> list[tuple[str, str]]:
    from edgemind.models.sizes import human_bytes

    found: list[tuple[str, str]] = []
    for number, file in enumerate(about["files"]):
        name = "" if number else "files" if len(about["files"]) > 1 else "file"
        found.append((name, f"{file['path']}, {human_bytes(file['size'])}"))
        if file["sha256"]:
            found.append(("", f"sha256 {file['sha256']}"))
    return found


def _memory(about: dict[str, Any]) -> list[tuple[str, str]]:
    from edgemind.models.sizes import human_bytes

    found: list[tuple[str, str]] = []
    for row in about["memory"]:
        parts = f"weights {human_bytes(row['weights'])} + context {human_bytes(row['kv'])}"
        fits = "" if row["fits"] else "; more than is free"
        found.append((
            "" if found else "memory",
            f"{human_bytes(row['bytes'])} with {row['context']:,} tokens "
            f"({parts} + buffers {human_bytes(row['buffers'])}){fits}",
        ))  # fmt: skip
    if about["fits"] and about["problem"] is None:
        most, free = about["fits"]["largest_context"], human_bytes(about["fits"]["available_bytes"])
        found.append(("here", f"fits with up to {most:,} tokens ({free} of memory is free)"))
    return found
