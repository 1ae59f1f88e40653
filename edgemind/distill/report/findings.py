"""The parts of the report about how good the models are: accuracy, differences, calibration, declining, agreement.

Not for: how they were trained (``course``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edgemind.distill.evaluation.compare import Difference, compare
from edgemind.distill.report import charts
from edgemind.distill.report.facts import Facts, title_of
from edgemind.distill.report.samples import Sample, samples
from edgemind.distill.report.tables import Cell, Raw, card, figure, folded, points, safe, section, share, table

if TYPE_CHECKING:
    from edgemind.distill.evaluation.result import Evaluation, Outcome, Share

ORDER = ("teacher", "full", "shipped", "no-teacher", "no-start", "no-targets", "no-traces", "no-curriculum")
"""In which subjects stand, each with its own colour everywhere."""

IN_THE_CHART = ("teacher", "full", "no-teacher")


def style_of(subject: str) -> int:
    """The number of its colour."""
    return ORDER.index(subject) if subject in ORDER else len(ORDER)


def ordered(subjects: Mapping[str, object]) -> list[str]:
    """Known ones first, in the usual order."""
    return sorted(subjects, key=lambda subject: (style_of(subject), subject))


def cards(facts: Facts) -> str:
    """The figures to see first."""
    found = facts.evaluations
    made = []
    if "full" in found:
        mean, low, high = found["full"].result.average
        about = f"average of {len(found['full'].result.families)} families, {100 * low:.1f} to {100 * high:.1f}"
        made.append(card("Student", f"{100 * mean:.1f} %", about))
    if "teacher" in found and "full" in found:
        kept = found["full"].result.average[0] / max(1e-9, found["teacher"].result.average[0])
        sizes = found["full"].result.parameters, found["teacher"].result.parameters
        about = f"of its teacher's accuracy{_times(*sizes)}"
        made.append(card("Kept", f"{100 * kept:.1f} %", about))
    if "no-teacher" in found and "full" in found:
        gain = compare(found["full"], found["no-teacher"])
        about = f"points ahead of the same student without a teacher ({_between(gain)})"
        made.append(card("Gained", f"{100 * gain.mean:+.1f}", about))
    if "shipped" in found and "full" in found:
        cost = compare(found["shipped"], found["full"])
        shipped = found["shipped"].result
        about = f"points by quantizing to {shipped.quantization} ({_between(cost)})"
        made.append(card("Changed", f"{100 * cost.mean:+.1f}", about))
        size = f"{shipped.size_bytes / 1e6:.1f} MB"
        made.append(card("Size", size, f"{shipped.parameters / 1e6:.2f} million parameters"))
    return f'<div class="cards">{"".join(made)}</div>' if made else ""


def accuracy(facts: Facts, number: int) -> str:
    """Accuracy by family and by level."""
    subjects = ordered(facts.evaluations)
    if not subjects:
        return ""
    results = {subject: facts.evaluations[subject].result for subject in subjects}
    families = list(dict.fromkeys(name for result in results.values() for name in result.families))
    drawn = [subject for subject in IN_THE_CHART if subject in results]
    rows = [(name, [_dot(subject, results[subject], name) for subject in drawn]) for name in families]
    chart = charts.dots(
        number,
        "Accuracy by family, with 95 % intervals",
        [(name, [dot for dot in dots if dot is not None]) for name, dots in rows],
    )
    shown = charts.legend([(title_of(subject), style_of(subject)) for subject in drawn])
    asked = max((one.all.count for result in results.values() for one in result.families.values()), default=0)
    return section(
        "Accuracy",
        f"Greedy answers to held-out problems, up to {asked:,} a family, checked exactly, through the engine that runs "
        "the model later. Small figures are 95 % intervals (Wilson; the average's adds the families' variances).",
        figure("Accuracy by family, with 95 % intervals", chart and shown + chart),
        _family_table(subjects, results, families),
        _level_table(subjects, results),
    )


def differences(facts: Facts) -> str:
    """Who is ahead of whom, and what each part of the recipe is worth."""
    full = facts.evaluations.get("full")
    if full is None:
        return ""
    rows: list[list[Cell]] = []
    for subject in ordered(facts.evaluations):
        if subject == "full":
            continue
        found = compare(full, facts.evaluations[subject])
        rows.append(
            [
                title_of(subject),
                points(found.mean),
                _between(found),
                f"{found.only_first:,}, {found.only_second:,}",
                f"{found.chance:.2g}",
                "yes" if found.is_sure else "no",
            ]
        )
    head = ("distilled student against", "points", "95 %", "only it, only the other", "McNemar p", "beyond chance")
    return section(
        "What the parts are worth",
        "The distilled student against the others, problem by problem: mean difference over families, with the "
        "interval of a stratified paired bootstrap. A row without a part of the recipe shows what that part is worth.",
        table(head, rows),
    )


def certainty(facts: Facts, number: int) -> str:
    """Calibration, declining, agreement with the teacher."""
    results = {subject: facts.evaluations[subject].result for subject in ordered(facts.evaluations)}
    measured = [name for name, result in results.items() if result.calibration]
    student = next((name for name in ("shipped", "full") if name in measured), None)
    other = next((name for name in ("no-teacher", "teacher") if name in measured), None)
    pictures = "".join(
        _reliability(results[name], name, number + place) for place, name in enumerate((student, other)) if name
    )
    rows: list[list[Cell]] = []
    for subject, result in results.items():
        rows.append(
            [
                title_of(subject),
                f"{100 * result.calibration.error:.1f}" if result.calibration else "",
                f"{result.calibration.brier:.3f}" if result.calibration else "",
                *_declined(result),
                f"{100 * result.agreement.share.share:.2f} %" if result.agreement else "",
                f"{result.agreement.divergence:.4f}" if result.agreement else "",
            ]
        )
    head = (
        "", "calibration error, points", "Brier score", "facts declined", "invented things declined",
        "declined by mistake", "same best token as the teacher", "KL from the teacher, nats",
    )  # fmt: skip
    about = (
        "The confidence of an answer is the probability of its least sure token. Facts are questions that the model "
        "was never taught to answer; invented things do not exist. Agreement is over what the teacher wrote to "
        "held-out problems, thought and answer."
    )
    pair = f'<div class="pair">{pictures}</div>' if pictures else ""
    return section("Does it know what it does not know?", about, table(head, _used(rows)), pair)


def side_by_side(facts: Facts) -> str:
    """Samples."""
    found = samples(facts.evaluations)
    return section(
        "Side by side",
        "The same held-out problems, written to by each; chosen to show where they differ, not drawn at random.",
        *map(_sample, found),
    )


def _reliability(result: Evaluation, subject: str, number: int) -> str:
    found = result.calibration
    assert found is not None
    title = f"Confidence against accuracy: {title_of(subject)}"
    bins = [(one.confidence, one.right / one.count, one.count) for one in found.bins]
    return figure(title, charts.reliability(number, title, bins), folded("As a table", _bins_table(result)))


def _sample(sample: Sample) -> str:
    columns = "".join(_column(subject, outcome) for subject, outcome in sample.written.items())
    return (
        f'<article class="sample"><div class="asked"><small>{safe(sample.family)}, level {sample.level}</small>'
        f"<bdi>{safe(sample.prompt)}</bdi></div>"
        f'<div class="columns" style="--count:{len(sample.written)}">{columns}</div></article>'
    )


def _column(subject: str, outcome: Outcome) -> str:
    verdict = (
        '<span class="verdict up">✓ right</span>' if outcome.right else '<span class="verdict down">✗ wrong</span>'
    )
    thought = f'<pre class="thought">{safe(outcome.thought)}</pre>' if outcome.thought else ""
    kind = "answer code" if "```" in outcome.answer else "answer"
    cut = "" if outcome.ended else " <small>(cut)</small>"
    return (
        f'<div><p class="who"><span>{safe(title_of(subject))}</span>{verdict}</p>{thought}'
        f'<pre class="{kind}">{safe(outcome.answer)}{cut}</pre></div>'
    )


def _family_table(subjects: Sequence[str], results: Mapping[str, Evaluation], families: Sequence[str]) -> str:
    rows: list[list[Cell]] = []
    for name in families:
        shares = [results[subject].families.get(name) for subject in subjects]
        rows.append([name, *(_share(one.all) if one else "" for one in shares)])
    average: list[Cell] = ["average"]
    for subject in subjects:
        mean, low, high = results[subject].average
        average.append(Raw(f"{100 * mean:.1f} %<small>{100 * low:.1f} to {100 * high:.1f}</small>"))
    return table(("family", *map(title_of, subjects)), [*rows, average], sums=1)


def _level_table(subjects: Sequence[str], results: Mapping[str, Evaluation]) -> str:
    levels = sorted({level for result in results.values() for level in result.levels})
    if len(levels) < 2:
        return ""
    rows: list[list[Cell]] = []
    for level in levels:
        shares = [results[subject].levels.get(level) for subject in subjects]
        rows.append([str(level), *(_share(one) if one else "" for one in shares)])
    return "<h3>By level</h3>" + table(("level", *map(title_of, subjects)), rows)


def _bins_table(result: Evaluation) -> str:
    assert result.calibration is not None
    rows = [
        [
            f"{100 * one.low:.0f} to {100 * one.high:.0f} %",
            f"{100 * one.confidence:.1f} %",
            f"{100 * one.right / one.count:.1f} %",
            f"{one.count:,}",
        ]
        for one in result.calibration.bins
    ]
    return table(("confidence", "mean", "right", "answers"), rows)


def _declined(result: Evaluation) -> list[str]:
    if result.declining is None:
        return ["", "", ""]
    found = result.declining
    return [f"{one.right} of {one.count}" for one in (found.facts, found.invented, found.mistaken)]


def _used(rows: list[list[Cell]]) -> list[list[Cell]]:
    return rows if any(any(value for value in row[1:]) for row in rows) else []


def _dot(subject: str, result: Evaluation, family: str) -> charts.Dot | None:
    found = result.families.get(family)
    if found is None or not found.all.count:
        return None
    return charts.Dot(title_of(subject), found.all.share, *found.all.interval, style_of(subject))


def _share(found: Share) -> Raw:
    return share(found.right, found.count, *found.interval)


def _between(found: Difference) -> str:
    return f"{100 * found.low:+.1f} to {100 * found.high:+.1f}"


def _times(small: int, large: int) -> str:
    return f", with 1/{large / small:.1f} of its parameters" if small and large > small else ""
