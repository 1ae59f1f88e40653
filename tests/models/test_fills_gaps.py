"""Which models fill gaps, told from the header alone."""

from __future__ import annotations

from pathlib import Path

import gguf
import pytest
from tiny import INFILL, tiny_model

from edgemind.models import builtin, infill
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


def test_the_names_are_those_of_converted_files() -> None:
    assert set(INFILL[:3]) <= set().union(*infill._NAMES)
