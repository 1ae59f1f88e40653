"""A tokenizer's files as the vocabulary of a GGUF file: ``read`` is the one entrance."""

from edgemind.convert.tokenizer.reading import read
from edgemind.convert.tokenizer.vocabulary import Vocabulary

__all__ = ["Vocabulary", "read"]
