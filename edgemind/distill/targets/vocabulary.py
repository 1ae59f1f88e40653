"""What the numbers of tokens mean to a model, and whether two models mean the same.

An embedding may have more rows than there are tokens (padding), which differs between models of one family and means
nothing: real tokens are compared by their bytes, number by number.
Not for: cutting text into tokens (``chat_format``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

from edgemind.convert.checkpoint import understood
from edgemind.convert.tokenizer import read
from edgemind.convert.tokenizer.characters import PLAIN_BPE, merges_of
from edgemind.convert.tokenizer.layout import SPACE, Added, lay_out
from edgemind.convert.tokenizer.vocabulary import NO_MERGE, Kind
from edgemind.distill.tokenizer_files import TokenizerFolder
from edgemind.errors import ModelUnusable
from edgemind.models.gguf import read_array, read_header
from edgemind.models.opening import shown

BYTE = re.compile(r"<0x([0-9A-F]{2})>")
PLACEHOLDER = re.compile(r"\[PAD(\d+)\]|<unused\d+>")
"""Names of rows that mean nothing: of llama.cpp's converter and ours, and of Gemma."""


@dataclass(frozen=True)
class Vocabulary:
    """The real tokens of a model.

    Attributes:
        tokens: bytes by id, without padding at the end; ``None`` for a number that no token has.
        special: ids of control tokens, such as the end of a turn.
        merges: a hash over the merges of byte-level BPE in order; empty for other kinds, which not every file tells.
        rows: how many rows the embedding has as far as is known, padding included.
    """

    tokens: tuple[bytes | None, ...]
    special: frozenset[int] = frozenset()
    merges: str = ""
    rows: int = 0

    @property
    def size(self) -> int:
        """Real tokens: one more than the largest id."""
        return len(self.tokens)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the tokens by number, padding left out: the same in a checkpoint and in a GGUF made of it."""
        found = hashlib.sha256(b"edgemind vocabulary 1\n")
        for token in self.tokens:
            found.update(b"-" if token is None else b"%d:%b" % (len(token), token))
        return found.hexdigest()

    def shown(self, token: int) -> str:
        """A token for a message."""
        if not 0 <= token < self.size:
            return "nothing"
        data = self.tokens[token]
        return "nothing" if data is None else repr(data.decode("utf-8", "backslashreplace")[:40])


@dataclass(frozen=True)
class Match:
    """What comparing a student's vocabulary with a teacher's found.

    Attributes:
        kind: ``same``; ``padded`` (the same tokens in embeddings of other lengths); ``longer`` (the teacher has more
            tokens behind those that both have); ``different``.
        shared: tokens that both have, from the first on.
        why: the first difference, in words; empty when there is none.
    """

    kind: Literal["same", "padded", "longer", "different"]
    shared: int
    why: str = ""

    @property
    def usable(self) -> bool:
        """Whether the teacher's logits, cut off after ``shared`` tokens, are about the student's tokens."""
        return self.kind != "different"


def compare(student: Vocabulary, teacher: Vocabulary) -> Match:
    """Whether token ids mean the same to both; padding is left out."""
    pairs = zip(student.tokens, teacher.tokens, strict=False)
    shared = next((number for number, (mine, other) in enumerate(pairs) if mine != other), None)
    if shared is not None:
        why = f"token {shared:,} is {student.shown(shared)} in the student and {teacher.shown(shared)} in the teacher"
        return Match("different", shared, why)
    shared = min(student.size, teacher.size)
    if student.size > shared:
        missing = f"the student's token {shared:,}, {student.shown(shared)}, is not in the teacher"
        return Match("different", shared, f"{missing}, which has {teacher.size:,} tokens")
    if student.merges and teacher.merges and student.merges != teacher.merges:
        return Match("different", shared, "the tokens are the same and the merges that make them differ")
    if teacher.size > shared:
        more = f"the teacher has {teacher.size - shared:,} more tokens, from {teacher.shown(shared)} on"
        return Match("longer", shared, more)
    padded = student.rows and teacher.rows and student.rows != teacher.rows
    return Match("padded" if padded else "same", shared)


def of_tokenizer_folder(path: Path) -> Vocabulary:
    """The vocabulary of a folder with ``tokenizer.json`` or ``tokenizer.model``.

    Raises:
        ModelNotFound, BadInput: there is none, or it is damaged.
    """
    folder = path.resolve()
    stamps = (_stamp(folder / name) for name in ("tokenizer.json", "tokenizer.model", "config.json"))
    return _of_folder(folder, tuple(stamps))


def of_gguf(path: Path) -> Vocabulary:
    """The vocabulary in a GGUF file, or in the first of several parts.

    Raises:
        ModelNotFound, ModelUnusable: it is no sound GGUF file, or has no vocabulary.
    """
    file = path.resolve()
    return _of_gguf(file, _stamp(file))


def of_model(path: Path) -> Vocabulary:
    """``of_tokenizer_folder`` or ``of_gguf``, whatever is there."""
    return of_tokenizer_folder(path) if path.is_dir() else of_gguf(path)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=8)
def _of_folder(folder: Path, _stamps: tuple[tuple[int, int], ...]) -> Vocabulary:
    files = TokenizerFolder(folder)
    text_config = files.config.get("text_config")
    config = text_config if isinstance(text_config, dict) else files.config
    rows = config.get("vocab_size")
    rows = rows if isinstance(rows, int) else 0
    if files.json("tokenizer.json") is None:
        found = read(files)
        return _vocabulary(found.tokens, found.kinds, found.model == "gpt2" and found.pre != PLAIN_BPE, (), rows)
    contents = files.contents()
    with understood(f"{shown(folder)}/tokenizer.json"):
        return _of_json(contents, rows)


def _of_json(contents: dict[str, Any], rows: int) -> Vocabulary:
    model = contents["model"]
    vocab = model.get("vocab")
    ids = vocab if isinstance(vocab, dict) else {str(entry[0]): number for number, entry in enumerate(vocab or ())}
    added = [
        Added(int(entry["id"]), str(entry["content"]), bool(entry.get("special")))
        for entry in contents.get("added_tokens") or ()
    ]
    tokens, kinds = lay_out(ids, added)
    steps = str([contents.get("pre_tokenizer"), contents.get("normalizer")])
    byte_level = "merges" in model and "'ByteLevel'" in steps
    if not byte_level:
        extra = {token.id for token in added}
        for number, text in enumerate(tokens):
            if number not in extra and BYTE.fullmatch(text):
                kinds[number] = Kind.BYTE
    merges = [" ".join(pair) for pair in merges_of(model)] if byte_level else []
    return _vocabulary(tokens, kinds, byte_level, merges, rows)


@lru_cache(maxsize=8)
def _of_gguf(path: Path, _stamp: tuple[int, int]) -> Vocabulary:
    header = read_header(path)

    def array(name: str) -> tuple[Any, ...]:
        key = f"tokenizer.ggml.{name}"
        return read_array(header, key) if key in header.arrays else ()

    tokens, numbers = [str(token) for token in array("tokens")], array("token_type")
    if not tokens or (numbers and len(numbers) != len(tokens)):
        raise ModelUnusable(f"{shown(path)} holds no complete vocabulary.", "Get another file of this model.")
    known = {int(kind) for kind in Kind}
    kinds = [Kind(number) if number in known else Kind.NORMAL for number in numbers] or [Kind.NORMAL] * len(tokens)
    byte_level = header.text("tokenizer.ggml.model") == "gpt2" and header.text("tokenizer.ggml.pre") != PLAIN_BPE
    merges = [str(merge) for merge in array("merges") if merge != NO_MERGE] if byte_level else []
    embedding = header.by_name.get("token_embd.weight")
    rows = embedding.shape[1] if embedding and len(embedding.shape) == 2 else len(tokens)
    return _vocabulary(tokens, kinds, byte_level, merges, rows)


def _vocabulary(
    tokens: Sequence[str], kinds: Sequence[Kind], byte_level: bool, merges: Iterable[str], rows: int
) -> Vocabulary:
    found: list[bytes | None] = [
        _bytes(number, text, kind, byte_level) for number, (text, kind) in enumerate(zip(tokens, kinds, strict=True))
    ]
    while found and (found[-1] is None or kinds[len(found) - 1] is Kind.UNUSED):
        found.pop()
    joined = "\n".join(merges)
    return Vocabulary(
        tokens=tuple(found),
        special=frozenset(number for number in range(len(found)) if kinds[number] is Kind.CONTROL),
        merges=hashlib.sha256(joined.encode()).hexdigest() if joined else "",
        rows=max(rows, len(found)),
    )


def _bytes(number: int, text: str, kind: Kind, byte_level: bool) -> bytes | None:
    """The bytes that a token stands for in a text; its name, for one that stands for none."""
    placeholder = PLACEHOLDER.fullmatch(text)
    if placeholder and placeholder[1] in (None, str(number)):
        return None
    if byte_level and kind is Kind.NORMAL:
        try:
            return bytes(_LETTERS[letter] for letter in text)
        except KeyError:
            return text.encode("utf-8", "surrogatepass")
    if kind is Kind.BYTE and (byte := BYTE.fullmatch(text)):
        return bytes([int(byte[1], 16)])
    return text.replace(SPACE, " ").encode("utf-8", "surrogatepass")


def _letters() -> dict[str, int]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others for letters from U+0100 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return {chr(byte if byte in printable else next(others)): byte for byte in range(256)}


_LETTERS = _letters()
