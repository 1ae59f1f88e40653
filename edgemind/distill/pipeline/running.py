"""Running a recipe's stages: what is due and why, one after another, from wherever the last run stopped.

Not for: what a stage does (``stages``), what is shown (``cli.distill``).
"""

from __future__ import annotations

import contextlib
import errno
import platform
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from edgemind import __version__
from edgemind.distill.pipeline.records import Begun, Record, changed, digest_of, hash_file
from edgemind.distill.pipeline.stage import KINDS, Kind, Run, Stage, Step, View
from edgemind.distill.pipeline.variants import VARIANTS
from edgemind.errors import Damaged, EdgemindError, NoRoom, OutOfMemory, UsageError
from edgemind.locking import locked
from edgemind.models import hardware
from edgemind.models.store.files import explained

CODE = "the program"
"""Name of the input that is the code itself: its format."""


@dataclass(frozen=True)
class Wanted:
    """Which stages are asked for.

    Attributes:
        until: the last kind.
        again: this kind and everything after is made again, changed or not.
        only: this kind alone; what it reads must be there.
    """

    until: Kind | None = None
    again: Kind | None = None
    only: Kind | None = None


def _nothing(stage: Stage) -> None:
    pass


def planned(run: Run, stages: Sequence[Stage], wanted: Wanted = Wanted()) -> list[Step]:
    """What would be done, and why; nothing is written.

    Raises:
        UsageError: ``only`` is missing something that it reads.
        EdgemindError: an input cannot be read, or something is in the way of a stage.
    """
    steps: dict[str, Step] = {}
    chosen = _chosen(stages, wanted)
    for stage in chosen:
        if wanted.only in (None, stage.kind):
            stage.ready(run)
    read = {name for stage in chosen if stage.kind == wanted.only for name in stage.needs}
    for stage in chosen:
        if wanted.only and stage.kind != wanted.only:
            if stage.name in read:
                _check_there(run, stage, wanted.only)
            continue
        above = [steps[name] for name in stage.needs if name in steps]
        steps[stage.name] = _step(run, stage, wanted, waits=any(step.state != "current" for step in above))
    return list(steps.values())


def carry_out(
    run: Run, stages: Sequence[Stage], view: View, wanted: Wanted = Wanted(), before: Callable[[Stage], None] = _nothing
) -> dict[str, Record]:
    """Do what is due.

    Args:
        before: called before a stage is worked on.

    Returns:
        The records of all stages that were asked for, by name.

    Raises:
        UsageError: another process runs in this directory.
        EdgemindError: a stage's one sentence; what is done stays done, and the same call goes on from there.
    """
    with explained("make the run directory", run.directory):
        (run.directory / "stages").mkdir(parents=True, exist_ok=True)
    with _alone(run.directory):
        view.planned(planned(run, stages, wanted))
        records: dict[str, Record] = {}
        for stage in _chosen(stages, wanted):
            if wanted.only and stage.kind != wanted.only:
                continue
            step = _step(run, stage, wanted, waits=False)
            if step.state == "current":
                assert step.record is not None
                view.skipped(step)
                records[stage.name] = step.record
            else:
                before(stage)
                view.began(step)
                try:
                    records[stage.name] = _worked(run, step, view)
                except Damaged:
                    _drop_damaged(run, stage)
                    raise
                view.ended(step, records[stage.name])
        return records


def _drop_damaged(run: Run, stage: Stage) -> None:
    """Remove what an earlier stage made and what is not as it was any more, so that the next run makes it again."""
    for name in stage.needs:
        record = run.records.read(name)
        for output in record.outputs if record else ():
            with contextlib.suppress(OSError, EdgemindError):
                path = run.directory / output.path
                if hash_file(path) != output.sha256:
                    path.unlink()


def _chosen(stages: Sequence[Stage], wanted: Wanted) -> list[Stage]:
    last = wanted.only or wanted.until
    return [stage for stage in stages if last is None or KINDS.index(stage.kind) <= KINDS.index(last)]


def _check_there(run: Run, stage: Stage, only: Kind) -> None:
    record = run.records.read(stage.name)
    if record is None or record.missing(run.directory):
        raise UsageError(
            f"The stage {only!r} reads what {stage.name!r} makes, and that is not there yet.",
            f"Everything up to it: {shlex.join(_again(run))} --until {only}",
        )


def _again(run: Run) -> list[str]:
    """The command that carries out this recipe in this directory."""
    words = ["edgemind", "distill", str(run.file or "RECIPE")]
    usual = run.directory == Path.cwd() / "runs" / run.recipe.name
    return words if usual else [*words, "--run-dir", str(run.directory)]


