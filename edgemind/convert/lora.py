"""A PEFT LoRA adapter: as a GGUF adapter for ``edgemind run --lora``, or added to the weights of its base.

``W + scale * B @ A``; llama.cpp's scale is ``alpha / rank`` (``llama-adapter.h``), so where PEFT has another one for a
tensor, the difference goes into B. Source of the names: PEFT's ``LoraConfig`` and its ``adapter_model.safetensors``.
Not for: training one.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from edgemind.convert.checkpoint import AGAIN, PICKLES, Checkpoint, Weight, read_table
from edgemind.convert.convert import Converted
from edgemind.convert.families import Family, family_of
from edgemind.convert.values import KINDS, Floats, Values, floats, stored, target_type
from edgemind.convert.write import Head, Progress, write
from edgemind.errors import BadInput, ModelNotFound, UsageError
from edgemind.models.opening import shown

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MOST_CONFIG = 16 << 20
EMBEDDING, OUTPUT = "model.embed_tokens.weight", "lm_head.weight"
MERGE = "Merge it into the model with --merge, or train it without."

_PART = re.compile(r"(?:base_model\.model\.)?(.+?)\.lora_(embedding_)?([AB])(?:\.weight|\.default\.weight|\.default)?")
_WHOLE = re.compile(r"(?:base_model\.model\.)?(.+?)(?:\.modules_to_save)?(?:\.default)?\.(weight|bias)")


@dataclass(frozen=True)
class Pair:
    """What an adapter adds to one tensor of the base."""

    name: str
    """Of that tensor in the checkpoint."""
    a: Weight
    """``[rank, inputs]``."""
    b: Weight
    """``[outputs, rank]``."""
    scale: float
    """PEFT's, for ``B @ A``."""

    @property
    def rank(self) -> int:
        return self.a.shape[0]

    def matrices(self) -> tuple[Floats, Floats]:
        return _whole(self.a), _whole(self.b)


@dataclass(frozen=True)
class Adapter:
    """A PEFT folder."""

    folder: Path
    alpha: float
    pairs: tuple[Pair, ...]
    replaced: Mapping[str, Weight]
    """Tensors that were trained as a whole beside it (``modules_to_save``)."""


def read_adapter(folder: Path) -> Adapter:
    """Read a PEFT folder; no weight yet.

    Raises:
        ModelNotFound: there is no such folder.
        BadInput: it is no LoRA adapter, a damaged one, or of a kind that cannot be converted.
    """
    if not folder.is_dir():
        raise ModelNotFound(f"There is no folder {shown(folder)}.", f"Name the folder that holds {CONFIG}.")
    config = _config(folder)
    file = folder / WEIGHTS
    if not file.is_file():
        pickled = next((path.name for path in sorted(folder.iterdir()) if path.suffix in PICKLES), None)
        why = f"its weights as a pickle ({pickled}), which can run code when opened" if pickled else f"no {WEIGHTS}"
        raise BadInput(f"{shown(folder)} holds {why}.", "Save it with `model.save_pretrained(DIR)` of peft.")
    parts: dict[str, dict[str, Weight]] = {}
    replaced = {}
    for name, weight in read_table(file).items():
        weight.check()
        part, whole = _PART.fullmatch(name), _WHOLE.fullmatch(name)
        if part:
            parts.setdefault(f"{part[1]}.weight", {})[part[3]] = weight
        elif whole:
            replaced[f"{whole[1].removesuffix('.base_layer')}.{whole[2]}"] = weight
        else:
            raise BadInput(f"The adapter holds a tensor {name}, which is no part of a LoRA.", MERGE)
    pairs = tuple(_pair(name, sides, config) for name, sides in parts.items())
    return Adapter(folder, _number(config, "lora_alpha"), pairs, replaced)


