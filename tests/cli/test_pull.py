"""``edgemind pull`` and ``login`` as a user types them, against a hub on loopback."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from localhub import Faults, Hub
from tiny import tiny_model

from .conftest import Command, Ran

SECRET = "hf_a_very_secret_token"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some megabytes, so that a pull can be stopped in the middle."""
    return tiny_model(tmp_path_factory.mktemp("model") / "Tiny-F32.gguf", embd=256, vocab=6000)


@pytest.fixture
def hub(model: Path) -> Iterator[Hub]:
    with Hub() as opened:
        opened.add("owner/Tiny-GGUF", {"Tiny-F32.gguf": model}, licence="mit")
        yield opened


@pytest.fixture
def pull(edgemind: Command, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command, with the local hub and a keyring of its own."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "file_keyring.FileKeyring")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "keyring.json"))
    return edgemind


def names(command: Command) -> list[str]:
    return [model["name"] for model in json.loads(command("list", "--json").out)["models"]]


def parts(command: Command) -> list[Path]:
    return list((command.home / "data" / "models" / "partial").glob("*.part"))


def one_sentence(ran: Ran, code: int, *words: str) -> None:
    assert ran.code == code, ran.err
    lines = [line for line in ran.err.splitlines() if not line.startswith("{")]
    assert lines[0].startswith("edgemind: ")
    assert len(lines) <= 2, ran.err
    for word in words:
        assert word in ran.err
    assert "Traceback" not in ran.err


def test_pulled_listed_shown_run_and_removed(pull: Command) -> None:
    ran = pull("pull", "owner/Tiny-GGUF")
    assert ran.code == 0, ran.err
    assert "tiny-f32 is fetched and verified" in ran.out
    assert "mit" in ran.out
    assert "edgemind run -m tiny-f32" in ran.out
    assert "tiny-f32" in names(pull)
    assert pull("show", "tiny-f32").code == 0
    assert pull("run", "-m", "tiny", "-n", "3", "Hello", "--threads", "1").code == 0
    again = pull("pull", "owner/Tiny-GGUF")
    assert "here already" in again.out
    assert "mit" not in again.out, "the licence is shown once"
    assert pull("rm", "tiny-f32", "--yes").code == 0
    assert names(pull) == ["edgemind-nano"]


def test_progress_is_json_lines_where_there_is_no_terminal(pull: Command, hub: Hub) -> None:
    hub.faults = Faults(rate=4e6)
    ran = pull("pull", "owner/Tiny-GGUF", "--json", "--no-trial")
    events = [json.loads(line) for line in ran.err.splitlines()]
    assert events[0]["event"] == "file"
    shown = [event for event in events if event["event"] == "progress"]
    assert len(shown) >= 2
    assert shown[-1]["done"] == shown[-1]["total"]
    assert all(before["done"] < after["done"] for before, after in itertools.pairwise(shown))
    result = json.loads(ran.out)
    assert (result["name"], result["pulled"], result["trial"]) == ("tiny-f32", True, None)
    assert result["files"][0]["sha256"]


def test_progress_is_a_bar_on_a_terminal(pull: Command, hub: Hub) -> None:
    hub.faults = Faults(rate=4e6)
    ran = pull.on_terminal("pull", "owner/Tiny-GGUF", "--no-trial")
    assert ran.code == 0
    assert "MB/s" in ran.out
    assert "left" in ran.out
    assert ran.out.rstrip().endswith("edgemind run -m tiny-f32 'your prompt'")
    assert '"event"' not in ran.out


def test_ctrl_c_keeps_what_is_there_and_the_same_command_goes_on(pull: Command, hub: Hub, model: Path) -> None:
    hub.faults = Faults(rate=3e6)
    process = pull.start("pull", "owner/Tiny-GGUF", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not (parts(pull) and parts(pull)[0].stat().st_size > 500_000) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert json.loads(err.splitlines()[-1])["event"] == "stopped"
    kept = parts(pull)[0].stat().st_size
    assert 500_000 <= kept < model.stat().st_size
    hub.faults = Faults()
    ran = pull("pull", "owner/Tiny-GGUF", "--no-trial")
    assert ran.code == 0
    assert [json.loads(line)["kept"] for line in ran.err.splitlines() if '"resumed"' in line] == [kept]


def test_a_dry_run_says_everything_and_keeps_nothing(pull: Command) -> None:
    ran = pull("pull", "owner/Tiny-GGUF", "--dry-run")
    assert ran.code == 0
    for word in ("tiny-f32", "Tiny-F32.gguf", "to fetch", "disk", "memory", "mit"):
        assert word in ran.out
    told = json.loads(pull("pull", "owner/Tiny-GGUF", "--dry-run", "--json").out)
    assert told["fit"]["fits"] is True
    assert told["to_fetch"] == told["size"] > 0
    assert not (pull.home / "data" / "models" / "blobs").exists() or not parts(pull)
    assert names(pull) == ["edgemind-nano"]


def test_no_network_is_one_sentence(pull: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        dead = f"http://127.0.0.1:{server.getsockname()[1]}"
    one_sentence(pull("pull", "qwen3-0.6b", HF_ENDPOINT=dead), 12, "cannot be reached", "edgemind list")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nothing-like-this"], 3, ["no model", "edgemind catalog"]),
        (["owner/missing"], 3, ["no repository", "edgemind login"]),
        (["owner/Tiny-GGUF:Q2_K"], 3, ["has F32"]),
        (["owner/Tiny-GGUF", "--format", "pickle"], 2, ["gguf or safetensors"]),
        (["owner/Tiny-GGUF", "--format", "safetensors"], 3, ["no safetensors"]),
        (["owner/Tiny-GGUF", "--name", "Bad Name"], 2, ["cannot be a model's name"]),
        (["../../etc/passwd"], 2, ["neither"]),
        (["edgemind-nano"], 2, ["comes with EdgeMind"]),
        ([], 2, ["Missing"]),
    ],
)
def test_bad_input_is_one_sentence_and_the_next_command(
    pull: Command, arguments: list[str], code: int, words: list[str]
) -> None:
    one_sentence(pull("pull", *arguments), code, *words)
    failed = pull("pull", *arguments, "--json")
    assert json.loads(failed.out)["error"]["kind"]
    assert failed.code == code


def test_a_gated_model_opens_with_the_token_of_the_keyring(pull: Command, hub: Hub, model: Path) -> None:
    hub.add("owner/gated-GGUF", {"gated-F32.gguf": tiny_model(model.with_name("gated.gguf"), seed=3)}, gated="manual")
    one_sentence(pull("pull", "owner/gated-GGUF"), 13, "gated", "edgemind login")
    assert pull("login", stdin="hf_wrong_token\n").code == 0
    one_sentence(pull("pull", "owner/gated-GGUF"), 13, "token")
    hub.token = SECRET
    stored = pull("login", stdin=f"{SECRET}\n")
    assert stored.code == 0
    ran = pull("pull", "owner/gated-GGUF", "--no-trial")
    assert ran.code == 0, ran.err
    assert hub.log.leaks() == []
    for shown in (stored, ran, pull("list"), pull("doctor")):
        assert SECRET not in shown.out + shown.err
    assert pull("logout").out.startswith("The token for")
    assert pull("logout").out.startswith("There was no token")


def test_a_token_for_one_hub_is_not_sent_to_another(pull: Command, hub: Hub) -> None:
    hub.token = SECRET
    assert pull("login", stdin=f"{SECRET}\n", HF_ENDPOINT="https://another.example").code == 0
    assert pull("pull", "owner/Tiny-GGUF", "--no-trial").code == 0
    assert all("authorization" not in {name.lower() for name in request.headers} for request in hub.log)


def test_a_machine_without_keyring_says_what_to_do(pull: Command) -> None:
    ran = pull("login", stdin=f"{SECRET}\n", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring")
    one_sentence(ran, 1, "no keyring", "HF_TOKEN")
    one_sentence(pull("login", stdin="\n"), 10, "no token")
    one_sentence(pull("login", stdin="two words here\n"), 10, "not a token")
    assert (
        pull("pull", "owner/Tiny-GGUF", "--no-trial", PYTHON_KEYRING_BACKEND="keyring.backends.fail.Keyring").code == 0
    )


def test_a_model_that_llama_cpp_cannot_run_is_kept_and_told(pull: Command, hub: Hub, model: Path) -> None:
    odd = model.with_name("odd.gguf")
    tiny_model(odd, seed=4)
    data = odd.read_bytes().replace(b"blk.1.attn_k.weight", b"blk.1.attn_z.weight")
    hub.add("owner/odd-GGUF", {"odd-F32.gguf": data})
    ran = pull("pull", "owner/odd-GGUF", "--json")
    assert ran.code == 0
    told = json.loads(ran.out)
    assert told["trial"] is False
    assert told["trouble"]
    assert "odd-f32" in names(pull)


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(pull: Command) -> None:
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)); "
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); from edgemind.cli import main; sys.exit(main())"
    )
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code, "pull", "owner/Tiny-GGUF"],
        env=pull.environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    one_sentence(Ran(done.returncode, done.stdout, done.stderr), 15, "disk")
    assert parts(pull)[0].stat().st_size <= 1_000_000
    assert pull("pull", "owner/Tiny-GGUF", "--no-trial").code == 0


def test_a_store_that_cannot_be_written_is_one_sentence(pull: Command, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        file = tmp_path / "a-file"
        file.write_text("in the way")
        ran = pull("pull", "owner/Tiny-GGUF", EDGEMIND_HOME=str(file / "below"))
    else:
        tmp_path.chmod(0o500)
        ran = pull("pull", "owner/Tiny-GGUF", EDGEMIND_HOME=str(tmp_path / "below"))
        tmp_path.chmod(0o700)
    one_sentence(ran, 16)


def test_offline_by_the_users_own_wish(pull: Command) -> None:
    one_sentence(pull("pull", "owner/Tiny-GGUF", HF_HUB_OFFLINE="1"), 2, "unset HF_HUB_OFFLINE")
