"""From what a user types for a model to its files.

In this order it is the built-in model's name, a path to a GGUF file, an alias, the exact name of an installed model
(the user's own store before shared ones), a file in this folder, or the beginning of just one name.
Not for: fetching (``pull``), or whether the file is any good (``gguf``, and in the end llama.cpp).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.errors import ModelNotFound, ModelUnusable
from edgemind.models import builtin, suggestions
from edgemind.models.opening import open_regular, shown, typed

if TYPE_CHECKING:
    from edgemind.models.catalog import CatalogEntry
    from edgemind.models.header import Header
    from edgemind.models.store.manifest import Manifest
    from edgemind.models.store.view import View


@dataclass(frozen=True)
class ModelFile:
    """A model that can be opened: a short name and its files."""

    name: str
    path: Path
    """Its only file, or the first."""
    installed: bool = True
    """``False`` for a path that the user gave."""
    manifest: Manifest | None = None
    """What the store knows of it; ``None`` for the built-in model and for a path."""
    parts: tuple[Path, ...] = ()
    """Every file in order, when there are several."""

    @property
    def files(self) -> tuple[Path, ...]:
        return self.parts or (self.path,)

    @cached_property
    def header(self) -> Header:
        """What its file says, or all of its parts together.

        Raises:
            ModelUnusable: it is no sound GGUF file.
        """
        from edgemind.models import gguf

        return gguf.read_headers(self.parts) if self.parts else gguf.read_header(self.path)

    @cached_property
    def entry(self) -> CatalogEntry | None:
        """What the catalog knows about it: by its name, by the repository it came from, or by what its header says.

        Raises:
            ModelUnusable: it is not a sound GGUF file.
            BadConfig: the user's ``models.toml`` is not valid.
        """
        from edgemind.models import catalog

        entries = catalog.load()
        if self.name in entries:
            return entries[self.name]
        repository = self.manifest.source.repository if self.manifest else None
        known = next((entry for entry in entries.values() if repository and entry.repository == repository), None)
        if known or (self.manifest and self.manifest.kind != "gguf"):
            return known
        called = Path(self.manifest.files[0].path) if self.manifest else self.path
        return catalog.for_file(self.header, called)


@dataclass(frozen=True)
class Installed:
    """A model in a store, whose files nobody has looked at yet."""

    manifest: Manifest
    store: View

    @property
    def name(self) -> str:
        return self.manifest.name

    def opened(self) -> ModelFile:
        """With its files, of which the store says by size and time that they are as they were.

        Raises:
            Damaged, StoreProblem: they are not.
        """
        files = tuple(self.store.files(self.manifest))
        return ModelFile(self.name, files[0], manifest=self.manifest, parts=files if len(files) > 1 else ())


def resolve(name_or_path: str | None = None, *, command: str = suggestions.RUN, any_kind: bool = False) -> ModelFile:
    """The model of this name, or at this path; without either, the one in the settings, else the built-in one.

    Args:
        command: what is asked of the model, for the hint of an error.
        any_kind: also one that llama.cpp does not run: safetensors, an adapter.

    Raises:
        ModelNotFound: there is none; the message names the nearest.
        ModelUnusable: the path is a folder, a pipe, a device, or may not be read; or the model is of another kind.
        Damaged, StoreProblem: a file of it is not as it was.
        BadConfig: the settings had to be read and are not valid.
    """
    wanted = name_or_path
    if wanted is None:
        from edgemind.settings import load_settings

        wanted = load_settings().model
        if wanted and wanted.strip() and wanted != builtin.NAME:
            return _default(wanted.strip(), command, any_kind)
    found = _find(wanted.strip() if wanted else "", command)
    return _opened(found, any_kind)


def find(name: str, command: str) -> Installed | None:
    """The installed model of this name, alias or unique beginning, for commands that manage models.

    Returns:
        ``None`` for the built-in model, which is in no store.

    Raises:
        ModelNotFound: there is none; the message names the nearest.
        StoreProblem: its manifest is damaged, or the store cannot be read.
    """
    found = _find(name.strip(), command, only_installed=True)
    return found if isinstance(found, Installed) else None


def installed() -> list[ModelFile]:
    """Every model that can be used by name: the built-in one first, then the others by name. No file is looked at.

    Raises:
        StoreProblem: the user's own store cannot be read.
        BadConfig: the settings are not valid.
    """
    found: list[ModelFile] = []
    if builtin.available():
        found.append(ModelFile(builtin.NAME, builtin.path()))
    for model in in_stores():
        store, manifest = model.store, model.manifest
        where = tuple(store.root.joinpath(*store.parts(manifest, file)) for file in manifest.files)
        found.append(ModelFile(model.name, where[0], True, manifest, where if len(where) > 1 else ()))
    return found


def in_stores() -> list[Installed]:
    """Every model of every store, by name; of two with one name, that of the earlier store."""
    from edgemind.models.store.store import all_stores

    found: dict[str, Installed] = {}
    for store in all_stores():
        for manifest in store.manifests():
            if manifest.name != builtin.NAME:
                found.setdefault(manifest.name, Installed(manifest, store))
    return [found[name] for name in sorted(found)]


def known_names() -> list[str]:
    """Every name and alias that ``resolve`` takes, for completion; no manifest is read."""
    names = [builtin.NAME] if builtin.available() else []
    return sorted({*names, *installed_names(), *_aliases()})


def installed_names() -> list[str]:
    """Every name in the user's own store and the shared ones, sound or not; no manifest of a store is read."""
    from edgemind.models.store.store import all_stores

    names: set[str] = set()
    for store in all_stores():
        names.update(store.names())
    return sorted(names - {builtin.NAME})


