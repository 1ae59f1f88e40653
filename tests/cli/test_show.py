"""``edgemind show`` and ``edgemind list``: what they tell, how fast they may be, and hostile metadata."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chat_templates import TEMPLATES
from tiny import tiny_adapter, tiny_model
from use_store import install, store_at

from edgemind.cli.show_facts import LONGEST_TEMPLATE, switch_in
from edgemind.engine.reasoning_formats import detect
from edgemind.models import builtin
from edgemind.models.store.manifest import Facts, Source

from .conftest import Command, Screen
from .test_store_commands import checkpoint


def shown(edgemind: Command, *arguments: str) -> dict[str, Any]:
    ran = edgemind("show", *arguments, "--json")
    assert ran.code == 0, ran.err
    assert ran.out.isascii()
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_the_built_in_model(edgemind: Command) -> None:
    about = shown(edgemind)
    assert about["name"] == builtin.NAME
    assert about["built_in"]
    assert about["template"] == {"family": "chatml", "own": True}
    assert about["reasoning"]["format"] == "think"
    assert re.fullmatch(r"[0-9a-f]{64}", about["files"][0]["sha256"])
    assert about["memory"][-1]["context"] == about["context_trained"]
    text = edgemind("show").out
    for name in ("model", "architecture", "parameters", "quantization", "context", "tokenizer", "template", "licence"):
        assert re.search(rf"^{name}  ", text, re.MULTILINE)


def test_a_model_at_a_path(edgemind: Command, tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "Mine.gguf", layers=3, context=100_000, weights="q8_0")
    about = shown(edgemind, str(file))
    assert (about["name"], about["installed"], about["built_in"]) == ("Mine", False, False)
    assert (about["layers"], about["heads"], about["kv_heads"], about["head_dim"]) == (3, 4, 2, 16)
    assert {row["type"] for row in about["types"]} == {"Q8_0", "F32"}
    assert about["quantization"] == "Q8_0"
    assert [row["context"] for row in about["memory"]] == [2048, 8192, 32768, 100_000]
    memory = [row["bytes"] for row in about["memory"]]
    assert memory == sorted(memory)
    assert about["tokenizer"]["kind"] == "gpt2"
    assert about["problem"] is None


def test_an_installed_model_says_where_it_came_from(edgemind: Command, tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "file.gguf")
    source = Source(kind="hub", repository="owner/repo", revision="a" * 40)
    install(store_at(edgemind.home), "mine", [file], source=source, licence="MIT", trouble="It does not run.")
    about = shown(edgemind, "mine")
    assert about["source"] == {"kind": "hub", "repository": "owner/repo", "revision": "a" * 40}
    assert (about["licence"], about["trouble"]) == ("MIT", "It does not run.")
    text = edgemind("show", "mi").out
    assert "owner/repo at aaaaaaaaaaaa" in text
    assert "sha256-" not in text
    assert about["quantization"] == "Q8_0"  # as the manifest has it
    assert about["files"][0]["sha256"] in text


def test_a_model_that_is_too_large_says_why(edgemind: Command, tmp_path: Path) -> None:
    """Numbers of a giant in the header of a small file: its context alone needs more than any machine has."""
    file = tiny_model(tmp_path / "wide.gguf", context=1 << 30)
    about = shown(edgemind, str(file))
    assert about["memory"][-1]["fits"] is False
    assert about["fits"]["largest_context"] < 1 << 30
    assert "more than is free" in edgemind("show", str(file)).out


def test_what_is_no_language_model_says_so(edgemind: Command, tmp_path: Path) -> None:
    about = shown(edgemind, str(tiny_adapter(tmp_path / "adapter.gguf")))
    assert "LoRA adapter" in about["problem"]
    assert about["memory"] == []


def test_a_folder_of_safetensors(edgemind: Command, tmp_path: Path) -> None:
    about = shown(edgemind, str(checkpoint(tmp_path / "weights")))
    assert (about["kind"], about["quantization"], about["parameters"]) == ("safetensors", "F32", 8)
    assert "does not run safetensors" in edgemind("show", str(tmp_path / "weights")).out


def test_metadata_cannot_act_on_the_terminal(edgemind: Command, tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "evil.gguf", name="evil\x1b]52;c;eA==\x07\nmodel         fake\u202e")
    for ran in (edgemind("show", str(file)), edgemind.on_terminal("show", str(file))):
        assert "\x1b]" not in ran.out
        assert "\u202e" not in ran.out
        assert len(re.findall(r"^model ", ran.out, re.MULTILINE)) == 1


def test_what_a_template_is_switched_by_agrees_with_the_engine() -> None:
    """The engine renders to find out; the text alone has to say the same for the families' templates."""
    for name, template in TEMPLATES.items():
        found = detect(template, lambda token: False, "qwen3")
        assert (name, switch_in(template) if found.format != "none" else None) == (name, found.switch)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("end", ["", "\\", "{"])
