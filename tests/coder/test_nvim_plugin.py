"""The Neovim plugin in a headless Neovim, before a command that answers as it is told."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_model

from edgemind.coder.private_names import secret_name

HERE = Path(__file__).parent
PLUGIN = HERE.parent.parent / "contrib" / "nvim"
NVIM = shutil.which("nvim")

pytestmark = pytest.mark.skipif(NVIM is None, reason="Neovim is not installed")

Session = Callable[..., dict[str, Any]]


@pytest.fixture
def session(tmp_path: Path) -> Session:
    def run(
        steps: str, text: str = "", *, error: Any = None, deaths: int = 0, former: str = "", **options: Any
    ) -> dict[str, Any]:
        result, log = tmp_path / "result.json", tmp_path / "log.jsonl"
        command = [sys.executable, str(HERE / "fake_completer.py")]
        (tmp_path / "deaths").write_text("x" * deaths)
        home = {f"XDG_{name}_HOME": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "STATE", "CACHE")}
        environment = {
            **os.environ,
            **home,
            "NVIM_RESULT": str(result),
            "NVIM_STEPS": steps,
            "NVIM_OPTIONS": json.dumps({"command": command, "debounce_ms": 0, **options}),
            "FAKE_TEXT": text,
            "FAKE_LOG": str(log),
            "FAKE_ERROR": json.dumps(error),
            "FAKE_DEATHS": str(tmp_path / "deaths"),
            "NVIM_FORMER": former,
        }
        assert NVIM
        without_settings = ("--headless", "-u", "NONE", "-i", "NONE", "-n")
        ran = subprocess.run(
            [NVIM, *without_settings, "--cmd", f"set rtp^={PLUGIN}", "-S", str(HERE / "nvim_session.lua")],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.exists(), ran.stderr
        value: dict[str, Any] = json.loads(result.read_text())
        assert "failed" not in value, value
        value["log"] = ended_log(log)
        return value

    return run


def ended_log(log: Path) -> list[Any]:
    """What the command got, once it has ended: an editor that leaves leaves nothing running."""
    if not log.exists():
        return []
    deadline = time.monotonic() + 10
    with log.open() as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                assert time.monotonic() < deadline, "the command did not end with the editor"
                time.sleep(0.02)
            else:
                return [json.loads(line) for line in file]


def asked(value: dict[str, Any], method: str = "complete") -> list[Any]:
    return [entry["params"] for entry in value["log"][1:] if entry["method"] == method]


def test_a_block_is_shown_and_taken_with_tab(session: Session) -> None:
    value = session("accepts", "\n    return x\n    # ö", model="m")
    assert value["shown"] == "\n    return x\n    # ö"
    assert value["drawn"] == ["", "EdgemindGhost"]
    assert value["lines"] == ["def f(x): # ä", "    return x", "    # ö", "", "print(f(1))"]
    assert value["cursor"] == [3, len("    # ö".encode())]
    assert value["said"] == []
    assert value["log"][0] == ["complete", "--stdio", "--model", "m"]
    assert asked(value, "initialize") == [{"debounce_ms": 0}]
    assert {"prefix": "def f(x): # ä", "suffix": "\n\nprint(f(1))", "lines": "block"} in asked(value)


def test_in_the_middle_of_a_line_the_rest_is_drawn_behind(session: Session) -> None:
    value = session("inside", ", 1", lines="one")
    assert value["drawn"] == [[", 1", "EdgemindGhost"], [")", "Normal"]]
    assert value["lines"] == ["print(äö, 1)"]
    assert value["cursor"] == [1, len("print(äö, 1".encode())]
    assert {"prefix": "print(äö", "suffix": ")", "lines": "one"} in asked(value)


def test_what_was_taken_is_undone_alone_and_keys_keep_their_order(session: Session) -> None:
    assert session("in_one_step", "c1\nc2")["lines"] == ["ab"]


def test_who_types_what_is_shown_asks_nobody_again(session: Session) -> None:
    value = session("typed_on", "cdef", debounce_ms=0)
    assert value["lines"] == ["abcdef"]
    assert asked(value)[-2]["prefix"] == "ab"


@pytest.mark.parametrize("steps", ["private_file", "unlisted", "read_only"])
def test_buffers_that_are_left_alone(session: Session, steps: str) -> None:
    value = session(steps, "c")
    assert value["shown"] is None
    assert value["status"].startswith("this buffer is not completed")
    assert value["log"] == []


SECRETS = (
    ".env", ".env.local", "prod.env", ".envrc", ".npmrc", ".pypirc", ".netrc", "_netrc", ".pgpass", ".my.cnf",
    ".git-credentials", ".htpasswd", ".vault-token", ".aws/config", ".aws/credentials", ".kube/config",
    "kubeconfig", ".docker/config.json", ".config/gh/hosts.yml", ".ssh/config", "prod.tfvars", "prod.tfvars.json",
    "terraform.tfstate", "a.pfx", "a.jks", "a.keystore", "a.pem", "a.key", "a.p8", "a.p12", "a.kdbx", "a.gpg",
    "a.age", "secrets", "secret.json", "secrets.yml", "secrets.prod.yaml", ".secrets.toml", "passwords.txt",
    "credentials.json", "id_ed25519", "id_ed25519_sk", "ssh_host_rsa_key", ".bash_history", "rclone.conf"
)  # fmt: skip
CODE = ("env.py", "secrets.py", "secretary.yml", "passwords.py", "keys.lua", "config", ".npmignore", "Dockerfile")


def test_files_that_usually_hold_secrets_are_never_sent_and_source_code_is(session: Session) -> None:
    assert all(map(secret_name, SECRETS))
    assert not any(map(secret_name, CODE))
    assert session("private_names", json.dumps([*SECRETS, *CODE]))["open"] == [*CODE]


@pytest.mark.parametrize("former", ["plug", "callback", "expr"])
def test_without_a_completion_tab_does_what_it_did_before(session: Session, former: str) -> None:
    lines = session("former_key", former=former)["lines"]
    assert lines[0].startswith(f"from {former}")
    assert lines[0].endswith("x")


def test_a_process_that_ends_is_started_again_once(session: Session) -> None:
    assert session("dies", "c", deaths=1)["shown"] == "c"
    value = session("dies", "c", deaths=9)
    assert value["shown"] is None
    assert [said["message"] for said in value["said"]] == [
        "edgemind: it ended with code 7\n:EdgemindStop lets it start again."
    ]


def test_a_look_at_its_health(session: Session) -> None:
    said = "\n".join(session("health")["lines"])
    assert "edgemind" in said
    assert "it starts with the first completion" in said


def test_without_a_completion_tab_is_tab(session: Session) -> None:
    assert session("tab_without_text")["lines"] == ["    x"]


def test_a_completion_can_be_hidden(session: Session) -> None:
    assert session("dismisses", "c")["lines"] == ["ab"]


def test_it_goes_when_the_cursor_goes(session: Session) -> None:
    assert session("moves_away", "c")["lines"] == ["ab"]


def test_typing_on_gives_the_older_requests_up(session: Session) -> None:
    value = session("types_on", "y")
    assert value["lines"] == ["x" * 20]
    assert value["shown"] == "y"
    assert asked(value)[-1]["prefix"] == "x" * 20
    assert asked(value, "cancel")


def test_an_error_is_told_once_with_what_to_do(session: Session) -> None:
    value = session("fails", error={"code": -32001, "message": "It cannot.", "data": {"kind": "k", "hint": "Do this."}})
    assert [said["message"] for said in value["said"]] == ["edgemind: It cannot.\nDo this."]
    assert value["lines"] == ["abc"]


def test_a_command_that_is_not_there_is_told_once(session: Session) -> None:
    value = session("fails", command=["edgemind-that-is-not-there"])
    assert [said["message"] for said in value["said"]] == ["edgemind: edgemind-that-is-not-there cannot be started"]


def test_only_when_asked_for(session: Session) -> None:
    value = session("by_hand", "c", auto=False)
    assert (value["before"], value["shown"]) == (None, "c")
    assert len(asked(value)) == 1


def test_with_the_command_itself(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    command = str(Path(sys.executable).with_name("edgemind"))
    model = str(tiny_model(tmp_path / "coder.gguf", infill=True, seed=7))  # one that begins with letters
    value = session("accepts", command=[command], model=model, lines="one")
    assert value["said"] == []
    taken = "\n".join(value["lines"])
    assert taken == f"def f(x): # ä{value['shown']}\n\nprint(f(1))"
    assert value["shown"]


def test_the_built_in_model_is_told_to_fill_no_gaps(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    value = session("fails", command=[str(Path(sys.executable).with_name("edgemind"))])
    first, hint = value["said"][0]["message"].splitlines()
    assert first.startswith("edgemind: The model edgemind-nano cannot fill gaps")
    assert hint.endswith("edgemind complete --stdio --model qwen2.5-coder-1.5b")
    assert len(value["said"]) == 1
