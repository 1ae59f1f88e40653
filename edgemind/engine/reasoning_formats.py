"""How the model families mark their thoughts, and how to tell which family a model belongs to.

Forms as published in the chat templates and model cards of the families (2025 and 2026): Qwen3, SmolLM3, DeepSeek R1,
QwQ, Magistral and Ministral 3, gpt-oss (the "harmony" format), Gemma 4, Granite 3.2 and 3.3, LFM2.5.
Not for: parsing model output (``reasoning``), rendering templates (``templates``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

HARMONY_TOKENS = (
    "<|start|>",
    "<|channel|>",
    "<|constrain|>",
    "<|message|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
)
"""The control tokens of the harmony format."""

Switch = Literal["enable_thinking", "thinking", "reasoning_effort"]


@dataclass(frozen=True)
class Span:
    """One way to bracket a thought: any of ``open`` begins it, any of ``close`` ends it."""

    open: tuple[str, ...]
    close: tuple[str, ...]
    force_close: str
    """What to write when the thought is ended early: the close tag with the whitespace the model was trained on."""


@dataclass(frozen=True)
class ReasoningFormat:
    """The marks of one family.

    ``reopen`` says where another thought may begin once the answer has started: at the start of a line only (tags
    that prose may mention), anywhere (control tokens), or never. Marks inside code are never tags.
    """

    name: str
    spans: tuple[Span, ...]
    suppress: str = ""
    """Prefilled after the generation prompt to answer without a thought, for templates that have no switch."""
    force_open: str = ""
    """Prefilled after the generation prompt to begin with a thought."""
    answer_marks: tuple[str, ...] = ()
    """Structural marks around the answer; never shown."""
    starts_inside: bool = False
    """The template usually opens the thought itself; ``opens_inside`` has the last word for each prompt."""
    reopen: Literal["line", "anywhere", "never"] = "line"
    channels: bool = False
    """The output is a series of messages with headers (harmony)."""

    @property
    def open(self) -> tuple[str, ...]:
        return tuple(mark for span in self.spans for mark in span.open)

    @property
    def close(self) -> tuple[str, ...]:
        return tuple(mark for span in self.spans for mark in span.close)

    @property
    def force_close(self) -> str:
        """Of the first span; ``ReasoningParser.force_close`` knows which span is really open."""
        return self.spans[0].force_close if self.spans else ""

    @property
    def after_close(self) -> str:
        """The whitespace the model was trained on between the closing tag and the answer."""
        return self.force_close[len(self.force_close.rstrip()) :]

    def tags(self) -> tuple[str, ...]:
        """Every mark that may be one token of its own and whose text the parser needs to see."""
        if self.channels:
            return HARMONY_TOKENS
        opened = ("<|channel>",) if "<|channel>thought" in self.open else ()
        return tuple(dict.fromkeys((*self.open, *opened, *self.close, *self.answer_marks)))


def _tag_format(name: str, tag: str, *, starts_inside: bool = False, suppress: str | None = None) -> ReasoningFormat:
    opened, closed = f"<{tag}>", f"</{tag}>"
    return ReasoningFormat(
        name=name,
        spans=(Span((opened,), (closed,), f"\n{closed}\n\n"),),
        suppress=f"{opened}\n\n{closed}\n\n" if suppress is None else suppress,
        force_open=f"{opened}\n",
        starts_inside=starts_inside,
    )


_ALL = (
    ReasoningFormat(name="none", spans=()),
    _tag_format("think", "think"),
    _tag_format("think-open", "think", starts_inside=True),
    _tag_format("reasoning", "reasoning"),
    _tag_format("lfm", "think", suppress="<think></think>"),
    ReasoningFormat(
        name="magistral",
        spans=(Span(("[THINK]",), ("[/THINK]",), "[/THINK]"),),
        suppress="[THINK][/THINK]",
        force_open="[THINK]",
        reopen="anywhere",
    ),
    ReasoningFormat(
        name="channel",
        spans=(
            Span(
                ("<|channel|>analysis<|message|>",),
                ("<|end|>",),
                "<|end|><|start|>assistant<|channel|>final<|message|>",
            ),
        ),
        suppress="<|channel|>final<|message|>",
        force_open="<|channel|>analysis<|message|>",
        reopen="anywhere",
        channels=True,
    ),
    ReasoningFormat(
        name="thought-channel",
        spans=(Span(("<|channel>thought",), ("<channel|>",), "\n<channel|>"),),
        suppress="<|channel>thought\n<channel|>",
        force_open="<|channel>thought\n",
        reopen="anywhere",
    ),
    ReasoningFormat(
        name="granite",
        spans=(
            Span(
                ("Here is my thought process:", "Here's my thought process:"),
                ("Here is my response:", "Here's my response:"),
                "\n\nHere is my response:\n\n",
            ),
            Span(("<think>",), ("</think>",), "</think>\n<response>"),
        ),
        suppress="",
        force_open="<think>",
        answer_marks=("<response>", "</response>"),
        reopen="never",
    ),
)

FORMATS: Mapping[str, ReasoningFormat] = MappingProxyType({fmt.name: fmt for fmt in _ALL})
"""Every known format by name. ``none`` passes all text through as answer, unchanged."""


@dataclass(frozen=True)
class Detection:
    """What template and vocabulary say about a model's thoughts."""

    format: str
    """A key of ``FORMATS``."""
    can_switch: bool
    """The template itself can turn the thought on or off. Without it ``suppression`` still gives a way that models
    mostly follow."""
    switch: Switch | None
    """The template variable to set. ``enable_thinking`` and ``thinking`` take a bool, ``reasoning_effort`` a word."""
    evidence: Literal["template", "vocabulary", "none"] = "none"
    """Only ``template`` is proof: instruct models often keep unused thought tokens in their vocabulary."""


