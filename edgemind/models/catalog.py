"""What is known about models by name: ``models.toml``, and the user's own file of that name over it.

Imported only when needed: pydantic and the file cost some 20 ms. Not for: which files are installed (``names``).
"""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgemind.errors import BadConfig
from edgemind.models.catalog_schema import CatalogEntry, CatalogFile, SamplingDefaults, Shape, Use
from edgemind.models.header import Header
from edgemind.settings import paths

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "CatalogEntry",
    "CatalogFile",
    "SamplingDefaults",
    "Shape",
    "Use",
    "for_file",
    "load",
    "sampling_for",
    "sampling_in_file",
    "shipped_file",
]


def load() -> dict[str, CatalogEntry]:
    """Every entry by name: those that ship, with the user's added and laid over them.

    Raises:
        BadConfig: a file is not TOML, or an entry is not valid; file and line are named.
    """
    user = paths().config / "models.toml"
    try:
        stamp = user.stat().st_mtime_ns
    except OSError:
        stamp = 0
    return dict(_load(shipped_file(), user, stamp))


@functools.lru_cache(maxsize=4)
def _load(shipped: Path, user: Path, _stamp: int) -> dict[str, CatalogEntry]:
    entries = _read(shipped)
    merged = {name: _validated(raw, name, raw, shipped) for name, raw in entries.items()}
    if not user.exists():
        return merged
    for name, raw in _read(user).items():
        merged[name] = _validated(_overlaid(entries.get(name, {}), raw), name, raw, user)
    return merged


def shipped_file() -> Path:
    """``models.toml`` in the package, or in a source checkout beside it."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "data" / "models.toml"
    return packaged if packaged.is_file() else package.parent / "models.toml"


def for_file(header: Header, path: Path) -> CatalogEntry | None:
    """The entry of the model in this file, known by its ``general.name``, its base name or its file name.

    Its size must agree too, within a quarter: some files carry the embedding twice.

    Raises:
        BadConfig: as ``load``.
    """
    said = {_plain(name) for name in _names_in(header) if name}
    said.add(_plain(re.sub(r"(?i)[-._](ud-)?(i?q\d\w*|bf16|f16|f32|mxfp4\w*)$", "", path.stem)))
    for entry in load().values():
        alike = 0.75 < header.parameters / entry.parameters < 1.25
        if alike and said & {_plain(entry.name), *map(_plain, entry.match)}:
            return entry
    return None


def sampling_for(header: Header, entry: CatalogEntry | None) -> SamplingDefaults:
    """A model's own sampling: the catalog's fields over those that the file carries (``general.sampling.*``)."""
    inside = sampling_in_file(header).given()
    return SamplingDefaults(**{**inside, **(entry.sampling.given() if entry else {})})


_GGUF_SAMPLING = {
    "temp": "temperature",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "penalty_repeat": "repeat_penalty",
    "penalty_last_n": "penalty_last_n",
    "xtc_probability": "xtc_probability",
    "xtc_threshold": "xtc_threshold",
    "mirostat": "mirostat",
    "mirostat_tau": "mirostat_tau",
    "mirostat_eta": "mirostat_eta",
}
"""llama.cpp's names (``gguf.Keys.General.SAMPLING_*``) and ours."""


def sampling_in_file(header: Header) -> SamplingDefaults:
    """What the file's author recommends; a value that is out of range counts as absent."""
    found: dict[str, Any] = {}
    for theirs, ours in _GGUF_SAMPLING.items():
        value = header.metadata.get(f"general.sampling.{theirs}")
        if value is None or isinstance(value, (str, bool, tuple)):
            continue
        value = round(value, 6) if isinstance(value, float) else value
        try:
            SamplingDefaults.model_validate({ours: value})
        except ValidationError:
            continue
        found[ours] = value
    return SamplingDefaults(**found)


def _names_in(header: Header) -> list[str]:
    """What the file calls itself."""
    base, size = header.text("general.basename"), header.text("general.size_label")
    tune = header.text("general.finetune")
    names = [header.text("general.name") or ""]
    if base:
        names.append("-".join(part for part in (base, size, tune) if part))
    return names


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """The raw entries of one file, by name."""
    mend = f"Mend or remove {file}."
    try:
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as problem:
        raise BadConfig(f"Cannot read the catalog {file}: {problem}", mend) from problem
    except tomllib.TOMLDecodeError as problem:
        raise BadConfig(f"{file} is not valid TOML: {problem}", mend) from problem
    models = table.pop("model", [])
    if table or not isinstance(models, list):
        odd = next(iter(table), "model")
        where = next(
            (n for n, line in enumerate(text.splitlines(), 1) if re.match(rf"\[*\s*{re.escape(odd)}\b", line)), 1
        )
        raise BadConfig(f"{file}, line {where}: {odd!r} is not known here; entries begin with [[model]].", mend)
    entries: dict[str, dict[str, Any]] = {}
    for index, raw in enumerate(models):
        name = raw.get("name") if isinstance(raw, dict) else None
        if not isinstance(name, str) or name in entries:
            why = "occurs twice" if name in entries else "needs a name"
            raise BadConfig(f"{file}, line {_line(text, index, ())}: model: {why}", mend)
        entries[name] = raw
    return entries


def _overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """``above`` over ``below``; tables field by field, lists as a whole."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _overlaid(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _validated(raw: dict[str, Any], name: str, written: dict[str, Any], file: Path) -> CatalogEntry:
    """The entry; an error is placed at the line of ``file`` where ``written`` has the offending key."""
    try:
        return CatalogEntry.model_validate(raw)
    except ValidationError as problem:
        first = problem.errors()[0]
        text = file.read_text(encoding="utf-8")
        index = list(_read(file)).index(name)
        where = ".".join(str(part) for part in first["loc"])
        message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        line = _line(text, index, tuple(str(part) for part in first["loc"]))
        raise BadConfig(f"{file}, line {line}: {name}: {where}: {message}", f"Mend that line in {file}.") from problem


def _line(text: str, index: int, keys: tuple[str, ...]) -> int:
    """The line of a key of the ``index``-th ``[[model]]``; of the entry's first line when it is not found."""
    block, start, best = -1, 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[\[\s*model\s*\]\]", line):
            block += 1
            start = number if block == index else start
        if block != index or not keys:
            continue
        for key in keys:
            if re.match(rf'\s*"?{re.escape(key)}"?\s*[=.]', line) or re.match(
                rf"\s*\[\s*model\s*\.\s*{re.escape(key)}\b", line
            ):
                best = number
    return best or start
