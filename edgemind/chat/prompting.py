"""From the messages of a chat to what the engine is asked: contents with attachments, and the request around them.

Attached text stands between lines that name it, in a fence longer than any it contains: it is data. What would be read
as control tokens in it is made plain by the engine. Not for: fitting attachments (``attachments.fitting``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from edgemind.engine.events import GenerateRequest, Message
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.chat.attachments.types import Attachment
    from edgemind.chat.types import Chat, Parameters, Turn
    from edgemind.engine.events import ThinkingPolicy
    from edgemind.settings import Settings

ALTERNATIVES = 4
"""Runner-up tokens that are kept for each token when confidence is on."""

CHARACTERS_A_TOKEN = 8
"""More than any text has on average: what is longer than the context by this measure cannot be in it."""

TREATED = {
    "cut": "its beginning",
    "summary": "a summary of its parts",
    "passages": "the passages that seem to matter",
}


def content(text: str, attachments: Sequence[Attachment]) -> str:
    """A user's message as the model reads it: the attachments first, then the words."""
    parts = [f"{_heading(attachment)}\n{fenced(attachment.prompt_text)}" for attachment in attachments]
    return "\n\n".join([*parts, text] if text.strip() or not parts else parts)


def fenced(text: str) -> str:
    """In a code fence longer than any that the text holds."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text.rstrip()}\n{fence}"


def messages(chat: Chat, turns: Iterable[Turn], files: Callable[[Turn], Sequence[Attachment]]) -> tuple[Message, ...]:
    """The conversation for the engine; notes, and answers of which nothing was said, are left out.

    Args:
        files: the attachments of a message.
    """
    found = [Message(role="system", content=chat.system)] if chat.system.strip() else []
    for turn in turns:
        if turn.role == "user":
            found.append(Message(role="user", content=content(turn.content, files(turn) if turn.attachments else ())))
        elif turn.role == "assistant" and turn.content.strip():
            found.append(Message(role="assistant", content=turn.content, reasoning=turn.reasoning or None))
    return tuple(found)


def request(
    asked: tuple[Message, ...],
    parameters: Parameters,
    settings: Settings,
    preferred: ThinkingPolicy,
    *,
    begun: Turn | None = None,
) -> GenerateRequest:
    """What the engine is asked.

    Args:
        preferred: whether this model thinks when the chat does not say.
        begun: the answer that is continued; it is not among ``asked``.
    """
    thinking = preferred if parameters.thinking == "auto" else parameters.thinking
    budget = budget_of(parameters, settings)
    if begun:
        asked = (*asked, Message(role="assistant", content=begun.content, reasoning=begun.reasoning or None))
        if budget is not None and begun.stats and not begun.content:
            budget = max(0, budget - begun.stats.thinking_tokens)
    return GenerateRequest(
        messages=asked,
        continue_=begun is not None,
        sampling=parameters.sampling,
        max_tokens=parameters.max_tokens,
        thinking=thinking,
        thinking_budget=budget,
        thinking_close=settings.thinking_close,
        confidence=parameters.confidence,
        alternatives=ALTERNATIVES if parameters.confidence else 0,
    )


def budget_of(parameters: Parameters, settings: Settings) -> int | None:
    """Most tokens of thought. A budget of 0 in the settings means none by default; a chat that says ``on`` has some."""
    if parameters.thinking == "off":
        return None
    if parameters.thinking_budget is not None:
        return parameters.thinking_budget
    return (settings.thinking_budget or None) if parameters.thinking == "on" else settings.thinking_budget


def _heading(attachment: Attachment) -> str:
    part = TREATED.get(attachment.info.treatment)
    return f"Attached file {clean_line(attachment.name)}{f' ({part})' if part else ''}:"
