"""The learning rate over the steps, as a share of its peak, and how many steps there are.

Not for: applying it (``optimizers``).
"""

from __future__ import annotations

import math

from edgemind.distill.recipe.networks import TrainingRecipe


def total_steps(recipe: TrainingRecipe) -> int:
    """Steps of a training: as the recipe says, or as many as its tokens make at ``batch_tokens * accumulate`` each."""
    if recipe.steps is not None:
        return recipe.steps
    assert recipe.tokens is not None
    return max(1, round(recipe.tokens / (recipe.batch_tokens * recipe.accumulate)))


def share(step: int, steps: int, recipe: TrainingRecipe) -> float:
    """Share of the peak rate at a step, counted from 0.

    ``wsd``: a line up, a plateau, a line down to nearly nothing (https://arxiv.org/abs/2404.06395). ``cosine``: a line
    up, then half a cosine down (https://arxiv.org/abs/1608.03983).
    """
    rising = max(1.0, recipe.warmup * steps)
    up = min(1.0, (step + 1) / rising)
    if recipe.schedule == "wsd":
        return min(up, (steps - step) / max(1.0, recipe.decay * steps))
    passed = max(0.0, step + 1 - rising) / max(1.0, steps - rising + 1)
    return min(up, 0.5 * (1 + math.cos(math.pi * min(1.0, passed))))
