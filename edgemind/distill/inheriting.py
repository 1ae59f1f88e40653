"""A student that starts from its teacher: whether its shape can be cut out of the teacher's, and the cutting.

Not for: how a network is made smaller (``compress``), what a recipe may say at all (``recipe.schema``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.recipe.networks import ShapeRecipe, StudentRecipe
from edgemind.errors import ModelUnusable, UsageError
from edgemind.models.gguf import read_header
from edgemind.models.opening import shown

if TYPE_CHECKING:
    from edgemind.distill.compress import Compressed, Text
    from edgemind.distill.problems.base import Problem

KINDS = ("qwen3", "qwen2", "llama", "mistral")
"""What transformers calls the classes that can be compressed: RMSNorm, rotary positions, SwiGLU, all layers alike."""
GGUF_KINDS = ("qwen3",)
"""Architectures of GGUF files that can be read as a network."""
SAMPLE_TOKENS = 16_000
"""Of the worked solutions that the smaller network is fitted on."""
RANDOM = 'Say student.start = "random" to start from nothing.'


@dataclass(frozen=True)
class Measures:
    """A network's size; ``kind`` is what transformers calls its class."""

    kind: str
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    context: int

    @classmethod
    def of_shape(cls, shape: ShapeRecipe, kind: str = "qwen3") -> Measures:
        """Of a shape in a recipe."""
        return cls(
            kind,
            shape.width,
            shape.layers,
            shape.heads,
            shape.kv_heads or shape.heads,
            shape.head_dim or shape.width // shape.heads,
            shape.ffn or 3 * shape.width,
            shape.context,
        )

    @classmethod
    def of_config(cls, path: Path, name: str) -> Measures:
        """Of a checkpoint, by its ``config.json``.

        Raises:
            ModelUnusable: it cannot be read, or is of a kind that no student can start from.
        """
        try:
            config: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
            kind = str(config.get("model_type"))
            _check_kind(kind, KINDS, name)
            heads, width = int(config["num_attention_heads"]), int(config["hidden_size"])
            return cls(
                kind,
                width,
                int(config["num_hidden_layers"]),
                heads,
                int(config.get("num_key_value_heads") or heads),
                int(config.get("head_dim") or (128 if kind == "qwen3" else width // heads)),
                int(config["intermediate_size"]),
                int(config.get("max_position_embeddings") or 1024),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise ModelUnusable(
                f"The configuration of {name} cannot be read, so no student can start from it.", RANDOM
            ) from problem

    @classmethod
    def of_gguf(cls, path: Path, name: str) -> Measures:
        """Of a GGUF file.

        Raises:
            ModelUnusable: it does not say, or is of a kind that no student can start from.
        """
        header = read_header(path)
        kind = header.architecture
        _check_kind(kind, GGUF_KINDS, f"The file of {name}")
        keys = [
            "embedding_length",
            "block_count",
            "attention.head_count",
            "attention.head_count_kv",
            "attention.key_length",
            "feed_forward_length",
            "context_length",
        ]
        found = [header.number(f"{kind}.{key}") for key in keys]
        numbers = [number for number in found if number is not None]
        if len(numbers) < len(keys):
            raise ModelUnusable(f"{name} does not say its {keys[found.index(None)]}.", RANDOM)
        return cls(kind, *numbers)


def _check_kind(kind: str, known: Sequence[str], name: str) -> None:
    if kind not in known:
        what = "its checkpoint's folder as the teacher, or say" if known is GGUF_KINDS else "another teacher, or say"
        raise ModelUnusable(
            f'{name} is a {shown(kind)}, and with start = "teacher" it has to be one of: {", ".join(known)}.',
            f'Name {what} student.start = "random".',
        )


def check_fits(recipe: StudentRecipe, teacher: Measures, name: str) -> None:
    """That the student's shape can be cut out of its teacher.

    Raises:
        UsageError: it cannot; the message names the key.
    """
    assert recipe.shape is not None
    student = Measures.of_shape(recipe.shape)
    if student.head_dim != teacher.head_dim:
        raise UsageError(
            f"student.shape.head_dim is {student.head_dim} and that of {name} {teacher.head_dim}: with start = "
            '"teacher" a head is kept whole or not at all.',
            f"Say head_dim = {teacher.head_dim} in [student.shape].",
        )
    for key in ("width", "layers", "kv_heads", "heads", "ffn", "context"):
        ours, theirs = getattr(student, key), getattr(teacher, key)
        if ours > theirs:
            raise UsageError(
                f'student.shape.{key} is {ours:,} and that of {name} {theirs:,}: a student with start = "teacher" is '
                "larger in nothing.",
                f"Make it at most {theirs}. {RANDOM}",
            )
    ours, theirs = student.heads // student.kv_heads, teacher.heads // teacher.kv_heads
    if ours > theirs:
        raise UsageError(
            f"The student has {ours} heads to each of its kv_heads and {name} {theirs}: heads that share keys and "
            "values are kept together.",
            f"Make student.shape.heads at most {theirs * student.kv_heads}, or kv_heads larger.",
        )
    if recipe.keep_layers and recipe.keep_layers[-1] >= teacher.layers:
        raise UsageError(
            f"student.keep_layers has {recipe.keep_layers[-1]}, and the layers of {name} end at {teacher.layers - 1}.",
            "They count from 0. Leave keep_layers out to have them chosen.",
        )


def sample(problems: Sequence[Problem], tokenizer: Path, context: int) -> list[Text]:
    """Worked solutions for about ``SAMPLE_TOKENS`` tokens, from all over the problems; a question where there is none.

    Args:
        tokenizer: a checkpoint's folder.
        context: longer ones are left out.
    """
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.compress import Text

    chat = ChatFormat.of_folder(tokenizer)
    found: list[Text] = []
    tokens = 0
    for problem in _spread(problems):
        if problem.answer:
            made = chat.encode(problem, problem.thought, problem.answer)
            text = Text(made.ids, made.start)
        else:
            text = Text(chat.encode_prompt(problem), 1)
        if len(text.ids) <= context:
            found.append(text)
            tokens += len(text.ids)
        if tokens >= SAMPLE_TOKENS:
            break
    if len(found) < 2:
        raise UsageError(
            f"None of the problems fits into {context:,} tokens, and a student starts from its teacher by some.",
            RANDOM,
        )
    return found


def _spread(problems: Sequence[Problem]) -> list[Problem]:
    """All of them, so that any number from the front comes from all over."""
    step = next(step for step in (7919, 7907, 1) if len(problems) % step or step == 1)
    return [problems[place * step % len(problems)] for place in range(len(problems))]


def cut(recipe: StudentRecipe, source: Path, tokenizer: Path, problems: Sequence[Problem]) -> Compressed:
    """The teacher in the student's shape.

    Args:
        source: of the teacher's network: a checkpoint's folder or a GGUF file.
        tokenizer: a folder with the tokenizer of both.
        problems: what is sampled.

    Raises:
        ModelUnusable: the teacher is of a kind that cannot be made smaller.
        UsageError: the shape is no part of it.
    """
    from edgemind.distill.compress import compressed
    from edgemind.distill.students import open_network

    assert recipe.shape is not None
    check_fits(recipe, measures_of(source, source.name), source.name)
    texts = sample(problems, tokenizer, recipe.shape.context)
    return compressed(open_network(source), recipe.shape, texts, recipe.keep_layers)


def measures_of(source: Path, name: str) -> Measures:
    """Of a checkpoint's folder or a GGUF file."""
    if source.is_dir():
        return Measures.of_config(source / "config.json", name)
    return Measures.of_gguf(source, name)