def convert_adapter(
    base: Path,
    folder: Path,
    target: Path,
    *,
    type: str = "f32",  # noqa: A002
    name: str | None = None,
    replace: bool = False,
    progress: Progress = lambda done, total: None,
) -> Converted:
    """Write the adapter in ``folder`` as the GGUF file ``target``, for a model made from the checkpoint ``base``.

    Args:
        base: the checkpoint that it was trained on; its configuration and tables are looked at, no weight.
        replace: replace a file that is there.

    Raises:
        ModelNotFound, BadInput, UsageError: what is wrong with one of the two, in one sentence.
        NoRoom, StoreProblem: the disk is full, or cannot be written.
    """
    if type not in KINDS:
        raise UsageError(f"There is no type {type!r} to convert to.", f"Use one of {', '.join(KINDS)}.")
    adapter = read_adapter(folder)
    if adapter.replaced:
        first = next(iter(adapter.replaced))
        raise BadInput(f"The adapter also replaces whole tensors ({first}), which a GGUF adapter cannot hold.", MERGE)
    checkpoint = Checkpoint(base)
    family = family_of(checkpoint.config)
    architecture = str(gguf.MODEL_ARCH_NAMES[family.arch])
    head = Head(architecture)
    head.add_type(gguf.GGUFType.ADAPTER)
    head.add_name(name or folder.resolve().name)
    head.add_string("adapter.type", "lora")
    head.add_float32("adapter.lora.alpha", adapter.alpha)
    for pair in adapter.pairs:
        _base_weight(pair, checkpoint, family)
    tensors = [(part, target_type(part, type)) for pair in adapter.pairs for part in _both(pair, adapter.alpha, family)]
    size = write(target, head, tensors, progress, replace=replace)
    parameters = sum(math.prod(part.shape) for part, _ in tensors)
    return Converted(target, size, architecture, type, parameters, len(tensors), (), "")


def merged(base: Path, adapter: Adapter) -> dict[str, Values]:
    """The tensors of the base that an adapter changes, with it added, in float32; for ``convert(merged=...)``.

    Raises:
        BadInput: it was made for another model.
    """
    checkpoint = Checkpoint(base)
    family = family_of(checkpoint.config)
    found: dict[str, Values] = {}
    for name, weight in adapter.replaced.items():
        old = family.own(checkpoint.weights).get(name)
        if old is None or old.shape != weight.shape:
            raise _foreign(name)
        found[name] = stored(name, weight)
    for pair in adapter.pairs:
        weight = _base_weight(pair, checkpoint, family)
        values = found.get(pair.name) or stored(pair.name, weight)
        found[pair.name] = _added(values, pair)
    return found


def _added(values: Values, pair: Pair) -> Values:
    def pieces() -> Iterator[Floats]:
        a, b = pair.matrices()
        left, right = (a.T, b.T) if pair.name == EMBEDDING else (b, a)
        start = 0
        for piece in values.pieces():
            rows = np.float32(pair.scale) * left[start : start + len(piece)] @ right
            start += len(piece)
            yield floats(piece, values.type) + rows

    return replace(values, type="F32", pieces=pieces)


def _both(pair: Pair, alpha: float, family: Family) -> Iterator[Values]:
    """The two matrices as llama.cpp wants them."""
    own = family.gguf_name(pair.name)
    scale = np.float32(pair.scale * pair.rank / alpha) if alpha else np.float32(pair.scale)

    def part_a() -> Iterator[Floats]:
        whole = _whole(pair.a)
        yield np.ascontiguousarray(whole.T) if pair.name == EMBEDDING else whole

    def part_b() -> Iterator[Floats]:
        yield _whole(pair.b) * scale

    shape_a = pair.a.shape[::-1] if pair.name == EMBEDDING else pair.a.shape
    yield Values(f"{own}.lora_a", shape_a, "F32", part_a, pair.a.name)
    yield replace(family.change(pair.name, Values(own, pair.b.shape, "F32", part_b, pair.b.name)), name=f"{own}.lora_b")


