"""Greetings and questions about the model itself, with one fixed and honest answer for each kind."""

from __future__ import annotations

import random
import re

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.language.blocks import read_blocks
from edgemind.distill.problems.language.dressing import slip
from edgemind.distill.problems.language.greeting_phrases import KINDS, Kind

PATTERNS = {block.name: block.variants("P") for block in read_blocks("greeting_patterns.txt")}

OPENERS = (
    "hi, ", "hello, ", "hey, ", "hi! ", "hello! ", "ok, ", "so, ", "well, ", "hi there, ", "and ",
)  # fmt: skip
ENDINGS = (
    "!", ".", " :)", "!!", "...", "", "", "",
)  # fmt: skip
ADDRESSES = (
    "edgemind", "nano", "edgemind-nano", "there", "bot", "assistant", "friend", "computer", "ai", "my friend",
    "everyone",
)  # fmt: skip


def said(rng: random.Random, kind: Kind, phrase: str) -> str:
    """A way that someone might type ``phrase``."""
    text = phrase
    if kind.short and rng.random() < 0.25:
        text = f"{text} {rng.choice(ADDRESSES)}"
    elif not kind.short and rng.random() < 0.15:
        text = rng.choice(OPENERS) + text
    question = text.endswith("?")
    if question and rng.random() < 0.25:
        text = text[:-1]
    elif not question and rng.random() < 0.5:
        text += rng.choice(ENDINGS)
    if rng.random() < 0.06:
        text = slip(rng, text)
    case = rng.random()
    if case < 0.62:
        return text[:1].upper() + text[1:]
    return text.upper() if case > 0.97 else text


class Greetings:
    """Small talk and what the model says about itself."""

    name = "greetings"
    description = "greetings, thanks, and questions about the model itself"
    levels = 1

    def sample(self, rng: random.Random, level: int) -> Problem:
        """Every kind as likely."""
        kind = rng.choice(KINDS)
        phrase = rng.choice(kind.phrases)
        key = f"greet:{kind.name}:{phrase.lower()}"
        return Problem(self.name, key, said(rng, kind, phrase), kind.thought, kind.answer, kind.name, level)

    def check(self, problem: Problem, answer: str) -> bool:
        """The markers of the kind are all in the answer."""
        kind = next(k for k in KINDS if k.name == problem.result)
        return all(marker in answer.lower() for marker in kind.markers)


class MoreGreetings(Greetings):
    """The same kinds in many more words, put together from patterns: only for training, never asked for later."""

    name = "more_greetings"

    def sample(self, rng: random.Random, level: int) -> Problem:
        """Every kind as likely; a phrase of ``Greetings`` that is held out there is held out here."""
        kind = rng.choice(KINDS)
        pattern = rng.choice(PATTERNS[kind.name])
        phrase = re.sub(r"\(([^()]*)\)", lambda found: rng.choice(found[1].split("|")), pattern).strip()
        key = f"greet:{kind.name}:{phrase.lower()}"
        return Problem(self.name, key, said(rng, kind, phrase), kind.thought, kind.answer, kind.name, level)
