"""Whether attachments fit the context, counted by the engine; and the three ways to make them fit.

Room for attachments is the context less the system prompt, the message itself and some of it for the answer; earlier
turns do not count, since the oldest go by themselves. Not for: asking the user (a face does).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from edgemind.chat.attachments import passages as passages_
from edgemind.chat.attachments.types import Attachment, Choice, Fit, Passage
from edgemind.engine import protocol
from edgemind.engine.events import Message

if TYPE_CHECKING:
    from edgemind.chat.types import Chat
    from edgemind.engine.client import Engine

ANSWER_ROOM = 768
"""Tokens that are kept for thought and answer, or a third of a small context."""

FRAME = 24
"""Tokens that the heading and the fence of one attachment take."""

LONGEST_TOKEN = 12
"""Characters a token has at most, in a text of any length."""

PART_SHARE = 0.5
"""Of the context, for the text of one part that is summarised."""


def measure(engine: Engine, chat: Chat, text: str, attachments: Sequence[Attachment]) -> Fit:
    """Count a message with its attachments.

    Raises:
        EdgemindError: the engine cannot.
    """
    room = _room(engine, chat, text, len(attachments))
    counted = count_all(engine, [attachment.text for attachment in attachments])
    limit = engine.wait_loaded().context_limit
    size = max(1, int(limit * PART_SHARE))
    return Fit(
        fits=sum(counted) <= room,
        tokens=sum(counted),
        room=room,
        parts=sum(-(-tokens // size) for tokens in counted),
        names=tuple(attachment.name for attachment in attachments),
    )


def fit(
    engine: Engine,
    chat: Chat,
    text: str,
    attachments: Sequence[Attachment],
    choice: Choice,
    *,
    say: Callable[[str, int, int], None],
    check: Callable[[], None],
) -> tuple[tuple[Attachment, ...], tuple[Passage, ...]]:
    """The attachments with ``given`` and ``treatment`` set, and the passages that were chosen. What fits stays whole.

    Args:
        say, check: as in ``summarise``.

    Raises:
        EdgemindError: the engine failed.
    """
    counted = count_all(engine, [attachment.text for attachment in attachments])
    room = _room(engine, chat, text, len(attachments))
    if sum(counted) <= room:
        whole = zip(attachments, counted, strict=True)
        return tuple(one.with_info(tokens=tokens, treatment="whole", given=None) for one, tokens in whole), ()
    shares = shared(counted, room)
    if choice == "passages":

        def count(piece: str) -> int:
            check()
            return _count(engine, piece)

        found = passages_.choose(attachments, text, room, count)
        if found:
            fitted = [_with_passages(one, number, found, counted[number]) for number, one in enumerate(attachments)]
            return tuple(fitted), tuple(passage for _, passage in found)
    fitted = []
    for attachment, tokens, share in zip(attachments, counted, shares, strict=True):
        check()
        if tokens <= share:
            fitted.append(attachment.with_info(tokens=tokens, treatment="whole", given=None))
        elif choice == "summarise":
            given = _summary(engine, attachment, tokens, text, share, say, check)
            fitted.append(attachment.with_info(tokens=tokens, treatment="summary", given=given))
        else:
            given = beginning(engine, attachment.text, share)
            fitted.append(attachment.with_info(tokens=tokens, treatment="cut", given=given))
    return tuple(fitted), ()


def shared(counted: Sequence[int], room: int) -> list[int]:
    """How many of ``room`` tokens each gets: the small ones all they need, the others the same."""
    shares = [0] * len(counted)
    for left, index in zip(
        range(len(counted), 0, -1), sorted(range(len(counted)), key=counted.__getitem__), strict=True
    ):
        shares[index] = min(counted[index], room // left)
        room -= shares[index]
    return shares


def beginning(engine: Engine, text: str, most: int) -> str:
    """The longest beginning of at most ``most`` tokens, up to the end of a line or word."""
    low, high = 0, min(len(text), max(1, 2 * most))
    while _count(engine, text[:high]) <= most:
        if high == len(text):
            return text
        low, high = high, min(len(text), 2 * high)
    while high - low > max(8, high // 64):
        middle = (low + high) // 2
        if _count(engine, text[:middle]) <= most:
            low = middle
        else:
            high = middle
    cut = text[:low]
    end = max(cut.rfind("\n"), cut.rfind(" ")) + 1
    return cut[:end] if end > low // 2 else cut


def parts_of(engine: Engine, text: str, most: int) -> list[str]:
    """The text in pieces of at most ``most`` tokens, cut at the ends of lines or words; joined they are the text."""
    found = []
    at = 0
    while at < len(text):
        window = text[at : at + LONGEST_TOKEN * most]
        piece = beginning(engine, window, most) or window[:most]
        found.append(piece)
        at += len(piece)
    return found


def count_all(engine: Engine, texts: Sequence[str]) -> list[int]:
    """Tokens of each text.

    Raises:
        EdgemindError: the worker died.
    """
    if not texts:
        return []
    answer = engine.ask(
        lambda number: protocol.Tokenize(id=number, texts=tuple(texts), parse_special=False), protocol.Tokenized
    )
    return [len(tokens) for tokens in answer.tokens]


def _count(engine: Engine, text: str) -> int:
    return count_all(engine, [text])[0]


def _room(engine: Engine, chat: Chat, text: str, files: int) -> int:
    limit = engine.wait_loaded().context_limit
    asked = [Message(role="user", content=text)]
    if chat.system.strip():
        asked.insert(0, Message(role="system", content=chat.system))
    kept = min(chat.parameters.max_tokens or ANSWER_ROOM, ANSWER_ROOM, limit // 3)
    return max(0, limit - engine.count(asked) - kept - FRAME * files)


def _summary(
    engine: Engine,
    attachment: Attachment,
    tokens: int,
    question: str,
    share: int,
    say: Callable[[str, int, int], None],
    check: Callable[[], None],
) -> str:
    from edgemind.chat.attachments.summarise import ROUNDS, summarise

    limit = engine.wait_loaded().context_limit
    text = attachment.text
    for _ in range(ROUNDS):
        parts = parts_of(engine, text, int(limit * PART_SHARE))
        text = summarise(engine, attachment.name, parts, question, max(32, share // len(parts)), say, check)
        if _count(engine, text) <= share:
            return text
    return beginning(engine, text, share)


def _with_passages(
    attachment: Attachment, number: int, found: Sequence[tuple[int, Passage]], tokens: int
) -> Attachment:
    given = passages_.given([passage for file, passage in found if file == number])
    return attachment.with_info(tokens=tokens, treatment="passages", given=given or "(nothing in it was chosen)")
