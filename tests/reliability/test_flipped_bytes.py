"""A thousand bytes flipped in transit: not one of them ends in a model."""

from __future__ import annotations

import random

import pytest
from localhub import Fault, Faults
from pulling import pull_with, store_of, visible

from edgemind.errors import Damaged, ModelUnusable

FLIPS = 1000
PULLS = 100


@pytest.mark.parametrize("seed", range(FLIPS // PULLS))
def test_flipped_bytes_are_caught(hub, client, home, model, seed):
    """Each pull meets a flip again and again, or once, or in the part that it fetches after a cut."""
    rng = random.Random(seed)
    for number in range(PULLS):
        offset, kind = rng.randrange(len(model)), number % 3
        hub.faults = _faults(kind, offset, rng)
        if kind == 0:
            with pytest.raises((Damaged, ModelUnusable)):
                pull_with(client, home)
            assert visible(home) == {}
        else:
            _pull_or_be_told(client, home)
            assert len(visible(home)) == 1
        assert [r for r in hub.log.of("file") if r.start <= offset < r.start + r.sent_bytes], "the flip was never sent"
        _forget(hub, home)


def _faults(kind: int, offset: int, rng: random.Random) -> Faults:
    if kind == 0:
        return Faults(flip=offset)
    if kind == 1:
        return Faults(flip=offset, times=1)
    return Faults(Fault(cut=rng.randrange(offset + 1), times=1), Fault(flip=offset, times=1))


def _pull_or_be_told(client, home):
    """A flip in the header can make it unreadable before the hash is known; the next pull must mend that."""
    try:
        pull_with(client, home)
    except ModelUnusable:
        assert visible(home) == {}
        pull_with(client, home)


def _forget(hub, home):
    store = store_of(home)
    for name in store.names():
        store.remove(name)
    for left in (home / "data/models/partial").iterdir():
        left.unlink()
    hub.log.clear()
