"""What happens to a training that is hit: damaged files, full disks, kills in the middle of writing, odd recipes."""

from __future__ import annotations

import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from training_parts import Watching, examples, job, start

from edgemind.distill.recipe.networks import LoraRecipe, TrainingRecipe
from edgemind.distill.students import open_model
from edgemind.distill.targets.example_set import ExampleSet
from edgemind.distill.training import checkpoints
from edgemind.distill.training.batches import Piece, collate
from edgemind.distill.training.divergences import Divergence
from edgemind.distill.training.job import Silent, StepFigures, TrainJob, refuse_many_processes
from edgemind.distill.training.losses import Mix
from edgemind.distill.training.network import Learner, Network
from edgemind.distill.training.trainer import train
from edgemind.errors import NoRoom, UsageError

RECIPE = TrainingRecipe(steps=8, batch_tokens=128, checkpoint_every=2)


class Killed(BaseException):
    """Not an Exception, so that nothing tidies up after it as if it were one."""


class KillsAt(Silent):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, figures: StepFigures) -> None:
        if figures.step == self.step:
            raise Killed


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExampleSet, dict[str, torch.Tensor]]:
    """A start, examples, and the weights that an undisturbed training ends with."""
    folder = tmp_path_factory.mktemp("parts")
    student = start(folder / "start")
    data = examples(folder / "examples", student, count=40)
    whole = train(job(folder / "whole", RECIPE, student=student, data=data), Silent())
    return student, data, load_file(whole.model / "model.safetensors")


Parts = tuple[Path, ExampleSet, dict[str, torch.Tensor]]


def asked(folder: Path, parts: Parts, recipe: TrainingRecipe = RECIPE) -> TrainJob:
    return job(folder, recipe, student=parts[0], data=parts[1])


def ends_alike(training: TrainJob, parts: Parts) -> Watching:
    """Carry it out; it must end as if nothing had happened."""
    watching = Watching()
    found = load_file(train(training, watching).model / "model.safetensors")
    assert all(torch.equal(found[name], value) for name, value in parts[2].items())
    assert sorted(path.name for path in training.directory.glob("checkpoint*") if "damaged" not in path.name) == []
    return watching


