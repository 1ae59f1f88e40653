"""What the numbers of tokens mean to a model, and whether two models mean the same.

An embedding may have more rows than there are tokens (padding), which differs between models of one family and means
nothing: real tokens are compared by their bytes, number by number.
Not for: cutting text into tokens (``chat_format``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Vocabulary:
    """The real tokens of a model.

    Attributes:
        tokens: bytes by id, without padding at the end; ``None`` for a number that no token has.
        special: ids of control tokens, such as the end of a turn.
        merges: a hash over the merges of BPE in order; empty where a tokenizer does without, or its file does not say.
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
        raise NotImplementedError


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


def of_tokenizer_folder(path: Path) -> Vocabulary:
    """The vocabulary of a folder with ``tokenizer.json`` or ``tokenizer.model``.

    Raises:
        BadInput: there is none, or it is damaged.
    """
    raise NotImplementedError


def of_gguf(path: Path) -> Vocabulary:
    """The vocabulary in a GGUF file.

    Raises:
        ModelUnusable: it is no sound GGUF file, or has no vocabulary.
    """
    raise NotImplementedError


def compare(student: Vocabulary, teacher: Vocabulary) -> Match:
    """Whether ids mean the same to both."""
    raise NotImplementedError
