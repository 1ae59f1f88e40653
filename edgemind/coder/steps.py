"""One step of the journal: which files it changes, with the bytes before and after, and its file on the disk.

A step's file is one line of JSON that tells what it is (cheap to list), and one with the bytes; the first holds the
SHA-256 of the second. It is written whole or not at all.
Not for: changing the workspace (``transitions``), the order of steps (``journal``).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgemind.coder.problems import JournalProblem
from edgemind.models.opening import typed

FORMAT = 1


@dataclass(frozen=True)
class State:
    """A file as it is at one moment. ``mode``: its permission bits; ``None`` when they do not matter."""

    data: bytes
    mode: int | None = None
    owner: tuple[int, int] | None = None
    """User and group; ``None`` for those of whoever writes."""
    attributes: dict[str, bytes] | None = None
    """Access list and other extended attributes; ``None`` for what the folder gives a new file."""


@dataclass(frozen=True)
class Record:
    """One file of a step. ``None``: there is no such file then."""

    path: str
    before: State | None
    after: State | None


@dataclass(frozen=True)
class Step:
    """What was applied at once, and is undone at once."""

    number: int
    label: str
    at: float
    """Seconds since 1970."""
    nonce: str
    """Part of the names of its temporary files."""
    records: tuple[Record, ...]
    folders: tuple[str, ...] = ()
    """Folders that the step makes, each before those inside it."""

    def temporary(self, index: int) -> str:
        """The name that the file of a record is written under, in the same folder."""
        return f".edgemind-{self.nonce}-{index}.tmp"


@dataclass(frozen=True)
class Summary:
    """What can be told of a step without its bytes."""

    number: int
    label: str
    at: float
    created: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]


def new_step(number: int, label: str, records: Sequence[Record], folders: Sequence[str]) -> Step:
    return Step(number, label, time.time(), os.urandom(8).hex(), tuple(records), tuple(folders))


def summary(step: Step) -> Summary:
    return Summary(
        step.number,
        step.label,
        step.at,
        tuple(one.path for one in step.records if one.before is None),
        tuple(one.path for one in step.records if one.before is not None and one.after is not None),
        tuple(one.path for one in step.records if one.after is None),
    )


def encode(step: Step) -> bytes:
    """The bytes of a step's file."""
    body = json.dumps(
        {
            "nonce": step.nonce,
            "folders": step.folders,
            "records": [
                {"path": one.path, "before": _state(one.before), "after": _state(one.after)} for one in step.records
            ],
        }
    ).encode()
    head = {"format": FORMAT, **asdict(summary(step)), "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n" + body


def read_step(file: Path) -> Step:
    """Raises ``JournalProblem`` when it is damaged or cannot be read."""
    try:
        with file.open("rb") as stream:
            head, _, body = stream.read().partition(b"\n")
        told = json.loads(head)
        if told["format"] != FORMAT:
            raise JournalProblem(
                f"The step in {file} was written by another version of EdgeMind.", "Use that version to undo it."
            )
        if hashlib.sha256(body).hexdigest() != told["sha256"]:
            raise ValueError
        kept = json.loads(body)
        records = tuple(
            Record(str(one["path"]), _read_state(one["before"]), _read_state(one["after"])) for one in kept["records"]
        )
        folders = tuple(map(str, kept["folders"]))
        return Step(int(told["number"]), str(told["label"]), float(told["at"]), str(kept["nonce"]), records, folders)
    except OSError as problem:
        message = f"The step in {file} cannot be read: {problem.strerror}."
        raise JournalProblem(message, f"ls -l {typed(file)}") from problem
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        hint = f"Move it away: mv {typed(file)} {typed(f'{file}.damaged')}"
        raise JournalProblem(f"The step in {file} is damaged.", hint) from problem


def read_summary(file: Path) -> Summary | None:
    """What its first line says; ``None`` when that cannot be read."""
    try:
        with file.open("rb") as stream:
            told = json.loads(stream.readline(1 << 24))
        return Summary(
            int(told["number"]),
            str(told["label"]),
            float(told["at"]),
            tuple(map(str, told["created"])),
            tuple(map(str, told["changed"])),
            tuple(map(str, told["deleted"])),
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _state(state: State | None) -> dict[str, Any] | None:
    if state is None:
        return None
    attributes = None if state.attributes is None else {name: _text(value) for name, value in state.attributes.items()}
    return {"data": _text(state.data), "mode": state.mode, "owner": state.owner, "attributes": attributes}


def _read_state(kept: dict[str, Any] | None) -> State | None:
    if kept is None:
        return None
    owner, attributes = kept["owner"], kept["attributes"]
    return State(
        _bytes(kept["data"]),
        kept["mode"],
        (int(owner[0]), int(owner[1])) if owner else None,
        None if attributes is None else {name: _bytes(value) for name, value in attributes.items()},
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
