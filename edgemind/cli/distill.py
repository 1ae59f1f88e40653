"""``edgemind distill`` and ``edgemind distill-stage``: a recipe carried out, as a whole or one stage of it.

Not for: what the stages are (``distill.pipeline``), what is shown meanwhile (``distill_view``).
"""

from __future__ import annotations

import contextlib
import difflib
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from edgemind.cli import console
from edgemind.errors import UsageError
from edgemind.terminal import clean

if TYPE_CHECKING:
    from edgemind.cli.distill_view import Lines, Live
    from edgemind.cli.interrupt import Interrupt
    from edgemind.distill.pipeline.records import Record
    from edgemind.distill.pipeline.running import Wanted
    from edgemind.distill.pipeline.stage import Kind, Run, Stage, Step
    from edgemind.distill.recipe.schema import Variant

EPILOG = (
    "Stages: teacher, problems, student, traces, targets, train, evaluate, export, report. One is skipped when nothing "
    "that it reads has changed; after Ctrl-C or a crash the same command goes on. Training needs "
    "`pip install 'edgemind[distill]'`."
)


def recipe_names(incomplete: str) -> list[str]:
    """For the shell's completion; it must never fail."""
    with contextlib.suppress(Exception):
        from edgemind.distill.recipe.reading import shipped_recipes

        return [name for name in shipped_recipes() if name.startswith(incomplete)]
    return []


def stage_names(incomplete: str) -> list[str]:
    """For the shell's completion; it must never fail."""
    with contextlib.suppress(Exception):
        from edgemind.distill.pipeline.stage import KINDS

        return [name for name in KINDS if name.startswith(incomplete)]
    return []


RECIPE = typer.Argument(
    metavar="RECIPE", help="A .toml file, or the name of one that ships.", autocompletion=recipe_names
)
RunDir = Annotated[
    str | None, typer.Option("--run-dir", metavar="DIR", help="Work in this folder; runs/NAME is usual.")
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        metavar="NAME",
        help="Compare with the same recipe no-teacher, no-start, no-targets, no-traces or no-curriculum.",
    ),
]
Ablations = Annotated[bool, typer.Option("--ablations", help="Compare with all of these.")]
AllowNetwork = Annotated[
    bool, typer.Option("--allow-network", help="Let prompts go to the recipe's server on another machine.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def register(app: typer.Typer) -> None:
    app.command(name="distill", epilog=EPILOG)(distill)
    app.command(name="distill-stage", epilog=EPILOG)(distill_stage)


def distill(
    recipe: Annotated[str | None, RECIPE] = None,
    run_dir: RunDir = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="STAGE", help="Stop after this stage.", autocompletion=stage_names)
    ] = None,
    again: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="STAGE", help="Make this stage and all after it again.", autocompletion=stage_names
        ),
    ] = None,
    variant: Variants = None,
    ablations: Ablations = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run and why.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the recipes that ship.")] = False,
    allow_network: AllowNetwork = False,
    json_output: Json = False,
) -> int:
    """Distil a small model from a teacher, by a recipe.

    What it makes is installed under the recipe's name.
    """
    if list_:
        return _list(json_output)
    if recipe is None:
        raise UsageError("Which recipe?", "edgemind distill quickstart, or see them all: edgemind distill --list")
    from edgemind.distill.pipeline.running import Wanted
    from edgemind.distill.pipeline.stage import KINDS

    wanted = Wanted(until=_kind(until, "--until"), again=_kind(again, "--from"))
    if wanted.until and wanted.again and KINDS.index(wanted.again) > KINDS.index(wanted.until):
        raise UsageError(
            f"--from {wanted.again} comes after --until {wanted.until}, so nothing would be made again.",
            f"The order is {', '.join(KINDS)}.",
        )
    run = _run(recipe, run_dir, variant, ablations, allow_network)
    return _dry(run, wanted, json_output) if dry_run else _carry_out(run, wanted, json_output)


