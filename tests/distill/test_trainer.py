"""Training: it learns, ends where the recipe says, goes on exactly after a kill, and says what went wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from training_parts import NANO, Watching, examples, job, problems, start

from edgemind.distill.recipe.networks import LoraRecipe, TrainingRecipe
from edgemind.distill.recipe.schema import CurriculumRecipe, LossRecipe
from edgemind.distill.students import open_model
from edgemind.distill.training import losses, schedule
from edgemind.distill.training.job import Silent, StepFigures
from edgemind.distill.training.trainer import train
from edgemind.errors import EdgemindError, OutOfMemory

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Killed(Exception):
    pass


class KillsAt(Silent):
    """Ends the training from inside after a step, as a kill would: nothing is written any more."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, figures: StepFigures) -> None:
        if figures.step == self.step:
            raise Killed


def recipe(**values: Any) -> TrainingRecipe:
    return TrainingRecipe(**{"steps": 8, "batch_tokens": 256, "checkpoint_every": 3, **values})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / "model.safetensors"))


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_it_learns_and_leaves_a_whole_checkpoint_folder(tmp_path: Path) -> None:
    watching = Watching()
    result = train(job(tmp_path, recipe(steps=30, rate=0.01)), watching)
    assert watching.losses[-1] < watching.losses[0] - 1
    assert [figures.step for figures in watching.steps] == list(range(1, 31))
    assert result.steps == 30
    assert watching.steps[-1].divergence is not None
    assert not (tmp_path / "run" / "checkpoint.pt").exists()
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= set(
        os.listdir(result.model)
    )
    open_model(result.model)
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in lines] == [round(loss, 6) for loss in watching.losses]
    again = Watching()
    assert train(job(tmp_path, recipe(steps=30, rate=0.01), student=tmp_path / "start"), again) == result
    assert not again.steps


def test_every_run_reads_the_same_number_of_tokens(tmp_path: Path) -> None:
    """With and without targets, whatever the examples' lengths: to within one example of what the recipe says."""
    student = start(tmp_path / "start")
    data = examples(tmp_path / "examples", student)
    plain = examples(tmp_path / "plain", student, count=20, k=0)
    longest = int(data.lengths.max())
    for number, (found, weight) in enumerate(((data, 0.7), (data, 0.0), (plain, 0.7))):
        asked = job(
            tmp_path / str(number),
            recipe(steps=None, tokens=5000),
            student=student,
            data=found,
            loss=LossRecipe(weight=weight),
        )
        result = train(asked, Silent())
        assert result.steps == 20
        assert 0 <= result.tokens - 20 * 256 < longest
        assert (result.divergence is None) == (number > 0)


@pytest.mark.parametrize("values", [{}, {"optimizer": "adamw", "ema": 0.9, "accumulate": 2, "schedule": "cosine"}])
@pytest.mark.parametrize("at", [2, 4, 6])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path: Path, values: dict[str, Any], at: int) -> None:
    student = start(tmp_path / "start")
    data = examples(tmp_path / "examples", student)
    whole = train(job(tmp_path / "whole", recipe(**values), student=student, data=data), Silent())
    asked = job(tmp_path / "cut", recipe(**values), student=student, data=data)
    with pytest.raises(Killed):
        train(asked, KillsAt(at))
    watching = Watching()
    cut = train(asked, watching)
    assert watching.steps[0].step == 1 + at // 3 * 3 if at != 6 and at != 3 else True
    assert same(cut.model, whole.model)
    assert (cut.tokens, cut.learned, cut.loss) == (whole.tokens, whole.learned, whole.loss)
    logs = [(tmp_path / name / "run" / "log.jsonl").read_text().splitlines() for name in ("whole", "cut")]
    kept = [[(line["step"], line["loss"]) for line in map(json.loads, log)] for log in logs]
    assert kept[0] == kept[1]


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from training_parts import *
from edgemind.distill.training.trainer import train
folder = Path(sys.argv[1])
class Tells(Silent):
    def on_step(self, figures):
        print(figures.step, flush=True)
