"""The families that can be converted. A new one is a file here and a line in ``FAMILIES``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgemind.convert.families.base import Family
from edgemind.convert.families.gemma import Gemma2, Gemma3
from edgemind.convert.families.granite import Granite
from edgemind.convert.families.llama import Llama, Mistral
from edgemind.convert.families.phi import Phi3
from edgemind.convert.families.qwen import Qwen2, Qwen3
from edgemind.convert.families.smollm import SmolLM3
from edgemind.errors import BadInput

FAMILIES: tuple[type[Family], ...] = (Llama, Mistral, Qwen2, Qwen3, Phi3, Gemma2, Gemma3, SmolLM3, Granite)

__all__ = ["FAMILIES", "Family", "family_of"]


def family_of(config: Mapping[str, Any]) -> Family:
    """The family of a configuration.

    Raises:
        BadInput: it is none of those that are known here; or as the family says.
    """
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else ""
    for family in FAMILIES:
        if name in family.architectures:
            return family(config)
    known = ", ".join(family.title for family in FAMILIES)
    if not name:
        raise BadInput("config.json does not say which architecture this is.", f"Supported are {known}.")
    raise BadInput(f"The architecture {name[:80]} cannot be converted here.", f"Supported are {known}.")
