"""Rows of datasets on disk: JSON lines, datasets that Hugging Face's library saved, folders of Parquet files.

Reads whole columns, knows nothing of problems (``datasets``), runs no loading script, opens no pickle and never reaches
for a network.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from edgemind.errors import BadInput, UsageError
from edgemind.terminal import clean_line

LONGEST = 4 * 2**20
"""Bytes of a line of JSON, and characters of a text in any row."""
Row = tuple[str, dict[str, Any]]
"""Where a row is, in words, and its columns."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_jsonl(path: Path) -> Iterator[Row]:
    """The rows of a file of JSON lines in UTF-8 (with or without a byte order mark); empty lines are passed over.

    Raises:
        BadInput: the file cannot be read, or a line is too long, not UTF-8, not JSON or not an object; it is named.
    """
    if path.is_dir():
        raise BadInput(f"{_shown(path)} is a folder, not a file of JSON lines.", 'For a dataset say kind = "dataset".')
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise BadInput(f"{_shown(path)}, line {number} is longer than {LONGEST >> 20} MiB.", SHORTER)
                if number == 1:
                    line = _without_mark(path, line)
                if line.strip():
                    yield f"{_shown(path)}, line {number}", _object(path, number, line)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(
            f"{_shown(path)} cannot be read: {reason}.", "Check the dataset's path in the recipe."
        ) from error


SHORTER = "Is it JSON lines, one object a line? Cut the line, or leave it out."


def _without_mark(path: Path, line: bytes) -> bytes:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise BadInput(f"{_shown(path)} is UTF-16, not UTF-8.", "Save it again as UTF-8.")
    if line.startswith(b"\x1f\x8b"):
        raise BadInput(f"{_shown(path)} is compressed.", "Unpack it with `gunzip` first.")
    return line.removeprefix(b"\xef\xbb\xbf")


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    where = f"{_shown(path)}, line {number}"
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput(f"{where} is not UTF-8.", "Save it again as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{where} is not JSON: {getattr(error, 'msg', 'too large or too deep')}.", SHORTER) from error
    if not isinstance(row, dict):
        raise BadInput(f"{where} is no object with columns.", 'JSON lines has one {"column": value} a line.')
    return row


def read_dataset(path: Path, split: str, columns: Sequence[str]) -> Iterator[Row]:
    """The rows of a dataset on disk, of its split, with the named columns.

    Args:
        path: what ``save_to_disk`` made, or a folder with Parquet files (whose names or folders may name a split).
        columns: the first part of a nested name is enough.

    Raises:
        UsageError: the library is missing, there is no such split or column; the message has those that are there.
        BadInput: it is no dataset, or damaged.
    """
    if importlib.util.find_spec("datasets") is None:
        raise UsageError(
            "Reading a dataset needs the library datasets, which is not installed.",
            "Run `pip install 'edgemind[datasets]'`.",
        )
    if not path.is_dir():
        found = "is a file" if path.exists() else "is not there"
        raise BadInput(
            f"{_shown(path)} {found}; a dataset is a folder.", 'For JSON lines say kind = "jsonl"; check the path.'
        )
    os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    try:
        saved = any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))
        yield from _saved(path, split, columns) if saved else _parquet(path, split, columns)
    except (UsageError, BadInput):
        raise
    except Exception as error:  # the libraries below raise every kind for a damaged file
        reason = clean_line(str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__)
        raise BadInput(f"{_shown(path)} cannot be read as a dataset: {reason}.", "Make or copy it again.") from error


def _saved(path: Path, split: str, columns: Sequence[str]) -> Iterator[Row]:
    import datasets  # type: ignore[import-untyped, unused-ignore]

    if (path / "dataset_dict.json").is_file():
        splits = list(json.loads((path / "dataset_dict.json").read_text("utf-8"))["splits"])
        path = path / _split(path, split, splits)
    dataset = datasets.load_from_disk(str(path))
    wanted = needed(path, columns, dataset.column_names)
    dataset = dataset.select_columns(wanted).with_format(None)
    yield from _rows(path, (dataset[start : start + 1000] for start in range(0, len(dataset), 1000)), dataset.features)


