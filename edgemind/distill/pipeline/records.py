"""What a stage did, as a file: ``stages/NAME.json``, written whole when its outputs are on the disk.

Not for: deciding whether a stage has to run (``running``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edgemind.models.store import made
from edgemind.models.store.files import Folder, explained

BLOCK = 1 << 20


class Output(BaseModel):
    """A file that a stage made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """From the run directory on, with slashes."""
    size: int
    sha256: str


class Record(BaseModel):
    """A stage that is done."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    fingerprint: str
    """Of everything that decides its outputs."""
    inputs: dict[str, str]
    """The digest of each part of that, by a name that can be shown."""
    outputs: tuple[Output, ...]
    started: str
    """ISO 8601, UTC."""
    seconds: float
    """Of work, over all runs that were not killed."""
    machine: str
    edgemind: str
    figures: dict[str, Any]
    """What it found out: counts, rates, losses."""

    def outcome(self, *names: str) -> str:
        """What a later stage's fingerprint holds of this one: its outputs, whenever and wherever they were made.

        Args:
            names: of the files that the later stage reads; all when none is given.
        """
        wanted = [output for output in self.outputs if not names or output.path.rpartition("/")[2] in names]
        return digest_of([[output.path, output.sha256] for output in wanted])

    def missing(self, directory: Path) -> str:
        """The first output that is not there any more as it was, by its size; empty when all are."""
        for output in self.outputs:
            try:
                if (directory / output.path).stat().st_size != output.size:
                    return output.path
            except OSError:
                return output.path
        return ""


class Begun(BaseModel):
    """A stage that is being worked on: whose half-done files lie in its folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    started: str
    spent: float = 0.0
    """Seconds until the last time it stopped."""


class Records:
    """The records of one run directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._folder = directory / "stages"

    def read(self, stage: str) -> Record | None:
        """What a stage recorded; ``None`` when it has not, or when that cannot be read any more."""
        return _read(self._file(stage), Record)

    def begun(self, stage: str) -> Begun | None:
        """What a stage began and did not end."""
        return _read(self._file(stage, ".begun"), Begun)

    def begin(self, stage: str, begun: Begun) -> None:
        """Note that a stage is being worked on."""
        self._write(self._file(stage, ".begun"), begun)

    def end(self, record: Record) -> None:
        """Note that a stage is done."""
        self._write(self._file(record.stage), record)
        self._file(record.stage, ".begun").unlink(missing_ok=True)

    def forget(self, stage: str) -> None:
        """As if it had never been done."""
        self._file(stage).unlink(missing_ok=True)
        self._file(stage, ".begun").unlink(missing_ok=True)

    def outputs(self, files: Iterable[Path]) -> tuple[Output, ...]:
        """Files of the run directory with size and SHA-256, sorted."""
        found = []
        for file in sorted(set(files)):
            found.append(
                Output(
                    path=file.relative_to(self._directory).as_posix(), size=file.stat().st_size, sha256=hash_file(file)
                )
            )
        return tuple(found)

    def _file(self, stage: str, ending: str = "") -> Path:
        return self._folder / f"{stage.replace(' ', '.')}{ending}.json"

    def _write(self, file: Path, value: BaseModel) -> None:
        write_whole(file, value.model_dump_json(indent=1) + "\n")


class Hashes:
    """SHA-256 of files that do not belong to a run, such as a teacher of many gigabytes: read once while they stay."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def digest(self, path: Path) -> str:
        """Of a file, or of a folder's files with their names.

        Raises:
            StoreProblem: it cannot be read.
        """
        with explained(f"read {path.name}", path.parent):
            if path.is_dir():
                files = sorted(file for file in path.rglob("*") if file.is_file())
                return digest_of([[file.relative_to(path).as_posix(), self._of(file)] for file in files])
            return self._of(path)

    def _of(self, path: Path) -> str:
        about = path.stat()
        key = f"{path.resolve()}|{about.st_size}|{about.st_mtime_ns}|{about.st_ino}"
        known = self._known()
        if key not in known:
            known[key] = hash_file(path)
            if about.st_size > BLOCK and self._file.parent.is_dir():
                write_whole(self._file, json.dumps(known, indent=1))
        return known[key]

    def _known(self) -> dict[str, str]:
        try:
            known = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def hash_file(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        StoreProblem: it cannot be read.
    """
    return made.digest_of([path])[0]


def digest_of(value: Any) -> str:
    """SHA-256 of plain values, the same for equal ones."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def write_whole(file: Path, text: str) -> None:
    """Write a file whole or not at all, on the disk when this returns.

    Raises:
        NoRoom, StoreProblem: the disk.
    """
    with explained(f"write {file.name}", file.parent):
        file.parent.mkdir(parents=True, exist_ok=True)
        with Folder.at(file.parent) as place:
            place.write(file.name, text.encode())


_Kind = TypeVar("_Kind", bound=BaseModel)


def _read(file: Path, kind: type[_Kind]) -> _Kind | None:
    try:
        return kind.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Names of the inputs that differ."""
    return [name for name in {**now, **before} if before.get(name) != now.get(name)]
