"""Stages skipped, made again, stopped, killed and gone on with: small stages of our own, the real machinery."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from edgemind.distill.pipeline import running
from edgemind.distill.pipeline.records import Hashes, Record, hash_file
from edgemind.distill.pipeline.running import Wanted, carry_out, planned, with_variants
from edgemind.distill.pipeline.stage import Done, Kind, Run, Stage, Step, Unseen, View
from edgemind.distill.recipe.schema import Recipe
from edgemind.errors import Damaged, EdgemindError, NoRoom, OutOfMemory, UsageError

RECIPE = Recipe.model_validate(
    {
        "name": "small",
        "teacher": {"model": "edgemind-nano"},
        "student": {"shape": {"width": 64, "layers": 2, "heads": 2}},
        "problems": {"families": ["addition"], "count": 10},
        "training": {"steps": 10},
    }
)


class Seen(Unseen):
    """What came to the view."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.skipped_: list[str] = []
        self.plan: list[str] = []

    def planned(self, steps: Any) -> None:
        self.plan = [f"{step.stage.name} {step.state}" for step in steps]

    def began(self, step: Step) -> None:
        self.ran.append(step.stage.name)

    def skipped(self, step: Step) -> None:
        self.skipped_.append(step.stage.name)


def inputs_of(*names: str) -> Any:
    def inputs(run: Run) -> Mapping[str, Any]:
        values = run.recipe.model_dump(mode="json")
        return {f"[{name}]": values[name] for name in names}

    return inputs


def stage(name: str, kind: Kind, needs: tuple[str, ...], *tables: str) -> Stage:
    """Writes what it was given, and what those before it wrote."""

    def work(run: Run, folder: Path, view: View) -> Done:
        above = [(run.directory / need.replace(" ", "/") / "made.json").read_text() for need in needs]
        given = run.recipe.model_dump(mode="json")
        made = folder / "made.json"
        made.write_text(json.dumps([above, [given[table] for table in tables]]))
        return Done([made], {"pieces": len(above)})

    return Stage(name, kind, dict.fromkeys(needs, ()), inputs_of(*tables), work)


STAGES = [
    stage("problems", "problems", (), "problems"),
    stage("traces teacher", "traces", ("problems",), "traces"),
    stage("targets teacher", "targets", ("traces teacher",), "targets"),
    stage("train full", "train", ("targets teacher", "problems"), "training"),
    stage("evaluate full", "evaluate", ("train full",), "evaluation"),
]
ALL = Wanted()
NAMES = [one.name for one in STAGES]


def run_in(folder: Path, **tables: Mapping[str, Any]) -> Run:
    recipe = RECIPE
    for name, values in tables.items():
        recipe = recipe.model_copy(update={name: getattr(recipe, name).model_copy(update=dict(values))})
    return Run(recipe, folder / "run")


def did(run: Run, wanted: Wanted = ALL, stages: list[Stage] = STAGES) -> list[str]:
    view = Seen()
    carry_out(run, stages, view, wanted)
    return view.ran


