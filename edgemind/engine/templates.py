"""Chat templates: from a conversation to the text a model was trained to continue.

A model's own template is tried first, on a probe conversation; what it cannot take (a system prompt, two turns of one
role in a row, plain-text contents) is found out then and worked around from then on. A template that is missing,
broken, hostile or endless is replaced by one of our own, and ``LoadedTemplate.note`` says so.
Not for: what the template may do (``template_sandbox``), tokens, what the thought's tags mean (``reasoning_formats``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from jinja2 import meta

from edgemind.engine.events import Message
from edgemind.engine.template_fallbacks import fallback_template
from edgemind.engine.template_sandbox import CPU_SECONDS, Sandbox, allowance, strftime_format

__all__ = [
    "ChatTemplate",
    "LoadedTemplate",
    "Quirks",
    "TemplateError",
    "fallback_template",
    "load_template",
    "template_variables",
    "variables_that_matter",
]

LARGEST_SOURCE = 256 << 10
"""The largest template of a known model has about 30 KB."""

REASONING_EFFORT = {True: "medium", False: "low"}
"""gpt-oss cannot be told not to think; low is the least."""


class TemplateError(Exception):
    """A template that cannot be compiled, or refuses or fails to render a conversation."""


@dataclass(frozen=True)
class Quirks:
    """What a template cannot take, found out by probing."""

    no_system: bool = False
    """It refuses or drops a system prompt: the first user turn carries it."""
    alternating: bool = False
    """It demands user and assistant in turn: neighbours of one role are joined."""
    typed_content: bool = False
    """It wants contents as ``[{"type": "text", "text": …}]``."""


class ChatTemplate:
    """One compiled template.

    Args:
        source: Jinja text, as transformers renders it (``trim_blocks``, ``lstrip_blocks``, ``break`` and ``continue``,
            ``{% generation %}``, ``raise_exception``, ``strftime_now``, ``tojson`` without HTML escapes).
        bos, eos: texts of those tokens; empty when the vocabulary has none.
        special_tokens: further variables for the template, such as ``pad_token``.
        cpu_seconds: limit for compiling, and for each rendering.

    Raises:
        TemplateError: the source is too large or is no valid template.
    """

    def __init__(
        self,
        source: str,
        *,
        bos: str = "",
        eos: str = "",
        special_tokens: Mapping[str, str] | None = None,
        quirks: Quirks | None = None,
        cpu_seconds: float = CPU_SECONDS,
    ) -> None:
        if len(source) > LARGEST_SOURCE:
            raise TemplateError(f"the chat template has {len(source):,} characters; the limit is {LARGEST_SOURCE:,}")
        self.source = source
        self.quirks = quirks or Quirks()
        self._variables = {**(special_tokens or {}), "bos_token": bos, "eos_token": eos}
        self._cpu_seconds = cpu_seconds
        with _failing_as_template_error(), allowance(len(source), cpu_seconds):
            self._template = Sandbox().from_string(source)

    def with_quirks(self, quirks: Quirks) -> ChatTemplate:
        """The same template, treated with more care."""
        copy = object.__new__(ChatTemplate)
        copy.__dict__.update(self.__dict__, quirks=quirks)
        return copy

    def render(
        self,
        messages: Sequence[Message],
        *,
        thinking: bool | None = None,
        switch: str | None = None,
        add_generation_prompt: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> str:
        """The text of a conversation, ready for an answer.

        Args:
            thinking: None leaves the choice to the template.
            switch: the variable that carries ``thinking``: ``Detection.switch``.
            extra: further variables for the template.

        Raises:
            TemplateError: the template refuses this conversation, or uses more time or memory than it may.
        """
        variables: dict[str, Any] = {
            **self._variables,
            "messages": self.as_dicts(messages),
            "add_generation_prompt": add_generation_prompt,
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
            "tools": None,
            **(extra or {}),
        }
        if switch is not None and thinking is not None:
            value = REASONING_EFFORT[thinking] if switch == "reasoning_effort" else thinking
            variables.setdefault(switch, value)
        size = len(self.source) + sum(len(message.content) + len(message.reasoning or "") for message in messages)
        with _failing_as_template_error(), allowance(size, self._cpu_seconds) as given:
            pieces: list[str] = []
            left = given.largest
            for piece in self._template.generate(variables):
                pieces.append(piece)
                left -= len(piece)
                if left < 0:
                    raise TemplateError("the chat template writes too much text")
            return "".join(pieces)

    def continue_final(self, messages: Sequence[Message], **options: Any) -> str:
        """The text of a conversation that ends in an assistant message the model shall go on with.

        The last message's thought is left to ``reasoning_formats.continuation``: only that knows the tags.
        """
        if not messages or messages[-1].role != "assistant":
            raise TemplateError("only a message of the assistant can be continued")
        return self.render(messages[:-1], **options) + messages[-1].content

    def as_dicts(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """The conversation as the template gets to see it, after its quirks are taken care of."""
        turns = _system_first(messages)
        if self.quirks.no_system:
            turns = _system_into_user(turns)
        if self.quirks.alternating:
            turns = _alternating(turns)
        return [self._as_dict(message) for message in turns]

    def _as_dict(self, message: Message) -> dict[str, Any]:
        content: Any = [{"type": "text", "text": message.content}] if self.quirks.typed_content else message.content
        turn: dict[str, Any] = {"role": message.role, "content": content}
        if message.reasoning:
            turn["reasoning_content"] = message.reasoning
            if "reasoning_content" not in self.source and "<|channel|>" not in self.source:
                turn["thinking"] = message.reasoning
        return turn


@dataclass(frozen=True)
class LoadedTemplate:
    """The template a model is used with."""

    template: ChatTemplate
    source: Literal["model", "fallback"]
    note: str = ""
    """What the user should know; empty when all is well."""

    def render(self, messages: Sequence[Message], **options: Any) -> str:
        """See ``ChatTemplate.render``."""
        return self.template.render(messages, **options)


def load_template(
    model_template: str | None, architecture: str, has_token: Callable[[str], bool], bos: str, eos: str
) -> LoadedTemplate:
    """The model's own template if it renders a probe conversation, else one that fits its vocabulary."""
    reason = "The model file has no chat template"
    if model_template and model_template.strip():
        try:
            own = _adapted(ChatTemplate(model_template, bos=bos, eos=eos))
        except TemplateError as error:
            reason = f"The model's chat template is unusable ({error})"
        else:
            return LoadedTemplate(own, "model", _quirk_note(own.quirks))
    name, source = fallback_template(architecture, has_token)
    template = _adapted(ChatTemplate(source, bos=bos, eos=eos))
    return LoadedTemplate(template, "fallback", f"{reason}; the built-in {name} template is used.")


