"""PDF and DOCX are read in a child: no network, no files, little memory, little time. This is the parent's side.

Such files come from strangers, and the libraries that read them are large. Not for: reading them (``extractor``).
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading

from pydantic import BaseModel, ConfigDict, ValidationError

from edgemind.chat.attachments.types import Kind
from edgemind.errors import BadInput
from edgemind.privacy import jail

SECONDS = 40.0
"""Until the child is killed; it stops by itself, with what it has, before that."""

MOST_OUTPUT = 64 << 20
"""Bytes that the child may say; its text is limited to far less."""

WORDS = {"pdf": "PDF", "docx": "Word document"}


class Extracted(BaseModel):
    """What the child says: a text, or why there is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str = ""
    note: str = ""
    pages: int | None = None
    problem: str = ""
    """The rest of a sentence that begins with the file's name."""
    hint: str = ""


def extract(descriptor: int, kind: Kind, shown: str) -> Extracted:
    """The text of a document.

    Args:
        descriptor: of the open file, at its beginning.
        shown: its name, for the error.

    Raises:
        BadInput: one sentence: damaged, encrypted, without text, too slow, too large.
    """
    argv = jail.sandbox_command([sys.executable, "-u", "-m", "edgemind.chat.attachments.extractor", kind])
    try:
        child = subprocess.Popen(
            argv,
            stdin=descriptor,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=jail.scrubbed_environment(),
            cwd=sys.prefix,
            start_new_session=True,
        )
    except OSError as problem:
        raise BadInput(f"{shown} cannot be read: {problem.strerror}.", "Close other programs.") from problem
    killed = threading.Event()

    def kill() -> None:
        killed.set()
        child.kill()

    timer = threading.Timer(SECONDS, kill)
    timer.daemon = True
    timer.start()
    try:
        assert child.stdout is not None
        said = child.stdout.read(MOST_OUTPUT + 1)
    finally:
        timer.cancel()
        with contextlib.suppress(OSError):
            child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()
    if killed.is_set():
        raise BadInput(f"{shown} takes longer than {SECONDS:.0f} seconds to read.", "Split it, or save it as text.")
    try:
        found = Extracted.model_validate_json(said)
    except ValidationError as problem:
        raise BadInput(
            f"{shown} cannot be read: this {WORDS.get(kind, 'file')} is damaged, or made to do harm.",
            "Save it anew in another program, or as text.",
        ) from problem
    if found.problem:
        raise BadInput(f"{shown} {found.problem}", found.hint)
    return found
