"""``edgemind bench``: what it measures has a shape, what it shows is safe."""

from __future__ import annotations

import json

import pytest

from edgemind.cli.bench import as_object, as_table
from edgemind.engine.bench import BenchReport, DepthResult
from edgemind.engine.events import ModelInfo

from .conftest import Command

QUICK = ("bench", "--depth", "8", "--repeat", "1", "--threads", "1")


def report(name: str) -> BenchReport:
    info = ModelInfo(
        name=name,
        path="x.gguf",
        architecture="llama\x1b[31m",
        parameters=1,
        size_bytes=1,
        context_trained=1,
        context_limit=1,
        vocabulary=1,
        reasoning_format="none",
        can_switch_thinking=False,
        template_source="model",
        gpu_layers=0,
        layers=1,
        threads=1,
        flash_attention=False,
        offline="kernel",
        notes=("a note\x1b[2J",),
    )
    return BenchReport(info, (DepthResult(0, 1.0, 1.0, 1.0),), 1.0, 1.0, 1.0, 1, 1, 1)


def test_a_name_from_a_file_does_not_act_on_the_terminal() -> None:
    shown = as_table(report("evil\x1b]52;c;eA==\x07\nmodel"))
    assert not set(shown) & {"\x1b", "\x07"}
    assert "evil␛" in shown.splitlines()[0]
    assert "model" in shown.splitlines()[0]
    assert "a note" in shown
    assert as_object(report("x"))["notes"] == ["a note\x1b[2J"]


def test_a_depth_beyond_the_context(edgemind: Command) -> None:
    ran = edgemind("bench", "--depth", "100000", "--threads", "1")
    assert ran.code == 6
    assert "smaller --depth" in ran.err


@pytest.mark.parametrize("more", [(), ("--kv-type", "q8_0"), ("--kv-type", "f32")])
def test_a_measurement(edgemind: Command, more: tuple[str, ...]) -> None:
    ran = edgemind(*QUICK, *more, "--json")
    assert ran.code == 0, ran.err
    seen = json.loads(ran.out)
    assert seen["model"]
    (result,) = seen["results"]
    assert result["depth"] == 8
    assert result["prefill_tokens_per_second"] > 0
    assert result["decode_tokens_per_second"] > 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--threads", "99999"), "--threads"),
        (("--kv-type", "q4"), "--kv-type"),
        (("--flash-attention", "maybe"), "--flash-attention"),
        (("--flash-attention", "off", "--kv-type", "q8_0"), "flash attention"),
        (("--depth", "99999999999"), "--depth"),
        (("--random-weights", "no-such"), "no-such"),
        (("-m", "edgemind-nano", "--random-weights", "x"), "--random-weights"),
    ],
)
def test_bad_flags(edgemind: Command, arguments: tuple[str, ...], said: str) -> None:
    ran = edgemind("bench", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert "should not have" not in ran.err
