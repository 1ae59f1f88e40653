"""The probe of memory bandwidth, and what is remembered of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgemind.models import bandwidth as probe
from edgemind.models.bandwidth import Bandwidth, bandwidth, measure


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Bandwidth]:
    """What the next measurements find, first to last."""
    found: list[Bandwidth] = []
    monkeypatch.setattr(probe, "measure", lambda threads, available: found.pop(0))
    return found


def test_memory_is_really_read() -> None:
    for threads in (1, 2):
        found = measure(threads)
        assert found.threads == threads
        assert 2e8 < found.bytes_per_second < 2e12


def test_little_free_memory_is_left_alone() -> None:
    assert probe._buffer_bytes(4, 64 << 20) * 4 <= 8 << 20
    assert probe._buffer_bytes(64, 1 << 40) * 64 <= 256 << 20
    assert probe._buffer_bytes(1, 1 << 40) >= 32 << 20


def test_the_last_cache_decides_the_size(tmp_path: Path) -> None:
    for index, text in enumerate(("32K", "1024K", "64M", "odd", "")):
        file = tmp_path / f"sys/devices/system/cpu/cpu0/cache/index{index}/size"
        file.parent.mkdir(parents=True)
        file.write_text(f"{text}\n")
    assert probe._last_cache(tmp_path) == 64 << 20
    assert probe._last_cache(tmp_path / "nowhere") == 16 << 20


def test_it_is_remembered(tmp_path: Path, measured: list[Bandwidth]) -> None:
    file = tmp_path / "cache" / "bandwidth.json"
    measured.append(Bandwidth(3e10, 2))
    assert bandwidth(2, file) == Bandwidth(3e10, 2)
    assert bandwidth(2, file) == Bandwidth(3e10, 2)
    assert file.stat().st_mode & 0o777 == 0o600
    measured.append(Bandwidth(2e10, 1))
    assert bandwidth(1, file) == Bandwidth(2e10, 1), "another number of threads is another figure"
    assert bandwidth(2, file) == Bandwidth(3e10, 2)
    assert [entry.name for entry in file.parent.iterdir()] == [file.name]


def test_it_is_measured_again_later_and_the_middle_counts(
    tmp_path: Path, measured: list[Bandwidth], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "bandwidth.json"
    now = [1e9]
    monkeypatch.setattr(probe.time, "time", lambda: now[0])
    for found, expected in ((2e10, 2e10), (4e10, 4e10), (3e10, 3e10)):
        measured.append(Bandwidth(found, 2))
        assert bandwidth(2, file).bytes_per_second == expected
        assert bandwidth(2, file).bytes_per_second == expected, "not at once"
        now[0] += 4000
    assert bandwidth(2, file).bytes_per_second == 3e10, "three times are enough"


def test_a_disturbed_measurement_is_not_remembered(tmp_path: Path, measured: list[Bandwidth]) -> None:
    file = tmp_path / "bandwidth.json"
    measured += [Bandwidth(1e9, 2, disturbed=True), Bandwidth(3e10, 2)]
    assert bandwidth(2, file).disturbed
    assert bandwidth(2, file) == Bandwidth(3e10, 2)
    long_ago = json.loads(file.read_text())
    file.write_text(json.dumps({key: [rates, 1.0] for key, (rates, _) in long_ago.items()}))
    measured.append(Bandwidth(1e9, 2, disturbed=True))
    assert bandwidth(2, file) == Bandwidth(3e10, 2), "what is known is better"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        "[" * 5000,
        "\xff\xfe",
        '{"KEY": 3e10}',
        '{"KEY": [[1e30], 1.0]}',
        '{"KEY": [[-1.0], 1.0]}',
        '{"KEY": [["3e10"], 1.0]}',
        '{"KEY": [[NaN], 1.0]}',
        '{"KEY": [[], 1.0]}',
        '{"KEY": [[3e10, 3e10, 3e10, 3e10], 1.0]}',
        '{"KEY": [[2e10], "now"]}',
        '{"KEY": [[2e10], 1.0, 4]}',
    ],
)
def test_a_damaged_memory_is_no_error(tmp_path: Path, measured: list[Bandwidth], text: str) -> None:
    file = tmp_path / "bandwidth.json"
    measured.append(Bandwidth(5e9, 2))
    bandwidth(2, file)
    key = next(iter(json.loads(file.read_text())))
    file.write_text(text.replace("KEY", key), encoding="latin-1")
    measured.append(Bandwidth(3e10, 2))
    assert bandwidth(2, file) == Bandwidth(3e10, 2)
    assert bandwidth(2, file) == Bandwidth(3e10, 2), "and it is written anew"


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, measured: list[Bandwidth]) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    measured += [Bandwidth(3e10, 2)] * 2
    assert bandwidth(2, blocked / "cache" / "bandwidth.json") == Bandwidth(3e10, 2)
    folder = tmp_path / "folder.json"
    folder.mkdir()
    assert bandwidth(2, folder) == Bandwidth(3e10, 2)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.json"]
