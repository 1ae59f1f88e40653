"""How a pull is going, as a person and as a program see it; the clock is the test's."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from edgemind.cli import pull_progress
from edgemind.cli.pull_progress import Lines, Progress, Screen
from edgemind.models.remote import RemoteFile
from edgemind.models.selection import Choice

if TYPE_CHECKING:
    from edgemind.models.pull_plan import Plan

PART = Path("x.part")
FILES = tuple(RemoteFile(f"{n}.safetensors", 1_000_000_000, f"{n:064x}", None) for n in range(3))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(pull_progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.fixture
def plan() -> Plan:
    return cast("Plan", SimpleNamespace(name="model", choice=Choice(FILES, "safetensors")))


def fetch(progress: Progress, clock: list[float], file: RemoteFile, begin: int = 0) -> None:
    """At 100 MB a second."""
    for done in range(begin, file.size + 1, 100_000_000):
        progress.advanced(file, done, PART)
        clock[0] += 1.0


@pytest.mark.parametrize("how", ["present", "resumed"])
def test_what_was_here_before_does_not_count_as_speed(
    plan: Plan, clock: list[float], streams: Callable[..., None], how: str
) -> None:
    err = io.StringIO()
    streams(io.StringIO(), err)
    progress = Lines(plan)
    for number, file in enumerate(FILES, 1):
        progress.starting(file, number, len(FILES))
        if number == 2 and how == "present":
            progress.present(file)
            continue
        if number == 2:
            progress.rehashing(file, 800_000_000)
        fetch(progress, clock, file, 800_000_000 if number == 2 else 0)
    shown = [json.loads(line) for line in err.getvalue().splitlines()]
    rates = [event["bytes_per_second"] for event in shown if event["event"] == "progress"]
    assert max(rates) <= 101_000_000
    assert shown[-1]["done"] == shown[-1]["total"] == 3_000_000_000


@pytest.mark.parametrize("columns", [80, 40, 20, 8])
def test_a_narrow_terminal_shows_how_much_is_done(
    plan: Plan, clock: list[float], streams: Callable[..., None], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    err = Terminal()
    streams(io.StringIO(), err)
    monkeypatch.setattr(pull_progress, "terminal_columns", lambda: columns)
    progress = Screen(plan)
    progress.starting(FILES[0], 1, 3)
    fetch(progress, clock, FILES[0])
    lines = [line for line in err.getvalue().split(pull_progress.ERASE) if line]
    assert all(len(line) < columns for line in lines)
    assert columns < 20 or all("%" in line for line in lines)
