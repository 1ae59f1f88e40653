"""The models that the chat could load, with what a list of them shows.

Not for: loading one (``engines``), fetching one (another process: ``edgemind pull``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from edgemind.errors import EdgemindError

if TYPE_CHECKING:
    from edgemind.models.names import ModelFile
    from edgemind.settings import Settings

CELLS = 4096
"""Of the context for which the memory that a model takes is told."""


@dataclass(frozen=True)
class InstalledModel:
    """A row of the models screen."""

    name: str
    size_bytes: int
    parameters: int
    """0 when unknown."""
    context: int
    """Tokens it was trained for; 0 when unknown."""
    quantization: str
    kind: str
    """``gguf`` for what can chat; anything else cannot be loaded here."""
    default: bool
    """It is used when no other is named."""
    fits: bool | None
    """Whether it fits the memory that is free now; ``None``: unknown."""
    needs_bytes: int | None
    """Memory it takes with a context of ``CELLS`` tokens, or all it was trained for."""
    trouble: str = ""
    """Why it cannot be used."""


def installed(settings: Settings) -> list[InstalledModel]:
    """The built-in model first, the others by name. Headers are read, so this takes a moment.

    Raises:
        StoreProblem: the user's own store cannot be read.
    """
    from edgemind.models import builtin, hardware, names

    available = hardware.machine().available_ram
    default = settings.aliases.get(settings.model or "", settings.model) or builtin.NAME
    return [_row(model, model.name == default, available) for model in names.installed()]


def _row(model: ModelFile, default: bool, available: int) -> InstalledModel:
    from edgemind.models import fit
    from edgemind.models.summary import is_embedding, summary

    manifest = model.manifest
    kind = manifest.kind if manifest else "gguf"
    row = InstalledModel(
        name=model.name,
        size_bytes=manifest.size if manifest else 0,
        parameters=(manifest.facts.parameters or 0) if manifest else 0,
        context=(manifest.facts.context or 0) if manifest else 0,
        quantization=(manifest.facts.quantization or "") if manifest else "",
        kind=kind,
        default=default,
        fits=None,
        needs_bytes=None,
        trouble=(manifest.trouble or "") if manifest else "",
    )
    if kind != "gguf":
        return replace(row, trouble=row.trouble or "This kind of model cannot chat.")
    try:
        header = model.header
        facts = summary(header)
        needed = fit.estimate(header, n_ctx=min(CELLS, facts.context_trained or CELLS)).host.total
    except (EdgemindError, OSError) as problem:
        return replace(row, trouble=row.trouble or (problem.message if isinstance(problem, EdgemindError) else "Gone."))
    return replace(
        row,
        size_bytes=row.size_bytes or facts.size_bytes,
        parameters=row.parameters or facts.parameters,
        context=row.context or facts.context_trained,
        quantization=row.quantization or facts.quantization,
        fits=needed <= available,
        needs_bytes=needed,
        trouble=row.trouble or ("It makes embeddings and writes no text." if is_embedding(header) else ""),
    )
