"""The model card of the built-in model, written from measured outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgemind.distill.evaluate import Outcome
from edgemind.distill.problems.base import Family

HEAD = """\
# edgemind-nano

The model that comes with EdgeMind: a Qwen3-shaped decoder of {millions:.1f} million parameters (Q8_0), trained from
nothing on procedurally generated problems with written-out steps. It contains no third-party text. It reasons inside
`<think>` and then answers in one sentence; what it does not cover it declines.

It is not a general assistant: it knows no facts, and phrasings far from its training may fail. Check what matters.

## Accuracy on held-out problems

Greedy decoding of this very file by EdgeMind's engine; the problems' numbers never occurred in training. {count}
problems a family. `python scripts/build_nano.py --evaluate` measures it again.

| family | range | right |
|---|---|---|
"""

TAIL = """
## How it was made

{steps} steps, {tokens:.1f} million tokens, {minutes:.0f} minutes of training on {machine}; seed {seed}; context of
{context} tokens; {built}. `scripts/build_nano.py` repeats all of it. Licence: Apache-2.0.
"""


@dataclass(frozen=True)
class CardFacts:
    """What a card says besides accuracies; ``seconds`` is training time, evaluation left out."""

    parameters: int
    steps: int
    tokens: int
    seconds: float
    machine: str
    seed: int
    context: int
    built: str


def write_card(
    path: Path,
    facts: CardFacts,
    families: Sequence[Family],
    outcomes: Mapping[str, Sequence[Outcome]],
    unseen: Sequence[Outcome],
) -> None:
    """Write the card as Markdown."""
    count = max(len(made) for made in outcomes.values())
    tail = TAIL.format(
        steps=facts.steps,
        tokens=facts.tokens / 1e6,
        minutes=facts.seconds / 60,
        machine=facts.machine,
        seed=facts.seed,
        context=facts.context,
        built=facts.built,
    )
    head = HEAD.format(millions=facts.parameters / 1e6, count=count)
    path.write_text(head + table(families, outcomes, unseen) + tail)


def table(families: Sequence[Family], outcomes: Mapping[str, Sequence[Outcome]], unseen: Sequence[Outcome]) -> str:
    """The rows of the accuracy table, one a family, then the factual questions that no template makes."""
    rows = [f"| {family.name} | {family.description} | {_of(outcomes[family.name])} |\n" for family in families]
    rows.append(f"| unseen facts | hand-written factual questions, declined and without a digit | {_of(unseen)} |\n")
    return "".join(rows)


def _of(made: Sequence[Outcome]) -> str:
    right = sum(outcome.right for outcome in made)
    return f"{right} of {len(made)} ({right / max(1, len(made)):.1%})"
