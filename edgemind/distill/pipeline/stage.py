"""What a stage is, what it is given, and who watches it.

Not for: which stages there are (``stages``), when they run (``running``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from edgemind.distill.pipeline.records import Hashes, Record, Records
from edgemind.distill.recipe.schema import Recipe, Variant
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.distill.training.job import StepFigures

Kind = Literal["teacher", "problems", "student", "traces", "targets", "train", "evaluate", "export", "report"]
KINDS: tuple[Kind, ...] = (
    "teacher",
    "problems",
    "student",
    "traces",
    "targets",
    "train",
    "evaluate",
    "export",
    "report",
)
"""In the order in which they run."""


@dataclass(frozen=True)
class Run:
    """One recipe in one directory.

    Attributes:
        variants: what is trained and measured beside the recipe itself.
        command: what was typed, for the record of what is installed.
        file: of the recipe.
        allow_network: a server that is no part of this machine may be asked.
    """

    recipe: Recipe
    directory: Path
    variants: tuple[Variant, ...] = ()
    command: str = ""
    file: Path | None = None
    allow_network: bool = False

    @property
    def records(self) -> Records:
        return Records(self.directory)

    @property
    def hashes(self) -> Hashes:
        return Hashes(self.directory / "stages" / "hashes")

    def record(self, stage: str) -> Record:
        """What a stage recorded, which must be done.

        Raises:
            UsageError: it is not.
        """
        record = self.records.read(stage)
        if record is None:
            raise UsageError(f"The stage {stage!r} has not been run here.", "Run `edgemind distill` with its recipe.")
        return record

    def path(self, text: str) -> Path:
        """A path that a record holds: one in the run directory, or an absolute one."""
        return self.directory / text

    def shown(self, path: Path) -> str:
        """As a record holds it."""
        inside = path.absolute()
        here = self.directory.absolute()
        return inside.relative_to(here).as_posix() if inside.is_relative_to(here) else str(inside)


class View(Protocol):
    """Who watches a run. What a training tells (``training.job.Observer``) comes to it too."""

    def planned(self, steps: Sequence[Step]) -> None:
        """All that is going to happen."""
        ...

    def began(self, step: Step) -> None: ...

    def skipped(self, step: Step) -> None: ...

    def ended(self, step: Step, record: Record) -> None: ...

    def progress(self, done: int, total: int, said: str = "") -> None:
        """How far the stage is, a ``total`` of 0 for nobody knows; ``said`` has figures: ``1,200 tokens/s``."""
        ...

    def note(self, text: str) -> None:
        """One sentence that should stay to be read."""
        ...

    def on_phase(self, name: str) -> None: ...

    def on_step(self, figures: StepFigures) -> None: ...

    def on_levels(self, accuracy: Mapping[int, tuple[int, int]], step: int, level: int) -> None: ...


class Unseen:
    """A view that nobody looks at."""

    def planned(self, steps: Sequence[Step]) -> None:
        pass

    def began(self, step: Step) -> None:
        pass

    def skipped(self, step: Step) -> None:
        pass

    def ended(self, step: Step, record: Record) -> None:
        pass

    def progress(self, done: int, total: int, said: str = "") -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def on_phase(self, name: str) -> None:
        pass

    def on_step(self, figures: StepFigures) -> None:
        pass

    def on_levels(self, accuracy: Mapping[int, tuple[int, int]], step: int, level: int) -> None:
        pass


class Telling:
    """A view, for work that tells its steps as ``engine.production.Stages`` does."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._what = ""

    def begin(self, what: str, unit: Literal["bytes", "pieces"] = "bytes") -> None:
        self._what = what
        self._view.progress(0, 0, what)

    def __call__(self, done: int, total: int) -> None:
        self._view.progress(done, total, self._what)


@dataclass(frozen=True)
class Done:
    """What a stage hands back.

    Attributes:
        outputs: files that later stages read; the same for the same inputs.
        figures: JSON values; may hold times.
    """

    outputs: Sequence[Path]
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One piece of a run.

    Attributes:
        name: the kind, and which one when there are several: ``train no-teacher``.
        needs: stages whose outputs it reads, each with the names of the files that it reads; all when there are none.
        inputs: everything else that decides its outputs, by a name that can be shown, as JSON values.
        work: does it in ``folder``; goes on with what lies there, which is from the same inputs.
        version: raised when the same inputs would give other outputs than before.
        ready: raises when something is in the way that can be known before anything runs.
        lacks: what is missing of what it made outside the run directory, in words; empty when nothing is.
    """

    name: str
    kind: Kind
    needs: Mapping[str, tuple[str, ...]]
    inputs: Callable[[Run], Mapping[str, Any]]
    work: Callable[[Run, Path, View], Done]
    version: int = 1
    ready: Callable[[Run], None] = lambda run: None
    lacks: Callable[[Run, Record], str] = lambda run, record: ""

    @property
    def folder(self) -> str:
        """In the run directory."""
        return self.name.replace(" ", "/")


@dataclass(frozen=True)
class Step:
    """A stage in a plan.

    Attributes:
        state: ``current`` is skipped; ``perhaps`` depends on what an earlier stage's outputs will be.
        why: in a few words.
        clear: nothing of what lies in its folder may be used.
    """

    stage: Stage
    state: Literal["current", "due", "perhaps"]
    why: str
    record: Record | None = None
    clear: bool = False
