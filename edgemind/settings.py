"""Where things live on this machine, and the user's settings file.

``EDGEMIND_HOME`` moves data, configuration and cache under one folder. Not for: model sampling defaults
(``models.toml``) and nothing secret.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edgemind.errors import BadConfig

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Paths:
    """The folders EdgeMind uses; none is created by looking at it."""

    data: Path
    config: Path
    cache: Path

    @property
    def settings_file(self) -> Path:
        return self.config / "config.toml"


def paths() -> Paths:
    """The platform's folders, or those below ``EDGEMIND_HOME`` when it is set."""
    home = os.environ.get("EDGEMIND_HOME")
    if home:
        root = Path(os.path.expanduser(home)).absolute()
        return Paths(root / "data", root / "config", root / "cache")
    import platformdirs

    return Paths(
        Path(platformdirs.user_data_dir("edgemind", appauthor=False)),
        Path(platformdirs.user_config_dir("edgemind", appauthor=False)),
        Path(platformdirs.user_cache_dir("edgemind", appauthor=False)),
    )


class Settings(BaseModel):
    """The settings file (``config.toml``); unknown keys are errors so that a typing slip is seen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = None
    """The model used when none is named; the built-in one when unset."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    context: int | None = Field(default=None, ge=256)
    gpu_layers: int | None = Field(default=None, ge=0)
    flash_attention: Literal["auto", "on", "off"] = "auto"
    thinking: Literal["auto", "on", "off"] = "auto"
    thinking_budget: int | None = Field(default=None, ge=0)
    thinking_close: str | None = None
    """The sentence with which a spent budget closes the thought."""
    aliases: dict[str, str] = {}
    """Other names for models: ``edgemind alias``."""
    stores: tuple[str, ...] = ()
    """Shared folders of models that are only read: ``edgemind store add``."""


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings file; defaults when there is none.

    Raises:
        BadConfig: the file is not TOML or a value does not validate.
    """
    file = file or paths().settings_file
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise BadConfig(f"Cannot read the settings file {file}: {reason}.", f"Mend or remove {file}.") from problem
    return parse_settings(text, file)


def parse_settings(text: str, file: Path) -> Settings:
    """The settings that a text means; ``file`` is where it stands, or would stand. Raises ``BadConfig``."""
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as problem:
        raise BadConfig(f"{file} is not valid TOML: {problem}", f"Mend or remove {file}.") from problem
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadConfig(f"{file}: {where}: {first['msg']}", f"Mend that line in {file}.") from problem
