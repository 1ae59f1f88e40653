"""``edgemind pull``: fetch a model, prove it, try it. The one command that uses a network."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import console
from edgemind.cli.completion import fetchable_names
from edgemind.errors import OutOfMemory, UsageError

if TYPE_CHECKING:
    from edgemind.engine.smoke import Smoke
    from edgemind.models.header import Header
    from edgemind.models.prediction import FitReport
    from edgemind.models.pull_plan import Plan
    from edgemind.models.store.manifest import Manifest

EPILOG = (
    "A pull that was stopped, by Ctrl-C or by anything else, goes on with the same command. "
    "HF_ENDPOINT names another hub, HTTPS_PROXY a proxy; HF_TOKEN or `edgemind login` opens gated models. Without a "
    "quantization the catalog's is taken, or Q4_K_M, or Q8_0 for a small model."
)


def register(app: typer.Typer) -> None:
    app.command(name="pull", epilog=EPILOG)(pull)


def pull(
    wanted: Annotated[
        str,
        typer.Argument(
            metavar="NAME|OWNER/REPO[:QUANT|:FILE][@REVISION]",
            help="A model of the catalog, or any repository of the hub.",
            autocompletion=fetchable_names,
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What to call it here.")] = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="gguf, or safetensors for distilling and converting.")
    ] = "gguf",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be fetched, how big it is and whether it fits; keep nothing."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Fetch it although it does not fit this machine.")] = False,
    no_trial: Annotated[bool, typer.Option("--no-trial", help="Leave out the two-token trial run at the end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Fetch a model, verify every byte of it, and try it. The only command that uses the network."""
    if format_ not in ("gguf", "safetensors"):
        raise UsageError(f"--format is gguf or safetensors, not {format_!r}.", "Pickles are programs: never fetched.")
    from edgemind.cli.pull_progress import observer
    from edgemind.models import download, hubs, tokens
    from edgemind.models.pull import carry_out, check_space, peek
    from edgemind.models.pull_plan import make_plan
    from edgemind.models.store.store import own_store

    store = own_store()
    endpoint = hubs.endpoint()
    with download.HubClient(endpoint, tokens.find(endpoint)) as hub:
        with _meanwhile(f"asking {endpoint}"):
            plan = make_plan(hub, wanted, store, safetensors=format_ == "safetensors", name=name)
            header = peek(hub, plan) if dry_run and plan.choice.kind == "gguf" else None
        if dry_run:
            return _tell_plan(plan, _fit(header, speed=True) if header else None, json)
        check_space(plan, store)
        with observer(plan) as watching:
            _say(plan, json)
            manifest = carry_out(plan, hub, store, watching, look=None if force else _refuser(plan))
    untried = bool(plan.fetched) or plan.existing is None or plan.existing.trouble is not None
    trial = _try(manifest) if untried and not no_trial and manifest.kind == "gguf" else None
    _tell_result(plan, manifest, trial, json)
    return 0


@contextlib.contextmanager
def _meanwhile(text: str) -> Iterator[None]:
    """Nobody waits in front of a silent screen."""
    from edgemind.cli.progress import Progress

    progress = Progress()
    progress.say(text)
    try:
        yield
    finally:
        progress.close()


def _refuser(plan: Plan) -> Callable[[Header], None]:
    """Stops while only the header has come, rather than after the whole."""
    from edgemind.models.sizes import human_bytes

    def look(header: Header) -> None:
        report = _fit(header)
        if report is None:
            return
        needed = report.needed_bytes + sum(file.size for file in plan.choice.files[1:])
        if needed > report.total_bytes:
            raise OutOfMemory(
                f"{plan.name} would need {human_bytes(needed)} of memory, and this machine has "
                f"{human_bytes(report.total_bytes)}.",
                "Take a smaller one (edgemind recommend), or fetch it all the same for another machine: --force",
            )

    return look


def _fit(header: Header, *, speed: bool = False) -> FitReport | None:
    """What it needs here; ``speed`` measures this machine's memory where that has not been done yet."""
    from edgemind.models.bandwidth import bandwidth
    from edgemind.models.prediction import CONTEXT, will_it_fit
    from edgemind.models.summary import is_embedding, summary

    if is_embedding(header) or not header.tensors:
        return None
    context = min(CONTEXT, summary(header).context_trained or CONTEXT)
    return will_it_fit(header, context, bandwidth=bandwidth() if speed else None)


def _try(manifest: Manifest) -> Smoke:
    """Two tokens in the jailed worker; what is in the way is remembered with the model."""
    from edgemind.engine.smoke import smoke
    from edgemind.models.store.store import own_store

    store = own_store()
    with _meanwhile(f"trying {manifest.name}"):
        done = smoke(store.files(manifest), name=manifest.name)
    if not done.ok and done.blames_model:
        store.add(manifest.model_copy(update={"trouble": done.sentence}), replace=True)
    return done


