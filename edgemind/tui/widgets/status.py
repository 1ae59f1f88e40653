"""Three lines of facts: the heading over a chat, the status under it, and the keys that work right now.

Each shows what it is given, shortened to the width there is; the least important goes first. None has a timer.
Not for: finding the facts out (``screens/chat.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

from edgemind.terminal import clean_line

METER = 8
"""Cells of the context meter; each has eight steps."""

_EIGHTHS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True)
class Facts:
    """What the status line knows."""

    offline: str = "none"
    """``kernel``, ``sandbox`` or ``none``: ``privacy.jail.Strength``."""
    model: str = ""
    loading: float | None = None
    """How far the model is loaded, 0 to 1."""
    trouble: str = ""
    """In place of the model: why there is none."""
    context_used: int = 0
    context_limit: int = 0
    """Tokens."""
    rate: float = 0.0
    """Tokens a second, of the answer that is being written or of the last one."""
    memory: int = 0
    """Bytes that the worker holds."""
    history: str = ""
    saved: bool = True
    """Whether ``history`` is good news."""


_OFFLINE = {
    "kernel": ("● kernel-enforced offline", "● kernel-enforced", "● kernel", "●"),
    "sandbox": ("● OS sandbox, offline", "● OS sandbox", "● sandbox", "●"),
    "none": ("○ offline not enforced", "○ not enforced", "○ open", "○"),
}


def meter(used: int, limit: int, cells: int = METER) -> str:
    """A bar of ``cells`` characters that grows by eighths of one; what is begun is never drawn empty."""
    if limit <= 0:
        return " " * cells
    steps = min(cells * 8, max(1 if used else 0, round(used / limit * cells * 8)))
    whole, rest = divmod(steps, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def human(count: int) -> str:
    """Bytes in at most seven characters."""
    size = float(count)
    for unit in ("B", "KB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


Piece = tuple[str, str]
"""Text and style."""


class Status(Widget):
    """One line under the composer."""

    DEFAULT_CSS = """
    Status { height: 1; background: $panel; color: $foreground 75%; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.facts = Facts()

    def know(self, **changes: Any) -> None:
        """Some facts are new; drawn only when one really is."""
        facts = replace(self.facts, **changes)
        if facts != self.facts:
            self.facts = facts
            self.refresh()

    def render(self) -> Content:
        return Content.assemble(*_fit(self._ways(), self.size.width))

    def _ways(self) -> list[list[list[Piece]]]:
        """For each item the ways to write it, the longest first, an empty one last; the items in the order in which
        they are drawn."""
        facts = self.facts
        return [
            self._offline(),
            self._model(),
            self._meter_ways(),
            [[(f"{facts.rate:.1f} tok/s", "")], [(f"{facts.rate:.0f} t/s", "")], []] if facts.rate else [[]],
            [[(human(facts.memory), "")], []] if facts.memory else [[]],
            self._history(),
        ]

    def _offline(self) -> list[list[Piece]]:
        style = "$warning" if self.facts.offline == "none" else "$success"
        words = _OFFLINE.get(self.facts.offline, _OFFLINE["none"])
        return [[(word[0], style), (word[1:], "")] for word in words]

    def _model(self) -> list[list[Piece]]:
        facts = self.facts
        if facts.trouble:
            return [*([(words, "$error")] for words in (clean_line(facts.trouble), "no model: ctrl+o", "no model")), []]
        if not facts.model:
            return [[("no model", "$warning")], []]
        name = clean_line(facts.model)
        short = name if cell_len(name) <= 14 else name[:13] + "…"
        if facts.loading is not None:
            return [
                [(name, "bold"), (f" loading {facts.loading:.0%}", "$warning")],
                [(short, "bold"), (f" {facts.loading:.0%}", "$warning")],
                [(f"{facts.loading:.0%}", "$warning")],
            ]
        return [[(name, "bold")], [(short, "bold")], []]

    def _meter_ways(self) -> list[list[Piece]]:
        used, limit = self.facts.context_used, self.facts.context_limit
        if not limit or self.facts.loading is not None:
            return [[]]
        full = used / limit
        style = "$error" if full > 0.9 else "$warning" if full > 0.75 else "$primary"
        bar = [(meter(used, limit), f"{style} on $foreground 15%")]
        return [
            [*bar, (f" {used:,} of {limit:,} tokens", "")],
            [*bar, (f" {used:,}/{limit:,}", "")],
            [*bar, (f" {full:.0%}", "")],
            [(f"{full:.0%}", style)],
        ]

    def _history(self) -> list[list[Piece]]:
        facts = self.facts
        if not facts.history:
            return [[]]
        style = "$success" if facts.saved else "$warning"
        word = re.split("[:(]", facts.history)[0].strip()
        return [
            [(f"history {clean_line(facts.history)}", style)],
            [(clean_line(facts.history), style)],
            [(word, style)],
        ]


_SHRINK = (0, 5, 2, 5, 3, 0, 1, 4, 2, 3, 0, 2, 1, 5)
"""Which item is written shorter next, until the line fits: indices into what ``Status._ways`` gives."""


def _fit(ways: Sequence[Sequence[Sequence[Piece]]], width: int) -> list[Piece]:
    chosen = [0] * len(ways)
    for item in (*_SHRINK, None):
        pieces = _joined([way[number] for way, number in zip(ways, chosen, strict=True)])
        if sum(cell_len(text) for text, _ in pieces) <= width or item is None:
            return pieces
        chosen[item] = min(chosen[item] + 1, len(ways[item]) - 1)
    return []


def _joined(items: Sequence[Sequence[Piece]]) -> list[Piece]:
    pieces: list[Piece] = []
    for item in items:
        if item:
            pieces += [(" │ ", "$foreground 30%"), *item] if pieces else item
    return pieces


class Heading(Widget):
    """The chat's title and what is special about it."""

    DEFAULT_CSS = """
    Heading { height: 1; padding: 0 1; background: $panel; color: $foreground; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._title, self._marks = "", ()  # type: tuple[str, tuple[str, ...]]

    def name_chat(self, title: str, marks: Sequence[str] = ()) -> None:
        """``marks`` are words at the right: folder, tags, persona, ``not kept``."""
        if (title, tuple(marks)) != (self._title, self._marks):
            self._title, self._marks = title, tuple(marks)
            self.refresh()

    def render(self) -> Content:
        width = self.size.width
        title = clean_line(self._title) or "New chat"
        marks = " · ".join(map(clean_line, self._marks))
        if cell_len(marks) > width // 2:
            marks = ""
        room = max(1, width - cell_len(marks) - 2)
        text = Content.styled(title, "bold").truncate(room, ellipsis=True)
        gap = " " * max(1, width - text.cell_length - cell_len(marks))
        return Content.assemble(text, gap, (marks, "$foreground 60%"))


class Hints(Widget):
    """The keys that matter now, as many as fit."""

    DEFAULT_CSS = """
    Hints { height: 1; padding: 0 1; color: $foreground 60%; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._hints: tuple[tuple[str, str], ...] = ()
        self._said = ""

    def offer(self, hints: Sequence[tuple[str, str]]) -> None:
        """``(key, word)``, the most important first."""
        if tuple(hints) != self._hints or self._said:
            self._hints, self._said = tuple(hints), ""
            self.refresh()

    def say(self, text: str) -> None:
        """A sentence in place of the keys, until they are offered again."""
        self._said = text
        self.refresh()

    def render(self) -> Content:
        width = self.size.width
        if self._said:
            return Content.styled(clean_line(self._said), "$warning").truncate(width, ellipsis=True)
        pieces: list[Piece] = []
        used = 0
        for key, word in self._hints:
            length = cell_len(key) + 1 + cell_len(word) + (2 if pieces else 0)
            if used + length > width:
                break
            pieces += [("  ", "")] if pieces else []
            pieces += [(key, "$primary bold"), (f" {word}", "")]
            used += length
        return Content.assemble(*pieces)
