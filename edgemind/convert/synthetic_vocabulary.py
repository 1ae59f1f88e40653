"""A byte-level BPE vocabulary of any size, made up: it tokenizes every text, and every token is text again.

The pieces are strings of letters, the frequent English ones first, so that a random model's output is letters and not
broken UTF-8. Not for: models that are trained.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

PAD, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
THINK, THINK_END = "<think>", "</think>"
INFILL = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")
SPECIALS = (PAD, START, END, *INFILL, THINK, THINK_END)

NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
"""Token kinds of GGUF (``llama_token_type``)."""

TEMPLATE = """\
{%- for message in messages %}
{{- '<|im_start|>' + message.role + '\\n' + message.content.split('</think>')[-1].lstrip('\\n') + '<|im_end|>\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|im_start|>assistant\\n' }}
{%- if enable_thinking is defined and enable_thinking is false %}
{{- '<think>\\n\\n</think>\\n\\n' }}
{%- endif %}
{%- endif %}"""

_LETTERS = "etaoinshrdlcumwfgypbvkjxqz"
_SPACE = "\u0120"
"""How byte-level BPE writes a space."""


@dataclass(frozen=True)
class Vocabulary:
    """Token texts, their kinds, and the merges in order of rank. The specials come last."""

    tokens: list[str]
    kinds: list[int]
    merges: list[str]

    def id_of(self, special: str) -> int:
        return len(self.tokens) - len(SPECIALS) + SPECIALS.index(special)


def vocabulary(size: int) -> Vocabulary:
    """A vocabulary of exactly ``size`` tokens.

    Raises:
        ValueError: the 256 bytes and the specials alone need more, or the letters do not give as many.
    """
    alphabet = list(byte_letters().values())
    wanted = size - len(alphabet) - len(SPECIALS)
    pairs = list(itertools.islice(_pairs(), max(wanted, 0)))
    if wanted < 0 or len(pairs) < wanted:
        raise ValueError(f"no synthetic vocabulary of {size} tokens")
    tokens = [*alphabet, *(left + right for left, right in pairs), *SPECIALS]
    kinds = [NORMAL] * (size - len(SPECIALS)) + [CONTROL] * (len(SPECIALS) - 2) + [USER_DEFINED] * 2
    return Vocabulary(tokens, kinds, [f"{left} {right}" for left, right in pairs])


def byte_letters() -> dict[int, str]:
    """The printable letter that stands for each byte (GPT-2's ``bytes_to_unicode``)."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in letters)
    letters.update((byte, chr(256 + index)) for index, byte in enumerate(others))
    return dict(sorted(letters.items()))


def _pairs() -> Iterator[tuple[str, str]]:
    """The two halves of every piece; both are pieces that came before, and no piece comes twice."""
    two = list(itertools.product(_LETTERS, _LETTERS))
    yield from two
    yield from ((_SPACE, letter) for letter in _LETTERS)
    yield from ((_SPACE, a + b) for a, b in two)
    three = [(a + b, c) for a, b in two for c in _LETTERS]
    yield from three
    yield from ((_SPACE, ab + c) for ab, c in three)
    yield from ((a + b, c + d) for a, b in two for c, d in two)
