"""The model that comes with EdgeMind, so that the first prompt needs no download."""

from __future__ import annotations

from pathlib import Path

from edgemind.errors import ModelNotFound

NAME = "edgemind-nano"

DATA = Path(__file__).resolve().parent.parent / "data"
"""The package's data files. Models are mapped into memory, so they must be real files (``zip_safe`` would be false)."""


def path() -> Path:
    """The built-in model's file.

    Raises:
        ModelNotFound: this installation came without it.
    """
    file = DATA / f"{NAME}.gguf"
    if not file.is_file():
        raise ModelNotFound(
            f"The built-in model {NAME} is not part of this installation.",
            "Reinstall EdgeMind, or fetch a model: edgemind pull qwen3-0.6b",
        )
    return file


def available() -> bool:
    return (DATA / f"{NAME}.gguf").is_file()
