"""The subject of a commit, written by the model from the task and what was changed.

Not for: committing (``committing``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgemind.coder import diffing
from edgemind.coder.committing import SUBJECT, subject
from edgemind.coder.file_text import visible
from edgemind.errors import EdgemindError

if TYPE_CHECKING:
    from edgemind.coder.diffing import FileDiff
    from edgemind.engine.client import Engine

SMALLEST_CONTEXT = 2049
"""Tokens. Models with less know only what they were trained for, and that is no commit message."""

GRAMMAR = r"root ::= [A-Z] [ -_a-~]{9," + str(SUBJECT - 1) + "}"
SHOWN = 3000
"""Characters of the change that the model reads, and not more than half as many as its context has tokens."""


def written(engine: Engine, task: str, diffs: Sequence[FileDiff]) -> str:
    """One line; "" when this model cannot write it or failed to."""
    from edgemind.engine.events import Answer, GenerateRequest, Message, Sampling

    info = engine.info
    if info is None or info.context_limit < SMALLEST_CONTEXT:
        return ""
    shown = min(SHOWN, info.context_limit // 2)  # in the worst vocabulary every character is a token
    asked = (
        "Write the subject line of a git commit for this change: what it does, in the imperative, at most"
        f" {SUBJECT} characters, nothing else.\n\nTask: {task[: shown // 3]}\n\n{diffing.as_text(diffs)[:shown]}"
    )
    harmless = "\n".join(visible(line)[0] for line in asked.split("\n"))
    request = GenerateRequest(
        messages=(Message(role="user", content=harmless),),
        sampling=Sampling(temperature=0),
        max_tokens=64,
        thinking="off",
        grammar=GRAMMAR,
    )
    try:
        with engine.generate(request) as generation:
            return subject("".join(event.text for event in generation if isinstance(event, Answer)))
    except EdgemindError:
        return ""
