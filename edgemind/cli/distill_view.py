"""What a distillation shows while it runs: a live picture on a terminal, plain lines where standard error is none.

Not for: what is done (``distill.pipeline``), the result at the end (``distill``).
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any

from edgemind.cli import console
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from edgemind.distill.pipeline.records import Record
    from edgemind.distill.pipeline.stage import Step
    from edgemind.distill.training.job import StepFigures

PERIOD = 10.0
"""Seconds between two plain lines about the same thing."""
BLOCKS = "▁▂▃▄▅▆▇█"
CELLS = 20
NARROW = 72
"""Columns of a screen that has no room for a bar beside figures."""


class Lines:
    """One line for each thing that happens, on standard error; for a program, one JSON object a line."""

    def __init__(self, check: Callable[[], None], *, as_json: bool = False) -> None:
        self._check = check
        self._as_json = as_json
        self._next = 0.0
        self._told: tuple[int, int, str] = (-1, 0, "")
        """The latest progress that was written."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def planned(self, steps: Sequence[Step]) -> None:
        due = [step.stage.name for step in steps if step.state != "current"]
        self._write("plan", f"to do: {', '.join(due)}" if due else "nothing to do: everything is there", due=due)

    def began(self, step: Step) -> None:
        self._next = time.monotonic() + PERIOD
        self._told = (-1, 0, "")
        self._write("began", f"{step.stage.name} ({step.why})", stage=step.stage.name, why=step.why)

    def skipped(self, step: Step) -> None:
        self._write("skipped", f"{step.stage.name}: unchanged, skipped", stage=step.stage.name)

    def ended(self, step: Step, record: Record) -> None:
        more = summary(record)
        line = f"{step.stage.name}: done in {duration(record.seconds)}{f', {more}' if more else ''}"
        self._write("ended", line, stage=step.stage.name, seconds=record.seconds)

    def progress(self, done: int, total: int, said: str = "") -> None:
        self._check()
        at = (done, total, said)
        if self._due(last=0 < total == done != self._told[0]) and at != self._told:
            self._told = at
            counted = f"{done:,} of {total:,} " if total else ""
            self._write("progress", f"  {counted}{said}", done=done, total=total, said=said)

    def note(self, text: str) -> None:
        self._write("note", text, text=text)

    def on_phase(self, name: str) -> None:
        self._write("phase", f"  {name}", phase=name)

    def on_step(self, figures: StepFigures) -> None:
        self._check()
        if self._due(last=figures.step == figures.steps):
            self._write("step", f"  {step_line(figures)}", **asdict(figures))

    def on_levels(self, accuracy: Mapping[int, tuple[int, int]], step: int, level: int) -> None:
        found = ", ".join(f"level {one} {share(*counts)}" for one, counts in sorted(accuracy.items()))
        counts = {str(one): list(pair) for one, pair in sorted(accuracy.items())}
        self._write("levels", f"  right at step {step}: {found}", accuracy=counts, step=step, level=level)

    def _due(self, *, last: bool) -> bool:
        now = time.monotonic()
        if now < self._next and not last:
            return False
        self._next = now + PERIOD
        return True

    def _write(self, event: str, line: str, **values: Any) -> None:
        self._check()
        console.err(f"{json.dumps({'event': event, **values}) if self._as_json else line}\n")


