"""A thousand bytes flipped in transit: not one of them ends in a model."""

from __future__ import annotations

import random

import pytest
from localhub import Fault, Faults
from pulling import REPO, pull, visible

from edgemind.errors import Damaged, ModelUnusable

FLIPS = 1000
PULLS = 50


@pytest.mark.parametrize("seed", range(FLIPS // PULLS))
def test_flipped_bytes_are_caught(hub, home, model, seed):
    """Each pull meets a flip again and again, or once, or in the part that it fetches after a cut."""
    rng = random.Random(seed)
    for number in range(PULLS):
        offset = rng.randrange(len(model))
        kind = number % 3
        hub.faults = _faults(kind, offset, rng)
        if kind == 0:
            with pytest.raises((Damaged, ModelUnusable)):
                pull(hub, home)
        else:
            _pull_or_be_told(hub, home)
        assert [r for r in hub.log.of("file") if r.start <= offset < r.start + r.sent_bytes], "the flip was never sent"
        assert visible(home) == {} or kind != 0
        _forget(hub, home)


def _faults(kind: int, offset: int, rng: random.Random) -> Faults:
    if kind == 0:
        return Faults(flip=offset)
    if kind == 1:
        return Faults(flip=offset, times=1)
    return Faults(Fault(cut=rng.randrange(offset + 1), times=1), Fault(flip=offset, times=1))


def _pull_or_be_told(hub, home):
    """A flip in the header can make it unreadable before the hash is known; the next pull must mend that."""
    try:
        pull(hub, home)
    except ModelUnusable:
        assert visible(home) == {}
        pull(hub, home)
    assert len(visible(home)) == 1


def _forget(hub, home):
    from pulling import store_of

    store = store_of(home)
    for name in store.names():
        store.remove(name)
    for left in (home / "data/models/partial").iterdir():
        left.unlink()
    hub.log.clear()
    assert hub.repo(REPO) is not None
