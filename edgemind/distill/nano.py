"""The recipe of ``edgemind-nano``: what the one command that builds it runs.

Changing anything here changes the model; the recipe that made a file is in its metadata and in its run directory.
"""

from __future__ import annotations

from edgemind.distill.corpus import Phase
from edgemind.distill.model import Shape
from edgemind.distill.train import Recipe

STEPS = 3600
DECAY_SHARE = 0.5
EASY_STEPS = 160
"""Easy levels come first."""
WEIGHTS = {
    "addition": 1.3,
    "subtraction": 1.4,
    "multiplication": 1.6,
    "division": 1.4,
    "comparison": 1.2,
    "sorting": 1.4,
    "counting": 1.8,
    "units": 1.1,
    "clock": 1.3,
    "word_problems": 2.0,
    "python_functions": 1.1,
    "greetings": 0.5,
    "declining": 1.6,
    "structured": 0.5,
}
"""How often a family is drawn; the longer its steps and the wider its range, the more often."""


def nano_recipe(steps: int = STEPS, seed: int = 1) -> Recipe:
    """The recipe for a run of ``steps`` steps: easy levels first, then all."""
    return Recipe(
        steps=steps,
        decay_steps=max(1, round(steps * DECAY_SHARE)),
        phases=(Phase(0, 0.5, WEIGHTS, examples=48), Phase(EASY_STEPS, 1.2, WEIGHTS, examples=48)),
        shape=Shape(layers=5),
        seed=seed,
    )
