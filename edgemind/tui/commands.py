"""The command palette's only source: the table of ``keys``. Textual's own commands, screenshots among them, are not
there.

Not for: doing anything (``screens/chat.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from edgemind.tui import keys

if TYPE_CHECKING:
    from edgemind.tui.app import EdgemindApp


WIDTH = 90
"""Columns of the palette where there are as many."""


class Commands(Provider):
    """Every action of the table that makes sense by itself."""

    @property
    def _app(self) -> EdgemindApp:
        from edgemind.tui.app import EdgemindApp

        assert isinstance(self.app, EdgemindApp)
        return self.app

    def _doing(self, action: keys.Action) -> Callable[[], None]:
        return partial(self._app.perform, action.name)

    async def discover(self) -> Hits:
        for action in keys.ACTIONS:
            if action.palette:
                yield DiscoveryHit(self._shown(action, Content(action.words)), self._doing(action), text=action.words)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in keys.ACTIONS:
            if not action.palette:
                continue
            score = max(matcher.match(action.words), matcher.match(action.command) if action.command else 0)
            if score > 0 and any(word.startswith(query.lower()) for word in (action.command, action.words.lower())):
                score += 1  # what begins with what was typed is what was meant
            if score > 0:
                yield Hit(
                    score, self._shown(action, matcher.highlight(action.words)), self._doing(action), text=action.words
                )

    def _shown(self, action: keys.Action, words: Content) -> Content:
        """The words, and at the right how else it is done; on a narrow screen the words alone."""
        room = min(WIDTH, self.app.size.width) - 8
        ways = [f"/{action.command}"] if action.command else []
        ways += [keys.shown(key) for key in action.keys[:1]]
        other = "  ".join(ways)
        gap = room - words.cell_length - len(other)
        return Content.assemble(words, " " * gap, (other, "$foreground 50%")) if gap >= 2 else words
