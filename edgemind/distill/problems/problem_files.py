"""Problems as files: JSON lines, one problem a line, checked when read.

Not for: datasets that someone else wrote (``datasets``).
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgemind.distill.problems.base import Problem
from edgemind.errors import Damaged, NoRoom

LONGEST = 64 * 2**20
"""Bytes of a line; a longer one is no problem of ours."""


class _Line(BaseModel):
    """A problem as it stands in a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    family: Annotated[str, Field(min_length=1)]
    key: Annotated[str, Field(min_length=1)]
    prompt: str
    thought: str
    answer: str
    result: str
    level: Annotated[int, Field(ge=1)] = 1
    history: tuple[tuple[str, str], ...] = ()
    system: str | None = None
    thinking: bool = True


def write_problems(path: Path, problems: Iterable[Problem]) -> int:
    """Writes ``problems`` to ``path``, whole or not at all; their number.

    Raises:
        NoRoom: the disk is full or refuses.
    """
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    count = 0
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            for problem in problems:
                file.write(json.dumps(asdict(problem), ensure_ascii=False) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise NoRoom(
            f"{path.name} cannot be written: {error.strerror}.", "Free some space, then run it again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return count


def read_problems(path: Path) -> list[Problem]:
    """The problems of a file that ``write_problems`` wrote.

    Raises:
        Damaged: it is not there, or a line is none of a problem; the message has the line's number.
    """
    found = []
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST):
                number += 1
                found.append(_problem(path, number, line))
    except OSError as error:
        raise Damaged(f"{path.name} cannot be read: {error.strerror}.", REMAKE) from error
    return found


REMAKE = "Delete it and run `edgemind distill` again: it is made anew."


def _problem(path: Path, number: int, line: bytes) -> Problem:
    if not line.endswith(b"\n"):
        raise Damaged(f"{path.name} breaks off in line {number}.", REMAKE)
    try:
        return Problem(**dict(_Line.model_validate_json(line)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise Damaged(f"{path.name}, line {number}: {where}: {first['msg'].lower()}.", REMAKE) from error
