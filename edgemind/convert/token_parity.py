"""The battery of texts through a GGUF file and through the tokenizer of its checkpoint.

Not for: logits (``parity``), the texts (``battery``).
"""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.convert.battery import normalized, texts
from edgemind.convert.checkpoint import Checkpoint
from edgemind.convert.tokenizer import Vocabulary, read
from edgemind.engine import scoring
from edgemind.engine.client import Engine

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MOST_SPECIAL = 24
OTHERWISE = "this version of transformers cuts them otherwise than tokenizer.json, which the file follows"
AROUND = 40
"""Texts that are also compared with what is put around them."""


@dataclass(frozen=True)
class Mismatch:
    """A text that becomes other tokens."""

    text: str
    wanted: tuple[int, ...]
    found: tuple[int, ...]


@dataclass(frozen=True)
class TokenReport:
    """What the battery found."""

    texts: int
    mismatches: tuple[Mismatch, ...] = ()
    excused: int = 0
    """Texts that differ in what llama.cpp never does otherwise; see ``notes``."""
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.mismatches


def compare_tokens(engine: Engine, checkpoint: Checkpoint, tokenizer: PreTrainedTokenizerBase) -> TokenReport:
    """The battery through both tokenizers, with and without what is put around a text."""
    vocabulary = read(checkpoint)
    special = [str(token.content) for token in tokenizer.added_tokens_decoder.values()][:MOST_SPECIAL]
    battery = [normalized(text, vocabulary.normal_form) for text in texts(special)]
    begin = ""
    if vocabulary.spacing == "first" and not vocabulary.space_prefix:
        begin = next((token for token in special if not token.isspace()), "")
        battery = [begin + text for text in battery]
    around = battery[:AROUND]
    found = scoring.tokenize(engine, battery, add_special=False)
    found += scoring.tokenize(engine, around, add_special=True)
    wanted = [tokenizer.encode(text, add_special_tokens=False) for text in battery]
    wanted += [tokenizer.encode(text, add_special_tokens=True) for text in around]
    own = _own_words(checkpoint, battery, around)
    mismatches: list[Mismatch] = []
    excused: Counter[str] = Counter()
    for text, mine, theirs, plain in zip(battery + around, found, wanted, own, strict=True):
        if mine == theirs:
            continue
        why = OTHERWISE if mine == plain else _excuse(text, mine, theirs, vocabulary, special)
        if why:
            excused[why] += 1
        else:
            mismatches.append(Mismatch(text, tuple(theirs), tuple(mine)))
    notes = [*vocabulary.notes, *(f"{count} texts differ because {why}." for why, count in excused.items())]
    return TokenReport(len(battery), tuple(mismatches), excused.total(), tuple(notes))


def _own_words(checkpoint: Checkpoint, battery: Sequence[str], around: Sequence[str]) -> list[list[int]]:
    """The same texts through ``tokenizer.json`` as it stands; nothing for each where there is no such file.

    For some names of classes transformers 5 builds the steps anew and leaves those of the file aside.
    """
    from tokenizers import Tokenizer

    file = checkpoint.text("tokenizer.json")
    if file is None:
        return [[] for _ in (*battery, *around)]
    tokenizer = Tokenizer.from_str(file)
    return [
        tokenizer.encode(text, add_special_tokens=add).ids
        for group, add in ((battery, False), (around, True))
        for text in group
    ]


def _excuse(
    text: str, found: Sequence[int], wanted: Sequence[int], vocabulary: Vocabulary, special: Sequence[str]
) -> str:
    """Why llama.cpp cannot but differ in this text; empty when it should not."""
    if any(token >= len(vocabulary.tokens) for token in (*found, *wanted)):
        return ""  # another vocabulary altogether
    spelled = ["".join(vocabulary.tokens[token] for token in tokens) for tokens in (found, wanted)]
    if vocabulary.loose and _is_cased_or_marked(text) and spelled[0] == spelled[1]:
        return "of accents and of capitals beyond A to Z, which llama.cpp cuts less finely here"
    spaced = vocabulary.spacing == "always" or (vocabulary.spacing == "first" and vocabulary.space_prefix)
    if spaced and (text.startswith(" ") or any(token in text for token in special)):
        return "llama.cpp puts a space in front also where there is one, and behind every special token"
    if vocabulary.model == "t5":
        total = [math.fsum(vocabulary.scores[token] for token in tokens) for tokens in (found, wanted)]
        if math.isclose(*total, rel_tol=1e-6):
            return "two ways to cut them are equally probable"
    return ""


def _is_cased_or_marked(text: str) -> bool:
    """Whether there is a combining mark, or a capital letter beyond ASCII."""
    return any(unicodedata.category(letter) in ("Mn", "Mc", "Me", "Lu", "Lt") for letter in text if letter > "\x7f")


def about(report: TokenReport) -> str:
    first = report.mismatches[0]
    return (
        f"{len(report.mismatches)} of {report.texts} texts become other tokens; the first is {first.text[:60]!r}: "
        f"{_shown(first.found)} where the checkpoint has {_shown(first.wanted)}."
    )


def _shown(tokens: Sequence[int]) -> str:
    return " ".join(map(str, tokens[:12])) + (" …" if len(tokens) > 12 else "")
