"""From a file to an attachment: text of any usual encoding, Markdown, source, CSV; PDF and DOCX in a jailed child.

Everything is bounded: bytes, characters, pages, seconds, memory. What cannot be read is refused with one sentence.
Not for: fitting it into a context (``fitting``), tokens.
"""

from __future__ import annotations

from pathlib import Path

from edgemind.chat.attachments.types import Attachment, AttachmentInfo


def read(path: Path) -> Attachment:
    """Read a file; takes up to ``TIME_LIMIT`` seconds for a PDF or DOCX, so call it in a thread.

    Raises:
        BadInput: it is missing, unreadable, a folder or device, too large, binary, damaged, encrypted, or has no text.
    """
    raise NotImplementedError


def pasted(text: str, name: str = "pasted text") -> Attachment:
    """A large paste as an attachment."""
    size = len(text.encode("utf-8", "replace"))
    return Attachment(AttachmentInfo(name=name, size=size, characters=len(text)), text)
