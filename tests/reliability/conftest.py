"""A hub with one small real model, and a home for the store."""

from __future__ import annotations

import pytest
from localhub import Hub
from pulling import REPO
from tiny import tiny_model

from edgemind.models.download import HubClient


@pytest.fixture(scope="session")
def model(tmp_path_factory) -> bytes:
    """A GGUF model of some hundred kilobytes that llama.cpp can run."""
    return tiny_model(
        tmp_path_factory.mktemp("model") / "tiny.gguf", layers=1, embd=32, heads=2, kv_heads=2
    ).read_bytes()


@pytest.fixture(scope="session")
def large_model(tmp_path_factory) -> bytes:
    """The same of some megabytes."""
    return tiny_model(tmp_path_factory.mktemp("model") / "large.gguf", layers=4, embd=128, vocab=1500).read_bytes()


@pytest.fixture
def hub(model):
    with Hub() as hub:
        hub.add(REPO, {"tiny-F32.gguf": model})
        yield hub


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "*")
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def client(hub, home):
    """A connection to the hub that many pulls use."""
    with HubClient(hub.endpoint) as client:
        yield client
