"""From a command to a drawn app, in the order that privacy and speed ask for.

The keyring's child first (it needs a socket), then the jail, then Textual and the first frame; the model and the
history are loaded behind it, by whichever screen is shown first.
Not for: flags and terminals (``cli/chat.py``), what is drawn (``app``).
"""

from __future__ import annotations

import gc
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from edgemind.errors import NotOffline
from edgemind.tui.ending import LEFT_WITHIN, NO_TERMINAL, QUIT_WITHIN, Ending

if TYPE_CHECKING:
    from edgemind.chat.keyring_ import Asking
    from edgemind.chat.vault import Vault
    from edgemind.settings import Settings


@dataclass(frozen=True)
class Wishes:
    """What the command line asked for."""

    first: str = ""
    model: str | None = None
    ephemeral: bool = False
    no_think: bool = False
    require_offline: bool = False


@dataclass(frozen=True)
class Ended:
    """How it ended: what is to be said, and the exit code."""

    said: str = ""
    code: int = 0
    abruptly: bool = False
    """The terminal is gone."""


def launch(wishes: Wishes) -> Ended:
    """Run the app until it ends.

    Raises:
        NotOffline: the jail could not be armed, or was asked for and is not to be had here.
        EdgemindError: the settings are not valid.
    """
    gc.disable()  # until the first frame is drawn: nothing that is made before it is thrown away
    before = os.umask(0o077)
    from edgemind.settings import load_settings

    settings = load_settings()
    watched = _watch()
    vault = _vault(settings, wishes)
    asking = _ask_keyring(vault, settings)
    _shut(wishes)

    from edgemind.chat.engines import Engines
    from edgemind.tui.household import Household

    engines = Engines(settings)
    house = Household(
        engines,
        settings,
        vault=vault,
        asking=asking,
        ephemeral=wishes.ephemeral,
        model=wishes.model,
        think=not wishes.no_think,
    )

    from edgemind.tui import crash, terminal_input, theme
    from edgemind.tui.app import EdgemindApp
    from edgemind.tui.driver import QuietDriver

    crash.install()
    terminal_input.install()
    if not sys.__stderr__ or not sys.__stderr__.isatty():
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]  # where Textual draws; a file it was sent to must not get the conversation
    app = EdgemindApp(
        house, umask=before, first=wishes.first, utf8=theme.reads_utf8(), driver=QuietDriver, watched=watched
    )
    watched.save = house.close_in_haste
    try:
        said = app.run(mouse=settings.chat.mouse) or ""
    finally:
        watched.within(QUIT_WITHIN)
        app.finish()
        watched.within(LEFT_WITHIN)
    if watched.gone.is_set():
        return Ended(code=NO_TERMINAL, abruptly=True)
    if app.crashed:
        return Ended(app.crashed, 1)
    return Ended(said, app.return_code or 0)


def _watch() -> Ending:
    """From now on a terminal that goes away, or a signal, ends this process in every state."""
    from edgemind.tui import hush, signals

    signals.leave_when_told()
    watched = Ending(sys.__stdin__.fileno() if sys.__stdin__ is not None else None)
    watched.restore = hush.restore
    watched.watch()
    return watched


def _vault(settings: Settings, wishes: Wishes) -> Vault | None:
    if wishes.ephemeral or settings.chat.history == "off":
        return None
    from edgemind.chat.vault import Vault

    return Vault(clinic=settings.chat.clinic, keep=settings.chat.snapshots)


def _ask_keyring(vault: Vault | None, settings: Settings) -> Asking | None:
    """Begin to ask for the secret, or for a new one when there is no history yet."""
    if vault is None or settings.chat.clinic:
        return None
    from edgemind.chat import keyring_, keys

    state = vault.state()
    if state.kind in ("keyring", "both") and state.key_id:
        return keyring_.ask(state.key_id)
    return keyring_.make(keys.new_key_id()) if state.kind == "none" else None


def _shut(wishes: Wishes) -> None:
    """Shut the network for this process and its children."""
    from edgemind.privacy import jail

    if wishes.require_offline and jail.available() is jail.Strength.NONE:
        raise NotOffline(
            f"--require-offline: this system cannot keep the network shut ({jail.why_not()}).",
            "See what holds here with `edgemind doctor`, or leave --require-offline out.",
        )
    os.environ["HF_HUB_OFFLINE"] = "1"
    jail.arm("ui")