class Live:
    """The list of stages, with how the one that runs is going; drawn with rich on standard error.

    Args:
        title: what is made.
        check: called often; it raises when the user has asked to leave.
    """

    def __init__(self, title: str, check: Callable[[], None]) -> None:
        from rich.console import Console
        from rich.live import Live as Screen

        self._title = clean_line(title)
        self._check = check
        self._rows: dict[str, tuple[str, str]] = {}
        """By stage: a mark, and what is said of it."""
        self._now = ""
        self._since = time.monotonic()
        self._bar: tuple[int, int] | None = None
        self._said = ""
        self._step: StepFigures | None = None
        self._losses: list[float] = []
        self._levels: list[tuple[int, Mapping[int, tuple[int, int]]]] = []
        self._level = 0
        plain = not console.has_colour(sys.stderr)
        self._console = Console(file=sys.stderr, no_color=plain, highlight=False, markup=False, emoji=False)
        self._screen = Screen(console=self._console, get_renderable=self._picture, refresh_per_second=4)
        self._wide = console.draws(sys.stderr, BLOCKS + "✓●━─")

    def __enter__(self) -> Live:
        self._screen.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._screen.__exit__(kind, error, trace)

    def planned(self, steps: Sequence[Step]) -> None:
        self._rows = {step.stage.name: (" ", "" if step.state != "current" else "unchanged") for step in steps}

    def began(self, step: Step) -> None:
        self._now, self._since = step.stage.name, time.monotonic()
        self._bar, self._said, self._step = None, step.why, None
        self._losses, self._levels = [], []
        self._mark("●" if self._wide else ">", "")

    def skipped(self, step: Step) -> None:
        self._now = step.stage.name
        self._mark("✓" if self._wide else "x", "unchanged")

    def ended(self, step: Step, record: Record) -> None:
        self._mark("✓" if self._wide else "x", f"{duration(record.seconds):>7}  {summary(record)}")
        self._now, self._bar, self._step = "", None, None

    def progress(self, done: int, total: int, said: str = "") -> None:
        self._check()
        self._bar = (done, total) if total else None
        self._said = said

    def note(self, text: str) -> None:
        self._console.print(clean_line(text), soft_wrap=True)

    def on_phase(self, name: str) -> None:
        self._check()
        self._said = name

    def on_step(self, figures: StepFigures) -> None:
        self._check()
        self._step = figures
        self._losses.append(figures.loss)

    def on_levels(self, accuracy: Mapping[int, tuple[int, int]], step: int, level: int) -> None:
        self._check()
        self._levels.append((step, dict(accuracy)))
        self._level = level

    def _mark(self, mark: str, said: str) -> None:
        self._rows[self._now] = (mark, said)

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        lines = [(self._title, "bold"), *self._seen()]
        return Group(*(Text(clean_line(text), style=style, no_wrap=True, overflow="ellipsis") for text, style in lines))

    def _seen(self) -> list[tuple[str, str]]:
        """The stages as lines with their style; what runs is always among those that the screen has room for."""
        width = max((len(name) for name in self._rows), default=0)
        before: list[tuple[str, str]] = []
        now: list[tuple[str, str]] = []
        after: list[tuple[str, str]] = []
        for name, (mark, said) in self._rows.items():
            running = name == self._now and mark not in "✓x"
            line = f" {mark} {name:<{width}}  {self._running() if running else said}"
            if running:
                now = [(line, ""), *((f"     {inside}" if inside else "", "") for inside in self._inside())]
            else:
                (after if now or mark == " " else before).append((line, "dim"))
        room = self._console.height - 2
        if len(before) + len(now) + len(after) > room:
            now = [line for line in now if line[0]]
            before = _shortened(before, max(1, room - len(now) - min(len(after), 2)), last=True)
            after = _shortened(after, max(1, room - len(now) - len(before)), last=False)
        return [*before, *now, *after]

    def _running(self) -> str:
        """How far the stage is, in its own line."""
        spent = time.monotonic() - self._since
        if self._step is not None:
            done, total = self._step.step, self._step.steps
            return f"{self._drawn(done, total)}{done:,} of {total:,} steps, {duration(self._step.left)} left"
        if self._bar is None:
            return f"{self._said}, {duration(spent)}" if spent >= 1 else self._said
        done, total = self._bar
        left = f", {duration(spent / done * (total - done))} left" if done and spent > 2 and done < total else ""
        return f"{self._drawn(done, total)}{done:,} of {total:,} {self._said}{left}"

    def _inside(self) -> list[str]:
        """What a training shows below its line."""
        found = []
        if self._step is not None:
            found += ["", figures_line(self._step)]
            if self._wide and len(self._losses) > 1:
                found.append(f"loss {spark(self._losses, 48)}")
        if self._levels:
            found.append(self._accuracy())
        return [*found, ""] if found else []

    def _accuracy(self) -> str:
        """By level, with what it was at the first look."""
        _, latest = self._levels[-1]
        parts = []
        for level, counts in sorted(latest.items()):
            here = "›" if level == self._level and self._wide else ""
            history = [one[level] for _, one in self._levels if level in one]
            curve = spark([right / count if count else 0.0 for right, count in history], 12, 0.0, 1.0)
            parts.append(f"{here}level {level} {curve if self._wide else ''} {share(*counts)}")
        return "right: " + "   ".join(parts)

    def _drawn(self, done: int, total: int) -> str:
        """A bar and a space; nothing where it would leave no room for figures."""
        if self._console.width < NARROW:
            return ""
        full = round(CELLS * done / total) if total else 0
        one, other = "━─" if self._wide else "#-"
        return one * full + other * (CELLS - full) + " "


