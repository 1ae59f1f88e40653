"""The parts of the report about how it came to be: curves of training, acceptance of traces, time, provenance.

Not for: how good the models are (``findings``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgemind.distill.evaluation.accuracy import wilson
from edgemind.distill.report import charts
from edgemind.distill.report.facts import Curve, Facts, Point, title_of
from edgemind.distill.report.findings import ordered, style_of
from edgemind.distill.report.tables import Cell, figure, folded, minutes, safe, section, share, table


def training(facts: Facts, number: int) -> str:
    """Loss, divergence and accuracy by level over tokens."""
    curves = {subject: facts.curves[subject] for subject in ordered(facts.curves)}
    losses = _figure(
        number,
        "Cross-entropy of what is learned",
        curves,
        lambda point: point.cross_entropy,
        "nats a token, smaller is better",
    )
    divergence = _figure(
        number + 1, "Divergence from the teacher", curves, lambda point: point.divergence, "nats a token"
    )
    accuracy = _overall(number + 2, curves)
    levels = [_levels(number + 3 + place, subject, curve) for place, (subject, curve) in enumerate(curves.items())]
    first = [drawing for drawing in levels if drawing]
    return section(
        "Training",
        "All students read the same number of tokens in the same number of steps. The cross-entropy is on what each "
        "of them learns from: the teacher's own thoughts are easier to predict than written solutions, so compare "
        "accuracies, not losses, across the two.",
        losses,
        divergence,
        accuracy,
        first[0] if first else "",
        folded("The others by level", f'<div class="pair">{"".join(first[1:])}</div>') if first[1:] else "",
        _trainings(facts),
    )


def traces(facts: Facts) -> str:
    """How much of what the teacher wrote was kept."""
    report = facts.traces
    if report is None or not report.tallies:
        return ""
    rows: list[list[Cell]] = []
    everything = [*report.families().items(), ("all", report.total)]
    for name, tally in everything:
        low, high = wilson(tally.right, tally.samples)
        rows.append(
            [
                name,
                f"{tally.problems:,}",
                f"{tally.samples:,}",
                share(tally.right, tally.samples, low, high),
                f"{tally.wrong:,}",
                f"{tally.cut:,}",
                f"{tally.repeated + tally.long:,}",
                f"{tally.kept:,}",
                f"{tally.written:,}",
            ]
        )
    head = (
        "family",
        "problems",
        "texts",
        "right and whole",
        "wrong",
        "cut",
        "repeated or long",
        "kept",
        "written solution",
    )
    levels: list[list[Cell]] = [
        [str(level), f"{tally.samples:,}", share(tally.right, tally.samples, *wilson(tally.right, tally.samples))]
        for level, tally in report.levels().items()
        if tally.samples
    ]
    by_level = table(("level", "texts", "right and whole"), levels) if len(levels) > 1 else ""
    return section(
        "Traces",
        f"{report.writer or 'The teacher'} wrote {report.tokens:,} tokens in {minutes(report.seconds)}, "
        f"{report.rate:,.0f} a second. Answers were checked and wrong ones dropped."
        if report.tokens
        else "No teacher wrote: every problem kept the solution that it came with.",
        table(head, rows, sums=1),
        "<h3>By level</h3>" + by_level if by_level else "",
    )


def provenance(facts: Facts) -> str:
    """What it was made from, on what, how long it took."""
    rows = [*facts.provenance, *([("machine", facts.machine)] if facts.machine else [])]
    listed = "".join(f"<dt>{safe(name)}</dt><dd><bdi>{safe(value)}</bdi></dd>" for name, value in rows if value)
    total = sum(seconds for _, seconds in facts.stages)
    stages: list[list[Cell]] = [[name, minutes(seconds)] for name, seconds in facts.stages]
    recipe = f'<pre class="recipe">{safe(facts.recipe)}</pre>' if facts.recipe else ""
    return section(
        "Where it comes from",
        "",
        f"<dl>{listed}</dl>" if listed else "",
        table(("stage", "time"), [*stages, ["together", minutes(total)]], sums=1) if stages else "",
        folded("The recipe", recipe),
    )


def _figure(
    number: int, title: str, curves: dict[str, Curve], value: Callable[[Point], float | None], label: str
) -> str:
    drawn = []
    for subject, curve in curves.items():
        found = [(point.tokens, value(point)) for point in curve.points]
        kept = [(x, y) for x, y in found if y is not None]
        if any(y for _, y in kept):
            drawn.append(charts.Line(title_of(subject), kept, style_of(subject)))
    chart = charts.lines(number, title, drawn, y_label=label, logarithmic=True)
    shown = charts.legend([(line.name, line.style) for line in drawn])
    return figure(title, chart and shown + chart, folded("As a table", _points_table(drawn)))


def _overall(number: int, curves: dict[str, Curve]) -> str:
    drawn = []
    for subject, curve in curves.items():
        found = []
        for check in curve.checks:
            right, count = (sum(pair[place] for pair in check.accuracy.values()) for place in (0, 1))
            if count:
                found.append((float(check.tokens), right / count))
        if found:
            drawn.append(charts.Line(title_of(subject), found, style_of(subject)))
    title = "Held-out accuracy, all levels"
    chart = charts.lines(number, title, drawn, y_label="right", percent=True)
    shown = charts.legend([(line.name, line.style) for line in drawn])
    return figure(title, chart and shown + chart, folded("As a table", _points_table(drawn, percent=True)))


def _levels(number: int, subject: str, curve: Curve) -> str:
    levels = sorted({level for check in curve.checks for level in check.accuracy})
    if len(levels) < 2:
        return ""
    drawn = []
    for place, level in enumerate(levels):
        counts = [
            (float(check.tokens), *check.accuracy[level])
            for check in curve.checks
            if check.accuracy.get(level, (0, 0))[1]
        ]
        bounds = [wilson(right, count) for _, right, count in counts]
        points = [(x, right / count) for x, right, count in counts]
        drawn.append(
            charts.Line(f"level {level}", points, 1 + place, [low for low, _ in bounds], [high for _, high in bounds])
        )
    marks = [charts.Mark(float(tokens), f"to level {level}") for tokens, level in curve.moves]
    title = f"Held-out accuracy by level: {title_of(subject)}"
    chart = charts.lines(number, title, drawn, y_label="right", percent=True, marks=marks, height=260)
    shown = charts.legend([(line.name, line.style) for line in drawn])
    return figure(title, chart and shown + chart, folded("As a table", _points_table(drawn, percent=True)))


def _points_table(drawn: Sequence[charts.Line], percent: bool = False) -> str:
    """A few points of each line."""
    if not drawn:
        return ""
    longest = max(drawn, key=lambda line: len(line.points))
    step = max(1, len(longest.points) // 12)
    kept = sorted({*range(0, len(longest.points), step), len(longest.points) - 1})
    rows: list[list[Cell]] = []
    for index in kept:
        x = longest.points[index][0]
        values: list[Cell] = []
        for line in drawn:
            near = min(line.points, key=lambda point: abs(point[0] - x))
            values.append(f"{100 * near[1]:.1f} %" if percent else f"{near[1]:.4f}")
        rows.append([charts.short(x), *values])
    return table(("tokens", *(line.name for line in drawn)), rows)


def _trainings(facts: Facts) -> str:
    rows: list[list[Cell]] = []
    for subject in ordered(facts.trainings):
        found = facts.trainings[subject]
        seconds = float(found.get("seconds") or 0)
        tokens = int(found.get("tokens") or 0)
        rows.append(
            [
                title_of(subject),
                f"{int(found.get('steps') or 0):,}",
                f"{tokens:,}",
                f"{int(found.get('learned') or 0):,}",
                minutes(seconds),
                f"{tokens / seconds:,.0f}" if seconds else "",
            ]
        )
    return table(("trained", "steps", "tokens", "of these learned", "time", "tokens a second"), rows)
