"""Getting models back whose manifest was lost or damaged: the blobs say themselves what they are.

A damaged manifest is read for digests; one that is gone is made again from the header of a GGUF blob
that nothing names. Every blob is hashed before it gets a name, and what cannot be read is moved aside, never deleted.
Not for: blobs that are damaged (``pull`` or ``import`` again), freeing what is left over (``collect``).
"""

from __future__ import annotations

import contextlib
import json
import re
import stat
import time
from collections.abc import Iterable

from edgemind.errors import EdgemindError, UsageError
from edgemind.models import gguf
from edgemind.models.header import Header
from edgemind.models.opening import shown
from edgemind.models.splits import count_of
from edgemind.models.store import leases, reading
from edgemind.models.store.files import Folder, explained
from edgemind.models.store.importing import facts_of, name_from, now
from edgemind.models.store.manifest import FORMAT, Manifest, Source, StoredFile
from edgemind.models.store.reading import MANIFESTS, Unreadable
from edgemind.models.store.store import BLOBS, PENDING, Store
from edgemind.models.store.verifying import rehash
from edgemind.models.summary import check_model

ASIDE = ".damaged"
"""Ends the name of a manifest that could not be read any more."""

_BLOB = re.compile(r"sha256-([0-9a-f]{64})")
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def repair(store: Store) -> list[str]:
    """Mend what can be mended; a sentence for each thing that was done or could not be.

    Raises:
        StoreProblem: the store is busy, read-only or a newer EdgeMind's; a disk error. NoRoom: the disk is full.
    """
    if not store.root.exists():
        return []
    with explained("repair the model store", store.root):
        said = _mend_number(store)
        with store.locked():
            for name, problem in store.entries():
                if isinstance(problem, Unreadable):
                    said += _mend_manifest(store, name, problem)
            said += _name_orphans(store)
    return said


def _mend_number(store: Store) -> list[str]:
    """``store.json`` when it cannot be understood. A newer number stays and ends the repair."""
    found = reading.format_of_store(store.root)
    if found is None or found >= FORMAT:
        store.check_format()
        return []
    with Folder.at(store.root) as root:
        root.write("store.json", json.dumps({"format": FORMAT}).encode())
    return ["store.json was damaged and is written anew."]


def _mend_manifest(store: Store, name: str, problem: Unreadable) -> list[str]:
    if problem.newer:
        return [f"{name} was written by a newer EdgeMind and is left as it is."]
    digests = _digests_in(store, name)
    aside = f"{name}.json{ASIDE}-{time.time_ns():x}"
    with store.folder(MANIFESTS) as folder:
        folder.move(f"{name}.json", folder, aside)
        folder.sync()
    kept = f"the old one is {shown(store.root / MANIFESTS / aside)}"
    made = _manifest_of(store, name, digests)
    if made is None:
        return [f"The manifest of {name} was damaged ({problem}) and is moved aside; {kept}."]
    store.add(made)
    return [f"{name} has a new manifest, made from its files; {kept}."]


def _digests_in(store: Store, name: str) -> list[str]:
    """Digests that a damaged manifest still shows, in order, of blobs that are there."""
    try:
        with store.folder(MANIFESTS) as folder:
            data = reading.read_bounded(folder, f"{name}.json", store.owners)
    except (Unreadable, FileNotFoundError):
        return []
    there = _blobs(store)
    told = dict.fromkeys(found.decode() for found in _DIGEST.findall(data))
    return [digest for digest in told if digest in there]


def _name_orphans(store: Store) -> list[str]:
    """Manifests for sound GGUF blobs that no manifest and no lease names."""
    needed = {file.sha256 for manifest in store.manifests() for file in manifest.files}
    with store.folder(PENDING) as folder:
        needed |= {digest for lease in leases.read_all(folder) for digest in lease.digests}
    headers = {}
    for digest in sorted(_blobs(store).keys() - needed):
        with contextlib.suppress(EdgemindError):
            headers[digest] = gguf.read_header(store.blob(digest))
    said = []
    for digests in _models_among(headers):
        said += _name_orphan(store, digests, headers[digests[0]])
    return said


def _models_among(headers: dict[str, Header]) -> list[list[str]]:
    """Digests by model: a whole one by itself, the parts of a split one together and in order."""
    found, parts = [], dict[tuple[object, ...], list[str]]()
    for digest, header in headers.items():
        number = header.number("split.no")
        if number is None:
            found.append([digest])
        else:
            key = (header.number("split.count"), header.number("split.tensors.count"))
            parts.setdefault(key, []).append(digest)
    for digests in parts.values():
        found.append(sorted(digests, key=lambda digest: headers[digest].number("split.no") or 0))
    return found


def _name_orphan(store: Store, digests: list[str], header: Header) -> list[str]:
    title = header.text("general.name") or header.text("general.basename") or ""
    try:
        name = name_from(title)
    except UsageError:
        name = f"recovered-{digests[0][:8]}"
    taken = set(store.names())
    if name in taken:
        name = f"{name[:100]}-{digests[0][:8]}"
    made = None if name in taken else _manifest_of(store, name, digests)
    if made is None:
        what = f"{len(digests)} parts of a model" if count_of(header) else "A file"
        return [
            f"{what} without a manifest cannot be used (sha256-{digests[0][:12]}...); edgemind store gc removes it."
        ]
    store.add(made)
    return [f"{name} had lost its manifest, and has a new one."]


def _manifest_of(store: Store, name: str, digests: list[str]) -> Manifest | None:
    """A manifest for sound blobs that make one GGUF model; ``None`` when they do not."""
    sizes = _blobs(store)
    if not digests or not all(rehash(store, digest, sizes[digest]) for digest in digests):
        return None
    try:
        header = gguf.read_headers([store.blob(digest) for digest in digests])
        check_model(header)
    except EdgemindError:
        return None
    count = len(digests)
    names = [f"{name}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1)]
    paths = names if count > 1 else [f"{name}.gguf"]
    files = [
        StoredFile(path=path, sha256=digest, size=sizes[digest]) for path, digest in zip(paths, digests, strict=True)
    ]
    return Manifest(
        name=name,
        kind="gguf",
        files=tuple(files),
        source=Source(kind="file", file=paths[0], notes={"recovered": "its manifest was made again from its header"}),
        created=now(),
        licence=header.text("general.license"),
        facts=facts_of(header),
    )


def _blobs(store: Store) -> dict[str, int]:
    """Sizes of the blobs by digest; plain files only."""
    with store.folder(BLOBS) as folder:
        return dict(_plain(folder, folder.names()))


def _plain(folder: Folder, names: Iterable[str]) -> Iterable[tuple[str, int]]:
    for name in names:
        found, status = _BLOB.fullmatch(name), folder.status(name)
        if found and stat.S_ISREG(status.st_mode):
            yield found[1], status.st_size
