"""The text of a PDF, page by page, through pypdf. Runs in the jailed child only.

Not for: pictures of text; such pages are counted in the note.
"""

from __future__ import annotations

import logging
import time
from typing import IO

from edgemind.chat.attachments.extracting import Extracted

MOST_PAGES = 2000
MOST_CHARACTERS = 8 << 20
SECONDS = 25.0
"""After which what there is has to do."""

AS_TEXT = "Save it as text."


def text_of(stream: IO[bytes]) -> Extracted:
    """The pages' texts, each ending in a newline, separated by form feeds; a page that fails is counted, not fatal."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.disable(logging.CRITICAL)
    began = time.monotonic()
    try:
        reader = PdfReader(stream, strict=False)
        if reader.is_encrypted and not _opened(reader):
            return Extracted(problem="is encrypted.", hint="Save a copy without its password, then attach that.")
        count = len(reader.pages)
    except MemoryError:
        raise
    except (PyPdfError, Exception):
        return Extracted(problem="is damaged, or no PDF.", hint="Save it anew in another program, or as text.")
    pages: list[str] = []
    blank = failed = size = 0
    why = ""
    for number in range(count):
        if number == MOST_PAGES:
            why = f"the first {number:,} of {count:,} pages"
        elif size > MOST_CHARACTERS:
            why = f"the first {number:,} of {count:,} pages: more text than any context holds"
        elif time.monotonic() - began > SECONDS:
            why = f"the first {number:,} of {count:,} pages: the others take too long"
        if why:
            break
        try:
            text = reader.pages[number].extract_text()
        except MemoryError:
            raise
        except Exception:
            text = ""
            failed += 1
        text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n").strip("\n")
        blank += not text.strip()
        size += len(text)
        pages.append(f"{text}\n")
    if not size or blank == len(pages):
        return Extracted(problem="has no text in it: its pages are pictures, or empty.", hint=AS_TEXT)
    notes = [why] if why else []
    if blank - failed > 0:
        notes.append(
            f"{blank - failed} pages without text (pictures?)" if blank - failed > 1 else "one page without text"
        )
    if failed:
        notes.append(f"{failed} damaged pages" if failed > 1 else "one damaged page")
    return Extracted(text="\f".join(pages)[:MOST_CHARACTERS], pages=count, note="; ".join(notes))


def _opened(reader: object) -> bool:
    """Many PDFs are encrypted with an empty password, so that anybody may read and nobody change them."""
    try:
        return bool(reader.decrypt(""))  # type: ignore[attr-defined]
    except Exception:
        return False
