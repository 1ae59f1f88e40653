"""What an attachment is: what is known about it, its text, and what of it the model was given.

Not for: reading files (``reading``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

Kind = Literal["text", "markdown", "source", "table", "pdf", "docx"]
Treatment = Literal["whole", "cut", "summary", "passages"]


class AttachmentInfo(BaseModel):
    """What is known about an attachment without its text; kept in the history as JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """The file's name without its folder, as it was; clean it where it is shown."""
    kind: Kind = "text"
    size: int = 0
    """Bytes of the file."""
    characters: int = 0
    """Of the whole extracted text."""
    tokens: int | None = None
    """Of the whole text; ``None`` as long as nobody has counted."""
    pages: int | None = None
    """Of a PDF."""
    note: str = ""
    """What a reader should know: pages without text, an encoding that was guessed."""
    treatment: Treatment = "whole"
    """How much of it the model was given."""
    given: str | None = None
    """What the model was given in place of the text: its beginning, a summary, passages."""


@dataclass(frozen=True)
class Attachment:
    """An attachment with its text."""

    info: AttachmentInfo
    text: str
    """All that was read. Pages of a PDF are separated by form feeds (``\\f``)."""

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.info.size

    @property
    def tokens(self) -> int | None:
        """Of the text, if somebody has counted."""
        return self.info.tokens

    @property
    def prompt_text(self) -> str:
        """What the model is given."""
        return self.text if self.info.given is None else self.info.given

    def with_info(self, **changes: object) -> Attachment:
        """The same text, with other facts about it."""
        return Attachment(self.info.model_copy(update=changes), self.text)


class Passage(BaseModel):
    """A part of an attachment that was given to the model, shown beside the answer with its place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Of the attachment."""
    text: str
    lines: tuple[int, int]
    """First and last line in the extracted text, from 1."""
    pages: tuple[int, int] | None = None
    """First and last page, from 1, where the file has pages."""
    score: float = 0.0
    """BM25; higher is more relevant."""

    @property
    def source(self) -> str:
        """``report.pdf, page 3`` or ``notes.txt, lines 12-30``."""
        what, span = ("page", self.pages) if self.pages else ("line", self.lines)
        first, last = span
        return f"{self.name}, {what} {first}" if first == last else f"{self.name}, {what}s {first}-{last}"


Choice = Literal["cut", "summarise", "passages"]
"""What may be done with attachments that do not fit."""


@dataclass(frozen=True)
class Fit:
    """Whether a message with its attachments fits the context, in tokens."""

    fits: bool
    tokens: int
    """Of the attachments together."""
    room: int
    """Free for them: context less system prompt, the message itself and some room for the answer."""
    parts: int
    """Requests that summarising in parts would take."""
    names: tuple[str, ...] = ()
    """Of the attachments."""
