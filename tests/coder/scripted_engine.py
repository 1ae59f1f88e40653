"""An engine with the context of a large model that answers what a test tells it to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from edgemind.engine import protocol
from edgemind.engine.events import Answer, Done, Event, GenerateRequest, Message, ModelInfo, StopReason

INFO = ModelInfo(
    name="scripted", path="/", architecture="none", parameters=1, size_bytes=1, context_trained=32_768,
    context_limit=32_768, vocabulary=256, reasoning_format="none", can_switch_thinking=False,
    template_source="fallback", gpu_layers=0, layers=1, threads=1, flash_attention=False, offline="kernel",
)  # fmt: skip


class ScriptedGeneration:
    def __init__(self, text: str, reason: StopReason) -> None:
        self._text, self._reason = text, reason

    def __iter__(self) -> Iterator[Event]:
        yield Answer(text=self._text)
        yield Done(stop_reason=self._reason)

    def cancel(self) -> None:
        self._reason = "cancelled"

    def __enter__(self) -> ScriptedGeneration:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class ScriptedEngine:
    """Each answer is one round: its edits, then ``done``. An answer that ends with ``…`` was cut off.

    A callable is asked when its round comes, for what happens meanwhile.
    """

    def __init__(self, *answers: Sequence[str] | Callable[[], Sequence[str]], limit: int = 32_768) -> None:
        self.info = INFO.model_copy(update={"context_limit": limit})
        self.requests: list[GenerateRequest] = []
        self._answers = list(answers)
        self._left: list[str] = []

    def wait_loaded(self) -> ModelInfo:
        return self.info

    def count(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) for message in messages) // 4 + 8 * len(messages)

    def ask(self, command: Callable[[int], Any], kind: type[protocol.Tokenized]) -> protocol.Tokenized:
        texts = command(1).texts
        return protocol.Tokenized(tokens=tuple((0,) * (len(text) // 4 + 1) for text in texts))

    def generate(self, request: GenerateRequest) -> ScriptedGeneration:
        self.requests.append(request)
        if not request.continue_:
            answer = self._answers.pop(0)
            self._left = list(answer() if callable(answer) else answer)
        text = self._left.pop(0) if self._left else "done"
        return ScriptedGeneration(text.removesuffix("…"), "max_tokens" if text.endswith("…") else "end")
