"""Edits that were written without a grammar: by a model left to itself, or pasted from elsewhere.

Not for: edits under a grammar (``edit_grammar``), which need no guessing.
"""

from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.reading import paths_in, read_patch

__all__ = ["BadPatch", "paths_in", "read_patch"]
