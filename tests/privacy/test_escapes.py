"""Every known way out, in every profile, against receivers that must hear nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edgemind.privacy.seccomp import PROFILES

from . import escapes
from .conftest import Receivers

pytestmark = pytest.mark.jail

TESTS = Path(__file__).parents[1]
ONLY_IN = {
    "connection_accepted": ("ui", "worker"),
    "program_executed": ("worker",),
    "file_metadata_changed": ("worker",),
}
CASES = [(name, profile) for name in escapes.ESCAPES for profile in ONLY_IN.get(name, PROFILES)]


def attempt(name: str, profile: str, receivers: Receivers) -> list[str]:
    command = [sys.executable, "-m", "privacy.escapes", name, profile, receivers.targets]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, cwd=TESTS)
    assert done.returncode == 0, done.stderr
    answers: list[str] = json.loads(done.stdout.splitlines()[-1])
    return answers


@pytest.mark.parametrize(("name", "profile"), CASES, ids=[f"{name}-{profile}" for name, profile in CASES])
def test_the_jail_opens_nothing(name: str, profile: str, receivers: Receivers) -> None:
    answers = attempt(name, profile, receivers)

    assert answers
    assert set(answers) <= escapes.EXPECTED[name], answers
    assert not receivers.heard()


@pytest.mark.parametrize("name", sorted(escapes.LIVE))
def test_the_same_script_gets_out_without_the_jail(name: str, receivers: Receivers) -> None:
    if name == "curl_started" and not Path("/usr/bin/curl").exists():
        pytest.skip("no curl on this machine")

    answers = attempt(name, "none", receivers)

    assert answers[0] == "ok", answers
    assert receivers.heard()
