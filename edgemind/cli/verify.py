"""``edgemind verify``: hash installed models again and say which are not what they were. Nothing is removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import completion, console
from edgemind.errors import Damaged, EdgemindError, StoreProblem

if TYPE_CHECKING:
    from edgemind.cli.bar import Bar
    from edgemind.models.names import Installed


def register(app: typer.Typer) -> None:
    app.command(name="verify")(verify)


def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Installed models; all if none is named.", autocompletion=completion.stored_names
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Hash models again; exit code 14 when one is damaged."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    from edgemind.cli.bar import Bar

    models, broken = _asked(names or [])
    results = [_failed(name, problem) for name, problem in broken]
    if not json_output:
        console.out("".join(map(_line, results)))
    with Bar("verifying") as bar:
        for number, model in enumerate(models, 1):
            count = f" ({number} of {len(models)})" if len(models) > 1 else ""
            bar.begin(f"verifying {model.name}{count}")
            results.append(_verified(model, bar))
            bar.clear()
            told_in_the_end = len(models) + len(broken) == 1 and not results[-1]["ok"]
            if not json_output and not told_in_the_end:
                console.out(_line(results[-1]))
    failed = [one for one in results if not one["ok"]]
    worst = _worst(failed, len(results)) if failed else None
    if json_output:
        from edgemind.cli.failure import failure_object

        console.out_json({"models": results, "ok": not failed} | (failure_object(worst) if worst else {}))
    elif not results:
        console.out("There is nothing to verify: no model is installed.\n")
    if worst:
        raise worst
    return 0


def _asked(names: list[str]) -> tuple[list[Installed], list[tuple[str, EdgemindError]]]:
    """The models to look at, and those whose manifest cannot even be read."""
    from edgemind.errors import UsageError
    from edgemind.models import builtin
    from edgemind.models import names as known
    from edgemind.models.store.store import own_store

    if not names:
        reasons = own_store().damaged()
        hint = "edgemind store repair"
        broken: list[tuple[str, EdgemindError]] = [
            (name, StoreProblem(f"The manifest of {name} cannot be used: {reason}.", hint)) for name, reason in reasons
        ]
        return known.in_stores(), broken
    found: dict[str, Installed] = {}
    for name in names:
        model = known.find(name, "verify")
        if model is None:
            raise UsageError(f"{builtin.NAME} comes with EdgeMind and is in no store.", "edgemind verify")
        found[model.name] = model
    return list(found.values()), []


def _verified(model: Installed, bar: Bar) -> dict[str, Any]:
    from edgemind.models.store.verifying import verify as hash_again

    try:
        done = hash_again(model.store, model.manifest, bar)
    except (Damaged, StoreProblem) as problem:
        return _failed(model.name, problem)
    return {"name": model.name, "ok": True, "files": done.files, "bytes": done.bytes, "error": None}


def _failed(name: str, problem: EdgemindError) -> dict[str, Any]:
    from edgemind.cli.failure import error_object

    return {"name": name, "ok": False, "files": 0, "bytes": 0, "error": error_object(problem)}


def _line(result: dict[str, Any]) -> str:
    """One model's line."""
    from edgemind.models.sizes import human_bytes
    from edgemind.terminal import clean_line

    if not result["ok"]:
        return f"{result['name']}: {clean_line(result['error']['message'])}\n"
    files = "1 file" if result["files"] == 1 else f"{result['files']} files"
    return f"{result['name']}: sound ({files}, {human_bytes(result['bytes'])})\n"


def _worst(failed: list[dict[str, Any]], count: int) -> EdgemindError:
    """What the command ends with: the one failure, or how many there are."""
    first = failed[0]["error"]
    kind = Damaged if any(one["error"]["kind"] == Damaged.kind for one in failed) else StoreProblem
    if count == 1:
        return kind(first["message"], first["hint"])
    listed = ", ".join(one["name"] for one in failed)
    return kind(f"{len(failed)} of {count} models are not as they should be: {listed}.", first["hint"])
