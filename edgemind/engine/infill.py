"""Filling a gap in a file: the tokens of a model that was taught to, and a prompt that fits its context.

The prompt is prefix and suffix in the order that the model was taught, each after its own token, then the token of the
middle. What stands in the file is never read as control tokens. What does not fit is left out far from the gap, whole
lines where that costs little.
Not for: how these tokens are spelled (``models.fim``), where the gap is, or how much of the answer to keep (``coder``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from edgemind.engine import llama
from edgemind.engine.events import FimTokens, Infill
from edgemind.models import fim

SUFFIX_SHARE = 4
"""The text after the gap has at most one part of so many, unless the text before it leaves room."""

CHARACTERS = 16
"""More characters than a token has on average in any text; what is farther from the gap is not even tokenized."""

LINE_SHARE = 4
"""A line that was cut is left out when it is at most one part of so many of what is kept."""

_NAMED_FIRST, _NAMED_INSIDE, _MELLUM = "<|file_sep|>", "<file_sep>", "<filename>"
"""What stands before a file's name: Qwen's, StarCoder 2's, Mellum's. StarCoder 2 has the name within the prefix."""


def fim_tokens(vocab: llama.Vocab) -> FimTokens | None:
    """The tokens around a gap, or None when the vocabulary lacks one of them."""
    known = {"fim_pre": vocab.fim_prefix, "fim_suf": vocab.fim_suffix, "fim_mid": vocab.fim_middle}
    prefix, suffix, middle = (
        known[use] if known[use] is not None else _first(vocab, fim.NAMES[use]) for use in fim.FRAME
    )
    if fim.bare(vocab.metadata("general.name")) and None in (prefix, suffix, middle):
        prefix, suffix, middle = vocab.find(fim.BARE["fim_pre"]), vocab.find(fim.BARE["fim_suf"]), None
    elif middle is None:
        return None
    if prefix is None or suffix is None:
        return None
    suffix_first = fim.order(vocab.text(prefix), vocab.metadata("tokenizer.ggml.pre")) == "suffix first"
    file = _first(vocab, (_MELLUM,) if suffix_first else (_NAMED_FIRST, _NAMED_INSIDE))
    ends = (prefix, suffix, middle, *map(vocab.find, fim.ENDS))
    return FimTokens(
        prefix=prefix,
        suffix=suffix,
        middle=middle,
        suffix_first=suffix_first,
        file=file,
        name_inside=file is not None and vocab.text(file) == _NAMED_INSIDE,
        ends=tuple(dict.fromkeys(token for token in ends if token is not None)),
    )


def infill_prompt(vocab: llama.Vocab, around: FimTokens, infill: Infill, budget: int) -> list[int]:
    """The prompt in at most ``budget`` tokens; more only when not even the frame around the texts fits."""
    start = vocab.tokenize("", add_special=vocab.add_bos, parse_special=False)
    if vocab.add_eos and start and vocab.is_eog(start[-1]):
        start.pop()
    name: list[int] = []
    if infill.path and around.file is not None:
        start.append(around.file)
        name = vocab.tokenize(infill.path + "\n", add_special=False, parse_special=False)
        if not around.name_inside:
            start, name = start + name, []
    room = max(budget - len(start) - len(name) - 3, 0)
    before = _tokens(vocab, infill.prefix[-room * CHARACTERS :] if room else "")
    after = _continued(vocab, infill.suffix[: room * CHARACTERS])
    suffix_room = max(room // SUFFIX_SHARE, room - len(before))
    after = _near(vocab, after, suffix_room, "start")
    before = _near(vocab, before, room - len(after), "end")
    parts = [[around.prefix, *name, *before], [around.suffix, *after]]
    if around.suffix_first:
        parts.reverse()
    return [*start, *parts[0], *parts[1], *(() if around.middle is None else (around.middle,))]


def _first(vocab: llama.Vocab, spellings: Sequence[str]) -> int | None:
    return next((token for token in map(vocab.find, spellings) if token is not None), None)


def _tokens(vocab: llama.Vocab, text: str) -> list[int]:
    return vocab.tokenize(text, add_special=False, parse_special=False) if text else []


def _continued(vocab: llama.Vocab, text: str) -> list[int]:
    """The tokens of a text, without the space that vocabularies like Llama 2's put before a beginning."""
    tokens = _tokens(vocab, text)
    if not tokens or vocab.piece(tokens[0])[:1] != b" ":
        return tokens
    longer = _tokens(vocab, "\n" + text)
    cut = next((place for place, token in enumerate(longer, 1) if vocab.piece(token) == b"\n"), 0)
    return longer[cut:] if b"".join(map(vocab.piece, longer[cut:])) == text.encode() else tokens


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
