"""Many processes as one trainer: parameters spread over them (FSDP2), checkpoints written by all of them.

    torchrun --nproc-per-node 8 -m edgemind.distill.training.distributed JOB.json

Every process plans the same steps and takes its share of every portion's rows; losses are divided by the step's learned
tokens over all processes, so the number of processes changes nothing but rounding. Another number of them can go on
from a checkpoint. Not for: the loop, which is the same for one process (``trainer``).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from edgemind.distill.training.checkpoints import another, sync_folder
from edgemind.distill.training.job import Silent, StepFigures, read_job
from edgemind.models.store.files import explained

if TYPE_CHECKING:
    from edgemind.distill.training.ema import Average
    from edgemind.distill.training.optimizers import Optimizers

PREFIX, FACTS = "checkpoint-", "facts.pt"


@dataclass(frozen=True)
class Processes:
    """The processes of one training."""

    rank: int = 0
    world: int = 1

    @classmethod
    def now(cls) -> Processes:
        """Those that torch knows of, or that torchrun started; one otherwise."""
        if not dist.is_available():
            return cls()
        if not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ:
            if torch.cuda.is_available():
                torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
            dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else cls()

    @property
    def first(self) -> bool:
        """Whether this one writes what is written once."""
        return self.rank == 0

    def summed(self, values: Tensor, where: torch.device) -> Tensor:
        """The sum over all processes of a small tensor."""
        if self.world == 1:
            return values
        moved = values.to(where)
        dist.all_reduce(moved)
        return moved.cpu()

    def wait(self) -> None:
        """For all to come here."""
        if self.world > 1:
            dist.barrier()

    def spread(self, network: nn.Module, layers: nn.ModuleList, where: torch.device) -> None:
        """Give every process a part of each parameter; they come together layer by layer while computing."""
        if self.world == 1:
            return
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(where.type, (self.world,))
        for layer in layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(network, mesh=mesh)

    @contextmanager
    def together(self, network: nn.Module) -> Iterator[None]:
        """Inside, the model can be called without the network around it, by all processes alike."""
        if self.world == 1:
            yield
            return
        spread: Any = network
        spread.unshard()
        try:
            yield
        finally:
            spread.reshard()

    def whole_state(self, network: nn.Module) -> dict[str, Tensor]:
        """All parameters, whole and on the CPU; empty but for the first process."""
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        state: dict[str, Any] = get_model_state_dict(network, options=options)
        return state


class SharedKeeper:
    """Checkpoints of many processes: a folder that all write to, with its name once it is whole.

    Args:
        directory: of the training; the newest ``checkpoint-STEP`` in it counts.
    """

    def __init__(
        self,
        directory: Path,
        processes: Processes,
        network: nn.Module,
        optimizers: Optimizers,
        average: Average | None,
    ) -> None:
        self.directory, self._processes = directory, processes
        self._network, self._optimizers, self._average = network, optimizers, average

    def save(self, facts: dict[str, Any]) -> None:
        """Write a checkpoint; older ones go away.

        Raises:
            NoRoom, StoreProblem: the disk.
        """
        from torch.distributed.checkpoint.state_dict_saver import save

        target = self.directory / f"{PREFIX}{facts['step']:09d}"
        partial = self.directory / f"{target.name}.partial"
        with explained("write a checkpoint", self.directory):
            save(self._tensors(), checkpoint_id=partial)
            if self._processes.first:
                torch.save(facts, partial / FACTS)
                shutil.rmtree(target, ignore_errors=True)
                os.replace(partial, target)
                sync_folder(self.directory)
                for old in self.directory.glob(f"{PREFIX}*"):
                    if old != target:
                        shutil.rmtree(old, ignore_errors=True)
        self._processes.wait()

    def load(self, identity: str) -> tuple[dict[str, Any] | None, str]:
        """Bring back weights, optimizers and average from the newest checkpoint. As ``checkpoints.FileKeeper.load``."""
        from torch.distributed.checkpoint.state_dict import set_state_dict
        from torch.distributed.checkpoint.state_dict_loader import load

        found = sorted(path for path in self.directory.glob(f"{PREFIX}*") if path.suffix == "")
        if not found:
            return None, ""
        facts: dict[str, Any] = torch.load(found[-1] / FACTS, map_location="cpu", weights_only=True)
        self._processes.wait()
        if facts.get("identity") != identity:
            aside = found[-1].with_suffix(".old")
            if self._processes.first:
                shutil.rmtree(aside, ignore_errors=True)
                os.replace(found[-1], aside)
            return None, another(aside.name)
        values = self._tensors()
        load(values, checkpoint_id=found[-1])
        set_state_dict(
            self._network,
            self._optimizers.all,
            model_state_dict=values["model"],
            optim_state_dict=values["optimizers"],
        )
        return facts, ""

    def remove(self) -> None:
        """Nothing is to be gone on from any more."""
        if self._processes.first:
            for old in self.directory.glob(f"{PREFIX}*"):
                shutil.rmtree(old, ignore_errors=True)

    def _tensors(self) -> dict[str, Any]:
        """What all processes have parts of. The average's tensors are filled in place when loaded."""
        from torch.distributed.checkpoint.state_dict import get_state_dict

        model, optimizers = get_state_dict(self._network, self._optimizers.all)
        found: dict[str, Any] = {"model": model, "optimizers": optimizers}
        if self._average is not None:
            found["average"] = {str(number): value for number, value in enumerate(self._average.values)}
        return found


class _Lines(Silent):
    """Says every step in a line."""

    def on_step(self, figures: StepFigures) -> None:
        print(
            f"step {figures.step}/{figures.steps}  loss {figures.loss:.4f}  {figures.rate:,.0f} tokens/s  "
            f"{figures.left:,.0f} s left",
            flush=True,
        )

    def on_phase(self, name: str) -> None:
        print(name, flush=True)


def main(path: Path) -> int:
    """Train what a job file asks for, as one of many processes."""
    from edgemind.distill.training.trainer import train
    from edgemind.errors import EdgemindError

    processes = Processes.now()
    try:
        result = train(read_job(path), _Lines() if processes.first else Silent())
    except EdgemindError as problem:
        if processes.first:
            print(f"{problem.message}\n{problem.hint}", file=sys.stderr)
        return problem.exit_code
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()
    if processes.first:
        print(result.model)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
