"""The application: which screen is shown, the theme, locking, ending. Everything else belongs to a screen.

Not for: starting a process with all that comes before (``launch``).
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from textual import events
from textual.app import App
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.screen import Screen

from edgemind.chat.locking_policy import now
from edgemind.errors import EdgemindError
from edgemind.tui import crash, ending, keys, theme
from edgemind.tui.screens.chat import ChatScreen

if TYPE_CHECKING:
    from textual.command import Provider
    from textual.driver import Driver
    from textual.timer import Timer

    from edgemind.chat.locking_policy import LockingPolicy
    from edgemind.chat.session import Session
    from edgemind.tui.ending import Ending
    from edgemind.tui.household import Household

INPUT = (events.Key, events.Paste, events.MouseDown, events.MouseScrollDown, events.MouseScrollUp)
"""What counts as the user being there."""

QUIT_WITHIN = 2.0
"""Seconds between two ctrl+c that mean: quit."""

LOOK_EVERY = 20.0
"""Seconds. Timers stand still while the machine sleeps, and what the user left may have to be locked when it wakes."""


def _commands() -> type[Provider]:
    """Imported when the palette is opened."""
    from edgemind.tui.commands import Commands

    return Commands


class EdgemindApp(App[str], inherit_bindings=False):
    """Returns, when it ends, what the command line shall say; empty when nothing is to be said.

    Args:
        house: engines and history.
        first: sent as the first message.
        utf8: whether the terminal takes UTF-8.
        driver: Textual's own when not given.
        watched: sees to it that the app ends.
        umask: of the user, for what is written on the user's behalf; the app's own is stricter.
    """

    TITLE = "EdgeMind"
    COMMANDS: ClassVar = {_commands}
    BINDINGS: ClassVar[list[BindingType]] = keys.bindings("app")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (16, "-regular")]  # noqa: RUF012
    CSS = """
    Screen { background: $background; color: $foreground; }
    ToastRack { dock: top; align: right top; margin: 1 0 0 0; }
    Toast { max-width: 60; }
    Tooltip { max-width: 60; }
    CommandPalette { align-horizontal: center; background: $background 60%; }
    CommandPalette > Vertical { width: 90; max-width: 100%; height: 100%; margin-top: 1; background: $surface 0%; }
    CommandPalette #--input, CommandPalette #--input.--list-visible {
        border: round $primary; background: $surface; height: 3; padding: 0 1;
    }
    CommandPalette CommandInput, CommandPalette CommandInput:focus { border: none; height: 1; }
    CommandPalette SearchIcon { display: none; }
    CommandPalette CommandList, CommandPalette CommandList:focus {
        background: $surface; border: round $primary 50%; padding: 0; max-height: 60vh; scrollbar-size-vertical: 1;
    }
    CommandPalette CommandList > .option-list--option-highlighted { background: $primary 30%; text-style: none; }
    """

    def __init__(
        self,
        house: Household,
        *,
        first: str = "",
        utf8: bool = True,
        driver: type[Driver] | None = None,
        watched: Ending | None = None,
        umask: int = 0o022,
    ) -> None:
        self._only_ascii = theme.OnlyAscii(enabled=not utf8)
        super().__init__(driver_class=driver)
        self.house = house
        self.first = first
        self.umask = umask
        self._utf8 = utf8
        self._ending = watched
        self._leaving = False
        self._asked_to_quit = 0.0
        self._idle: Timer | None = None
        self._policy: LockingPolicy | None = None
        self._last_input = now()
        self._covered = False
        self._was_open: str | None = None
        """The id of the chat that was on the screen before a lock."""
        self._crash: BaseException | None = None
        self._unfinished: list[Session] = []
        self._quitting: Screen[Any] | None = None
        for one in theme.THEMES:
            self.register_theme(one)
        self.theme = theme.PREFIX + house.settings.chat.theme
        self.animation_level = "none"

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = list(super().get_line_filters())
        return [*filters, self._only_ascii] if self._only_ascii.enabled else filters

    def drawn(self) -> None:
        """The first frame stands: what was typed until now goes into it, and rubbish is collected again."""
        gc.freeze()
        gc.enable()
        let_in = getattr(self._driver, "let_in", None)
        if let_in is not None:
            let_in()

    # Screens

    def get_default_screen(self) -> Screen[Any]:
        return self._door(warm=True) if self.house.needs_passphrase else ChatScreen(self.house)

    def _door(self, *, warm: bool = False) -> Screen[Any]:
        from edgemind.tui.screens.unlock import UnlockScreen

        return UnlockScreen(self.house, warm=warm)

    @property
    def chat_screen(self) -> ChatScreen | None:
        """The chat, below whatever dialog is open; ``None`` while locked."""
        return None if self._covered else self._lowest

    @property
    def _lowest(self) -> ChatScreen | None:
        bottom = self.screen_stack[0] if self.screen_stack else None
        return bottom if isinstance(bottom, ChatScreen) else None

    def on_mount(self) -> None:
        chat = self.chat_screen
        if chat and self.first:
            chat.say_first(self.first)
        from edgemind.tui import signals

        signals.listen(end=self.end, lock=self.action_lock, ending=self._has_to_end)
        self._watch_terminal()
        self.watch_idleness()
        if not self._utf8:
            self.notify("This terminal does not read UTF-8: lines and letters are shown in ASCII.", markup=False)

    def show_door(self) -> None:
        """The keyring did not open the history: its passphrase has to."""
        self._to_bottom(self._door(warm=True))

    def unlocked(self) -> None:
        """The door is open: show the chat."""
        if self._covered:
            self._uncover()
        else:
            self._to_bottom(ChatScreen(self.house, chat=self._was_open))
        self.watch_idleness()

    def _to_bottom(self, screen: Screen[Any]) -> None:
        """Leave every dialog and put ``screen`` in the place of the lowest."""
        self._close_dialogs()
        if not self.screen._result_callbacks:  # the first screen was not pushed, and switching expects one that was
            self.screen._push_result_callback(self.screen, None)
        self.switch_screen(screen)

    def _close_dialogs(self) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def perform(self, name: str) -> None:
        """An action of the table, by name."""
        if self.chat_screen:
            self.chat_screen.perform(name)

    # Actions

    def action_help(self) -> None:
        from edgemind.tui.screens.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def choose_theme(self, name: str = "") -> None:
        """By name, or the next one."""
        now = self.theme.removeprefix(theme.PREFIX)
        if not name:
            name = theme.NAMES[(theme.NAMES.index(now) + 1) % len(theme.NAMES)] if now in theme.NAMES else "dark"
        if name not in theme.NAMES:
            self.notify(f"There are the themes {', '.join(theme.NAMES)}.", severity="error", markup=False)
            return
        self.theme = theme.PREFIX + name

    def action_copy_or_quit(self) -> None:
        """Copy what is selected with the mouse or in the composer; otherwise the second time in a row quits."""
        selected = self.screen.get_selected_text()
        if not selected and self.chat_screen is self.screen:
            selected = self.chat_screen.composer.selected_text
        pressed = time.monotonic()
        if selected:
            self.copy_to_clipboard(selected)
            self.notify("Copied", timeout=2, markup=False)
        elif pressed - self._asked_to_quit < QUIT_WITHIN:
            self.end()
        else:
            self._asked_to_quit = pressed
            loses = ", and what is not saved is lost" if self._loses_something else ""
            self.notify(f"ctrl+c once more quits{loses}; esc stops an answer.", timeout=QUIT_WITHIN, markup=False)

    def action_suspend(self) -> None:
        self.action_suspend_process()

    async def action_quit(self) -> None:
        """At once when nothing is lost by it; else it has to be said twice."""
        if not self._loses_something or self.screen is self._quitting:
            self.end()
            return
        from edgemind.tui.screens.confirm import ConfirmScreen

        text = f"{self.house.kept_words()}\nWhat is not saved is lost."
        self._quitting = ConfirmScreen("Quit?", text.strip(), "Quit")
        self.push_screen(self._quitting, lambda sure: self.end() if sure else None)

    @property
    def _loses_something(self) -> bool:
        """Something was said that was to be kept, or might have been, and is not on the disk."""
        chat, history = self._lowest, self.house.history
        if chat is None or history is None:
            return False
        only_here = self.house.kept in ("memory", "trouble", "unsaved") and history.count() > 0
        return only_here or bool(self.house.waiting) or any(session.not_saving for session in chat.sessions)

    def end(self, said: str = "") -> None:
        """Save and leave."""
        if self._leaving:
            return
        self._leaving = True
        if self._ending is not None:
            self._ending.within(ending.QUIT_WITHIN)
        try:
            chat = self._lowest
            if chat:
                chat.save()
            self.house.close()
        finally:
            self.exit(said)

    def _has_to_end(self) -> None:
        if self._ending is not None:
            self._ending.within(ending.GONE_WITHIN)

    def _watch_terminal(self) -> None:
        """When the terminal is gone there is nobody to draw for: save and leave."""
        if self._ending is not None:
            loop = asyncio.get_running_loop()
            self._ending.on_gone = lambda: loop.call_soon_threadsafe(self.end)
            self._ending.tell_gone()

    # Locking

    def action_lock(self) -> None:
        """The worker ends, the history closes, the screen forgets; the door is shown, or the app ends.

        What could not be saved would be lost by that: then the door stands before it, and it stays open behind.
        """
        chat = self.chat_screen
        if chat is None:
            return
        opens_again = self.house.locking is not None and self.house.locking.locking == "unlock screen"
        if self.house.open_vault is None or (chat.unsaved and not opens_again):
            what = "Nothing" if self.house.open_vault is None else "Not everything"
            hint = "/passphrase keeps it." if self.house.kept == "memory" else "ctrl+q ends the app."
            self.notify(f"{what} is saved, so a lock would lose it. {hint}", severity="warning", markup=False)
            return
        self._close_dialogs()
        self._clipboard = ""
        if chat.unsaved:
            self._cover(chat)
            return
        self._was_open = chat.kept_id
        chat.save()
        chat.forget()
        if self.house.lock():
            self._to_bottom(self._door())
        else:
            self.exit("Locked. `edgemind` opens it again.")

    def _cover(self, chat: ChatScreen) -> None:
        """Show the door and keep what is behind it."""
        chat.stop_answers()
        self.house.engines.kill()
        self.house.engines.unload()
        self._covered = True
        self.push_screen(self._door())

    def _uncover(self) -> None:
        self._covered = False
        self._close_dialogs()
        self.house.load_model()

    def action_panic(self) -> None:
        """Nothing is asked and nothing waited for: what was acknowledged is on the disk already."""
        self.house.engines.kill()
        chat = self._lowest
        if chat:
            chat.abandon()
            chat.forget(wait=False)
        self._clipboard = ""
        self.house.drop()
        self.exit("")

    def watch_idleness(self) -> None:
        """After whatever changes when the chats lock themselves. Nothing wakes up while they do not."""
        self._policy = self.house.locking if self.chat_screen else None
        wait = self._policy.wait(self._last_input, now()) if self._policy else None
        if self._idle is not None:
            self._idle.stop()
            self._idle = None
        if wait is not None:
            self._idle = self.set_timer(min(max(wait, 0.05), LOOK_EVERY), self._maybe_idle)

    @property
    def _idle_too_long(self) -> bool:
        return self._policy is not None and self._policy.due(self._last_input, now())

    def _maybe_idle(self) -> None:
        if self.chat_screen and self._idle_too_long:
            if self.house.open_vault is None:  # clinic mode; nobody wants it kept
                self.end("Nothing was typed for a while, so clinic mode has ended the app.")
                return
            self.action_lock()
            self._last_input = now()  # if it could not be locked: as long again
        self.watch_idleness()

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, INPUT):
            if self.chat_screen and self._idle_too_long:  # the machine slept; whoever woke it sees the door first
                self._maybe_idle()
                return
            self._last_input = now()
        await super().on_event(event)

    # What Textual would do and must not

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        """The screen is not written to a file."""

    def open_url(self, url: str, *, new_tab: bool = True) -> None:
        """Nothing is opened: the address is shown and put on the clipboard."""
        from edgemind.terminal import clean_line

        url = clean_line(url)  # an escape sequence in it would run when it is pasted into a terminal
        self.copy_to_clipboard(url)
        self.notify(f"Copied the address: {url}", markup=False)

    def _handle_exception(self, error: Exception) -> None:
        """The first one ends the app; ``crash`` says where, Textual would say what was in the variables."""
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        if self._crash is None:
            self._crash = error
            self._unfinished = self._lowest.sessions if self._lowest else []
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        self._exit_renderables.clear()

    def finish(self) -> None:
        """After the last frame, however it came to that: save what can still be saved."""
        for session in self._unfinished:
            session.close()
        self.house.close()

    @property
    def crashed(self) -> str:
        """The report, if the app was at fault; after ``finish``."""
        if self._crash is None:
            return ""
        lost = any(session.not_saving for session in self._unfinished)
        saved = self.house.kept == "encrypted" and not lost
        kept = "What was said is in the history." if saved else "What was not saved is lost."
        return crash.describe(self._crash, kept)


def told(problem: EdgemindError) -> str:
    """Message and hint in one line."""
    return f"{problem.message} {problem.hint}".strip()
