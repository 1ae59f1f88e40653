"""What an evaluation found, and the files that keep it.

``NAME.json`` holds the figures, ``NAME.outcomes.jsonl`` each problem with what the model wrote, one a line.
Not for: measuring (``evaluate``), comparing (``compare``), showing (``report``, ``cli.eval_``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edgemind.distill.evaluation.accuracy import average, wilson
from edgemind.errors import BadInput
from edgemind.models.opening import shown
from edgemind.models.store.files import Folder, explained


class _Kept(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Share(_Kept):
    """So many right ones of so many."""

    right: int = Field(ge=0)
    count: int = Field(ge=0)

    @property
    def share(self) -> float:
        return self.right / self.count if self.count else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, 95 %."""
        return wilson(self.right, self.count)


class FamilyResult(_Kept):
    """One family."""

    description: str = ""
    levels: dict[int, Share]
    """By level."""

    @property
    def all(self) -> Share:
        return Share(
            right=sum(one.right for one in self.levels.values()), count=sum(one.count for one in self.levels.values())
        )


class Bin(_Kept):
    """The answers whose confidence lay between two bounds."""

    low: float
    high: float
    count: int
    right: int
    confidence: float
    """Mean confidence of these."""


class Calibration(_Kept):
    """Whether a model is right as often as it is sure; see ``calibration``."""

    bins: tuple[Bin, ...]
    error: float
    """Expected calibration error: mean distance of confidence and accuracy, by answers."""
    brier: float
    """Mean square of confidence minus rightness."""


class Agreement(_Kept):
    """How near a model is to its teacher, token by token; see ``agreement``."""

    teacher: str
    tokens: int
    same: int
    """Tokens where both put the same one first."""
    divergence: float
    """Mean Kullback-Leibler divergence of the model from the teacher, in nats."""
    divergence_error: float
    """Standard error of that mean, by texts."""

    @property
    def share(self) -> Share:
        return Share(right=self.same, count=self.tokens)


class Declining(_Kept):
    """Whether it says so when it cannot know; see ``unanswerable``."""

    facts: Share
    """Declined, of facts that it was never taught."""
    invented: Share
    """Declined, of questions about things that do not exist."""
    mistaken: Share
    """Declined, of problems that can be solved: fewer is better."""


class Evaluation(_Kept):
    """The figures of one model."""

    model: str
    kind: Literal["gguf", "checkpoint", "server"]
    sha256: str = ""
    """Of the GGUF file."""
    parameters: int = 0
    size_bytes: int = 0
    quantization: str = ""
    families: dict[str, FamilyResult]
    declining: Declining | None = None
    calibration: Calibration | None = None
    agreement: Agreement | None = None
    tokens: int
    """Written in all."""
    seconds: float
    thought_tokens: float
    """Mean of a problem."""
    answer_tokens: float
    unfinished: int
    """Answers that were cut at ``max_tokens``."""
    max_tokens: int
    sequences: int
    """Written at once."""
    edgemind: str
    machine: str = ""

    @property
    def rate(self) -> float:
        """Tokens a second, all sequences together."""
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def all(self) -> Share:
        """Over all problems."""
        shares = [family.all for family in self.families.values()]
        return Share(right=sum(one.right for one in shares), count=sum(one.count for one in shares))

    @property
    def average(self) -> tuple[float, float, float]:
        """The mean of the families' accuracies, with its 95 % interval."""
        return average([(one.all.right, one.all.count) for one in self.families.values()])

    @property
    def levels(self) -> dict[int, Share]:
        """All families, by level."""
        found: dict[int, Share] = {}
        for family in self.families.values():
            for level, one in family.levels.items():
                before = found.get(level, Share(right=0, count=0))
                found[level] = Share(right=before.right + one.right, count=before.count + one.count)
        return dict(sorted(found.items()))


class Outcome(_Kept):
    """What a model made of one problem."""

    id: str
    family: str
    level: int
    prompt: str
    thought: str
    answer: str
    right: bool
    declined: bool
    ended: bool
    """It came to its end by itself."""
    confidence: float | None = None
    """Probability of the least sure token of the answer."""
    thought_tokens: int = 0
    answer_tokens: int = 0


class Evaluated(_Kept):
    """Figures and what they were counted from."""

    result: Evaluation
    outcomes: tuple[Outcome, ...]


_outcomes: TypeAdapter[Outcome] = TypeAdapter(Outcome)


def write_evaluated(folder: Path, name: str, made: Evaluated) -> list[Path]:
    """Keep it under a name; both files, each whole or not at all.

    Raises:
        NoRoom, StoreProblem: the disk does not take it.
    """
    lines = b"".join(_outcomes.dump_json(outcome) + b"\n" for outcome in made.outcomes)
    with explained("write the evaluation", folder):
        folder.mkdir(parents=True, exist_ok=True)
        with Folder.at(folder) as place:
            place.write(f"{name}.outcomes.jsonl", lines)
            place.write(f"{name}.json", made.result.model_dump_json(indent=1).encode())
    return [folder / f"{name}.json", folder / f"{name}.outcomes.jsonl"]


def read_evaluation(file: Path) -> Evaluation:
    """The figures in ``NAME.json``.

    Raises:
        BadInput: it is something else.
    """
    try:
        with explained("read the evaluation", file):
            return Evaluation.model_validate_json(file.read_bytes())
    except ValidationError as problem:
        raise BadInput(f"{shown(file)} is no evaluation.", "Make it again: edgemind distill RECIPE") from problem


def read_evaluated(folder: Path, name: str) -> Evaluated:
    """What ``write_evaluated`` kept.

    Raises:
        BadInput: it is something else.
    """
    file = folder / f"{name}.outcomes.jsonl"
    result = read_evaluation(folder / f"{name}.json")
    try:
        with explained("read the evaluation", file):
            outcomes = tuple(_outcomes.validate_json(line) for line in file.read_bytes().splitlines())
    except ValidationError as problem:
        raise BadInput(
            f"{shown(file)} does not hold outcomes.", "Make them again: edgemind distill RECIPE"
        ) from problem
    return Evaluated(result=result, outcomes=outcomes)
