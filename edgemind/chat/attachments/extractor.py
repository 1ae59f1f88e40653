"""The child that reads one document from its standard input and says its text on standard output, jailed before it.

Not for: being imported by anything but ``python -m`` and the tests of ``pdf`` and ``docx``.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemind.chat.attachments.extracting import Extracted

MEMORY = 1 << 30
"""Bytes of address space: what asks for more gets a ``MemoryError``."""

CPU_SECONDS = 35
"""Then the kernel ends it."""

MOST_INPUT = 64 << 20


def main() -> None:
    """Read, say, leave."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from edgemind.chat.attachments.extracting import Extracted
    from edgemind.errors import EdgemindError
    from edgemind.privacy import jail

    try:
        jail.arm("worker")
    except EdgemindError:
        os._exit(1)
    _limit()
    data = sys.stdin.buffer.read(MOST_INPUT + 1)
    try:
        found = _found(sys.argv[1], data)
    except MemoryError:
        found = Extracted(problem="needs more memory than a document may.", hint="Save it anew, or as text.")
    except BaseException:
        found = Extracted(problem="is damaged.", hint="Save it anew in another program, or as text.")
    with contextlib.suppress(BrokenPipeError):
        out.write(found.model_dump_json().encode("utf-8", "replace"))
        out.flush()
    os._exit(0)


def _found(kind: str, data: bytes) -> Extracted:
    if kind == "pdf":
        from edgemind.chat.attachments.pdf import text_of

        return text_of(io.BytesIO(data))
    from edgemind.chat.attachments.docx import text_of as text_of_docx

    return text_of_docx(io.BytesIO(data))


def _limit() -> None:
    """Where the system knows limits; Windows does not."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        for what, most in (("RLIMIT_AS", MEMORY), ("RLIMIT_CPU", CPU_SECONDS), ("RLIMIT_FSIZE", 0)):
            resource.setrlimit(getattr(resource, what), (most, most))


if __name__ == "__main__":
    main()
