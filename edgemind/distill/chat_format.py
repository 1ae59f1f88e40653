"""How one tokenizer writes a conversation: its own chat template, its marks of a thought, its end of a turn.

A problem becomes the tokens that the engine would prefill for it, and the tokens that a model learns to answer with.
Not for: training tokenizers (``tokenizer``), writing their files (``tokenizer_files``), the engine's own prompts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from edgemind.convert.tokenizer.layout import SPACE
from edgemind.convert.tokenizer.special import added_around, looks_special
from edgemind.distill.chat_text import ChatText
from edgemind.distill.problems.base import Problem
from edgemind.distill.tokenizer_files import TokenizerFolder, contents_of_gguf
from edgemind.errors import BadInput

if TYPE_CHECKING:
    from edgemind.distill.targets.vocabulary import Vocabulary

_SENTINEL = "\ue000{}\ue001"
"""Stands in a rendered text for a piece of content that must not be read as a control token."""


@dataclass(frozen=True)
class Encoded:
    """One example as tokens. ``ids[start:]`` is what is learned; it ends with the end-of-turn token."""

    ids: list[int]
    start: int


class ChatFormat:
    """The format of one tokenizer.

    What looks like a control token in a prompt, a thought or an answer stays text. What is learned begins right behind
    the generation prompt and ends with the token that the template puts behind an assistant's message.

    Args:
        contents: of ``tokenizer.json``.
        template: Jinja, or ``None``.
        special: token ids by what they are for: ``bos``, ``eos``, ``pad``.
        ends: further tokens that end a turn.
        architecture: of the model, as its configuration says it.
        where: the folder or file, for messages and for ``vocabulary``.

    Raises:
        BadInput: it is no tokenizer, or has no token that could end a turn.
    """

    def __init__(
        self,
        contents: Mapping[str, Any],
        template: str | None,
        special: Mapping[str, int],
        ends: Iterable[int] = (),
        architecture: str = "",
        where: Path | None = None,
    ) -> None:
        self.where = where
        self._contents = contents
        self._tokenizer = _tokenizer(contents, where)
        added = {int(token["id"]): token for token in contents.get("added_tokens") or ()}
        self._controls = {
            str(token["content"]): number
            for number, token in added.items()
            if token.get("special") or looks_special(str(token["content"]))
        }
        text = {number: str(token["content"]) for number, token in added.items()}
        names = {name: text.get(number) or self._token(number) for name, number in special.items()}
        self._bos = special.get("bos")
        self._bos_text = names.get("bos", "")
        self._adds_bos = added_around(contents.get("post_processor"), {}, special).get("bos", False)
        self.text = ChatText(template, architecture, self._has_token, self._bos_text, names.get("eos", ""))
        self._special_ids = frozenset(self._controls.values()) | frozenset(special.values())
        learned = self._end_of_turn()
        found = [number for number in (learned, *ends, special.get("eos")) if number is not None]
        if not found:
            raise BadInput(
                f"The tokenizer{_of(where)} has no token that ends a turn.",
                "Name an eos_token in tokenizer_config.json.",
            )
        self.end_ids: tuple[int, ...] = tuple(dict.fromkeys(found))
        """Tokens that end a turn; the first is the one that is learned."""
        self.pad_id: int = special.get("pad", special.get("eos", self.end_ids[0]))

    @classmethod
    def of_folder(cls, folder: Path) -> ChatFormat:
        """The format of a Hugging Face tokenizer folder: ``tokenizer.json``, the template, the special tokens.

        Raises:
            BadInput: a file is missing or not what it should be.
        """
        files = TokenizerFolder(folder)
        contents = files.contents()
        special, ends = files.special(contents)
        return cls(contents, files.template(), special, ends, files.architecture, folder)

    @classmethod
    def of_gguf(cls, path: Path) -> ChatFormat:
        """The format of a GGUF file with a byte-level BPE vocabulary.

        Raises:
            BadInput: the vocabulary is of another kind, or cuts text in a way that is not known.
            ModelUnusable: it is no GGUF file.
        """
        found = contents_of_gguf(path)
        return cls(found.contents, found.template, found.special, (), found.architecture, path)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens by id, to be compared with another model's."""
        from edgemind.distill.targets import vocabulary

        assert self.where is not None
        if self.where.is_dir():
            return vocabulary.of_tokenizer_folder(self.where)
        return vocabulary.of_gguf(self.where)

    def encode(self, problem: Problem, thought: str, answer: str) -> Encoded:
        """The whole example: prompt, thought, answer, end of the turn.

        Raises:
            BadInput: the template refuses this conversation.
        """
        hidden: list[str] = []
        prompt = self._prompt(problem, hidden)
        ids = self._ids(prompt, hidden, first=True)
        completion = self.text.completion_text(
            problem, self._protected(thought, hidden), self._protected(answer, hidden), prompt
        )
        learned = self._continued(prompt, ids, completion, hidden)
        return Encoded([*ids, *learned, self.end_ids[0]], len(ids))

    def encode_prompt(self, problem: Problem) -> list[int]:
        """The tokens before the model's own: ``encode(...).ids[:start]``."""
        hidden: list[str] = []
        return self._ids(self._prompt(problem, hidden), hidden, first=True)

    def prompt_text(self, problem: Problem) -> str:
        """The text of the prompt, its contents as they are."""
        return self.text.prompt_text(problem)

    def completion_text(self, problem: Problem, thought: str, answer: str) -> str:
        """The text that is learned, without the end of the turn."""
        return self.text.completion_text(problem, thought, answer)

    def split(self, text: str) -> tuple[str, str]:
        """Thought and answer of a completion's text; see ``ChatText.split``."""
        return self.text.split(text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a completion: marks of thoughts stay visible, other control tokens and the end are left out."""
        tags = {self._controls[tag] for tag in self.text.tags if tag in self._controls}
        seen = [number for number in ids if number in tags or number not in self._special_ids]
        return str(self._tokenizer.decode(seen, skip_special_tokens=False))

    def read(self, ids: Sequence[int]) -> tuple[str, str]:
        """Thought and answer of a completion's tokens."""
        return self.split(self.decode(ids))

    def _prompt(self, problem: Problem, hidden: list[str]) -> str:
        return self.text.prompt_text(problem, lambda content: self._protected(content, hidden))

    def _token(self, number: int) -> str:
        return self._tokenizer.id_to_token(number) or ""

    def _has_token(self, text: str) -> bool:
        return self._tokenizer.token_to_id(text) is not None

    def _end_of_turn(self) -> int | None:
        """The first control token behind an assistant's message; ``None`` when the template writes none there."""
        after = self._tokenizer.encode(self.text.after_reply(), add_special_tokens=False).ids
        return next((number for number in after if number in self._special_ids), None)

    @cached_property
    def _control_pattern(self) -> tuple[frozenset[str], re.Pattern[str]]:
        texts = sorted(filter(None, self._controls), key=len, reverse=True)
        return frozenset(text[0] for text in texts), re.compile("|".join(map(re.escape, texts)) or r"(?!)")

    def _protected(self, text: str, hidden: list[str]) -> str:
        """The text with a numbered sentinel for everything that would be read as a control token."""
        if "\ue000" in text or "\ue001" in text:
            text = text.replace("\ue000", "\ufffd").replace("\ue001", "\ufffd")
        firsts, pattern = self._control_pattern
        if not any(first in text for first in firsts):
            return text

        def hide(match: re.Match[str]) -> str:
            hidden.append(match.group())
            return _SENTINEL.format(len(hidden) - 1)

        return pattern.sub(hide, text)

    def _ids(self, text: str, hidden: Sequence[str], first: bool) -> list[int]:
        """Tokens of a rendered text; what was hidden is cut as plain text."""
        if "\ue000" not in text:
            ids = list(self._tokenizer.encode(text, add_special_tokens=False).ids)
        else:
            ids = []
            for number, part in enumerate(re.split("\ue000(\\d+)\ue001", text)):
                if number % 2:
                    ids += self._plain.encode(hidden[int(part)], add_special_tokens=False).ids
                elif part:
                    ids += self._tokenizer.encode(part, add_special_tokens=False).ids
        if first and self._adds_bos and self._bos is not None and not text.startswith(self._bos_text):
            ids.insert(0, self._bos)
        return ids

    def _continued(self, prompt: str, before: list[int], completion: str, hidden: Sequence[str]) -> list[int]:
        """The tokens of a completion behind its prompt.

        They are cut alone, since that is where a model begins to write. Only a tokenizer that puts a space in front
        of every text has to see what stands before, as long as the prompt's own tokens stay what they are.
        """
        if self._spaced:
            whole = self._ids(prompt + completion, hidden, first=True)
            if whole[: len(before)] == before:
                return whole[len(before) :]
        return self._ids(completion, hidden, first=False)

    @cached_property
    def _spaced(self) -> bool:
        """Whether a space is put in front of a text that has none, as SentencePiece does."""
        tokens = self._tokenizer.encode("a", add_special_tokens=False).tokens
        return bool(tokens) and tokens[0].startswith(SPACE)

    @cached_property
    def _plain(self) -> Tokenizer:
        """The same without any added token, so that none is found in a text."""
        return _tokenizer({**self._contents, "added_tokens": [], "post_processor": None}, self.where)


def _tokenizer(contents: Mapping[str, Any], where: Path | None) -> Tokenizer:
    try:
        return Tokenizer.from_str(json.dumps(contents))
    except Exception as problem:  # the library raises plain Exception
        raise BadInput(
            f"The tokenizer{_of(where)} cannot be used: {str(problem)[:200]}.",
            "`AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)` of transformers writes it anew.",
        ) from problem


def _of(where: Path | None) -> str:
    from edgemind.models.opening import shown

    return f" of {shown(where)}" if where else ""
