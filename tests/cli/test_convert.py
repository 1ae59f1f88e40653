"""``edgemind convert`` and ``verify-conversion`` through the real command, on a tiny checkpoint."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("transformers")

sys.path.insert(0, str(Path(__file__).parent.parent / "convert"))

from checkpoints import checkpoint
from test_lora import adapter

from edgemind.models import gguf

from .conftest import Command


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("base") / "tiny-qwen", "qwen3")


def test_a_checkpoint_becomes_a_file_that_is_proven(edgemind: Command, base: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.gguf"
    done = edgemind("convert", str(base), "-o", str(target), "--no-verify")
    assert done.code == 0, done.err
    assert f"edgemind run --model {target}" in done.err
    again = edgemind("convert", str(base), "-o", str(target), "--json")
    assert again.code == 2
    assert "there already" in json.loads(again.out)["error"]["message"]
    run = edgemind("run", "--model", str(target), "--max-tokens", "4", "--json", "hello")
    assert json.loads(run.out)["stop_reason"]
    checked = edgemind("verify-conversion", str(base), str(target), "--threads", "1")
    assert checked.code == 0, checked.err
    assert "the same model, as F16" in checked.out
    other = Path(shutil.copytree(base, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-5}))
    checked = edgemind("verify-conversion", str(other), str(target), "--threads", "1")
    assert checked.code == 4
    assert "not the same model" in checked.out
    assert "qwen3.attention.layer_norm_rms_epsilon" in checked.err


def test_a_model_in_the_store_knows_what_it_was_made_from(edgemind: Command, base: Path) -> None:
    done = edgemind("convert", str(base), "--name", "tiny", "--quantize", "Q8_0", "--no-verify", "--json")
    told = json.loads(done.out)
    assert done.code == 0, done.err
    assert (told["name"], told["type"], told["verified"]) == ("tiny", "Q8_0", None)
    assert gguf.read_header(told["path"]).metadata["general.file_type"] == 7
    manifest = json.loads((edgemind.home / "data" / "models" / "manifests" / "tiny.json").read_text())
    notes = manifest["source"]["notes"]
    assert manifest["source"]["kind"] == "made"
    assert len(notes["sha256 of model.safetensors"]) == 64
    assert "--quantize Q8_0" in notes["command"]
    assert notes["edgemind"]
    assert "tiny" in edgemind("list").out
    taken = edgemind("convert", str(base), "--name", "tiny")
    assert taken.code == 16
    assert "edgemind rm tiny" in taken.err


def test_what_cannot_be_proven_is_not_kept(edgemind: Command, base: Path, tmp_path: Path) -> None:
    """A tokenizer whose cut llama.cpp does not have: no file, also with --no-verify."""
    from checkpoints import byte_level

    folder = Path(shutil.copytree(base, tmp_path / "odd"))
    byte_level(r"\p{L}+|\p{N}+|[^\p{L}\p{N}\s]+|\s+").save_pretrained(folder)
    out = tmp_path / "out"
    out.mkdir()
    done = edgemind("convert", str(folder), "-o", str(out / "model.gguf"), "--threads", "1")
    assert done.code == 4
    assert "become other tokens" in done.err
    blind = edgemind("convert", str(folder), "-o", str(out / "model.gguf"), "--no-verify")
    assert blind.code == 2
    assert "nearest" in blind.err
    assert os.listdir(out) == []


def test_an_adapter_alone_and_merged(edgemind: Command, base: Path, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "adapter", base)
    model, alone, both = (tmp_path / f"{name}.gguf" for name in ("model", "alone", "both"))
    assert edgemind("convert", str(base), "-o", str(model), "--no-verify").code == 0
    done = edgemind("convert", str(base), "--lora", str(folder), "-o", str(alone))
    assert done.code == 0, done.err
    assert gguf.read_header(alone).kind == "adapter"
    run = edgemind("run", "--model", str(model), "--lora", str(alone), "--max-tokens", "4", "--json", "hello")
    assert run.code == 0, run.err
    merging = ("convert", str(base), "--lora", str(folder), "--merge", "-o", str(both))
    merged = edgemind(*merging, "--threads", "1", "--json")
    assert merged.code == 0, merged.err
    told = json.loads(merged.out)["verified"]
    assert told["passed"]
    assert told["tokenizer"]["texts"] >= 400
    assert told["logits"]["mean_kl"] < 1e-3


def test_an_installed_checkpoint_is_converted_by_its_name(edgemind: Command, base: Path, tmp_path: Path) -> None:
    assert edgemind("import", str(base), "--name", "source").code == 0
    done = edgemind("convert", "source", "-o", str(tmp_path / "model.gguf"), "--no-verify")
    assert done.code == 0, done.err
    assert gguf.read_header(tmp_path / "model.gguf").text("general.name") == "source"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--type", "q4_k_m"), "--quantize"),
        (("--merge",), "--lora"),
        (("--name", "a", "-o", "b.gguf"), "one of the two"),
        (("--lora", "nowhere", "--name", "a"), "no model of its own"),
        (("--quantize", "Q5_X"), "Q5_X"),
        (("--quantize", "IQ2_XXS"), "--imatrix"),
        (("--template", "nowhere.jinja"), "template"),
    ],
)
def test_flags_that_make_no_sense(
    edgemind: Command, base: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = edgemind("convert", str(base), *arguments)
    assert done.code in (2, 10), done.err
    assert words in done.err
    assert "Traceback" not in done.err


def test_without_transformers_the_conversion_is_kept_and_says_that_it_is_not_proven(
    edgemind: Command, base: Path, tmp_path: Path
) -> None:
    """The extra is hidden by modules of its names that cannot be imported."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    for name in ("torch", "transformers"):
        (hidden / f"{name}.py").write_text("raise ImportError('not here')\n")
    target = tmp_path / "model.gguf"
    done = edgemind("convert", str(base), "-o", str(target), PYTHONPATH=str(hidden))
    assert done.code == 0, done.err
    assert "edgemind[distill]" in done.err
    assert target.exists()
    checked = edgemind("verify-conversion", str(base), str(target), PYTHONPATH=str(hidden))
    assert checked.code == 2
    assert "edgemind[distill]" in checked.err
