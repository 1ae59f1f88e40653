"""Typing habits of people, on top of the numeric families' dressing: slips of the finger, extra signs."""

from __future__ import annotations

import random
import re

from edgemind.distill.problems.numeric.phrasing import dress

WORD = re.compile(r"[A-Za-z]{4,}")
NEIGHBOURS = dict(zip("abcdefghijklmnopqrstuvwxyz", "svxfrghjoklknmpowtdyibecux", strict=True))
"""A key beside each key."""


def slip(rng: random.Random, text: str) -> str:
    """``text`` with one word mistyped: a letter lost, doubled, hit beside, or two letters swapped."""
    words = list(WORD.finditer(text))
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    if kind == 2:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + NEIGHBOURS[text[at].lower()] + text[at + 1 :]


def typed(rng: random.Random, core: str, slips: float) -> str:
    """A way that someone might type ``core``; with probability ``slips`` a word is mistyped, sometimes two."""
    text = dress(rng, core)
    if rng.random() < slips:
        text = slip(rng, text)
        if rng.random() < 0.3:
            text = slip(rng, text)
    if rng.random() < 0.03:
        text += rng.choice(("?", "!", "??", " ?", "...", "!!", " :)"))
    return text
