"""Measures come out with exactly the text they belong to."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edgemind.engine.certainty import Certainty
from edgemind.engine.events import TokenConfidence


def measure(probability: float = 0.5) -> TokenConfidence:
    return TokenConfidence(text="", probability=probability, entropy=1.0)


@given(st.text(min_size=1, max_size=40), st.data())
def test_every_byte_split_gives_the_text_back(text: str, data: st.DataObject) -> None:
    certainty = Certainty(trims=False)
    raw = text.encode("utf-8", "replace")
    text = raw.decode()
    position, taken = 0, []
    while position < len(raw):
        size = data.draw(st.integers(1, 5))
        certainty.note(raw[position : position + size], measure())
        position += size
    said = 0
    while said < len(text):
        size = data.draw(st.integers(1, 7))
        taken += certainty.take(text[said : said + size])
        said += size
    assert "".join(token.text for token in taken) == text


def test_tokens_of_one_character_are_one_measure() -> None:
    certainty = Certainty(trims=True)
    for byte in "é".encode():
        certainty.note(bytes([byte]), measure(0.5))
    (token,) = certainty.take("é")
    assert token.text == "é"
    assert token.probability == 0.25
    assert token.entropy == 2.0


def test_what_is_held_back_does_not_show() -> None:
    certainty = Certainty(trims=True)
    certainty.note(b"There", measure())
    assert certainty.take("T") == ()
    assert [token.text for token in certainty.cut()] == ["T"]


def test_blank_before_the_answer_and_tags_are_left_out() -> None:
    certainty = Certainty(trims=True)
    certainty.note(b"<think>", measure())
    certainty.forget()
    certainty.note(b"\n\n", measure())
    certainty.note(b" Yes", measure())
    assert [token.text for token in certainty.take("Yes")] == ["Yes"]
