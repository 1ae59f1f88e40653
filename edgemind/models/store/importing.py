"""Taking models into the store that came without a network: GGUF files, exported folders, safetensors checkpoints.

Whatever comes is checked before it is copied, and what was copied is checked again, since only that is used later.
Not for: downloads (``pull``), pickles, which are programs.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgemind.errors import Damaged, ModelNotFound, ModelUnusable, StoreProblem, UsageError
from edgemind.models import checkpoint, gguf
from edgemind.models.header import Header
from edgemind.models.opening import open_regular, shown, typed
from edgemind.models.store import reading
from edgemind.models.store.files import Folder, explained, flaw
from edgemind.models.store.incoming import Incoming, stored_file
from edgemind.models.store.manifest import MOST, Facts, Manifest, Source, StoredFile, is_file_path, is_model_name
from edgemind.models.store.reading import Unreadable
from edgemind.models.store.shared import MANIFEST
from edgemind.models.store.store import Progress, Store
from edgemind.models.store.view import inside
from edgemind.models.summary import check_model, summary

_CHECKPOINT_FILE = re.compile(
    r"(?i)[\w.-]+\.safetensors|(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab"
    r"|chat_template|processor_config|preprocessor_config|model\.safetensors\.index)\.json"
    r"|tokenizer\.model|merges\.txt|chat_template\.jinja|licen[cs]e(\.\w{1,4})?|notice(\.\w{1,4})?"
)
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_MOST_ENTRIES = 10_000


def facts_of(header: Header) -> Facts:
    """What a list shows of a GGUF model, from its header."""
    found = summary(header)
    return Facts(
        architecture=found.architecture[:100],
        parameters=min(max(found.parameters, 0), MOST),
        quantization=found.quantization[:100],
        context=min(max(found.context_trained, 0), MOST),
    )


def import_gguf(
    store: Store,
    paths: Sequence[str | os.PathLike[str]],
    name: str,
    progress: Progress = lambda done, total: None,
    licence: str | None = None,
) -> Manifest:
    """Copy a GGUF model into the store; all parts, in order, of one that is split.

    Args:
        paths: the user's files; links to them are followed. Of a split model one part is enough.
        licence: when it is known; else what the header says.

    Raises:
        ModelNotFound, ModelUnusable: no sound GGUF model; the sentence says why.
        StoreProblem: the name is taken by another model; a disk.
        NoRoom: the store's disk is full. Damaged: a file changed while it was read.
    """
    from edgemind.models.splits import parts_of

    _check_name(name)
    sources = parts_of(paths[0]) if len(paths) == 1 else [Path(path) for path in paths]
    check_model(gguf.read_headers(sources))
    names = _names_of(sources)
    with explained(f"read {shown(sources[0])}", sources[0].parent):
        sizes = [source.stat().st_size for source in sources]
    with Incoming(store, name, sizes, progress) as incoming:
        files = []
        for source, inner in zip(sources, names, strict=True):
            fd = open_regular(source)
            try:
                files.append(stored_file(inner, incoming.bring(fd, source)))
            finally:
                os.close(fd)
        header = _copied_header(incoming.places, sources[0])
        manifest = Manifest(
            name=name,
            kind="gguf",
            files=tuple(files),
            source=Source(kind="file", file=names[0]),
            created=now(),
            licence=licence or header.text("general.license"),
            facts=facts_of(header),
        )
        incoming.finish(manifest)
    return store.get(name) or manifest


def import_folder(
    store: Store,
    folder: str | os.PathLike[str],
    name: str | None = None,
    progress: Progress = lambda done, total: None,
) -> Manifest:
    """Take in a folder that ``edgemind export`` wrote, or a safetensors checkpoint. Every hash is proven on the way.

    Args:
        name: instead of the one it was exported under; of a checkpoint, instead of the folder's.

    Raises:
        Damaged: a file is missing, or is not the one that was exported.
        StoreProblem: the folder holds no model, links, or anything that is no plain file; the name is taken; a disk.
        ModelUnusable: no sound model. NoRoom: the store's disk is full.
    """
    root = Path(folder)
    with explained(f"read {shown(root)}", root), Folder.at(root) as opened:
        exported = opened.exists(MANIFEST)
        names = [] if exported else opened.names(_MOST_ENTRIES)
    if exported:
        return _import_exported(store, root, name, progress)
    if any(entry.endswith(".safetensors") for entry in names) and "config.json" in names:
        return _import_checkpoint(store, root, name or name_from(root.absolute().name), names, progress)
    found = next((entry for entry in names if entry.lower().endswith(".gguf")), None)
    raise StoreProblem(
        f"{shown(root)} holds neither an exported model ({MANIFEST}) nor a safetensors checkpoint.",
        f"edgemind import {typed(root / found)}" if found else "Name a .gguf file, or a folder that was exported.",
    )


def _import_exported(store: Store, root: Path, name: str | None, progress: Progress) -> Manifest:
    try:
        with Folder.at(root) as folder:
            told = reading.parse(reading.read_bounded(folder, MANIFEST))
    except Unreadable as problem:
        raise StoreProblem(
            f"{shown(root / MANIFEST)} cannot be used: {problem}.", "Export the model again."
        ) from problem
    _refuse_pickles(root, told)
    name = _check_name(name or told.name)
    for file in told.files:
        os.close(_open_plain(root, file))
    if told.kind == "gguf":
        check_model(gguf.read_headers([root / file.path for file in told.files]))
    with Incoming(store, name, [file.size for file in told.files], progress) as incoming:
        for file in told.files:
            fd = _open_plain(root, file)
            try:
                digest, _ = incoming.bring(fd, root / file.path, file.sha256)
            finally:
                os.close(fd)
            if digest != file.sha256:
                raise Damaged(
                    f"{shown(root / file.path)} is damaged: its hash is not the one it was exported with.",
                    "Copy it again from where it was exported.",
                )
        facts = told.facts
        if told.kind == "gguf":
            facts = facts_of(_copied_header(incoming.places, root / told.files[0].path))
        manifest = told.model_copy(update={"name": name, "created": now(), "facts": facts})
        incoming.finish(manifest)
    return store.get(name) or manifest


def _refuse_pickles(root: Path, manifest: Manifest) -> None:
    pickle = next((file.path for file in manifest.files if file.path.lower().endswith(_PICKLES)), None)
    if pickle:
        raise StoreProblem(
            f"{shown(root / pickle)} is a pickle, which is a program and not only weights; it is never taken in.",
            "Get the model in GGUF or safetensors form.",
        )


def _open_plain(root: Path, file: StoredFile) -> int:
    """A file of an exported model, which must be plain and have its size."""
    path = root / file.path
    *above, last = file.path.split("/")
    with explained(f"read {shown(path)}", root):
        try:
            with inside(root, above) as folder:
                status = folder.status(last)
                trouble = flaw(status)
                if trouble:
                    raise StoreProblem(f"{shown(path)} {trouble}, and is not read.", "Put a real file in its place.")
                if status.st_size != file.size:
                    raise Damaged(
                        f"{shown(path)} has {status.st_size:,} bytes and should have {file.size:,}.",
                        "Copy it again from where it was exported.",
                    )
                return folder.open(last)
        except FileNotFoundError:
            raise Damaged(
                f"{shown(path)} is missing.", "Copy the whole folder again from where it was exported."
            ) from None


def _import_checkpoint(store: Store, root: Path, name: str, names: list[str], progress: Progress) -> Manifest:
    _check_name(name)
    files = [StoredFile(path=entry, sha256="0" * 64, size=_size(root, entry)) for entry in names if _belongs(entry)]
    checkpoint.read_checkpoint({file.path: root / file.path for file in files})
    with Incoming(store, name, [file.size for file in files], progress) as incoming:
        stored = []
        for file in files:
            fd = _open_plain(root, file)
            try:
                stored.append(stored_file(file.path, incoming.bring(fd, root / file.path)))
            finally:
                os.close(fd)
        found = checkpoint.read_checkpoint(dict(zip([file.path for file in stored], incoming.places, strict=True)))
        manifest = Manifest(
            name=name,
            kind="safetensors",
            files=tuple(stored),
            source=Source(kind="file", file=root.absolute().name[:200]),
            created=now(),
            facts=Facts(
                architecture=found.architecture[:100],
                parameters=min(found.parameters, MOST),
                quantization=found.quantization[:100],
                context=min(found.context_trained, MOST),
            ),
        )
        incoming.finish(manifest)
    return store.get(name) or manifest


def _belongs(name: str) -> bool:
    return bool(_CHECKPOINT_FILE.fullmatch(name)) and is_file_path(name)


def _size(root: Path, name: str) -> int:
    with explained(f"read {shown(root / name)}", root), Folder.at(root) as folder:
        return folder.status(name).st_size


def _copied_header(places: Sequence[Path], source: Path) -> Header:
    """The header of what was copied, under the name of where it came from."""
    try:
        header = gguf.read_headers(places)
        check_model(header)
    except (ModelUnusable, ModelNotFound) as problem:
        raise Damaged(
            f"{shown(source)} changed while it was being read.", "Do it again when nothing writes to it."
        ) from problem
    return replace(header, path=source)


def _names_of(sources: Sequence[Path]) -> list[str]:
    """File names for the manifest: as they are, or plain ones when they are not."""
    names = [source.name for source in sources]
    if all(map(is_file_path, names)) and len({name.casefold() for name in names}) == len(names):
        return names
    if len(names) == 1:
        return ["model.gguf"]
    return [f"model-{number:05}-of-{len(names):05}.gguf" for number in range(1, len(names) + 1)]


def name_from(text: str) -> str:
    """A model's name made of any text, such as a file's or a folder's name.

    Raises:
        UsageError: nothing of it can be part of a name.
    """
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")[:128].rstrip("-._")
    if not is_model_name(name):
        raise UsageError(f"{shown(text)!r} cannot become the name of a model.", "Give one: --name NAME")
    return name


def now() -> str:
    """UTC in ISO 8601."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _check_name(name: str) -> str:
    if not is_model_name(name):
        raise UsageError(
            f"{name[:140]!r} cannot be the name of a model.", "Use lower-case letters, digits, and . _ - inside."
        )
    return name