def detect(template: str | None, has_token: Callable[[str], bool], architecture: str) -> Detection:
    """Which format a model uses, from its chat template, its vocabulary and its GGUF architecture name.

    ``has_token`` answers whether a string is one token of the vocabulary.
    """
    text = template or ""
    name = from_template(text, architecture.lower())
    evidence: Literal["template", "vocabulary", "none"] = "template"
    if name is None:
        name, evidence = from_vocabulary(has_token), "vocabulary"
    if name is None:
        return Detection("none", False, None)
    switch = _switch(text) if text else None
    return Detection(name, switch is not None and switch != "reasoning_effort", switch, evidence)


def from_template(text: str, architecture: str) -> str | None:
    """The format whose marks a chat template writes or looks for; nothing is rendered."""
    if "<|channel|>" in text and "<|message|>" in text:
        return "channel"
    if "<|channel>" in text:
        return "thought-channel"
    if "[THINK]" in text:
        return "magistral"
    if "here is my thought process" in text.lower() or ("<think>" in text and "<response>" in text):
        return "granite"
    if "<think>" in text or "</think>" in text:
        if architecture.startswith("lfm"):
            return "lfm"
        return "think-open" if _generation_prompt_opens(text) else "think"
    if "<reasoning>" in text or "</reasoning>" in text:
        return "reasoning"
    return None


def _generation_prompt_opens(text: str) -> bool:
    """Whether the part of the template that writes the generation prompt leaves ``<think>`` open on some path."""
    _, found, prompt = text.rpartition("add_generation_prompt")
    return bool(found) and re.search(r"<think>(?!(?:\\n|\s)*</think>)", prompt) is not None


def from_vocabulary(has_token: Callable[[str], bool]) -> str | None:
    """The format whose marks are tokens of their own: a hint, no proof."""
    for name, tokens in (
        ("channel", ("<|channel|>", "<|message|>", "<|start|>")),
        ("thought-channel", ("<|channel>", "<channel|>")),
        ("magistral", ("[THINK]", "[/THINK]")),
        ("think", ("<think>", "</think>")),
        ("reasoning", ("<reasoning>", "</reasoning>")),
    ):
        if all(has_token(token) for token in tokens):
            return name
    return None


_ON_OFF = (True, False)
_EFFORT = ("medium", "low")


def _switch(text: str) -> Switch | None:
    """The first known variable that makes a difference to what the template writes."""
    from edgemind.engine.templates import variables_that_matter

    found = variables_that_matter(text, {"enable_thinking": _ON_OFF, "thinking": _ON_OFF, "reasoning_effort": _EFFORT})
    order: tuple[Switch, ...] = ("enable_thinking", "thinking", "reasoning_effort")
    return next((name for name in order if name in found), None)


def opens_inside(rendered_prompt_tail: str, fmt: ReasoningFormat) -> bool:
    """Whether generation starts inside a thought: the prompt ends in an opened tag.

    Only the very end counts. A tag that a user mentioned earlier, or a thought that the template closed again
    (``<think>\\n\\n</think>``: thinking is off), is no opening. The last 100 characters are enough.
    """
    tail = rendered_prompt_tail.rstrip()
    return any(tail.endswith(mark) for mark in fmt.open)


def closed_empty(rendered_prompt_tail: str, fmt: ReasoningFormat) -> bool:
    """Whether the prompt ends in an empty, closed thought, or past the point where a thought could begin."""
    tail = rendered_prompt_tail.rstrip()
    if fmt.channels and tail.endswith("<|channel|>final<|message|>"):
        return True
    for span in fmt.spans:
        for closed in span.close:
            if tail.endswith(closed):
                before = tail[: -len(closed)].rstrip()
                return any(before.endswith(opened) for opened in span.open)
    return False


def suppression(rendered_prompt_tail: str, fmt: ReasoningFormat) -> str:
    """What to append to a rendered prompt so that the model answers without a thought; empty if it already would."""
    if closed_empty(rendered_prompt_tail, fmt):
        return ""
    if opens_inside(rendered_prompt_tail, fmt):
        tail = rendered_prompt_tail.rstrip()
        span = next(span for span in fmt.spans if any(tail.endswith(mark) for mark in span.open))
        return span.force_close
    return fmt.suppress


def continuation(rendered_prompt_tail: str, fmt: ReasoningFormat, reasoning: str | None, content: str) -> str:
    """What to append to a rendered generation prompt to continue an assistant message that was begun.

    With ``content`` empty the thought itself is continued, otherwise it is closed and the answer goes on; a blank
    ``content`` stands for an answer of which nothing was said yet.
    """
    if not fmt.spans:
        return content
    inside = opens_inside(rendered_prompt_tail, fmt)
    if not reasoning:
        return (suppression(rendered_prompt_tail, fmt) if inside else "") + content
    if closed_empty(rendered_prompt_tail, fmt):
        return content
    opened = "" if inside else fmt.force_open
    if not content:
        return opened + reasoning
    span = next((span for span in fmt.spans if fmt.force_open.strip() in span.open), fmt.spans[0])
    return opened + reasoning.rstrip() + span.force_close + (content if content.strip() else "")