@pytest.mark.parametrize("how", ["empty", "cut", "flipped", "text"])
def test_a_damaged_checkpoint_is_said_and_the_one_before_is_used(tmp_path: Path, parts: Parts, how: str) -> None:
    training = asked(tmp_path, parts)
    with pytest.raises(Killed):
        train(training, KillsAt(7))
    path = training.directory / "checkpoint.pt"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    path.write_bytes({"empty": b"", "cut": whole[: len(whole) // 2], "flipped": bytes(flipped), "text": b"{}"}[how])
    watching = ends_alike(training, parts)
    assert watching.steps[0].step == 5
    assert any("goes on from the one before, of step 4" in phase for phase in watching.phases)
    assert (training.directory / checkpoints.BROKEN).exists()


def test_nothing_whole_begins_anew_with_a_note(tmp_path: Path, parts: Parts) -> None:
    training = asked(tmp_path, parts)
    with pytest.raises(Killed):
        train(training, KillsAt(7))
    for path in training.directory.glob("checkpoint*.pt"):
        path.write_bytes(path.read_bytes()[:-2000])
    watching = ends_alike(training, parts)
    assert watching.steps[0].step == 1
    assert any("damaged" in phase and "begins anew" in phase for phase in watching.phases)


@pytest.mark.parametrize("nth", [0, 1, 2])
def test_a_kill_while_a_checkpoint_is_written(
    tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """Before its bytes are whole, and between the two renames."""
    training = asked(tmp_path, parts)
    replace, save, calls = os.replace, torch.save, 0

    def dying_save(state: Any, file: Any) -> None:
        save(state, file)
        if nth == 0 and state["step"] == 4:
            file.truncate(1000)
            raise Killed

    def dying_replace(old: Any, new: Any) -> None:
        nonlocal calls
        calls += "checkpoint" in Path(new).name
        if nth and calls == 1 + nth:
            raise Killed
        replace(old, new)

    monkeypatch.setattr(torch, "save", dying_save)
    monkeypatch.setattr(checkpoints.os, "replace", dying_replace)
    with pytest.raises(Killed):
        train(training, Silent())
    monkeypatch.undo()
    assert ends_alike(training, parts).steps[0].step == 3


def test_a_kill_while_the_model_is_written(tmp_path: Path, parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    training = asked(tmp_path, parts)
    partial = training.directory / ".model.partial"

    def dies(*_: Any) -> None:
        shutil.copytree(partial, tmp_path / "left")
        raise Killed

    monkeypatch.setattr(checkpoints.os, "fsync", lambda fd: dies() if partial.exists() else None)
    with pytest.raises(Killed):
        train(training, Silent())
    monkeypatch.undo()
    os.replace(tmp_path / "left", partial)
    assert ends_alike(training, parts).steps[0].step == 7
    assert not partial.exists()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The disk takes no file larger than that, as if it were full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class FullAt(Silent):
    """From a step on, no large file can be written."""

    def __init__(self, step: int, size: int) -> None:
        self.step, self.size = step, size

    def on_step(self, figures: StepFigures) -> None:
        if figures.step == self.step:
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


@pytest.mark.parametrize(("step", "what"), [(4, "write a checkpoint"), (8, "write model")])
def test_a_full_disk_is_one_sentence_and_the_last_checkpoint_stays(
    tmp_path: Path, parts: Parts, step: int, what: str
) -> None:
    training = asked(tmp_path, parts)
    with pytest.raises(NoRoom, match=what), largest_file(1 << 40):
        train(training, FullAt(step, 20_000))
    assert not list(training.directory.glob("*partial*"))
    assert ends_alike(training, parts).steps[0].step == step - 1


def test_a_result_that_is_not_whole_counts_for_nothing(tmp_path: Path, parts: Parts) -> None:
    training = asked(tmp_path, parts)
    train(training, Silent())
    path = training.directory / "result.json"
    path.write_text(path.read_text()[:50])
    ends_alike(training, parts)
    shutil.rmtree(training.directory / "model")
    assert ends_alike(training, parts).steps[0].step == 1


def test_other_weights_or_targets_of_the_same_sizes_are_another_training(tmp_path: Path, parts: Parts) -> None:
    student = tmp_path / "student"
    shutil.copytree(parts[0], student)
    train(job(tmp_path, RECIPE, student=student, data=parts[1]), Silent())
    changed = {name: value + 1e-3 for name, value in load_file(student / "model.safetensors").items()}
    save_file(changed, student / "model.safetensors", {"format": "pt"})
    watching = Watching()
    train(job(tmp_path, RECIPE, student=student, data=parts[1]), watching)
    assert watching.steps[0].step == 1


@pytest.mark.parametrize(
    ("target", "why"), [("c_attn", "no such matrix"), ("lm_head", "head stay"), ("embed_tokens", "head stay")]
)
def test_lora_says_what_it_cannot_train(tmp_path: Path, parts: Parts, target: str, why: str) -> None:
    lora = LoraRecipe(rank=4, alpha=8.0, targets=("q_proj", target))
    with pytest.raises(UsageError, match=why) as found:
        train(asked(tmp_path, parts, RECIPE.model_copy(update={"lora": lora})), Silent())
    assert "down_proj, gate_proj" in found.value.hint
    assert "lm_head" not in found.value.hint


def mistral(folder: Path, parts: Parts, window: int | None) -> Path:
    from transformers import MistralConfig, MistralForCausalLM

    shutil.copytree(parts[0], folder)
    config = MistralConfig(
        vocab_size=2048, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, intermediate_size=32, max_position_embeddings=256, sliding_window=window, pad_token_id=0,
    )  # fmt: skip
    MistralForCausalLM(config).save_pretrained(folder)
    return folder


def test_packed_rows_are_refused_where_layers_see_a_window(tmp_path: Path, parts: Parts) -> None:
    packed = RECIPE.model_copy(update={"packing": "pack", "steps": 1})
    narrow, wide = mistral(tmp_path / "narrow", parts, 8), mistral(tmp_path / "wide", parts, 128)
    with pytest.raises(UsageError, match="see 8 tokens back") as found:
        train(job(tmp_path / "a", packed, student=narrow, data=parts[1]), Silent())
    assert 'packing = "lengths"' in found.value.hint
    train(job(tmp_path / "b", packed, student=wide, data=parts[1]), Silent())


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_tied_tables_gradient_is_that_of_autograd(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, checkpointing: bool
) -> None:
    """It is added in place, so that no second table exists; two portions, padding in the shorter rows."""
    student, data, _ = parts
    batches = [
        collate([Piece(data.example(i).ids, data.example(i).start) for i in chosen], data.tops(chosen), 0)
        for chosen in ([0, 1, 2], [3, 4])
    ]

    def gradients() -> dict[str, torch.Tensor]:
        model: Any = open_model(student)
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        network = Network(model).train()
        learner = Learner(network, torch.float32, torch.device("cpu"))
        for batch in batches:
            learner.backward(batch, Mix(Divergence("forward_kl"), 0.7), 0.1)
        return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}

    mine = gradients()
    monkeypatch.setattr(Network, "table", None)
    plain = gradients()
    assert mine.keys() == plain.keys()
    for name, value in plain.items():
        torch.testing.assert_close(mine[name], value, rtol=1e-5, atol=1e-6)


def test_a_set_of_one_example(tmp_path: Path) -> None:
    student = start(tmp_path / "start")
    data = examples(tmp_path / "one", student, count=1)
    training = job(tmp_path, RECIPE, student=student, data=data)
    train(training, Silent())
    lines = [json.loads(line) for line in (training.directory / "log.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < lines[0]["loss"]


def test_a_recipe_is_carried_out_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_many_processes(Path("job.json"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    with pytest.raises(UsageError, match="torchrun") as found:
        refuse_many_processes(Path("job.json"))
    assert "edgemind.distill.training.distributed job.json" in found.value.hint
