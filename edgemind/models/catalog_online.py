"""Where an entry of the catalog and what a hub says of its repository part. No network here: ``download`` has that.

Not for: choosing what to pull (``pull_plan``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from edgemind.models.catalog_schema import CatalogEntry, CatalogFile
from edgemind.models.remote import RemoteFile, RemoteRepository

Ask = Callable[[str, str | None], RemoteRepository]
"""``repository(repo, revision)`` of a hub."""


@dataclass(frozen=True)
class Difference:
    """One fact that is another at the hub.

    ``wrong``: the catalog says something that is not so. ``unknown``: it says nothing, and the hub knows.
    ``newer``: it was so, and the repository has moved on.
    """

    entry: str
    field: str
    catalog: str | None
    hub: str | None
    kind: Literal["wrong", "unknown", "newer"]


def compare(entry: CatalogEntry, ask: Ask) -> list[Difference]:
    """Names, sizes and hashes at the pinned commit, where there is one, and licence and commit of today.

    Raises:
        ModelNotFound, AccessDenied, NetworkProblem: what ``ask`` raises.
    """
    if not entry.repository:
        return []
    newest = ask(entry.repository, None)
    pinned = newest
    if entry.revision and entry.revision != newest.commit:
        pinned = ask(entry.repository, entry.revision)
    return [*_files(entry, pinned), *_rest(entry, newest)]


def _rest(entry: CatalogEntry, newest: RemoteRepository) -> Iterator[Difference]:
    if not entry.revision:
        yield Difference(entry.name, "revision", None, newest.commit, "unknown")
    elif entry.revision != newest.commit:
        yield Difference(entry.name, "revision", entry.revision, newest.commit, "newer")
    if newest.licence and not same_licence(entry.licence, newest.licence):
        yield Difference(entry.name, "licence", entry.licence, newest.licence, "wrong")


def _files(entry: CatalogEntry, repository: RemoteRepository) -> Iterator[Difference]:
    there = {file.path: file for file in repository.files}
    for quantization, file in entry.files.items():
        missing = [path for path in file.paths if path not in there]
        for path in missing:
            yield Difference(entry.name, f"files.{quantization}", path, None, "wrong")
        if not missing:
            yield from _file(entry.name, quantization, file, [there[path] for path in file.paths])


def _file(name: str, quantization: str, file: CatalogFile, remote: list[RemoteFile]) -> Iterator[Difference]:
    size = sum(one.size for one in remote)
    if file.size != size:
        known = str(file.size) if file.size else None
        yield Difference(name, f"files.{quantization}.size", known, str(size), "wrong" if known else "unknown")
    digest = remote[0].sha256
    if len(remote) == 1 and digest and file.sha256 != digest:
        kind: Literal["wrong", "unknown"] = "wrong" if file.sha256 else "unknown"
        yield Difference(name, f"files.{quantization}.sha256", file.sha256, digest, kind)


def same_licence(ours: str, theirs: str) -> bool:
    """Whether a licence's name and the hub's tag for it may well mean the same: ``Llama 3.2 ...`` and ``llama3.2``."""
    name, tag = _telling(ours), _telling(theirs)
    return bool(tag) and (tag in name or name in tag)


_FILLERS = {"license", "licence", "open", "community", "terms", "of", "use", "the"}


def _telling(licence: str) -> str:
    words = re.findall(r"[a-z]+|\d+", licence.lower().replace(" v", " "))
    return "".join(word for word in words if word not in _FILLERS)
