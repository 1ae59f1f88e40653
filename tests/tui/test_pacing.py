"""How often an answer is drawn, by what a frame costs and whether a core is free."""

from __future__ import annotations

import pytest

from edgemind.tui import pacing
from edgemind.tui.pacing import SELDOM, SHARE, SMOOTH, Pace


def test_with_a_free_core_it_is_smooth_whatever_it_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter(range(100))
    monkeypatch.setattr(pacing.time, "process_time", lambda: float(next(spent)))
    pace = Pace(free=True)
    assert [pace.interval() for _ in range(5)] == [SMOOTH] * 5


@pytest.mark.parametrize("frame", [0.0005, 0.003, 0.006, 0.05])
def test_without_one_frames_keep_to_their_share(frame: float, monkeypatch: pytest.MonkeyPatch) -> None:
    spent = [0.0]
    monkeypatch.setattr(pacing.time, "process_time", lambda: spent[0])
    pace = Pace(free=False)
    assert pace.interval() == pytest.approx(SMOOTH)
    for _ in range(30):
        spent[0] += frame
        interval = pace.interval()
    assert interval == pytest.approx(min(max(frame / SHARE, SMOOTH), SELDOM), rel=0.01)


def test_one_frame_that_was_dear_does_not_stop_the_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = [0.0]
    monkeypatch.setattr(pacing.time, "process_time", lambda: spent[0])
    pace = Pace(free=False)
    spent[0] += 2.0
    assert pace.interval() < 0.2


def test_free_cores_count_those_of_this_process() -> None:
    assert pacing.free_cores(1) + 1 == pacing.free_cores(0) > 0
