"""Drawings as inline SVG: lines over tokens, dots with intervals, a reliability diagram.

Colours are the classes ``s0``, ``s1``, ... of the page's style sheet, so that light, dark and paper have their own;
each line has a dash of its own too. Every drawing has a title and a description for whoever cannot see it, and the page
puts a table beside it. Not for: the page (``html``), which numbers (``facts``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgemind.distill.report.tables import safe

WIDTH = 720
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 26, 40
STYLES = 8
"""Colours that the style sheet has."""


@dataclass(frozen=True)
class Line:
    """One line. ``style`` is its colour's number; gaps are points left out."""

    name: str
    points: Sequence[tuple[float, float]]
    style: int
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    """Bounds of a band, one for each point, or none."""


@dataclass(frozen=True)
class Mark:
    """A vertical line with words: something happened here."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A value with its interval, in a row of dots."""

    name: str
    value: float
    low: float
    high: float
    style: int


def lines(
    number: int,
    title: str,
    drawn: Sequence[Line],
    *,
    y_label: str,
    x_label: str = "tokens",
    marks: Sequence[Mark] = (),
    percent: bool = False,
    logarithmic: bool = False,
    height: int = 300,
) -> str:
    """Lines over a common axis; an empty string when there is nothing to draw.

    Args:
        number: of the drawing on its page, for ids.
        percent: values are shares, from 0 to 1.
        logarithmic: the vertical axis is; values of 0 and less are left out.
    """
    drawn = [_cleaned(line, logarithmic) for line in drawn]
    drawn = [line for line in drawn if line.points]
    if not drawn:
        return ""
    x_high = max(x for line in drawn for x, _ in line.points) or 1.0
    values = [y for line in drawn for _, y in line.points]
    values += [y for line in drawn for y in (*line.low, *line.high)]
    low, high, ticks = _axis(values, percent, logarithmic)
    bottom = height - BOTTOM

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * x / x_high

    def up(y: float) -> float:
        if logarithmic:
            share = (math.log(y) - math.log(low)) / (math.log(high) - math.log(low) or 1)
        else:
            share = (y - low) / (high - low or 1)
        return bottom - (bottom - TOP) * min(1.0, max(0.0, share))

    parts = [_opening(number, title, _spoken(drawn, percent), height)]
    for tick in ticks:
        label = f"{100 * tick:.0f} %" if percent else short(tick)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{up(tick) + 4:.1f}" text-anchor="end">{label}</text>')
    for tick in nice_ticks(0, x_high, 6):
        parts.append(
            f'<text class="tick" x="{across(tick):.1f}" y="{bottom + 18}" text-anchor="middle">{short(tick)}</text>'
        )
    parts.append(f'<text class="label" x="{WIDTH - RIGHT}" y="{height - 4}" text-anchor="end">{safe(x_label)}</text>')
    parts.append(f'<text class="label" x="{LEFT - 44}" y="13">{safe(y_label)}</text>')
    parts += _drawn_marks(marks, across, bottom)
    for line in drawn:
        style = line.style % STYLES
        if line.low and line.high:
            band = [(x, value) for (x, _), value in zip(line.points, line.high, strict=True)]
            band += [(x, value) for (x, _), value in reversed(list(zip(line.points, line.low, strict=True)))]
            points = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in band)
            parts.append(f'<polygon class="band s{style}" points="{points}"/>')
        points = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line.points)
        parts.append(f'<polyline class="line s{style}" points="{points}"/>')
        if len(line.points) == 1:
            x, y = line.points[0]
            parts.append(f'<circle class="dot s{style}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="3"/>')
    parts.append("</svg>")
    return "".join(parts)


def dots(number: int, title: str, rows: Sequence[tuple[str, Sequence[Dot]]]) -> str:
    """A row of dots with intervals for each name, on an axis of shares."""
    rows = [(name, found) for name, found in rows if found]
    if not rows:
        return ""
    left, gap, top_edge = 150, 15, 6
    most = max(len(found) for _, found in rows)
    row_height = max(26, 11 * most + 10)
    height = top_edge + row_height * len(rows) + BOTTOM - 8
    lowest = min(dot.low for _, found in rows for dot in found)
    low = max(0.0, math.floor(lowest * 10) / 10) if lowest < 0.95 else 0.9

    def across(share: float) -> float:
        return left + (WIDTH - left - RIGHT - 8) * (share - low) / (1 - low)

    spoken = "; ".join(
        f"{name}: " + ", ".join(f"{dot.name} {100 * dot.value:.1f} percent" for dot in found) for name, found in rows
    )
    parts = [_opening(number, title, spoken, height)]
    bottom = top_edge + row_height * len(rows)
    for index in range(0, len(rows), 2):
        top = top_edge + row_height * index
        parts.append(f'<rect class="stripe" x="0" y="{top}" width="{WIDTH}" height="{row_height}"/>')
    step = 0.05 if low >= 0.7 else 0.1 if low >= 0.3 else 0.2
    for index in range(round((1 - low) / step) + 1):
        tick = low + index * step
        x = across(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top_edge}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{100 * tick:.0f} %</text>')
    for index, (name, found) in enumerate(rows):
        top = top_edge + row_height * index
        parts.append(
            f'<text class="name" x="{left - gap}" y="{top + row_height / 2 + 4:.1f}" text-anchor="end">'
            f"{safe(name)}</text>"
        )
        for place, dot in enumerate(found):
            y = top + row_height / 2 + 11 * (place - (len(found) - 1) / 2)
            style = dot.style % STYLES
            parts.append(
                f'<line class="whisker s{style}" x1="{across(dot.low):.1f}" x2="{across(dot.high):.1f}" '
                f'y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<circle class="dot s{style}" cx="{across(dot.value):.1f}" cy="{y:.1f}" r="4"/>'
            )
    parts.append("</svg>")
    return "".join(parts)


