"""``edgemind recommend``: which models of the catalog suit this machine, best first, and why.

Nothing is fetched and nothing is asked of a network: the catalog ships with EdgeMind, and speeds are predicted from a
short measurement of this machine's memory. Not for: the rule (``models.recommend``).
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import completion, console
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.models.bandwidth import Bandwidth
    from edgemind.models.graphics import Device
    from edgemind.models.hardware import Machine
    from edgemind.models.recommend import Choice

DEEPEST = 1 << 24
SHOWN = 8
"""Rows that are shown unless ``--all`` asks for every one."""

RULE = """Rank the catalog's models for this machine.

A model must fit into the memory that is free now and be usable: 5 tokens/s, or 8 where it thinks before it answers.
Among those, quality comes first: more parameters, a newer generation, made for the use asked, finer quantization.
Speed beyond what is needed counts less. Speeds are predictions from this machine's memory bandwidth, which is measured
once in half a second; `edgemind bench --model NAME` measures a model that is installed. No network is used."""


def register(app: typer.Typer) -> None:
    app.command(name="recommend", help=RULE)(recommend)


@dataclass(frozen=True)
class Here:
    """What was found on this machine. Bytes are bytes."""

    machine: Machine
    bandwidth: Bandwidth
    devices: list[Device]
    device: Device | None
    """The one that this llama.cpp can use."""
    free_disk: int | None


def recommend(
    use: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="USE",
            help="chat, reasoning, code, infill, math, multilingual, tiny or embedding.",
            autocompletion=completion.uses,
        ),
    ] = "chat",
    context: Annotated[
        int, typer.Option("--context", min=256, max=DEEPEST, help="Tokens for which there must be memory.")
    ] = 4096,
    show_all: Annotated[
        bool, typer.Option("--all", help="Also those that are too slow or too big here, with the reason.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    from edgemind.cli.shut_in import shut_in

    _check_use(use)
    shut_in()
    from edgemind.models import catalog
    from edgemind.models.recommend import rank

    entries = catalog.load()
    here = look()
    ranking = rank(
        entries.values(),
        here.machine,
        here.bandwidth,
        use=use,
        context=context,
        device=here.device,
        free_disk=here.free_disk,
        installed=_installed(),
    )
    if json_output:
        console.out_json(as_object(ranking, here, use, context))
    else:
        from edgemind.cli.table import screen_width

        console.out(as_text(ranking, here, use, context, show_all, screen_width() or 100))
    return 0


def look() -> Here:
    """This machine, its memory's bandwidth (measured the first time) and what graphics this llama.cpp can use."""
    from edgemind.models import graphics, hardware
    from edgemind.models.bandwidth import bandwidth
    from edgemind.settings import paths

    devices = graphics.devices()
    return Here(
        machine=hardware.machine(),
        bandwidth=bandwidth(),
        devices=devices,
        device=_usable(devices),
        free_disk=hardware.free_disk(paths().data / "models"),
    )


def _check_use(use: str) -> None:
    from typing import get_args

    from edgemind.models.catalog import Use

    uses = get_args(Use)
    if use not in uses:
        raise UsageError(f"There are no models for {use!r}.", f"--for takes one of: {', '.join(uses)}")


def _usable(devices: list[Device]) -> Device | None:
    """The device with most free memory, when llama.cpp here can use one; its worker is only started to ask then."""
    sized = [device for device in devices if device.free_bytes]
    if not sized:
        return None
    from edgemind.engine.client import probe_build
    from edgemind.errors import EdgemindError

    try:
        supported = probe_build().supports_gpu
    except EdgemindError:
        return None
    return max(sized, key=lambda device: device.free_bytes) if supported else None


def _installed() -> set[str]:
    """Names of the models that are here, and the catalog's names of those that were given another."""
    from edgemind.errors import EdgemindError
    from edgemind.models import catalog, names
    from edgemind.models.recommend import installed_name

    try:
        manifests = [model.manifest for model in names.in_stores()]
    except EdgemindError:
        return set()
    by_source = {(manifest.source.repository, manifest.facts.quantization.lower()) for manifest in manifests}
    return {manifest.name for manifest in manifests} | {
        installed_name(entry, name)
        for entry in catalog.load().values()
        for name in entry.files
        if (entry.repository, name.lower()) in by_source
    }


def as_object(ranking: list[Choice], here: Here, use: str, context: int) -> dict[str, Any]:
    """The whole ranking, as ``--json`` prints it. Bytes are bytes."""
    from dataclasses import asdict

    best = _best(ranking)
    return {
        "use": use,
        "context": context,
        "best": best.reference if best else None,
        "machine": {
            "cpu": here.machine.cpu_name,
            "threads": here.bandwidth.threads,
            "total_ram": here.machine.total_ram,
            "available_ram": here.machine.available_ram,
            "free_disk": here.free_disk,
            "memory_bytes_per_second": round(here.bandwidth.bytes_per_second),
            "disturbed": here.bandwidth.disturbed,
            "graphics": [asdict(device) for device in here.devices],
            "graphics_used": here.device.name if here.device else None,
        },
        "speeds_are_predictions": True,
        "models": [_as_row(number, choice) for number, choice in enumerate(ranking, 1)],
    }


