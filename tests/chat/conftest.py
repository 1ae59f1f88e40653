"""What all tests of the chat share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _saved_before_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine saving takes longer than an answer waits for it; what is tested is that it was saved."""
    monkeypatch.setattr("edgemind.chat.answering.LAST_SAVE_SECONDS", 60.0)
