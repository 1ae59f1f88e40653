"""Tokens by id, whatever list they come from, with the kind that llama.cpp is to see in each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edgemind.convert.tokenizer.special import looks_special
from edgemind.convert.tokenizer.vocabulary import Kind
from edgemind.errors import BadInput

SAVE = "`AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)` of transformers writes tokenizer.json."
SPACE = "\u2581"
"""How SentencePiece writes a space."""

MOST_TOKENS = 1 << 22


@dataclass(frozen=True)
class Added:
    """A token that is looked for in a text before anything else."""

    id: int
    text: str
    special: bool
    strips: bool = False
    """Whether it swallows the white space behind it."""

    @property
    def kind(self) -> Kind:
        return Kind.CONTROL if self.special or looks_special(self.text) else Kind.USER_DEFINED


def lay_out(ids: Mapping[str, int], added: Sequence[Added]) -> tuple[list[str], list[Kind]]:
    """Tokens by id with their kinds; an id that nobody has becomes an unused token.

    Raises:
        BadInput: an id that cannot be.
    """
    size = max((*ids.values(), *(token.id for token in added)), default=-1) + 1
    if not 0 < size <= MOST_TOKENS or any(not isinstance(number, int) or number < 0 for number in ids.values()):
        raise BadInput("tokenizer.json has token ids that make no sense.", SAVE)
    tokens = [f"[PAD{number}]" for number in range(size)]
    kinds = [Kind.UNUSED] * size
    for text, number in ids.items():
        tokens[number], kinds[number] = text, Kind.NORMAL
    for token in added:
        kinds[token.id] = token.kind
        tokens[token.id] = token.text if token.kind is Kind.CONTROL else token.text.replace(SPACE, " ")
    return tokens, kinds
