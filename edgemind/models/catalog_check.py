"""What is wrong with a catalog: everything that does not validate, and what validates and yet cannot be meant.

``edgemind catalog check`` shows it. Not for: comparing with a hub (``catalog_online``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from edgemind.models import builtin
from edgemind.models.catalog import known_as, laid_over, shipped_file
from edgemind.models.catalog_reading import CatalogText, Problem, RawEntry, read, validate
from edgemind.models.catalog_schema import CatalogEntry, Shape
from edgemind.models.sizes import human_bytes, human_count
from edgemind.models.toml_reading import NotReadable

MOST_CONTEXT = 10_485_760
"""Ten times what the longest models of today take."""

BITS = (1.0, 34.0)
"""Of a file per parameter: the smallest quantizations, and F32 with its header."""


@dataclass(frozen=True)
class Checked:
    """What there is in a catalog file."""

    problems: tuple[Problem, ...]
    """By line; line 0 for what is no matter of a line."""
    entries: tuple[CatalogEntry, ...]
    """Those that are valid."""

    @property
    def errors(self) -> int:
        """How many problems keep the file from being used."""
        return sum(problem.severity == "error" for problem in self.problems)


def check(file: Path, formats: Collection[str]) -> Checked:
    """Every problem of a catalog file.

    Args:
        formats: names of the reasoning formats that there are (``engine.reasoning.FORMATS``).
    """
    try:
        catalog = read(file)
    except NotReadable as problem:
        return Checked((Problem(problem.line, problem.message),), ())
    below = _shipped_values() if file.resolve() != shipped_file().resolve() else {}
    problems = list(catalog.problems)
    valid: list[tuple[RawEntry, CatalogEntry]] = []
    for raw in catalog.entries:
        checked = validate(catalog, raw, laid_over(below.get(raw.name, {}), raw.values))
        if isinstance(checked, list):
            problems += checked
        else:
            valid.append((raw, checked))
            problems += _doubts(catalog, raw, checked, formats)
    problems += _shared_names(catalog, valid, _others(below, {raw.name for raw in catalog.entries}))
    problems.sort(key=lambda problem: (problem.line, problem.severity, problem.message))
    return Checked(tuple(problems), tuple(entry for _, entry in valid))


def parameters_of(shape: Shape) -> int:
    """How many parameters a model of this shape has: exact but for norms and biases where every layer is alike."""
    queries = shape.heads * shape.head_dim
    attention = 2 * shape.embedding * (queries + shape.kv_heads * shape.head_dim)
    per_layer = attention + 3 * shape.embedding * shape.feed_forward + shape.vocabulary * shape.per_layer_embedding
    return shape.layers * per_layer + (1 if shape.tied else 2) * shape.vocabulary * shape.embedding


def _shipped_values() -> dict[str, dict[str, Any]]:
    try:
        return {entry.name: entry.values for entry in read(shipped_file()).entries}
    except NotReadable:
        return {}


def _others(below: dict[str, dict[str, Any]], here: set[str]) -> Iterator[CatalogEntry]:
    """The entries that ship and that this file leaves alone."""
    for name, values in below.items():
        if name not in here:
            yield CatalogEntry.model_validate(values)


def _doubts(catalog: CatalogText, raw: RawEntry, entry: CatalogEntry, formats: Collection[str]) -> Iterator[Problem]:
    """What cannot be meant so in one entry."""

    def problem(key: str, message: str, severity: Literal["error", "warning"] = "warning", *more: str) -> Problem:
        return Problem(catalog.line(raw, key, *more), f"{key}: {message}", entry.name, severity)

    wanted = entry.default_quantization
    if wanted and entry.quantization(wanted) is None:
        there = ", ".join(entry.files) or "none"
        yield problem("default_quantization", f"{wanted} is not among the files ({there})", "error")
    if entry.reasoning and entry.reasoning not in formats:
        yield problem("reasoning", f"{entry.reasoning!r} is no format; there are {', '.join(formats)}", "error")
    if entry.name != builtin.NAME:
        if not entry.repository:
            yield problem("repository", "without one it cannot be pulled")
        elif not entry.files:
            yield problem("files", "none are named; what to pull is then chosen from the repository")
    if entry.context > MOST_CONTEXT:
        yield problem("context", f"{entry.context:,} tokens is more than any model has been trained for")
    if re.fullmatch(r"(?i)\W*|unknown|other|none|n/?a|todo|tbd", entry.licence):
        yield problem("licence", f"{entry.licence!r} says nothing")
    if entry.active_parameters and entry.active_parameters > entry.parameters:
        yield problem("active_parameters", "there are more of them than parameters")
    yield from (problem("files", message, "warning", quantization) for quantization, message in _file_doubts(entry))
    if entry.shape:
        yield from (problem("shape", message) for message in _shape_doubts(entry.shape, entry.parameters))


def _file_doubts(entry: CatalogEntry) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for quantization, file in entry.files.items():
        for path in file.paths:
            if path in seen:
                yield quantization, f"{path} is the file of {seen[path]} too"
            seen[path] = quantization
            if not path.lower().endswith(".gguf"):
                yield quantization, f"{path} is no GGUF file"
        if file.parts and not _in_order(file.parts):
            yield quantization, "its parts are not numbered 00001-of-0000N in order"
        bits = file.size * 8 / entry.parameters if file.size else BITS[0]
        if not BITS[0] <= bits <= BITS[1]:
            about = f"{human_bytes(file.size or 0)} for {human_count(entry.parameters)} parameters"
            yield quantization, f"{about} is {bits:.2g} bits each: no file has that"


def _in_order(parts: tuple[str, ...]) -> bool:
    return all(part.endswith(f"-{number:05}-of-{len(parts):05}.gguf") for number, part in enumerate(parts, 1))


def _shape_doubts(shape: Shape, parameters: int) -> Iterator[str]:
    if shape.heads % shape.kv_heads:
        yield f"{shape.heads} heads cannot share {shape.kv_heads} kv_heads evenly"
    if bool(shape.sliding_window) != bool(shape.window_period):
        yield "sliding_window and window_period go together"
    if shape.attention_layers is not None and shape.attention_layers > shape.layers:
        yield f"{shape.attention_layers} attention_layers of {shape.layers} layers"
    mixed = shape.attention_layers is not None
    about = parameters_of(shape)
    if not mixed and abs(about - parameters) > 0.15 * parameters:
        off = (about - parameters) / parameters
        yield f"it has {human_count(about)} parameters, and the entry says {human_count(parameters)} ({off:+.0%})"


def _shared_names(
    catalog: CatalogText, valid: list[tuple[RawEntry, CatalogEntry]], others: Iterator[CatalogEntry]
) -> Iterator[Problem]:
    """A name by which a file could be one model or another of about the same size."""
    before: list[CatalogEntry] = list(others)
    for raw, entry in valid:
        for other in before:
            common = known_as(entry) & known_as(other)
            if common and 0.6 < entry.parameters / other.parameters < 1.67:
                line = catalog.line(raw, "match")
                message = f"match: a file named {min(common)!r} could be {other.name} as well"
                yield Problem(line, message, entry.name, "warning")
        before.append(entry)