def _base_weight(pair: Pair, checkpoint: Checkpoint, family: Family) -> Weight:
    """The tensor of the base that a pair is for.

    Raises:
        BadInput: there is none, or it has another shape.
    """
    weight = family.own(checkpoint.weights).get(pair.name)
    if weight is None and pair.name == OUTPUT and family.is_tied:
        raise BadInput(
            "The adapter changes the output matrix, which in this model is the embedding itself.",
            "Such an adapter cannot be used in llama.cpp: train it without lm_head.",
        )
    shape = (pair.a.shape[1], pair.b.shape[0]) if pair.name == EMBEDDING else (pair.b.shape[0], pair.a.shape[1])
    if weight is None or weight.shape != shape:
        raise _foreign(pair.name)
    return weight


def _foreign(name: str) -> BadInput:
    return BadInput(
        f"The adapter is for another model: its {name} does not fit the checkpoint.",
        f"Name the checkpoint that {CONFIG} calls base_model_name_or_path.",
    )


def _pair(name: str, sides: Mapping[str, Weight], config: Mapping[str, Any]) -> Pair:
    if sides.keys() != {"A", "B"} or any(len(side.shape) != 2 for side in sides.values()):
        raise BadInput(f"The adapter holds only a part of what belongs to {name}.", AGAIN)
    a, b = sides["A"], sides["B"]
    if a.shape[0] != b.shape[1]:
        raise BadInput(f"The two matrices of the adapter for {name} do not fit each other.", AGAIN)
    alpha = _by_pattern(name, config.get("alpha_pattern"), _number(config, "lora_alpha"))
    rank = a.shape[0]
    return Pair(name, a, b, alpha / (math.sqrt(rank) if config.get("use_rslora") else rank))


def _by_pattern(name: str, patterns: Any, otherwise: float) -> float:
    """PEFT's rule: a key is the end of a module's name, or an expression that matches one."""
    module = name.removesuffix(".weight")
    for key, value in (patterns or {}).items():
        try:
            if re.fullmatch(rf"(.*\.)?({key})", module):
                return float(value)
        except (re.error, TypeError, ValueError):
            continue
    return otherwise


def _config(folder: Path) -> Mapping[str, Any]:
    file = folder / CONFIG
    try:
        if file.stat().st_size > MOST_CONFIG:
            raise ValueError("too large")
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise BadInput(
            f"{shown(folder)} has no {CONFIG}, so it is no PEFT adapter.", "Name the folder that peft saved."
        ) from problem
    except (OSError, ValueError) as problem:
        raise BadInput(f"{shown(file)} cannot be read as JSON.", AGAIN) from problem
    kind = config.get("peft_type") if isinstance(config, dict) else None
    if str(kind).upper() != "LORA":
        raise BadInput(f"The adapter is of the kind {str(kind)[:40]}; only LoRA is converted.", "Train a LoRA.")
    for key, what in (("use_dora", "DoRA"), ("fan_in_fan_out", "transposed weights (fan_in_fan_out)")):
        if config.get(key):
            raise BadInput(f"The adapter uses {what}, which llama.cpp does not have.", "Train it without.")
    if config.get("bias", "none") != "none":
        raise BadInput("The adapter also trains biases, which cannot be converted.", 'Train it with bias="none".')
    found: Mapping[str, Any] = config
    return found


def _number(config: Mapping[str, Any], key: str) -> float:
    value = config.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadInput(f"{CONFIG} has no usable {key!r}.", AGAIN)
    return float(value)


def _whole(weight: Weight) -> Floats:
    return np.concatenate([floats(piece, weight.type) for piece in weight.pieces()])


def add_to(model: Any, adapter: Adapter) -> None:
    """Add the adapter to a model of transformers, in place, as peft would merge it; for comparing."""
    import torch

    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in adapter.replaced.items():
            parameters[name].copy_(torch.from_numpy(_whole(weight)))
        for pair in adapter.pairs:
            a, b = pair.matrices()
            change = (a.T @ b.T) if pair.name == EMBEDDING else (b @ a)
            parameters[pair.name].add_(torch.from_numpy(np.float32(pair.scale) * change))
