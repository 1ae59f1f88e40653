"""Which tokens a piece of answer is made of, and how sure the model was of each.

Text is said later than its tokens come: a character may need several tokens, a stop string or a tag is held back.
Here the measures wait until exactly their text has been said, so that nothing held back shows through them.
Not for: the measures themselves (``llama.confidence``).
"""

from __future__ import annotations

from collections import deque

from edgemind.engine.events import TokenConfidence
from edgemind.engine.stops import Utf8Stream


class Certainty:
    """Measures in, text out.

    Args:
        trims: whether the blank before the first text of an answer is left out.
    """

    def __init__(self, trims: bool) -> None:
        self._trims = trims
        self._at_start = True
        self._waiting: deque[TokenConfidence] = deque()
        self._utf8 = Utf8Stream()
        self._part: TokenConfidence | None = None
        """What is known of a character that is not complete yet."""
        self._said = 0
        """Characters of the first waiting token that have been said."""

    def note(self, piece: bytes, measure: TokenConfidence) -> None:
        """One more token. The tokens of one character become one measure: probabilities times, entropies plus."""
        text = self._utf8.feed(piece)
        if self._part:
            measure = measure.model_copy(
                update={
                    "probability": measure.probability * self._part.probability,
                    "entropy": measure.entropy + self._part.entropy,
                    "alternatives": self._part.alternatives,
                }
            )
        self._part = measure if not text and self._utf8.pending else None
        if text:
            self._waiting.append(measure.model_copy(update={"text": text}))

    def forget(self) -> None:
        """What came since the last text was no answer but a tag."""
        self._waiting.clear()
        self._utf8, self._part, self._said, self._at_start = Utf8Stream(), None, 0, True

    def take(self, text: str) -> tuple[TokenConfidence, ...]:
        """The measures of the tokens that are wholly said with ``text``."""
        if self._at_start and self._trims:
            while self._waiting and not self._waiting[0].text.strip():
                self._waiting.popleft()
            if self._waiting:
                first = self._waiting[0]
                self._waiting[0] = first.model_copy(update={"text": first.text.lstrip()})
        self._at_start = False
        length = self._said + len(text)
        taken = []
        while self._waiting and len(self._waiting[0].text) <= length:
            taken.append(self._waiting.popleft())
            length -= len(taken[-1].text)
        self._said = length if self._waiting else 0
        return tuple(taken)

    def cut(self) -> tuple[TokenConfidence, ...]:
        """The answer ends inside a token: its measure, with the part of its text that was said."""
        if not self._waiting or not self._said:
            return ()
        first = self._waiting.popleft()
        return (first.model_copy(update={"text": first.text[: self._said]}),)
