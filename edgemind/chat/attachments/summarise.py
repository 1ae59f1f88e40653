"""A long text in parts, each summarised by the model with the question in mind, until the summaries fit.

Not for: choosing this (the user does), counting (``fitting``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgemind.chat.prompting import fenced
from edgemind.engine.client import error_from
from edgemind.engine.events import Answer, Done, Failed, GenerateRequest, Message, Sampling
from edgemind.errors import BadInput

if TYPE_CHECKING:
    from edgemind.engine.client import Engine

ROUNDS = 3
"""Summaries of summaries at most; then the beginning has to do."""

LONGEST = 400
"""Tokens of the summary of one part."""


def summarise(
    engine: Engine,
    name: str,
    parts: list[str],
    question: str,
    most: int,
    say: Callable[[str, int, int], None],
    check: Callable[[], None],
) -> str:
    """The summaries of the parts, one after the other.

    Args:
        most: tokens of one summary.
        say: told what goes on: a line, how many parts are done, of how many.
        check: raises when it shall end.

    Raises:
        EdgemindError: the engine failed.
    """
    found = []
    for number, part in enumerate(parts, 1):
        say(f"summarising {name}: part {number} of {len(parts)}", number - 1, len(parts))
        found.append(_one(engine, part, question, min(most, LONGEST), check))
    say(f"summarising {name}", len(parts), len(parts))
    return "\n\n".join(f"[part {number} of {len(parts)}]\n{text}" for number, text in enumerate(found, 1) if text)


def _one(engine: Engine, part: str, question: str, most: int, check: Callable[[], None]) -> str:
    wanted = f" What matters most is what helps with this: {question[:500]}" if question.strip() else ""
    asked = f"Summarise this part of a text in a few sentences, with its facts and numbers.{wanted}\n\n{fenced(part)}"
    request = GenerateRequest(
        messages=(Message(role="user", content=asked),),
        thinking="off",
        max_tokens=most,
        sampling=Sampling(temperature=0),
    )
    check()
    text: list[str] = []
    with engine.generate(request) as generation:
        for event in generation:
            check()
            if isinstance(event, Answer):
                text.append(event.text)
            elif isinstance(event, Failed):
                raise error_from(event)
            elif isinstance(event, Done) and event.stop_reason == "context_full":
                raise BadInput("A part does not fit the context.", "Choose to cut, or to pick passages.")
    return "".join(text).strip()
