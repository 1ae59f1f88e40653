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


class ChatSettings(BaseModel):
    """The table ``[chat]`` of the settings file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    theme: Literal["dark", "light", "high-contrast"] = "dark"
    history: Literal["encrypted", "off"] = "encrypted"
    """``off``: every chat ends with the app."""
    lock_after_minutes: int | None = Field(default=None, ge=0, le=1440)
    """Idle for this long, the chats are locked; 0: never. Unset: 15 where a passphrase opens them again."""
    clinic: bool = False
    """A passphrase is a must, the keyring is not used, and the chats are locked after 5 minutes at the latest."""
    snapshots: int = Field(default=7, ge=0, le=50)
    """Encrypted copies of the history that are kept."""
    confidence: bool = False
    """New chats show where the model was guessing."""
    mouse: bool = True


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
    chat: ChatSettings = ChatSettings()


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
    model: type[BaseModel] = Settings
    table, key = "", names[0]
    if names[0] == "chat" and len(names) > 1:
        model, table, key = ChatSettings, names[0], names[1]
    number = _line_of(text, table, key)
    where = f", line {number}" if number else ""
    if first["type"] != "extra_forbidden":
        said = str(first["msg"]).replace("Input should be a valid tuple", "Input should be a list")
        return f"{where}: {'.'.join(names)}: {said}."
    near = difflib.get_close_matches(key, model.model_fields, n=1)
    before = f"{table}." if table else ""
    return f"{where}: there is no setting {before + key!r}{f'; did you mean {before + near[0]!r}?' if near else '.'}"


def _line_of(text: str, table: str, key: str) -> int | None:
    """The line on which a key of the file stands; ``None`` when it is written in an unusual way."""
    name = rf"""["']?{re.escape(key)}["']?"""
    inside = re.compile(rf"""\s*{name}\s*[=.]""")
    outside = re.compile(rf"""\s*["']?{re.escape(table)}["']?\s*(\.\s*{name}\s*=|=.*\b{name}\s*=)""")
    header = re.compile(r"""\s*\[+\s*["']?(?P<table>[^]"'.]*)""")
    now = ""
    for number, line in enumerate(text.splitlines(), 1):
        begins = header.match(line)
        if begins:
            now = begins["table"].strip()
        if (now == key and begins and not table) or (now == table and inside.match(line)):
            return number
        if table and outside.match(line):
            return number
    return None
