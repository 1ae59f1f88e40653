"""What to say for a name that no model has: the nearest one, and the next command to type.

Not for: finding a model (``names``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from edgemind.errors import ModelNotFound
from edgemind.models.opening import shown

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(?::[^/\s]+)?(?:@[\w./-]+)?")
"""``owner/name``, perhaps with a quantization or file and a revision, as ``edgemind pull`` takes it."""

RUN = "run --model"
"""The command for which a name is most often looked up."""

MOST = 4
"""So many names are listed in a sentence."""


def unknown(wanted: str, installed: Sequence[str], command: str = RUN) -> ModelNotFound:
    """The error for a name that nothing has; a shared store that is away may have it.

    Args:
        installed: names and aliases that would do.
        command: what was asked of the model, as it goes after ``edgemind``.
    """
    return perhaps_away(_unknown(wanted, installed, command))


def perhaps_away(problem: ModelNotFound) -> ModelNotFound:
    """The same error; when a shared store cannot be read now, with that as the likely reason.

    Raises:
        BadConfig: the settings are not valid.
    """
    reason = away()
    if not reason:
        return problem
    hint = f"Is the model there? Plug it in and try again. {problem.hint}"
    return ModelNotFound(f"{problem.message} {reason}", hint)


def away() -> str:
    """Why shared stores cannot be read now, in sentences; empty when there is no such store."""
    from edgemind.models.store.shared import unavailable

    return " ".join(reason for _, reason in unavailable())


def _unknown(wanted: str, installed: Sequence[str], command: str) -> ModelNotFound:
    from edgemind.models import catalog

    entries = catalog.load()
    message = f"There is no model named {shown(wanted)!r}"
    if wanted.lower() in entries:
        name = wanted.lower()
        hint = how_to_get(name, bool(entries[name].repository))
        about = f"edgemind catalog show {name}. To have it: " if command == "show" else ""
        return ModelNotFound(f"The model {name} is not installed.", f"{about}{hint}")
    near = nearest(wanted, [*installed, *entries])
    here = [name for name in near if name in installed]
    if here:
        return ModelNotFound(f"{message}; did you mean {_listed(here, 'or')}?", example(command, here[0]))
    if near:
        fetched = bool(entries[near[0]].repository)
        return ModelNotFound(f"{message} here; the catalog has {_listed(near, 'and')}.", how_to_get(near[0], fetched))
    return ModelNotFound(
        f"{message}.", "What is installed: edgemind list. What would suit this machine: edgemind recommend"
    )


def ambiguous(wanted: str, names: Sequence[str]) -> ModelNotFound:
    """The error for a beginning that several names have."""
    listed = ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")
    return ModelNotFound(
        f"Several models begin with {shown(wanted)!r}: {listed}.", "Type more of the name; `edgemind list` shows all."
    )


def not_a_file(problem: ModelNotFound, text: str) -> ModelNotFound:
    """The error for a path that leads to no file: it may have been meant as a repository of the hub."""
    if not REPOSITORY.fullmatch(text):
        return problem
    return ModelNotFound(problem.message, f"If it is a repository on the hub: edgemind pull {text}")


def how_to_get(name: str, on_the_hub: bool = True) -> str:
    """The hint for a model of the catalog."""
    return f"edgemind pull {name}" if on_the_hub else "edgemind import FILE.gguf"


def example(command: str, name: str) -> str:
    """The command as it would be with this name."""
    return f"edgemind {command} {name}" + (" ..." if command == RUN else "")


def nearest(wanted: str, names: Iterable[str]) -> list[str]:
    """Up to three names like this one: those that begin so or hold it, then those that are spelled alike."""
    by_lower = {name.lower(): name for name in names}
    typed = wanted.lower()
    holding = [name for name in by_lower if len(typed) > 2 and typed in name]
    holding.sort(key=lambda name: (not name.startswith(typed), len(name), name))
    alike = difflib.get_close_matches(typed, by_lower, n=3, cutoff=0.6)
    return [by_lower[name] for name in dict.fromkeys([*holding, *alike])][:3]


def _listed(names: Sequence[str], last: str) -> str:
    """``a, b and c``."""
    *others, end = names
    return f"{', '.join(others)} {last} {end}" if others else end
