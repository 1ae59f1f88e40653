"""Tokenizers as Hugging Face folders: read, written for the built-in kind, and rebuilt from what a GGUF file says.

Not for: training them (``tokenizer``), using them (``chat_format``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from edgemind.convert.checkpoint import Checkpoint
from edgemind.convert.tokenizer.pretokenizers import KNOWN
from edgemind.convert.tokenizer.special import chat_template, special_ids
from edgemind.convert.tokenizer.vocabulary import NO_MERGE, Kind
from edgemind.distill.chat_text import THOUGHTS
from edgemind.distill.tokenizer import CONTROL, END, PAD, TEMPLATE
from edgemind.errors import BadInput, ModelNotFound
from edgemind.models.gguf import read_header
from edgemind.models.opening import shown
from edgemind.models.store.files import Folder, explained

SAVE = "`AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)` of transformers writes tokenizer.json."

SAME_CUT = {"llama3": "llama-bpe", "llama-v3": "llama-bpe", "falcon3": "llama-bpe", "deepseek-r1-qwen": "qwen2"}
"""Other names that llama.cpp has for a way to cut text (``llama-vocab.cpp``, 0c1e57098)."""

BEGINNING = ("llama-bpe", "tekken")
"""Ways to cut text with which llama.cpp puts a start token in front unless the file says otherwise, and takes whole
words that are tokens as they are."""


class TokenizerFolder(Checkpoint):
    """The files around a tokenizer, bounded like those of any checkpoint; weights need not be there.

    Raises:
        ModelNotFound: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ModelNotFound(f"There is no folder {shown(folder)}.", "Name the folder that holds tokenizer.json.")
        self.folder = folder
        self.config = self.json("config.json") or {}
        self.weights = {}

    def contents(self) -> dict[str, Any]:
        """Of ``tokenizer.json``.

        Raises:
            BadInput: there is none, or it makes no sense.
        """
        found = self.json("tokenizer.json")
        if found is None:
            raise BadInput(f"{shown(self.folder)} has no tokenizer.json.", SAVE)
        if not isinstance(found.get("model"), dict) or not isinstance(found.get("added_tokens") or [], list):
            raise BadInput(f"{shown(self.folder / 'tokenizer.json')} describes no tokenizer.", SAVE)
        return found

    def template(self) -> str | None:
        """The chat template; of several the one called ``default``."""
        found = chat_template(self, self.json("tokenizer_config.json") or {})
        if found is None or isinstance(found, str):
            return found
        by_name = {entry["name"]: entry["template"] for entry in found}
        return by_name.get("default") or next(iter(by_name.values()), None)

    def special(self, contents: Mapping[str, Any]) -> tuple[dict[str, int], list[int]]:
        """Token ids by what they are for, and every token that a generation ends at."""
        ids = _ids(contents)
        found = special_ids(self, ids, self.json("tokenizer_config.json") or {})
        generation = self.json("generation_config.json") or {}
        ends: list[int] = []
        for source in (generation, self.config):
            given = source.get("eos_token_id")
            known = set(ids.values())
            ends += [one for one in (given if isinstance(given, list) else [given]) if one in known]
        return found, list(dict.fromkeys(ends))

    @property
    def architecture(self) -> str:
        """As the model's configuration calls it; empty without one."""
        return str(self.config.get("model_type") or "")


def _ids(contents: Mapping[str, Any]) -> dict[str, int]:
    vocab = contents["model"].get("vocab")
    if isinstance(vocab, list):
        vocab = {str(entry[0]): number for number, entry in enumerate(vocab)}
    added = {str(token["content"]): int(token["id"]) for token in contents.get("added_tokens") or ()}
    return {**(vocab or {}), **added}


