"""How one tokenizer writes a conversation: its own chat template, its marks of a thought, its end of a turn.

A problem becomes the tokens that the engine would prefill for it, and the tokens that a model learns to answer with.
Not for: training tokenizers (``tokenizer``), writing their files (``tokenizer_files``), the engine's own prompts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.problems.base import Problem

if TYPE_CHECKING:
    from edgemind.distill.targets.vocabulary import Vocabulary


@dataclass(frozen=True)
class Encoded:
    """One example as tokens. ``ids[start:]`` is what is learned; it ends with the end-of-turn token."""

    ids: list[int]
    start: int


class ChatFormat:
    """The format of one tokenizer folder."""

    end_ids: tuple[int, ...]
    """Tokens that end a turn; the first is the one that is learned."""
    pad_id: int

    @classmethod
    def of_folder(cls, folder: Path) -> ChatFormat:
        """The format of a Hugging Face tokenizer folder."""
        raise NotImplementedError

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens by id."""
        raise NotImplementedError

    def encode(self, problem: Problem, thought: str, answer: str) -> Encoded:
        """The whole example."""
        raise NotImplementedError

    def encode_prompt(self, problem: Problem) -> list[int]:
        """The tokens before the model's own."""
        raise NotImplementedError

    def split(self, text: str) -> tuple[str, str]:
        """Thought and answer of a completion's text."""
        raise NotImplementedError

    def decode(self, ids: list[int]) -> str:
        """The text of a completion, control tokens and the end of the turn left out."""
        raise NotImplementedError
