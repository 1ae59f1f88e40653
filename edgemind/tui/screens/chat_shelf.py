"""What the keys do with whole chats: new, open, search, rename, pin, folders, tags, duplicate, export, import, delete.

Not for: messages and answers (``chat_answers``), models and privacy (``chat``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgemind.errors import BadInput
from edgemind.terminal import clean_line
from edgemind.tui.screens.chat_answers import Answering
from edgemind.tui.widgets.sidebar import ChatList

if TYPE_CHECKING:
    from edgemind.chat.export import Format
    from edgemind.chat.history import History
    from edgemind.chat.types import Chat, Hit, Persona
    from edgemind.tui.screens.export import ExportTo
    from edgemind.tui.screens.rename import Renamed
    from edgemind.tui.screens.settings import ChatSettings

Part = Literal["title", "folder", "tags"]


class Shelving(Answering):
    """See the module."""

    # Going from one to another

    def action_new_chat(self) -> None:
        self.open_chat(None)
        self.composer.focus()

    def action_ephemeral(self) -> None:
        self.open_ephemeral()
        self.composer.focus()
        self.notify("Nothing of this chat is kept.", markup=False)

    def action_toggle_sidebar(self) -> None:
        """Show it and go there; from there or beside it: put it away."""
        shown = self.sidebar.shown
        if shown and not self.sidebar.list.has_focus and self.size.width >= 60:
            self.sidebar.list.focus()
            return
        self.sidebar.set_class(not shown, "-shown")
        if shown:
            self.composer.focus()
        else:
            self.sidebar.list.focus()

    def on_chat_list_opened(self, event: ChatList.Opened) -> None:
        if not self.session or self.session.chat.id != event.chat:
            self.attempt(lambda: self.open_chat(event.chat))
        self.composer.focus()
        if self.size.width < 60:
            self.sidebar.remove_class("-shown")

    def on_chat_list_asked(self, event: ChatList.Asked) -> None:
        doings: dict[str, Callable[[str], None]] = {
            "pin": self._pin,
            "rename": lambda chat: self._ask_names(chat, "title"),
            "folder": lambda chat: self._ask_names(chat, "folder"),
            "tags": lambda chat: self._ask_names(chat, "tags"),
            "duplicate": self._duplicate,
            "export": self._export,
            "delete": self._ask_delete,
        }
        self.attempt(lambda: doings[event.action](event.chat))

    def action_search(self, argument: str = "") -> None:
        def ask() -> None:
            from edgemind.tui.screens.search import SearchScreen

            self.app.push_screen(SearchScreen(self.kept_history.search, argument), self._found)

        self.attempt(ask)

    def _found(self, hit: Hit | None) -> None:
        if hit is not None:
            self.attempt(lambda: self.open_chat(hit.chat.id, turn=hit.turn))
            self.composer.focus()

    # The chat on the screen

    def _here(self) -> Chat | None:
        if self.session is None:
            self.notify("Nothing has been said here yet.", markup=False)
            return None
        return self.session.chat

    def _home(self, chat_id: str) -> History:
        """Where a chat lives: one that is kept nowhere is only on the screen."""
        if self._kept_out is not None and self.session and self.session.chat.id == chat_id:
            return self._kept_out
        return self.house.waiting.get(chat_id) or self.kept_history

    def _update(self, chat_id: str, **changes: Any) -> None:
        """Change a chat; one that has a session through it, which holds a copy."""
        session = next((one for one in self.sessions if one.chat.id == chat_id), None)
        if session:
            title = changes.pop("title", None)
            changes.pop("titled", None)
            if title is not None:
                session.rename(title)
            session.shelve(**changes)
        else:
            self._home(chat_id).update_chat(chat_id, **changes)
        self._listed_again()

    def _listed_again(self) -> None:
        self.sidebar.list.refresh_rows()
        if self.session:
            self.sidebar.list.mark(self.session.chat.id)
        self.show_facts()

    def action_pin(self) -> None:
        chat = self._here()
        if chat:
            self.attempt(lambda: self._pin(chat.id))

    def _pin(self, chat_id: str) -> None:
        self._update(chat_id, pinned=not self._home(chat_id).chat(chat_id).pinned)

    def action_rename(self, argument: str = "") -> None:
        chat = self._here()
        if chat and argument.strip():
            self.attempt(lambda: self._update(chat.id, title=argument.strip(), titled=True))
        elif chat:
            self.attempt(lambda: self._ask_names(chat.id, "title"))

    def action_folder(self, argument: str = "") -> None:
        chat = self._here()
        if chat and argument.strip():
            self.attempt(lambda: self._update(chat.id, folder=argument.strip()))
        elif chat:
            self.attempt(lambda: self._ask_names(chat.id, "folder"))

    def action_tags(self, argument: str = "") -> None:
        chat = self._here()
        words = argument.replace(",", " ").replace("#", " ").split()
        if chat and words:
            self.attempt(lambda: self._update(chat.id, tags=tuple(dict.fromkeys(words))))
        elif chat:
            self.attempt(lambda: self._ask_names(chat.id, "tags"))

    def _ask_names(self, chat_id: str, begin: Part) -> None:
        from edgemind.tui.screens.rename import RenameScreen

        history = self._home(chat_id)
        chat = history.chat(chat_id)

        def named(names: Renamed | None) -> None:
            if names is not None:
                changes: dict[str, Any] = {"folder": names.folder, "tags": names.tags}
                if names.title != chat.title:
                    changes |= {"title": names.title, "titled": True}
                self.attempt(lambda: self._update(chat_id, **changes))

        screen = RenameScreen(chat, folders=history.folders(), tags=history.tags(), begin=begin)
        self.app.push_screen(screen, named)

    def action_duplicate(self) -> None:
        chat = self._here()
        if chat:
            self.attempt(lambda: self._duplicate(chat.id))

    def _duplicate(self, chat_id: str) -> None:
        history = self._home(chat_id)
        if history is self._kept_out:
            raise BadInput("A chat that is not kept cannot be duplicated.", "/export writes it to a file.")
        copy = history.duplicate(chat_id)
        self.open_chat(copy.id)
        self._listed_again()

    def action_delete(self) -> None:
        chat = self._here()
        if chat:
            self.attempt(lambda: self._ask_delete(chat.id))

    def _ask_delete(self, chat_id: str) -> None:
        from edgemind.tui.screens.confirm import ConfirmScreen

        chat = self._home(chat_id).chat(chat_id)
        count = f"{chat.messages:,} message{'' if chat.messages == 1 else 's'}"
        kept = self.house.keeps_deleted(self._home(chat_id))
        screen = ConfirmScreen("Delete this chat?", f"{chat.title or 'New chat'}\n{count}; {kept}", "Delete")
        self.app.push_screen(screen, lambda sure: self._delete(chat_id) if sure else None)

    def _delete(self, chat_id: str) -> None:
        history = self._home(chat_id)
        if self.session and self.session.chat.id == chat_id:
            self.open_chat(None)
        away = self._away.pop(chat_id, None)
        if away is not None:
            away.close()

        async def delete() -> None:
            await asyncio.to_thread(self.house.delete_chat, history, chat_id)
            self._listed_again()

        self.behind(delete())

    # Out and in

    def action_export(self, argument: str = "") -> None:
        chat = self._here()
        if chat and argument.strip():
            self.attempt(lambda: self._export_to(chat.id, Path(argument.strip()).expanduser()))
        elif chat:
            self.attempt(lambda: self._export(chat.id))

    def _export(self, chat_id: str) -> None:
        from edgemind.tui.screens.export import ExportScreen

        def chosen(to: ExportTo | None) -> None:
            if to is not None:
                self.attempt(lambda: self._export_to(chat_id, to.path, to.format, overwrite=to.overwrite))

        self.app.push_screen(ExportScreen(self._home(chat_id).chat(chat_id).title), chosen)

    def _export_to(self, chat_id: str, path: Path, form: Format | None = None, *, overwrite: bool = False) -> None:
        from edgemind.chat import export

        chosen = form or export.form_of(path) or "markdown"
        history = self._home(chat_id)

        async def write() -> None:
            text = await asyncio.to_thread(export.export, history, chat_id, chosen)
            await asyncio.to_thread(export.save, text, path, overwrite)
            self.notify(clean_line(f"Written, and not encrypted: {path}"), timeout=8, markup=False)

        self.behind(write())

    def action_import_chats(self, argument: str = "") -> None:
        if argument.strip():
            self._import(Path(argument.strip()).expanduser())
            return
        from edgemind.tui.screens.export import PathScreen

        self.app.push_screen(PathScreen("Import chats"), self._import)

    def _import(self, path: Path | None) -> None:
        if path is None:
            return

        async def bring() -> None:
            from edgemind.chat.import_ import import_file

            chats = await asyncio.to_thread(import_file, self.kept_history, path)
            self._listed_again()
            self.notify(f"Imported: {len(chats)} chat{'' if len(chats) == 1 else 's'}", markup=False)

        self.behind(bring())

    # Settings of this chat

    def action_settings(self) -> None:
        def ask() -> None:
            from edgemind.tui.screens.settings import SettingsScreen

            screen = SettingsScreen(self.begun().chat, self.kept_history.personas(), model=self.house.model_sampling())
            self.app.push_screen(screen, self._settle)

        self.attempt(ask)

    def _settle(self, chosen: ChatSettings | None) -> None:
        if chosen is None:
            return

        def settle() -> None:
            session = self.begun()
            if chosen.persona != session.chat.persona:
                named = [one for one in self.kept_history.personas() if one.name == chosen.persona]
                session.set_persona(named[0] if named else None)
            if chosen.system != session.chat.system:
                session.set_system(chosen.system)
            if chosen.parameters != session.chat.parameters:
                session.set_parameters(chosen.parameters)
            self.transcript.set_confidence(chosen.parameters.confidence)

        self.attempt(settle)
        self.show_facts()

    def action_system(self, argument: str = "") -> None:
        if not argument.strip():
            self.action_settings()
        elif self.attempt(lambda: self.begun().set_system(argument.strip())):
            self.notify("The model is told so from the next message on.", markup=False)

    def action_persona(self, argument: str = "") -> None:
        def ask() -> None:
            name = argument.strip()
            if not name:
                from edgemind.tui.screens.personas import PersonasScreen

                current = self.session.chat.persona if self.session else None
                self.app.push_screen(PersonasScreen(self.kept_history, current), self._become)
                return
            known = [one for one in self.kept_history.personas() if one.name.lower() == name.lower()]
            if not known:
                raise BadInput(f"There is no persona {name!r}.", "/persona shows those there are")
            self._become(known[0])

        self.attempt(ask)

    def _become(self, persona: Persona | None) -> None:
        if persona is not None and self.attempt(lambda: self.begun().set_persona(persona)):
            self.show_facts()
