"""Vocabularies: read from folders and GGUF files alike, compared token by token, padding left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_model
from tiny_checkpoint import tiny_checkpoint

from edgemind.convert.convert import convert
from edgemind.distill.targets.vocabulary import Vocabulary, compare, of_gguf, of_model, of_tokenizer_folder
from edgemind.distill.tokenizer_files import tokenizer_of_gguf
from edgemind.errors import BadInput, EdgemindError, ModelUnusable
from edgemind.models import builtin


def words(*tokens: str, **more: Any) -> Vocabulary:
    return Vocabulary(tuple(token.encode() for token in tokens), **more)


def test_the_built_in_model_and_a_folder_with_its_tokenizer_are_the_same(tmp_path: Path) -> None:
    file, folder = of_gguf(builtin.path()), of_model(tokenizer_of_gguf(builtin.path(), tmp_path / "folder"))
    assert file.digest == folder.digest
    assert file.merges == folder.merges != ""
    assert compare(folder, file).kind == "same"
    assert file.tokens[3:6] == (b"<think>", b"</think>", b"!")
    assert b" items" in file.tokens
    assert {0, 1, 2} <= file.special


def test_padded_rows_mean_nothing(tmp_path: Path) -> None:
    small = of_gguf(tiny_model(tmp_path / "a.gguf", vocab=0))
    large = of_gguf(tiny_model(tmp_path / "b.gguf", vocab=400))
    larger = of_gguf(tiny_model(tmp_path / "c.gguf", vocab=500))
    assert (large.rows, larger.rows) == (400, 500)
    assert small.size == large.size == larger.size < 400
    assert small.digest == large.digest == larger.digest
    assert compare(large, larger).kind == compare(larger, large).kind == "padded"
    assert compare(large, larger).usable


@pytest.mark.parametrize("rows", [259, 300])
def test_a_checkpoint_and_the_file_made_of_it(tmp_path: Path, rows: int) -> None:
    folder = tiny_checkpoint(tmp_path / "checkpoint")
    config = json.loads((folder / "config.json").read_text())
    before = of_tokenizer_folder(folder)
    convert(folder, tmp_path / "a.gguf", type="f32")
    after = of_gguf(tmp_path / "a.gguf")
    assert before.digest == after.digest
    assert before.size == after.size == config["vocab_size"]
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": rows}))
    assert compare(of_tokenizer_folder(folder), after).kind == ("same" if rows == before.size else "padded")


def test_another_order_other_merges_and_missing_tokens_are_differences_in_words() -> None:
    plain = words("a", "b", "ab", merges="1")
    swapped = compare(plain, words("a", "ab", "b", merges="1"))
    assert (swapped.kind, swapped.shared, swapped.usable) == ("different", 1, False)
    assert swapped.why == "token 1 is 'b' in the student and 'ab' in the teacher"
    assert "merges" in compare(plain, replace(plain, merges="2")).why
    assert compare(plain, replace(plain, merges="")).kind == "same"
    assert "2, 'ab', is not in the teacher" in compare(plain, words("a", "b")).why


def test_a_teacher_with_more_tokens_behind_is_cut_off() -> None:
    match = compare(words("a", "b"), words("a", "b", "<think>"))
    assert (match.kind, match.shared, match.usable) == ("longer", 2, True)
    assert "'<think>'" in match.why


def test_names_of_rows_without_a_token(tmp_path: Path) -> None:
    folder = tiny_checkpoint(tmp_path / "checkpoint")
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    plain = of_tokenizer_folder(folder)
    change(folder, tokenizer, lambda vocab: vocab.update({"[PAD259]": 259, "<unused3>": 261}))
    assert of_tokenizer_folder(folder).digest == plain.digest
    change(folder, tokenizer, lambda vocab: vocab.update({"Ġa": 262}))
    holes = of_tokenizer_folder(folder)
    assert holes.tokens[259:] == (None, None, None, b" a")
    change(folder, tokenizer, lambda vocab: vocab.update({"Ġa": 262, "[PAD7]": 259}))
    assert of_tokenizer_folder(folder).tokens[259] == b"[PAD7]"


def change(folder: Path, tokenizer: dict[str, Any], how: Callable[[dict[str, int]], None]) -> None:
    changed = json.loads(json.dumps(tokenizer))
    how(changed["model"]["vocab"])
    (folder / "tokenizer.json").write_text(json.dumps(changed))


def test_pieces_of_sentencepiece_are_bytes_too(tmp_path: Path) -> None:
    folder = tmp_path / "spm"
    folder.mkdir()
    vocab = {"<unk>": 0, "<s>": 1, "▁the": 259, **{f"<0x{byte:02X}>": 2 + byte for byte in range(256)}, "é": 258}
    model = {"type": "BPE", "byte_fallback": True, "vocab": vocab, "merges": []}
    added = [{"id": 1, "content": "<s>", "special": True}]
    (folder / "tokenizer.json").write_text(json.dumps({"model": model, "added_tokens": added}))
    found = of_tokenizer_folder(folder)
    assert (found.tokens[12], found.tokens[258], found.tokens[259]) == (b"\n", "é".encode(), b" the")
    assert found.special == {1}
    from_file = of_gguf(tiny_model(tmp_path / "a.gguf", "llama", tokenizer="spm"))
    assert from_file.tokens[13] == b"\n"
    assert b" the" in from_file.tokens


def test_special_and_unicode_tokens_of_a_file(tmp_path: Path) -> None:
    found = of_gguf(tiny_model(tmp_path / "a.gguf", words=(" the", "é")))
    assert "é".encode() in found.tokens
    assert {found.tokens[token] for token in found.special} == {b"<|endoftext|>", b"<|im_start|>", b"<|im_end|>"}


def test_what_is_no_vocabulary_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.gguf").write_bytes(b"nothing")
    with pytest.raises(ModelUnusable):
        of_gguf(tmp_path / "a.gguf")
    (tmp_path / "folder").mkdir()
    with pytest.raises(BadInput, match="neither"):
        of_tokenizer_folder(tmp_path / "folder")
    for text in ("{", "[]", '{"model": 1}', '{"model": {"vocab": {"a": -1}}}', '{"model": {"vocab": [1]}}'):
        (tmp_path / "folder" / "tokenizer.json").write_text(text)
        with pytest.raises(EdgemindError):
            of_tokenizer_folder(tmp_path / "folder")
