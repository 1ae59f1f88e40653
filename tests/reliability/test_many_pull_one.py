"""Eight processes pull one model: one download, eight good results."""

from __future__ import annotations

import contextlib
import signal

from localhub import Fault
from pulling import ends, start_pull, visible

PROCESSES = 8


def test_eight_pulls_share_one_download(hub, home, large_model):
    hub.add("owner/large", {"large-F32.gguf": large_model})
    hub.faults = Fault(rate=len(large_model) / 4)
    with contextlib.ExitStack() as stack:
        pulls = [stack.enter_context(ends(start_pull(hub, home, wanted="owner/large"))) for _ in range(PROCESSES)]
        ended = [(pull.communicate(timeout=120), pull.returncode) for pull in pulls]
    assert [code for _, code in ended] == [0] * PROCESSES, ended
    assert hub.log.served() == len(large_model)
    assert len(visible(home)) == 1


def test_when_the_one_that_fetches_dies_another_goes_on(hub, home, large_model):
    hub.add("owner/large", {"large-F32.gguf": large_model})
    hub.faults = Fault(rate=len(large_model) / 4)
    with contextlib.ExitStack() as stack:
        pulls = [stack.enter_context(ends(start_pull(hub, home, wanted="owner/large"))) for _ in range(3)]
        fetching = _who_fetches(pulls, home)
        fetching.send_signal(signal.SIGKILL)
        others = [pull for pull in pulls if pull is not fetching]
        ended = [(pull.communicate(timeout=120), pull.returncode) for pull in others]
    assert [code for _, code in ended] == [0, 0], ended
    assert hub.log.served() < len(large_model) * 1.02
    assert len(hub.log.of("file")) == 2
    assert len(visible(home)) == 1


def _who_fetches(pulls, home):
    """The process that has the unfinished file open, once a quarter of it is there."""
    import time
    from pathlib import Path

    until = time.monotonic() + 60
    while time.monotonic() < until:
        for pull in pulls:
            for link in Path(f"/proc/{pull.pid}/fd").glob("*"):
                with contextlib.suppress(OSError):
                    if link.readlink().suffix == ".part" and link.stat().st_size > 500_000:
                        return pull
        time.sleep(0.02)
    raise AssertionError("nobody fetches")
