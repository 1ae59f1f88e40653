"""What flags, settings, catalog and model make together."""

from __future__ import annotations

import dataclasses
import math
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from edgemind.cli import options
from edgemind.engine import protocol
from edgemind.engine.events import GenerateRequest, Sampling
from edgemind.errors import BadConstraint, BadInput, ModelUnusable, UsageError
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
    assert asked(off, think=True, thinking_budget=5) == ("on", 5)
    assert asked(off, thinking_budget=0) == ("off", 0)
    never = Settings(thinking_budget=0)
    assert asked(never) == ("auto", 0)
    assert asked(never, think=True) == ("on", None)
    assert asked(off, no_think=True) == ("off", None)


def test_the_sentence_that_closes_a_thought(nano: ModelFile) -> None:
    def close(settings: Settings, **given: Any) -> str | None:
        return options.request(flags(**given), settings, nano, "hi").thinking_close

    assert close(Settings()) is None
    assert close(Settings(thinking_close="Enough.")) == "Enough."
    assert close(Settings(thinking_close="Enough."), thinking_close="Stop.", thinking_budget=5) == "Stop."
    assert close(Settings(thinking_budget=5), thinking_close="") == ""
    with pytest.raises(UsageError, match="--thinking-close"):
        close(Settings(), thinking_close="Stop.")
    with pytest.raises(BadInput, match="--thinking-close"):
        close(Settings(), thinking_close="caf\udce9", thinking_budget=5)


def test_a_small_cache_has_flash_attention(nano: ModelFile) -> None:
    def opened(settings: Settings, **given: Any) -> tuple[str, str]:
        asked = options.load_options(flags(**given), settings, nano)
        return asked.kv_type, asked.flash_attention

    assert opened(Settings()) == ("f16", "auto")
    assert opened(Settings(flash_attention="off"), kv_type="q8_0") == ("q8_0", "on")
    assert opened(Settings(flash_attention="off"), kv_type="f32") == ("f32", "off")
    with pytest.raises(UsageError, match="--kv-type"):
        opened(Settings(), kv_type="q4")


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, 1e39])
@pytest.mark.parametrize("name", ["dry_multiplier", "mirostat_tau", "temperature"])
def test_a_number_that_is_none_is_refused_by_its_flag(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} "):
        flags(prompt=["hi"], **{name: value}).check()


def test_a_number_too_large_for_llama_cpp_is_refused_by_its_flag() -> None:
    for name in ("top_k", "dry_allowed_length", "gpu_layers", "context", "max_tokens"):
        flags(prompt=["hi"], **{name: 2**31 - 1}).check()
        with pytest.raises(UsageError, match=f"--{name.replace('_', '-')} "):
            flags(prompt=["hi"], **{name: 2**31}).check()
    flags(prompt=["hi"], seed=2**32 - 2).check()


def nested(depth: int) -> str:
    return '{"items":' * (depth - 1) + "{}" + "}" * (depth - 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"const":"\\ud800"}', "half a character, \\ud800"),
        ('{"\\udc00":1}', "half a character, \\udc00"),
        ('{"const":NaN}', "a number"),
        ('{"const":1e999}', "a number"),
        ('{"const":' + "9" * 5000 + "}", "a number"),
        (nested(options.MAX_DEPTH + 1), "deep"),
        (nested(100_000), "deep"),
        ('{"anyOf":[' + "[" * 300 + "]" * 300 + "]}", "deep"),
    ],
)
def test_a_schema_that_cannot_be_sent(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "schema.json"
    file.write_text(text)
    with pytest.raises(BadConstraint) as caught:
        options._read_schema(file)
    assert said in caught.value.message


def test_a_schema_may_come_from_a_command(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=('{"type":"integer"}',), daemon=True).start()
    assert options._read_schema(pipe) == {"type": "integer"}


def test_the_deepest_schema_crosses_the_pipe(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text(nested(options.MAX_DEPTH))
    schema = options._read_schema(file)
    line = protocol.commands.dump_json(protocol.Generate(id=1, request=GenerateRequest(json_schema=schema)))
    back = protocol.commands.validate_json(line)
    assert isinstance(back, protocol.Generate)
    assert back.request.json_schema == schema


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_path_that_cannot_be_sent(nano: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / os.fsdecode(b"caf\xe9.gguf")
    named.write_bytes(nano.path.read_bytes())
    with pytest.raises(ModelUnusable, match="UTF-8") as caught:
        options.load_options(flags(), Settings(), resolve(str(named)))
    assert caught.value.hint
    with pytest.raises(ModelUnusable, match="UTF-8"):
        options.adapter(str(named))
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "plain.gguf").write_bytes(nano.path.read_bytes())
    monkeypatch.chdir(folder)
    with pytest.raises(ModelUnusable, match="UTF-8"):
        options.load_options(flags(), Settings(), resolve("plain.gguf"))


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
        {"no_think": True, "thinking_close": "Stop."},
        {"think": True, "thinking_budget": 0},
    ],
)
def test_contradictions(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        flags(prompt=["hi"], **given).check()
    assert all(f"--{name.replace('_', '-')}" in caught.value.message for name in given)