def loose_files() -> list[Path]:
    """GGUF files that somebody put into the models folder by hand: no models until they are imported."""
    from edgemind.settings import paths

    try:
        files = sorted((paths().data / "models").glob("*.gguf"))
    except OSError:
        return []
    return [file for file in files if file.is_file()]


_Found = ModelFile | Installed

_A_PART = re.compile(r"(?i)-\d{5}-of-\d{5}\.gguf$")


def _default(wanted: str, command: str, any_kind: bool) -> ModelFile:
    """The model that the settings name."""
    try:
        return _opened(_find(wanted, command), any_kind)
    except ModelNotFound as problem:
        gone = ModelNotFound(
            f"The default model {shown(wanted)} is not installed (any more).",
            f"Another: edgemind default NAME. The built-in one: edgemind default {builtin.NAME}",
        )
        raise suggestions.perhaps_away(gone) from problem


def _find(wanted: str, command: str, only_installed: bool = False) -> _Found:
    typed = wanted.lower()
    if typed in ("", builtin.NAME):
        return ModelFile(builtin.NAME, builtin.path())
    if not only_installed and _is_path(wanted):
        return from_path(wanted)
    aliases = _aliases()
    if typed in aliases:
        return _aliased(typed, aliases[typed], only_installed)
    exact = _exactly(typed)
    if exact:
        return exact
    if not only_installed and os.path.isfile(wanted):
        return from_path(wanted)
    return _beginning_with(wanted, aliases, command, only_installed)


def _aliased(alias: str, target: str, only_installed: bool) -> _Found:
    if target == builtin.NAME:
        return ModelFile(builtin.NAME, builtin.path())
    found = _exactly(target)
    if found:
        return found
    if only_installed or not _is_path(target):
        gone = ModelNotFound(
            f"The alias {shown(alias)} stands for {shown(target)}, which is not installed.",
            f"edgemind alias {alias} NAME, or to remove it: edgemind alias {alias} --remove",
        )
        raise suggestions.perhaps_away(gone)
    return from_path(target)


def _exactly(name: str) -> Installed | None:
    """The model of just this name, from the first store that has it.

    Raises:
        StoreProblem: that store's manifest of it is damaged.
    """
    from edgemind.models.store.store import all_stores

    for store in all_stores():
        manifest = store.get(name)
        if manifest:
            return Installed(manifest, store)
    return None


def _beginning_with(wanted: str, aliases: Mapping[str, str], command: str, only_installed: bool) -> _Found:
    """The one model of which a name or an alias begins so."""
    names = [*([builtin.NAME] if builtin.available() else []), *installed_names()]
    typed = wanted.lower()
    meant = {name: name for name in names if typed and name.startswith(typed)}
    meant |= {alias: target for alias, target in aliases.items() if typed and alias.startswith(typed)}
    if len(set(meant.values())) > 1:
        raise suggestions.ambiguous(wanted, sorted(meant))
    if not meant:
        _mention_loose(wanted)
        raise suggestions.unknown(wanted, [*names, *aliases], command)
    return _find(next(iter(meant)), command, only_installed)


def _mention_loose(wanted: str) -> None:
    """A file that lies in the models folder was a model by its place alone, once."""
    for file in loose_files():
        if file.stem.lower() == wanted.lower():
            raise ModelNotFound(
                f"{file.name} lies in the models folder, but it is not in the store yet.",
                f"edgemind import {typed(file)}",
            )


def _opened(found: _Found, any_kind: bool) -> ModelFile:
    if isinstance(found, ModelFile):
        return found
    kind = found.manifest.kind
    if kind != "gguf" and not any_kind:
        what = "a safetensors checkpoint" if kind == "safetensors" else "an adapter"
        raise ModelUnusable(
            f"The model {found.name} is {what}, which llama.cpp does not run.",
            f"edgemind convert {found.name}" if kind == "safetensors" else "Give it to a model with --lora.",
        )
    return found.opened()


def _aliases() -> Mapping[str, str]:
    from edgemind.settings import load_settings

    return load_settings().aliases


def _is_path(text: str) -> bool:
    return os.sep in text or bool(os.altsep and os.altsep in text) or text.lower().endswith(".gguf")


def from_path(text: str) -> ModelFile:
    """The model at a path; of a split one any part may be named.

    Raises:
        ModelNotFound: there is no such file, or a part is missing.
        ModelUnusable: it is a folder, a pipe, a device, or may not be read.
    """
    path = Path(os.path.expanduser(text))
    try:
        os.close(open_regular(path))
    except ModelNotFound as problem:
        raise suggestions.not_a_file(problem, text) from problem
    if not _A_PART.search(path.name):
        return ModelFile(path.stem, path, installed=False)
    from edgemind.models import splits

    parts = tuple(splits.parts_of(path))
    return ModelFile(splits.stem(path), parts[0], installed=False, parts=parts if len(parts) > 1 else ())
