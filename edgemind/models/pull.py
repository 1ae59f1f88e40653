"""Carrying out a pull: fetch what is missing, look at the header as soon as it is there, make the model visible.

Files come one by one (``transfer``) and become blobs; only when every byte is proven is the manifest written
that makes the model visible. Not for: what to fetch (``pull_plan``), drawing and asking (``cli.pull``),
the network (``download``).
"""

from __future__ import annotations

import contextlib
import datetime
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from edgemind.errors import EdgemindError, ModelUnusable, NetworkProblem, NoRoom
from edgemind.models.hardware import free_disk
from edgemind.models.header import Header
from edgemind.models.hubs import USUAL_HUB
from edgemind.models.pull_plan import Hub, Plan, patiently
from edgemind.models.remote import Body, RemoteFile, RemoteRepository, Transient
from edgemind.models.sizes import human_bytes
from edgemind.models.store.files import explained
from edgemind.models.store.manifest import Facts, Manifest, Source, StoredFile
from edgemind.models.store.store import Store
from edgemind.models.transfer import PATIENT, Patience, Watcher, fetch, state_file

SPARE = 64 << 20
"""Bytes of the disk that a pull leaves alone."""
FIRST_LOOK = 256 << 10
"""Bytes after which the header of a GGUF file is looked at, and again each time there are four times as many."""


class Observer(Watcher, Protocol):
    """Who is told how a pull goes."""

    def starting(self, file: RemoteFile, number: int, count: int) -> None: ...
    def present(self, file: RemoteFile) -> None:
        """It is in the store already."""

    def waiting(self, file: RemoteFile, part: Path) -> None:
        """Another process fetches it; called about once a second."""


def carry_out(
    plan: Plan,
    hub: Hub,
    store: Store,
    observer: Observer,
    *,
    look: Callable[[Header], None] | None = None,
    patience: Patience = PATIENT,
    pause: Callable[[float], object] = time.sleep,
) -> Manifest:
    """Fetch what is missing, prove it, and make it visible.

    Args:
        look: is shown a GGUF model's header as soon as it has arrived; what it raises ends the pull, and what is there
            stays for another time.

    Raises:
        NoRoom, StoreProblem, NetworkProblem, Damaged, ModelUnusable, AccessDenied: one sentence each.
    """
    store.prepare()
    check_space(plan, store)
    known = [file.sha256 for file in plan.choice.files if file.sha256]
    stored: list[StoredFile] = []
    with _leased(store, plan.name, known):
        for number, file in enumerate(plan.choice.files, 1):
            observer.starting(file, number, len(plan.choice.files))
            watcher = _Looking(observer, look) if plan.choice.kind == "gguf" and number == 1 else observer
            digest = _bring(file, plan.repository, hub, store, watcher, observer, patience, pause)
            stored.append(StoredFile(path=file.path, sha256=digest, size=file.size))
            if not file.sha256:
                known.append(digest)
                store.lease(plan.name, known)
        manifest = _manifest(plan, store, tuple(stored))
        store.add(manifest, replace=plan.existing is not None)
    return manifest


def check_space(plan: Plan, store: Store) -> None:
    """Refuse before the first byte what cannot end well.

    Raises:
        NoRoom: with the numbers.
    """
    free = free_disk(store.root)
    if free is not None and plan.to_fetch + SPARE > free:
        raise NoRoom(
            f"{plan.name} needs {human_bytes(plan.to_fetch)} more on the disk of {store.root}, and "
            f"{human_bytes(free)} is free.",
            "Make room: edgemind list shows sizes, edgemind rm NAME frees them. EDGEMIND_HOME moves the store.",
        )


def peek(hub: Hub, plan: Plan) -> Header | None:
    """The header of a GGUF model without fetching the model: some MB are read into a temporary file and dropped.

    Raises:
        ModelUnusable: it is no GGUF file.
        NetworkProblem, AccessDenied: the hub.
        StoreProblem, NoRoom: there is no place for a temporary file.
    """
    with explained("look at the model's header", Path(os.environ.get("TMPDIR") or "/tmp")):
        return _peek(hub, plan)


def _peek(hub: Hub, plan: Plan) -> Header | None:
    import tempfile

    from edgemind.models.gguf import read_partial

    file = plan.choice.files[0]
    with tempfile.NamedTemporaryFile(prefix="edgemind-") as stream:
        body = patiently(lambda: hub.open(plan.repository, file, 0, None), hub.endpoint, Patience(tries=2), time.sleep)
        try:
            done, next_look = 0, FIRST_LOOK
            for chunk in body:
                stream.write(chunk)
                done += len(chunk)
                if done >= min(next_look, file.size):
                    stream.flush()
                    header = read_partial(Path(stream.name), file.size, name=file.path)
                    if header or done >= min(file.size, 64 << 20):
                        return header
                    next_look *= 4
        except Transient as problem:
            raise NetworkProblem(problem.message, "Run the same command again.") from problem
        finally:
            body.close()
    return None