def reliability(number: int, title: str, bins: Sequence[tuple[float, float, int]]) -> str:
    """Accuracy over confidence, ``(confidence, accuracy, count)``; the area of a dot is how many answers it is."""
    if not bins:
        return ""
    size, margin = 300, 44
    span = size - margin - 14

    def place(share: float) -> float:
        return margin + span * share

    total = sum(count for *_, count in bins)
    spoken = "; ".join(f"sure to {100 * sure:.0f} percent, right {100 * right:.0f}" for sure, right, _ in bins)
    parts = [_opening(number, title, spoken, size, size)]
    for index in range(6):
        tick = index / 5
        x, y = place(tick), size - place(tick)
        parts.append(f'<line class="grid" x1="{margin}" x2="{place(1)}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{x:.1f}" y="{size - margin + 18}" text-anchor="middle">{100 * tick:.0f}</text>'
        )
        parts.append(f'<text class="tick" x="{margin - 8}" y="{y + 4:.1f}" text-anchor="end">{100 * tick:.0f}</text>')
    parts.append(
        f'<line class="ideal" x1="{place(0)}" y1="{size - place(0)}" x2="{place(1)}" y2="{size - place(1)}"/>'
        f'<text class="label" x="{place(1)}" y="{size - 4}" text-anchor="end">confidence, %</text>'
        f'<text class="label" x="{margin + 6}" y="{size - place(1) + 12}">right, %</text>'
    )
    for sure, right, count in bins:
        radius = 3 + 11 * math.sqrt(count / total)
        parts.append(
            f'<circle class="dot bubble s1" cx="{place(sure):.1f}" cy="{size - place(right):.1f}" r="{radius:.1f}"/>'
        )
    parts.append("</svg>")
    return "".join(parts)


def legend(names: Sequence[tuple[str, int]]) -> str:
    """Which colour is which."""
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 28 10" aria-hidden="true">'
        f'<line class="line s{style % STYLES}" x1="1" x2="27" y1="5" y2="5"/></svg>{safe(name)}</li>'
        for name, style in names
    )
    return f'<ul class="legend">{items}</ul>' if items else ""


def short(value: float) -> str:
    """``1.5M``, ``20k``, ``0.05``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.3g}"


def nice_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [step * index for index in range(first, math.floor(high / step + 1e-9) + 1)]


def _axis(values: Sequence[float], percent: bool, logarithmic: bool) -> tuple[float, float, list[float]]:
    low, high = min(values), max(values)
    if percent:
        return 0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    if logarithmic:
        low, high = low / 1.1, high * 1.1
        ticks = [
            factor * 10.0**power
            for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
            for factor in ((1, 2, 5) if high / low < 200 else (1,))
        ]
        return low, high, [tick for tick in ticks if low <= tick <= high]
    high = high if high > low else low + 1
    ticks = nice_ticks(min(0.0, low), high, 5)
    return min(ticks[0], low), max(ticks[-1], high), ticks


def _cleaned(line: Line, logarithmic: bool) -> Line:
    keep = [
        index
        for index, (x, y) in enumerate(line.points)
        if math.isfinite(x) and math.isfinite(y) and (y > 0 or not logarithmic)
    ]
    low, high = ([side[index] for index in keep] if side else [] for side in (line.low, line.high))
    return Line(line.name, [line.points[index] for index in keep], line.style, low, high)


def _drawn_marks(marks: Sequence[Mark], across: Callable[[float], float], bottom: float) -> list[str]:
    parts = []
    for mark in marks:
        x = across(mark.at)
        parts.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="note" x="{x:.1f}" y="{TOP - 6}" text-anchor="middle">{safe(mark.text)}</text>')
    return parts


def _spoken(drawn: Sequence[Line], percent: bool) -> str:
    def said(value: float) -> str:
        return f"{100 * value:.1f} percent" if percent else f"{value:.3g}"

    return "; ".join(f"{line.name}: from {said(line.points[0][1])} to {said(line.points[-1][1])}" for line in drawn)


def _opening(number: int, title: str, spoken: str, height: float, width: float = WIDTH) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'aria-labelledby="chart{number}-title chart{number}-desc">'
        f'<title id="chart{number}-title">{safe(title)}</title>'
        f'<desc id="chart{number}-desc">{safe(spoken)}</desc>'
    )
