"""The stage ``export``: the student converted, proven, quantized and installed, with where it came from.

Not for: how that is done (``distill.deliver``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgemind import __version__
from edgemind.distill.pipeline.models import Teacher
from edgemind.distill.pipeline.records import Record, digest_of, write_whole
from edgemind.distill.pipeline.stage import Done, Run, Stage, Telling, View
from edgemind.distill.pipeline.stages.evaluate import SHIPPED
from edgemind.distill.pipeline.stages.train import model_of


def stages(run: Run) -> list[Stage]:
    needs: dict[str, tuple[str, ...]] = {"train full": (), "teacher": (), f"evaluate {SHIPPED}": ()}
    return [Stage("export", "export", needs, _inputs, _work, ready=_ready, lacks=_lacks)]


def _ready(run: Run) -> None:
    """That no other model has the name, which nobody wants to hear after a night of training."""
    from edgemind.distill.deliver import may_replace

    if run.recipe.export.install and run.records.read("export") is None:
        may_replace(run.recipe.model_name, _run(run))


def _run(run: Run) -> str:
    """What tells this distillation from others."""
    return f"{run.recipe.name} {digest_of(str(run.directory))[:16]}"


def _inputs(run: Run) -> Mapping[str, Any]:
    about = run.recipe
    return {
        "[export]": about.export.model_dump(mode="json"),
        "name, description and licence": [about.name, about.description, about.licence],
    }


def _lacks(run: Run, record: Record) -> str:
    """A model that was removed from the store since is installed again."""
    from edgemind.models.names import installed_names

    name = record.figures["name"]
    gone = record.figures["installed"] and name not in installed_names()
    return f"{name} is not installed any more" if gone else ""


def _work(run: Run, folder: Path, view: View) -> Done:
    from edgemind.distill.deliver import About, deliver_file, deliver_to_store

    recipe = run.recipe
    about = About(recipe.model_name, recipe.description, licence=recipe.licence, provenance=_provenance(run))
    model, kind = model_of(run, "full"), recipe.export.quantization
    if recipe.export.install:
        made = deliver_to_store(
            model,
            recipe.model_name,
            kind,
            about,
            Telling(view),
            run=_run(run),
            command=run.command[:2000],
        )
    else:
        made = deliver_file(model, folder / f"{recipe.model_name}.gguf", kind, about, Telling(view))
    figures = {
        "said": f"{made.name or made.path.name}, {made.size / 1e6:.1f} MB, {made.type}",
        "name": made.name or made.path.name,
        "installed": made.name is not None,
        "path": run.shown(made.path),
        "size": made.size,
        "type": made.type,
        "sha256": made.sha256,
        "parity": made.parity,
    }
    note = folder / "model.json"
    write_whole(note, json.dumps({name: figures[name] for name in ("name", "size", "type", "sha256")}) + "\n")
    return Done([note] if made.name else [note, made.path], figures)


def _provenance(run: Run) -> dict[str, str | int]:
    """Plain facts that travel in the file."""
    trained, shipped = run.record("train full").figures, run.record(f"evaluate {SHIPPED}").figures
    found: dict[str, str | int] = {
        "recipe": run.recipe.name,
        "recipe sha256": digest_of(run.recipe.model_dump(mode="json", by_alias=True)),
        "teacher": Teacher.of(run).name,
        "seed": run.recipe.seed,
        "steps": trained["steps"],
        "tokens": trained["tokens"],
        "held-out accuracy": shipped["said"],
        "edgemind": __version__,
    }
    return found
