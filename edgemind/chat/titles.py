"""Titles of chats: the first words at once, and a better one by the model when it has nothing else to do.

What a small model says is checked: a title that is long, of several lines, or about something else is not taken.
Not for: when to ask (``session``).
"""

from __future__ import annotations

import re

from edgemind.engine.events import Answer, Done, Event, GenerateRequest, Message, Sampling

LONGEST = 60
"""Characters of a title."""

MOST_WORDS = 10

ASKED = "Write a title of at most six words for this conversation. Answer with the title alone.\n\n"

TOKENS = 32
"""Of a title; what is longer is none."""

USER_CHARACTERS, ANSWER_CHARACTERS = 600, 300
"""Of the conversation that the model sees, so that a title costs little."""

_WORD = re.compile(r"\w{3,}")
_MARKS = "\"'“”‘’«»`*_#:.-– \t"


def first_words(text: str) -> str:
    """The beginning of a text, as a title: one line, cut between words."""
    line = next((line for line in map(str.strip, text.splitlines()) if line), "")
    line = re.sub(r"\s+", " ", line.lstrip("#>*-` "))
    if len(line) <= LONGEST:
        return line
    return line[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(",;:.- ") + "…"


def request(asked: str, answered: str) -> GenerateRequest:
    """What to ask for a title of a chat that begins like this."""
    excerpt = f"User: {asked[:USER_CHARACTERS].strip()}\n\nAssistant: {answered[:ANSWER_CHARACTERS].strip()}"
    return GenerateRequest(
        messages=(Message(role="user", content=ASKED + excerpt),),
        max_tokens=TOKENS,
        thinking="off",
        sampling=Sampling(temperature=0),
    )


def title_of(events: list[Event], asked: str, answered: str) -> str | None:
    """The title that the model wrote, if it is one."""
    last = events[-1] if events else None
    if not isinstance(last, Done) or last.stop_reason != "end":
        return None
    return checked("".join(event.text for event in events if isinstance(event, Answer)), f"{asked}\n{answered}")


def checked(text: str, conversation: str) -> str | None:
    """A title that is short, of one line, and shares a word with the conversation; else ``None``."""
    lines = [line for line in map(str.strip, text.strip().splitlines()) if line]
    if len(lines) != 1:
        return None
    title = re.sub(r"^(?:title|titel|titre|título)\s*[:：]\s*", "", lines[0].strip(_MARKS), flags=re.IGNORECASE)
    title = re.sub(r"\s+", " ", title).strip(_MARKS)
    if not 3 <= len(title) <= LONGEST or len(title.split()) > MOST_WORDS or not title.isprintable():
        return None
    words = {word.casefold() for word in _WORD.findall(title)}
    said = {word.casefold() for word in _WORD.findall(conversation)}
    shares = any(word in said or any(one.startswith(word) for one in said) for word in words)
    wide = any(ord(character) > 0x2E80 and character in conversation for character in title)
    return title if shares or wide else None
