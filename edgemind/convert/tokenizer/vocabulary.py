"""What a GGUF file says about text: tokens, their kinds, merges or scores, the special ones, the chat template.

Keys and kinds are llama.cpp's (``llama-vocab.cpp``, 0c1e57098). Not for: where it all comes from (``reading``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Literal

import gguf

from edgemind.errors import BadInput


class Kind(IntEnum):
    """What a token is to llama.cpp (``llama_token_type``)."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


Spacing = Literal["exact", "always", "first"]
"""Where the tokenizer puts a space in front: just as llama.cpp does, or wherever there is none yet (``always``), or so
at the very beginning only (``first``). llama.cpp puts one behind every special token as well, also where one is."""


@dataclass(frozen=True)
class Vocabulary:
    """A vocabulary that is ready to be written."""

    model: str
    """``gpt2`` (byte-level BPE), ``llama`` (SentencePiece BPE), ``t5`` (SentencePiece unigram) or ``gemma4`` (BPE on
    characters with its merges)."""
    tokens: list[str]
    kinds: list[Kind]
    pre: str = "default"
    """How text is cut before BPE: llama.cpp's name."""
    scores: list[float] = field(default_factory=list)
    merges: list[str] = field(default_factory=list)
    special: Mapping[str, int] = field(default_factory=dict)
    """Token ids by what they are for: ``bos``, ``eos``, ``eot``, ``pad``, ``fim_pre`` and so on."""
    add: Mapping[str, bool] = field(default_factory=dict)
    """Whether ``bos`` and ``eos`` are put around a text."""
    space_prefix: bool | None = None
    merge_spaces: bool | None = None
    charsmap: bytes = b""
    """SentencePiece's table of normalization."""
    template: str | Sequence[Mapping[str, str]] | None = None
    normal_form: str = ""
    """A Unicode form that the tokenizer brings text into and llama.cpp does not; text in it is the same in both."""
    spacing: Spacing = "exact"
    """What the tokenizer does about a space in front of a text."""
    loose: bool = False
    """Whether llama.cpp cuts words with accents, and with capitals beyond A to Z, less finely than the tokenizer."""
    strips: bool = False
    """Whether some added token swallows the white space behind it."""
    notes: tuple[str, ...] = ()
    """What the user should know."""
    doubt: str = ""
    """Why only a comparison can tell whether llama.cpp cuts text the same way; empty when the structure says so."""

    def sized(self, rows: int, known_missing: Sequence[str]) -> Vocabulary:
        """As many tokens as the embedding has rows: rows without a token get an unused one.

        Args:
            known_missing: tokens at the end that may be left out.

        Raises:
            BadInput: there are more tokens than rows.
        """
        tokens, kinds, scores = list(self.tokens), list(self.kinds), list(self.scores)
        while len(tokens) > rows and tokens[-1] in known_missing:
            del tokens[-1], kinds[-1], scores[len(tokens) :]
        if len(tokens) > rows:
            raise BadInput(
                f"The tokenizer has {len(tokens):,} tokens and the embedding only {rows:,} rows; "
                f"{tokens[rows]!r} is the first without one.",
                "The tokenizer belongs to another model, or tokens were added to it without "
                "`model.resize_token_embeddings`.",
            )
        for number in range(len(tokens), rows):
            tokens.append(f"[PAD{number}]")
            kinds.append(Kind.UNUSED)
            scores += [-10_000.0] if self.scores else []
        return replace(self, tokens=tokens, kinds=kinds, scores=scores)

    def write(self, writer: gguf.GGUFWriter) -> None:
        """Add every key.

        Raises:
            BadInput: two tokens are spelled the same; llama.cpp would end its process over that.
        """
        if len(set(self.tokens)) != len(self.tokens):
            seen: set[str] = set()
            twice = next(token for token in self.tokens if token in seen or seen.add(token))  # type: ignore[func-returns-value]
            raise BadInput(f"The tokenizer has two tokens that are spelled {twice!r}.", "Mend tokenizer.json.")
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        if self.scores:
            writer.add_token_scores(self.scores)
        writer.add_token_types([int(kind) for kind in self.kinds])
        if self.model == "gpt2":
            writer.add_token_merges(self.merges or [NO_MERGE])
        for name, token in self.special.items():
            writer.add_uint32(f"tokenizer.ggml.{KEYS.get(name, name)}_token_id", token)
        for name, value in self.add.items():
            writer.add_bool(f"tokenizer.ggml.add_{name}_token", value)
        if self.space_prefix is not None:
            writer.add_add_space_prefix(self.space_prefix)
        if self.merge_spaces is not None:
            writer.add_remove_extra_whitespaces(self.merge_spaces)
        if self.charsmap:
            writer.add_precompiled_charsmap(self.charsmap)
        if self.template:
            writer.add_chat_template(self.template)


NO_MERGE = "[none] [none]"
"""llama.cpp wants at least one merge; this one joins what no text ever becomes."""

KEYS = {"unk": "unknown", "sep": "seperator", "pad": "padding"}
"""Spelled otherwise in the file; the slip in ``seperator`` is the format's."""
