"""Reading the final value out of an answer: tolerant of form, strict on the value."""

from __future__ import annotations

import re

NUMBER = re.compile(r"(?<![\w.])[-−]?\d+(?:,\d{3})*(?:\.\d+)?")


def numbers(text: str) -> list[str]:
    """Every number in ``text`` in order, without thousands separators, with an ASCII minus sign."""
    return [n.replace(",", "").replace("−", "-") for n in NUMBER.findall(text)]


def last_number(text: str) -> str:
    """The last number in ``text``, or an empty string."""
    found = numbers(text)
    return found[-1] if found else ""


def number_list(text: str) -> list[str]:
    """Numbers of a comma-separated list, where a comma never means thousands."""
    return re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", text)