def distill_stage(
    stage: Annotated[
        str, typer.Argument(metavar="STAGE", help="problems, traces, targets, train, ...", autocompletion=stage_names)
    ],
    recipe: Annotated[str, RECIPE],
    run_dir: RunDir = None,
    variant: Variants = None,
    ablations: Ablations = False,
    again: Annotated[bool, typer.Option("--again", help="Make it again though nothing has changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run and why.")] = False,
    allow_network: AllowNetwork = False,
    json_output: Json = False,
) -> int:
    """Run one stage of a recipe.

    What it reads must have been made before.
    """
    from edgemind.distill.pipeline.running import Wanted

    kind = _kind(stage, "STAGE")
    wanted = Wanted(only=kind, again=kind if again else None)
    run = _run(recipe, run_dir, variant, ablations, allow_network)
    return _dry(run, wanted, json_output) if dry_run else _carry_out(run, wanted, json_output)


def _run(text: str, run_dir: str | None, variants: list[str] | None, ablations: bool, allow_network: bool) -> Run:
    """The run that a command line asks for; nothing is written."""
    from edgemind.distill.pipeline.running import with_variants
    from edgemind.distill.pipeline.stage import Run
    from edgemind.distill.pipeline.variants import VARIANTS, possible
    from edgemind.distill.recipe.reading import find_recipe, read_recipe

    file = find_recipe(text)
    recipe = read_recipe(file)
    for name in variants or ():
        if name not in VARIANTS:
            near = difflib.get_close_matches(name, VARIANTS, n=1)
            guess = f"; did you mean {near[0]!r}?" if near else "."
            raise UsageError(f"There is no variant {name!r}{guess}", f"There are {', '.join(VARIANTS)}.")
    chosen = (*cast("list[Variant]", variants or []), *(possible(recipe) if ablations else ()))
    if allow_network and recipe.teacher.server is None:
        raise UsageError("This recipe has no server that anything could be sent to.", "Leave out --allow-network.")
    if not recipe.teacher.is_local and not allow_network:
        raise UsageError(
            f"The teacher is a server on another machine, {recipe.teacher.server}: every prompt would be sent to it.",
            "If that is meant, add --allow-network.",
        )
    directory = Path(run_dir).expanduser() if run_dir else Path.cwd() / "runs" / recipe.name
    where = next((place for place in (directory, *directory.parents) if place.exists()), directory)
    if not where.is_dir():
        raise UsageError(f"{clean(str(where))} is a file, and a run needs a folder.", "Give one: --run-dir DIR")
    command = shlex.join(["edgemind", *sys.argv[1:]])
    return with_variants(Run(recipe, directory.absolute(), chosen, command, file, allow_network))


def _carry_out(run: Run, wanted: Wanted, json_output: bool) -> int:
    from edgemind.cli.interrupt import Interrupt
    from edgemind.distill.pipeline.running import carry_out
    from edgemind.distill.pipeline.stages import stages_of
    from edgemind.distill.training.job import refuse_many_processes

    refuse_many_processes(run.directory / "train" / "full" / "job.json")
    _shut_in_unless_server(run)
    stages = stages_of(run)
    try:
        with Interrupt() as interrupt, _view(run, interrupt, json_output) as view:
            records = carry_out(run, stages, view, wanted, lambda stage: _shut_in_after_traces(run, stage))
    except KeyboardInterrupt:
        console.err(f"Stopped; what was made so far is kept in {run.directory}. To go on: {going_on(run.command)}\n")
        raise
    if json_output:
        console.out_json(_json(run, records))
    else:
        console.out(_told(run, records))
    return 0


def going_on(command: str) -> str:
    """The command without what would make again what is there."""
    kept: list[str] = []
    words = iter(shlex.split(command))
    for word in words:
        if word == "--from":
            next(words, None)
        elif word != "--again" and not word.startswith("--from="):
            kept.append(word)
    return shlex.join(kept)


def _shut_in_unless_server(run: Run) -> None:
    """Everything happens without a network, but for a teacher behind an address: then that is said, loudly."""
    from edgemind.cli.shut_in import hub_offline, insist

    if run.recipe.teacher.server is None:
        insist()
        return
    hub_offline()
    console.err(
        f"NOT OFFLINE: the prompts of this recipe leave this process, to {run.recipe.teacher.server}, until its traces "
        "are written.\n"
    )


