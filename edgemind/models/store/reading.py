"""Reading manifests, whoever wrote them: bounded, no link followed, and every fault a sentence.

Not for: the files of a model (``store``, ``shared``).
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError

from edgemind.models.store.files import Folder, flaw
from edgemind.models.store.manifest import FORMAT, Manifest, is_model_name

MANIFESTS = "manifests"
MOST_BYTES = 4 << 20
"""A manifest has some 600 bytes."""
MOST_MODELS = 10_000
"""Names looked at in one folder."""
NEWER = "it was written by a newer EdgeMind; update EdgeMind"


class Unreadable(Exception):
    """A manifest that cannot be used; the text is the reason, as the end of a sentence."""

    @property
    def newer(self) -> bool:
        return str(self) == NEWER


def manifest_names(folder: Folder) -> list[str]:
    """Names of the models whose manifests lie in this folder, sound or not, sorted."""
    stems = (name[: -len(".json")] for name in folder.names(MOST_MODELS) if name.endswith(".json"))
    return sorted(stem for stem in stems if is_model_name(stem))


def read_manifest(folder: Folder, name: str, owners: frozenset[int] | None = None) -> Manifest:
    """The manifest of one model.

    Raises:
        FileNotFoundError: there is none.
        Unreadable: it is damaged, or there is something else in its place.
    """
    found = parse(read_bounded(folder, f"{name}.json", owners))
    if found.name != name:
        raise Unreadable(f"it is the manifest of {found.name}, under another name")
    return found


def read_bounded(folder: Folder, file: str, owners: frozenset[int] | None = None) -> bytes:
    """The bytes of a file that may be anything. Raises as ``read_manifest``."""
    try:
        trouble = flaw(folder.status(file), owners)
        if trouble:
            raise Unreadable(f"it {trouble}")
        return folder.read(file, MOST_BYTES)
    except FileNotFoundError:
        raise
    except OSError as problem:
        raise Unreadable(f"it cannot be read: {problem.strerror or problem}") from problem
    except ValueError as problem:
        raise Unreadable(str(problem)) from problem


def parse(data: bytes) -> Manifest:
    """A manifest from its JSON. Raises ``Unreadable``."""
    try:
        found = Manifest.model_validate_json(data)
    except ValidationError as problem:
        if _format_of(data) > FORMAT:
            raise Unreadable(NEWER) from problem
        first = problem.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise Unreadable(f"{where}: {first['msg']}"[:200] if where else first["msg"][:200]) from problem
    if found.format > FORMAT:
        raise Unreadable(NEWER)
    return found


def _format_of(data: bytes) -> int:
    """What a file that is no manifest of ours says of its format; 0 when it says nothing."""
    try:
        value = json.loads(data)
        number = value["format"] if isinstance(value, dict) else 0
    except (ValueError, KeyError, RecursionError):
        return 0
    return number if type(number) is int else 0


def format_of_store(root: Path) -> int | None:
    """The number in ``store.json``; ``None`` when there is no such file, 0 when it cannot be understood.

    Raises:
        OSError: the folder is there and cannot be read.
    """
    try:
        with Folder.at(root) as folder:
            return _format_of(read_bounded(folder, "store.json"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except Unreadable:
        return 0
