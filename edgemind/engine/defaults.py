"""How a model is opened and asked when nobody says otherwise: the settings file, then the catalog, then the model.

Every face uses this, so that one model behaves the same in all of them. Light to import.
Not for: flags and their errors (``cli.options``), a chat's own parameters (``chat``).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from edgemind.errors import ModelUnusable
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.engine.events import LoadOptions, ThinkingPolicy
    from edgemind.models.names import ModelFile
    from edgemind.settings import Settings


def load_options(model: ModelFile, settings: Settings, *, sequences: int = 1) -> LoadOptions:
    """How to open the model.

    Raises:
        ModelUnusable: a path cannot be sent to the worker, or the file is not sound.
        BadConfig: the catalog is not valid.
    """
    from edgemind.engine.events import LoadOptions

    return LoadOptions(**load_values(model, settings, sequences=sequences))


def load_values(
    model: ModelFile,
    settings: Settings,
    *,
    sequences: int = 1,
    context: int | None = None,
    threads: int | None = None,
    gpu_layers: int | None = None,
    kv_type: str | None = None,
    adapters: Sequence[tuple[str, float]] = (),
) -> dict[str, Any]:
    """The fields of ``LoadOptions``, not yet validated; what is given here comes before the settings.

    Raises:
        As ``load_options``.
    """
    from edgemind.engine.events import Sampling
    from edgemind.models import catalog

    entry = model.entry
    return {
        **model_files(model),
        "context": first(context, settings.context),
        "sequences": sequences,
        "threads": first(threads, settings.threads),
        "gpu_layers": first(gpu_layers, settings.gpu_layers),
        **cache(kv_type, settings.flash_attention),
        "adapters": tuple(adapters),
        "reasoning_format": entry.reasoning if entry else None,
        "sampling": Sampling(**_own_sampling(model, catalog)),
    }


def thinking(model: ModelFile, settings: Settings) -> ThinkingPolicy:
    """Whether the model reasons first; the settings come before the catalog.

    Raises:
        ModelUnusable, BadConfig: as ``load_options``.
    """
    return model.entry.thinking if settings.thinking == "auto" and model.entry else settings.thinking


def model_files(model: ModelFile) -> dict[str, Any]:
    """The model's file, or all of them when it is split.

    Raises:
        ModelUnusable: a path cannot be sent to the worker.
    """
    return {"path": sendable(str(model.path)), "parts": tuple(sendable(str(part)) for part in model.parts)}


def cache(kv_type: str | None, flash_attention: str) -> dict[str, str]:
    """How keys and values are kept; ``q8_0`` needs flash attention."""
    if kv_type == "q8_0" and flash_attention in ("auto", "off"):
        flash_attention = "on"
    return {"kv_type": kv_type or "f16", "flash_attention": flash_attention}


def sendable(path: str) -> str:
    """A path that can be written as UTF-8, also when it is made absolute.

    Raises:
        ModelUnusable: it holds other bytes, and what crosses the pipe to the worker is UTF-8.
    """
    try:
        os.path.abspath(path).encode()
    except UnicodeEncodeError as problem:
        shown = os.path.abspath(path).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        raise ModelUnusable(
            f"The path {clean_line(shown)} holds bytes that are not UTF-8 text.",
            "Rename it, or make a link with a plain name: ln -s PATH model.gguf",
        ) from problem
    return path


def first(given: int | None, otherwise: int | None) -> int | None:
    """``given`` unless it is ``None``; 0 counts."""
    return otherwise if given is None else given


def _own_sampling(model: ModelFile, catalog: Any) -> dict[str, Any]:
    """The model's own defaults, without reading the file when the catalog knows the name."""
    if model.entry and not model.entry.repository:
        return dict(model.entry.sampling.given())
    return dict(catalog.sampling_for(model.header, model.entry).given())
