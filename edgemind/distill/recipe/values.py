"""What stands in the tables of a recipe: counts, shares, paths, names of models.

Not for: the tables themselves (``schema``, ``networks``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

Count = Annotated[int, Field(strict=True, ge=1, le=10**13)]
CountOrNone = Annotated[int, Field(strict=True, ge=0, le=10**13)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Yes = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]


def _beside(value: Path, info: ValidationInfo) -> Path:
    """A path in a recipe is meant from the recipe's folder."""
    value = value.expanduser()
    folder = (info.context or {}).get("folder")
    return folder / value if folder and not value.is_absolute() else value


def _model(value: str, info: ValidationInfo) -> str:
    """A path stays one from anywhere; an installed model's name stays a name."""
    path = _beside(Path(value), info)
    looks_like_path = "/" in value or "\\" in value or value.endswith(".gguf") or value.startswith(("~", "."))
    return str(path) if looks_like_path or path.is_dir() else value


def _checkpoint(value: Any, info: ValidationInfo) -> Any:
    return _model(value, info) if isinstance(value, str) else value


RecipePath = Annotated[Path, AfterValidator(_beside)]
ModelName = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_model)]
"""An installed model's name, or the path of a GGUF file or of a checkpoint's folder."""
Checkpoint = Annotated[Path, BeforeValidator(_checkpoint)]
"""The path of a checkpoint's folder, or an installed checkpoint's name."""


class Table(BaseModel):
    """Of a recipe: immutable, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())
