"""llama.cpp as the engine sees it: typed, resource-safe, one place.

The only package of the product that imports ``llama_cpp``, and of that only its C bindings. Every native object
is a context manager; what llama.cpp reports by a null pointer or a return code comes back as an ``EdgemindError``
with llama.cpp's own line in the message. All calls come from one thread, except ``AbortFlag.set``.
Not for: what is decoded when (``scheduler``), prompts and text (``prompts``, ``live``).
"""

from typing import Any

from edgemind.engine.llama.bindings import (
    LOG_DEBUG,
    LOG_ERROR,
    LOG_INFO,
    LOG_WARN,
    Device,
    SystemInfo,
    set_log,
    system,
)
from edgemind.engine.llama.confidence import confidence
from edgemind.engine.llama.context import AbortFlag, Batch, Context, DecodeResult, KvType
from edgemind.engine.llama.grammar import Grammar
from edgemind.engine.llama.model import Adapter, Model, Vocab
from edgemind.engine.llama.sampler import ResolvedSampling, Sampler, resolve
from edgemind.engine.llama.state import convert_state_flash

__all__ = [
    "LOG_DEBUG",
    "LOG_ERROR",
    "LOG_INFO",
    "LOG_WARN",
    "AbortFlag",
    "Adapter",
    "Batch",
    "Context",
    "DecodeResult",
    "Device",
    "Grammar",
    "KvType",
    "Model",
    "ResolvedSampling",
    "Sampler",
    "SystemInfo",
    "Vocab",
    "confidence",
    "convert_state_flash",
    "resolve",
    "schema_to_grammar",
    "set_log",
    "system",
]


def schema_to_grammar(schema: Any) -> str:
    """GBNF for a JSON schema: see ``json_schema``, which most workers never need to import."""
    from edgemind.engine.llama import json_schema

    return json_schema.schema_to_grammar(schema)