def variables_that_matter(source: str, candidates: Mapping[str, tuple[Any, Any]]) -> frozenset[str]:
    """Those of ``candidates`` whose two values make the template write two different texts.

    A name that the template reads is not enough: some set a variable of that name themselves.
    """
    read = [name for name in candidates if name in template_variables(source)]
    if not read:
        return frozenset()
    try:
        template = _adapted(ChatTemplate(source))
    except TemplateError:
        return frozenset(read)

    def written(name: str, value: Any) -> str | None:
        try:
            return template.render([Message(role="user", content=_USER)], extra={name: value})
        except TemplateError:
            return None

    return frozenset(name for name in read if written(name, candidates[name][0]) != written(name, candidates[name][1]))


@lru_cache(maxsize=8)
def template_variables(source: str) -> frozenset[str]:
    """The variables that a template reads from outside; empty when it cannot be parsed."""
    if len(source) > LARGEST_SOURCE:
        return frozenset()
    try:
        with _failing_as_template_error(), allowance(len(source)):
            return frozenset(meta.find_undeclared_variables(Sandbox().parse(source)))
    except TemplateError:
        return frozenset()


_USER, _ANSWER, _NEXT, _RULES = "probe user one", "probe assistant", "probe user two", "probe rules"


def _adapted(template: ChatTemplate) -> ChatTemplate:
    """The template with the quirks under which it renders the probe. Raises TemplateError when none will do."""
    plain = (
        Message(role="user", content=_USER),
        Message(role="assistant", content=_ANSWER),
        Message(role="user", content=_NEXT),
    )
    template = _first_that_renders(template, plain, (_USER, _ANSWER, _NEXT), "typed_content")
    system = Message(role="system", content=_RULES)
    template = _first_that_renders(template, (system, *plain), (_RULES, _USER, _NEXT), "no_system")
    twice = (plain[0], plain[0].model_copy(update={"content": "probe user again"}))
    return _first_that_renders(template, twice, (_USER, "probe user again"), "alternating")


def _first_that_renders(
    template: ChatTemplate, messages: Sequence[Message], expected: Sequence[str], quirk: str
) -> ChatTemplate:
    """The template as it is, or with ``quirk``, whichever shows all of the expected texts first."""
    failure = TemplateError("it leaves out what was said")
    for candidate in (template, template.with_quirks(replace(template.quirks, **{quirk: True}))):
        try:
            text = candidate.render(messages)
        except TemplateError as error:
            failure = error
            continue
        if all(part in text for part in expected):
            return candidate
    raise failure


def _quirk_note(quirks: Quirks) -> str:
    if not quirks.no_system:
        return ""
    return "The model's chat template takes no system prompt; the first user turn carries it."


def _system_first(messages: Sequence[Message]) -> list[Message]:
    """All system prompts as one in front: many templates refuse them anywhere else."""
    prompts = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    return [Message(role="system", content="\n\n".join(prompts)), *turns] if prompts else turns


def _system_into_user(messages: list[Message]) -> list[Message]:
    if not messages or messages[0].role != "system":
        return messages
    system, *turns = messages
    if turns and turns[0].role == "user":
        first = turns[0].model_copy(update={"content": f"{system.content}\n\n{turns[0].content}"})
        return [first, *turns[1:]]
    return [Message(role="user", content=system.content), *turns]


def _alternating(messages: list[Message]) -> list[Message]:
    """Neighbours of one role joined, and a user turn in front."""
    turns: list[Message] = []
    for message in messages:
        if turns and turns[-1].role == message.role:
            turns[-1] = turns[-1].model_copy(update={"content": f"{turns[-1].content}\n\n{message.content}"})
        else:
            if message.role == "assistant" and (not turns or turns[-1].role == "system"):
                turns.append(Message(role="user", content=""))
            turns.append(message)
    return turns


def _raise_exception(message: str) -> None:
    raise TemplateError(str(message)[:200])


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(strftime_format(pattern))


class _failing_as_template_error:  # noqa: N801
    """Whatever goes wrong inside a template is one kind of error; only an interrupt passes through."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, TemplateError) or not isinstance(error, Exception):
            return
        text = re.sub(r"\s+", " ", str(error)) or type(error).__name__
        raise TemplateError(text[:200]) from None
