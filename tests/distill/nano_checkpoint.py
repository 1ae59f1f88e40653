"""The built-in model as a checkpoint's folder, for tests that need one that answers."""

from __future__ import annotations

from pathlib import Path

from edgemind.models import builtin


def nano_checkpoint(folder: Path) -> Path:
    """Weights in float32, with the tokenizer."""
    from edgemind.distill.students import open_small
    from edgemind.distill.tokenizer_files import tokenizer_of_gguf

    open_small(builtin.path()).save_pretrained(folder)
    tokenizer_of_gguf(builtin.path(), folder)
    return folder
