"""The command palette's only source: the table of ``keys``. Textual's own commands, screenshots among them, are not
there.

Not for: doing anything (``screens/chat.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider

from edgemind.tui import keys

if TYPE_CHECKING:
    from edgemind.tui.app import EdgemindApp


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
                yield DiscoveryHit(action.words, self._doing(action), help=_help(action))

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for action in keys.ACTIONS:
            if not action.palette:
                continue
            score = max(matcher.match(action.words), 0.9 * matcher.match(action.command) if action.command else 0)
            if score > 0:
                yield Hit(score, matcher.highlight(action.words), self._doing(action), help=_help(action))


def _help(action: keys.Action) -> str:
    """How else it is done."""
    ways = [keys.shown(key) for key in action.keys]
    ways += [f"/{action.command} {action.argument}".strip()] if action.command else []
    return "  ".join(ways)