def _step(run: Run, stage: Stage, wanted: Wanted, *, waits: bool) -> Step:
    """What is to be done with one stage, with all before it as they are now.

    Args:
        waits: an earlier stage is going to be run before this one.
    """
    record = run.records.read(stage.name)
    if wanted.again and KINDS.index(stage.kind) >= KINDS.index(wanted.again):
        return Step(stage, "due", "asked for", record, clear=True)
    if record is None:
        begun = run.records.begun(stage.name)
        if waits or begun is None:
            return Step(stage, "due", "not made yet")
        goes_on = begun.fingerprint == digest_of(_inputs(run, stage))
        return Step(stage, "due", "goes on where it stopped" if goes_on else "it stopped, and what it reads changed")
    if waits:
        return Step(stage, "perhaps", "if what it reads will have changed", record)
    inputs = _inputs(run, stage)
    if record.fingerprint != digest_of(inputs):
        what = changed(record.inputs, inputs)
        return Step(stage, "due", f"{', '.join(what)} changed" if what else "changed", record)
    gone = record.missing(run.directory)
    if gone:
        return Step(stage, "due", f"{gone} is not there as it was", record)
    lacks = stage.lacks(run, record)
    if lacks:
        return Step(stage, "due", lacks, record)
    return Step(stage, "current", "unchanged", record)


def _inputs(run: Run, stage: Stage) -> dict[str, str]:
    """The digest of each thing that decides the outputs."""
    found = {name: digest_of(value) for name, value in stage.inputs(run).items()}
    found[CODE] = digest_of(stage.version)
    for name, files in stage.needs.items():
        found[f"what {name!r} made"] = run.record(name).outcome(*files)
    return found


def _worked(run: Run, step: Step, view: View) -> Record:
    """Run one stage to its end."""
    stage, inputs = step.stage, _inputs(run, step.stage)
    fingerprint = digest_of(inputs)
    folder = run.directory / stage.folder
    begun = run.records.begun(stage.name)
    lies_there = begun or step.record
    if lies_there is None or lies_there.fingerprint != fingerprint or step.clear:
        with explained(f"clear {stage.folder}", run.directory):
            run.records.forget(stage.name)
            if folder.exists():
                shutil.rmtree(folder)
        begun = None
    begun = begun or Begun(fingerprint=fingerprint, started=_now())
    run.records.begin(stage.name, begun)
    with explained(f"make {stage.folder}", run.directory):
        folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        with _explained(run, stage):
            done = stage.work(run, folder, view)
            record = Record(
                stage=stage.name,
                fingerprint=fingerprint,
                inputs=inputs,
                outputs=run.records.outputs(done.outputs),
                started=begun.started,
                seconds=round(begun.spent + time.monotonic() - began, 3),
                machine=_machine(),
                edgemind=__version__,
                figures=dict(done.figures),
            )
    except BaseException:
        with contextlib.suppress(EdgemindError, OSError):
            spent = begun.spent + time.monotonic() - began
            run.records.begin(stage.name, begun.model_copy(update={"spent": round(spent, 3)}))
        raise
    run.records.end(record)
    with contextlib.suppress(OSError):
        folder.rmdir()  # Only if nothing is in it.
    return record


@contextlib.contextmanager
def _explained(run: Run, stage: Stage) -> Iterator[None]:
    """What can happen in any stage, as one sentence."""
    try:
        yield
    except OSError as problem:
        if problem.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", -1)):
            raise NoRoom(
                f"The disk is full, so {stage.name!r} stopped; what is in {run.directory} is kept.",
                "Make room, then the same command goes on.",
            ) from problem
        raise
    except MemoryError as problem:
        raise OutOfMemory(f"Memory ran out in {stage.name!r}.", _knobs(stage)) from problem
    except RuntimeError as problem:
        said = str(problem).lower()
        if "out of memory" in said or "can't allocate memory" in said or "alloc_cpu" in said:
            raise OutOfMemory(f"Memory ran out in {stage.name!r}.", _knobs(stage)) from problem
        if "no space left" in said:
            raise NoRoom(
                f"The disk is full, so {stage.name!r} stopped; what is in {run.directory} is kept.",
                "Make room, then the same command goes on.",
            ) from problem
        raise


def _knobs(stage: Stage) -> str:
    """Which keys of the recipe decide how much memory a stage takes."""
    knobs = {
        "teacher": "Make teacher.training.batch_tokens smaller, or the teacher's shape.",
        "student": "Make student.shape smaller.",
        "traces": "Make traces.sequences or traces.max_tokens smaller.",
        "targets": "Make targets.k or targets.shard_examples smaller.",
        "train": "Make training.batch_tokens smaller (training.accumulate makes up for it), or loss.chunk.",
        "evaluate": "Make evaluation.max_tokens smaller.",
    }
    return knobs.get(stage.kind, "Close other programs, then the same command goes on.")


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    with contextlib.ExitStack() as opened:
        with explained("lock the run directory", directory):
            held = opened.enter_context(locked(directory / "stages" / ".lock", 0))
        if not held:
            raise UsageError(
                f"Another edgemind is at work in {directory}.", "Let it finish, or give another place: --run-dir DIR"
            )
        yield


def _machine() -> str:
    machine = hardware.machine()
    memory = machine.total_ram / 2**30
    name = machine.cpu_name or "unknown processor"
    return (
        f"{name}, {machine.logical_cpus} CPUs, {memory:.0f} GiB, {machine.platform}, Python {platform.python_version()}"
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def with_variants(run: Run) -> Run:
    """The run with the recipe's own variants beside those asked for, each once and in one order."""
    wanted = {*run.recipe.evaluation.variants, *run.variants}
    return replace(run, variants=tuple(name for name in VARIANTS if name in wanted))