def _shortened(lines: list[tuple[str, str]], most: int, *, last: bool) -> list[tuple[str, str]]:
    """At most so many lines, the last or the first ones, and in one line how many others there are."""
    if len(lines) <= most:
        return lines
    others = (f"   and {len(lines) - most + 1} more", "dim")
    kept = lines[len(lines) - most + 1 :] if last else lines[: most - 1]
    return [others, *kept] if last else [*kept, others]


def step_line(figures: StepFigures) -> str:
    """One line about a step of training."""
    return f"step {figures.step:,} of {figures.steps:,}: {figures_line(figures)}, {duration(figures.left)} left"


def figures_line(figures: StepFigures) -> str:
    """Loss, cross-entropy, divergence and speed."""
    kl = f", KL {figures.divergence:.3f}" if figures.divergence is not None else ""
    return f"loss {figures.loss:.3f}, cross-entropy {figures.cross_entropy:.3f}{kl}, {figures.rate:,.0f} tokens/s"


def summary(record: Record) -> str:
    """The figure of a stage that one wants to see first."""
    found = record.figures
    kind = record.stage.partition(" ")[0]
    if kind == "problems":
        return f"{found['training']:,} problems, {found['held_out']:,} held out"
    if kind == "student":
        return f"{found['parameters'] / 1e6:.2f} M parameters"
    if kind == "traces" and found.get("acceptance") is not None:
        return f"{found['kept']:,} kept of {found['samples']:,}, {found['tokens_per_second']:,.0f} tokens/s"
    if kind == "traces":
        return f"{found['written']:,} written solutions"
    if kind == "targets":
        stored = f", {found['bytes_per_token']:.0f} bytes a token" if found.get("bytes_per_token") else ""
        return f"{found['examples']:,} examples, {found['learned']:,} tokens{stored}"
    if kind == "train":
        levels = ", ".join(f"level {level} {share(*counts)}" for level, counts in found.get("levels", {}).items())
        return f"loss {found['loss']:.3f}, {found['tokens']:,} tokens{f'; right: {levels}' if levels else ''}"
    return str(found.get("said", ""))


def share(right: int, count: int) -> str:
    """``82 %``."""
    return f"{100 * right / count:.0f} %" if count else "-"


def duration(seconds: float) -> str:
    """``8 s``, ``3:05``, ``2 h 10 min``."""
    whole = round(seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def spark(values: Sequence[float], cells: int, low: float | None = None, high: float | None = None) -> str:
    """A curve in one line: the mean of each of ``cells`` equal parts, as blocks from the lowest to the highest."""
    count = min(cells, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    bottom = min(means) if low is None else low
    top = max(means) if high is None else high
    span = (top - bottom) or 1.0
    places = (round((value - bottom) / span * (len(BLOCKS) - 1)) for value in means)
    return "".join(BLOCKS[min(max(place, 0), len(BLOCKS) - 1)] for place in places)