@pytest.mark.parametrize("piece", ["{%", "{{'", "'\\'", "{% set ", "{%set enable_thinking ", '"', "{% thinking", "%}"])
def test_a_hostile_template_is_read_in_one_pass(piece: str, end: str) -> None:
    """Going back at each of them would take hours."""
    switch_in("{% if x %}" + "{%" + piece * (LONGEST_TEMPLATE // 2 // len(piece)) + end)


def test_a_list_of_many_opens_none_of_them(edgemind: Command) -> None:
    store = store_at(edgemind.home)
    first = install(store, "model-000", [b"not even a model"])
    for number in range(1, 200):
        copy = first.model_copy(update={"name": f"model-{number:03}"})
        (store.root / "manifests" / f"{copy.name}.json").write_text(copy.model_dump_json())
    blob = store.blob(first.files[0].sha256)
    blob.unlink()
    os.mkfifo(blob)
    ran = edgemind("list")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 202
    assert len(json.loads(edgemind("list", "--json").out)["models"]) == 201


HEAVY = ("numpy", "jinja2", "rich", "psutil", "tomlkit", "llama_cpp", "edgemind.models.catalog", "multiprocessing")


@pytest.mark.parametrize("command", [["list"], ["show"], ["store", "list"], ["alias"], ["default"]])
def test_quick_commands_import_nothing_heavy(edgemind: Command, command: list[str]) -> None:
    code = (
        f"import sys; sys.argv = ['edgemind', *{command!r}]\nfrom edgemind.cli import main; main()\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=edgemind.environment())
    allowed = ["edgemind.models.catalog"] if command == ["show"] else []
    assert done.stderr.splitlines()[-1] == str(allowed)


def test_a_list_fits_the_screen_and_tells_everything_to_a_pipe(edgemind: Command) -> None:
    facts = Facts(architecture="qwen3", parameters=4_022_468_096, quantization="Q4_K_M", context=262144)
    source = Source(kind="hub", repository="an-owner-with-a-long-name/a-repository-with-a-longer-name-GGUF")
    name = "a-model-with-a-rather-long-name"
    install(store_at(edgemind.home), name, [b"bytes"], facts=facts, source=source)
    edgemind("alias", "short", name)
    edgemind("default", name)
    piped = edgemind("list").out
    assert re.search(rf"^{name}  \*  Q4_K_M ", piped, re.MULTILINE)
    for part in ("4.02B", "256k", source.repository, "short"):
        assert str(part) in piped
    with Screen() as screen:
        edgemind.start("list", stdout=screen.slave, stderr=screen.slave).wait(60)
        lines = screen.text().replace("\r", "").splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert any(name in line and "Q4_K_M" in line for line in lines)


def test_loose_files_are_mentioned(edgemind: Command, tmp_path: Path) -> None:
    folder = edgemind.home / "data" / "models"
    folder.mkdir(parents=True)
    tiny_model(folder / "dropped.gguf")
    ran = edgemind("list")
    assert "dropped" not in ran.out
    assert f"edgemind import {folder / 'dropped.gguf'}" in ran.err
    assert edgemind("run", "-m", "dropped", "hi").err.splitlines()[1] == f"  edgemind import {folder / 'dropped.gguf'}"
