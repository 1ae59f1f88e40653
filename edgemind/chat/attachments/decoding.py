"""From the bytes of a file to text: UTF-8, UTF-16 and UTF-32 with or without a mark, else Windows-1252 with a note.

Not for: opening files (``reading``), formats that hold text inside (``extractor``).
"""

from __future__ import annotations

import codecs

from edgemind.errors import BadInput

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Longest first where one begins with another."""

SAMPLE = 4096
"""Bytes that are looked at to tell text from something else."""

CONTROLS = frozenset(range(0x20)) - frozenset(b"\t\n\r\f\b\x1b")

MOST_CONTROLS = 0.02
"""Share of control characters that a text may have; binary files have far more."""

FORMATS = (
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"GGUF", "a model"),
    (b"SQLite format 3", "a database"),
    (b"\x1f\x8b", "compressed"),
    (b"PK\x03\x04", "a zip archive"),
    (b"BZh", "compressed"),
    (b"\xfd7zXZ", "compressed"),
    (b"7z\xbc\xaf", "an archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office file"),
    (b"ID3", "music"),
    (b"RIFF", "sound, film or a picture"),
)
"""How files begin that people try to attach, and what they are."""


def decode(data: bytes, name: str) -> tuple[str, str]:
    """The text, and a note about its encoding if that is not plain. Newlines become ``\\n``.

    Args:
        name: for the error; cleaned already.

    Raises:
        BadInput: it is no text.
    """
    text, note = _decoded(data, name)
    return text.replace("\r\n", "\n").replace("\r", "\n"), note


def _decoded(data: bytes, name: str) -> tuple[str, str]:
    for mark, encoding in MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), ""
            except UnicodeDecodeError:
                return data.decode(encoding, "replace"), "some characters are damaged"
    what = next((what for start, what in FORMATS if data.startswith(start)), "")
    if what:
        raise BadInput(f"{name} is {what}, not text.", HINTS.get(what, HINT))
    without_mark = _utf16(data)
    if without_mark:
        try:
            return data.decode(without_mark), "read as UTF-16, which is a guess"
        except UnicodeDecodeError:
            pass
    sample = data[:SAMPLE]
    if b"\0" in data or sum(byte in CONTROLS for byte in sample) > MOST_CONTROLS * len(sample):
        raise BadInput(f"{name} is not text.", HINT)
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError as problem:
        if problem.reason == "unexpected end of data" and problem.start > len(data) - 4:
            return data[: problem.start].decode("utf-8"), "its last character is cut off"
    try:
        return data.decode("cp1252"), "read as Windows-1252, which is a guess"
    except UnicodeDecodeError:
        return data.decode("latin-1"), "read as Latin-1, which is a guess"


HINT = "Text, Markdown, source, CSV, PDF and DOCX can be attached."
HINTS = {"an old Office file": "Save it as .docx, .pdf or text."}


def _utf16(data: bytes) -> str | None:
    """Which UTF-16 this is when every second byte is mostly 0, as in Latin text."""
    sample = data[: SAMPLE - SAMPLE % 2]
    if len(sample) < 4 or len(data) % 2:
        return None
    pairs = len(sample) // 2
    for offset, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if sample[offset::2].count(0) > 0.7 * pairs and sample[1 - offset :: 2].count(0) < 0.05 * pairs:
            return encoding
    return None
