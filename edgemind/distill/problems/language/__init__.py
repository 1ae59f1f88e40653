"""Families about language: stories with numbers, small Python functions, greetings, and knowing when to decline."""

from __future__ import annotations

from edgemind.distill.problems.base import Family
from edgemind.distill.problems.language.declining import Declining
from edgemind.distill.problems.language.greetings import Greetings
from edgemind.distill.problems.language.python_functions import PythonFunctions
from edgemind.distill.problems.language.structured import Structured
from edgemind.distill.problems.language.word_problems import WordProblems

LANGUAGE_FAMILIES: tuple[Family, ...] = (
    WordProblems(),
    PythonFunctions(),
    Greetings(),
    Structured(),
    Declining(),
)
