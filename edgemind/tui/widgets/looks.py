"""What the looks of the transcript are in colours, and lines of them as strips for the screen.

A look is a component class made from the theme's own variables. Not for: which text has which look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from edgemind.tui.widgets.markdown.lines import Line, width_of

if TYPE_CHECKING:
    from textual.widget import Widget

_STYLES = {
    # Markdown
    "em": "text-style: italic;",
    "strong": "text-style: bold;",
    "strike": "text-style: strike; color: $text-muted;",
    "code": "color: $text-warning; background: $foreground 7%;",
    "link": "color: $text-accent; text-style: underline;",
    "address": "color: $text-muted;",
    "h1": "color: $text-primary; background: $primary 14%; text-style: bold;",
    "h2": "color: $text-primary; text-style: bold;",
    "h3": "color: $text-accent; text-style: bold;",
    "h4": "text-style: bold;",
    "h5": "text-style: bold italic;",
    "h6": "text-style: italic;",
    "bullet": "color: $text-primary;",
    "quote": "color: $text-muted;",
    "quote-bar": "color: $foreground 30%;",
    "rule": "color: $foreground 25%;",
    "table-head": "text-style: bold; color: $text-primary;",
    "table-line": "color: $foreground 25%;",
    "html": "color: $text-muted;",
    "code-block": "background: $foreground 6%;",
    "code-title": "background: $foreground 11%; color: $text-muted;",
    "syntax-keyword": "color: $text-accent;",
    "syntax-type": "color: $text-primary;",
    "syntax-function": "color: $text-primary;",
    "syntax-builtin": "color: $text-warning;",
    "syntax-number": "color: $text-warning;",
    "syntax-string": "color: $text-success;",
    "syntax-comment": "color: $text-muted; text-style: italic;",
    "syntax-deleted": "color: $text-error;",
    # Confidence
    "guess": "color: $text-warning; text-style: underline;",
    "guess-current": "background: $warning; color: $background; text-style: bold;",
    # Thought
    "thought": "color: $text-muted;",
    "thought-faint": "color: $text-disabled;",
    "thought-current": "color: $foreground 85%;",
    "thought-title": "color: $text-secondary; text-style: bold;",
    "thought-folded": "color: $text-secondary;",
    "thought-hint": "color: $text-disabled;",
    "thought-number": "color: $text-disabled;",
    "thought-here": "color: $text-secondary;",
    "hit": "background: $warning 35%;",
    "hit-current": "background: $warning; color: $background; text-style: bold;",
    # Messages
    "user": "background: $foreground 4%;",
    "bar-user": "color: $primary;",
    "bar-selected": "color: $warning;",
    "name-user": "color: $text-primary; text-style: bold;",
    "name-model": "color: $text-secondary; text-style: bold;",
    "figures": "color: $text-disabled;",
    "attachment": "color: $text-accent;",
    "source": "color: $text-accent;",
    "passage": "color: $text-muted;",
    "status": "color: $text-muted; text-style: italic;",
    "note": "color: $text-muted; text-style: italic;",
    "note-warning": "color: $text-warning;",
    "note-error": "color: $text-error;",
}

_PREFIX = "look--"
COMPONENTS = {f"{_PREFIX}{name}" for name in _STYLES}
LOOKS = "TranscriptView {" + "".join(f"& > .{_PREFIX}{name} {{{style}}}\n" for name, style in _STYLES.items()) + "}"
"""The component classes as CSS."""


class Palette:
    """Looks to styles, as the theme has them now."""

    def __init__(self, widget: Widget) -> None:
        self._widget = widget
        self._known: dict[str, Style] = {}
        self.guesses = False
        """Whether guessed words are marked."""
        self.current_guess: object = None
        """The mark of the guessed word that is looked at."""

    def clear(self) -> None:
        self._known.clear()

    def style(self, look: str) -> Style:
        """The style of a look; of several names the later win."""
        style = self._known.get(look)
        if style is None:
            style = self._widget.rich_style
            for name in look.split():
                if name == "guess" and not self.guesses:
                    continue
                style += self._component(name)
            self._known[look] = style
        return style

    def _component(self, name: str) -> Style:
        """Colours with what they let through of the ground beneath them."""
        styles = self._widget.get_component_styles(_PREFIX + name)
        ground = self._widget.background_colors[1]
        background = None
        if styles.has_rule("background") and styles.background.a > 0:
            ground = ground + styles.background
            background = ground.rich_color
        colour = None
        if styles.has_rule("auto_color") and styles.auto_color:
            colour = (ground + ground.get_contrast_text(styles.color.a)).rich_color
        elif styles.has_rule("color") and styles.color.a > 0:
            colour = (ground + styles.color).rich_color
        return Style(color=colour, bgcolor=background) + styles.text_style


def strip_of(line: Line, width: int, palette: Palette) -> Strip:
    """A line as a strip of exactly ``width`` cells."""
    fill = palette.style(line.fill)
    segments: list[Segment] = []
    cells = 0
    current = palette.current_guess
    for text, look, mark in line.pieces:
        if text:
            if current is not None and mark == current:
                look = f"{look} guess-current"
            segments.append(Segment(text, palette.style(look)))
            cells += width_of(text)
    if cells < width:
        segments.append(Segment(" " * (width - cells), fill))
        cells = width
    strip = Strip(segments, cells)
    return strip.crop(0, width) if cells > width else strip


def selected(strip: Strip, span: tuple[int, int], style: Style) -> Strip:
    """The strip with the characters of ``span`` (an end of -1: all that follow) in another style."""
    start, end = span
    segments: list[Segment] = []
    at = 0
    for text, old, _ in strip:
        first, last = max(0, start - at), len(text) if end < 0 else min(len(text), end - at)
        at += len(text)
        if last <= first:
            segments.append(Segment(text, old))
            continue
        parts = ((text[:first], False), (text[first:last], True), (text[last:], False))
        segments += [
            Segment(part, Style.combine([old or Style.null(), style]) if inside else old)
            for part, inside in parts
            if part
        ]
    return Strip(segments, strip.cell_length)