recipe = TrainingRecipe(steps=40, batch_tokens=128, checkpoint_every=2)
data = ExampleSet(folder / "examples")
train(job(folder / sys.argv[3], recipe, student=folder / "start", data=data), Tells())
"""


def test_kill_nine(tmp_path: Path) -> None:
    examples(tmp_path / "examples", start(tmp_path / "start"))
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(Path(__file__).parent)]
    subprocess.run([*command, "whole"], check=True, stdout=subprocess.DEVNULL)
    process = subprocess.Popen([*command, "cut"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 11:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    done = subprocess.run([*command, "cut"], check=True, stdout=subprocess.PIPE, text=True)
    assert int(done.stdout.split()[0]) > 8
    assert same(tmp_path / "whole" / "run" / "model", tmp_path / "cut" / "run" / "model")


def test_portions_add_up_to_the_step(tmp_path: Path) -> None:
    """One step of four portions moves the weights as one of one portion does, whose tokens are the same."""
    student = start(tmp_path / "start")
    data = examples(tmp_path / "examples", student, count=30)
    found = []
    for parts in (1, 4):
        values = recipe(steps=1, batch_tokens=1024 // parts, accumulate=parts, clip=0.0, rate=0.001)
        watching = Watching()
        result = train(job(tmp_path / str(parts), values, student=student, data=data), watching)
        found.append((watching.steps[0], weights(result.model)))
    (one, whole), (four, parted) = found
    assert (one.tokens, one.learned) == (four.tokens, four.learned)
    assert one.loss == pytest.approx(four.loss, rel=1e-5)
    assert one.divergence == pytest.approx(four.divergence, rel=1e-5)
    assert one.norm == pytest.approx(four.norm, rel=1e-4)
    begin = weights(student)
    for name, value in whole.items():
        moved = (value - begin[name]).norm()
        assert moved > 0
        assert (parted[name] - value).norm() < 0.02 * moved


def test_lora_trains_factors_and_merges_them(tmp_path: Path) -> None:
    student = start(tmp_path / "start")
    lora = LoraRecipe(rank=4, alpha=8.0, targets=("q_proj", "v_proj", "down_proj"))
    asked = job(tmp_path, recipe(optimizer="adamw", rate=0.01, lora=lora), student=student)
    with pytest.raises(Killed):
        train(asked, KillsAt(5))
    result = train(asked, Silent())
    assert result.adapter is not None
    assert {"adapter_config.json", "adapter_model.safetensors"} <= set(os.listdir(result.adapter))
    before, after = weights(student), weights(result.model)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all(any(part in name for part in lora.targets) for name in changed)
    whole = train(job(tmp_path / "whole", asked.recipe, student=student, data=asked.examples), Silent())  # type: ignore[arg-type]
    assert same(whole.model, result.model)


def test_a_moving_average_is_what_is_kept(tmp_path: Path) -> None:
    student = start(tmp_path / "start")
    data = examples(tmp_path / "examples", student)
    plain = train(job(tmp_path / "plain", recipe(), student=student, data=data), Silent())
    mean = train(job(tmp_path / "mean", recipe(ema=0.99), student=student, data=data), Silent())
    begin, one, other = weights(student), weights(plain.model), weights(mean.model)
    name = "model.layers.0.mlp.up_proj.weight"
    assert plain.loss == mean.loss
    assert (other[name] - begin[name]).norm() < (one[name] - begin[name]).norm()


def test_the_curriculum_is_told_and_asked(tmp_path: Path) -> None:
    """Held-out accuracy is measured when the recipe says; before it is passed, only the first level is trained."""

    class Sums:
        name, description, levels, first_level, written, held_out = "sums", "sums", 2, 1, True, True

        def draw(self, *_: Any) -> Any:
            raise NotImplementedError

        def check(self, problem: Any, answer: str) -> bool:
            return answer.strip() == problem.result

    class Plus(Sums):
        name = "plus"

    watching = Watching()
    sources: dict[str, Any] = {"sums": Sums(), "plus": Plus()}
    asked = job(
        tmp_path, recipe(), curriculum=CurriculumRecipe(every=4), sources=sources, held_out=problems(6, seed=9)
    )  # fmt: skip
    with pytest.raises(Killed):
        train(asked, KillsAt(8))
    result = train(asked, watching)
    assert [step for step, _, _ in watching.levels] == [8]
    assert sum(count for _, count in result.levels.values()) == 6


@pytest.mark.parametrize(("knows", "steps", "first"), [(0, [4, 8], 1), (1, [0, 4, 8], 2), (2, [0, 4, 8], 3)])
def test_a_student_that_knows_something_begins_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows: int, steps: list[int], first: int
) -> None:
    from edgemind.distill.evaluation import quick

    class Sums:
        name, description, levels, first_level, written, held_out = "sums", "sums", 2, 1, True, True

    asked: list[int] = []

    def known(model: Any, format: Any, problems: Any, sources: Any, **_: Any) -> dict[int, tuple[int, int]]:  # noqa: A002
        asked.append(len(problems))
        counts = {level: sum(one.level == level for one in problems) for level in (1, 2)}
        return {level: (count if level <= knows else 0, count) for level, count in counts.items() if count}

    monkeypatch.setattr(quick, "quick_accuracy", known)
    watching = Watching()
    sources: dict[str, Any] = {"sums": Sums(), "plus": Sums()}
    held_out = problems(40, seed=9)
    train(job(tmp_path, recipe(), curriculum=CurriculumRecipe(every=4), sources=sources, held_out=held_out), watching)
    assert [step for step, _, _ in watching.levels] == steps
    assert not knows or watching.levels[0][2] == first
    assert asked[0] == 8
    assert asked[1:] == [40] * len(steps)


def test_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fused = losses.fused
    calls = 0

    def broken(*args: Any, **options: Any) -> losses.Sums:
        nonlocal calls
        calls += 1
        sums = fused(*args, **options)
        return losses.Sums(sums.cross_entropy, sums.divergence, sums.loss * (float("nan") if calls == 6 else 1))

    monkeypatch.setattr(losses, "fused", broken)
    with pytest.raises(EdgemindError, match=r"no number at step 6 of 8 .*checkpoint of step 3 is kept") as found:
        train(job(tmp_path, recipe()), Silent())
    assert "training.rate" in found.value.hint
    assert (tmp_path / "run" / "checkpoint.pt").exists()
    watching = Watching()
    train(job(tmp_path, recipe(), student=tmp_path / "start"), watching)
    assert watching.steps[0].step == 4


@pytest.mark.parametrize("problem", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_names_the_knobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    def short(*_: Any, **__: Any) -> None:
        raise problem

    monkeypatch.setattr(losses, "fused", short)
    with pytest.raises(OutOfMemory, match="256 tokens") as found:
        train(job(tmp_path, recipe()), Silent())
    assert "training.batch_tokens = 128" in found.value.hint
    assert "loss.chunk" in found.value.hint


def test_another_recipe_begins_anew_and_keeps_the_old_checkpoint(tmp_path: Path) -> None:
    student = start(tmp_path / "start")
    with pytest.raises(Killed):
        train(job(tmp_path, recipe(), student=student), KillsAt(5))
    watching = Watching()
    result = train(job(tmp_path, recipe(rate=0.001), student=student), watching)
    assert watching.steps[0].step == 1
    assert (tmp_path / "run" / "checkpoint.old.pt").exists()
    assert result.notes


def test_packed_rows_train_too(tmp_path: Path) -> None:
    watching = Watching()
    train(job(tmp_path, recipe(packing="pack", rate=0.01, steps=20)), watching)
    assert watching.losses[-1] < watching.losses[0] - 0.5


def test_a_teacher_that_answers_while_training(tmp_path: Path) -> None:
    student = start(tmp_path / "start")
    data = examples(tmp_path / "examples", student, k=0)
    watching = Watching()
    train(job(tmp_path, recipe(), student=student, data=data, teacher=student, online=True), watching)
    assert watching.steps[0].divergence == pytest.approx(0, abs=1e-5)
    with pytest.raises(EdgemindError, match="no checkpoint folder"):
        train(job(tmp_path / "no", recipe(), student=student, data=data, teacher=NANO, online=True), watching)


def test_tensorboard(tmp_path: Path) -> None:
    train(job(tmp_path, recipe(tensorboard=True)), Silent())
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def test_bfloat16_on_a_cpu_when_asked(tmp_path: Path) -> None:
    watching = Watching()
    train(job(tmp_path, recipe(precision="bf16", rate=0.01, steps=20)), watching)
    assert watching.losses[-1] < watching.losses[0] - 0.5


def test_rates_over_the_steps() -> None:
    wsd = TrainingRecipe(steps=100, warmup=0.1, decay=0.5)
    found = [schedule.share(step, 100, wsd) for step in range(100)]
    assert found[0] == pytest.approx(0.1)
    assert found[9] == found[30] == found[50] == 1.0
    assert found[75] == pytest.approx(0.5)
    assert 0 < found[99] < 0.03
    cosine = TrainingRecipe(steps=100, warmup=0.1, schedule="cosine")
    found = [schedule.share(step, 100, cosine) for step in range(100)]
    assert max(found) == pytest.approx(1.0, abs=0.01)
    assert found[55] == pytest.approx(0.5, abs=0.03)
    assert 0 < found[99] < 0.01
    assert schedule.total_steps(TrainingRecipe(tokens=10_000, batch_tokens=100, accumulate=5)) == 20
