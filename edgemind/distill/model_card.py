"""The card of a distilled model in Markdown: what it is for, how good it is beside its teacher, how it was made.

Not for: the figures (``evaluation``), the report with curves and samples (``report``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.evaluation.compare import Difference, compare
from edgemind.models.store.files import Folder, explained

if TYPE_CHECKING:
    from edgemind.distill.evaluation.result import Evaluated, Evaluation, Share

WIDTH = 119
"""Characters of a line."""

COLUMNS = (
    ("teacher", "teacher"),
    ("full", "student, distilled"),
    ("no-teacher", "same student without the teacher"),
    ("shipped", "student as shipped"),
)
"""Subjects of the table, and what they are called in it."""

ABLATIONS = (
    ("no-start", "start from the teacher's weights (random ones)"),
    ("no-targets", "soft targets (the teacher's traces, plain cross-entropy)"),
    ("no-traces", "traces (written solutions with the teacher's soft targets)"),
    ("no-curriculum", "curriculum (all levels mixed from the start)"),
    ("no-teacher", "all of the teacher (written solutions, plain cross-entropy)"),
)
"""What is taken away."""


@dataclass(frozen=True)
class Training:
    """What one training took; ``seconds`` is of training alone."""

    steps: int
    tokens: int
    seconds: float


@dataclass(frozen=True)
class CardFacts:
    """What a card says besides evaluations.

    Attributes:
        introduction: paragraphs below the title.
        trainings: by subject: ``teacher``, ``full``, variants.
        seconds: wall time of everything, from the first stage to the last.
        making: a paragraph on how it was made, with the command that repeats it.
    """

    name: str
    introduction: Sequence[str]
    trainings: Mapping[str, Training]
    machine: str
    seconds: float
    seed: int
    context: int
    built: str
    making: str
    licence: str = "Apache-2.0"


def write_card(path: Path, facts: CardFacts, evaluations: Mapping[str, Evaluated]) -> None:
    """Write the card, whole or not at all.

    Raises:
        NoRoom, StoreProblem: the disk does not take it.
    """
    text = as_markdown(facts, evaluations)
    with explained("write the card", path.parent), Folder.at(path.parent) as place:
        place.write(path.name, text.encode())


def as_markdown(facts: CardFacts, evaluations: Mapping[str, Evaluated]) -> str:
    """The card.

    Args:
        evaluations: by subject, all on the same problems.
    """
    results = {subject: made.result for subject, made in evaluations.items()}
    parts = [
        f"# {facts.name}",
        *facts.introduction,
        "## Accuracy on held-out problems",
        _about_accuracy(results),
        _accuracy(results),
        _verdicts(evaluations),
        "Differences are means over families of the same problems, with the 95 % interval of a stratified paired "
        "bootstrap.",
    ]
    ablations = _ablations(evaluations)
    if ablations:
        parts += ["## What each part is worth", *ablations]
    known = _self_knowledge(results)
    if known:
        parts += ["## Does it know what it does not know?", *known]
    parts += ["## How it was made", facts.making, _trainings(facts, results), _closing(facts)]
    return "\n\n".join(_wrapped(part.strip("\n")) for part in parts if part) + "\n"


def _wrapped(part: str) -> str:
    """Paragraphs in lines; tables, lists and titles as they are."""
    return part if part.startswith(("#", "|", "- ")) else textwrap.fill(part, WIDTH, break_on_hyphens=False)


def _about_accuracy(results: Mapping[str, Evaluation]) -> str:
    counts = [family.all.count for result in results.values() for family in result.families.values()]
    return (
        f"Greedy decoding by EdgeMind's engine, {max(counts, default=0)} held-out problems a family, checked exactly; "
        "the problems' numbers never occurred in training. Per cent, with the 95 % interval (Wilson) in brackets."
    )


def _accuracy(results: Mapping[str, Evaluation]) -> str:
    columns = [(subject, title) for subject, title in COLUMNS if subject in results]
    families: dict[str, str] = {}
    for subject, _ in columns:
        for name, family in results[subject].families.items():
            families.setdefault(name, family.description)
    rows = [["family", "range", *(title for _, title in columns)]]
    for name, description in families.items():
        shares = [results[subject].families.get(name) for subject, _ in columns]
        rows.append([name, description, *(_percent(one.all) if one else "" for one in shares)])
    means = [results[subject].average for subject, _ in columns]
    rows.append(
        [
            "**average**",
            "",
            *(f"**{100 * mean:.1f}** ({100 * low:.1f} to {100 * high:.1f})" for mean, low, high in means),
        ]
    )
    rows.append(["parameters", "", *(_millions(results[subject].parameters) for subject, _ in columns)])
    sizes = [f"{results[subject].size_bytes / 1e6:.1f} MB, {results[subject].quantization}" for subject, _ in columns]
    rows.append(["file", "", *sizes])
    return _table(rows, 2)


def _verdicts(evaluations: Mapping[str, Evaluated]) -> str:
    full = evaluations.get("full")
    if full is None:
        return ""
    lines = []
    mean = full.result.average[0]
    if "no-teacher" in evaluations:
        lines.append(
            f"- The distilled student is {_points(compare(full, evaluations['no-teacher']))} against the same student, "
            "steps and tokens without the teacher."
        )
    if "teacher" in evaluations:
        teacher = evaluations["teacher"].result
        size = (
            f" with {full.result.parameters / teacher.parameters:.1%} of its parameters" if teacher.parameters else ""
        )
        lines.append(f"- It keeps {mean / max(1e-9, teacher.average[0]):.1%} of the teacher's accuracy{size}.")
    if "shipped" in evaluations:
        shipped = evaluations["shipped"]
        lines.append(
            f"- Quantizing to {shipped.result.quantization} changed the average by {_points(compare(shipped, full))}."
        )
    return "\n".join(lines)


def _ablations(evaluations: Mapping[str, Evaluated]) -> list[str]:
    full = evaluations.get("full")
    found = [(subject, words) for subject, words in ABLATIONS if subject in evaluations]
    if full is None or not found:
        return []
    rows = [["taken away", "average", "against the student, points", "McNemar p"]]
    for subject, words in found:
        difference = compare(evaluations[subject], full)
        mean, low, high = evaluations[subject].result.average
        rows.append(
            [
                words,
                f"{100 * mean:.1f} ({100 * low:.1f} to {100 * high:.1f})",
                _interval(difference),
                f"{difference.chance:.2g}",
            ]
        )
    return ["The same student, steps, tokens and seed, with one thing taken away.", _table(rows, 1)]


def _self_knowledge(results: Mapping[str, Evaluation]) -> list[str]:
    columns = [(subject, title) for subject, title in COLUMNS if subject in results and results[subject].declining]
    if not columns:
        return []
    rows = [["", *(title for _, title in columns)]]

    def row(words: str, values: list[str]) -> None:
        if any(values):
            rows.append([words, *values])

    found = [results[subject] for subject, _ in columns]
    row("hand-written factual questions declined", [_of(one.declining.facts) if one.declining else "" for one in found])
    row(
        "questions about things that do not exist declined",
        [_of(one.declining.invented) if one.declining else "" for one in found],
    )
    row(
        "solvable problems declined by mistake", [_of(one.declining.mistaken) if one.declining else "" for one in found]
    )
    row("calibration error, points", [f"{100 * one.calibration.error:.1f}" if one.calibration else "" for one in found])
    row(
        "same best token as the teacher",
        [f"{100 * one.agreement.share.share:.2f} %" if one.agreement else "" for one in found],
    )
    row(
        "KL from the teacher, nats a token",
        [f"{one.agreement.divergence:.4f}" if one.agreement else "" for one in found],
    )
    return [
        "The confidence of an answer is the probability of its least sure token; the calibration error (ECE, ten bins) "
        "is its mean distance from how often such answers were right.",
        _table(rows, 1),
    ]


def _trainings(facts: CardFacts, results: Mapping[str, Evaluation]) -> str:
    rows = [["trained", "parameters", "steps", "tokens", "time", "tokens a second"]]
    names = {**dict(COLUMNS), **{subject: f"without {words.partition(' (')[0]}" for subject, words in ABLATIONS[:-1]}}
    for subject, training in facts.trainings.items():
        parameters = results[subject].parameters if subject in results else 0
        rate = f"{training.tokens / training.seconds:,.0f}" if training.seconds else ""
        rows.append(
            [
                names.get(subject, subject),
                _millions(parameters) if parameters else "",
                f"{training.steps:,}",
                f"{training.tokens / 1e6:.1f} million",
                f"{training.seconds / 60:.0f} min",
                rate,
            ]
        )
    return _table(rows, 1) if len(rows) > 1 else ""


def _closing(facts: CardFacts) -> str:
    hours = facts.seconds / 3600
    return (
        f"Everything together took {hours:.1f} hours on {facts.machine}; seed {facts.seed}; context of "
        f"{facts.context:,} tokens; {facts.built}. Licence: {facts.licence}."
    )


def _table(rows: Sequence[Sequence[str]], words: int) -> str:
    """A Markdown table; the first ``words`` columns stand to the left, numbers to the right."""
    head, *body = ([_cell(value) for value in row] for row in rows)
    rule = ["---" if index < words else "---:" for index in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _percent(share: Share) -> str:
    low, high = share.interval
    return f"{100 * share.share:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _of(share: Share) -> str:
    return f"{share.right} of {share.count}"


def _millions(parameters: int) -> str:
    return f"{parameters / 1e6:.2f} million"


def _points(difference: Difference) -> str:
    return f"{100 * difference.mean:+.1f} points ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"


def _interval(difference: Difference) -> str:
    return f"{100 * difference.mean:+.1f} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"
