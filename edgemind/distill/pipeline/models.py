"""The models that a recipe names: where their files are, and who of them writes and who scores.

Not for: opening them (the writers of ``traces``, the scorers of ``targets``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemind.distill.pipeline.stage import Run
from edgemind.errors import ModelNotFound, ModelUnusable
from edgemind.models import names


@dataclass(frozen=True)
class Named:
    """A model that a recipe names.

    Attributes:
        path: a GGUF file or a checkpoint's folder.
        links: the folder's files by name, when it is a checkpoint of the store, which keeps them under other names.
    """

    name: str
    path: Path
    is_folder: bool
    links: tuple[tuple[str, Path], ...] = ()

    def in_folder(self, folder: Path) -> Path:
        """The path; of a checkpoint of the store, ``folder`` made into one with links to its files."""
        if not self.links:
            return self.path
        for name, file in self.links:
            link = folder / name
            link.parent.mkdir(parents=True, exist_ok=True)
            if not link.is_symlink():
                link.symlink_to(file)
        return folder

    def digest(self, run: Run) -> Any:
        """Of its files, as an input of a stage."""
        if self.links:
            return [[name, run.hashes.digest(file)] for name, file in self.links]
        return run.hashes.digest(self.path)


def named(text: str) -> Named:
    """The model of this name or path.

    Raises:
        ModelNotFound: there is none; the message names the nearest.
        ModelUnusable: it is neither a GGUF file nor a checkpoint's folder.
    """
    path = Path(os.path.expanduser(text))
    if path.is_dir():
        if not (path / "config.json").is_file() and not (path / "tokenizer.json").is_file():
            raise ModelUnusable(f"{path} is a folder without config.json.", "Name the folder of a checkpoint.")
        return Named(path.name, path.absolute(), True)
    if ("/" in text or text.endswith(".gguf")) and not path.exists():
        raise ModelNotFound(f"There is no file or folder {path}, which the recipe names.", "Mend the recipe.")
    model = names.resolve(text, any_kind=True)
    if model.manifest is not None and model.manifest.kind == "safetensors":
        links = tuple((file.path, where) for file, where in zip(model.manifest.files, model.files, strict=True))
        return Named(model.name, model.path.parent, True, links)
    if model.parts:
        raise ModelUnusable(f"{model.name} is split over several files.", "Name a model of one file.")
    return Named(model.name, model.path, False)


@dataclass(frozen=True)
class Teacher:
    """Who teaches, once that is settled.

    Attributes:
        gguf: what the engine runs, when there is such a file.
        folder: the checkpoint, when there is one.
        scorer: who gives probabilities: a GGUF file or a folder; ``None`` when nobody does.
        tokenizer: of whoever scores: a folder or a GGUF file.
    """

    name: str
    gguf: Path | None = None
    folder: Path | None = None
    scorer: Path | None = None

    @property
    def tokenizer(self) -> Path | None:
        return self.scorer or self.folder or self.gguf

    @property
    def network(self) -> Path | None:
        """What a student can be cut out of: a checkpoint's folder if there is one, else a file with its weights."""
        folder = self.folder or (self.scorer if self.scorer is not None and self.scorer.is_dir() else None)
        return folder or self.scorer or self.gguf

    def figures(self, run: Run) -> dict[str, str | None]:
        """As the record of the stage holds it."""
        found = {"gguf": self.gguf, "folder": self.folder, "scorer": self.scorer}
        return {"name": self.name, **{key: run.shown(path) if path else None for key, path in found.items()}}

    @classmethod
    def of(cls, run: Run) -> Teacher:
        """The teacher of a run whose stage ``teacher`` is done."""
        figures = run.record("teacher").figures
        found = {key: run.path(figures[key]) if figures[key] else None for key in ("gguf", "folder", "scorer")}
        return cls(figures["name"], **found)
