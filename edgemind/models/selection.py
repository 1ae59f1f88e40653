"""Which files of a repository make up a model: one quantization's GGUF file or its parts, or a safetensors checkpoint.

Pickles (``.bin``, ``.pt``) are never chosen: opening one runs whatever program is in it. Not for: fetching.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgemind.errors import ModelNotFound, UsageError
from edgemind.models.remote import RemoteFile, RemoteRepository

_QUANTIZATION = re.compile(
    r"(?i)(?:^|[-._/])((?:ud-)?(?:iq\d_\w+?|q\d(?:_[01k](?:_\w+?)?)?|tq[12]_0|bf16|fp?16|fp?32|mxfp4(?:_moe)?|nvfp4))(?=$|[-./])"
)
_PART = re.compile(r"(.*)-(\d{5})-of-(\d{5})\.gguf", re.IGNORECASE)
_NO_MODEL = re.compile(r"(?i)(mmproj|imatrix|ggml-vocab|(^|[-._/])lora([-._]|$))")

PREFERRED = (
    "Q4_K_M",
    "Q4_K_S",
    "Q4_K_L",
    "IQ4_XS",
    "Q4_0",
    "Q5_K_M",
    "Q5_K_S",
    "Q6_K",
    "MXFP4",
    "Q8_0",
    "Q4_1",
    "IQ4_NL",
)
"""What is taken when none is asked for, the first that is there."""
SMALL = 1_200_000_000
"""Bytes. A model whose Q8_0 is no larger is taken in that: little models lose most by being rounded."""

_CHECKPOINT = re.compile(
    r"(?i)(config|generation_config|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|chat_template"
    r"|processor_config|preprocessor_config|model\.safetensors\.index)\.json"
    r"|tokenizer\.model|merges\.txt|chat_template\.jinja|licen[cs]e(\.\w{1,4})?|notice(\.\w{1,4})?"
)
_SHARD = re.compile(r"model-([0-9]{5})-of-([0-9]{5})\.safetensors")
MOST_SHARDS = 5_000
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True)
class Choice:
    """What will be fetched; ``files`` of a split GGUF model are its parts in order."""

    files: tuple[RemoteFile, ...]
    kind: str
    """``gguf`` or ``safetensors``."""
    quantization: str = ""

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


def quantization_of(path: str) -> str:
    """``Q4_K_M`` of ``model-Q4_K_M.gguf`` or ``Q4_K_M/model-00001-of-00002.gguf``; empty when the name does not say."""
    stem = re.sub(r"(?i)(-\d{5}-of-\d{5})?\.gguf$", "", path)
    found = _QUANTIZATION.findall(stem)
    return str(found[-1]).upper().replace("FP16", "F16").replace("FP32", "F32") if found else ""


def gguf_choices(repository: RemoteRepository) -> list[Choice]:
    """Every whole GGUF model of a repository, parts put together, smallest first."""
    single: list[Choice] = []
    parts: dict[tuple[str, int], dict[int, RemoteFile]] = {}
    for file in repository.files:
        if not file.path.lower().endswith(".gguf") or _NO_MODEL.search(file.path):
            continue
        part = _PART.fullmatch(file.path)
        if part:
            parts.setdefault((part[1], int(part[3])), {})[int(part[2])] = file
        else:
            single.append(Choice((file,), "gguf", quantization_of(file.path)))
    for (stem, count), found in parts.items():
        if 0 < count <= 999 and sorted(found) == list(range(1, count + 1)):
            files = tuple(found[number] for number in range(1, count + 1))
            single.append(Choice(files, "gguf", quantization_of(stem)))
    return sorted(single, key=lambda choice: (choice.size, choice.files[0].path))


def choose_gguf(repository: RemoteRepository, quantization: str | None = None, file: str | None = None) -> Choice:
    """The GGUF model that was asked for, or the preferred one.

    Raises:
        ModelNotFound: there is none like it; the message names what there is.
        UsageError: several fit.
    """
    choices = gguf_choices(repository)
    if not choices:
        raise _none_at_all(repository)
    if file:
        return _by_file(repository, choices, file)
    if quantization:
        return _by_quantization(repository, choices, quantization)
    named = {choice.quantization: choice for choice in reversed(choices)}
    if "Q8_0" in named and named["Q8_0"].size <= SMALL:
        return named["Q8_0"]
    for wanted in (*PREFERRED, *(f"UD-{name}" for name in PREFERRED)):
        if wanted in named:
            return named[wanted]
    return choices[0]


def choose_safetensors(repository: RemoteRepository) -> Choice:
    """A checkpoint to distil from or to convert: weights, configuration and tokenizer at the top of the repository.

    Raises:
        ModelNotFound: it has no safetensors weights, or no configuration.
    """
    top = {file.path: file for file in repository.files if "/" not in file.path}
    weights = _weights(repository, [path for path in top if path.lower().endswith(".safetensors")])
    if not weights:
        pickled = any(path.lower().endswith(_PICKLES) for path in top)
        why = "only pickles, which are programs and are never fetched" if pickled else "no safetensors weights"
        raise ModelNotFound(f"{repository.id} holds {why}.", f"Look at {repository.page} for another repository.")
    if "config.json" not in top and "adapter_config.json" not in top:
        raise ModelNotFound(f"{repository.id} has weights but no config.json.", f"Look at {repository.page}")
    others = [path for path in top if _CHECKPOINT.fullmatch(path) or path == "adapter_config.json"]
    one_each = {path.casefold(): path for path in sorted({*weights, *others})}
    return Choice(tuple(top[path] for path in sorted(one_each.values())), "safetensors")


def _weights(repository: RemoteRepository, paths: list[str]) -> list[str]:
    """One whole file, or all the shards, or whatever there is.

    Raises:
        ModelNotFound: a shard is missing.
    """
    whole = [path for path in paths if path in ("model.safetensors", "adapter_model.safetensors")]
    shards = {path: found for path in paths if (found := _SHARD.fullmatch(path))}
    if whole or not shards:
        return whole or [path for path in paths if not path.startswith("consolidated")] or paths
    for count in sorted({found[2] for found in shards.values()}):
        several = sorted(path for path, found in shards.items() if found[2] == count)
        if 0 < int(count) <= MOST_SHARDS and several == [f"model-{n:05}-of-{count}.safetensors" for n in _upto(count)]:
            return several
    raise ModelNotFound(f"{repository.id} holds only some parts of its weights.", f"Look at {repository.page}")


def _upto(count: str) -> range:
    return range(1, int(count) + 1)


def _by_file(repository: RemoteRepository, choices: list[Choice], wanted: str) -> Choice:
    """By the path of any of its files, or by a file name that occurs once."""
    exact = [choice for choice in choices if any(file.path == wanted for file in choice.files)]
    plain = wanted.lower()
    alike = [
        choice for choice in choices if any(file.path.lower().rpartition("/")[2] == plain for file in choice.files)
    ]
    found = exact or alike
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{repository.id} has several files named {wanted}.",
            f"edgemind pull {repository.id}:{found[0].files[0].path}",
        )
    raise ModelNotFound(
        f"{repository.id} has no GGUF model in a file {wanted}.",
        f"It has: {', '.join(choice.files[0].path for choice in choices[:8])}",
    )


def _by_quantization(repository: RemoteRepository, choices: list[Choice], wanted: str) -> Choice:
    plain = wanted.upper().replace("-", "_").removeprefix("UD_")
    for exact in (wanted.upper(), plain):
        found = [choice for choice in choices if choice.quantization == exact]
        if len(found) > 1:
            raise UsageError(
                f"{repository.id} has {len(found)} models in {exact}: "
                f"{', '.join(choice.files[0].path for choice in found[:6])}.",
                f"edgemind pull {repository.id}:{found[0].files[0].path}",
            )
        if found:
            return found[0]
    alike = [choice for choice in choices if choice.quantization.removeprefix("UD-").replace("-", "_") == plain]
    if alike:
        return alike[0]
    known = _distinct(choice.quantization for choice in choices)
    if not known:
        raise ModelNotFound(
            f"The file names of {repository.id} do not say how they are quantized.",
            f"Name the file: edgemind pull {repository.id}:{choices[0].files[0].path}",
        )
    raise ModelNotFound(
        f"{repository.id} has no {wanted.upper()}; it has {', '.join(known)}.",
        f"edgemind pull {repository.id}:{known[0]}",
    )


def _none_at_all(repository: RemoteRepository) -> ModelNotFound:
    if any(file.path.lower().endswith(".safetensors") for file in repository.files):
        return ModelNotFound(
            f"{repository.id} holds no GGUF file, but a safetensors checkpoint.",
            f"Look for a {repository.id.rpartition('/')[2]}-GGUF, or fetch the checkpoint and convert it: "
            f"edgemind pull {repository.id} --format safetensors",
        )
    return ModelNotFound(f"{repository.id} holds no GGUF file.", f"Look at {repository.page}")


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))
