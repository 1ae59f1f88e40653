"""Filling a gap in a file: the tokens of a model that was taught to, and a prompt that fits its context.

The prompt is prefix, suffix, middle, each after its own token, as every model with these three tokens reads it. What
stands in the file is never read as control tokens. What does not fit is left out far from the gap, whole lines where
that costs little.
Not for: where the gap is, or how much of the answer to keep (``coder``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edgemind.engine import llama
from edgemind.engine.events import FimTokens, Infill

SUFFIX_SHARE = 4
"""The text after the gap has at most one part of so many, unless the text before it leaves room."""

CHARACTERS = 16
"""More characters than a token has on average in any text; what is farther from the gap is not even tokenized."""

LINE_SHARE = 4
"""A line that was cut is left out when it is at most one part of so many of what is kept."""

FILE_TOKENS = ("<|file_sep|>", "<file_sep>", "<filename>")
"""What stands before a file's name, for Qwen, StarCoder 2, and StarCoder and Granite."""


def fim_tokens(vocab: llama.Vocab) -> FimTokens | None:
    """The tokens around a gap, or None when the vocabulary lacks one of the three."""
    prefix, suffix, middle = vocab.fim_prefix, vocab.fim_suffix, vocab.fim_middle
    if prefix is None or suffix is None or middle is None:
        return None
    found = (vocab.find(name) for name in FILE_TOKENS)
    return FimTokens(
        prefix=prefix, suffix=suffix, middle=middle, file=next((token for token in found if token is not None), None)
    )


def infill_prompt(vocab: llama.Vocab, fim: FimTokens, infill: Infill, budget: int) -> list[int]:
    """The prompt in at most ``budget`` tokens; more only when not even the frame around the texts fits."""
    start = vocab.tokenize("", add_special=vocab.add_bos, parse_special=False)
    if vocab.add_eos and start and vocab.is_eog(start[-1]):
        start.pop()
    if infill.path and fim.file is not None:
        start += [fim.file, *vocab.tokenize(infill.path + "\n", add_special=False, parse_special=False)]
    room = max(budget - len(start) - 3, 0)
    before = _tokens(vocab, infill.prefix[-room * CHARACTERS :] if room else "")
    after = _tokens(vocab, infill.suffix[: room * CHARACTERS])
    suffix_room = max(room // SUFFIX_SHARE, room - len(before))
    after = _near(vocab, after, suffix_room, "start")
    before = _near(vocab, before, room - len(after), "end")
    return [*start, fim.prefix, *before, fim.suffix, *after, fim.middle]


def _tokens(vocab: llama.Vocab, text: str) -> list[int]:
    return vocab.tokenize(text, add_special=False, parse_special=False) if text else []


def _near(vocab: llama.Vocab, tokens: Sequence[int], room: int, keep: Literal["start", "end"]) -> list[int]:
    """What fits of the tokens, without the line that was cut where that is short."""
    if len(tokens) <= room:
        return list(tokens)
    if room <= 0:
        return []
    spare = room // LINE_SHARE
    if keep == "start":
        kept = list(tokens[:room])
        for index in range(room - 1, room - 1 - spare, -1):
            if b"\n" in vocab.piece(kept[index]):
                return kept[: index + 1]
        return kept
    kept = list(tokens[-room:])
    for index in range(spare):
        if b"\n" in vocab.piece(kept[index]):
            return kept[index + 1 :]
    return kept
