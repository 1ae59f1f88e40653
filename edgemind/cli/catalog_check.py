"""``edgemind catalog check``: everything that is wrong with a ``models.toml``, with lines; and what a hub says of it.

Without ``--online`` nothing here imports a network client, and this process shuts itself in.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgemind.models.catalog_check import Checked
    from edgemind.models.catalog_online import Difference
    from edgemind.models.catalog_schema import CatalogEntry

EPILOG = "Exit code 11 when there is an error, or when the hub contradicts the catalog; warnings alone are no error."


def check(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="Without it your own models.toml, or ours.", show_default=False),
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the hub about every entry too. This uses the network.")
    ] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Check a models.toml, and show everything that is wrong with it."""
    from edgemind.cli.shut_in import shut_in
    from edgemind.engine.reasoning_formats import FORMATS
    from edgemind.errors import BadConfig
    from edgemind.models import catalog
    from edgemind.models.catalog_check import check as look

    if not online:
        shut_in()
    file = file or (catalog.user_file() if catalog.user_file().exists() else catalog.shipped_file())
    checked = look(file, FORMATS)
    differences = _ask(checked.entries) if online else None
    if json_output:
        console.out_json(_object(file, checked, differences))
    else:
        _tell(file, checked, differences)
    contradicted = any(difference.kind == "wrong" for difference in differences or ())
    return BadConfig.exit_code if checked.errors or contradicted else 0


def _ask(entries: Sequence[CatalogEntry]) -> list[Difference]:
    """What the hub says about each entry that has a repository.

    Raises:
        NetworkProblem: the hub cannot be reached, or stays busy.
        UsageError: ``HF_ENDPOINT`` or the token is none.
    """
    from edgemind.errors import AccessDenied, ModelNotFound
    from edgemind.models import download, hubs, tokens
    from edgemind.models.catalog_online import Difference, compare
    from edgemind.models.pull_plan import HASTY, patiently
    from edgemind.models.remote import RemoteRepository

    endpoint = hubs.endpoint()
    listed = [entry for entry in entries if entry.repository]
    found: list[Difference] = []
    with download.HubClient(endpoint, tokens.find(endpoint)) as hub:

        def ask(repository: str, commit: str | None) -> RemoteRepository:
            return patiently(lambda: hub.repository(repository, commit), endpoint, HASTY, time.sleep)

        for number, entry in enumerate(listed, 1):
            _passing(f"{number} of {len(listed)}: {entry.name}")
            try:
                found += compare(entry, ask)
            except (ModelNotFound, AccessDenied) as problem:
                found.append(Difference(entry.name, "repository", entry.repository, problem.message, "wrong"))
    _passing("")
    return found


def _passing(text: str) -> None:
    """A line on a terminal's standard error that the next one takes the place of."""
    if console.is_smart(sys.stderr):
        from edgemind.terminal import clean_line

        console.err_raw(f"\r\x1b[K{clean_line(text)}")


def _tell(file: Path, checked: Checked, differences: list[Difference] | None) -> None:
    from edgemind.models.opening import shown
    from edgemind.terminal import clean_line

    name = shown(file)
    lines = [
        f"{name}:{f'{problem.line}:' if problem.line else ''} {problem.severity}: {problem}"
        for problem in checked.problems
    ]
    lines += [f"{difference.entry}: {_sentence(difference)}" for difference in differences or ()]
    console.out("".join(f"{clean_line(line)}\n" for line in lines))
    warnings = len(checked.problems) - checked.errors
    told = f"{name}: {_count(len(checked.entries), 'valid model')}"
    if checked.problems:
        told += f", {_count(checked.errors, 'error')}, {_count(warnings, 'warning')}"
    if differences is not None:
        told += f", {_count(len(differences), 'difference')} to the hub"
    (console.err if lines else console.out)(clean_line(f"{told}.") + "\n")


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _sentence(difference: Difference) -> str:
    field, ours, theirs = difference.field, difference.catalog, difference.hub
    if field == "repository":
        return f"repository: {theirs}"
    if difference.kind == "newer":
        return f"{field}: the hub has a newer commit, {theirs}"
    if difference.kind == "unknown":
        return f"{field}: the hub says {theirs}, the catalog nothing"
    if theirs is None:
        return f"{field}: the hub has no file {ours}"
    return f"{field}: the catalog says {ours}, the hub {theirs}"


def _object(file: Path, checked: Checked, differences: list[Difference] | None) -> dict[str, Any]:
    from dataclasses import asdict

    from edgemind.models.opening import shown

    found: dict[str, Any] = {
        "file": shown(file),
        "models": len(checked.entries),
        "errors": checked.errors,
        "problems": [
            {"line": one.line or None, "entry": one.entry or None, "severity": one.severity, "message": one.message}
            for one in checked.problems
        ],
    }
    if differences is not None:
        found["differences"] = [asdict(difference) for difference in differences]
    return found
