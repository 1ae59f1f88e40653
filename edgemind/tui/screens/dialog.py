"""The frame that every dialog shares: a title, a body, a line for what is wrong, a line of keys; escape leaves.

It fits 40x12: the body scrolls, the two lines below it stay. Keys in the last line can be clicked.
Not for: what a dialog asks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.style import Style
from textual.widgets import Static

from edgemind.terminal import clean_line

T = TypeVar("T")


class Body(VerticalScroll, can_focus=False, inherit_bindings=False):
    """As high as what it holds, as long as that fits. Up and down are the dialog's: they walk its fields."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        chrome = 2 if viewport.height < SHORT else 4 if viewport.height < HIGH else 5
        return min(super().get_content_height(container, viewport, width), max(1, viewport.height - chrome))


SHORT = 8
"""Below this many rows a dialog has no border."""
NARROW = 60
"""Below this many columns there is room for the necessary only."""
HIGH = 16
"""From this many rows on there is room for gaps."""


class Dialog(ModalScreen[T | None], Generic[T]):
    """A modal box in the middle of the screen. Subclasses yield their body from ``body()`` and override ``main()``.

    ``HEADING`` is the title of the box and ``HINTS`` are ``(key, what it does, action)``; both are constants of the
    program, never foreign text.
    """

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > #box {
        width: 84;
        max-width: 100%;
        height: auto;
        max-height: 100%;
        background: $surface;
        border: round $primary;
        border-title-color: $primary;
        border-title-style: bold;
        padding: 0 1;
    }
    Dialog Body { height: auto; scrollbar-size-vertical: 1; }
    Dialog #problem { display: none; height: auto; max-height: 2; color: $text-error; }
    Dialog #hints { height: 1; color: $text-muted; link-style: none; link-style-hover: bold; link-color: $text-muted;
        link-background-hover: $panel; link-color-hover: $foreground; text-wrap: nowrap; text-overflow: ellipsis; }
    Dialog.-high Body { margin: 0 0 1 0; }
    Dialog.-bare > #box { border: none; padding: 0; }
    Dialog .note { height: auto; color: $text-muted; }
    Dialog.-bare .note { display: none; }
    Dialog .warning { height: auto; color: $text-warning; }
    Dialog .gap { height: 1; }
    Dialog.-low .gap { display: none; }
    """

    VERTICAL_BREAKPOINTS = [(0, "-bare"), (SHORT, "-low"), (HIGH, "-high")]  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (NARROW, "-wide")]  # noqa: RUF012

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", show=False),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    HEADING: ClassVar[str] = ""
    HINTS: ClassVar[tuple[tuple[str, str, str], ...]] = (("enter", "ok", "main"), ("esc", "leave", "leave"))

    def __init__(self) -> None:
        super().__init__()
        self._hints = self.HINTS

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = Content(self.HEADING) if self.HEADING else None
            with Body():
                yield from self.body()
            yield Static("", id="problem", markup=False)
            yield Static("", id="hints", markup=False)

    def on_mount(self) -> None:
        self.hint(self._hints)

    def body(self) -> ComposeResult:
        """What stands in the box."""
        yield from ()

    def main(self) -> None:
        """What enter does."""

    def hint(self, hints: tuple[tuple[str, str, str], ...]) -> None:
        """The keys in the last line, each one a button for the mouse too; in a narrow terminal only what acts."""
        self._hints = hints
        parts: list[Content | str] = []
        for key, words, action in hints:
            if action or self.app.size.width >= NARROW:
                parts += [" · "] if parts else []
                link = Style.from_meta({"@click": f"screen.{action}"}) if action else Style()
                parts.append(Content.assemble((key, "bold"), f" {words}").stylize(link))
        self.query_one("#hints", Static).update(Content.assemble(*parts))

    def on_resize(self, event: events.Resize) -> None:
        self.hint(self._hints)

    def complain(self, text: str) -> None:
        """Say what is wrong, in the line above the keys; an empty text takes it away."""
        problem = self.query_one("#problem", Static)
        problem.update(Content(clean_line(text)))
        problem.display = bool(text)

    def action_main(self) -> None:
        self.main()

    def action_leave(self) -> None:
        self.dismiss(None)

    def in_thread(self, work: Callable[[], None]) -> None:
        """Run what may take long; it hands its result back with ``app.call_from_thread``."""
        self.run_worker(work, thread=True, exit_on_error=False)
