"""Models on their way between machines that see no network: out into a folder, and in from one or from a GGUF file."""

from __future__ import annotations

from edgemind.models.store.exporting import export
from edgemind.models.store.importing import facts_of, import_folder, import_gguf, name_from

__all__ = ["export", "facts_of", "import_folder", "import_gguf", "name_from"]
