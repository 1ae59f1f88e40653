"""Which models fill gaps, told from the header alone."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest
from tiny import tiny_model

from edgemind.models import builtin, fim, infill
from edgemind.models.gguf import read_header


def test_a_vocabulary_with_the_three_tokens(tmp_path: Path) -> None:
    assert infill.fills_gaps(read_header(tiny_model(tmp_path / "m.gguf", infill=True)))


def test_a_vocabulary_without_them(tmp_path: Path) -> None:
    assert not infill.fills_gaps(read_header(tiny_model(tmp_path / "m.gguf")))
    assert not infill.fills_gaps(read_header(tiny_model(tmp_path / "s.gguf", "llama", tokenizer="spm")))
    assert not infill.fills_gaps(read_header(builtin.path()))


def test_a_file_that_names_them_by_number(tmp_path: Path) -> None:
    file = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(file, "qwen3")
    for key, number in (("fim_pre", 7), ("fim_suf", 8), ("middle", 9)):
        writer.add_uint32(f"tokenizer.ggml.{key}_token_id", number)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert infill.fills_gaps(read_header(file))


def test_the_next_command_pulls_the_smallest_of_the_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path))
    said = infill.next_command("edgemind complete a.py:1 --model")
    name = "qwen2.5-coder-1.5b"
    assert said == f"edgemind pull {name}   and then   edgemind complete a.py:1 --model {name}"


@pytest.mark.parametrize(("name", "fills"), [("Codestral-22B-v0.1", True), ("Mistral-Nemo", False)])
def test_codestral_alone_was_taught_the_two_tokens_of_mistral(tmp_path: Path, name: str, fills: bool) -> None:
    file = tiny_model(tmp_path / "m.gguf", "llama", tokenizer="spm", infill=("[SUFFIX]", "[PREFIX]"), name=name)
    assert infill.fills_gaps(read_header(file)) is fills


@pytest.mark.parametrize("number", range(len(fim.NAMES["fim_pre"])))
def test_every_family_is_known_by_its_spelling(tmp_path: Path, number: int) -> None:
    names = [fim.NAMES[use][number] for use in fim.FRAME]
    assert infill.fills_gaps(read_header(tiny_model(tmp_path / "m.gguf", infill=names)))
