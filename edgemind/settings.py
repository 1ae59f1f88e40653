"""Where things live on this machine, and the user's settings file.

``EDGEMIND_HOME`` moves data, configuration and cache under one folder. Not for: model sampling defaults
(``models.toml``) and nothing secret.
"""

from __future__ import annotations

import difflib
import os
import re
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
    except OSError as problem:
        raise BadConfig(f"Cannot read the settings file {file}: {problem.strerror}.", f"ls -ld {file}") from problem
    except UnicodeDecodeError as problem:
        raise BadConfig(f"The settings file {file} is not UTF-8 text.", f"Mend or remove {file}.") from problem
    return parse_settings(text, file)


def parse_settings(text: str, file: Path) -> Settings:
    """The settings that a text means; ``file`` is where it stands, or would stand. Raises ``BadConfig``."""
    try:
        return Settings.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as problem:
        raise BadConfig(f"{file} is not valid TOML: {problem}", f"Mend or remove {file}.") from problem
    except ValidationError as problem:
        raise BadConfig(f"{file}{_complaint(text, problem)}", f"Mend that line in {file}.") from problem


def _complaint(text: str, problem: ValidationError) -> str:
    """Where it stands, and what is wrong with the first value that is."""
    first = problem.errors()[0]
    names = [str(part) for part in first["loc"]]
    number = _line_of(text, names[0])
    where = f", line {number}" if number else ""
    if first["type"] != "extra_forbidden":
        said = str(first["msg"]).replace("Input should be a valid tuple", "Input should be a list")
        return f"{where}: {'.'.join(names)}: {said}."
    near = difflib.get_close_matches(names[0], Settings.model_fields, n=1)
    return f"{where}: there is no setting {names[0]!r}{f'; did you mean {near[0]!r}?' if near else '.'}"


def _line_of(text: str, key: str) -> int | None:
    """The line on which a key of the file stands; ``None`` when it is written in an unusual way."""
    begins = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*[]=.]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if begins.match(line)), None)
