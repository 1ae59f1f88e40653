"""What a pull would do, found out before the first byte: which repository and commit, which files, under which name.

Not for: doing it (``pull``), choosing among a repository's files (``selection``).
"""

from __future__ import annotations

import contextlib
import difflib
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from edgemind.errors import BadConfig, ModelNotFound, NetworkProblem, StoreProblem, UsageError
from edgemind.models import builtin, catalog
from edgemind.models.catalog_schema import CatalogEntry
from edgemind.models.references import Reference, parse
from edgemind.models.remote import Body, RemoteFile, RemoteRepository, Transient
from edgemind.models.selection import Choice, choose_gguf, choose_safetensors, gguf_choices
from edgemind.models.sizes import human_bytes
from edgemind.models.store.manifest import Manifest, is_model_name
from edgemind.models.store.store import Store
from edgemind.models.transfer import Patience
from edgemind.settings import load_settings

HASTY = Patience(tries=3)
Answer = TypeVar("Answer")


class Hub(Protocol):
    """What of ``download.HubClient`` is used here."""

    endpoint: str

    def repository(self, repo: str, revision: str | None = None) -> RemoteRepository: ...
    def open(self, repository: RemoteRepository, file: RemoteFile, start: int, validator: str | None) -> Body: ...


@dataclass(frozen=True)
class Plan:
    """What a pull would do."""

    name: str
    repository: RemoteRepository
    choice: Choice
    entry: CatalogEntry | None
    existing: Manifest | None
    """The model of this name that is here."""
    fetched: tuple[RemoteFile, ...]
    """Those of the files that are not here."""
    kept: int
    """Bytes of them that an earlier pull left."""
    notes: tuple[str, ...] = ()
    """What is worth knowing, one sentence each."""

    @property
    def to_fetch(self) -> int:
        """Bytes that will come over the network."""
        return max(0, sum(file.size for file in self.fetched) - self.kept)

    @property
    def licence(self) -> str | None:
        return (self.entry.licence if self.entry else None) or self.repository.licence


def make_plan(
    hub: Hub,
    wanted: str,
    store: Store,
    *,
    safetensors: bool = False,
    name: str | None = None,
    patience: Patience = HASTY,
    pause: Callable[[float], object] = time.sleep,
) -> Plan:
    """Find out what ``wanted`` means at the hub now, and what of it is here.

    Raises:
        UsageError: it is no reference, or cannot be pulled.
        ModelNotFound, AccessDenied, NetworkProblem: the hub.
        StoreProblem: the name is taken by another model.
    """
    reference = parse(wanted)
    if name is not None and not is_model_name(name):
        raise UsageError(f"{name!r} cannot be a model's name.", "Use small letters, digits, and . _ - inside.")
    entry, before = _known(reference, store)
    if before and before.kind == "safetensors" and not (reference.quantization or reference.file):
        safetensors = True
    if before and (reference.quantization or reference.file or safetensors != (before.kind == "safetensors")):
        if entry is None:
            reference = replace(reference, name=None, repository=before.source.repository)
        before = None
    repository_id, revision, quantization, file = _where(reference, entry, before)
    repository = patiently(lambda: hub.repository(repository_id, revision), hub.endpoint, patience, pause)
    notes: list[str] = []
    choice = choose_safetensors(repository) if safetensors else _chosen(repository, entry, quantization, file, notes)
    final = name or (before.name if before else None) or _name_for(reference, entry, choice, repository)
    existing = _existing(store, final, choice, repository, reference)
    fetched = tuple(one for one in choice.files if not (one.sha256 and store.has(one.sha256, one.size)))
    kept = sum(_size(store.partial(one.key)) for one in fetched)
    return Plan(final, repository, choice, entry, existing, fetched, kept, tuple(notes))


def patiently(ask: Callable[[], Answer], endpoint: str, patience: Patience, pause: Callable[[float], object]) -> Answer:
    """Ask the hub, a few times when it is busy.

    Raises:
        NetworkProblem: it stays busy, or cannot be reached.
    """
    for failures in range(1, patience.tries + 1):
        try:
            return ask()
        except Transient as problem:
            asked = problem.wait or 0.0
            unreachable = type(problem).__name__ == "Unreachable"
            if unreachable or failures == patience.tries or asked > patience.longest_wait:
                again = f"in {asked:.0f} s" if asked else "later"
                raise NetworkProblem(
                    problem.message,
                    f"Is there a network, and is {endpoint} right? What is here works without: edgemind list"
                    if unreachable
                    else f"Try again {again}. What is here works without: edgemind list",
                ) from problem
            pause(patience.wait(failures, asked))
    raise AssertionError("patience has at least one try")


def _known(reference: Reference, store: Store) -> tuple[CatalogEntry | None, Manifest | None]:
    """The catalog's entry, and the model of the store, that a name means; none for a repository."""
    if not reference.name:
        return None, None
    if reference.name.lower() == builtin.NAME:
        raise UsageError(f"{builtin.NAME} comes with EdgeMind.", f"edgemind run -m {builtin.NAME} 'What is 48 + 37?'")
    entries, wanted = catalog.load(), reference.name.lower()
    entry = entries.get(wanted) or entries.get(f"{wanted}-{reference.quantization}".lower())
    before = store.get(wanted) if is_model_name(wanted) else None
    if before and before.source.kind != "hub":
        raise UsageError(
            f"{before.name} did not come from a hub, so it cannot be pulled again.", f"edgemind show {before.name}"
        )
    if entry or before:
        return entry, before
    begin = [name for name in entries if name.startswith(wanted)]
    if len(begin) == 1:
        return entries[begin[0]], None
    raise _unknown(reference.name, begin or _near(wanted, list(entries)))


