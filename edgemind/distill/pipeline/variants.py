"""A recipe with one thing taken away, everything else the same: tokens, steps, student, seed, problems.

Not for: training or evaluating one (``stages``).
"""

from __future__ import annotations

from typing import Any

from edgemind.distill.recipe.networks import StudentRecipe, TrainingRecipe
from edgemind.distill.recipe.schema import Recipe, Variant
from edgemind.errors import UsageError

VARIANTS: tuple[Variant, ...] = ("no-teacher", "no-start", "no-targets", "no-traces", "no-curriculum")
ABOUT: dict[Variant, str] = {
    "full": "the recipe as it is",
    "no-teacher": "random weights, written solutions, plain cross-entropy: the same student without a teacher",
    "no-start": "the same student from random weights, everything else the teacher's",
    "no-targets": "the teacher's traces, plain cross-entropy",
    "no-traces": "written solutions, with the teacher's probabilities on them",
    "no-curriculum": "all levels mixed from the first step on",
}


def adjusted(recipe: Recipe, variant: Variant) -> Recipe:
    """The recipe of a variant.

    Raises:
        UsageError: the recipe does not have what the variant takes away.
    """
    if variant == "full":
        return recipe
    changes: dict[str, Any] = {}
    if variant in ("no-teacher", "no-start"):
        changes["student"] = from_nothing(recipe.student)
        changes["training"] = _cold(recipe)
    if variant in ("no-teacher", "no-traces"):
        changes["traces"] = recipe.traces.model_copy(update={"source": "written"})
    if variant in ("no-teacher", "no-targets"):
        changes["targets"] = recipe.targets.model_copy(update={"k": 0, "online": False})
        changes["loss"] = recipe.loss.model_copy(update={"weight": 0.0})
        changes["policy"] = None
    if variant == "no-curriculum":
        changes["curriculum"] = recipe.curriculum.model_copy(update={"kind": "uniform"})
    changed = recipe.model_copy(update=changes)
    if same(changed, recipe):
        raise UsageError(
            f"The variant {variant!r} is the recipe {recipe.name!r} itself, which has nothing of what it takes away.",
            "Leave it out.",
        )
    return changed


def from_nothing(student: StudentRecipe) -> StudentRecipe:
    """The same student with random weights, if it starts from its teacher's; else itself."""
    return student.model_copy(update={"start": "random", "keep_layers": None})


def _cold(recipe: Recipe) -> TrainingRecipe:
    """At the rates of a student that knows nothing yet."""
    training = recipe.training
    if recipe.student.start == "random":
        return training
    return training.model_copy(
        update={
            "rate": training.cold_rate or training.rate,
            "embedding_rate": training.cold_embedding_rate or training.embedding_rate,
        }
    )


def possible(recipe: Recipe) -> tuple[Variant, ...]:
    """The variants that differ from the recipe."""
    found = []
    for variant in VARIANTS:
        try:
            adjusted(recipe, variant)
        except UsageError:
            continue
        found.append(variant)
    return tuple(found)


def same(one: Recipe, other: Recipe) -> bool:
    """Whether two recipes train the same."""
    return bool(_what_counts(one) == _what_counts(other))


def scored(recipe: Recipe) -> bool:
    """Whether the teacher's probabilities are stored for it."""
    return bool(recipe.targets.k and recipe.loss.weight and not recipe.targets.online)


def examples_of(recipe: Recipe) -> str:
    """Which set of examples it learns from: ``teacher``, ``written``, each also ``-plain`` without probabilities."""
    return f"{recipe.traces.source}{'' if scored(recipe) else '-plain'}"


def _what_counts(recipe: Recipe) -> Any:
    weighty = bool(recipe.targets.k or recipe.targets.online) and recipe.loss.weight > 0
    return (
        recipe.student.start,
        recipe.traces.source,
        recipe.loss.weight if weighty else 0.0,
        recipe.policy,
        recipe.curriculum.kind,
    )
