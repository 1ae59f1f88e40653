"""From a conversation to prompt tokens: template, thinking policy, and what goes when it does not fit.

Text that a user (or a file, or an earlier answer) brings is never read as control tokens: a note that
contains ``<|im_start|>system`` stays text. Whole oldest turns are dropped when the conversation does not fit,
never a part of one, and never the system prompt or the last message.
Not for: rendering itself (``templates``), the tags' meaning (``reasoning``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from edgemind.engine import llama
from edgemind.engine.events import ContextTrimmed, FimTokens, GenerateRequest, Infill, Message
from edgemind.engine.infill import fim_tokens, infill_prompt
from edgemind.engine.reasoning_formats import (
    Detection,
    ReasoningFormat,
    closed_empty,
    continuation,
    opens_inside,
    suppression,
)
from edgemind.engine.templates import LoadedTemplate, TemplateError
from edgemind.errors import BadInput, ModelUnusable, PromptTooLong, UsageError

ANSWER_ROOM = 256
"""Tokens kept free for the answer when a conversation is fitted into the context."""

STRIDE = 4
"""Turns that go at once from a long conversation."""

FRAME_SHARE = 0.9
"""How much of the measured tokens that a template puts around a message is taken for granted."""

SENTINEL = "\ue000{}\ue001"
"""Stands in the rendered text for a piece of content that must not be read as control tokens."""


@dataclass(frozen=True)
class Prompt:
    """Tokens to prefill, and whether they end inside an opened thought."""

    tokens: list[int]
    inside: bool
    raw: bool = False
    """No template was used: whatever comes back is answer, tags included."""
    begun: Message | None = None
    """The message that is continued."""
    ends: frozenset[int] = frozenset()
    """Tokens that end the answer, beside those that end every one."""
    trimmed: ContextTrimmed | None = None


class PromptBuilder:
    """Renders requests for one model."""

    def __init__(
        self, vocab: llama.Vocab, template: LoadedTemplate, detection: Detection, reasoning: ReasoningFormat
    ) -> None:
        self._vocab = vocab
        self._template = template
        self._detection = detection
        self._format = reasoning
        self.fim: FimTokens | None = fim_tokens(vocab)

    def build(self, request: GenerateRequest, limit: int) -> Prompt:
        """The prompt of a request in a context of at most ``limit`` tokens.

        Raises:
            PromptTooLong: the system prompt and the last message alone do not fit.
            UsageError: the request has none or several of messages, prompt, infill and tokens, or nothing that can be
                continued, or a grammar for what was begun without it.
            BadInput: there is nothing to answer.
            ModelUnusable: the model cannot fill a gap.
        """
        given = [request.messages, request.prompt, request.infill, request.tokens]
        if sum(source is not None for source in given) != 1:
            raise UsageError(
                "A request needs one of messages, a raw prompt, a gap to fill, or tokens.", "Give exactly one of them."
            )
        if request.continue_:
            request = _checked(request)
        if request.messages is not None:
            return self._fit(list(request.messages), request, limit)
        if request.infill is not None:
            return self._fill(request.infill, request, limit)
        if request.prompt is not None:
            tokens = self._vocab.tokenize(request.prompt, add_special=True, parse_special=True)
        else:
            tokens = list(request.tokens or ())
        if not tokens:
            raise BadInput("The prompt is empty.", 'Try: edgemind run "What is 48 + 37?"')
        unknown = next((token for token in tokens if not 0 <= token < len(self._vocab)), None)
        if unknown is not None:
            raise BadInput(f"There is no token {unknown}: this vocabulary has {len(self._vocab):,}.", "Leave it out.")
        self._check(len(tokens), limit, request)
        return Prompt(tokens, inside=False, raw=True)

    def count(self, messages: Sequence[Message]) -> int:
        """Tokens of a conversation rendered for an answer."""
        safe, hidden, _ = self._hide_controls(messages)
        return len(self._render(safe, hidden, GenerateRequest(messages=tuple(messages)))[0])

    def _fill(self, infill: Infill, request: GenerateRequest, limit: int) -> Prompt:
        fim = self.fim
        if fim is None:
            raise ModelUnusable(
                "This model cannot fill a gap in a file: it has no tokens for it.",
                "Use one that can: edgemind recommend --for infill",
            )
        tokens = infill_prompt(self._vocab, fim, infill, limit - _answer_room(request, limit))
        self._check(len(tokens), limit, request)
        return Prompt(tokens, inside=False, raw=True, ends=frozenset(fim.ends))

    def _fit(self, messages: list[Message], request: GenerateRequest, limit: int) -> Prompt:
        """Drop as few oldest turns as will do; of a long conversation in strides, so that the beginning that stays,
        and with it the cache, is the same for a few turns."""
        room = _answer_room(request, limit)
        safe, hidden, sizes = self._hide_controls(messages)
        turns = _turns(safe)
        dropped, frame = 0, 0.0
        left = sum(sizes)
        while True:
            kept = _without(safe, turns[:dropped])
            if left + frame * len(kept) + room <= limit or dropped == len(turns):
                tokens, inside = self._render(kept, hidden, request)
                if len(tokens) + room <= limit or dropped == len(turns):
                    break
                frame = FRAME_SHARE * (len(tokens) - left) / len(kept)
            goal = dropped + 1 if dropped < STRIDE else dropped + STRIDE
            for turn in turns[dropped:goal]:
                left -= sum(sizes[turn])
            dropped = min(goal, len(turns))
        self._check(len(tokens), limit, request)
        trimmed = None
        if dropped:
            trimmed = ContextTrimmed(
                dropped_turns=dropped,
                dropped_tokens=sum(sizes) - left,
                kept_tokens=len(tokens),
                context_limit=limit,
            )
        begun = messages[-1] if request.continue_ else None
        return Prompt(tokens, inside, begun=begun, trimmed=trimmed)

    def _check(self, tokens: int, limit: int, request: GenerateRequest) -> None:
        needed = tokens + min(request.max_tokens or 1, ANSWER_ROOM)
        if needed > limit:
            raise PromptTooLong(
                f"The prompt has {tokens:,} tokens and needs {needed - tokens:,} more for an answer, "
                f"but the context holds at most {limit:,}; nothing was cut.",
                "Shorten the prompt, split it, or use a model or --context with more room.",
            )

    def _render(
        self, safe: Sequence[Message], hidden: Sequence[str], request: GenerateRequest
    ) -> tuple[list[int], bool]:
        thinking = None if request.thinking == "auto" else request.thinking == "on"
        if request.continue_:
            text, inside = self._begun(safe, thinking)
            return self._tokens(text, hidden), inside
        if request.thinking_budget == 0:
            thinking = False
        text = self._written(safe, thinking)
        inside = opens_inside(text, self._format)
        suffix = ""
        if thinking is False:
            suffix = self._suppression(text)
            inside = False
        elif self._wants_opening(request, thinking) and not inside and not closed_empty(text, self._format):
            suffix = self._format.force_open
            inside = bool(suffix)
        return self._tokens(text + suffix, hidden), inside

    def _begun(self, safe: Sequence[Message], thinking: bool | None) -> tuple[str, bool]:
        """The conversation up to the last character of the message that is continued, and whether that is thought."""
        *earlier, last = safe
        if not last.reasoning:
            text = self._written(earlier, thinking)
            if thinking is False:
                text += self._suppression(text)
            return text + continuation(text, self._format, None, last.content), False
        thinking = thinking or None
        text = self._written(earlier, thinking)
        if thinking is None and closed_empty(text, self._format):
            text = self._written(earlier, True)
        inside = not last.content and bool(self._format.spans) and not closed_empty(text, self._format)
        return text + continuation(text, self._format, last.reasoning, last.content), inside

    def _written(self, safe: Sequence[Message], thinking: bool | None) -> str:
        """The conversation as the template writes it."""
        try:
            return self._template.render(safe, thinking=thinking, switch=self._detection.switch)
        except TemplateError as problem:
            raise BadInput(
                f"The model's chat template cannot take this conversation: {problem}",
                "Leave out the system prompt, or start a new conversation.",
            ) from problem

    def _suppression(self, text: str) -> str:
        """What keeps the model from thinking where the template does not."""
        if opens_inside(text, self._format):
            return suppression(text, self._format)
        if self._detection.evidence == "template" and not self._detection.can_switch:
            return suppression(text, self._format)
        return ""

    def _wants_opening(self, request: GenerateRequest, thinking: bool | None) -> bool:
        """Whether to open the thought for the model, so that it cannot be skipped.

        A grammar needs it too: it starts after the thought, and must know where that is.
        """
        constrained = request.grammar is not None or request.json_schema is not None
        return thinking is True or (constrained and self._detection.evidence == "template")

    def _hide_controls(self, messages: Sequence[Message]) -> tuple[list[Message], list[str], list[int]]:
        """Replace what would be read as control tokens in contents and thoughts by numbered sentinels.

        Returns:
            The safe messages, what the sentinels stand for, and the tokens of each message's content.
        """
        hidden: list[str] = []
        safe, sizes = [], []
        for message in messages:
            content, size = self._hide(message.content, hidden)
            reasoning = self._hide(message.reasoning, hidden)[0] if message.reasoning else message.reasoning
            safe.append(message.model_copy(update={"content": content, "reasoning": reasoning}))
            sizes.append(size)
        return safe, hidden, sizes

    def _hide(self, text: str, hidden: list[str]) -> tuple[str, int]:
        text = text.replace("\ue000", "\ufffd").replace("\ue001", "\ufffd")
        tokens = self._vocab.tokenize(text, add_special=False, parse_special=True)
        controls = {self._vocab.text(token) for token in set(tokens) if self._vocab.is_control(token)}
        for control in sorted(filter(None, controls), key=len, reverse=True):
            if control in text:
                text = text.replace(control, SENTINEL.format(len(hidden)))
                hidden.append(control)
        return text, len(tokens)

    def _tokens(self, text: str, hidden: Sequence[str]) -> list[int]:
        """Tokenize a rendered template; hidden contents are tokenized as plain text."""
        vocab = self._vocab
        bos = vocab.text(vocab.bos) if vocab.bos is not None else ""
        tokens: list[int] = []
        for number, part in enumerate(re.split("\ue000(\\d+)\ue001", text)):
            if number % 2:
                tokens += vocab.tokenize(hidden[int(part)], add_special=False, parse_special=False)
            elif part or number == 0:
                first = number == 0 and not (bos and part.startswith(bos))
                tokens += vocab.tokenize(part, add_special=first, parse_special=True)
        if vocab.add_eos and tokens and vocab.is_eog(tokens[-1]):
            tokens.pop()
        return tokens


def _answer_room(request: GenerateRequest, limit: int) -> int:
    return min(request.max_tokens or ANSWER_ROOM, ANSWER_ROOM, limit // 4)


def _checked(request: GenerateRequest) -> GenerateRequest:
    """A request to continue. Where nothing was said yet there is nothing to continue: it is an ordinary one then."""
    if not request.messages or request.messages[-1].role != "assistant":
        raise UsageError("Only a message of the assistant can be continued.", "Send a new message.")
    held = request.grammar is not None or request.json_schema is not None
    if held and not (request.grammar_of_rest and request.messages[-1].content.strip()):
        raise UsageError("An answer that was begun cannot be held to a grammar.", "Ask for the whole answer again.")
    if request.messages[-1].content or request.messages[-1].reasoning:
        return request
    return request.model_copy(update={"messages": request.messages[:-1], "continue_": False})


def _turns(messages: Sequence[Message]) -> list[slice]:
    """The turns that may go, oldest first: each from one user message up to the next. The last is not among them."""
    start = next((i for i, message in enumerate(messages) if message.role != "system"), len(messages))
    bounds = [start, *(i for i in range(start + 1, len(messages)) if messages[i].role == "user")]
    return [slice(first, second) for first, second in pairwise(bounds)]


def _without(messages: Sequence[Message], turns: Sequence[slice]) -> list[Message]:
    """The messages without these neighbouring turns; a system message among them stays."""
    if not turns:
        return list(messages)
    start, stop = turns[0].start, turns[-1].stop
    system = [message for message in messages[start:stop] if message.role == "system"]
    return [*messages[:start], *system, *messages[stop:]]
