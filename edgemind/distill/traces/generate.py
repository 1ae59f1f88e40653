"""Traces for a set of problems, part by part: written, checked, chosen and kept so that a killed run goes on.

A part is a file of its own: a head that says what it was made of and what came of it, then the traces. A part whose
head matches is not made again, any other is. Not for: the writers themselves (``engine_writer``,
``transformers_writer``, ``server``), which texts are kept (``accept``).
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.accept import choose, written_solution
from edgemind.distill.traces.report import Tallies, Tally, TraceReport, added, rows_of, tallies_of, write_report
from edgemind.distill.traces.trace import HEAD, PART, PARTS, Trace, Writer, Written, lines_of, read_traces, samples_of
from edgemind.errors import BadInput
from edgemind.models.store.files import TEMPORARY, Folder, explained

if TYPE_CHECKING:
    from edgemind.distill.problems.sources import Source
    from edgemind.distill.recipe.schema import TracesRecipe

__all__ = ["PART", "REPORT", "Moment", "Progress", "Trace", "TraceReport", "Writer", "Written", "make_traces"]

REPORT = "report.json"
TIMES = "seconds.json"
"""How long each part took; beside the parts, which are the same in every run."""

FORM = 1
"""Of the files. Parts of another form are made again."""

NOTICE_EVERY = 0.2
"""Seconds between two calls of the progress."""


@dataclass(frozen=True)
class Moment:
    """How far the making of traces is."""

    done: int
    """Problems."""
    total: int
    rate: float
    """Tokens a second, of what the teacher wrote in this run."""
    acceptance: float
    """The share of the teacher's texts so far that were right and whole; 0 before the first."""


Progress = Callable[[Moment], None]


def make_traces(
    problems: Sequence[Problem],
    sources: Mapping[str, Source],
    writer: Writer | None,
    recipe: TracesRecipe,
    directory: Path,
    seed: int,
    progress: Progress,
) -> TraceReport:
    """Make the traces of all problems in ``directory``; what is there already is not made again.

    A problem that occurs several times gets its traces once. Where nothing of the teacher's is kept, the solution that
    the problem comes with is, if its source has one with its thought; without a teacher its answer is enough.

    Args:
        sources: by family; a problem of none is not checked.
        writer: ``None`` takes the written solutions.
        progress: told now and then, and at the end.

    Raises:
        EdgemindError: what the writer or the disk says; the parts that are whole stay.
    """
    distinct = list({problem.id: problem for problem in problems}.values())
    making = _Making(sources, writer, recipe, directory, seed, progress, len(distinct))
    with explained("write the traces", directory):
        directory.mkdir(parents=True, exist_ok=True)
    making.chosen = _asked(distinct, recipe.only if writer else 0, seed)
    size = writer.part if writer else PART
    parts = [distinct[start : start + size] for start in range(0, len(distinct), size)]
    making.sweep(len(parts))
    for number, part in enumerate(parts):
        making.part(number, part)
    return making.finish()


def _asked(problems: Sequence[Problem], only: int | None, seed: int) -> frozenset[str]:
    """The ids of the problems that the teacher writes for: all, or so many by lot."""
    ids = [problem.id for problem in problems]
    if only is None or only >= len(ids):
        return frozenset(ids)
    return frozenset(sorted(ids, key=lambda one: hashlib.sha256(f"{seed}:{one}".encode()).digest())[:only])


