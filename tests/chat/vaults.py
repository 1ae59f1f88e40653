"""A history on the disk for tests: with a passphrase that is cheap to try, and chats in it."""

from __future__ import annotations

from pathlib import Path

from edgemind.chat import keys
from edgemind.chat.history import History
from edgemind.chat.open_vault import OpenVault
from edgemind.chat.vault import Vault

CHEAP = keys.Argon2(memory_kib=8 << 10, passes=1, lanes=1)
PASSPHRASE = "correct horse battery"
SECRET = bytes(range(32))


def new_vault(folder: Path, *, keyring: bool = False, keep: int = 7) -> OpenVault:
    return Vault(folder, keep=keep).create(PASSPHRASE, SECRET if keyring else None, cost=CHEAP)


def say(history: History, title: str, *texts: str) -> str:
    """A chat with these messages in turn; its id."""
    chat = history.create_chat(title=title, titled=True)
    parent = None
    with history.transaction():
        for number, text in enumerate(texts):
            parent = history.add_turn(chat.id, parent, "assistant" if number % 2 else "user", text).id
    return chat.id


def said(history: History, chat: str) -> list[str]:
    return [turn.content for turn in history.path(chat)]