def save_nano_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write a tokenizer of ``tokenizer.train_tokenizer`` so that transformers and ``edgemind convert`` read it.

    The marks of a thought are tokens that a text may hold, no control tokens, as in the built-in model.

    Raises:
        EdgemindError: the folder cannot be written.
    """
    contents = json.loads(tokenizer.to_str())
    for token in contents["added_tokens"]:
        token["special"] = token["content"] in CONTROL
    special = {"eos": END, "pad": PAD}
    _write(folder, contents, special, TEMPLATE)


def teach_thoughts(folder: Path) -> bool:
    """Let the template of a tokenizer folder say that its model thinks between ``<think>`` and ``</think>``.

    For a student whose template knows no thoughts but that is to learn them: what reads the template, the engine above
    all, then takes them out of the answer. What the template writes stays the same; a folder without one gets the one
    that the engine would take for its vocabulary.

    Returns:
        Whether anything had to be changed.
    """
    from edgemind.engine.reasoning_formats import from_template
    from edgemind.engine.template_fallbacks import fallback_template

    files = TokenizerFolder(folder)
    template = files.template()
    if not template or not template.strip():
        template = fallback_template(files.architecture, _ids(files.contents()).__contains__)[1]
    elif from_template(template, files.architecture) is not None:
        return False
    # Jinja takes away the line break behind a comment.
    taught = THOUGHTS + ("\n" if template.startswith("\n") else "") + template
    with explained("write the chat template", folder), Folder.at(folder) as place:
        if (folder / "chat_template.jinja").is_file():
            place.write("chat_template.jinja", taught.encode())
        else:
            changed = {**(files.json("tokenizer_config.json") or {}), "chat_template": taught}
            place.write("tokenizer_config.json", json.dumps(changed, indent=2, ensure_ascii=False).encode())
    return True


@dataclass(frozen=True)
class GgufTokenizer:
    """What a GGUF file says about text, in the form of ``tokenizer.json``."""

    contents: dict[str, Any]
    special: dict[str, int]
    template: str | None
    architecture: str


def tokenizer_of_gguf(path: Path, folder: Path) -> Path:
    """Write the tokenizer of a GGUF file into ``folder``, for transformers and ``edgemind convert``.

    Returns:
        The folder.

    Raises:
        BadInput: the vocabulary is no byte-level BPE, or cuts text in a way that is not known here.
        ModelNotFound, ModelUnusable: it is no GGUF file.
    """
    found = contents_of_gguf(path)
    by_id = {number: text for text, number in found.contents["model"]["vocab"].items()}
    names = {name: by_id[number] for name, number in found.special.items() if number in by_id}
    _write(folder, found.contents, names, found.template)
    return folder


def contents_of_gguf(path: Path) -> GgufTokenizer:
    """What ``tokenizer_of_gguf`` would write.

    Tokens that only fill up the embedding's rows at the end are left out. Text is not normalized, as in llama.cpp.
    """
    header = read_header(path, arrays=True)
    kind = header.text("tokenizer.ggml.model")
    if kind != "gpt2":
        raise BadInput(
            f"The vocabulary of {shown(path)} is of the kind {kind or 'that it does not say'}, and only byte-level BPE "
            "(gpt2) can be rebuilt from a GGUF file.",
            "Name the checkpoint's folder in place of the GGUF file.",
        )
    pre = header.text("tokenizer.ggml.pre") or "default"
    cut = next((cut for cut in KNOWN if cut.name == SAME_CUT.get(pre, pre)), None)
    if cut is None:
        raise BadInput(
            f"{shown(path)} cuts text in a way that is not known here ({pre}).",
            "Name the checkpoint's folder in place of the GGUF file.",
        )

    def array(name: str) -> tuple[Any, ...]:
        value = header.metadata.get(f"tokenizer.ggml.{name}")
        return value if isinstance(value, tuple) else ()

    tokens = [str(token) for token in array("tokens")]
    kinds = [int(number) for number in array("token_type")] or [int(Kind.NORMAL)] * len(tokens)
    if not tokens or len(kinds) != len(tokens):
        raise BadInput(f"{shown(path)} holds no complete vocabulary.", "Name the checkpoint's folder in its place.")
    merges = [str(merge).split(" ", 1) for merge in array("merges") if merge != NO_MERGE]
    vocab = {text: number for number, (text, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind != Kind.UNUSED}
    added = [
        _added(number, tokens[number], kinds[number] == Kind.CONTROL)
        for number in range(len(tokens))
        if kinds[number] in (Kind.CONTROL, Kind.USER_DEFINED)
    ]
    special = {}
    for name, key in (("bos", "bos"), ("eos", "eos"), ("pad", "padding"), ("unk", "unknown"), ("eot", "eot")):
        number = header.number(f"tokenizer.ggml.{key}_token_id")
        if number is not None and 0 <= number < len(tokens):
            special[name] = number
    begins = header.metadata.get("tokenizer.ggml.add_bos_token", cut.name in BEGINNING)
    first = tokens[special["bos"]] if begins and "bos" in special else None
    contents = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [
                *(
                    {"type": "Split", "pattern": {"Regex": step}, "behavior": "Isolated", "invert": False}
                    for step in cut.steps
                ),
                {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False},
            ],
        },
        "post_processor": _starting(first, special["bos"]) if first else None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": bool(cut.whole_words) or cut.name in BEGINNING,
            "vocab": vocab,
            "merges": merges,
        },
    }
    return GgufTokenizer(contents, special, header.text("tokenizer.chat_template"), header.architecture)


def _added(number: int, text: str, control: bool) -> dict[str, Any]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {"id": number, "content": text, **flags, "special": control}


def _starting(text: str, number: int) -> dict[str, Any]:
    """The step that puts a start token in front of a text."""
    one = {"Sequence": {"id": "A", "type_id": 0}}
    two = {"Sequence": {"id": "B", "type_id": 1}}
    start = {"SpecialToken": {"id": text, "type_id": 0}}
    return {
        "type": "TemplateProcessing",
        "single": [start, one],
        "pair": [start, one, {"SpecialToken": {"id": text, "type_id": 1}}, two],
        "special_tokens": {text: {"id": text, "ids": [number], "tokens": [text]}},
    }


def _write(folder: Path, contents: Mapping[str, Any], special: Mapping[str, str], template: str | None) -> None:
    config: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        **{f"{name}_token": special.get(name) for name in ("bos", "eos", "pad", "unk")},
    }
    if template:
        config["chat_template"] = template
    with explained("write the tokenizer", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with Folder.at(folder) as place:
            place.write("tokenizer.json", json.dumps(contents, indent=1, ensure_ascii=False).encode())
            place.write("tokenizer_config.json", json.dumps(config, indent=2, ensure_ascii=False).encode())
