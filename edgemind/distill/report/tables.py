"""Pieces of the page: everything that comes from a file or a model is made harmless here.

Not for: which pieces (``html``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from edgemind.terminal import clean


@dataclass(frozen=True)
class Raw:
    """Markup of our own making."""

    text: str


Cell = str | Raw


def safe(text: object) -> str:
    """Text for the page: controls and what is not drawn made visible, markup escaped."""
    return escape(clean(str(text)), quote=True)


def cell(value: Cell) -> str:
    return value.text if isinstance(value, Raw) else safe(value)


def table(
    head: Sequence[Cell], rows: Iterable[Sequence[Cell]], *, caption: str = "", sums: int = 0, wide: int = 0
) -> str:
    """A table whose first column names the rows.

    Args:
        sums: so many rows at the end stand out.
        wide: the last so many columns hold text.
    """
    lines = [list(row) for row in rows]
    if not lines:
        return ""
    texts = {len(head) - 1 - index for index in range(wide)}

    def kind(index: int) -> str:
        return ' class="wide"' if index in texts else ""

    top = "".join(f'<th scope="col"{kind(index)}>{cell(value)}</th>' for index, value in enumerate(head))
    body = []
    for number, row in enumerate(lines):
        mark = ' class="sum"' if number >= len(lines) - sums else ""
        cells = "".join(f"<td{kind(index)}>{cell(value)}</td>" for index, value in enumerate(row) if index)
        body.append(f'<tr{mark}><th scope="row">{cell(row[0])}</th>{cells}</tr>')
    said = f"<caption>{safe(caption)}</caption>" if caption else ""
    return f'<div class="scroll"><table>{said}<thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def figure(caption: str, drawing: str, below: str = "", narrow: bool = False) -> str:
    """A drawing with its caption; nothing when there is none."""
    if not drawing:
        return ""
    kind = ' class="narrow"' if narrow else ""
    return f"<figure{kind}><figcaption>{safe(caption)}</figcaption>{drawing}{below}</figure>"


def folded(title: str, content: str) -> str:
    """What is shown when it is asked for."""
    return f"<details><summary>{safe(title)}</summary>{content}</details>" if content else ""


def card(what: str, value: str, about: str) -> str:
    """A number to see first."""
    return (
        f'<div class="card"><span class="what">{safe(what)}</span><b>{safe(value)}</b><span>{safe(about)}</span></div>'
    )


def section(title: str, about: str, *parts: str) -> str:
    """A part of the page; nothing when it would be empty."""
    content = "".join(parts)
    if not content:
        return ""
    said = f'<p class="about">{safe(about)}</p>' if about else ""
    return f"<section><h2>{safe(title)}</h2>{said}{content}</section>"


def share(right: int, count: int, low: float, high: float) -> Raw:
    """A share with its interval below it."""
    value = f"{100 * right / count:.1f} %" if count else "-"
    return Raw(f"{value}<small>{100 * low:.1f} to {100 * high:.1f}</small>")


def points(value: float, good_up: bool = True) -> Raw:
    """A difference in points, coloured by whether it is good."""
    kind = "up" if (value > 0) == good_up and value else "down" if value else ""
    return Raw(f'<span class="{kind}">{100 * value:+.1f}</span>')


def minutes(seconds: float) -> str:
    """``45 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    whole = round(seconds / 60)
    return f"{whole} min" if whole < 90 else f"{whole // 60} h {whole % 60} min"
