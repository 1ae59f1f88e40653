"""Two processes with FSDP2 on gloo: the same losses as one process, and a kill in between changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_parts import Watching, examples, job, start

from edgemind.distill.recipe.networks import TrainingRecipe
from edgemind.distill.recipe.schema import CurriculumRecipe, LossRecipe
from edgemind.distill.training.job import JobFile
from edgemind.distill.training.trainer import train

RECIPE = TrainingRecipe(steps=6, batch_tokens=256, accumulate=2, checkpoint_every=2, ema=0.9)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def two(file: Path, steps: int | None = None) -> list[subprocess.CompletedProcess[str]]:
    """Run a job in two processes as torchrun starts them; with ``steps`` both die after so many."""
    port = str(free_port())
    code = (
        "import os, sys, torch; torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from edgemind.distill.training import distributed, trainer\n"
        "from edgemind.distill.training.state import Run\n"
        "after = Run.after_step\n"
        "def dies(self, figures):\n"
        "    after(self, figures)\n"
        f"    if self.step == {steps or 0}: os._exit(9)\n"
        "Run.after_step = dies\n"
        "raise SystemExit(distributed.main(Path(sys.argv[1])))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            env={
                **os.environ,
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": "2",
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": port,
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    found = []
    for process in processes:
        out, err = process.communicate(timeout=240)
        found.append(subprocess.CompletedProcess(process.args, process.returncode, out, err))
    return found


def losses_of(directory: Path) -> list[float]:
    lines = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Watching]:
    """A folder with start, examples and a finished training of one process."""
    folder = tmp_path_factory.mktemp("both")
    student = start(folder / "start")
    data = examples(folder / "examples", student)
    watching = Watching()
    train(job(folder / "one", RECIPE, student=student, data=data), watching)
    return folder, watching


def job_file(folder: Path, name: str) -> Path:
    path = folder / f"{name}.json"
    asked = JobFile(
        model=folder / "start",
        examples=folder / "examples",
        recipe=RECIPE,
        loss=LossRecipe(),
        curriculum=CurriculumRecipe(),
        directory=folder / name,
        seed=1,
    )
    path.write_text(asked.model_dump_json())
    return path


def test_two_processes_have_the_losses_of_one(both: tuple[Path, Watching]) -> None:
    folder, one = both
    done = two(job_file(folder, "two"))
    assert [process.returncode for process in done] == [0, 0], done[0].stderr[-2000:] + done[1].stderr[-2000:]
    assert losses_of(folder / "two") == pytest.approx(one.losses, rel=2e-4)
    whole = load_file(folder / "one" / "run" / "model" / "model.safetensors")
    spread = load_file(folder / "two" / "model" / "model.safetensors")
    assert whole.keys() == spread.keys()
    for name, value in whole.items():
        torch.testing.assert_close(spread[name], value, rtol=2e-2, atol=2e-3)
    assert (folder / "two" / "model" / "tokenizer.json").exists()


def test_two_processes_go_on_from_their_checkpoint(both: tuple[Path, Watching]) -> None:
    folder, one = both
    shutil.rmtree(folder / "cut", ignore_errors=True)
    file = job_file(folder, "cut")
    assert [process.returncode for process in two(file, steps=5)] == [9, 9]
    assert sorted(path.name for path in (folder / "cut").glob("checkpoint-*")) == ["checkpoint-000000004"]
    done = two(file)
    assert [process.returncode for process in done] == [0, 0], done[0].stderr[-2000:]
    assert done[0].stdout.count("step ") == 2
    assert losses_of(folder / "cut") == pytest.approx(one.losses, rel=2e-4)
