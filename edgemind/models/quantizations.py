"""The types a model can be quantized to: llama.cpp's names, numbers, and how many bits a weight takes.

Source: ``enum llama_ftype`` of ``llama.h`` and the list of ``llama-quantize``. Bits per weight are those of
Llama 3.1 8B as llama.cpp's table gives them; other shapes differ, since embeddings and some layers get more bits.
Not for: the types of single tensors (``ggml_types``), choosing one (``engine.quantize``).
"""

from __future__ import annotations

import difflib
from typing import NamedTuple

from edgemind.errors import UsageError
from edgemind.models.ggml_types import BY_NAME

COPY = "COPY"
"""Copy every tensor as it is, into one file."""

ALL_TYPES = "All types, with their bits per weight: edgemind quantize --list"


class Quantization(NamedTuple):
    """One type of ``edgemind quantize``."""

    name: str
    number: int
    """``enum llama_ftype``."""
    bits: float
    """Per weight, of a whole model."""
    needs_matrix: bool = False
    """llama.cpp refuses it without an importance matrix."""


ALL: tuple[Quantization, ...] = (
    Quantization("F32", 0, 32.0),
    Quantization("BF16", 32, 16.0),
    Quantization("F16", 1, 16.0),
    Quantization("Q8_0", 7, 8.5),
    Quantization("Q6_K", 18, 6.56),
    Quantization("Q5_1", 9, 6.05),
    Quantization("Q5_K_M", 17, 5.7),
    Quantization("Q5_K_S", 16, 5.57),
    Quantization("Q5_0", 8, 5.57),
    Quantization("Q4_1", 3, 5.11),
    Quantization("Q4_K_M", 15, 4.89),
    Quantization("IQ4_NL", 25, 4.68),
    Quantization("Q4_K_S", 14, 4.67),
    Quantization("Q4_0", 2, 4.64),
    Quantization("IQ4_XS", 30, 4.46),
    Quantization("Q3_K_L", 13, 4.3),
    Quantization("MXFP4_MOE", 38, 4.25),
    Quantization("Q3_K_M", 12, 4.0),
    Quantization("IQ3_M", 27, 3.76),
    Quantization("IQ3_S", 26, 3.66),
    Quantization("Q3_K_S", 11, 3.64),
    Quantization("IQ3_XS", 22, 3.5, True),
    Quantization("IQ3_XXS", 23, 3.25, True),
    Quantization("Q2_K", 10, 3.16),
    Quantization("Q2_K_S", 21, 2.97, True),
    Quantization("IQ2_M", 29, 2.93, True),
    Quantization("IQ2_S", 28, 2.74, True),
    Quantization("IQ2_XS", 20, 2.59, True),
    Quantization("IQ2_XXS", 19, 2.38, True),
    Quantization("Q2_0", 41, 2.25),
    Quantization("IQ1_M", 31, 2.15, True),
    Quantization("TQ2_0", 37, 2.06),
    Quantization("IQ1_S", 24, 2.0, True),
    Quantization("TQ1_0", 36, 1.69),
    Quantization("Q1_0", 40, 1.125),
)
"""Most bits first. ``TQ`` are for models trained with three values a weight, ``Q1_0`` and ``Q2_0`` for their like,
``MXFP4_MOE`` for mixtures of experts."""

SPECIAL = {
    "Q8_0": "hardly to be told from the source",
    "Q4_K_M": "what most people take",
    "MXFP4_MOE": "for mixtures of experts; of another model it makes Q8_0",
    "Q2_0": "for models trained with so few bits",
    "TQ2_0": "for models trained with three values a weight",
    "TQ1_0": "for models trained with three values a weight",
    "Q1_0": "for models trained with so few bits",
    COPY: "changes no weight; joins a split model into one file",
}
"""What one should know of some types."""

BY_TYPE = {entry.name: entry for entry in ALL}
ALIASES = {"Q3_K": "Q3_K_M", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M"}

TENSOR_TYPES = (
    *("f32", "f16", "bf16", "q8_0", "q6_k", "q5_k", "q4_k", "q3_k", "q2_k", "q5_1", "q5_0", "q4_1", "q4_0"),
    *("iq4_nl", "iq4_xs", "iq3_s", "iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m", "iq1_s"),
    *("tq2_0", "tq1_0", "mxfp4", "nvfp4", "q2_0", "q1_0"),
)
"""What a single tensor can be quantized to (``ggml_quantize_chunk``)."""

NEED_ROWS = ("iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m", "iq1_s")
"""Tensor types that need an importance matrix, whatever the type of the whole."""

ALWAYS_NEED_ROWS = ("iq2_xxs", "iq2_xs", "iq1_s")
"""Those of them that also the embeddings and the output cannot have without (``ggml_quantize_requires_imatrix``)."""

HEED_NO_ROWS = ("f32", "f16", "bf16", "f64", "q8_0", "tq2_0", "tq1_0", "mxfp4", "i8", "i16", "i32", "i64")
"""Tensor types that come out the same with an importance matrix and without."""


def named(text: str) -> Quantization:
    """The type of this name; letter case does not matter, nor does a number in place of it.

    Raises:
        UsageError: there is none; the hint says how to see them all.
    """
    wanted = text.strip().upper()
    wanted = ALIASES.get(wanted, wanted)
    if wanted == COPY:
        return Quantization(COPY, 0, 0.0)
    found = BY_TYPE.get(wanted) or next((entry for entry in ALL if str(entry.number) == wanted), None)
    if found is not None:
        return found
    near = difflib.get_close_matches(wanted, list(BY_TYPE), n=1)
    also = f" Did you mean {near[0]}?" if near else ""
    raise UsageError(f"There is no quantization {text!r}.{also}", ALL_TYPES)


def about(entry: Quantization) -> str:
    """What one should know of a type, in a few words; often nothing."""
    return "needs --imatrix" if entry.needs_matrix else SPECIAL.get(entry.name, "")


def is_type(text: str) -> bool:
    """Whether ``named`` would find it by its name."""
    wanted = text.strip().upper()
    return ALIASES.get(wanted, wanted) in (*BY_TYPE, COPY)


def tensor_type(text: str) -> str:
    """The ggml type of this name, as llama.cpp spells it.

    Raises:
        UsageError: nothing can be quantized to it.
    """
    wanted = text.strip().lower()
    if wanted in TENSOR_TYPES and wanted in BY_NAME:
        return wanted
    raise UsageError(f"A tensor cannot be quantized to {text!r}.", f"Types of tensors are: {', '.join(TENSOR_TYPES)}.")
