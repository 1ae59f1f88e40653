"""Guessed words: where they stand in the answer, however its tokens are cut."""

from __future__ import annotations

import random

from chat_turns import tokens

from edgemind.engine.events import Answer
from edgemind.engine.guesses import GuessedWords
from edgemind.tui.widgets.confidence import Guesses

PARTS = (
    ("The", 0.9),
    (" cap", 0.3),
    ("ital", 0.9),
    (" of", 0.9),
    (" Fr", 0.9),
    ("ance", 0.1),
    (",", 0.1),
    (" 東", 0.2),
    ("京", 0.9),
)


def test_spans_are_the_words_that_the_rule_finds() -> None:
    measured = tokens(*PARTS)
    text = "".join(token.text for token in measured)
    guesses = Guesses()
    found = [guess for token in measured for guess in guesses.feed((token,), text)] + guesses.finish()
    rule = GuessedWords()
    said = [
        word for token in measured for word in rule.feed(Answer(text=token.text, confidence=(token,)))
    ] + rule.finish()
    assert [text[guess.start : guess.end] for guess in found] == [word.strip() for word, guessed in said if guessed]
    assert [text[guess.start : guess.end] for guess in found] == ["capital", "France", "東"]


def test_what_is_known_grows_with_the_tokens() -> None:
    measured = tokens(*PARTS)
    text = "".join(token.text for token in measured)
    guesses = Guesses()
    known = []
    for token in measured:
        guesses.feed((token,), text)
        known.append(guesses.known)
    assert known == sorted(known)
    assert known[2] == len("The")


def test_a_token_that_is_not_in_the_text_spoils_nothing() -> None:
    rng = random.Random(4)
    for _ in range(200):
        parts = [(rng.choice(("a", " b", "cd", " ", "\n", "x")), rng.random()) for _ in range(12)]
        measured = tokens(*parts)
        text = "".join(token.text for token in measured if rng.random() < 0.8)
        guesses = Guesses()
        found = guesses.feed(measured, text) + guesses.finish()
        assert all(0 <= guess.start < guess.end <= len(text) for guess in found)
        assert [guess.start for guess in found] == sorted(guess.start for guess in found)


def test_alternatives_name_the_whole_word() -> None:
    measured = tokens(("The", 0.9), (" Par", 0.4), ("is", 0.9))
    guesses = Guesses()
    (guess,) = guesses.feed(measured, "The Paris") + guesses.finish()
    assert guesses.alternatives(guess.number) == [("Paris", 0.4), ("other", 0.2)]
