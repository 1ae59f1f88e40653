"""A problem as text: rendered with a model's own chat template as the engine does it, thoughts between its own marks.

The template runs in the engine's counted sandbox, so one that comes with a checkpoint from anywhere can neither reach
Python nor run for ever. Not for: tokens (``chat_format``).
"""

from __future__ import annotations

from collections.abc import Callable

from edgemind.distill.problems.base import Problem
from edgemind.engine.events import Message
from edgemind.engine.reasoning import ReasoningParser
from edgemind.engine.reasoning_formats import FORMATS, closed_empty, continuation, detect, opens_inside, suppression
from edgemind.engine.templates import TemplateError, load_template
from edgemind.errors import BadInput

THOUGHTS = "{# Thoughts stand between <think> and </think>. #}"
"""A comment that writes nothing, and by which a template is known as one of a model that thinks."""

_PROBE, _REPLY = "probe question", "probe reply"

Protect = Callable[[str], str]
"""What is done to every content before it is rendered."""


def _as_it_is(text: str) -> str:
    return text


class ChatText:
    """One model's way to write a conversation.

    Thoughts stand between the marks of the template. A template that knows none gets ``<think>`` and ``</think>`` as
    plain text, and a problem without a thought nothing, which a teacher that never thinks would not write either. The
    exported model's template must say so (``tokenizer_files.teach_thoughts``), or its thoughts are shown as part of
    the answer; ``start_student`` sees to that.

    Args:
        template: Jinja; ``None``, or one that does not work, is replaced by one that fits the vocabulary.
        architecture: the model's, for what the vocabulary does not tell.
        has_token: whether a text is one token.
        bos, eos: texts of those tokens; empty when there are none.
    """

    def __init__(
        self, template: str | None, architecture: str, has_token: Callable[[str], bool], bos: str, eos: str
    ) -> None:
        self._template = load_template(template, architecture, has_token, bos, eos)
        self._found = detect(template, has_token, architecture)
        self._marks = FORMATS[self._found.format if self._found.evidence != "none" else "think"]
        self._taught = THOUGHTS in (template or "")
        self._switched_on: bool | None = None
        probe = Problem(family="", key="", prompt=_PROBE, thought="", answer="", result="")
        if self._found.switch and closed_empty(self._render(self._turns(probe, _as_it_is), None), self._marks):
            self._switched_on = True
        self._inside = opens_inside(self.prompt_text(probe), self._marks)

    @property
    def note(self) -> str:
        """What the user should know of the template; empty when all is well."""
        return self._template.note

    @property
    def knows_thoughts(self) -> bool:
        """Whether the template itself has a place for thoughts."""
        return self._found.evidence == "template"

    @property
    def tags(self) -> tuple[str, ...]:
        """The marks around thoughts and answers, some of which may be control tokens."""
        return self._marks.tags()

    def prompt_text(self, problem: Problem, protect: Protect = _as_it_is) -> str:
        """Everything before the model's own text.

        Raises:
            BadInput: the template refuses this conversation.
        """
        text = self._render(self._turns(problem, protect), self._switched_on if problem.thinking else False)
        if not problem.thinking and (
            opens_inside(text, self._marks) or (self.knows_thoughts and not self._found.can_switch)
        ):
            text += suppression(text, self._marks)
        return text

    def completion_text(self, problem: Problem, thought: str, answer: str, prompt: str | None = None) -> str:
        """The model's own text without the end of the turn.

        Args:
            prompt: ``prompt_text`` of the problem, where it is known already.
        """
        before = self.prompt_text(problem) if prompt is None else prompt
        if not problem.thinking or closed_empty(before, self._marks):
            return answer
        inside = opens_inside(before, self._marks)
        if not thought:
            marked = inside or (self.knows_thoughts and not self._taught)
            return (suppression(before, self._marks) if marked else "") + answer
        if answer:
            return continuation(before, self._marks, thought, answer)
        return ("" if inside else self._marks.force_open) + thought + self._marks.force_close

    def after_reply(self) -> str:
        """What the template writes behind an assistant's message."""
        turns = [Message(role="user", content=_PROBE), Message(role="assistant", content=_REPLY)]
        return self._render(turns, None, prompt=False).rpartition(_REPLY)[2]

    def split(self, text: str) -> tuple[str, str]:
        """Thought and answer of a completion's text, white space around them left out.

        A thought that was not closed is a thought, and the answer is empty then.
        """
        parser = ReasoningParser(self._marks, self._inside and not self._opens(text))
        pieces = [*parser.feed(text), *parser.finish()]
        thought, answer = ("".join(p.text for p in pieces if p.kind == kind).strip() for kind in ("thinking", "answer"))
        return thought, answer

    def _opens(self, text: str) -> bool:
        return text.lstrip().startswith(self._marks.open)

    def _turns(self, problem: Problem, protect: Protect) -> list[Message]:
        turns = [Message(role="system", content=protect(problem.system))] if problem.system is not None else []
        for user, assistant in problem.history:
            turns.append(Message(role="user", content=protect(user)))
            turns.append(Message(role="assistant", content=protect(assistant)))
        return [*turns, Message(role="user", content=protect(problem.prompt))]

    def _render(self, turns: list[Message], thinking: bool | None, prompt: bool = True) -> str:
        try:
            return self._template.render(
                turns, thinking=thinking, switch=self._found.switch, add_generation_prompt=prompt
            )
        except TemplateError as problem:
            raise BadInput(
                f"The model's chat template cannot take this conversation: {problem}",
                "Take another tokenizer, or set system and history to 0 in [problems.variety].",
            ) from problem
