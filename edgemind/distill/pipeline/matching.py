"""Whether the teacher's probabilities are about the student's tokens; found out before anything long begins.

Not for: matching texts that are cut differently (``targets.alignment``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.pipeline.models import Teacher
from edgemind.distill.pipeline.stage import Run
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.distill.targets.vocabulary import Match


def needs_match(run: Run) -> bool:
    """Whether the recipe uses the teacher's probabilities at all."""
    recipe = run.recipe
    return bool(recipe.targets.k and recipe.loss.weight) or recipe.policy is not None


def matched(run: Run, student: Path) -> Match:
    """How the tokens of a student's folder and of whoever scores go together.

    Raises:
        UsageError: they do not, and the recipe refuses to match texts by spans.
    """
    from edgemind.distill.targets.vocabulary import compare, of_gguf, of_tokenizer_folder

    teacher = Teacher.of(run)
    assert teacher.scorer is not None
    theirs = of_tokenizer_folder(teacher.scorer) if teacher.scorer.is_dir() else of_gguf(teacher.scorer)
    match = compare(of_tokenizer_folder(student), theirs)
    if match.usable or run.recipe.targets.across == "aligned":
        return match
    raise UsageError(
        f"The student and the teacher {teacher.name} cut text into different tokens: {match.why.rstrip('.')}.",
        'Say targets.across = "aligned" to match them by spans of text, or targets.k = 0 for traces alone.',
    )
