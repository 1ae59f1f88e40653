"""Tokenizers as Hugging Face folders: of the built-in kind, and rebuilt from what a GGUF file says.

Not for: training them (``tokenizer``), using them (``chat_format``).
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import Tokenizer


def save_nano_tokenizer(folder: Path, tokenizer: Tokenizer) -> None:
    """Write tokenizer.json and tokenizer_config.json with the built-in model's template."""
    raise NotImplementedError


def tokenizer_of_gguf(path: Path, folder: Path) -> Path:
    """Write the tokenizer of a GGUF file with a byte-level BPE vocabulary into ``folder``, and return it."""
    raise NotImplementedError