class _Making:
    """One run over the parts."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        writer: Writer | None,
        recipe: TracesRecipe,
        directory: Path,
        seed: int,
        progress: Progress,
        total: int,
    ) -> None:
        self.chosen: frozenset[str] = frozenset()
        self._sources = sources
        self._writer = writer
        self._recipe = recipe
        self._directory = directory
        self._seed = seed
        self._progress = progress
        self._total = total
        self._done = self._tokens = self._new_tokens = 0
        self._tallies: Tallies = {}
        self._sum = Tally()
        self._spent = self._now = 0.0
        """Seconds that the teacher wrote in this run: before this part, and with it."""
        self._times: dict[str, float] = self._read_times()
        self._told = float("-inf")

    def sweep(self, parts: int) -> None:
        """Remove parts beyond the last, and what an interrupted run left half written."""
        names = {_name(number) for number in range(parts)}
        with explained("remove old traces", self._directory):
            for file in [*self._directory.glob(PARTS), *self._directory.glob(f"{TEMPORARY}*")]:
                if file.name not in names:
                    file.unlink(missing_ok=True)

    def part(self, number: int, problems: Sequence[Problem]) -> None:
        """Make a part, or count the one that is there."""
        mark = self._mark(problems)
        head = _head(self._directory / _name(number), mark)
        if head is None:
            head = self._make(number, problems, mark)
        else:
            self._done += len(problems)
        tallies = tallies_of(head["tallies"])
        for place, tally in tallies.items():
            self._tallies[place] = self._tallies.get(place, Tally()) + tally
        self._sum = self._sum + added(tallies.values())
        self._tokens += int(head["tokens"])
        self._tell(self._sum, force=True)

    def finish(self) -> TraceReport:
        """The report, also as a file."""
        report = TraceReport(
            writer=self._writer.name if self._writer else "",
            tallies=dict(sorted(self._tallies.items())),
            tokens=self._tokens,
            seconds=sum(self._times.values()),
        )
        write_report(self._directory / REPORT, report)
        return report

    def _make(self, number: int, problems: Sequence[Problem], mark: str) -> dict[str, Any]:
        began = time.monotonic()
        asked = [problem for problem in problems if problem.id in self.chosen]
        found: dict[str, tuple[list[Trace], Tally]] = {}
        tokens, tally = 0, self._sum
        if self._writer is not None and asked:
            samples = samples_of(self._recipe.per_problem, self._recipe.sampling)
            for index, texts in self._writer.write(asked, samples, self._recipe.sampling, self._seed):
                chosen = self._choose(asked[index], texts)
                found[asked[index].id] = chosen
                written = sum(text.tokens for text in texts)
                tokens += written
                tally = tally + chosen[1]
                self._count(written, time.monotonic() - began)
                self._tell(tally)
        traces: list[Trace] = []
        tallies: Tallies = {}
        for problem in problems:
            kept, one = self._settled(problem, *found.get(problem.id, ([], Tally(problems=1))))
            traces += kept
            place = problem.family, problem.level
            tallies[place] = tallies.get(place, Tally()) + one
        head = {"part": number, "mark": mark, "tokens": tokens, "tallies": rows_of(tallies)}
        text = json.dumps(head, separators=(",", ":"), ensure_ascii=False) + "\n" + lines_of(traces)
        self._times[str(number)] = round(time.monotonic() - began, 3) if asked else 0.0
        with explained("write the traces", self._directory), Folder.at(self._directory) as place_:
            place_.write(TIMES, json.dumps(self._times).encode())
            place_.write(_name(number), text.encode())
        self._done += len(problems) - len(found)
        self._spent = self._now
        return head

    def _choose(self, problem: Problem, texts: Sequence[Written]) -> tuple[list[Trace], Tally]:
        source = self._sources.get(problem.family)
        check = source.check if source is not None else None
        return choose(problem, texts, check, self._recipe.keep, self._recipe.max_tokens)

    def _settled(self, problem: Problem, traces: list[Trace], tally: Tally) -> tuple[list[Trace], Tally]:
        """The traces of the teacher, else the written solution, else nothing.

        An answer without its thought is a solution only where nobody writes thoughts: beside a teacher's traces it
        would teach to guess.
        """
        if traces:
            return traces, tally
        source = self._sources.get(problem.family)
        if problem.answer and (source is None or source.written or self._writer is None):
            return [written_solution(problem)], tally + Tally(written=1)
        return [], tally + Tally(lost=1)

    def _mark(self, problems: Sequence[Problem]) -> str:
        """What a part is made of. The same mark means the same part, as far as the writer repeats itself."""
        recipe = self._recipe
        made_of = (
            FORM,
            self._seed,
            self._writer.name if self._writer else None,
            (recipe.per_problem, recipe.keep, recipe.sampling.model_dump_json()) if self._writer else None,
            [(one.id, one.thought, one.answer, one.level, one.id in self.chosen) for one in problems],
        )
        return hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]

    def _count(self, tokens: int, seconds: float) -> None:
        self._new_tokens += tokens
        self._done += 1
        self._now = self._spent + seconds

    def _tell(self, tally: Tally, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._told >= NOTICE_EVERY:
            self._told = now
            rate = self._new_tokens / self._now if self._now else 0.0
            self._progress(Moment(self._done, self._total, rate, tally.acceptance))

    def _read_times(self) -> dict[str, float]:
        try:
            found = json.loads((self._directory / TIMES).read_text(encoding="utf-8"))
            return {str(part): float(seconds) for part, seconds in found.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}


def _name(number: int) -> str:
    return PARTS.replace("*", f"{number:05}")


def _head(file: Path, mark: str) -> dict[str, Any] | None:
    """The head of a part that was made of the same things and can be read to its end, else ``None``."""
    try:
        with file.open(encoding="utf-8") as lines:
            line = lines.readline(1 << 24)
        if not line.startswith(HEAD):
            return None
        head = json.loads(line)
        tallies = tallies_of(head["tallies"])
        if head["mark"] != mark:
            return None
        kept = added(tallies.values())
        if len(read_traces(file)) != kept.kept + kept.written:
            return None
    except (OSError, ValueError, LookupError, TypeError, BadInput):
        return None
    return dict(head)
