"""What a search takes for a word: one rule for the index, the question and the highlight.

A text becomes folded words with spaces between (``folded``), which the index splits at the spaces. A word loses case
and diacritics ("Ärzte" is "arzte"). Scripts that are written without spaces between words (Chinese, Japanese, Thai) and
Korean, whose words carry endings, count every character as a word, so any part of a text is found as a phrase.
Not for: the index itself (``search``).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MOST_PHRASES = 16
"""Of a question; what stands beyond is left out."""
LONGEST_QUESTION = 500
"""Characters."""

_SINGLE = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    r"\u3105-\u312f\u3131-\u318e\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f"
    r"\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana, bopomofo, Hangul, Han: one character is one word."""

_DROPPED = (
    r"\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    r"\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200d\u20d0-\u20ff\ufe00-\ufe0f"
    r"\ufe20-\ufe2f"
)
"""Marks that a word is found without: accents, vowel points, soft hyphens, joiners."""

_KEPT = r"\u0730-\u074a\u0900-\u0963\u0966-\u0dff\u0f71-\u0f84\u1a55-\u1a7c\u1b34-\u1b44\ua823-\ua827\ua880-\ua8c5"
"""Marks that are letters of their word, such as the vowel signs of Devanagari."""

_MARK = re.compile(f"[{_DROPPED}]")
_LETTERS = rf"[^\W_{_SINGLE}]"
_WORD = re.compile(rf"[{_SINGLE}][\u3099\u309a]?|{_LETTERS}+(?:[{_DROPPED}{_KEPT}]+{_LETTERS}*)*")
_ONE = re.compile(f"[{_SINGLE}]")
_ASCII_WORD = re.compile(r"[A-Za-z0-9]+")
_QUOTED = re.compile(r'"([^"]*)(?:"|$)|([^\s"]+)')


@dataclass(frozen=True)
class Word:
    """A folded word and where it stands in the original text."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Phrase:
    """Words that stand one after the other; ``open``: the last one may go on."""

    words: tuple[str, ...]
    open: bool = False

    def __str__(self) -> str:
        """As FTS5 reads it. Words are letters and digits, so nothing in them is an operator."""
        return f'"{" ".join(self.words)}"{" *" if self.open else ""}'

    def matches(self, words: Sequence[Word]) -> bool:
        """Whether exactly these words are the phrase."""
        if len(words) != len(self.words):
            return False
        for wanted, word in zip(self.words[:-1], words, strict=False):
            if wanted != word.text:
                return False
        last = words[-1].text
        return last.startswith(self.words[-1]) if self.open else last == self.words[-1]


@functools.lru_cache(maxsize=8192)
def fold(word: str) -> str:
    """One word without case and diacritics; it may become several with spaces between ("½" is "1 2") or none."""
    if word.isascii():
        return word.lower()
    if _ONE.match(word):
        return unicodedata.normalize("NFKC", word).casefold()
    plain = _MARK.sub("", unicodedata.normalize("NFKD", word.casefold())).casefold()
    return " ".join(_WORD.findall(plain))


def words(text: str, start: int = 0, end: int | None = None) -> Iterator[Word]:
    """The words of a text in order."""
    pattern = _ASCII_WORD if text.isascii() else _WORD
    for found in pattern.finditer(text, start, len(text) if end is None else end):
        for part in fold(found[0]).split():
            yield Word(part, found.start(), found.end())


def folded(text: str) -> str:
    """The words of a text with spaces between. Of plain ASCII the text itself: the index splits and folds it alike."""
    if text.isascii():
        return text
    return " ".join(map(fold, _WORD.findall(text)))


def phrases(question: str) -> tuple[Phrase, ...]:
    """What is asked for: each part between spaces, or between quotes, is a phrase; the last one may go on unless it
    was quoted. Never an error."""
    found: list[Phrase] = []
    for part in _QUOTED.finditer(question[:LONGEST_QUESTION]):
        quoted = part[1] is not None
        parts = tuple(word.text for word in words(part[1] if quoted else part[2]))
        if parts:
            found.append(Phrase(parts, open=not quoted))
    found = found[:MOST_PHRASES]
    return tuple(
        Phrase(phrase.words, open=phrase.open and number == len(found) - 1) for number, phrase in enumerate(found)
    )


def likely(text: str, wanted: Sequence[Phrase]) -> int | None:
    """Where the first of the phrases stands if it is written as it was asked for, but for case; quick in long texts.

    What it misses (a word with diacritics), and what it finds wrongly, is for ``spans`` to say.
    """
    small = text.lower()
    if len(small) != len(text):
        return None
    places = [place for place in (_place(small, phrase) for phrase in wanted) if place is not None]
    return min(places, default=None)


def _place(small: str, phrase: Phrase) -> int | None:
    together = all(map(_ONE.match, phrase.words))
    start = "".join(phrase.words) if together else phrase.words[0]
    whole = re.compile(re.escape(start) if together else _as_written(phrase))
    place = small.find(start)
    while place >= 0 and not whole.match(small, place):
        place = small.find(start, place + 1)
    return place if place >= 0 else None


def _as_written(phrase: Phrase) -> str:
    words = r"[\W_]+".join(map(re.escape, phrase.words))
    return rf"(?<![^\W_]){words}" + ("" if phrase.open else r"(?![^\W_])")


def spans(text: str, wanted: Sequence[Phrase], start: int = 0, end: int | None = None) -> Iterator[tuple[int, int]]:
    """Where the phrases stand in ``text[start:end]``, as ``(start, end)`` in order of their beginnings."""
    longest = max((len(phrase.words) for phrase in wanted), default=0)
    window: list[Word] = []

    def of_first() -> tuple[int, int] | None:
        length = max((len(phrase.words) for phrase in wanted if phrase.matches(window[: len(phrase.words)])), default=0)
        return (window[0].start, window[length - 1].end) if length else None

    for word in words(text, start, end):
        window.append(word)
        if len(window) == longest:
            if span := of_first():
                yield span
            window.pop(0)
    while window:
        if span := of_first():
            yield span
        window.pop(0)
