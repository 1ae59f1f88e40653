"""Checks of answers to questions of a dataset: exactly, by the last number, by what they contain, by a letter.

Not for: our own families and reasoning-gym's, which check their own. Answers are a model's and may be anything, so
whatever is read out of them is bounded.
"""

from __future__ import annotations

import re
import unicodedata
from fractions import Fraction
from typing import Literal

Check = Literal["exact", "number", "contains", "choice", "none"]

LONGEST = 20_000
"""Characters of an answer that are looked at; its end, where the result is."""
BOXES, BOX = 8, 2000
"""So many boxes are looked at, and so many characters of each."""
CLOSE = Fraction(1, 10**6)
"""Relative difference up to which two decimal numbers are the same."""

_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_SAID = re.compile(r"\b(?:final\s+answer|answer|result)\s*(?:is|:|=)\s*:?\s*(.+)", re.IGNORECASE)
_MARKED = re.compile(r"####\s*(.+)")
_FRACTION = re.compile(r"([-+]?)\s{0,3}\\[dt]?frac\s*\{\s*([-+]?[\d.,]{1,40})\s*\}\s*\{\s*([-+]?[\d.,]{1,40})\s*\}")
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_NUMBER = re.compile(
    rf"(?<![\w.])(?P<sign>[-+](?=[\d.$€£]))?[$€£]?(?P<top>{_DIGITS})(?:[eE](?P<power>[-+]?\d{{1,2}}))?(?!\d|[eE][-+]?\d)"
    r"(?:\s?/\s?(?P<bottom>\d{1,40})(?![\d.]))?"
)
_LETTER_MARKED = re.compile(r"\(\s*([A-E])\s*\)|(?<![\w'])([A-E])(?=\s*(?:[).:]|$))|\*\*\s*([A-E])\b", re.MULTILINE)
_LETTER_SAID = re.compile(
    r"\b(?:answer|option|choice|correct)\b(?:\s+(?:is|option|choice|answer|letter)){0,3}\s*[:=]?\s*[\"'(*\[]*([A-E])(?![\w'])",
    re.IGNORECASE,
)


def is_right(check: Check, answer: str, reference: str) -> bool:
    """Whether ``answer`` says what ``reference`` says, by the rule ``check``; ``none`` takes any answer but silence.

    - ``exact``: the same text but for case, spaces, quotes, bold and a full stop, as the whole answer, its last line,
      what is in its last ``\\boxed{}``, or what follows "the answer is".
    - ``number``: the same value, of the last number (or of what is boxed, or marked with ``####``).
    - ``contains``: the reference occurs in the answer as whole words.
    - ``choice``: the same letter from A to E.
    """
    answer = answer[-LONGEST:]
    if not answer.strip():
        return False
    if check == "none":
        return True
    if check == "exact":
        wanted = normalised(reference)
        return any(normalised(text) == wanted for text in candidates(answer))
    if check == "number":
        return same_number(last_number(answer), last_number(reference))
    if check == "contains":
        wanted, text = normalised(reference), normalised(answer)
        return bool(wanted) and re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", text) is not None
    return letter(answer) == letter(reference) is not None


def normalised(text: str) -> str:
    """``text`` without what does not matter: case, width, spaces, surrounding quotes and emphasis, a full stop."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("−", "-")
    text = " ".join(text.split())
    return text.strip("*_`\"'“”‘’$ ").rstrip(".!").strip("*_`\"'“”‘’$ ")


def candidates(answer: str) -> list[str]:
    """What may be the result in an answer: a boxed or marked one alone, else all of it, its end, what it announces."""
    explicit = boxed(answer) or _last(_MARKED, answer)
    if explicit is not None:
        return [explicit]
    lines = [line for line in answer.splitlines() if line.strip()]
    said = _last(_SAID, answer)
    return [answer, lines[-1], *([said] if said else [])]


def boxed(text: str) -> str | None:
    """What is in the last ``\\boxed{}``, braces balanced; ``None`` when there is none."""
    for match in reversed(list(_BOXED.finditer(text))[-BOXES:]):
        depth = 1
        for end, sign in enumerate(text[match.end() : match.end() + BOX], match.end()):
            depth += {"{": 1, "}": -1}.get(sign, 0)
            if not depth:
                return text[match.end() : end]
    return None


def last_number(text: str) -> Fraction | None:
    """The value of the last number of ``text``, or of what it boxes or marks with ``####``; ``None`` without one.

    Thousands are set apart by commas, a fraction is a slash or ``\\frac{}{}``; per cent and currency are passed over.
    """
    text = text[-LONGEST:]
    text = boxed(text) or _last(_MARKED, text) or text
    text = unicodedata.normalize("NFKC", text.replace("½", "1/2")).replace("−", "-").replace("⁄", "/")
    text = _FRACTION.sub(lambda found: f" {_divided(found)} ", text).replace("{,}", ",")
    found = None
    for match in _NUMBER.finditer(text):
        found = match
    return _value(found) if found else None


def _divided(found: re.Match[str]) -> str:
    top, bottom = found[2].replace(",", ""), found[3].replace(",", "")
    negative = [found[1], top[:1], bottom[:1]].count("-") % 2 * "-"
    return f"{negative}{top.lstrip('+-')}/{bottom.lstrip('+-')}"


def _value(found: re.Match[str]) -> Fraction | None:
    top = found["top"].replace(",", "")
    if len(top) > 400:
        return None
    value = Fraction(top) * Fraction(10) ** int(found["power"] or 0)
    if found["bottom"] and int(found["bottom"]):
        value /= int(found["bottom"])
    return -value if found["sign"] == "-" else value


def same_number(first: Fraction | None, second: Fraction | None) -> bool:
    """Whether both are numbers and equal; rounded ones up to a millionth of their size."""
    if first is None or second is None:
        return False
    if first.denominator == second.denominator == 1:
        return first == second
    return abs(first - second) <= CLOSE * max(abs(first), abs(second))


def letter(text: str) -> str | None:
    """The letter that an answer to a question with choices ends up with; ``None`` when it names none."""
    text = text[-LONGEST:].strip()
    alone = normalised(boxed(text) or text).strip("().: ").upper()
    if len(alone) == 1 and alone in "ABCDE":
        return alone
    said = _last(_LETTER_SAID, text)
    if said is not None and said.isupper():
        return said
    found = None
    for match in _LETTER_MARKED.finditer(text):
        found = next(group for group in match.groups() if group)
    return found


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    found = None
    for match in pattern.finditer(text):
        found = match[1].strip()
    return found or None