def test_a_run_records_what_it_did(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    records = carry_out(run, STAGES, Seen())
    assert list(records) == NAMES
    record = run.records.read("train full")
    assert record == records["train full"]
    assert record is not None
    (output,) = record.outputs
    assert output.path == "train/full/made.json"
    assert output.sha256 == hash_file(run.directory / output.path)
    assert record.figures == {"pieces": 2}
    assert record.seconds >= 0
    assert set(record.inputs) == {"[training]", "the program", "what 'targets teacher' made", "what 'problems' made"}
    assert "CPUs" in record.machine


def test_what_has_not_changed_is_skipped(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    assert did(run) == NAMES
    assert did(run) == []
    assert [step.state for step in planned(run, STAGES)] == ["current"] * len(STAGES)


@pytest.mark.parametrize(
    ("table", "values", "ran"),
    [
        ("problems", {"count": 11}, NAMES),
        ("targets", {"k": 3}, NAMES[2:]),
        ("training", {"steps": 11}, NAMES[3:]),
        ("evaluation", {"held_out": 3}, NAMES[4:]),
        ("export", {"quantization": "Q4_K_M"}, []),
    ],
)
def test_a_change_runs_only_what_depends_on_it(
    tmp_path: Path, table: str, values: dict[str, Any], ran: list[str]
) -> None:
    did(run_in(tmp_path))
    changed = run_in(tmp_path, **{table: values})
    plan = planned(changed, STAGES)
    assert [step.stage.name for step in plan if step.state != "current"] == ran
    if ran:
        first = next(step for step in plan if step.state != "current")
        assert (first.state, first.why) == ("due", f"[{table}] changed")
        assert all(step.state == "perhaps" for step in plan[plan.index(first) + 1 :] if step.stage.name in ran)
    assert did(changed) == ran
    assert did(run_in(tmp_path)) == ran


def test_a_change_that_makes_the_same_goes_no_further(tmp_path: Path) -> None:
    def work(run: Run, folder: Path, view: View) -> Done:
        made = folder / "made.json"
        made.write_text("always the same")
        return Done([made])

    stages = [replace(STAGES[0], work=work), *STAGES[1:]]
    did(run_in(tmp_path), stages=stages)
    assert did(run_in(tmp_path, problems={"count": 12}), stages=stages) == ["problems"]


def test_until_from_and_only(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    with pytest.raises(UsageError, match="'targets' reads what 'traces teacher' makes") as caught:
        did(run, Wanted(only="targets"))
    assert "--until targets" in caught.value.hint
    assert did(run, Wanted(until="traces")) == NAMES[:2]
    assert did(run, Wanted(only="targets")) == ["targets teacher"]
    assert did(run, Wanted(only="targets", again="targets")) == ["targets teacher"]
    assert did(run) == NAMES[3:]
    assert did(run, Wanted(again="train")) == NAMES[3:]
    assert did(run, Wanted(again="targets", until="train")) == NAMES[2:4]


def test_an_output_that_is_gone_is_made_again(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    did(run)
    (run.directory / "targets/teacher/made.json").unlink()
    step = planned(run, STAGES)[2]
    assert (step.state, step.why) == ("due", "targets/teacher/made.json is not there as it was")
    assert did(run) == ["targets teacher"]


def test_what_a_stage_finds_damaged_is_made_again_by_the_same_command(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    did(run)
    shard, before = run.directory / "targets/teacher/made.json", run.directory / "traces/teacher/made.json"
    whole = shard.read_text()
    shard.write_text(whole.replace("1", "2"))  # As long as before, so only its hash tells.

    def work(run: Run, folder: Path, view: View) -> Done:
        if shard.read_text() != whole:
            raise Damaged("The shard is damaged.", "Run it again.")
        return STAGES[3].work(run, folder, view)

    train = replace(STAGES[3], work=work)
    with pytest.raises(Damaged):
        did(run, Wanted(only="train", again="train"), [*STAGES[:3], train])
    assert before.is_file()
    assert did(run, ALL, [*STAGES[:3], train]) == ["targets teacher", "train full"]
    assert shard.read_text() == whole


def test_a_record_that_is_damaged_counts_as_none(tmp_path: Path) -> None:
    run = run_in(tmp_path)
    did(run)
    (run.directory / "stages/train.full.json").write_text('{"stage": "tra')
    assert did(run) == ["train full"]


def test_another_format_of_the_code_makes_it_again(tmp_path: Path) -> None:
    did(run_in(tmp_path))
    newer = [*STAGES[:3], replace(STAGES[3], version=2), STAGES[4]]
    assert planned(run_in(tmp_path), newer)[3].why == "the program changed"
    assert did(run_in(tmp_path), stages=newer) == ["train full"]


def test_what_lies_outside_is_looked_for_too(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    stages = [replace(STAGES[0], lacks=lambda run, record: "" if installed.exists() else "it was removed")]
    run = run_in(tmp_path)
    installed.touch()
    assert did(run, stages=stages) == ["problems"]
    assert did(run, stages=stages) == []
    installed.unlink()
    assert planned(run, stages)[0].why == "it was removed"


# --- Stopped and killed -----------------------------------------------------------------------------------------------


@dataclass
class Slow:
    """A stage that makes ten pieces one after another and keeps what it has; it can be told to stop at one."""

    stop_at: int = -1
    problem: BaseException = field(default_factory=KeyboardInterrupt)
    made: list[int] = field(default_factory=list)

    def stage(self) -> Stage:
        return Stage("train full", "train", {}, inputs_of("training"), self.work)

    def work(self, run: Run, folder: Path, view: View) -> Done:
        for number in range(10):
            piece = folder / f"{number}.txt"
            if not piece.exists():
                if number == self.stop_at:
                    raise self.problem
                self.made.append(number)
                piece.write_text(f"{run.recipe.training.steps} {number}")
        return Done(sorted(folder.glob("*.txt")))


def test_what_was_stopped_goes_on(tmp_path: Path) -> None:
    run, slow = run_in(tmp_path), Slow(stop_at=4)
    with pytest.raises(KeyboardInterrupt):
        carry_out(run, [slow.stage()], Seen())
    assert run.records.read("train full") is None
    assert planned(run, [slow.stage()])[0].why == "goes on where it stopped"
    slow.stop_at = -1
    records = carry_out(run, [slow.stage()], Seen())
    assert slow.made == list(range(10))
    other = replace(run, directory=tmp_path / "undisturbed")
    assert carry_out(other, [Slow().stage()], Seen())["train full"].outcome() == records["train full"].outcome()


def test_what_was_stopped_and_then_changed_begins_anew(tmp_path: Path) -> None:
    slow = Slow(stop_at=4)
    with pytest.raises(KeyboardInterrupt):
        carry_out(run_in(tmp_path), [slow.stage()], Seen())
    slow.stop_at = -1
    changed = run_in(tmp_path, training={"steps": 77})
    assert planned(changed, [slow.stage()])[0].why == "it stopped, and what it reads changed"
    carry_out(changed, [slow.stage()], Seen())
    assert slow.made == [0, 1, 2, 3, *range(10)]
    assert {file.read_text().split()[0] for file in (changed.directory / "train/full").iterdir()} == {"77"}


def _make_slowly(folder: Path) -> None:
    class Slowly(Slow):
        def work(self, run: Run, folder: Path, view: View) -> Done:
            for number in range(10):
                self.stop_at = -1
                piece = folder / f"{number}.txt"
                if not piece.exists():
                    part = folder / f".{number}"
                    part.write_text(f"{run.recipe.training.steps} {number}")
                    os.replace(part, piece)
                    time.sleep(0.05)
            return Done(sorted(folder.glob("*.txt")))

    carry_out(run_in(folder), [STAGES[0], Slowly().stage()], Seen())


def test_killed_at_any_point_the_result_is_the_same(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for delay in (0.05, 0.2, 0.4):
        process = context.Process(target=_make_slowly, args=(tmp_path,))
        process.start()
        process.join(delay)
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGKILL)
        process.join(60)
    _make_slowly(tmp_path)
    _make_slowly(tmp_path / "undisturbed")
    killed, other = run_in(tmp_path).records, run_in(tmp_path / "undisturbed").records
    for name in ("problems", "train full"):
        one, two = killed.read(name), other.read(name)
        assert one is not None
        assert two is not None
        assert (one.outputs, one.fingerprint) == (two.outputs, two.fingerprint)
        assert killed.begun(name) is None


def test_two_at_once_in_one_folder_refuse(tmp_path: Path) -> None:
    run, entered, leave = run_in(tmp_path), threading.Event(), threading.Event()

    def work(run: Run, folder: Path, view: View) -> Done:
        entered.set()
        assert leave.wait(60)
        return Done([])

    waiting = [Stage("train full", "train", {}, inputs_of(), work)]
    thread = threading.Thread(target=carry_out, args=(run, waiting, Seen()))
    thread.start()
    try:
        assert entered.wait(60)
        with pytest.raises(UsageError, match="Another edgemind is at work in"):
            carry_out(run, STAGES, Seen())
    finally:
        leave.set()
        thread.join()
    assert did(run) == NAMES


# --- What can happen in any stage -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "kind", "said", "hint"),
    [
        (OSError(28, "No space left on device"), NoRoom, "The disk is full", "the same command goes on"),
        (RuntimeError("PytorchStreamWriter: no space left on device"), NoRoom, "The disk is full", "goes on"),
        (MemoryError(), OutOfMemory, "Memory ran out in 'train full'", "training.batch_tokens"),
        (RuntimeError("CUDA out of memory. Tried"), OutOfMemory, "Memory ran out", "training.batch_tokens"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), OutOfMemory, "Memory ran out", "loss.chunk"),
        (EdgemindError("The loss is no number.", "Lower it."), EdgemindError, "The loss is no number", "Lower it."),
    ],
)
def test_what_can_happen_is_a_sentence(
    tmp_path: Path, problem: BaseException, kind: type[EdgemindError], said: str, hint: str
) -> None:
    run, slow = run_in(tmp_path), Slow(stop_at=2, problem=problem)
    with pytest.raises(kind) as caught:
        carry_out(run, [slow.stage()], Seen())
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert sorted(path.name for path in (run.directory / "train/full").iterdir()) == ["0.txt", "1.txt"]


def test_a_bug_stays_one(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        carry_out(run_in(tmp_path), [Slow(stop_at=2, problem=RuntimeError("shapes")).stage()], Seen())


def test_time_of_what_was_stopped_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 1000, 5))

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return float(next(ticks))

    monkeypatch.setattr(running, "time", Clock)
    slow = Slow(stop_at=4)
    with pytest.raises(KeyboardInterrupt):
        carry_out(run_in(tmp_path), [slow.stage()], Seen())
    slow.stop_at = -1
    assert carry_out(run_in(tmp_path), [slow.stage()], Seen())["train full"].seconds == 10.0


# --- Small parts ------------------------------------------------------------------------------------------------------


def test_variants_of_recipe_and_command_come_once_and_in_order(tmp_path: Path) -> None:
    run = run_in(tmp_path, evaluation={"variants": ("no-teacher",)})
    assert with_variants(replace(run, variants=("no-curriculum", "no-teacher"))).variants == (
        "no-teacher",
        "no-curriculum",
    )


def test_a_large_file_is_hashed_once_while_it_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgemind.distill.pipeline import records

    calls = []
    monkeypatch.setattr(records, "hash_file", lambda path: calls.append(path) or hash_file(path))
    large = tmp_path / "large"
    large.write_bytes(bytes(2 << 20))
    hashes = Hashes(tmp_path / "hashes")
    first = hashes.digest(large)
    assert hashes.digest(large) == first == hash_file(large)
    assert len(calls) == 1
    large.write_bytes(b"\1" + bytes(2 << 20))
    assert hashes.digest(large) != first
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("1")
    before = hashes.digest(tmp_path / "folder")
    (tmp_path / "folder" / "a").rename(tmp_path / "folder" / "b")
    assert hashes.digest(tmp_path / "folder") != before


def test_the_outcome_is_of_the_files_that_are_read(tmp_path: Path) -> None:
    run = run_in(tmp_path)

    def work(run: Run, folder: Path, view: View) -> Done:
        (folder / "a").write_text("a")
        (folder / "b").write_text(str(run.recipe.problems.count))
        return Done([folder / "a", folder / "b"])

    def later(*files: str) -> list[Stage]:
        first = Stage("problems", "problems", {}, inputs_of("problems"), work)
        second = Stage("train full", "train", {"problems": files}, inputs_of(), lambda run, folder, view: Done([]))
        return [first, second]

    carry_out(run, later("a"), Seen())
    assert did(run_in(tmp_path, problems={"count": 44}), stages=later("a")) == ["problems"]
    assert did(run_in(tmp_path, problems={"count": 44}), stages=later("b")) == ["train full"]
    record: Record | None = run.records.read("problems")
    assert record is not None
    assert record.outcome("a") != record.outcome("b") != record.outcome()
