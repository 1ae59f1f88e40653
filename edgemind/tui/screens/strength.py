"""How hard a passphrase is to guess, in words.

A rough lower estimate: random characters count by the alphabet they are from, runs and repeats hardly at all, and
several words as words that people choose. Not for: refusing one (``chat.keys`` sets the shortest).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

BITS_PER_WORD = 10.0
"""A word that somebody thinks of is one of about a thousand; a dice list gives 12.9."""

_ROWS = ("abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "0123456789")
_WORDS = """
password passwort passphrase letmein welcome admin secret geheim iloveyou monkey dragon football master login
hello hallo sunshine princess qwerty qwertz edgemind test changeme
"""
_COMMON = frozenset(_WORDS.split())


@dataclass(frozen=True)
class Strength:
    """``level`` from 0 (nothing typed) to 5."""

    level: int
    words: str


_LEVELS = (
    (0.0, "Four or five unrelated words make a good one."),
    (1.0, "very weak: the first thing anybody tries"),
    (28.0, "weak: holds against a person, not against a program"),
    (40.0, "fair: another word makes it good"),
    (50.0, "good"),
    (70.0, "strong"),
)


def strength(passphrase: str) -> Strength:
    """Says how strong, never what was typed."""
    bits = estimate(passphrase)
    level = max(number for number, (least, _) in enumerate(_LEVELS) if bits >= least)
    return Strength(level if passphrase else 0, _LEVELS[level if passphrase else 0][1])


def estimate(passphrase: str) -> float:
    """Bits; at least 1 for anything at all."""
    text = passphrase.strip()
    if not text:
        return 0.0 if not passphrase else 1.0
    lowered = text.lower()
    if lowered.rstrip("0123456789!?.") in _COMMON:
        return 5.0
    bits = _by_characters(text)
    words = re.findall(r"[^\W\d_]{3,}", text)
    if words and sum(map(len, words)) >= 0.8 * len(re.sub(r"[\s_-]", "", text)):
        others = len(re.sub(r"[^\W\d_]{3,}|[\s_-]", "", text))
        different = len({word.lower() for word in words} - _COMMON)
        bits = min(bits, BITS_PER_WORD * max(different, 0.5) + 3.0 * others)
    return max(1.0, bits)


def _by_characters(text: str) -> float:
    alphabet = 0
    for part, size in ((r"[a-z]", 26), (r"[A-Z]", 26), (r"[0-9]", 10), (r"[^a-zA-Z0-9\s]", 32), (r"\s", 1)):
        alphabet += size if re.search(part, text) else 0
    each = math.log2(max(2, alphabet))
    bits, before = 0.0, ""
    for character in text:
        bits += 0.5 if before and _follows(before.lower(), character.lower()) else each
        before = character
    return min(bits, each * len(set(text.lower())) + 8.0)


def _follows(before: str, after: str) -> bool:
    """The same key again, or the next one in a row or in the alphabet, either way."""
    return before == after or any(before + after in row or after + before in row for row in _ROWS)