def _say(plan: Plan, json: bool) -> None:
    """What is about to come, for a person."""
    if json or not plan.fetched or not console.is_terminal(sys.stderr):
        return
    from edgemind.models.sizes import human_bytes

    kept = f", {human_bytes(plan.kept)} of it is here" if plan.kept else ""
    count = f"{len(plan.choice.files)} files, " if len(plan.choice.files) > 1 else ""
    console.err(
        f"{plan.name}: {count}{human_bytes(plan.choice.size)}{kept}, from {plan.repository.id} at "
        f"{plan.repository.commit[:7]}\n"
    )
    for note in plan.notes:
        console.err(f"  {note}\n")


def _tell_plan(plan: Plan, fit: FitReport | None, json: bool) -> int:
    from edgemind.models.hardware import free_disk
    from edgemind.models.sizes import human_bytes
    from edgemind.models.store.store import own_store

    free = free_disk(own_store().root)
    if json:
        console.out_json({"dry_run": True, **_plan_object(plan), "disk_free": free, "fit": _fit_object(fit)})
        return 0
    from edgemind.cli.table import facts, screen_width

    rows = [
        ("name", plan.name),
        ("from", f"{plan.repository.id} at {plan.repository.commit[:12]}"),
        *_file_rows(plan),
        ("to fetch", _to_fetch(plan)),
        ("disk", f"{human_bytes(free)} free" if free is not None else ""),
        ("memory", fit.sentence if fit else ""),
        ("licence", _licence(plan)),
        *(("note", note) for note in plan.notes),
    ]
    console.out(facts(rows, screen_width()))
    return 0


def _to_fetch(plan: Plan) -> str:
    from edgemind.models.sizes import human_bytes

    if not plan.fetched:
        return "nothing, it is here"
    kept = f" ({human_bytes(plan.kept)} of it is here)" if plan.kept else ""
    return f"{human_bytes(plan.to_fetch)}{kept}"


def _file_rows(plan: Plan) -> list[tuple[str, str]]:
    from edgemind.models.sizes import human_bytes

    shown = [f"{file.path}, {human_bytes(file.size)}" for file in plan.choice.files[:12]]
    more = len(plan.choice.files) - len(shown)
    lines = [*shown, *([f"and {more} more"] if more > 0 else [])]
    return [("files" if number == 0 else "", line) for number, line in enumerate(lines)]


def _licence(plan: Plan) -> str:
    return f"{plan.licence or 'not named'}, see {plan.repository.page}"


def _tell_result(plan: Plan, manifest: Manifest, trial: Smoke | None, json: bool) -> None:
    if json:
        trouble = trial.sentence if trial and not trial.ok else None
        console.out_json(
            {**_plan_object(plan), "pulled": True, "trial": None if trial is None else trial.ok, "trouble": trouble}
        )
        return
    from edgemind.cli.table import note, screen_width
    from edgemind.models.sizes import human_bytes

    width = screen_width()
    done = "fetched and verified" if plan.fetched else "here already"
    lines = [f"{manifest.name} is {done}: {human_bytes(manifest.size)} from {plan.repository.id}."]
    if plan.existing is None:
        lines.append(f"Licence: {_licence(plan)}")
    if trial and not trial.ok:
        lines.append(f"It does not run here as it is: {trial.sentence}")
    elif manifest.kind == "gguf":
        lines.append(f"edgemind run -m {manifest.name} 'your prompt'")
    else:
        lines.append(f"edgemind convert {manifest.name}")
    console.out("".join(note(line, width) for line in lines))


def _plan_object(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name,
        "repository": plan.repository.id,
        "commit": plan.repository.commit,
        "quantization": plan.choice.quantization or None,
        "format": plan.choice.kind,
        "files": [
            {"path": file.path, "size": file.size, "sha256": file.sha256, "here": file not in plan.fetched}
            for file in plan.choice.files
        ],
        "size": plan.choice.size,
        "to_fetch": plan.to_fetch,
        "licence": plan.licence,
        "notes": list(plan.notes),
    }


def _fit_object(fit: FitReport | None) -> dict[str, Any] | None:
    if fit is None:
        return None
    return {
        "fits": fit.fits,
        "needed_bytes": fit.needed_bytes,
        "available_bytes": fit.available_bytes,
        "total_bytes": fit.total_bytes,
        "tokens_per_second": fit.tokens_per_second,
        "sentence": fit.sentence,
    }
