"""Problem families: sources of questions with written-out steps and checkable results.

``ALL_FAMILIES`` is what the built-in model learns; each family splits its problems into training and held-out by key.
"""

from __future__ import annotations

from edgemind.distill.problems.base import Family
from edgemind.distill.problems.language import LANGUAGE_FAMILIES
from edgemind.distill.problems.numeric import NUMERIC_FAMILIES

ALL_FAMILIES: tuple[Family, ...] = NUMERIC_FAMILIES + LANGUAGE_FAMILIES
