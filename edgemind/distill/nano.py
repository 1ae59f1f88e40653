"""The recipe of ``edgemind-nano``: what the one command that builds it runs.

Changing anything here changes the model; the recipe that made a file is in its metadata and in its run directory.
"""

from __future__ import annotations

from edgemind.distill.corpus import Phase
from edgemind.distill.model import Shape
from edgemind.distill.problems import ALL_FAMILIES
from edgemind.distill.problems.language.greetings import MoreGreetings
from edgemind.distill.problems.numeric.counting import Counting, OneByOne
from edgemind.distill.train import Recipe

STEPS = 4128
TAILS = ((300, 0.15), (128, 0.08))
"""Steps and learning rate of what follows the main run, of ``STEPS`` in all."""
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


FIRST_WEIGHTS = {
    **{name: weight for name, weight in WEIGHTS.items() if name != "counting"},
    "one_by_one": 1.8,
    "counting": 0.0,
    "more_greetings": 0.0,
}
"""Lists are walked through first, and counted later."""
LATER_STEPS = 1856
LATER_WEIGHTS = {
    **WEIGHTS,
    "comparison": 1.7,
    "counting": 2.6,
    "word_problems": 2.3,
    "greetings": 1.3,
    "declining": 2.0,
    "structured": 1.3,
    "one_by_one": 0.0,
    "more_greetings": 0.0,
}
"""From here on what lagged comes more often."""
LAST_STEPS = 2784
LAST_WEIGHTS = {
    **LATER_WEIGHTS,
    "subtraction": 1.9,
    "multiplication": 1.8,
    "python_functions": 1.7,
    "greetings": 3.0,
    "declining": 2.4,
}
"""What needs many different words comes more often while the rate falls."""
TAIL_STEPS = 3712
TAIL_WEIGHTS = {
    **LAST_WEIGHTS,
    "division": 2.4,
    "greetings": 1.5,
    "more_greetings": 5.0,
    "sorting": 1.9,
    "structured": 3.5,
    "clock": 1.6,
    "units": 1.4,
}
"""The low tail: what was still weakest."""
END_STEPS = 4000
END_WEIGHTS = {**TAIL_WEIGHTS, "declining": 10.0, "more_greetings": 3.5, "structured": 2.0, "python_functions": 1.4}
"""The last word is to decline."""
TRAINING_FAMILIES = (
    *(OneByOne() if family.name == "counting" else family for family in ALL_FAMILIES),
    Counting(),
    MoreGreetings(),
)


def nano_recipe(steps: int = STEPS, seed: int = 1) -> Recipe:
    """The recipe for a run of ``steps`` steps: easy levels first, then all, then more of what lags."""
    tails = tuple((max(1, round(steps * length / STEPS)), rate) for length, rate in TAILS)
    return Recipe(
        steps=steps,
        decay_steps=max(1, round((steps - sum(length for length, _ in tails)) * DECAY_SHARE)),
        tails=tails,
        phases=(
            Phase(0, 0.5, FIRST_WEIGHTS, examples=48),
            Phase(EASY_STEPS, 1.2, FIRST_WEIGHTS, examples=48),
            Phase(LATER_STEPS, 1.2, LATER_WEIGHTS, examples=48),
            Phase(LAST_STEPS, 1.2, LAST_WEIGHTS, examples=52),
            Phase(TAIL_STEPS, 1.2, TAIL_WEIGHTS, examples=52),
            Phase(END_STEPS, 1.2, END_WEIGHTS, examples=52),
        ),
        tokenizer_phase=1,
        shape=Shape(layers=5),
        seed=seed,
    )