def _parquet(path: Path, split: str, columns: Sequence[str]) -> Iterator[Row]:
    import datasets  # type: ignore[import-untyped, unused-ignore]
    import pyarrow.parquet as parquet  # type: ignore[import-untyped, unused-ignore]

    files = sorted(file for file in path.rglob("*.parquet") if file.is_file())
    if not files:
        other = [
            kind for kind, suffix in (("a loading script", "*.py"), ("pickles", "*.pkl")) if any(path.glob(suffix))
        ]
        trouble = f"has {' and '.join(other)}, which are never run or opened" if other else "has no dataset in it"
        raise BadInput(f"{_shown(path)} {trouble}.", "Save it with `save_to_disk`, or as Parquet files.")
    names = {file: _named_split(file.relative_to(path)) for file in files}
    if any(names.values()):
        chosen = _split(path, split, sorted({name for name in names.values() if name}))
        files = [file for file in files if names[file] == chosen]
    for file in files:
        table = parquet.ParquetFile(file)
        wanted = needed(file, columns, table.schema_arrow.names)
        features = datasets.Features.from_arrow_schema(table.schema_arrow)
        batches = (batch.to_pydict() for batch in table.iter_batches(1000, columns=wanted))
        yield from _rows(file, batches, features)


def _named_split(file: Path) -> str:
    """``train`` of ``data/train-00000-of-00002.parquet`` or ``train/0.parquet``; empty when no name is a split's."""
    for part in (file.stem, *reversed(file.parts[:-1])):
        found = re.match(r"(train|test|validation|valid|dev|eval)(?![a-z])", part)
        if found:
            return found[1]
    return ""


def _split(path: Path, wanted: str, known: Sequence[str]) -> str:
    if wanted not in known:
        there = ", ".join(map(clean_line, known))
        raise UsageError(
            f"{_shown(path)} has no split {clean_line(wanted)!r}; it has {there}.", "Set split to one of these."
        )
    return wanted


def _rows(path: Path, batches: Iterator[dict[str, list[Any]]], features: Any) -> Iterator[Row]:
    number = 0
    for batch in batches:
        decode = {name: getattr(features.get(name), "int2str", None) for name in batch}
        for values in zip(*batch.values(), strict=True):
            number += 1
            row = dict(zip(batch, values, strict=True))
            for name, names_of in decode.items():  # a class is stored as its number
                if names_of is not None and isinstance(row[name], int) and row[name] >= 0:
                    row[name] = names_of(row[name])
            yield f"{_shown(path)}, row {number}", row


def needed(path: Path, columns: Sequence[str], there: Sequence[str]) -> list[str]:
    """The columns that hold ``columns``, where ``question.text`` may be one, or the field ``text`` of ``question``.

    Raises:
        UsageError: one is not there; the message has those that are.
    """
    found = []
    for name in columns:
        holder = name if name in there else name.split(".")[0]
        if holder not in there:
            raise missing(str(path.name), name, there)
        found.append(holder)
    return list(dict.fromkeys(found))


def missing(where: str, name: str, there: Sequence[str]) -> UsageError:
    """The error for a column that is not there."""
    known = ", ".join(clean_line(str(one)) for one in list(there)[:40]) or "no columns"
    return UsageError(
        f"{clean_line(where)} has no column {clean_line(name)!r}; it has {known}.",
        "Name one of these in [[problems.dataset]].",
    )


def pick(row: dict[str, Any], name: str) -> Any:
    """The value of a column, or of a field within it (``question.text``, ``turns.0``).

    Raises:
        KeyError: it is not there.
    """
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value[part]
        else:
            raise KeyError(name)
    return value


def as_text(value: Any) -> str:
    """A value as text: numbers as they are written, lone surrogates replaced.

    Raises:
        ValueError: it is neither text nor a number, or longer than any question.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"is {'empty' if value is None else type(value).__name__}, not text")
    text = str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)
    if len(text) > LONGEST:
        raise ValueError(f"is longer than {LONGEST:,} characters")
    return _SURROGATE.sub("\ufffd", text)


def _shown(path: Path) -> str:
    return clean_line(path.name)
