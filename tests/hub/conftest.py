"""The library as it comes: other tests of the same run shut it in, or give it a client of their own."""

from __future__ import annotations

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import _http


@pytest.fixture(autouse=True)
def untouched_library(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    huggingface_hub.set_client_factory(_http.default_client_factory)
    yield
    huggingface_hub.close_session()