def _near(wanted: str, names: list[str]) -> list[str]:
    return difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)


def _unknown(wanted: str, near: list[str]) -> ModelNotFound:
    if near:
        return ModelNotFound(
            f"The catalog has no model {wanted!r}; it has {', '.join(near[:6])}.", f"edgemind pull {near[0]}"
        )
    return ModelNotFound(
        f"The catalog has no model {wanted!r}.",
        "edgemind catalog lists it; any repository of the hub works too: edgemind pull owner/repository",
    )


def _where(
    reference: Reference, entry: CatalogEntry | None, before: Manifest | None
) -> tuple[str, str | None, str | None, str | None]:
    """Repository, revision, quantization and file to ask for."""
    if reference.repository:
        return reference.repository, reference.revision, reference.quantization, reference.file
    if before and before.source.repository:
        file = before.files[0].path if before.kind == "gguf" else None
        listed = entry.revision if entry and entry.repository == before.source.repository else None
        return before.source.repository, reference.revision or listed, reference.quantization, reference.file or file
    assert entry is not None
    if not entry.repository:
        raise UsageError(
            f"The catalog names no repository for {entry.name}.", "Name one: edgemind pull owner/repository"
        )
    wanted = reference.quantization
    if wanted and f"{reference.name}-{wanted}".lower() == entry.name:
        wanted = None
    return entry.repository, reference.revision or entry.revision, wanted, reference.file


def _chosen(
    repository: RemoteRepository,
    entry: CatalogEntry | None,
    quantization: str | None,
    file: str | None,
    notes: list[str],
) -> Choice:
    """The catalog's file where the repository still has it, else what the repository has."""
    known = entry.file(quantization) if entry and not file else None
    label = (entry.quantization(quantization) if entry else None) or quantization
    if known is None or entry is None:
        return choose_gguf(repository, quantization, file)
    there = {one.path: one for one in repository.files}
    if any(path not in there for path in known.paths):
        notes.append("The repository has changed since the catalog was written; the file was chosen anew.")
        return choose_gguf(repository, label, None)
    files = tuple(there[path] for path in known.paths)
    choice = Choice(files, "gguf", label or "")
    if known.sha256 and files[0].sha256 != known.sha256:
        notes.append("The file has been replaced at the hub since the catalog was written.")
    if known.size and abs(choice.size - known.size) > 0.01 * known.size:
        notes.append(f"The catalog says {human_bytes(known.size)}, the hub {human_bytes(choice.size)}.")
    if entry.licence and repository.licence and not entry.verified:
        same = _plain(entry.licence) in _plain(repository.licence) or _plain(repository.licence) in _plain(
            entry.licence
        )
        if not same:
            notes.append(f"The catalog gives the licence {entry.licence}, the hub {repository.licence}.")
    return choice


def _name_for(reference: Reference, entry: CatalogEntry | None, choice: Choice, repository: RemoteRepository) -> str:
    """``qwen3-1.7b``, ``qwen3-1.7b-q8_0`` for another quantization than the usual, ``model-safetensors``."""
    suffix = choice.quantization.lower()
    if entry:
        base = entry.name
        usual = entry.quantization()
        suffix = "" if usual and usual.lower() == suffix else suffix
    else:
        base = re.sub(r"(?i)[-_.]gguf$", "", repository.id.rpartition("/")[2]).lower()
        alike = [one for one in gguf_choices(repository) if one.quantization == choice.quantization]
        if choice.kind == "gguf" and reference.file and (not suffix or len(alike) > 1):
            base = re.sub(r"(?i)\.gguf$", "", choice.files[0].path.rpartition("/")[2]).lower()
        suffix = "" if suffix and base.endswith(suffix) else suffix
    if choice.kind == "safetensors":
        suffix = "safetensors"
    name = re.sub(r"[^a-z0-9._-]+", "-", f"{base}-{suffix}" if suffix else base).strip(".-_")[:120]
    if not entry and (name == builtin.NAME or name in catalog.load()):
        owner = re.sub(r"[^a-z0-9._-]+", "-", repository.id.partition("/")[0].lower())
        name = f"{owner}-{name}"
    if not is_model_name(name):
        raise UsageError(
            "No name for this model follows from its repository.", f"Give one: edgemind pull {reference} --name NAME"
        )
    return name


def _existing(
    store: Store, name: str, choice: Choice, repository: RemoteRepository, reference: Reference
) -> Manifest | None:
    """The model of this name, which is to be replaced; another one is not, nor does a name hide it.

    Raises:
        UsageError: the name means something else already.
        StoreProblem: a model from elsewhere has it, or a damaged one.
    """
    another = f"edgemind pull {reference} --name OTHER-NAME"
    if name == builtin.NAME:
        raise UsageError(f"{name} is the model that comes with EdgeMind.", another)
    alias = None
    with contextlib.suppress(BadConfig):  # settings that cannot be read are no reason not to fetch
        alias = load_settings().aliases.get(name)
    if alias and alias != name:
        raise UsageError(f"{name} is an alias of {alias}.", f"{another}, or: edgemind alias {name} --remove")
    found = store.get(name)
    if found is None:
        return None
    origin = found.source.repository or found.source.file or "this machine"
    if origin.lower() != repository.id.lower() or found.source.kind != "hub":
        raise StoreProblem(f"There is a model named {name} already, from {origin}.", another)
    first = found.files[0].path
    if found.kind != choice.kind or (choice.kind == "gguf" and first not in {file.path for file in choice.files}):
        raise StoreProblem(f"There is a model named {name} already, of {first} in {origin}.", another)
    return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", text.lower())
