"""Every command but those that fetch: no network client is imported, no socket is touched, the jail is armed.

The commands are walked as Typer knows them, so a new one has to be added here, or the first test fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import typer
from tiny import tiny_model
from tiny_checkpoint import tiny_checkpoint

from edgemind.chat import keys
from edgemind.chat.vault import Vault
from edgemind.cli.app import app

from .conftest import TIMEOUT, Command

CLIENTS = (
    *("huggingface_hub", "httpx", "httpx2", "httpcore", "requests", "urllib3", "aiohttp", "websockets"),
    *("http.client", "urllib.request", "ftplib", "smtplib", "telnetlib", "xmlrpc.client"),
)

WATCHED = """
import atexit, json, os, sys
report, *arguments = sys.argv[1:]
touched = []
def watch(event, values):
    if event.startswith("socket."):
        touched.append(event)
sys.addaudithook(watch)
def write():
    from edgemind.privacy import jail
    armed = jail.armed()
    with open(report, "w") as file:
        json.dump({
            "modules": sorted(sys.modules),
            "offline": os.environ.get("HF_HUB_OFFLINE"),
            "sockets": touched,
            "profile": armed.profile if armed else None,
        }, file)
atexit.register(write)
sys.argv = ["edgemind", *arguments]
from edgemind.cli import main
sys.exit(main())
"""
"""Runs a command in a process of its own and writes down, at its end, what that process had imported and touched."""


@dataclass(frozen=True)
class How:
    """How a command is run for real here."""

    arguments: tuple[str, ...] = ()
    code: int = 0
    jailed: bool = True
    stdin: str = ""
    indirect: tuple[str, ...] = ()
    """Modules that a dependency imports for itself and that stay unused."""


KEYRING = ("http.client", "urllib.request")
"""``keyring`` needs ``jaraco.context``, which has a helper for fetching archives."""

PASSPHRASE = "correct horse battery"
OPEN = ("--passphrase-file", "{folder}/passphrase")

COMMANDS: dict[str, How] = {
    "alias": How(("m", "mine")),
    "bench": How(("--depth", "8", "--repeat", "1", "--threads", "1")),
    "catalog check": How(),
    "catalog list": How(),
    "catalog show": How(("qwen3-0.6b",)),
    "chat": How(code=2),
    "code": How(("Write a function that sorts a list into sort.py", "--dry-run", "--threads", "1")),
    "code apply": How(("{folder}/none.diff",), code=10),
    "code log": How(),
    "code map": How(),
    "code undo": How(code=20),
    "complete": How(("{folder}/none.py:1",), code=10),
    "completion": How(("bash",)),
    "convert": How(("{folder}/checkpoint", "-o", "{folder}/c.gguf", "--no-verify")),
    "default": How(("mine",)),
    "distill": How(("quickstart", "--until", "problems", "--run-dir", "{folder}/run")),
    "distill-stage": How(("problems", "quickstart", "--run-dir", "{folder}/run")),
    "doctor": How(),
    "eval": How(("mine", "--families", "addition", "--count", "1", "--max-tokens", "2", "--threads", "1")),
    "export": How(("mine", "{folder}/stick")),
    "history backup": How(("{folder}/backup", *OPEN)),
    "history delete": How(("nothing", "--yes", *OPEN), code=10),
    "history export": How(("--all", "{folder}/all.json", *OPEN)),
    "history import": How(("{folder}/none.json", *OPEN), code=10),
    "history list": How(OPEN),
    "history lock": How(),
    "history passphrase": How(("--new-passphrase-file", "{folder}/passphrase", *OPEN)),
    "history restore": How(("{folder}/none", *OPEN), code=10),
    "history search": How(("word", *OPEN)),
    "history show": How(("nothing", *OPEN), code=10),
    "history status": How(("--check", *OPEN)),
    "imatrix": How(("mine", "-o", "{folder}/m.gguf", "--chunks", "1", "--threads", "1")),
    "import": How(("{folder}/tiny.gguf", "--name", "second")),
    "list": How(),
    "login": How(stdin="hf_secretsecret\n", jailed=False, code=1, indirect=KEYRING),
    "logout": How(jailed=False, indirect=KEYRING),
    "quality": How(("mine", "--against", "{folder}/tiny.gguf", "--tokens", "512", "--threads", "1")),
    "quantize": How(("mine", "Q8_0", "--threads", "1")),
    "recommend": How(),
    "rm": How(("mine", "--yes")),
    "run": How(("-n", "1", "--threads", "1", "hi")),
    "show": How(("mine",)),
    "store add": How(("{folder}/shared",)),
    "store gc": How(),
    "store list": How(),
    "store remove": How(("{folder}/shared",), code=3),
    "store repair": How(),
    "verify": How(),
    "verify-conversion": How(("{folder}/checkpoint", "{folder}/tiny.gguf", "--threads", "1"), code=4, indirect=CLIENTS),
}
"""The keyring is asked over a socket of its own system, so ``login`` cannot be jailed; here there is none to ask."""

FETCHING = ("pull", "catalog check --online")


def walk(group: typer.Typer, above: str = "") -> Iterator[str]:
    """Every command of the app by the words that call it."""
    for command in group.registered_commands:
        assert command.name
        # A group's own command is called by the group's name.
        yield above.strip() if command.hidden else f"{above}{command.name}"
    for inner in group.registered_groups:
        assert inner.name
        assert inner.typer_instance
        yield from walk(inner.typer_instance, f"{above}{inner.name} ")


def test_every_command_is_watched_here() -> None:
    assert sorted(set(walk(app)) - {"pull"}) == sorted(COMMANDS)


@dataclass
class Watched:
    code: int
    err: str
    seen: dict[str, Any] = field(default_factory=dict)

    @property
    def clients(self) -> list[str]:
        modules = self.seen["modules"]
        return [name for name in CLIENTS if any(one == name or one.startswith(f"{name}.") for one in modules)]


@pytest.fixture
def home(edgemind: Command, tmp_path: Path) -> Command:
    """One model in the store, one in a shared folder, an empty history."""
    model = tiny_model(tmp_path / "tiny.gguf")
    assert edgemind("import", str(model), "--name", "mine").code == 0
    assert edgemind("export", "mine", str(tmp_path / "shared")).code == 0
    tiny_checkpoint(tmp_path / "checkpoint")
    cheap = keys.Argon2(memory_kib=8 << 10, passes=1, lanes=1)
    Vault(edgemind.home / "data" / "history").create(PASSPHRASE, cost=cheap).lock()
    (tmp_path / "code.py").write_text("def sort_list(items):\n    return sorted(items)\n")
    (tmp_path / "passphrase").write_text(f"{PASSPHRASE}\n")
    return edgemind


def watched(edgemind: Command, tmp_path: Path, *arguments: str, stdin: str = "", **environment: str) -> Watched:
    report = tmp_path / "report.json"
    given = [argument.replace("{folder}", str(tmp_path)) for argument in arguments]
    kept = edgemind.environment(PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring", **environment)
    kept.pop("HF_HUB_OFFLINE", None)
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, str(report), *given],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env=kept,
        cwd=tmp_path,
    )
    return Watched(done.returncode, done.stderr, json.loads(report.read_text()))


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_imports_no_network_client_and_touches_no_socket(home: Command, tmp_path: Path, command: str) -> None:
    how = COMMANDS[command]
    ran = watched(home, tmp_path, *command.split(), *how.arguments, stdin=how.stdin)
    assert ran.code == how.code, ran.err
    assert set(ran.clients) <= set(how.indirect)
    assert ran.seen["sockets"] == []
    assert ran.seen["offline"] == "1"
    if how.jailed:
        assert ran.seen["profile"] == "ui"


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("pull", "--help"), ("nonsense",)])
def test_what_runs_no_command_imports_no_client_either(home: Command, tmp_path: Path, arguments: tuple[str]) -> None:
    ran = watched(home, tmp_path, *arguments)
    assert ran.clients == []
    assert ran.seen["sockets"] == []


def test_completion_is_as_private(home: Command, tmp_path: Path) -> None:
    asked = {"_EDGEMIND_COMPLETE": "complete_bash", "COMP_WORDS": "edgemind\npull\nq", "COMP_CWORD": "2"}
    ran = watched(home, tmp_path, **asked)
    assert (ran.code, ran.clients) == (0, [])
    assert ran.seen["sockets"] == []
    assert ran.seen["profile"] == "ui"
    assert ran.seen["offline"] == "1"


@pytest.mark.parametrize("command", FETCHING)
def test_the_watch_sees_those_that_fetch(home: Command, tmp_path: Path, command: str) -> None:
    more = ("owner/model",) if command == "pull" else ()
    ran = watched(home, tmp_path, *command.split(), *more, HF_ENDPOINT="http://127.0.0.1:9", HF_TOKEN="")
    assert ran.code != 0
    assert "huggingface_hub" in ran.clients
    assert ran.seen["offline"] is None
    assert ran.seen["sockets"] != []
