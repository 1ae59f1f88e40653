"""When chats lock by themselves, who is told to lock, and asking the keyring in a child process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from vaults import PASSPHRASE, SECRET, new_vault

from edgemind.chat import keyring_, locking_policy, running
from edgemind.chat.locking_policy import LockingPolicy
from edgemind.chat.vault import Vault
from edgemind.errors import HistoryProblem
from edgemind.settings import ChatSettings

HERE = Path(__file__).parent
KEY_ID = "ab" * 16


@pytest.mark.parametrize(
    ("settings", "passphrase", "minutes"),
    [
        ({}, True, 15),
        ({}, False, None),
        ({"lock_after_minutes": 0}, True, None),
        ({"lock_after_minutes": 30}, False, 30),
        ({"clinic": True}, True, 5),
        ({"clinic": True, "lock_after_minutes": 0}, True, 5),
        ({"clinic": True, "lock_after_minutes": 60}, True, 5),
        ({"clinic": True, "lock_after_minutes": 2}, True, 2),
    ],
)
def test_when_it_locks(settings: dict[str, object], passphrase: bool, minutes: int | None) -> None:
    policy = LockingPolicy.of(ChatSettings.model_validate(settings), passphrase)
    assert policy.after_seconds == (None if minutes is None else minutes * 60)
    assert policy.locking == ("unlock screen" if passphrase else "end")


def test_it_is_due_once_and_a_clock_that_goes_back_does_not_keep_it_open() -> None:
    policy = LockingPolicy(60.0, "end")
    assert not policy.due(100, 159)
    assert policy.due(100, 160)
    assert policy.due(100, 99)
    assert (policy.wait(100, 130), policy.wait(100, 500), policy.wait(100, 10)) == (30, 0, 0)
    never = LockingPolicy(None, "end")
    assert never.wait(0, 1e9) is None
    assert not never.due(0, 1e9)


def test_sleep_counts_as_idleness() -> None:
    first = locking_policy.now()
    assert 0 <= locking_policy.now() - first < 60
    if hasattr(time, "CLOCK_BOOTTIME"):
        before = time.clock_gettime(time.CLOCK_BOOTTIME)
        assert before <= locking_policy.now() <= time.clock_gettime(time.CLOCK_BOOTTIME)


APP = """
import signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from vaults import PASSPHRASE
from edgemind.chat.vault import Vault
found = Vault(Path(sys.argv[2])).unlock(PASSPHRASE)
if sys.argv[3] == "app":
    signal.signal(signal.SIGUSR1, lambda *_: found.lock())
found.history(app=sys.argv[3] == "app")
print("open", flush=True)
sys.stdin.readline()
print(found.locked, flush=True)
"""


def start(folder: Path, kind: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", APP, str(HERE), str(folder), kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_apps_are_told_to_lock_and_nobody_else_is(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    new_vault(folder).lock()
    app, command = start(folder, "app"), start(folder, "command")
    seen = {one.pid: one.app for one in running.running(folder)}
    assert seen == {app.pid: True, command.pid: False}
    told = running.lock_all(folder, wait=60)
    assert (told.locked, told.deaf) == (1, ())
    assert [one.pid for one in running.running(folder)] == [command.pid]
    assert [process.communicate("\n", timeout=60)[0] for process in (app, command)] == ["True\n", "False\n"]
    assert running.running(folder) == []


def test_who_died_is_forgotten_and_its_number_is_never_signalled(tmp_path: Path) -> None:
    folder = tmp_path / "history"
    new_vault(folder).lock()
    app = start(folder, "app")
    app.send_signal(signal.SIGKILL)
    app.communicate(timeout=60)
    mine = folder / running.FOLDER / f"{os.getpid()}-app-0123abcd"
    mine.write_bytes(b"")
    assert running.lock_all(folder, wait=0) == running.Told(0, ())
    assert list((folder / running.FOLDER).iterdir()) == []


def test_names_of_others_are_left_alone(tmp_path: Path) -> None:
    place = tmp_path / running.FOLDER
    place.mkdir()
    for name in ("notes.txt", "0-app-0123abcd", "12-app-0123abcdef", "-1-app-0123abcd"):
        (place / name).write_bytes(b"")
    assert running.running(tmp_path) == []
    assert len(list(place.iterdir())) == 4


# The keyring


@pytest.fixture
def keyring_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.cli.file_keyring.FileKeyring")
    monkeypatch.setenv("PYTHONPATH", str(HERE.parent.parent))
    monkeypatch.setenv("TEST_KEYRING", str(tmp_path / "keyring.json"))
    return tmp_path / "keyring.json"


def test_a_secret_is_made_kept_given_and_forgotten(keyring_file: Path, tmp_path: Path) -> None:
    made = keyring_.needed(keyring_.make(KEY_ID))
    assert len(made) == 32
    found = Vault(tmp_path / "history").create(keyring_secret=made, key_id=KEY_ID)
    found.lock()
    asked = keyring_.ask(KEY_ID)
    secret = keyring_.needed(asked)
    assert secret == made
    assert asked.result() is asked.result()
    Vault(tmp_path / "history").unlock(keyring_secret=secret).lock()
    asked.result().wipe()
    assert bytes(secret) == bytes(32)
    forgetting = keyring_.forget(KEY_ID)
    assert KEY_ID in keyring_file.read_text()
    forgetting.go()
    assert forgetting.result().reason == ""
    assert KEY_ID not in keyring_file.read_text()
    assert keyring_.ask(KEY_ID).result().refusal == "missing"


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_child_imports_nothing_from_where_one_happens_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asking = keyring_.forget(KEY_ID)
    assert asking._child is not None
    assert Path(f"/proc/{asking._child.pid}/cwd").resolve() == Path(sys.prefix).resolve()
    asking.result()


def test_an_answer_does_not_show_its_secret() -> None:
    assert "secret" not in repr(keyring_.Answer(secret=bytearray(b"A" * 32)))


def test_forgetting_that_is_not_wanted_after_all_forgets_nothing(keyring_file: Path) -> None:
    keyring_.needed(keyring_.make(KEY_ID))
    assert keyring_.forget(KEY_ID).result().refusal == "failed"
    assert KEY_ID in keyring_file.read_text()


@pytest.mark.parametrize("backend", ["fail.Keyring", "null.Keyring"])
def test_what_keeps_nothing_is_no_keyring(monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", f"keyring.backends.{backend}")
    asked = keyring_.make(KEY_ID)
    assert asked.result().refusal == "none"
    with pytest.raises(HistoryProblem, match="no keyring"):
        keyring_.needed(asked)


def test_a_keyring_that_does_not_answer_is_not_waited_for_long(
    keyring_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(keyring_file)
    assert keyring_.ask(KEY_ID).result(wait=0.5).refusal == "late"


def test_the_secret_of_another_history_is_said(tmp_path: Path) -> None:
    new_vault(tmp_path / "history", keyring=True).lock()
    with pytest.raises(HistoryProblem, match="is not this history's"):
        Vault(tmp_path / "history").unlock(keyring_secret=bytes(reversed(SECRET)))
    Vault(tmp_path / "history").unlock(PASSPHRASE).lock()
