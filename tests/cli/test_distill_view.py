"""What a distillation shows while it runs."""

from __future__ import annotations

import io
import json

import pytest

from edgemind.cli.distill_view import Lines, Live, duration, share, spark, summary
from edgemind.distill.pipeline.records import Record
from edgemind.distill.pipeline.stage import Done, Kind, Stage, Step
from edgemind.distill.training.job import StepFigures

FIGURES = StepFigures(
    step=3,
    steps=10,
    loss=1.5,
    cross_entropy=2.5,
    divergence=0.75,
    tokens=9000,
    learned=6000,
    rate=8123.4,
    learning_rate=0.002,
    norm=1.0,
    seconds=12.0,
    left=185.0,
    busy=0.99,
)


def step(name: str, kind: Kind) -> Step:
    return Step(Stage(name, kind, {}, lambda run: {}, lambda run, folder, view: Done([])), "due", "not made yet")


def record(name: str, **figures: object) -> Record:
    return Record(
        stage=name,
        fingerprint="",
        inputs={},
        outputs=(),
        started="",
        seconds=65.0,
        machine="",
        edgemind="",
        figures=figures,
    )


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.5, "9.5 s"), (59.4, "59 s"), (185, "3:05 min"), (7810, "2 h 10 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_curves() -> None:
    assert spark([3, 2, 1, 0], 4) == "█▆▃▁"
    assert spark([1.0], 8) == "▁"
    assert spark([5, 5, 5], 8) == "▁▁▁"
    assert spark([0.0, 1.0, 2.0], 8, 0.0, 1.0) == "▁██"
    assert len(spark(list(range(1000)), 48)) == 48
    assert share(1, 4) == "25 %"
    assert share(0, 0) == "-"


def test_a_live_picture_has_what_one_wants_to_know() -> None:
    live = Live("Distilling\x1b[2J x", nothing)
    live.planned([step("problems", "problems"), step("train full", "train")])
    live.skipped(step("problems", "problems"))
    live.began(step("train full", "train"))
    live.on_step(FIGURES)
    live.on_levels({1: (3, 4), 2: (1, 4)}, 3, 2)
    drawn = io.StringIO()
    from rich.console import Console

    Console(file=drawn, width=100).print(live._picture())
    text = drawn.getvalue()
    assert "\x1b[2J" not in text
    assert "problems    unchanged" in text
    assert "3 of 10 steps, 3:05 min left" in text
    assert "loss 1.500, cross-entropy 2.500, KL 0.750, 8,123 tokens/s" in text
    assert "75 %" in text
    assert "25 %" in text


def test_on_a_small_screen_what_runs_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "10")
    live = Live("Distilling x in a folder with a very long name indeed", nothing)
    names = [f"train {number}" for number in range(20)]
    live.planned([step(name, "train") for name in names])
    for name in names[:12]:
        live.skipped(step(name, "train"))
    live.began(step("train 12", "train"))
    live.on_step(FIGURES)
    drawn = io.StringIO()
    from rich.console import Console

    Console(file=drawn, width=40).print(live._picture())
    lines = drawn.getvalue().splitlines()
    assert len(lines) < 10
    assert "train 12  3 of 10 steps" in drawn.getvalue()
    assert "loss 1.500" in drawn.getvalue()
    assert "   and 9 more" in lines
    assert "   and 6 more" in lines


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(nothing)
    lines.planned([step("train full", "train")])
    lines.began(step("train full", "train"))
    lines.on_step(FIGURES)
    lines.on_levels({1: (3, 4)}, 3, 1)
    lines.progress(5, 5, "problems")
    lines.progress(5, 5, "problems")
    lines.note("a note")
    lines.ended(step("train full", "train"), record("train full", loss=1.0, tokens=9000, levels={"1": [3, 4]}))
    assert capsys.readouterr().err.splitlines() == [
        "to do: train full",
        "train full (not made yet)",
        "  right at step 3: level 1 75 %",
        "  5 of 5 problems",
        "a note",
        "train full: done in 1:05 min, loss 1.000, 9,000 tokens; right: level 1 75 %",
    ]


def test_lines_for_a_program(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(nothing, as_json=True)
    lines.began(step("train full", "train"))
    lines.on_levels({1: (3, 4)}, 3, 1)
    lines.on_step(StepFigures(**{**FIGURES.__dict__, "step": 10}))
    found = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [one["event"] for one in found] == ["began", "levels", "step"]
    assert found[1]["accuracy"] == {"1": [3, 4]}
    assert found[2]["divergence"] == 0.75


def test_who_asked_to_leave_leaves() -> None:
    def leaving() -> None:
        raise KeyboardInterrupt

    for view in (Lines(leaving), Live("x", leaving)):
        with pytest.raises(KeyboardInterrupt):
            view.on_step(FIGURES)


def test_every_kind_of_stage_has_a_summary() -> None:
    assert summary(record("problems", training=4000, held_out=400)) == "4,000 problems, 400 held out"
    assert summary(record("student", parameters=1_050_000)) == "1.05 M parameters"
    assert "575 kept of 600" in summary(
        record("traces teacher", acceptance=0.95, kept=575, samples=600, tokens_per_second=1900.0)
    )
    assert summary(record("traces written", acceptance=None, written=12)) == "12 written solutions"
    assert summary(record("targets teacher", examples=5, learned=300, bytes_per_token=132.0)).endswith(
        "132 bytes a token"
    )
    assert summary(record("export", said="quickstart, 1.2 MB")) == "quickstart, 1.2 MB"
