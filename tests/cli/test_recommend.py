"""``edgemind recommend`` as it is typed: the table, the object, a graphics processor that is not used, a bad use."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .conftest import Command

CATALOG = """
[[model]]
name = "{name}"
description = "A model of this test"
repository = "owner/{name}"
files = {{ Q4_K_M = {{ name = "m.gguf", size = {size} }} }}
parameters = {parameters}
context = 32768
licence = "A licence\\u001b[31m with an escape"
use = ["chat"]
thinking = "off"
released = "2099-01"
"""


def write_catalog(edgemind: Command, name: str, parameters: int, size: int) -> None:
    file = edgemind.home / "config" / "models.toml"
    file.parent.mkdir(parents=True)
    file.write_text(CATALOG.format(name=name, parameters=parameters, size=size).replace("\\u001b", "\\u001B"))


def test_the_first_line_is_the_command_to_type(edgemind: Command) -> None:
    ran = edgemind("recommend")
    assert (ran.code, ran.err) == (0, "")
    first = ran.out.splitlines()[0]
    assert first.startswith("edgemind pull ")
    name = first.split()[-1].partition(":")[0]
    assert name in ran.out.split("MODEL")[1].splitlines()[1]
    assert "fits with " in ran.out
    assert "predictions" in ran.out
    assert "--all" in ran.out


def test_on_a_terminal_it_fits_eighty_columns(edgemind: Command) -> None:
    ran = edgemind.on_terminal("recommend", "--all", "--for", "reasoning")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80
    assert "deepseek-r1-distill-qwen-1.5b" in ran.out


def test_the_object_has_everything(edgemind: Command) -> None:
    ran = edgemind("recommend", "--json", "--for", "code", "--context", "8192")
    found = json.loads(ran.out)
    assert (found["use"], found["context"], found["speeds_are_predictions"]) == ("code", 8192, True)
    assert found["machine"]["memory_bytes_per_second"] > 1e8
    assert found["machine"]["free_disk"] > 0
    for row in found["models"]:
        parts = row["weights_bytes"] + row["context_bytes"] + row["buffer_bytes"]
        assert row["memory_bytes"] > parts > row["weights_bytes"] > 0
        assert row["reason"]
        assert row["licence"]
        assert row["verdict"] in ("fits", "after_closing", "no_disk", "slow", "too_big", "short")
        assert row["tokens_per_second_at"] == 2048
    assert [row["rank"] for row in found["models"]] == list(range(1, len(found["models"]) + 1))
    assert found["best"] == found["models"][0]["reference"]


def test_memory_is_probed_once(edgemind: Command) -> None:
    file = edgemind.home / "cache" / "bandwidth.json"
    edgemind("recommend")
    if not file.exists():
        pytest.skip("other programs were busy, and such a figure is not remembered")
    before = file.read_bytes()
    edgemind("recommend")
    assert file.read_bytes() == before


def test_all_shows_what_is_too_large_and_why(edgemind: Command) -> None:
    write_catalog(edgemind, "giant", 4 * 10**12, 2 * 10**12)
    few, everything = edgemind("recommend"), edgemind("recommend", "--all")
    assert "giant" not in few.out
    assert "giant" in everything.out
    assert "needs about 2.0 TB, this machine has " in everything.out.replace("\n    ", " ")
    assert len(everything.out.splitlines()) > len(few.out.splitlines())


def test_names_and_licences_from_the_users_catalog_are_cleaned(edgemind: Command) -> None:
    write_catalog(edgemind, "newest", 400_000_000, 250_000_000)
    ran = edgemind("recommend", "--all")
    assert "newest" in ran.out
    assert "\x1b" not in ran.out


def test_an_unknown_use_is_told_the_others(edgemind: Command) -> None:
    ran = edgemind("recommend", "--for", "cooking")
    assert ran.code == 2
    assert "cooking" in ran.err
    assert "chat, reasoning, code" in ran.err
    assert ran.out == ""


def test_a_context_that_nothing_was_trained_for(edgemind: Command) -> None:
    ran = edgemind("recommend", "--context", "4000000")
    assert ran.code == 0
    assert not ran.out.startswith("edgemind pull")
    assert "was trained for" in ran.out


def test_graphics_that_this_build_cannot_use(edgemind: Command, tmp_path: Path) -> None:
    from edgemind.engine.client import probe_build

    if probe_build().supports_gpu:
        pytest.skip("this llama.cpp can use graphics")
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'RTX of a test, 24564, 23900'\n")
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    ran = edgemind("recommend", PATH=path)
    assert "RTX of a test is not used" in ran.out
    assert 'CMAKE_ARGS="-DGGML_CUDA=on" pip install' in ran.out.replace("\n", " ")
    told = edgemind("doctor", PATH=path)
    assert "RTX of a test: 25.1 GB free of 25.8 GB" in told.out
    assert "-DGGML_CUDA=on" in told.out
    assert json.loads(edgemind("doctor", "--json", PATH=path).out)["graphics"][0]["kind"] == "nvidia"


def test_doctor_shows_the_disk(edgemind: Command) -> None:
    ran = edgemind("doctor", "--json")
    found = json.loads(ran.out)
    assert found["disk"]["free"] > 0
    assert "free where models are kept" in edgemind("doctor").out


def test_what_is_installed_is_run_not_pulled(edgemind: Command) -> None:
    from edgemind.models.store.manifest import Facts, Manifest, Source, StoredFile

    write_catalog(edgemind, "newest", 400_000_000, 250_000_000)
    assert edgemind("recommend").out.startswith("edgemind pull newest\n")
    name = "newest"
    manifest = Manifest(
        name=name,
        kind="gguf",
        files=(StoredFile(path="m.gguf", sha256="0" * 64, size=250_000_000),),
        source=Source(kind="file"),
        created="2026-01-01T00:00:00Z",
        facts=Facts(quantization="Q4_K_M"),
    )
    store = edgemind.home / "data" / "models"
    (store / "manifests").mkdir(parents=True)
    (store / "store.json").write_text('{"format": 1}')
    (store / "manifests" / f"{name}.json").write_text(manifest.model_dump_json())
    ran = edgemind("recommend")
    assert ran.out.startswith(f"edgemind run --model {name} ")
    assert "installed" in ran.out
