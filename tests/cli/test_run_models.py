"""``edgemind run`` with models of other kinds: split into several files, or made for embeddings."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Command
from tests.engine.splitting import split
from tests.engine.tiny import tiny_model
from tests.engine.tiny_bert import tiny_bert

ASK = ("the ones", "-n", "6", "-t", "0", "--threads", "1")


def test_any_part_of_a_split_model_stands_for_it(edgemind: Command, tmp_path: Path) -> None:
    whole = tiny_model(tmp_path / "tiny.gguf")
    parts = split(whole, tmp_path, 3)
    expected = edgemind("run", "-m", str(whole), *ASK)
    assert expected.code == 0
    for part in parts[:2]:
        assert edgemind("run", "-m", str(part), *ASK).out == expected.out


def test_a_missing_part_is_named(edgemind: Command, tmp_path: Path) -> None:
    parts = split(tiny_model(tmp_path / "tiny.gguf"), tmp_path, 3)
    parts[2].unlink()
    ran = edgemind("run", "-m", str(parts[0]), *ASK)
    assert ran.code == 3
    assert "tiny-00003-of-00003.gguf is missing" in ran.err
    assert "Traceback" not in ran.err


def test_a_part_under_another_name(edgemind: Command, tmp_path: Path) -> None:
    parts = split(tiny_model(tmp_path / "tiny.gguf"), tmp_path, 3)
    ran = edgemind("run", "-m", str(parts[0].rename(tmp_path / "mine.gguf")), *ASK)
    assert ran.code == 4
    assert "is part 1 of 3 of a model" in ran.err


def test_a_model_for_embeddings_says_so(edgemind: Command, tmp_path: Path) -> None:
    ran = edgemind("run", "-m", str(tiny_bert(tmp_path / "bert.gguf")), *ASK)
    assert (ran.code, ran.out) == (4, "")
    assert "tiny bert makes embeddings" in ran.err
