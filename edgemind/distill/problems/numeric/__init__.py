"""Families about numbers: arithmetic, order, counting, units and times of day."""

from __future__ import annotations

from edgemind.distill.problems.base import Family
from edgemind.distill.problems.numeric.arithmetic import Addition, Division, Multiplication, Subtraction
from edgemind.distill.problems.numeric.clock import Clock
from edgemind.distill.problems.numeric.counting import Counting
from edgemind.distill.problems.numeric.ordering import Comparison, Sorting
from edgemind.distill.problems.numeric.units import Units

NUMERIC_FAMILIES: tuple[Family, ...] = (
    Addition(),
    Subtraction(),
    Multiplication(),
    Division(),
    Comparison(),
    Sorting(),
    Counting(),
    Units(),
    Clock(),
)
