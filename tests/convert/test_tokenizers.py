"""Tokenizers trained on the spot: recognised by their steps, written so that llama.cpp cuts text as they do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints import LLAMA3, O200K, QWEN2, TEKKEN, byte_level, checkpoint, sentencepiece, unigram

from edgemind.convert.checkpoint import Checkpoint
from edgemind.convert.convert import convert
from edgemind.convert.parity import import_transformers
from edgemind.convert.token_parity import TokenReport, compare_tokens
from edgemind.convert.tokenizer import read
from edgemind.convert.tokenizer.characters import bpe
from edgemind.convert.tokenizer.pretokenizers import recognise
from edgemind.convert.tokenizer.sentencepiece import parse
from edgemind.convert.tokenizer.vocabulary import Kind, Vocabulary
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.errors import BadInput

CASES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "gpt-2": (lambda: byte_level(None), "gpt2", "gpt-2"),
    "digits": (lambda: byte_level(None, digits=True), "gpt2", "smollm"),
    "llama 3": (lambda: byte_level(LLAMA3, ignore_merges=True), "gpt2", "llama-bpe"),
    "llama 3 with merges": (lambda: byte_level(LLAMA3), "gpt2", "smaug-bpe"),
    "qwen 2": (lambda: byte_level(bos=True), "gpt2", "qwen2"),
    "qwen without contractions": (lambda: byte_level(QWEN2.split("'d)|")[1]), "gpt2", "ufakzeka"),
    "tekken": (lambda: byte_level(TEKKEN), "gpt2", "tekken"),
    "o200k": (lambda: byte_level(O200K), "gpt2", "granite-embed-multi-97m"),
    "normalized": (lambda: byte_level(form="NFKC"), "gpt2", "qwen2"),
    "sentencepiece, space by the normalizer": (lambda: sentencepiece("normalizer"), "llama", "default"),
    "sentencepiece, space at first": (lambda: sentencepiece("first"), "llama", "default"),
    "sentencepiece, space always": (lambda: sentencepiece("always"), "llama", "default"),
    "sentencepiece, no space, no start": (lambda: sentencepiece(None, bos=False), "llama", "default"),
    "unigram": (unigram, "t5", "default"),
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint whose tokenizer each test puts in the place of the last."""
    return checkpoint(tmp_path_factory.mktemp("base") / "qwen3", "qwen3")


def with_tokenizer(base: Path, tokenizer: Any) -> Path:
    for file in [*base.glob("*token*"), *base.glob("chat_template*")]:
        file.unlink()
    tokenizer.save_pretrained(base)
    return base


def compared(folder: Path, target: Path) -> TokenReport:
    tokenizer = import_transformers().AutoTokenizer.from_pretrained(folder)
    with Engine(LoadOptions(path=str(target), threads=1)) as engine:
        return compare_tokens(engine, Checkpoint(folder), tokenizer)


@pytest.mark.parametrize("case", CASES)
def test_a_trained_tokenizer_is_recognised_and_cuts_the_same(case: str, base: Path, tmp_path: Path) -> None:
    make, model, pre = CASES[case]
    folder = with_tokenizer(base, make())
    found = read(Checkpoint(folder))
    assert (found.model, found.pre, found.doubt) == (model, pre, "")
    convert(folder, tmp_path / "model.gguf")
    report = compared(folder, tmp_path / "model.gguf")
    assert report.passed, report.mismatches[:3]
    assert report.texts >= 400
    assert report.excused < 0.2 * report.texts


def test_another_cut_is_in_doubt_and_found_by_comparing(base: Path, tmp_path: Path) -> None:
    folder = with_tokenizer(base, byte_level(r"\p{L}+|\p{N}+|[^\p{L}\p{N}\s]+|\s+"))
    done = convert(folder, tmp_path / "model.gguf")
    assert "is the nearest" in done.doubt
    report = compared(folder, tmp_path / "model.gguf")
    assert not report.passed
    assert report.mismatches[0].found != report.mismatches[0].wanted


