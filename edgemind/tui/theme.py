"""How the app looks: three themes, and what is left of them on a terminal with few colours or few characters.

Not for: sizes and places (each widget's own styles).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

PREFIX = "edgemind-"


def _details(selection: str, bar: str, behind: str) -> dict[str, str]:
    """Colours of a selection and of scroll bars."""
    return {
        "block-cursor-text-style": "none",
        "input-selection-background": selection,
        "scrollbar": bar,
        "scrollbar-hover": bar,
        "scrollbar-active": bar,
        "scrollbar-background": behind,
        "scrollbar-background-hover": behind,
        "scrollbar-background-active": behind,
        "scrollbar-corner-color": behind,
    }


THEMES = (
    Theme(
        name="edgemind-dark",
        primary="#6cb6ff",
        secondary="#8ddb8c",
        accent="#dcbdfb",
        warning="#e0b35a",
        error="#ff7b72",
        success="#7ee0a1",
        foreground="#d6dde6",
        background="#12161c",
        surface="#171c24",
        panel="#1e2530",
        dark=True,
        variables=_details("#6cb6ff 35%", "#3a4656", "#171c24"),
    ),
    Theme(
        name="edgemind-light",
        primary="#0b62c4",
        secondary="#1a7f37",
        accent="#7b3fc4",
        warning="#8a5a00",
        error="#b3261e",
        success="#176b35",
        foreground="#1c232b",
        background="#fbfcfd",
        surface="#f1f4f7",
        panel="#e6ebf0",
        dark=False,
        variables=_details("#0b62c4 25%", "#b4bfca", "#f1f4f7"),
    ),
    Theme(
        name="edgemind-high-contrast",
        primary="#00e5ff",
        secondary="#7dff7d",
        accent="#ffff00",
        warning="#ffd000",
        error="#ff5c5c",
        success="#5cff8f",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1c1c1c",
        dark=True,
        variables=_details("#0050a0", "#ffffff", "#1c1c1c"),
    ),
)

NAMES = tuple(theme.name.removeprefix(PREFIX) for theme in THEMES)
"""As the settings call them."""

_ASCII = {
    **dict.fromkeys("─━═╌┄┈╴╶╸╺▁▔▂▄▀", "-"),
    **dict.fromkeys("│┃║╎┆┊╵╷╹╻▏▕▎▍▌▐", "|"),
    **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╯╰┏┓┗┛┣┫┳┻╋╔╗╚╝╠╣╦╩╬", "+"),
    **dict.fromkeys("█▇▆▅▉▊▋■◼", "#"),
    **dict.fromkeys("▓▒░", ":"),
    **dict.fromkeys("●•◉∙·", "*"),
    **dict.fromkeys("○◦◯", "o"),
    **dict.fromkeys("▸▶›→❯▹", ">"),
    **dict.fromkeys("◂◀‹←❮", "<"),
    **dict.fromkeys("▾▼↓⌄", "v"),
    **dict.fromkeys("▴▲↑", "^"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **dict.fromkeys("–—", "-"),
    "★": "*", "☆": "*", "✓": "+", "✔": "+", "✗": "x", "✘": "x", "×": "x", "…": ".", "\u00a0": " ", "↵": "<", "⏎": "<",
}  # fmt: skip


class OnlyAscii(LineFilter):
    """For a terminal that does not read UTF-8: lines and signs become ASCII of the same width, other letters ``?``."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.text.isascii() else Segment(as_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]


def as_ascii(text: str) -> str:
    """Of the same width in cells."""
    from rich.cells import cell_len

    return "".join(
        character if character.isascii() else _ASCII.get(character, "?" * cell_len(character)) for character in text
    )


def reads_utf8(environment: Mapping[str, str] | None = None, encoding: str | None = None) -> bool:
    """Whether the terminal takes UTF-8, by what its user's locale says; an unset one counts as yes.

    Python itself puts ``C.UTF-8`` into ``LC_CTYPE`` where the locale is C or broken (PEP 538): that one says nothing.
    What a name without a charset means (``en_US``) is the C library's to say, which it has, in ``encoding``.
    """
    given = os.environ if environment is None else environment
    encoding = encoding if encoding is not None else getattr(sys.__stdout__, "encoding", None) or "utf-8"
    if encoding.lower().replace("-", "").replace("_", "") != "utf8":
        return False
    ctype = given.get("LC_CTYPE", "")
    locale = given.get("LC_ALL") or ("" if ctype == "C.UTF-8" else ctype) or given.get("LANG") or ""
    if not locale:
        return True
    _, dot, charset = locale.partition(".")
    if not dot:
        return locale not in ("C", "POSIX")
    return charset.split("@")[0].lower().replace("-", "") == "utf8"
