"""A draft as text: what is written, the pasted texts and the paths of attached files, so that all of it survives.

A draft without attachments is its text as it is. Not for: where drafts are kept (``chat.history``, encrypted).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgemind.tui.widgets.chip import Held

_MARK = "\x01edgemind draft 1\n"


class Drafts(Protocol):
    """Where unsent text waits; ``History`` is one. Called from a thread."""

    def draft(self, chat: str) -> str: ...

    def set_draft(self, chat: str, text: str) -> None: ...


@dataclass(frozen=True)
class Draft:
    """What is in the composer. ``attached`` is in the order of the chips: a path, or pasted text."""

    text: str = ""
    attached: tuple[Path | str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text or self.attached)


def draft_of(text: str, held: Sequence[Held]) -> Draft:
    """The draft of a text and the chips above it."""
    attached = (one.path or (one.attachment.text if one.attachment else None) for one in held)
    return Draft(text, tuple(one for one in attached if one is not None))


def encode(draft: Draft) -> str:
    """As one string for the history."""
    if not draft.attached and not draft.text.startswith("\x01"):
        return draft.text
    attached = [{"path": str(one)} if isinstance(one, Path) else {"pasted": one} for one in draft.attached]
    return _MARK + json.dumps({"text": draft.text, "attached": attached})


def decode(stored: str) -> Draft:
    """Never fails: what is not understood is the text."""
    if not stored.startswith(_MARK):
        return Draft(stored)
    try:
        found = json.loads(stored.removeprefix(_MARK))
        attached = tuple(Path(one["path"]) if "path" in one else str(one["pasted"]) for one in found["attached"])
        return Draft(str(found["text"]), attached)
    except (ValueError, KeyError, TypeError):
        return Draft(stored)


class DraftKeeper:
    """Writes drafts in one thread, in the order they were given; only the newest of a chat matters."""

    def __init__(self, drafts: Drafts) -> None:
        self.drafts = drafts
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="drafts")

    def save(self, chat: str, draft: Draft) -> Future[None]:
        return self._pool.submit(self._save, chat, draft)

    def _save(self, chat: str, draft: Draft) -> None:
        # A history that cannot be written says so in the status line; a draft need not say it again.
        try:
            self.drafts.set_draft(chat, encode(draft))
        except Exception:
            return

    def load(self, chat: str) -> Draft:
        """The draft of a chat, after what is under way has been written."""
        try:
            return decode(self._pool.submit(self.drafts.draft, chat).result())
        except Exception:
            return Draft()

    def close(self, *, wait: bool = True) -> None:
        """Wait for what is under way, or leave it."""
        self._pool.shutdown(wait=wait, cancel_futures=not wait)