def _as_row(number: int, choice: Choice) -> dict[str, Any]:
    entry, found = choice.entry, choice.prediction
    return {
        "rank": number,
        "name": entry.name,
        "reference": choice.reference,
        "quantization": choice.quantization,
        "verdict": choice.verdict.name.lower(),
        "reason": choice.reason,
        "installed": choice.installed,
        "licence": entry.licence,
        "description": entry.description,
        "parameters": entry.parameters,
        "context_trained": entry.context,
        "disk_bytes": found.disk_bytes,
        "memory_bytes": found.host_bytes,
        "device_bytes": found.device_bytes,
        "gpu_layers": found.gpu_layers,
        "weights_bytes": found.estimate.weights_bytes,
        "context_bytes": found.estimate.kv_bytes,
        "buffer_bytes": found.estimate.compute_bytes,
        "tokens_per_second": round(found.tokens_per_second, 1) if found.tokens_per_second else None,
        "tokens_per_second_at": found.depth,
        "rough": found.rough,
        "score": round(choice.score, 2),
    }


def as_text(ranking: list[Choice], here: Here, use: str, context: int, show_all: bool, width: int) -> str:
    """The same for a person: first the command to type, then the table, each row with its reason below."""
    shown, hidden = _shown(ranking, show_all)
    parts = [_first_line(ranking, use), _on_what(here, use, context), ""]
    parts += _rows(shown, width) if shown else []
    parts += ["", *_closing(shown, hidden, here)]
    wrapped = (textwrap.wrap(part, width, break_on_hyphens=False) if len(part) > width else [part] for part in parts)
    from edgemind.terminal import clean

    return clean("\n".join(line for lines in wrapped for line in lines) + "\n")


def _first_line(ranking: list[Choice], use: str) -> str:
    best = _best(ranking)
    if best is None:
        why = f"No model of the catalog for {use} runs well on this machine as it is."
        return f"{why} The built-in one does: edgemind run 'What is 48 + 37?'"
    if best.installed:
        from edgemind.models.recommend import installed_name

        return f"edgemind run --model {installed_name(best.entry, best.quantization)} 'your prompt'"
    return f"edgemind pull {best.reference}"


def _on_what(here: Here, use: str, context: int) -> str:
    from edgemind.models.sizes import human_bytes

    machine, band = here.machine, here.bandwidth
    return (
        f"For {use}, with a context of {context:,} tokens, on {machine.cpu_name}: {band.threads} threads, "
        f"{human_bytes(machine.available_ram)} free of {human_bytes(machine.total_ram)}, "
        f"memory read at {band.bytes_per_second / 1e9:.0f} GB/s"
        + (f", {here.device.name} with {human_bytes(here.device.free_bytes)} free" if here.device else "")
        + "."
    )


def _rows(shown: list[Choice], width: int) -> list[str]:
    from edgemind.cli.table import Column, table
    from edgemind.models.prediction import human_rate
    from edgemind.models.sizes import human_bytes

    columns = (
        Column("MODEL", shrinks=True),
        Column("QUANT", rank=2),
        Column("DISK", right=True, rank=3),
        Column("MEMORY", right=True, rank=1),
        Column("TOK/S", right=True),
        Column("LICENCE", shrinks=True, rank=4),
        Column("", rank=5),
    )
    cells = [
        (
            choice.entry.name,
            choice.quantization,
            "~" * choice.prediction.rough + human_bytes(choice.prediction.disk_bytes),
            "~" * choice.prediction.rough + human_bytes(choice.prediction.host_bytes),
            human_rate(choice.prediction.tokens_per_second) if choice.prediction.tokens_per_second else "?",
            choice.entry.licence,
            "installed" if choice.installed else "",
        )
        for choice in shown
    ]
    title, *lines = table(columns, cells, width).splitlines()
    room = max(width - 4, 24)
    found = [title]
    for line, choice in zip(lines, shown, strict=True):
        found += [line, *(f"    {part}" for part in textwrap.wrap(choice.reason, room, break_on_hyphens=False))]
    return found


def _closing(shown: list[Choice], hidden: int, here: Here) -> list[str]:
    from edgemind.models.graphics import rebuild_command

    lines = []
    if shown:
        lines.append("To take another: edgemind pull MODEL:QUANT")
    if hidden:
        lines.append(f"{hidden} more: edgemind recommend --all")
    if any(choice.prediction.tokens_per_second for choice in shown):
        lines.append("Speeds are predictions, good to about a quarter; measured: edgemind bench -m NAME")
    if here.bandwidth.disturbed:
        lines.append("Other programs were busy while memory was measured, so it may be faster than shown.")
    if any(choice.prediction.rough for choice in shown):
        lines.append("~ is an estimate: the catalog does not know the file's size or the model's shape.")
    if here.devices and not here.device:
        command = rebuild_command(here.devices)
        lines.append(f"{here.devices[0].name} is not used: this llama.cpp has no GPU support. To build one: {command}")
    return lines


def _best(ranking: list[Choice]) -> Choice | None:
    """The first that can be used now."""
    from edgemind.models.recommend import Verdict

    return ranking[0] if ranking and ranking[0].verdict is Verdict.FITS else None


def _shown(ranking: list[Choice], show_all: bool) -> tuple[list[Choice], int]:
    """The rows to show, and how many are left out. Without any that fit, the nearest misses are shown."""
    from edgemind.models.recommend import Verdict

    if show_all:
        return ranking, 0
    usable = [choice for choice in ranking if choice.verdict <= Verdict.AFTER_CLOSING]
    shown = (usable or ranking)[:SHOWN]
    return shown, len(ranking) - len(shown)
