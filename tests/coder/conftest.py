"""What every test of the coding assistant has."""

from __future__ import annotations

import pytest

from edgemind.privacy import jail


@pytest.fixture(autouse=True)
def _this_process_stays_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session shuts its own process in before it runs a user's command; that cannot be undone, and other tests follow
    in this process. That it does so, and that the command has no network, is tried in processes of their own."""
    monkeypatch.setattr(jail, "arm", lambda *_, **__: None)
