"""The text of a Word document: paragraphs and tables in their order, tracked insertions included, deletions not.

Runs in the jailed child only. The archive is looked at before anything is unpacked. Not for: layout, pictures.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from typing import IO, Any

from edgemind.chat.attachments.extracting import Extracted

MOST_UNPACKED = 256 << 20
"""Bytes of all parts together, as the archive promises."""

MOST_PARTS = 5000
MOST_CHARACTERS = 8 << 20

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_SPACES = {f"{_W}tab": "\t", f"{_W}br": "\n", f"{_W}cr": "\n", f"{_W}noBreakHyphen": "-"}
_ENDS = {f"{_W}p": "\n", f"{_W}tr": "\n"}
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
AGAIN = "Save it anew in another program, or as text."


def text_of(stream: IO[bytes]) -> Extracted:
    """The document's text; a cell of a table ends with a tab."""
    try:
        with zipfile.ZipFile(stream) as archive:
            parts = archive.infolist()
            names = {part.filename for part in parts}
            if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED:
                return Extracted(problem="unpacks to more than a document may.", hint=AGAIN)
            if "word/document.xml" not in names:
                return Extracted(problem="is a zip archive, but no Word document.", hint=AGAIN)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError):
        return Extracted(problem="is damaged, or no Word document.", hint=AGAIN)
    stream.seek(0)
    try:
        from docx import Document

        body = Document(stream).element.body
    except MemoryError:
        raise
    except Exception:
        return Extracted(problem="is damaged, or no Word document.", hint=AGAIN)
    pieces: list[str] = []
    size = 0
    for piece in _pieces(body):
        pieces.append(piece)
        size += len(piece)
        if size > MOST_CHARACTERS:
            break
    text = "".join(pieces)
    if not text.strip():
        return Extracted(problem="has no text in it.", hint="Save it as text.")
    left_out = [
        word
        for part, word in (("footnotes", "footnotes"), ("endnotes", "endnotes"), ("comments", "comments"))
        if f"word/{part}.xml" in names
    ]
    notes = [f"without its {', '.join(left_out)}"] if left_out else []
    if size > MOST_CHARACTERS:
        notes.insert(0, "only its beginning: more text than any context holds")
    return Extracted(text=text, note="; ".join(notes))


def _pieces(body: Any) -> Iterator[str]:
    """Text in the order of the document, without recursion: nesting can be as deep as an attacker likes."""
    from lxml import etree  # type: ignore[import-untyped]

    in_cell = 0
    walk = etree.iterwalk(body, events=("start", "end"))
    for event, element in walk:
        tag = element.tag
        if event == "start":
            if tag == FALLBACK:  # the same once more, for programs that do not know the newer form
                walk.skip_subtree()
            elif tag == f"{_W}tc":
                in_cell += 1
            elif tag == f"{_W}t" and element.text:
                yield element.text
            elif tag in _SPACES:
                yield _SPACES[tag]
        elif tag == f"{_W}tc":
            in_cell -= 1
            yield "\t"
        elif tag in _ENDS:
            yield " " if in_cell and tag == f"{_W}p" else _ENDS[tag]