class _Looking:
    """Passes on what happens, and looks at the header as soon as it can be read."""

    def __init__(self, observer: Observer, look: Callable[[Header], None] | None) -> None:
        self._observer = observer
        self._look = look
        self._next = FIRST_LOOK
        self.retrying = observer.retrying
        self.rehashing = observer.rehashing
        self.restarted = observer.restarted

    def advanced(self, file: RemoteFile, done: int, part: Path) -> None:
        self._observer.advanced(file, done, part)
        if done < min(self._next, file.size) or not self._next:
            return
        from edgemind.models.gguf import read_partial
        from edgemind.models.summary import check_model

        self._next = max(self._next * 4, FIRST_LOOK)
        header = read_partial(part, file.size, name=file.path)
        if header is None:
            return
        self._next = 0
        if header.tensors or not header.number("split.count"):
            check_model(header)
        if self._look:
            self._look(header)


def _bring(
    file: RemoteFile,
    repository: RemoteRepository,
    hub: Hub,
    store: Store,
    watcher: Watcher,
    observer: Observer,
    patience: Patience,
    pause: Callable[[float], object],
) -> str:
    """One file into the store, by this process or by another that is at it already; its SHA-256."""
    if file.sha256 and store.has(file.sha256, file.size):
        observer.present(file)
        return file.sha256
    part = store.partial(file.key)

    def opener(one: RemoteFile, start: int, validator: str | None) -> Body:
        return hub.open(repository, one, start, validator)

    wait, again = 0.0, False
    while True:
        with store.partial_lock(file.key, wait) as held:
            if held:
                if file.sha256 and store.has(file.sha256, file.size):
                    observer.present(file)
                    store.forget_lock(file.key)
                    return file.sha256
                try:
                    digest = fetch(file, part, opener, watcher, patience, pause)
                except ModelUnusable:
                    _forget(part)
                    if again:
                        store.forget_lock(file.key)
                        raise
                    again = True
                    observer.restarted(file, "its beginning is no model's, as it came")
                    continue
                store.adopt(part, digest, file.size)
                _forget(part)
                store.forget_lock(file.key)
                return digest
        observer.waiting(file, part)
        wait = 1.0


def _forget(part: Path) -> None:
    """Nothing is left of an unfinished file."""
    for file in (part, state_file(part)):
        with contextlib.suppress(OSError):
            os.unlink(file)


def _manifest(plan: Plan, store: Store, stored: tuple[StoredFile, ...]) -> Manifest:
    endpoint = plan.repository.endpoint
    return Manifest(
        name=plan.name,
        kind="gguf" if plan.choice.kind == "gguf" else "safetensors",
        files=stored,
        source=Source(
            kind="hub",
            repository=plan.repository.id,
            revision=plan.repository.commit,
            endpoint=None if endpoint == USUAL_HUB else endpoint,
        ),
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        licence=plan.licence,
        facts=_facts(plan, [store.blob(file.sha256) for file in stored]),
    )


def _facts(plan: Plan, blobs: list[Path]) -> Facts:
    """What the files say, which have to be sound models before they become visible."""
    from edgemind.models.gguf import read_headers
    from edgemind.models.store.importing import facts_of
    from edgemind.models.summary import check_model

    if plan.choice.kind != "gguf":
        return Facts(architecture=plan.repository.architecture or "")
    try:
        header = read_headers(blobs)
        check_model(header)
    except ModelUnusable as problem:
        name = plan.choice.files[0].path
        raise ModelUnusable(
            f"{plan.repository.id}/{name} arrived as it was published, but cannot be used: {problem.message}",
            f"Look for another file: edgemind pull {plan.repository.id} --dry-run",
        ) from problem
    facts = facts_of(header)
    return (
        facts
        if facts.quantization or not plan.choice.quantization
        else facts.model_copy(update={"quantization": plan.choice.quantization})
    )


@contextlib.contextmanager
def _leased(store: Store, name: str, digests: list[str]) -> Iterator[None]:
    """Garbage collection keeps the files that are here while others still come, and after a pull that failed."""
    store.lease(name, digests)
    try:
        yield
    except ModelUnusable:
        _release(store, name)
        raise
    _release(store, name)


def _release(store: Store, name: str) -> None:
    """A lease that stays costs room until the next garbage collection, no more."""
    with contextlib.suppress(EdgemindError):
        store.release(name)
