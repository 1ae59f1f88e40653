"""What the store knows of one model: its files by hash, where they came from, and the few facts that a list shows.

A manifest is a JSON file ``manifests/NAME.json``; everything in it is checked when it is read, since a store can lie
on a stick that anyone could have written. Not for: where files lie (``store``), what a model can do (``catalog``).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

FORMAT = 1
"""Of the store and its manifests. A store with a higher number was written by a newer EdgeMind and is left alone."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
MOST = (1 << 63) - 1
"""No size and no count is larger: what a file system and the GGUF format can say."""
MOST_FILES = 10_000

SHA256 = re.compile(r"[0-9a-f]{64}")
_COMPONENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9 ._+=@,()-]{0,199}")
_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")


def is_model_name(text: str) -> bool:
    """Whether a model may be called this: it becomes a file name on every system."""
    return bool(NAME.fullmatch(text)) and not _DEVICES.fullmatch(text) and not text.endswith(".")


def is_file_path(text: str) -> bool:
    """Whether this may be the path of a file inside a model: relative, plain, with ``/``, nothing that leads out."""
    parts = text.split("/")
    return 0 < len(text) <= 400 and len(parts) <= 8 and all(map(_is_component, parts))


def _is_component(text: str) -> bool:
    return bool(_COMPONENT.fullmatch(text)) and not _DEVICES.fullmatch(text) and not text.endswith((".", " "))


def _checked_name(text: str) -> str:
    if not is_model_name(text):
        raise ValueError("is no model name: lower-case letters, digits, and . _ - after the first")
    return text


def _checked_path(text: str) -> str:
    if not is_file_path(text):
        raise ValueError("is no plain relative file name")
    return text


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoredFile(_Strict):
    """One file of a model, and the blob that holds its bytes."""

    path: Annotated[str, AfterValidator(_checked_path)]
    """Its name in the repository, or as it was imported; ``/`` between folders."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    size: int = Field(ge=0, le=MOST)
    """Bytes."""


class Source(_Strict):
    """Where a model came from."""

    kind: Literal["hub", "file", "made"]
    """``made``: converted, quantized or trained on this machine."""
    repository: str | None = None
    revision: str | None = None
    """The commit that was pulled."""
    endpoint: str | None = None
    """Of the hub, when it is not the usual one."""
    file: str | None = None
    """Name of the imported file."""
    notes: dict[str, str] = {}
    """Provenance: commands, versions, hashes of what it was made from."""


class Facts(_Strict):
    """What a list shows, so that it need not open the file."""

    architecture: str = ""
    parameters: int = Field(default=0, ge=0, le=MOST)
    quantization: str = ""
    context: int = Field(default=0, ge=0, le=MOST)
    """Tokens the model was trained for."""


class Manifest(_Strict):
    """One model in a store."""

    format: int = FORMAT
    name: Annotated[str, AfterValidator(_checked_name)]
    kind: Literal["gguf", "safetensors", "adapter"]
    files: tuple[StoredFile, ...] = Field(min_length=1, max_length=MOST_FILES)
    """A GGUF model that is split: its parts, in order."""
    source: Source
    created: str
    """UTC, ISO 8601."""
    licence: str | None = None
    facts: Facts = Facts()
    trouble: str | None = None
    """Why llama.cpp could not run it when it came, in one sentence."""

    @model_validator(mode="after")
    def _files_have_places_of_their_own(self) -> Manifest:
        """On any system: no two files with one name, and none whose name another needs for a folder."""
        taken = {file.path.casefold() for file in self.files}
        if len(taken) < len(self.files):
            raise ValueError("two of its files have one name")
        for path in taken:
            above = path
            while "/" in above:
                above = above.rpartition("/")[0]
                if above in taken:
                    raise ValueError("a file and a folder of it have one name")
        return self

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(file.size for file in self.files)
