"""Installed models: how large they are, whether they fit the memory that is free, which one answers; switch and unload.

A model that arrives while the screen is open (``edgemind pull`` in another terminal) appears by itself: the store's
folder is looked at only while this screen is shown.
Not for: fetching (no process that shows a chat can reach a network).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from edgemind.errors import EdgemindError
from edgemind.terminal import clean_line
from edgemind.tui.screens.dialog import Dialog
from edgemind.tui.widgets.status import human

if TYPE_CHECKING:
    from edgemind.chat.engines import Engines
    from edgemind.chat.installed import InstalledModel

LOOK_EVERY = 3.0
"""Seconds between two looks at the store's folder."""


class ModelsScreen(Dialog[str]):
    """Dismissed with the name of the model to use, or ``None``."""

    DEFAULT_CSS = """
    ModelsScreen {
        #box { width: 84; }
        #models-list { height: auto; max-height: 16; border: none; background: $surface; padding: 0;
                       scrollbar-size-vertical: 1; }
        #models-list > .option-list--option-highlighted { background: $primary 30%; text-style: none; }
        #models-said { height: auto; color: $text-muted; }
    }
    """

    HEADING = "Models on this machine"
    HINTS = (("enter", "use it", "main"), ("u", "unload", "unload"), ("esc", "leave", "leave"))

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,ctrl+o", "leave", show=False),
        Binding("u", "unload", show=False),
    ]

    def __init__(self, engines: Engines) -> None:
        super().__init__()
        self._engines = engines
        self._models: list[InstalledModel] = []
        self._stamp: object = None

    def body(self) -> ComposeResult:
        yield OptionList(id="models-list", markup=False)
        yield Static("", classes="gap")
        yield Static("Looking ...", id="models-said", markup=False)

    def main(self) -> None:
        self.query_one(OptionList).action_select()

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()
        self.set_interval(LOOK_EVERY, self._look_again)
        self.run_worker(self._look(), exclusive=True)

    def _look_again(self) -> None:
        if self.is_current:
            self.run_worker(self._look(), exclusive=True)

    async def _look(self) -> None:
        stamp = await asyncio.to_thread(_stamp)
        if stamp == self._stamp and self._models:
            return
        self._stamp = stamp
        try:
            models = await asyncio.to_thread(self._engines.installed)
        except EdgemindError as problem:
            self._say(f"{problem.message} {problem.hint}")
            return
        new = {model.name for model in models} - {model.name for model in self._models} if self._models else set()
        self._models = models
        self._draw()
        if new:
            self._say(f"Just arrived: {', '.join(sorted(new))}")
        elif len(models) < 2:
            self._say("A larger one that fits this machine: edgemind recommend, then edgemind pull NAME, in another "
                      "terminal. It appears here when it has arrived.")  # fmt: skip
        else:
            self._say("")

    def on_resize(self, event: events.Resize) -> None:
        self._draw()

    def _draw(self) -> None:
        options = self.query_one(OptionList)
        at = options.highlighted
        width = min(self.size.width, 84) - 6
        options.clear_options()
        for model in self._models:
            options.add_option(Option(row(model, width, used=model.name == self._engines.name), id=None))
        if self._models:
            names = [model.name for model in self._models]
            here = names.index(self._engines.name) if self._engines.name in names else 0
            options.highlighted = min(at, len(names) - 1) if at is not None else here

    def _say(self, text: str) -> None:
        self.query_one("#models-said", Static).update(clean_line(text.strip()))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        model = self._models[event.option_index]
        if model.kind != "gguf":
            self._say(f"{model.name} is {model.kind}: it is no model that can chat here.")
        elif model.trouble:
            self._say(model.trouble)
        else:
            self.dismiss(model.name)

    async def action_unload(self) -> None:
        await asyncio.to_thread(self._engines.unload)
        self._draw()
        self._say("Unloaded; the next message loads it again.")


def row(model: InstalledModel, width: int, *, used: bool) -> Content:
    """One model on one line of so many columns; what does not fit is left out from the right."""
    fits = {True: ("fits", "$success"), False: ("too large", "$error"), None: ("", "")}[model.fits]
    columns: Sequence[tuple[str, str, int]] = (
        (model.quantization or (model.kind if model.kind != "gguf" else ""), "$foreground 60%", 8),
        (human(model.size_bytes), "", 8),
        (f"{model.context // 1024}k" if model.context >= 1024 else "", "$foreground 60%", 6),
        (f"needs {human(model.needs_bytes)}" if model.needs_bytes else "", "$foreground 60%", 14),
    )
    mark = ("● ", "$success") if used else ("  ", "")
    name = clean_line(model.name)
    room = max(12, min(34, width - 2 - 22))
    if cell_len(name) > room:
        name = set_cell_size(name, room - 2) + "… "
    pieces: list[tuple[str, str]] = [mark, (set_cell_size(name, room), "bold" if used else "")]
    left = width - 2 - room - 10
    for text, style, size in columns:
        if size <= left:
            pieces.append((set_cell_size(text, size), style))
            left -= size
    pieces.append((set_cell_size("broken" if model.trouble else fits[0], 10), "$error" if model.trouble else fits[1]))
    return Content.assemble(*pieces)


def _stamp() -> object:
    """Something that changes when a model comes or goes: names and times of manifests, and of files in this folder."""
    from edgemind.settings import paths

    found = []
    for folder in (paths().data / "models" / "manifests", Path.cwd()):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            found += [
                (entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.name.endswith((".json", ".gguf"))
            ]
    return sorted(found)
