"""From a file to an attachment: text of any usual encoding, Markdown, source, CSV; PDF and DOCX in a jailed child.

Everything is bounded: bytes, characters, pages, seconds, memory. What cannot be read is refused with one sentence.
Not for: fitting it into a context (``fitting``), tokens, encodings (``decoding``).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edgemind.chat.attachments.decoding import decode
from edgemind.chat.attachments.types import Attachment, AttachmentInfo, Kind
from edgemind.errors import BadInput
from edgemind.terminal import clean_line

MOST_TEXT = 8 << 20
"""Bytes of a text file that are read: more than the context of any model holds."""

MOST_DOCUMENT = 64 << 20
"""Bytes of a PDF or DOCX."""

KINDS: dict[str, Kind] = {
    **dict.fromkeys((".md", ".markdown", ".rst", ".adoc"), "markdown"),
    **dict.fromkeys((".csv", ".tsv"), "table"),
    **dict.fromkeys((".txt", ".text", ".log", ""), "text"),
}
"""By the end of the name; other text counts as source."""


def read(path: Path) -> Attachment:
    """Read a file; takes up to ``extracting.SECONDS`` for a PDF or DOCX, so call it in a thread.

    Raises:
        BadInput: it is missing, unreadable, a folder or device, too large, binary, damaged, encrypted, or has no text.
    """
    shown = clean_line(os.fsencode(path).decode("utf-8", "replace"))
    name = os.fsencode(path.name).decode("utf-8", "replace")
    try:
        descriptor = os.open(
            os.path.expanduser(path), os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except FileNotFoundError as problem:
        raise BadInput(f"There is no file {shown}.", "@ completes names.") from problem
    except (OSError, ValueError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise BadInput(f"{shown} cannot be read: {reason}.", "Choose another file.") from problem
    try:
        about = os.fstat(descriptor)
        if stat.S_ISDIR(about.st_mode):
            raise BadInput(f"{shown} is a folder.", "Attach the files in it.")
        if not stat.S_ISREG(about.st_mode):
            raise BadInput(f"{shown} is no ordinary file.", "Choose another file.")
        return _read(descriptor, name, clean_line(name), about.st_size)
    except OSError as problem:
        raise BadInput(f"{shown} cannot be read: {problem.strerror}.", "Choose another file.") from problem
    finally:
        os.close(descriptor)


def pasted(text: str, name: str = "pasted text") -> Attachment:
    """A large paste as an attachment."""
    size = len(text.encode("utf-8", "replace"))
    return Attachment(AttachmentInfo(name=name, size=size, characters=len(text)), text)


def _read(descriptor: int, name: str, shown: str, size: int) -> Attachment:
    head = _bytes(descriptor, 1024)
    suffix = os.path.splitext(name)[1].lower()
    document: Kind | None = None
    if b"%PDF-" in head:
        document = "pdf"
    elif head.startswith(b"PK\x03\x04") and suffix in (".docx", ".docm", ".dotx"):
        document = "docx"
    if document:
        if size > MOST_DOCUMENT:
            raise BadInput(f"{shown} is larger than {MOST_DOCUMENT >> 20} MiB.", "Split it, or save it as text.")
        from edgemind.chat.attachments.extracting import extract

        os.lseek(descriptor, 0, os.SEEK_SET)
        found = extract(descriptor, document, shown)
        text, note, pages = found.text, found.note, found.pages
        kind: Kind = document
    else:
        data = head + _bytes(descriptor, MOST_TEXT - len(head))
        text, note = decode(data, shown)
        if size > len(data):
            note = "; ".join(filter(None, [f"only its first {MOST_TEXT >> 20} MiB were read", note]))
        kind, pages = KINDS.get(suffix, "source"), None
    if not text.strip():
        raise BadInput(f"{shown} is empty.", "Choose another file.")
    info = AttachmentInfo(name=name, kind=kind, size=size, characters=len(text), pages=pages, note=note)
    return Attachment(info, text)


def _bytes(descriptor: int, most: int) -> bytes:
    parts = []
    while most > 0 and (part := os.read(descriptor, min(most, 1 << 20))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)
