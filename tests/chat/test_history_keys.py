"""Wrapping the data key, and key files that anyone could have written."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from vaults import CHEAP, PASSPHRASE, SECRET

from edgemind.chat import keys
from edgemind.errors import EdgemindError, HistoryProblem, HistoryTooNew, WrongPassphrase

KEY_ID = "ab" * 16


@pytest.fixture
def key() -> bytearray:
    return keys.random_key()


@pytest.fixture
def both(key: bytearray) -> keys.KeyFile:
    by_passphrase = keys.wrap_with_passphrase(key, KEY_ID, PASSPHRASE, CHEAP)
    return keys.KeyFile(key_id=KEY_ID, slots=(by_passphrase, keys.wrap_with_secret(key, KEY_ID, SECRET)))


def test_each_way_gives_the_key_and_nothing_else_does(key: bytearray, both: keys.KeyFile) -> None:
    assert keys.unwrap_with_passphrase(both, PASSPHRASE) == key
    assert keys.unwrap_with_secret(both, SECRET) == key
    assert keys.unwrap_with_passphrase(both, PASSPHRASE + " ") is None
    assert keys.unwrap_with_secret(both, bytes(32)) is None
    assert keys.unwrap_with_passphrase(both, "x" * 100_000) is None


def test_an_accent_may_be_typed_in_two_ways(key: bytearray) -> None:
    slot = keys.wrap_with_passphrase(key, KEY_ID, "caf\u00e9 au lait", CHEAP)
    file = keys.KeyFile(key_id=KEY_ID, slots=(slot,))
    assert keys.unwrap_with_passphrase(file, "cafe\u0301 au lait") == key


def test_no_two_wraps_are_alike(key: bytearray) -> None:
    first, second = (keys.wrap_with_passphrase(key, KEY_ID, PASSPHRASE, CHEAP) for _ in range(2))
    assert (
        len({first.wrapped, second.wrapped}) == len({first.salt, second.salt}) == len({first.nonce, second.nonce}) == 2
    )
    assert bytes(key).hex() not in first.model_dump_json()


@pytest.mark.parametrize(
    "change",
    [
        {"argon2": {"memory_kib": CHEAP.memory_kib + 8, "passes": 1, "lanes": 1}},
        {"salt": "00" * 16},
        {"nonce": "00" * 12},
        {"wrapped": "00" * 48},
    ],
)
def test_a_slot_that_was_changed_opens_nothing(both: keys.KeyFile, change: dict[str, Any]) -> None:
    values = both.model_dump()
    slot = next(one for one in values["slots"] if one["kind"] == "passphrase")
    slot.update(change)
    assert keys.unwrap_with_passphrase(keys.KeyFile.model_validate(values), PASSPHRASE) is None


def test_a_slot_of_another_history_opens_nothing(both: keys.KeyFile) -> None:
    moved = keys.KeyFile(key_id="cd" * 16, slots=both.slots)
    assert keys.unwrap_with_passphrase(moved, PASSPHRASE) is None
    assert keys.unwrap_with_secret(moved, SECRET) is None


def test_a_written_file_reads_the_same_and_is_private(tmp_path: Path, both: keys.KeyFile) -> None:
    file = tmp_path / "history.key"
    keys.write_key_file(file, both)
    assert keys.read_key_file(file) == both
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["history.key"]


@pytest.mark.parametrize("passphrase", ["", "short", "       x       ", "x" * 2000])
def test_a_passphrase_that_protects_nothing_is_refused(passphrase: str) -> None:
    with pytest.raises(WrongPassphrase):
        keys.check_new_passphrase(passphrase)


def test_the_last_way_to_open_it_stays(both: keys.KeyFile) -> None:
    left = both.without("keyring")
    assert [slot.kind for slot in left.slots] == ["passphrase"]
    with pytest.raises(HistoryProblem):
        left.without("passphrase")


def hostile(both: keys.KeyFile) -> dict[str, bytes]:
    def changed(**values: Any) -> bytes:
        return json.dumps({**json.loads(both.model_dump_json(exclude_none=True)), **values}).encode()

    def cost(**values: int) -> bytes:
        slot = both.slots[0].model_dump()
        return changed(slots=[{**slot, "argon2": {**slot["argon2"], **values}}])

    return {
        "empty": b"",
        "no JSON": b"\x00\xff" * 50,
        "a list": b"[]",
        "deep": b"[" * 50_000,
        "long": b" " * 100_000,
        "not a number": b'{"version": NaN}',
        "64 GiB": cost(memory_kib=64 << 20),
        "1 GiB a thousand times": cost(memory_kib=1 << 20, passes=1024),
        "negative": cost(memory_kib=-1),
        "no passes": cost(passes=0),
        "no lanes": cost(lanes=0),
        "a path for an id": changed(key_id="../../etc"),
        "no slots": changed(slots=[]),
        "nine slots": changed(slots=[both.slots[0].model_dump()] * 9),
        "one kind twice": changed(slots=[both.slots[1].model_dump(exclude_none=True)] * 2),
        "more fields": changed(command="rm -rf ~"),
    }


def test_a_hostile_key_file_is_one_sentence(tmp_path: Path, both: keys.KeyFile) -> None:
    for name, data in hostile(both).items():
        file = tmp_path / "history.key"
        file.write_bytes(data)
        with pytest.raises(HistoryProblem) as raised:
            keys.read_key_file(file)
        assert raised.value.message.count("\n") == 0, name
        assert len(raised.value.message) < 400, name
        assert raised.value.hint, name


def test_a_fifo_for_a_key_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "history.key")
    with pytest.raises(HistoryProblem):
        keys.read_key_file(tmp_path / "history.key")


def test_a_newer_key_file_is_said_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "history.key"
    file.write_text('{"version": 2, "key_id": "zz", "new": true}')
    with pytest.raises(HistoryTooNew):
        keys.read_key_file(file)
    assert "new" in file.read_text()


def test_calibration_keeps_its_floors_and_ceilings() -> None:
    slow = keys.calibrated(1e-9)
    assert slow.memory_kib >= 16 << 10
    assert slow.passes >= 3
    assert keys.Argon2.model_validate(slow.model_dump()) == slow


def test_more_memory_than_there_is_is_a_sentence(key: bytearray, monkeypatch: pytest.MonkeyPatch) -> None:
    import _argon2_cffi_bindings as bindings

    class Poor:
        ARGON2_OK, ARGON2_MEMORY_ALLOCATION_ERROR = 0, -22

        @staticmethod
        def argon2_hash(*_: object) -> int:
            return -22

    monkeypatch.setattr(bindings, "lib", Poor)
    with pytest.raises(EdgemindError, match="8 MiB of memory"):
        keys.wrap_with_passphrase(key, KEY_ID, PASSPHRASE, CHEAP)
