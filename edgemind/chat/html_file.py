"""One branch of a chat as an HTML file that opens offline: no script, no picture, nothing that is fetched.

Every text is escaped. Answers are rendered by markdown-it with HTML switched off; links keep https, http and mailto,
pictures become links. A content security policy in the file forbids the browser what the escaping would have to miss.
Not for: the other forms.
"""

from __future__ import annotations

import functools
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgemind.chat.markdown_file import NAMES, STATES, day
from edgemind.chat.types import Chat, Turn

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

RENDERED = 100_000
"""Characters of a message beyond which it is shown as it was written: rendering can take longer than its length."""

_UNDRAWABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LINK = re.compile(r"\A(?:https?://|mailto:)", re.IGNORECASE)

_STYLE = """
:root { color-scheme: light dark; --quiet: #666; --line: #ddd; --mine: #f2f4f8; --code: #f6f6f6; }
@media (prefers-color-scheme: dark) { :root { --quiet: #999; --line: #444; --mine: #23272f; --code: #262626; } }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
header, article { border-bottom: 1px solid var(--line); padding: .8rem 0; }
h1 { font-size: 1.5rem; margin: 0; }
.about, .note, summary { color: var(--quiet); font-size: .85rem; }
article.user .said { background: var(--mine); border-radius: .5rem; padding: .6rem .9rem; }
.said, .thought, .system { unicode-bidi: isolate; overflow-wrap: anywhere; }
.plain { white-space: pre-wrap; }
.thought { border-left: 3px solid var(--line); padding-left: .8rem; color: var(--quiet); white-space: pre-wrap; }
pre { background: var(--code); padding: .7rem; overflow-x: auto; border-radius: .3rem; }
code { font-family: ui-monospace, monospace; font-size: .9em; }
table { border-collapse: collapse; } th, td { border: 1px solid var(--line); padding: .25rem .6rem; }
blockquote { margin-left: 0; padding-left: .8rem; border-left: 3px solid var(--line); }
"""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'"


def write(chat: Chat, turns: Sequence[Turn], siblings: Mapping[str, Sequence[str]]) -> str:
    """The text of the file.

    Args:
        siblings: the alternatives of messages, itself among them; more than one is mentioned.
    """
    title = _text(" ".join(chat.title.split()) or "Chat")
    return "".join(
        (
            '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
            '<meta name="referrer" content="no-referrer">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n",
            f'<header>\n<h1 dir="auto">{title}</h1>\n<p class="about">{_about(chat)}</p>\n{_system(chat)}</header>\n',
            *(part for turn in turns for part in _article(turn, siblings.get(turn.id, ()))),
            "</body>\n</html>\n",
        )
    )


def _about(chat: Chat) -> str:
    return _joined([day(chat.created), chat.model, chat.persona, chat.folder, *(f"#{tag}" for tag in chat.tags)])


def _system(chat: Chat) -> str:
    if not chat.system:
        return ""
    said = f'<div class="system plain" dir="auto">{_text(chat.system)}</div>'
    return f"<details><summary>System prompt</summary>\n{said}\n</details>\n"


def _article(turn: Turn, siblings: Sequence[str]) -> Iterable[str]:
    which = f"version {siblings.index(turn.id) + 1} of {len(siblings)}" if len(siblings) > 1 else None
    about = _joined([NAMES[turn.role], turn.model, day(turn.created), STATES.get(turn.state), which])
    yield f'<article class="{turn.role}">\n<p class="about">{about}</p>\n'
    if turn.trimmed:
        yield f'<p class="note">{turn.trimmed.dropped_turns} earlier turns were left out to fit the context.</p>\n'
    if turn.attachments:
        yield f'<p class="note">Attached: {_joined([one.name for one in turn.attachments])}</p>\n'
    if turn.reasoning:
        yield f"<details><summary>{_text(_thought(turn))}</summary>\n"
        yield f'<div class="thought" dir="auto">{_text(turn.reasoning)}</div>\n</details>\n'
    if turn.role == "assistant" and len(turn.content) <= RENDERED:
        yield f'<div class="said" dir="auto">\n{_markdown().render(_drawable(turn.content))}</div>\n'
    elif turn.content:
        yield f'<div class="said plain" dir="auto">{_text(turn.content)}</div>\n'
    if turn.error:
        yield f'<p class="note">{_text(turn.error)}</p>\n'
    if turn.passages:
        yield f'<p class="note">Sources: {_joined([passage.source for passage in turn.passages])}</p>\n'
    yield "</article>\n"


def _thought(turn: Turn) -> str:
    seconds = sum(step.seconds for step in turn.steps)
    if not turn.steps or not 0 <= seconds < 1e9:
        return "Thought"
    steps = f"{len(turn.steps)} step{'' if len(turn.steps) == 1 else 's'}"
    return f"Thought for {seconds:.0f} s, {steps}"


def _joined(parts: Iterable[str | None]) -> str:
    return " · ".join(f"<bdi>{_text(part)}</bdi>" for part in parts if part)


def _drawable(text: str) -> str:
    return _UNDRAWABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def _text(text: str) -> str:
    return html.escape(_drawable(text))


@functools.cache
def _markdown() -> MarkdownIt:
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    renderer.validateLink = lambda url: bool(_LINK.match(url))  # type: ignore[method-assign]
    usual = renderer.renderer.renderToken  # type: ignore[attr-defined]

    def opened(tokens, number, options, env):  # type: ignore[no-untyped-def]
        tokens[number].attrSet("rel", "noopener noreferrer nofollow")
        return usual(tokens, number, options, env)

    renderer.renderer.rules["link_open"] = opened  # type: ignore[attr-defined]
    return renderer
