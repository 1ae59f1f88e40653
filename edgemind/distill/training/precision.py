"""In what numbers a network computes, and whether its graph is compiled first.

Not for: what its weights are stored in while they are trained: float32 always.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

from edgemind.distill.recipe.networks import TrainingRecipe

CPU_SPEED, GPU_SPEED = 1.0e11, 1.0e14
"""Operations a second to guess how long a run will be; not measured, so that a resumed run decides alike."""
WORTH_COMPILING = 300.0
"""Seconds from which a run is long enough: compiling takes about one minute and saves a fifth of the rest."""


def device() -> torch.device:
    """Where training takes place: the first GPU if there is one."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def product_type(recipe: TrainingRecipe, where: torch.device) -> torch.dtype:
    """The type of matrix products.

    ``auto`` is bfloat16 on a GPU and float32 on a CPU, where bfloat16 without matrix units takes twice as long
    (166 against 332 GFLOP/s, two cores of an EPYC 9B14).
    """
    low = recipe.precision == "bf16" or (recipe.precision == "auto" and where.type == "cuda")
    return torch.bfloat16 if low else torch.float32


def casting(kind: torch.dtype, where: torch.device) -> AbstractContextManager[object]:
    """Autocast to a type; nothing for float32."""
    return nullcontext() if kind == torch.float32 else torch.autocast(where.type, kind)


def compiles(recipe: TrainingRecipe, parameters: int, tokens: int, where: torch.device) -> bool:
    """Whether a run of so many tokens is to be compiled."""
    if recipe.compile != "auto":
        return recipe.compile == "on"
    speed = GPU_SPEED if where.type == "cuda" else CPU_SPEED
    return 6.0 * parameters * tokens / speed > WORTH_COMPILING
