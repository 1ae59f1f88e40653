"""``edgemind eval``: an installed model put through held-out problems, alone or against another, in a table or as JSON.

Not for: the measuring (``distill.evaluation``), the perplexity of quantized models (``quality``).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from edgemind.cli import completion, console
from edgemind.engine import defaults
from edgemind.errors import UsageError
from edgemind.terminal import clean

if TYPE_CHECKING:
    from edgemind.cli.stages import Stages
    from edgemind.distill.evaluation.compare import Difference
    from edgemind.distill.evaluation.result import Evaluated, Evaluation, Share
    from edgemind.distill.problems.answers import Check
    from edgemind.distill.problems.base import Problem
    from edgemind.distill.problems.sources import Source

CHECKS = ("exact", "number", "contains", "choice")
EPILOG = (
    "Families are procedurally generated and checked exactly; problems asked here never occur in training recipes. "
    "Intervals are 95 %: Wilson's for one model, a paired bootstrap for the difference of two."
)


def register(app: typer.Typer) -> None:
    app.command(name="eval", epilog=EPILOG)(evaluate)


def evaluate(
    model: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Installed name or GGUF file.", autocompletion=completion.installed_names),
    ],
    families: Annotated[
        str | None,
        typer.Option(
            "--families", metavar="A,B", help="Only these: addition, clock, gym:chain_sum, ...; all is usual."
        ),
    ] = None,
    problems: Annotated[
        str | None,
        typer.Option("--problems", metavar="FILE.jsonl", help='Ask these: {"prompt": ..., "answer": ...} a line.'),
    ] = None,
    check: Annotated[
        str, typer.Option("--check", metavar="HOW", help="Of --problems: exact, number, contains or choice.")
    ] = "exact",
    count: Annotated[
        int | None, typer.Option("--count", min=1, metavar="N", help="Problems a family; 50 is usual.")
    ] = None,
    level: Annotated[
        str | None, typer.Option("--level", metavar="N", help="Only this level, or from and to: 2-4.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Other problems with another number.")] = 1,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="OTHER", help="Ask this model too.", autocompletion=completion.installed_names
        ),
    ] = None,
    unanswerable: Annotated[
        bool, typer.Option("--unanswerable/--no-unanswerable", help="Also ask 200 things that it cannot know.")
    ] = True,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Of each thought and answer.")] = 1024,
    sequences: Annotated[
        int | None, typer.Option("--sequences", min=1, max=32, help="Answers written at once.")
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1, max=1024, help="Threads of the engine.")] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Measure what a model gets right.

    Accuracy by family and level, calibration, and whether it says so when it does not know.
    """
    from edgemind.cli.shut_in import insist
    from edgemind.cli.stages import Stages

    if problems and (families or level):
        raise UsageError("--problems asks the questions of a file.", "Leave out --families and --level.")
    if check not in CHECKS:
        raise UsageError(f"--check is one of {', '.join(CHECKS)}, not {check!r}.", "edgemind eval --help")
    levels = _levels(level) if level else None
    insist()
    asked, sources = _questions(families, problems, check, count, seed, levels)
    names = [model, *([against] if against else [])]
    resolved = [_resolved(name) for name in names]
    with Stages() as stages:
        made = [
            _evaluated(found, asked, sources, stages, unanswerable, max_tokens, sequences, threads)
            for found in resolved
        ]
    difference = _difference(made)
    if json_output:
        console.out_json(as_object([one.result for one in made], difference, seed))
    else:
        console.out(as_table([one.result for one in made], difference))
    return 0