def test_spellings_of_one_expression() -> None:
    def split(pattern: str, behavior: str = "Isolated", invert: bool = False) -> dict[str, Any]:
        step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}
        end = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}
        return {"type": "Sequence", "pretokenizers": [step, end]}

    assert recognise(split(QWEN2), False).name == "qwen2"
    assert recognise(split(QWEN2, "Removed", True), False).name == "qwen2"
    assert recognise(split(QWEN2.replace(r"\r", "\r").replace(r"\n", "\n")), False).name == "qwen2"
    assert recognise(split(QWEN2.replace("]+[", "]++[")), False) == recognise(split(QWEN2), False)
    spelled_out = QWEN2.replace(
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
    )
    assert recognise(split(spelled_out), False) == recognise(split(QWEN2), False)
    assert recognise(split(QWEN2, "Removed"), False).doubt
    assert "Punctuation" in recognise({"type": "Punctuation"}, False).doubt


def vocabulary(folder: Path, **config: Any) -> Vocabulary:
    """Of a checkpoint with other words in ``tokenizer_config.json`` and ``generation_config.json``."""
    (folder / "generation_config.json").write_text(json.dumps(config.pop("generation", {})))
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **config}))
    return read(Checkpoint(folder))


def test_kinds_and_special_tokens(base: Path) -> None:
    tokens = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<turn>", "<fim_prefix>", "<fim_suffix>", "<fim_middle>")
    folder = with_tokenizer(base, byte_level(specials=tokens, tags=("<think>", "<|tool|>")))
    ids = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    by_text = {entry["content"]: entry["id"] for entry in ids}
    generation = {"eos_token_id": [by_text["<|im_end|>"], by_text["<|endoftext|>"], by_text["<turn>"]]}
    found = vocabulary(folder, generation=generation)
    assert found.kinds[by_text["<|im_end|>"]] is Kind.CONTROL
    assert found.kinds[by_text["<think>"]] is Kind.USER_DEFINED
    assert found.kinds[by_text["<|tool|>"]] is Kind.CONTROL, "a control token by its looks"
    assert found.special["eos"] == by_text["<|im_end|>"]
    assert found.special["eot"] == by_text["<turn>"], "an end that llama.cpp does not know by itself"
    assert found.special["pad"] == by_text["<|endoftext|>"]
    assert found.special["fim_mid"] == by_text["<fim_middle>"]
    assert found.add == {"bos": False, "eos": False}
    asked = vocabulary(folder, bos_token="<|im_start|>", add_bos_token=True)
    assert not asked.add["bos"], "transformers puts none there without a post-processor"


def test_ends_and_starts_that_only_other_files_name(base: Path) -> None:
    """A start token that only the post-processor has, ends that only ``config.json`` has, and one that cannot be."""
    folder = with_tokenizer(base, byte_level(bos=True))
    found = vocabulary(folder, bos_token=None)
    assert found.tokens[found.special["bos"]] == "<|im_start|>"
    assert found.add == {"bos": True, "eos": False}
    end = found.tokens.index("<|im_end|>")
    assert vocabulary(folder, eos_token=None, generation={"eos_token_id": [999_999, end]}).special["eos"] == end
    file = folder / "config.json"
    kept = file.read_text()
    file.write_text(json.dumps({**json.loads(kept), "eos_token_id": [end, 3]}))
    assert vocabulary(folder).special["eos"] == end
    file.write_text(kept)


def test_a_class_that_transformers_builds_anew(tmp_path: Path) -> None:
    """transformers 5 puts steps of its own in the place of a Llama 2 tokenizer's; the file follows tokenizer.json."""
    folder = checkpoint(tmp_path / "llama2", "llama2")
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "tokenizer_class": "LlamaTokenizer", "legacy": False}))
    convert(folder, tmp_path / "model.gguf")
    report = compared(folder, tmp_path / "model.gguf")
    assert report.passed, report.mismatches[:3]
    assert report.excused == 0 or "tokenizer.json" in report.notes[-1]


def test_bytes_and_the_unknown_token(base: Path) -> None:
    found = read(Checkpoint(with_tokenizer(base, sentencepiece())))
    assert found.kinds[found.tokens.index("<0x0A>")] is Kind.BYTE
    assert found.kinds[found.tokens.index("<unk>")] is Kind.UNKNOWN
    assert found.kinds[found.tokens.index("<s>")] is Kind.CONTROL
    assert found.add == {"bos": True, "eos": False}


