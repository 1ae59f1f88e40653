"""From what a user types after ``--model`` to a file.

A name is the built-in model's, an installed one's, or a path to any GGUF file. Not for: fetching (``download``), or
whether the file is any good (``gguf``, and in the end llama.cpp).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.errors import ModelNotFound
from edgemind.models import builtin
from edgemind.models.opening import open_regular, shown

if TYPE_CHECKING:
    from edgemind.models.catalog import CatalogEntry

FETCH = "fetch its .gguf file and name it: edgemind run --model PATH.gguf ..."


@dataclass(frozen=True)
class ModelFile:
    """A model that can be opened: a short name and its file."""

    name: str
    path: Path
    installed: bool = True
    """``False`` for a path that the user gave."""

    @cached_property
    def entry(self) -> CatalogEntry | None:
        """What the catalog knows about it; the file's header is read to find out.

        Raises:
            ModelUnusable: it is not a sound GGUF file.
            BadConfig: the user's ``models.toml`` is not valid.
        """
        from edgemind.models import catalog
        from edgemind.models.gguf import read_header

        return catalog.load().get(self.name) or catalog.for_file(read_header(self.path), self.path)


def resolve(name_or_path: str | None = None) -> ModelFile:
    """The model of this name, or at this path; without either, the one in the settings, else the built-in one.

    Raises:
        ModelNotFound: there is none; the message names the nearest.
        ModelUnusable: the path is a folder, a pipe, a device, or may not be read.
        BadConfig: the settings had to be read and are not valid.
    """
    if name_or_path is None:
        from edgemind.settings import load_settings

        name_or_path = load_settings().model or builtin.NAME
    wanted = name_or_path.strip() or builtin.NAME
    if wanted == builtin.NAME:
        return ModelFile(builtin.NAME, builtin.path())
    if _is_path(wanted):
        return _from_path(wanted)
    known = {model.name: model for model in installed()}
    if wanted in known:
        return known[wanted]
    if os.path.isfile(wanted):
        return _from_path(wanted)
    raise _unknown(wanted, list(known))


def installed() -> list[ModelFile]:
    """Every model that can be used by name: the built-in one first, then the others by name."""
    found: list[ModelFile] = []
    if builtin.available():
        found.append(ModelFile(builtin.NAME, builtin.path()))
    from edgemind.settings import paths

    try:
        files = sorted((paths().data / "models").glob("*.gguf"))
    except OSError:
        files = []
    found.extend(ModelFile(file.stem, file) for file in files if file.stem != builtin.NAME and file.is_file())
    return found


def _is_path(text: str) -> bool:
    return os.sep in text or bool(os.altsep and os.altsep in text) or text.lower().endswith(".gguf")


def _from_path(text: str) -> ModelFile:
    path = Path(os.path.expanduser(text))
    try:
        os.close(open_regular(path))
    except ModelNotFound as problem:
        if re.fullmatch(r"[\w.-]+/[\w.-]+", text):
            raise ModelNotFound(problem.message, f"If it is a repository on a hub, {FETCH}") from problem
        raise
    return ModelFile(path.stem, path, installed=False)


def _unknown(wanted: str, installed_names: list[str]) -> ModelNotFound:
    """The error for a name that nothing has, with the nearest names, installed or in the catalog."""
    import difflib

    from edgemind.models import catalog

    in_catalog = list(catalog.load())
    by_lower = {name.lower(): name for name in [*in_catalog, *installed_names]}
    near = [by_lower[name] for name in difflib.get_close_matches(wanted.lower(), by_lower, n=3, cutoff=0.6)]
    message = f"There is no model named {shown(wanted)!r}"
    here = [name for name in near if name in installed_names or name == builtin.NAME]
    if wanted in in_catalog:
        return ModelNotFound(f"The model {wanted} is not installed.", _where(catalog.load()[wanted]))
    if here:
        return ModelNotFound(f"{message}; did you mean {' or '.join(here)}?", f"edgemind run --model {here[0]} ...")
    if near:
        return ModelNotFound(f"{message}; did you mean {' or '.join(near)}?", _where(catalog.load()[near[0]]))
    return ModelNotFound(
        f"{message}.", f"Leave --model out for {builtin.NAME}, or name a file: edgemind run --model PATH.gguf ..."
    )


def _where(entry: CatalogEntry) -> str:
    """Where a model of the catalog is to be had."""
    return f"It is {entry.repository} on the hub; {FETCH}" if entry.repository else FETCH.capitalize()
