"""``edgemind doctor``: what it found is what is there."""

from __future__ import annotations

import json
import sys

import pytest

from edgemind import __version__
from edgemind.models import builtin
from edgemind.privacy import jail
from edgemind.privacy.proof import prove

from .conftest import Command


def test_what_was_found(edgemind: Command) -> None:
    ran = edgemind("doctor", "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert found["version"] == __version__
    assert found["machine"]["total_ram"] >= found["machine"]["available_ram"] > 0
    assert found["llama_cpp"]["devices"]
    assert found["offline"]["strength"] == jail.available().value
    assert found["builtin_model"]["present"] == builtin.available()
    assert found["store"]["settings"].startswith(str(edgemind.home))


def test_for_a_person(edgemind: Command) -> None:
    ran = edgemind("doctor")
    assert ran.code == 0
    assert jail.available().phrase in ran.out
    assert "llama.cpp" in ran.out
    assert ran.err == ""


def test_proving_silence_or_saying_why_not(edgemind: Command) -> None:
    ran = edgemind("doctor", "--prove-offline", "--json")
    found = json.loads(ran.out)
    allowed = prove([sys.executable, "-c", ""], 60).ran
    assert found["ran"] == allowed
    if allowed:
        assert ran.code == 0
        assert found["proved"]
        assert found["answer"].strip()
        assert found["counters"]["Ip.OutRequests"] == 0
        assert found["attempts"] == {}
    else:
        assert ran.code == 8
        assert "forbidden" in found["reason"]


def test_what_is_tried_is_shown(edgemind: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that does try to send fails the proof: the real helper, another command in the place of ours."""
    from edgemind.cli import doctor

    knocking = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 9))"
    proof = prove([sys.executable, "-c", f"try:\n {knocking}\nexcept OSError: pass"], 60)
    if not proof.ran:
        pytest.skip(proof.reason)
    monkeypatch.setattr("edgemind.privacy.proof.prove", lambda *_: proof)
    shown: list[str] = []
    monkeypatch.setattr(doctor.console, "out", shown.append)
    assert doctor._prove(json_output=False) == 8
    assert "Something was sent or tried." in shown[0]
