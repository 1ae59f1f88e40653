"""What is known about models by name: ``models.toml``, and the user's own file of that name over it.

Imported only when needed: pydantic and the file take time. What an entry may say is in ``catalog_schema``.
Not for: which files are installed (``names``), or whether entries make sense (``catalog_check``).
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from edgemind.errors import BadConfig
from edgemind.models.catalog_reading import CatalogText, read, validate
from edgemind.models.catalog_schema import CatalogEntry, CatalogFile, SamplingDefaults, Shape, Use
from edgemind.models.header import Header
from edgemind.models.toml_reading import NotReadable
from edgemind.settings import paths

__all__ = [
    "CatalogEntry",
    "CatalogFile",
    "SamplingDefaults",
    "Shape",
    "Use",
    "for_file",
    "laid_over",
    "load",
    "sampling_for",
    "sampling_in_file",
    "shipped_file",
    "user_file",
]


def load() -> dict[str, CatalogEntry]:
    """Every entry by name: those that ship, with the user's added and laid over them.

    Raises:
        BadConfig: a file is not TOML, or an entry is not valid; file and line are named.
    """
    user = user_file()
    return dict(_load(shipped_file(), _stamp(shipped_file()), user, _stamp(user)))


Stamp = tuple[int, int, int] | None
"""By which a file that changed is known: time, size and number. ``None`` for a file that is not there."""


@functools.lru_cache(maxsize=4)
def _load(shipped: Path, _shipped_stamp: Stamp, user: Path, user_stamp: Stamp) -> dict[str, CatalogEntry]:
    ours = _read(shipped)
    below = {entry.name: entry.values for entry in ours.entries}
    merged = _checked(ours, {})
    if user_stamp is not None:
        merged |= _checked(_read(user), below)
    return merged


def user_file() -> Path:
    """The user's own ``models.toml``, whether it is there or not."""
    return paths().config / "models.toml"


def shipped_file() -> Path:
    """``models.toml`` in the package, or in a source checkout beside it."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "data" / "models.toml"
    return packaged if packaged.is_file() else package.parent / "models.toml"


def laid_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """The values of one entry over those of another: tables field by field, lists as a whole.

    Another repository has other files and commits, so those are not taken over.
    """
    if "repository" in above and above["repository"] != below.get("repository"):
        below = {key: value for key, value in below.items() if key not in OF_A_REPOSITORY}
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


OF_A_REPOSITORY = ("files", "revision", "default_quantization", "verified")


def for_file(header: Header, path: Path) -> CatalogEntry | None:
    """The entry of the model in this file, known by its ``general.name``, else its file name, else its base name.

    Its size must agree too, within a quarter: some files carry the embedding twice.

    Raises:
        BadConfig: as ``load``.
    """
    stem = re.sub(r"(?i)[-._](ud-)?(i?q\d\w*|bf16|f16|f32|mxfp4\w*)$", "", path.stem)
    alike = [entry for entry in load().values() if 0.75 < header.parameters / entry.parameters < 1.25]
    for said in (header.text("general.name"), stem, _base_name(header)):
        wanted = plain(said or "")
        for entry in alike:
            if wanted and wanted in known_as(entry):
                return entry
    return None


def known_as(entry: CatalogEntry) -> set[str]:
    """The names by which a file is known to be this model, reduced to what ``plain`` keeps."""
    return {plain(entry.name), *map(plain, entry.match)}


def plain(name: str) -> str:
    """Lower case, with one ``-`` for whatever is neither letter nor digit."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


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


def _base_name(header: Header) -> str:
    """What the file calls itself by its parts."""
    base, size = header.text("general.basename"), header.text("general.size_label")
    tune = header.text("general.finetune")
    return "-".join(part for part in (base, size, tune) if part) if base else ""


def _stamp(file: Path) -> Stamp:
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


def _read(file: Path) -> CatalogText:
    try:
        return read(file)
    except NotReadable as problem:
        raise problem.told(file) from problem


def _checked(catalog: CatalogText, below: dict[str, dict[str, Any]]) -> dict[str, CatalogEntry]:
    """The entries of one file laid over ``below``; the first problem is an error."""
    found: dict[str, CatalogEntry] = {}
    problems = list(catalog.problems)
    for entry in catalog.entries:
        checked = validate(catalog, entry, laid_over(below.get(entry.name, {}), entry.values))
        if isinstance(checked, list):
            problems += checked
        else:
            found[entry.name] = checked
    if problems:
        first = min(problems, key=lambda problem: problem.line)
        more = f" ({len(problems)} problems in all)" if len(problems) > 1 else ""
        raise BadConfig(
            f"{catalog.file}, line {first.line}: {first}{more}",
            f"Mend that line in {catalog.file}; `edgemind catalog check` shows everything.",
        )
    return found
