"""Make text safe to show on a terminal: what the reader sees is what the text holds, and nothing in it can act.

The rule is stateless, one character at a time, so text may arrive in pieces of any size:

- C0 controls but newline and tab become their visible pictures (ESC is ``␛``), so no escape sequence survives;
- DEL, the C1 controls and lone surrogates become U+FFFD;
- what a terminal does not draw, or what turns the direction of text, becomes ``<U+XXXX>``: bidirectional controls,
  zero-width characters, line and paragraph separators, invisible fillers, the tag characters.

A zero-width joiner is shown too: a rule without memory cannot tell one inside an emoji from one that hides something.
Only the two selectors U+FE0E and U+FE0F (text or emoji style of the character before them) pass.
Not for: what is stored or piped to another program; that stays as the model wrote it.
"""

from __future__ import annotations

import functools
import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"

_UNDRAWN = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0D), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
"""Unicode 16's Default_Ignorable_Code_Point (DerivedCoreProperties.txt), with the two separators U+2028 and U+2029 and
the interlinear annotation marks U+FFF9 to U+FFFB, without U+FE0E and U+FE0F."""

_REPLACED = ((0x7F, 0x9F), (0xD800, 0xDFFF))

_ASCII = {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"} | {0x7F: REPLACEMENT}


def clean(text: str) -> str:
    """``text`` as a terminal may show it; text without anything to replace comes back as it is."""
    if text.isascii():
        return text.translate(_ASCII)
    return _unsafe().sub(_shown, text)


def clean_line(text: str) -> str:
    """As ``clean``, on one line: newline and tab become pictures too. For file names and the like inside a sentence."""
    return clean(text).replace("\n", "␊").replace("\t", "␉")


@functools.cache
def _unsafe() -> re.Pattern[str]:
    ranges = "".join(f"{chr(first)}-{chr(last)}" for first, last in (*_REPLACED, *_UNDRAWN))
    return re.compile(f"[\x00-\x08\x0b-\x1f{ranges}]")


def _shown(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code in _ASCII:
        return _ASCII[code]
    if any(first <= code <= last for first, last in _REPLACED):
        return REPLACEMENT
    return f"<U+{code:04X}>"
