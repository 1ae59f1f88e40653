"""Split a small GGUF model into parts as llama.cpp's ``gguf-split`` does, and change a file's metadata, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf


def split(
    source: Path, folder: Path, count: int, names: Sequence[str] = (), *, empty_first: bool = False
) -> list[Path]:
    """Write ``count`` parts of a model into ``folder``.

    Args:
        names: of the parts; ``<stem>-00001-of-00003.gguf`` and so on unless given.
        empty_first: the first part has only metadata (``--no-tensor-first-split``).
    """
    reader = gguf.GGUFReader(source)
    tensors = list(reader.tensors)
    shares = count - 1 if empty_first else count
    sizes = [len(tensors) // shares + (place < len(tensors) % shares) for place in range(shares)]
    bounds = [0, *(sum(sizes[: place + 1]) for place in range(shares))]
    slices = [tensors[start:end] for start, end in pairwise(bounds)]
    slices = [[], *slices] if empty_first else slices
    names = names or [f"{source.stem}-{place + 1:05d}-of-{count:05d}.gguf" for place in range(count)]
    paths = []
    for place, (part, name) in enumerate(zip(slices, names, strict=True)):
        writer = gguf.GGUFWriter(folder / name, _architecture(reader))
        if place == 0:
            _copy_fields(reader, writer)
        else:
            writer.kv_data[0].pop("general.architecture", None)
        writer.add_uint16("split.no", place)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", len(tensors))
        _write(writer, part)
        paths.append(folder / name)
    return paths


def changed(source: Path, target: Path, **values: Any) -> Path:
    """A copy with other metadata; ``__`` in a keyword stands for a dot, ``None`` leaves the key out."""
    reader = gguf.GGUFReader(source)
    wanted = {key.replace("__", "."): value for key, value in values.items()}
    writer = gguf.GGUFWriter(target, wanted.pop("general.architecture", None) or _architecture(reader))
    _copy_fields(reader, writer, without=wanted)
    for key, value in wanted.items():
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif value is not None:
            writer.add_string(key, value)
    _write(writer, list(reader.tensors))
    return target


def _architecture(reader: gguf.GGUFReader) -> str:
    return str(reader.fields["general.architecture"].contents())


def _copy_fields(reader: gguf.GGUFReader, writer: gguf.GGUFWriter, without: Any = ()) -> None:
    for key, found in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture" or key in without:
            continue
        inner = found.types[1] if len(found.types) > 1 else None
        writer.add_key_value(key, found.contents(), found.types[0], inner)


def _write(writer: gguf.GGUFWriter, tensors: Sequence[gguf.ReaderTensor]) -> None:
    for tensor in tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