def _shut_in_after_traces(run: Run, stage: Stage) -> None:
    from edgemind.cli.shut_in import insist
    from edgemind.distill.pipeline.stage import KINDS

    if KINDS.index(stage.kind) > KINDS.index("traces"):
        insist()


def _view(run: Run, interrupt: Interrupt, json_output: bool) -> Live | Lines:
    from edgemind.cli.distill_view import Lines, Live

    if json_output or not console.is_smart(sys.stderr):
        return Lines(interrupt.check, as_json=json_output)
    return Live(f"Distilling {run.recipe.name} in {run.directory}", interrupt.check)


def _dry(run: Run, wanted: Wanted, json_output: bool) -> int:
    from edgemind.cli.shut_in import shut_in
    from edgemind.cli.table import Column, note, screen_width, table

    shut_in()
    from edgemind.distill.pipeline.running import planned
    from edgemind.distill.pipeline.stages import stages_of

    steps = planned(run, stages_of(run), wanted)
    if json_output:
        console.out_json({"run_dir": str(run.directory), "stages": [_step_json(step) for step in steps]})
        return 0
    words = {"current": "skipped", "due": "runs", "perhaps": "may run"}
    columns = (Column("STAGE"), Column(""), Column("WHY", shrinks=True))
    width = screen_width()
    console.out(table(columns, [(step.stage.name, words[step.state], step.why) for step in steps], width))
    console.out("\n" + note(f"Nothing was done. It would happen in {run.directory}", width))
    return 0


def _list(json_output: bool) -> int:
    from edgemind.cli.shut_in import shut_in
    from edgemind.cli.table import Column, screen_width, table

    shut_in()
    from edgemind.distill.recipe.reading import read_recipe, shipped_recipes

    found = {name: read_recipe(file) for name, file in shipped_recipes().items()}
    if json_output:
        about = [{"name": name, "description": one.description} for name, one in found.items()]
        console.out_json({"recipes": about})
        return 0
    rows = [(name, one.description) for name, one in found.items()]
    console.out(table((Column("RECIPE"), Column("WHAT IT MAKES", shrinks=True)), rows, screen_width()))
    return 0


def _kind(text: str | None, flag: str) -> Kind | None:
    from edgemind.distill.pipeline.stage import KINDS

    if text is None or text in KINDS:
        return text
    near = difflib.get_close_matches(text, KINDS, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    raise UsageError(f"{flag}: there is no stage {text!r}{guess}", f"There are {', '.join(KINDS)}.")


def _told(run: Run, records: dict[str, Record]) -> str:
    """The end of it, for a person."""
    from edgemind.cli.distill_view import duration, summary
    from edgemind.cli.table import Column, note, screen_width, table

    width = screen_width()
    columns = (Column("STAGE"), Column("TIME", right=True), Column("", shrinks=True))
    rows = [(name, duration(record.seconds), summary(record)) for name, record in records.items()]
    text = table(columns, rows, width)
    export, report = records.get("export"), records.get("report")
    if report is not None:
        text += "\n" + note(f"The report: {run.path(report.figures['report'])}", width)
    if export is not None and export.figures.get("installed"):
        text += "\n" + note(f"To try it: edgemind run -m {export.figures['name']} 'What is 3 + 4?'", width)
    return text


def _json(run: Run, records: dict[str, Record]) -> dict[str, Any]:
    stages = {
        name: {"seconds": record.seconds, "outputs": len(record.outputs), "figures": record.figures}
        for name, record in records.items()
    }
    export = records.get("export")
    name = export.figures.get("name") if export and export.figures.get("installed") else None
    return {"recipe": run.recipe.name, "run_dir": str(run.directory), "model": name, "stages": stages}


def _step_json(step: Step) -> dict[str, str]:
    return {"stage": step.stage.name, "state": step.state, "why": step.why}
