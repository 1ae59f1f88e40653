"""A checkpoint becomes a GGUF file: the one call. Needs neither torch nor transformers.

Not for: proving the result (``parity``), adapters (``lora``), the store (``registering``).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import gguf

from edgemind import __version__
from edgemind.convert.checkpoint import Checkpoint, understood
from edgemind.convert.families import Family, family_of
from edgemind.convert.tokenizer import Vocabulary, read
from edgemind.convert.values import KINDS, Values, target_type
from edgemind.convert.write import Head, Progress, write
from edgemind.errors import UsageError
from edgemind.models.store.made import digest_of
from edgemind.models.unfinished import check_target

TYPES = tuple(KINDS)
FILE_TYPES = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "bf16": gguf.LlamaFileType.MOSTLY_BF16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
SMALL_FILES = (
    *("config.json", "generation_config.json", "tokenizer.json", "tokenizer.model", "tokenizer_config.json"),
    *("chat_template.jinja", "chat_template.json", "added_tokens.json", "model.safetensors.index.json"),
)


@dataclass(frozen=True)
class Converted:
    """A conversion that is complete."""

    path: Path
    size: int
    """Bytes."""
    architecture: str
    """llama.cpp's name of it."""
    type: str
    parameters: int
    tensors: int
    notes: tuple[str, ...]
    """What the user should know."""
    doubt: str
    """Why only a comparison can tell whether text is cut the same way; empty when the structure says so."""


@dataclass(frozen=True)
class Plan:
    """Everything that goes into the file, before a weight is read."""

    checkpoint: Checkpoint
    family: Family
    vocabulary: Vocabulary
    tensors: tuple[tuple[Values, gguf.GGMLQuantizationType], ...]
    type: str

    @property
    def architecture(self) -> str:
        return str(gguf.MODEL_ARCH_NAMES[self.family.arch])

    @property
    def parameters(self) -> int:
        return sum(math.prod(values.shape) for values, _ in self.tensors)

    def converted(self, path: Path, size: int) -> Converted:
        """What is to be told when it has been written."""
        return Converted(
            path=path,
            size=size,
            architecture=self.architecture,
            type=self.type,
            parameters=self.parameters,
            tensors=len(self.tensors),
            notes=(*self.family.notes, *self.vocabulary.notes),
            doubt=self.vocabulary.doubt,
        )


def plan(
    folder: Path,
    type: str = "f16",  # noqa: A002
    *,
    template: str | None = None,
    merged: Mapping[str, Values] | None = None,
) -> Plan:
    """Read everything about a checkpoint but its weights.

    Args:
        template: a chat template in place of its own.
        merged: tensors to write in place of those of the same name in the checkpoint.

    Raises:
        ModelNotFound, BadInput: what is wrong with the folder.
        UsageError: there is no such type.
    """
    if type not in KINDS:
        raise UsageError(f"There is no type {type!r} to convert to.", f"Use one of {', '.join(TYPES)}.")
    checkpoint = Checkpoint(folder)
    with understood("config.json"):
        family = family_of(checkpoint.config)
        tensors = list(family.tensors(checkpoint, merged or {}))
    with understood("The tokenizer"):
        vocabulary = read(checkpoint, template).sized(family.vocabulary, family.unknown_tokens)
    return Plan(checkpoint, family, vocabulary, tuple((each, target_type(each, type)) for each in tensors), type)


def convert(
    folder: Path,
    target: Path,
    *,
    type: str = "f16",  # noqa: A002
    name: str | None = None,
    template: str | None = None,
    merged: Mapping[str, Values] | None = None,
    replace: bool = False,
    progress: Progress = lambda done, total: None,
) -> Converted:
    """Write the checkpoint in ``folder`` as the GGUF file ``target``, which appears only when it is complete.

    Memory stays at some pieces of a tensor, or at the largest of Q and K where their rows change places.

    Args:
        type: ``f32``, ``f16``, ``bf16`` or ``q8_0``, for every matrix.
        name: what the file calls itself; the folder's name unless given.
        template: a chat template in place of the checkpoint's own.
        merged: tensors to write in place of those of the same name in the checkpoint; see ``lora.merged``.
        replace: replace a file that is there.
        progress: told the bytes done and the bytes in all.

    Raises:
        ModelNotFound, BadInput, UsageError: what is wrong with the folder, or the target, in one sentence.
        NoRoom, StoreProblem: the disk is full, or cannot be written.
    """
    planned = plan(folder, type, template=template, merged=merged)
    check_target(target, planned.checkpoint.sources(), replace=replace)
    size = write(target, head_of(planned, name), planned.tensors, progress, replace=replace)
    return planned.converted(target, size)


def head_of(planned: Plan, name: str | None = None) -> Head:
    """The metadata of the file."""
    head = Head(planned.architecture)
    with understood("config.json"):
        planned.family.describe(head)
    head.add_type(gguf.GGUFType.MODEL)
    head.add_name(safe_name(name or planned.checkpoint.name, planned.vocabulary))
    head.add_size_label(gguf.size_label(planned.parameters, planned.parameters, 0, 0))
    head.add_file_type(FILE_TYPES[planned.type])
    head.add_quantization_version(gguf.GGML_QUANT_VERSION)
    planned.vocabulary.write(head)
    return head


PHI3_TOKENS = ("</s>", "<unk>", "<s>", "<|endoftext|>")


def safe_name(name: str, vocabulary: Vocabulary) -> str:
    """The name for the file. llama.cpp takes any model with Phi-3 in its name for one whose added tokens swallow white
    space, and cannot load it when it lacks their usual tokens; only by the name can it be told to do so, or not."""
    called_so = re.search("phi-?3", name, re.IGNORECASE)
    is_so = vocabulary.strips and all(token in vocabulary.tokens for token in PHI3_TOKENS)
    if is_so and not called_so:
        return f"{name} (Phi-3)"
    return name if is_so else re.sub("(phi)-?3", r"\1 3", name, flags=re.IGNORECASE)


def provenance(folder: Path, files: Sequence[Path], progress: Progress) -> dict[str, str]:
    """What a model was made from: hashes of the source files, and the versions.

    Args:
        files: the weights, as ``Checkpoint.files`` gives them.
        progress: told the bytes hashed and the bytes in all.

    Raises:
        StoreProblem: one cannot be read.
    """
    everything = [*(folder / name for name in SMALL_FILES if (folder / name).is_file()), *files]
    digests = digest_of(everything, progress)
    notes = {f"sha256 of {file.name}": digest for file, digest in zip(everything, digests, strict=True)}
    return {**notes, "edgemind": __version__, "gguf": version("gguf"), "numpy": version("numpy")}
