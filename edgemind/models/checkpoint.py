"""What a safetensors checkpoint says about itself, without its weights: ``config.json`` and the tables of its tensors.

The files come from anywhere, so sizes are bounded before anything is read. Format:
https://github.com/huggingface/safetensors#format. Not for: GGUF (``gguf``), converting (``convert``).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgemind.errors import ModelUnusable
from edgemind.models.opening import open_regular, read_at, shown

MOST_CONFIG = 4 << 20
MOST_TABLE = 100 << 20
"""The limit of the format's own reader."""

MOST_DIMS = 16
CONFIG = "config.json"


@dataclass(frozen=True)
class Checkpoint:
    """The facts of one checkpoint; 0 and the empty text stand for what it does not say."""

    architecture: str
    """``model_type`` of the configuration: ``qwen3``."""
    parameters: int
    size_bytes: int
    types: tuple[tuple[str, int], ...]
    """Bytes per number type, most first."""
    context_trained: int
    layers: int
    embedding: int
    heads: int
    kv_heads: int
    vocabulary: int
    template: str | None

    @property
    def quantization(self) -> str:
        """The type that most of its bytes have."""
        return self.types[0][0] if self.types else ""


def read_checkpoint(files: Mapping[str, Path]) -> Checkpoint:
    """The facts of a checkpoint.

    Args:
        files: where each of its files lies, by its name in the repository.

    Raises:
        ModelUnusable: there is no safetensors file, or one is damaged.
    """
    weights = {name: path for name, path in files.items() if name.endswith(".safetensors")}
    if not weights:
        raise ModelUnusable("There is no .safetensors file in it.", "Name a folder of a safetensors model.")
    by_type: Counter[str] = Counter()
    parameters = size = 0
    for name, path in sorted(weights.items()):
        count, bytes_, types = _tensors(name, path)
        parameters += count
        size += bytes_
        by_type.update(types)
    config = _json(files.get(CONFIG))
    text = config.get("text_config")
    inner = {**config, **text} if isinstance(text, dict) else config
    return Checkpoint(
        architecture=_text(inner, "model_type"),
        parameters=parameters,
        size_bytes=size,
        types=tuple(by_type.most_common()),
        context_trained=_number(inner, "max_position_embeddings"),
        layers=_number(inner, "num_hidden_layers"),
        embedding=_number(inner, "hidden_size"),
        heads=_number(inner, "num_attention_heads"),
        kv_heads=_number(inner, "num_key_value_heads") or _number(inner, "num_attention_heads"),
        vocabulary=_number(inner, "vocab_size"),
        template=_template(files),
    )


def _tensors(name: str, path: Path) -> tuple[int, int, Counter[str]]:
    """Parameters, bytes of the file, and bytes per type."""
    fd = open_regular(path)
    try:
        size = os.fstat(fd).st_size
        length = int.from_bytes(read_at(fd, 8, 0), "little") if size >= 8 else 0
        if not 0 < length <= min(MOST_TABLE, size - 8):
            raise _damaged(name, "its table of tensors does not fit it")
        table = json.loads(read_at(fd, length, 8))
    except (ValueError, RecursionError) as problem:
        raise _damaged(name, "its table of tensors is no JSON") from problem
    except OSError as problem:
        raise ModelUnusable(f"{shown(path)} cannot be read: {problem.strerror}.") from problem
    finally:
        os.close(fd)
    if not isinstance(table, dict):
        raise _damaged(name, "its table of tensors is no JSON object")
    parameters, types = 0, Counter[str]()
    for tensor, facts in table.items():
        if tensor == "__metadata__":
            continue
        count, kind, bytes_ = _tensor(facts, size)
        if count is None:
            raise _damaged(name, "a tensor lies outside of it")
        parameters += count
        types[kind] += bytes_
    return parameters, size, types


def _tensor(facts: Any, size: int) -> tuple[int | None, str, int]:
    """Elements, type and bytes of a tensor; no elements when its row cannot be right."""
    try:
        first, last = (int(offset) for offset in facts["data_offsets"])
        kind, count = str(facts["dtype"])[:20], 1
        for dim in facts["shape"][:MOST_DIMS]:
            count *= int(dim)
    except (KeyError, TypeError, ValueError):
        return None, "", 0
    sound = 0 <= first <= last <= size and 0 <= count <= 8 * size
    return (count if sound else None), kind, last - first


def _damaged(name: str, why: str) -> ModelUnusable:
    return ModelUnusable(f"{name} is damaged: {why}.", "Download it again.")


def _template(files: Mapping[str, Path]) -> str | None:
    """The chat template, from its own file or from the tokenizer's settings."""
    if "chat_template.jinja" in files:
        text = _bounded(files["chat_template.jinja"])
        if text:
            return text.decode("utf-8", "replace")
    template = _json(files.get("tokenizer_config.json")).get("chat_template")
    return template if isinstance(template, str) else None


def _json(path: Path | None) -> dict[str, Any]:
    """A small JSON object; empty when there is none."""
    if path is None:
        return {}
    try:
        value = json.loads(_bounded(path))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _bounded(path: Path) -> bytes:
    fd = open_regular(path)
    try:
        return read_at(fd, MOST_CONFIG, 0) if os.fstat(fd).st_size <= MOST_CONFIG else b""
    except OSError as problem:
        raise ModelUnusable(f"{shown(path)} cannot be read: {problem.strerror}.") from problem
    finally:
        os.close(fd)


def _number(config: Mapping[str, Any], key: str) -> int:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 40 else 0


def _text(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key)
    return value[:200] if isinstance(value, str) else ""
