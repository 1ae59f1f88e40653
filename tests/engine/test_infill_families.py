"""The prompt for a gap as each family of models was taught to read it, and where its answer is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edgemind.engine import llama
from edgemind.engine.events import Infill
from edgemind.engine.infill import fim_tokens, infill_prompt
from tests.engine.tiny import tiny_model

GAP = Infill(prefix="x = ", suffix="\ny", path="a.py")
SPM: dict[str, Any] = {"arch": "llama", "tokenizer": "spm"}

FAMILIES: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "qwen": (
        {},
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"),
        "<|file_sep|>a.py\n<|fim_prefix|>x = <|fim_suffix|>\ny<|fim_middle|>",
    ),
    "codegemma": (
        {},
        ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_separator|>"),
        "<|fim_prefix|>x = <|fim_suffix|>\ny<|fim_middle|>",
    ),
    "deepseek": (
        {},
        ("<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"),
        "<｜fim▁begin｜>x = <｜fim▁hole｜>\ny<｜fim▁end｜>",
    ),
    "starcoder": (
        {},
        ("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<reponame>"),
        "<fim_prefix>x = <fim_suffix>\ny<fim_middle>",
    ),
    "starcoder2": (
        {},
        ("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<repo_name>", "<file_sep>"),
        "<file_sep><fim_prefix>a.py\nx = <fim_suffix>\ny<fim_middle>",
    ),
    "santacoder": (
        {},
        ("<fim-prefix>", "<fim-middle>", "<fim-suffix>", "<fim-pad>"),
        "<fim-prefix>x = <fim-suffix>\ny<fim-middle>",
    ),
    "codellama": (
        SPM,
        ("▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>"),
        "<s>▁<PRE> x = ▁<SUF>\ny▁<MID>",
    ),
    "glm": (
        {},
        ("<|code_prefix|>", "<|code_suffix|>", "<|code_middle|>"),
        "<|code_prefix|>x = <|code_suffix|>\ny<|code_middle|>",
    ),
    "seed-coder": (
        {"arch": "llama", "pre": "seed-coder"},
        ("<[fim-suffix]>", "<[fim-prefix]>", "<[fim-middle]>"),
        "<[fim-suffix]>\ny<[fim-prefix]>x = <[fim-middle]>",
    ),
    "mellum": (
        {"arch": "llama", "pre": "mellum"},
        ("<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<filename>"),
        "<filename>a.py\n<fim_suffix>\ny<fim_prefix>x = <fim_middle>",
    ),
    "codestral": ({**SPM, "name": "Codestral-22B-v0.1"}, ("[PREFIX]", "[SUFFIX]"), "<s>[SUFFIX]\ny[PREFIX] x = "),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_gap_as_the_family_reads_it(tmp_path: Path, family: str) -> None:
    options, tokens, wanted = FAMILIES[family]
    with llama.Model.open(str(tiny_model(tmp_path / "m.gguf", infill=tokens, **options))) as model:
        vocab = model.vocab
        around = fim_tokens(vocab)
        assert around is not None
        prompt = infill_prompt(vocab, around, GAP, 500)
        said = b"".join(vocab.piece(token, special=True) for token in prompt).decode()
        assert said == wanted
        for token in tokens:
            number = vocab.find(token)
            assert number in around.ends or number in vocab.eog, token


def test_a_mistral_that_was_not_taught_fills_no_gaps(tmp_path: Path) -> None:
    file = tiny_model(tmp_path / "m.gguf", infill=("[SUFFIX]", "[PREFIX]", "[MIDDLE]"), name="Mistral-Nemo", **SPM)
    with llama.Model.open(str(file)) as model:
        assert fim_tokens(model.vocab) is None


@pytest.mark.parametrize("suffix", ["", " ", "\n\n", "  return\n", "x", "\t}\n\n"])
def test_a_suffix_begins_as_it_stands_in_the_file(tmp_path: Path, suffix: str) -> None:
    _, tokens, _ = FAMILIES["codellama"]
    with llama.Model.open(str(tiny_model(tmp_path / "m.gguf", infill=tokens, **SPM))) as model:
        around = fim_tokens(model.vocab)
        assert around is not None
        prompt = infill_prompt(model.vocab, around, Infill(prefix="a", suffix=suffix), 500)
        assert around.middle is not None
        after = prompt[prompt.index(around.suffix) + 1 : prompt.index(around.middle)]
        assert b"".join(map(model.vocab.piece, after)).decode() == suffix
