"""Sentences of a GBNF grammar: drawn at random, and judged, without llama.cpp. Only what this product writes."""

from __future__ import annotations

import random
from functools import cache

from edgemind.engine.gbnf import Chars, Choice, Node, Ref, Repeat, Seq, Text

LETTERS = "abz`~ \t|<>-+/\\\"'0"
"""Drawn more often than their share of Unicode."""


def sentence(rules: dict[str, Node], rng: random.Random, most: int = 4) -> str:
    """A text of the rule ``root``; repetitions at most ``most`` times more than they must."""

    def draw(node: Node) -> str:
        if isinstance(node, Text):
            return node.text
        if isinstance(node, Chars):
            return _letter(node, rng)
        if isinstance(node, Ref):
            return draw(rules[node.name])
        if isinstance(node, Seq):
            return "".join(map(draw, node.parts))
        if isinstance(node, Choice):
            return draw(rng.choice(node.options))
        assert isinstance(node, Repeat)
        high = node.low + most if node.high is None else min(node.high, node.low + most)
        return "".join(draw(node.item) for _ in range(rng.randint(node.low, high)))

    return draw(rules["root"])


def _letter(node: Chars, rng: random.Random) -> str:
    usual = _usual(node)
    if usual and rng.random() < 0.8:
        return rng.choice(usual)
    low, high = rng.choice(node.ranges)
    return chr(rng.randint(low, high))


@cache
def _usual(node: Chars) -> str:
    return "".join(letter for letter in LETTERS if any(low <= ord(letter) <= high for low, high in node.ranges))
