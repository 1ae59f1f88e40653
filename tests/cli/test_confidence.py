"""Which words were guessed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgemind.cli.confidence import GUESSED, GuessedWords, is_guess, marked, summary
from edgemind.engine.events import Answer, TokenConfidence


def token(text: str, probability: float) -> TokenConfidence:
    return TokenConfidence(text=text, probability=probability, entropy=0.5)


PIECES = st.lists(st.tuples(st.text(max_size=6), st.floats(0, 1)), max_size=20)


@given(PIECES)
def test_the_words_joined_are_the_answer(pieces: list[tuple[str, float]]) -> None:
    words = GuessedWords()
    found = [word for text, p in pieces for word in words.feed(Answer(text=text, confidence=(token(text, p),)))]
    found += words.finish()
    assert "".join(text for text, _ in found) == "".join(text for text, _ in pieces)


@given(PIECES)
def test_every_guess_is_in_a_marked_word(pieces: list[tuple[str, float]]) -> None:
    words = GuessedWords()
    found = [word for text, p in pieces for word in words.feed(Answer(text=text, confidence=(token(text, p),)))]
    found += words.finish()
    guesses = [text for text, p in pieces if is_guess(token(text, p))]
    assert any(guessed for _, guessed in found) == bool(guesses)


def test_punctuation_is_no_guess() -> None:
    assert not is_guess(token(", ", 0.01))
    assert is_guess(token(" Paris", GUESSED - 0.01))
    assert not is_guess(token(" Paris", GUESSED))


def test_scripts_without_spaces_are_marked_by_the_piece() -> None:
    words = GuessedWords()
    found = [
        *words.feed(Answer(text="東京", confidence=(token("東京", 0.1),))),
        *words.feed(Answer(text="です", confidence=(token("です", 0.9),))),
        *words.finish(),
    ]
    assert found == [("東京", True), ("です", False)]


def test_the_space_before_a_word_is_not_coloured() -> None:
    assert marked(" Paris ", "<", ">") == " <Paris> "
    assert marked(" Paris ", "", "") == " Paris[?] "
    assert marked(" \n", "", "") == " \n"


def test_summary() -> None:
    assert summary([token("a", 1.0), token(" b", 0.25)]) == "mean 0.62, lowest 0.25 at 'b', 1 guessed"
    assert summary([]) == "no answer token was measured"