def test_rows_without_a_token_are_unused(base: Path) -> None:
    found = read(Checkpoint(with_tokenizer(base, byte_level())))
    padded = found.sized(500, ())
    assert len(padded.tokens) == len(set(padded.tokens)) == 500
    assert padded.kinds[-1] is Kind.UNUSED
    with pytest.raises(BadInput, match="first without one"):
        found.sized(len(found.tokens) - 1, ())
    assert len(found.sized(len(found.tokens) - 1, (found.tokens[-1],)).tokens) == len(found.tokens) - 1


def test_merges_that_no_score_can_tell(base: Path) -> None:
    """``abc`` comes from ``ab`` and ``c`` only: joining ``a`` and ``bc`` would be llama.cpp's own idea."""
    names = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "a", "b", "c", "bc", "ab", "abc"]
    model = {
        "vocab": {text: number for number, text in enumerate(names)},
        "merges": [["b", "c"], ["a", "b"], ["ab", "c"]],
        "byte_fallback": True,
        "unk_token": "<unk>",
    }
    plain = bpe({"normalizer": None, "pre_tokenizer": None}, model, [], None)
    assert (plain.model, plain.merges[-1], plain.doubt) == ("gpt2", "ab c", "")
    prepend = {"type": "Prepend", "prepend": "▁"}
    assert "knows no merges" in bpe({"normalizer": prepend, "pre_tokenizer": None}, model, [], None).doubt
    with_all = {**model, "merges": [*model["merges"][:2], ["a", "bc"], ["ab", "c"]]}
    assert bpe({"normalizer": None, "pre_tokenizer": None}, with_all, [], None).model == "llama"


def message(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def piece(text: str, score: float, kind: int = 1) -> bytes:
    import struct

    return message(1, message(1, text.encode()) + b"\x15" + struct.pack("<f", score) + bytes([0x18, kind]))


def test_a_sentencepiece_file_alone(base: Path, tmp_path: Path) -> None:
    pieces = [piece("<unk>", 0, 2), piece("<s>", 0, 3), piece("</s>", 0, 3)]
    pieces += [piece(f"<0x{byte:02X}>", 0, 6) for byte in range(256)]
    pieces += [piece("▁t", -1.0), piece("he", -2.0), piece("▁the", -3.0)]
    data = b"".join(pieces) + message(2, bytes([0x18, 2])) + message(3, bytes([0x18, 1, 0x20, 0]))
    for file in base.glob("*token*"):
        file.unlink()
    (base / "tokenizer.model").write_bytes(data)
    found = read(Checkpoint(base))
    (base / "tokenizer.model").unlink()
    assert (found.model, len(found.tokens), found.space_prefix) == ("llama", 262, True)
    assert found.kinds[:4] == [Kind.UNKNOWN, Kind.CONTROL, Kind.CONTROL, Kind.BYTE]
    assert found.scores[-1] == -3.0
    assert found.add == {"bos": True, "eos": False}
    assert (found.special["bos"], found.special["eos"]) == (1, 2)
    for end in range(0, len(data), 37):
        with_error = data[:end]
        try:
            parse(with_error)
        except BadInput:
            continue
        assert end


def test_the_template_comes_along(base: Path) -> None:
    folder = with_tokenizer(base, byte_level())
    (folder / "chat_template.jinja").write_text("{{ messages }}")
    assert read(Checkpoint(folder)).template == "{{ messages }}"
    assert read(Checkpoint(folder), "{{ other }}").template == "{{ other }}"
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tool_use.jinja").write_text("{{ tools }}")
    named = read(Checkpoint(folder)).template
    assert isinstance(named, list)
    assert [entry["name"] for entry in named] == ["default", "tool_use"]
    (folder / "additional_chat_templates" / "tool_use.jinja").unlink()
    (folder / "additional_chat_templates").rmdir()
    (folder / "chat_template.jinja").unlink()
    found = read(Checkpoint(folder))
    assert found.template is None
    assert "no chat template" in found.notes[-1]
