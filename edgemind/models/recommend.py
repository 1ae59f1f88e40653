"""Which models of the catalog suit this machine, best first, and why.

The rule, in this order:

1. A model must be meant for the use asked, and trained for at least the context asked (an embedding model reads text
   in pieces of its own length, so of it that is not asked).
2. It must fit into the memory that is free now. What would fit once other programs are closed comes after that, and
   what never fits comes last.
3. It must be usable: at least 5 tokens/s predicted, a reading speed, and 8 for a model that thinks before it answers,
   since it writes more. An embedding model writes nothing, so there is no such floor.
4. Among those, quality first: a point for each doubling of the parameters, one for each year that the model is newer,
   one where the use is what the model was made for, and a loss for coarse quantization (a quarter of a point for
   Q4_K_M, one for 3.5 bits). Speed beyond the floor counts half a point for each doubling, twice at most.

The points are a prior, not a measurement: nobody's benchmark enters. Not for: fetching, or what is installed.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum

from edgemind.models.bandwidth import Bandwidth
from edgemind.models.catalog import CatalogEntry
from edgemind.models.graphics import Device
from edgemind.models.hardware import Machine
from edgemind.models.prediction import CONTEXT, Prediction, could_be_free, human_rate, predict
from edgemind.models.sizes import human_bytes
from edgemind.models.sketch import bits_per_weight

READING = 5.0
"""Tokens per second that a person reads."""

THINKING = 8.0
"""Tokens per second that a model which thinks needs, so that its answer begins within a minute or two."""

DISK_SPARE = 1_000_000_000
"""Bytes of disk to leave free."""

SPARING = 0.95
"""Part of the free memory that a model may take, since what is free changes from minute to minute."""

_APART = {"demo", "embedding"}
"""Models that are only for this use, whatever else they name."""

_THINKING_USES = ("reasoning", "math")
_UNKNOWN_RELEASE = 2025.0
_DOUBLING, _DOUBLINGS = 0.5, 2.0


class Verdict(IntEnum):
    """How a model suits this machine, best first."""

    FITS = 0
    AFTER_CLOSING = 1
    """It fits once other programs are closed."""
    NO_DISK = 2
    SLOW = 3
    TOO_BIG = 4
    SHORT = 5
    """Trained for less context than asked."""


@dataclass(frozen=True)
class Choice:
    """One catalog entry in the quantization that suits this machine best."""

    entry: CatalogEntry
    quantization: str
    prediction: Prediction
    verdict: Verdict
    reason: str
    score: float
    installed: bool

    @property
    def reference(self) -> str:
        """What to write after ``edgemind pull``."""
        usual = self.entry.quantization() == self.quantization
        return self.entry.name if usual else f"{self.entry.name}:{self.quantization}"


def installed_name(entry: CatalogEntry, quantization: str) -> str:
    """What ``edgemind pull`` calls this quantization once it is here."""
    usual = (entry.quantization() or "").lower() == quantization.lower()
    return entry.name if usual else f"{entry.name}-{quantization.lower()}"


def rank(
    entries: Iterable[CatalogEntry],
    machine: Machine,
    bandwidth: Bandwidth | None,
    *,
    use: str = "chat",
    context: int = CONTEXT,
    device: Device | None = None,
    free_disk: int | None = None,
    installed: Collection[str] = (),
) -> list[Choice]:
    """Every entry for this use that can be pulled or is installed, best first.

    Args:
        bandwidth: without it no speed is predicted, and none is asked for.
        context: tokens for which there must be memory.
        device: a graphics processor that this build of llama.cpp can use.
        free_disk: bytes where models are stored; unknown unless given.
        installed: names of models that are here already, as ``installed_name`` has them. Of an entry whose files suit
            the machine, the one that is here is chosen.
    """
    here = _Here(machine, bandwidth, device, free_disk, context, use)
    wanted = (entry for entry in entries if use in entry.use and not _APART & ({*entry.use} - {use}))
    choices = [
        min(
            (_choice(entry, name, here, installed_name(entry, name) in installed) for name in entry.files),
            key=lambda choice: (choice.verdict, not choice.installed, _order(choice)),
        )
        for entry in wanted
        if entry.files
    ]
    return sorted(choices, key=_order)


def thinks(entry: CatalogEntry, use: str) -> bool:
    """Whether this model would think before it answers when used so."""
    if entry.thinking == "auto":
        return "reasoning" in entry.use or use in _THINKING_USES
    return entry.thinking == "on"


def quality(entry: CatalogEntry, quantization: str, use: str) -> float:
    """The prior of the fourth rule, in doublings of the parameters."""
    active = entry.active_parameters or entry.parameters
    size = math.log2(math.sqrt(entry.parameters * active) / 1e9)
    made_for_it = bool(entry.use) and entry.use[0] == use
    return size + _year(entry.released) - _UNKNOWN_RELEASE + made_for_it - _coarseness(quantization)


@dataclass(frozen=True)
class _Here:
    """The machine, and what is asked of it."""

    machine: Machine
    bandwidth: Bandwidth | None
    device: Device | None
    free_disk: int | None
    context: int
    use: str


def _choice(entry: CatalogEntry, quantization: str, here: _Here, installed: bool) -> Choice:
    found = predict(
        entry,
        here.machine,
        context=min(here.context, entry.context),
        quantization=quantization,
        bandwidth=None if here.use == "embedding" else here.bandwidth,
        device=here.device,
    )
    floor = THINKING if thinks(entry, here.use) else READING
    verdict = _verdict(entry, found, here, floor, installed)
    return Choice(
        entry=entry,
        quantization=quantization,
        prediction=found,
        verdict=verdict,
        reason=_reason(entry, found, here, verdict),
        score=quality(entry, quantization, here.use) + _speed_points(found, floor, here.use),
        installed=installed,
    )


def _verdict(entry: CatalogEntry, found: Prediction, here: _Here, floor: float, installed: bool) -> Verdict:
    if entry.context < here.context and here.use != "embedding":
        return Verdict.SHORT
    if found.host_bytes > could_be_free(here.machine):
        return Verdict.TOO_BIG
    if found.tokens_per_second is not None and found.tokens_per_second < floor:
        return Verdict.SLOW
    if not installed and here.free_disk is not None and found.disk_bytes + DISK_SPARE > here.free_disk:
        return Verdict.NO_DISK
    if found.host_bytes > SPARING * here.machine.available_ram:
        return Verdict.AFTER_CLOSING
    return Verdict.FITS


def _order(choice: Choice) -> tuple[int, float, str]:
    """Best first; what is too slow by speed, what is too big by size."""
    by = {
        Verdict.SLOW: -(choice.prediction.tokens_per_second or 0.0),
        Verdict.TOO_BIG: float(choice.prediction.host_bytes),
        Verdict.NO_DISK: float(choice.prediction.disk_bytes),
    }.get(choice.verdict, -choice.score)
    return choice.verdict, by, choice.entry.name


def _speed_points(found: Prediction, floor: float, use: str) -> float:
    """For each doubling beyond the floor. A device that holds the whole model counts as fast."""
    if use == "embedding":
        return 0.0
    if found.tokens_per_second is None:
        return _DOUBLING * _DOUBLINGS if found.all_on_device else 0.0
    return _DOUBLING * min(max(math.log2(found.tokens_per_second / floor), 0.0), _DOUBLINGS)


def _coarseness(quantization: str) -> float:
    """What quantization costs: the shape of llama.cpp's perplexity tables, in doublings of the parameters. Bits that
    buy nothing cost a little too, so that Q8_0 goes before BF16."""
    bits = bits_per_weight(quantization)
    return 0.25 * float(2 ** ((4.9 - bits) / 0.7)) + 0.02 * math.log2(bits)


def _year(released: str | None) -> float:
    if not released:
        return _UNKNOWN_RELEASE
    year, month = int(released[:4]), released[5:7]
    return year + ((int(month) - 1) / 12 if month else 0.0)


def _reason(entry: CatalogEntry, found: Prediction, here: _Here, verdict: Verdict) -> str:
    """Why it stands where it stands, in a few words."""
    needs = f"needs {'about ' if found.rough else ''}{human_bytes(found.host_bytes)}"
    free, total = human_bytes(here.machine.available_ram), human_bytes(here.machine.total_ram)
    if verdict is Verdict.SHORT:
        return f"was trained for {entry.context:,} tokens, not {here.context:,}"
    if verdict is Verdict.TOO_BIG:
        most = could_be_free(here.machine)
        if found.host_bytes > here.machine.total_ram:
            return f"{needs}, this machine has {total}"
        return f"{needs}, {free} is free" + (
            f" and at most {human_bytes(most)} could be" if most > here.machine.available_ram else ""
        )
    if verdict is Verdict.SLOW:
        rate = human_rate(found.tokens_per_second or 0.0)
        more = ", and it thinks before it answers" if thinks(entry, here.use) else ""
        return f"too slow here: about {rate} tokens/s{more}"
    if verdict is Verdict.NO_DISK:
        return f"needs {human_bytes(found.disk_bytes)} of disk, {human_bytes(here.free_disk or 0)} is free"
    if verdict is Verdict.AFTER_CLOSING:
        return f"{needs}, {free} is free: close other programs{_rate(found, here)}"
    spare = human_bytes(here.machine.available_ram - found.host_bytes)
    return f"fits with {'about ' if found.rough else ''}{spare} to spare{_rate(found, here)}"


def _rate(found: Prediction, here: _Here) -> str:
    device = here.device
    if found.all_on_device and device:
        return f", all of it on {device.name}: faster than the processor, not measured"
    if found.tokens_per_second is None:
        return ""
    rate = human_rate(found.tokens_per_second)
    if found.gpu_layers and device:
        return f", {found.gpu_layers} layers on {device.name}: more than {rate} tokens/s"
    return f", about {rate} tokens/s"