def _levels(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", text.strip())
    low = int(found[1]) if found else 0
    high = int(found[2] or low) if found else 0
    if not 1 <= low <= high:
        raise UsageError(f"--level is a number from 1, or two: 2-4; not {text!r}.", "edgemind eval --help")
    return low, high


def _questions(
    families: str | None,
    file: str | None,
    check: str,
    count: int | None,
    seed: int,
    levels: tuple[int, int] | None,
) -> tuple[list[Problem], Any]:
    from edgemind.distill.evaluation.questions import of_families, of_file

    if file:
        path = Path(file).expanduser()
        if not path.is_file():
            found = "is a folder" if path.is_dir() else "is not there"
            raise UsageError(f"--problems: {clean(file)} {found}.", "Name a file of JSON lines.")
        return of_file(path, cast("Check", check), count, seed)
    names = [name.strip() for name in (families or "all").split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise UsageError("--families names each family once, with commas between.", "--families addition,clock")
    if "all" in names:
        names = ["all"]
    try:
        return of_families(names, count or 50, seed, levels)
    except UsageError as problem:
        raise UsageError(str(problem).replace("problems.families names", "--families names"), problem.hint) from problem


def _resolved(name: str) -> tuple[str, dict[str, Any]]:
    from edgemind.models.names import resolve

    found = resolve(name, command="eval")
    return found.name, defaults.model_files(found)


def _evaluated(
    found: tuple[str, dict[str, Any]],
    asked: list[Problem],
    sources: dict[str, Source],
    stages: Stages,
    unanswerable: bool,
    max_tokens: int,
    sequences: int | None,
    threads: int | None,
) -> Evaluated:
    from edgemind.distill.evaluation.evaluate import evaluate_gguf

    name, files = found
    stages.begin(f"asking {name}", "pieces")
    return evaluate_gguf(
        Path(files["path"]),
        asked,
        sources,
        name=name,
        parts=[Path(part) for part in files["parts"]],
        max_tokens=max_tokens,
        sequences=sequences,
        threads=threads,
        declining=unanswerable,
        progress=lambda done, of, tokens: stages(done, of),
    )


def _difference(made: list[Evaluated]) -> Difference | None:
    if len(made) < 2:
        return None
    from edgemind.distill.evaluation.compare import compare

    return compare(made[0], made[1])


def as_object(results: list[Evaluation], difference: Difference | None, seed: int) -> dict[str, Any]:
    """What ``--json`` prints."""
    found: dict[str, Any] = {"seed": seed, "models": [_model_object(one) for one in results]}
    if difference is not None:
        found["difference"] = {
            "average": difference.mean,
            "interval": [difference.low, difference.high],
            "families": dict(difference.families),
            "only_first": difference.only_first,
            "only_second": difference.only_second,
            "p": difference.chance,
            "problems": difference.problems,
        }
    return found


def _model_object(one: Evaluation) -> dict[str, Any]:
    mean, low, high = one.average
    families = {
        name: {
            **_share_object(family.all),
            "levels": {str(level): _share_object(share) for level, share in family.levels.items()},
        }
        for name, family in one.families.items()
    }
    declining = one.declining
    return {
        "model": one.model,
        "quantization": one.quantization,
        "parameters": one.parameters,
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
        "average": mean,
        "interval": [low, high],
        "families": families,
        "levels": {str(level): _share_object(share) for level, share in one.levels.items()},
        "calibration": one.calibration.model_dump(mode="json") if one.calibration else None,
        "declined": {
            "facts": _share_object(declining.facts),
            "invented": _share_object(declining.invented),
            "mistakenly": _share_object(declining.mistaken),
        }
        if declining
        else None,
        "tokens": one.tokens,
        "seconds": one.seconds,
        "tokens_per_second": one.rate,
        "thought_tokens": one.thought_tokens,
        "answer_tokens": one.answer_tokens,
        "unfinished": one.unfinished,
        "max_tokens": one.max_tokens,
        "sequences": one.sequences,
    }


def _share_object(share: Share) -> dict[str, Any]:
    return {"right": share.right, "count": share.count, "interval": list(share.interval)}


def as_table(results: list[Evaluation], difference: Difference | None) -> str:
    """The figures for a person."""
    from edgemind.cli.table import Column, note, screen_width, table

    width = screen_width()
    columns = [Column("FAMILY", shrinks=True), Column("OF", right=True, rank=2)]
    for one in results:
        title = "RIGHT" if len(results) == 1 else one.model
        columns += [Column(title, right=True), Column("95 %", right=True, rank=1)]
    if difference:
        columns.append(Column("DIFFERENCE", right=True))
    first = results[0]
    rows = [
        [
            name,
            str(family.all.count),
            *_cells(results, name),
            *([_points(difference.families[name])] if difference else []),
        ]
        for name, family in first.families.items()
    ]
    average = [text for one in results for text in (_percent(one.average[0]), _range(*one.average[1:]))]
    rows.append(["average", str(first.all.count), *average, *([_points(difference.mean)] if difference else [])])
    parts = [table(columns, rows, width)]
    if len(first.levels) > 1:
        levels = [Column("LEVEL"), *columns[1 : 2 + 2 * len(results)]]
        parts.append(table(levels, _level_rows(results), width))
    if difference:
        parts.append(note(_said(results, difference), width))
    parts += ["".join(note(line, width) for line in _about(one, len(results) > 1)) for one in results]
    return "\n".join(parts)


def _cells(results: list[Evaluation], family: str) -> list[str]:
    cells = []
    for one in results:
        share = one.families[family].all
        cells += [_percent(share.share), _range(*share.interval)]
    return cells


def _level_rows(results: list[Evaluation]) -> list[list[str]]:
    rows = []
    for level, share in results[0].levels.items():
        cells = []
        for one in results:
            cells += [_percent(one.levels[level].share), _range(*one.levels[level].interval)]
        rows.append([str(level), str(share.count), *cells])
    return rows


def _said(results: list[Evaluation], difference: Difference) -> str:
    first, second = (one.model for one in results[:2])
    sure = "" if difference.is_sure else " That may be chance."
    return (
        f"{first} minus {second}: {_points(difference.mean)} points "
        f"({_points(difference.low)} to {_points(difference.high)}). {first} alone solved {difference.only_first}, "
        f"{second} alone {difference.only_second} (McNemar p = {difference.chance:.2g}).{sure}"
    )


def _about(one: Evaluation, named: bool) -> list[str]:
    lines = []
    if one.calibration:
        lines.append(
            f"Calibration error {100 * one.calibration.error:.1f} points, Brier score {one.calibration.brier:.3f}: "
            "how sure it was of its answers against how often it was right."
        )
    if one.declining:
        facts, invented, mistaken = one.declining.facts, one.declining.invented, one.declining.mistaken
        lines.append(
            f"Declined {facts.right} of {facts.count} questions of fact, {invented.right} of {invented.count} about "
            f"invented things, and mistakenly {mistaken.right} of {mistaken.count} problems that can be solved."
        )
    cut = f", {one.unfinished} cut at {one.max_tokens:,} tokens" if one.unfinished else ""
    lines.append(
        f"{one.tokens:,} tokens in {one.seconds:,.0f} s, {one.rate:,.0f} a second, {one.sequences} at once; "
        f"{one.thought_tokens:.0f} of thought and {one.answer_tokens:.0f} of answer on average{cut}."
    )
    return [f"{one.model}: {line}" for line in lines] if named else lines


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}"
