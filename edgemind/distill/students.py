"""Where a network starts: a fresh shape, a checkpoint, or a smaller network grown; as a whole checkpoint folder.

Not for: training it (``training``), writing tokenizers (``chat_format``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.recipe.schema import StudentRecipe

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def start_student(recipe: StudentRecipe, seed: int, into: Path, tokenizer: Path) -> Path:
    """Write the network that training starts from to ``into``, a checkpoint folder with a tokenizer.

    Args:
        seed: decides a fresh shape's weights and a grown one's noise.
        tokenizer: a tokenizer's folder, or a GGUF to take it from; a checkpoint brings its own.

    Raises:
        ModelUnusable: the checkpoint or small network cannot be read.
    """
    raise NotImplementedError


def open_model(folder: Path, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """A checkpoint folder as a causal language model, float32 if no type is given.

    Raises:
        ModelUnusable: transformers cannot open it, or it holds code of its own.
    """
    raise NotImplementedError
