"""The stage ``report``: everything that was found, in one file that can be read anywhere.

Not for: what it looks like (``distill.report``).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgemind.distill.pipeline.stage import Done, Run, Stage, View
from edgemind.distill.pipeline.stages.evaluate import subjects


def stages(run: Run) -> list[Stage]:
    needs: dict[str, tuple[str, ...]] = {"export": (), "teacher": (), "problems": ()}
    needs.update({f"evaluate {subject}": () for subject in subjects(run)})
    return [Stage("report", "report", needs, _inputs, _work)]


def _inputs(run: Run) -> Mapping[str, Any]:
    return {"the recipe": run.recipe.model_dump(mode="json", by_alias=True), "variants": list(run.variants)}


def _work(run: Run, folder: Path, view: View) -> Done:
    raise NotImplementedError
