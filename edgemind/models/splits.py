"""Models that are split into several GGUF files: which files belong together, and one header out of theirs.

A split is made by llama.cpp's ``gguf-split``: the first part has all the metadata, each part says its number and how
many there are (``split.no``, ``split.count``, ``split.tensors.count``), and their names end in ``-00001-of-00003``.
In a store the parts have no such names, so the numbers in the headers decide and names only help to find siblings.
Not for: files that were cut with other tools (``model.gguf.part1of2``): those have to be joined first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgemind.errors import ModelNotFound, ModelUnusable
from edgemind.models.header import Header
from edgemind.models.opening import shown

_NAME = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>\.gguf)", re.IGNORECASE | re.DOTALL)

TOGETHER = "Put all parts into one folder, and name the first of them."
ANOTHER = "Fetch the whole model again, all its parts from one place."


def stem(path: str | os.PathLike[str]) -> str:
    """A file's name without ``.gguf``, and without the number of its part."""
    found = _NAME.fullmatch(os.path.basename(path))
    return found["stem"] if found else Path(path).stem


def part_names(name: str) -> list[str]:
    """The names of all parts, in order, of which ``name`` is one; only ``name`` when it is not called so."""
    found = _NAME.fullmatch(name)
    if not found or not 0 < int(found["number"]) <= int(found["count"]):
        return [name]
    return [f"{found['stem']}-{n:05d}-of-{found['count']}{found['end']}" for n in range(1, int(found["count"]) + 1)]


def parts_of(path: str | os.PathLike[str]) -> list[Path]:
    """All files of the model at ``path``, in order: the siblings of a part, whichever part it is, else the file alone.

    The name finds the siblings; a whole model that is only called like a part stays alone.

    Raises:
        ModelNotFound: a part is missing; the message names it.
        ModelUnusable: the file is no sound GGUF file.
    """
    given = Path(path)
    names = part_names(given.name)
    if len(names) == 1:
        return [given]
    from edgemind.models.gguf import read_header

    if not count_of(read_header(given)):
        return [given]
    parts = [given.with_name(name) for name in names]
    missing = [part.name for part in parts if not part.exists()]
    if missing:
        which = (
            f"{shown(missing[0])} is" if len(missing) == 1 else f"{shown(missing[0])} and {len(missing) - 1} more are"
        )
        raise ModelNotFound(
            f"This model is in {len(parts)} files, and {which} missing beside {shown(given)}.", TOGETHER
        )
    return parts


def count_of(header: Header) -> int:
    """How many files the model is split into; 0 for a whole one."""
    count = header.number("split.count") or 0
    return count if count > 1 else 0


def merged(headers: Sequence[Header]) -> Header:
    """One header with the tensors of all parts. One whole model's header is returned as it is.

    Tensor offsets stay those inside their own file.

    Raises:
        ModelUnusable: a part is missing, stands in the wrong place, or belongs to another model.
    """
    first = headers[0]
    count = count_of(first)
    if len(headers) == 1 and not count:
        return first
    if not count:
        raise ModelUnusable(f"{shown(first.path)} is not the first part of a split model.", TOGETHER)
    if len(headers) == 1:
        raise ModelUnusable(
            f"{shown(first.path)} is {_place(first)} of a model, and the other parts are not named like it.",
            "Give the parts the names they came with, ending in -00001-of-00003.gguf and so on.",
        )
    _check_places(headers, count)
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    by_name = {tensor.name: tensor for tensor in tensors}
    promised = first.number("split.tensors.count")
    if len(by_name) < len(tensors) or (promised is not None and promised != len(tensors)):
        raise ModelUnusable(
            f"The parts of {shown(first.path)} hold {len(by_name):,} different tensors where "
            f"{len(tensors) if promised is None else promised:,} belong: one is a part of another model.",
            ANOTHER,
        )
    return replace(
        first,
        size_bytes=sum(header.size_bytes for header in headers),
        tensors=tensors,
        by_name=by_name,
        parts=tuple(header.path for header in headers),
    )


def _check_places(headers: Sequence[Header], count: int) -> None:
    """Every part there, once, and in its place."""
    first, by_number = headers[0], dict[int, Header]()
    for header in headers:
        number = header.number("split.no")
        other = header.number("split.count")
        if number is None or number >= count or (other is not None and other != count):
            raise ModelUnusable(
                f"{shown(header.path)} is {_place(header)}, and {shown(first.path)} is {_place(first)}: "
                "they do not belong together.",
                ANOTHER,
            )
        twin = by_number.setdefault(number, header)
        if twin is not header:
            raise ModelUnusable(
                f"{shown(twin.path)} and {shown(header.path)} are both {_place(header)}.", "Name every part once."
            )
    missing = next((number for number in range(count) if number not in by_number), None)
    if missing is not None:
        names = part_names(first.path.name)
        called = f", {shown(names[missing])}," if len(names) == count else ""
        raise ModelUnusable(
            f"{shown(first.path)} is {_place(first)}, and part {missing + 1}{called} is missing.", TOGETHER
        )
    for place, header in enumerate(headers):
        if header.number("split.no") != place:
            raise ModelUnusable(
                f"{shown(header.path)} is {_place(header)} but stands in the place of part {place + 1}.",
                "Name the parts in order, or the first alone.",
            )


def _place(header: Header) -> str:
    """``part 2 of 3``, as the file itself says."""
    number, count = header.number("split.no"), count_of(header)
    if number is None:
        return "no part of a split model"
    return f"part {number + 1} of {count}" if count else f"part {number + 1}"
