"""What flags, settings, catalog and model make together."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from edgemind.cli import options
from edgemind.engine.events import Sampling
from edgemind.errors import UsageError
from edgemind.models.names import ModelFile, resolve
from edgemind.settings import Settings

LISTS_AND_NOTHING: dict[str, Any] = {field.name: None for field in dataclasses.fields(options.Flags)}
SWITCHES = ("think", "no_think", "hide_thinking", "confidence", "json", "stats", "require_offline")


def flags(**given: Any) -> options.Flags:
    return options.Flags(**{**LISTS_AND_NOTHING, **dict.fromkeys(SWITCHES, False), **given})


@pytest.fixture
def nano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFile:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path))
    return resolve("edgemind-nano")


def test_every_sampling_field_has_a_flag() -> None:
    assert {*options.SAMPLING_FLAGS, "logit_bias"} == set(Sampling.model_fields)


def test_a_flag_goes_before_the_settings(nano: ModelFile) -> None:
    settings = Settings(context=1024, threads=3, gpu_layers=4, flash_attention="off")
    opened = options.load_options(flags(), settings, nano)
    assert (opened.context, opened.threads, opened.gpu_layers, opened.flash_attention) == (1024, 3, 4, "off")
    opened = options.load_options(flags(context=512, threads=1, gpu_layers=0), settings, nano)
    assert (opened.context, opened.threads, opened.gpu_layers) == (512, 1, 0)


def test_the_catalog_gives_the_model_its_sampling(nano: ModelFile) -> None:
    assert nano.entry is not None
    assert options.load_options(flags(), Settings(), nano).sampling.temperature == nano.entry.sampling.temperature


def test_thinking(nano: ModelFile) -> None:
    def asked(settings: Settings, **given: Any) -> tuple[str, int | None]:
        request = options.request(flags(**given), settings, nano, "hi")
        return request.thinking, request.thinking_budget

    off = Settings(thinking="off", thinking_budget=99)
    assert asked(Settings()) == ("auto", None)
    assert asked(Settings(), think=True) == ("on", None)
    assert asked(off) == ("off", 99)
    assert asked(off, think=True, thinking_budget=0) == ("on", 0)
    assert asked(off, no_think=True) == ("off", None)


def test_what_is_asked(nano: ModelFile) -> None:
    request = options.request(
        flags(
            system="Be brief.", stop=["\n", ""], max_tokens=5, confidence=True, top_k=3, logit_bias=["5=-1", "6=2.5"]
        ),
        Settings(),
        nano,
        "hi",
    )
    assert request.messages is not None
    assert [(message.role, message.content) for message in request.messages] == [
        ("system", "Be brief."),
        ("user", "hi"),
    ]
    assert request.stop == ("\n",)
    assert request.sampling == Sampling(top_k=3, logit_bias={5: -1.0, 6: 2.5})


@pytest.mark.parametrize("given", ["x=1", "5", "5=", "5=many", "-1=2", "5=nan", "=3"])
def test_a_bias_is_a_token_and_a_number(given: str) -> None:
    with pytest.raises(UsageError):
        options.sampling(flags(logit_bias=[given]))


def test_an_adapter_may_have_a_scale_and_a_colon_in_its_name(tmp_path: Path) -> None:
    for name in ("a.gguf", "b:c.gguf", "d:2"):
        (tmp_path / name).touch()
    assert options.adapter(f"{tmp_path}/a.gguf") == (f"{tmp_path}/a.gguf", 1.0)
    assert options.adapter(f"{tmp_path}/a.gguf:0.5") == (f"{tmp_path}/a.gguf", 0.5)
    assert options.adapter(f"{tmp_path}/b:c.gguf:-1") == (f"{tmp_path}/b:c.gguf", -1.0)
    assert options.adapter(f"{tmp_path}/d:2:1") == (f"{tmp_path}/d:2", 1.0)


@pytest.mark.parametrize(
    "given",
    [
        {"think": True, "no_think": True},
        {"schema": Path("a"), "grammar": Path("b")},
        {"no_think": True, "thinking_budget": 5},
    ],
)
def test_contradictions(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        flags(prompt=["hi"], **given).check()
    assert all(f"--{name.replace('_', '-')}" in caught.value.message for name in given)
