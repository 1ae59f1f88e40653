"""The recipe of ``edgemind-nano``: what the one command that builds it runs.

Changing anything here changes the model; the recipe that made a file is in its metadata and in its run directory.
"""

from __future__ import annotations

from edgemind.distill.corpus import Phase
from edgemind.distill.model import Shape
from edgemind.distill.problems.language import LANGUAGE_FAMILIES
from edgemind.distill.train import Recipe

STEPS = 1900
DECAY_SHARE = 0.35
EASY_STEPS = 160
"""Easy levels of the numeric families come first."""
NUMERIC_STEPS = 576
"""From here on the language families join, and what lagged until then comes more often."""
NUMERIC_WEIGHTS = {
    "addition": 1.2,
    "subtraction": 1.3,
    "multiplication": 1.5,
    "division": 1.3,
    "counting": 1.2,
}
"""How often a family is drawn, against 1 for the others."""
ALL_WEIGHTS = {
    **NUMERIC_WEIGHTS,
    "comparison": 1.2,
    "sorting": 1.3,
    "counting": 2.0,
    "units": 1.1,
    "clock": 1.3,
    "word_problems": 2.0,
    "python_functions": 1.1,
    "greetings": 0.5,
    "declining": 1.6,
    "structured": 0.4,
}
TOKENIZER = "nano_tokenizer.json"
"""Trained once on early samples of the families, then fixed, so that families can grow without moving token ids."""
NO_LANGUAGE = {family.name: 0.0 for family in LANGUAGE_FAMILIES}


def nano_recipe(steps: int = STEPS, seed: int = 1) -> Recipe:
    """The recipe for a run of ``steps`` steps: easy numeric levels, all numeric levels, then everything."""
    return Recipe(
        steps=steps,
        decay_steps=max(1, round(steps * DECAY_SHARE)),
        phases=(
            Phase(0, 0.5, NUMERIC_WEIGHTS | NO_LANGUAGE),
            Phase(EASY_STEPS, 1.2, NUMERIC_WEIGHTS | NO_LANGUAGE),
            Phase(NUMERIC_STEPS, 1.2, ALL_WEIGHTS, examples=48),
        ),
        shape=Shape(layers=5),
        seed=seed,
        tokenizer=TOKENIZER,
    )
