"""One training run: its model, optimizers, place in the data and curriculum, and how these are kept and brought back.

Not for: the loop over steps (``trainer``).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from edgemind.distill.chat_format import ChatFormat
from edgemind.distill.curriculum import Curriculum
from edgemind.distill.evaluation.quick import MAX_TOKENS
from edgemind.distill.problems.base import Problem
from edgemind.distill.students import TOKENIZER_FILES, open_model
from edgemind.distill.training import checkpoints, precision, schedule
from edgemind.distill.training.batches import SHARD_STEPS, Batch, Planner, Pool
from edgemind.distill.training.distributed import Processes, SharedKeeper
from edgemind.distill.training.divergences import Divergence
from edgemind.distill.training.ema import Average
from edgemind.distill.training.feeding import Feeder, Portioning
from edgemind.distill.training.job import Observer, StepFigures, TrainJob, TrainResult
from edgemind.distill.training.log import TrainingLog
from edgemind.distill.training.losses import Mix
from edgemind.distill.training.network import Learner, Network, OnlineTeacher
from edgemind.distill.training.optimizers import Optimizers
from edgemind.distill.training.policy import Policy, Written
from edgemind.errors import UsageError
from edgemind.models.opening import shown
from edgemind.models.store.files import explained

RESULT = "result.json"
CHECKS = 20
"""Measurements of held-out accuracy over a run, when the recipe says nothing."""

PROBE, PROBE_TOKENS = 8, 160
"""Problems of the easiest level, and tokens of each answer, that tell whether a start knows anything."""


@dataclass(frozen=True)
class Portion:
    """One forward and backward pass; ``scale`` makes a mean over the step out of its sum."""

    batch: Batch
    mix: Mix
    scale: float
    online: OnlineTeacher | None = None


@dataclass(frozen=True)
class Work:
    """One step; counts are over all processes. ``taught``: how many of the learned tokens have a teacher."""

    portions: list[Portion]
    read: int
    learned: int
    taught: int


class Run:
    """Everything that changes while a job is done."""

    def __init__(self, job: TrainJob, observer: Observer) -> None:
        self.job, self.observer = job, observer
        self.processes = Processes.now()
        job.directory.mkdir(parents=True, exist_ok=True)
        self.identity = identity(job)
        self.steps = schedule.total_steps(job.recipe)
        self.step = self.tokens = self.learned = self.saved = 0
        self.seconds = self.last_seconds = self._waited = self._waited_before = 0.0
        self.notes: list[str] = []
        self.levels: dict[int, tuple[int, int]] = {}
        self.last: StepFigures | None = None
        self._log: TrainingLog | None = None
        self._shard: tuple[int, dict[Pool, float], dict[str, Any]] | None = None
        self._off_policy = self.steps
        self._round = 0
        self._whole = True
        self.policy: Policy | None = None

    def finished(self) -> TrainResult | None:
        """The result, if this job was done before; else the run is made ready."""
        found = read_result(self.job.directory, self.identity)
        if found is None:
            self._open()
        return found

    @property
    def log(self) -> TrainingLog:
        assert self._log is not None
        return self._log

    @property
    def busy(self) -> float:
        """Share of the time in which no batch was waited for."""
        return 1.0 - self._waited / self.seconds if self.seconds > 0 else 1.0

    def just_waited(self) -> float:
        """Seconds of waiting for this step's batch."""
        waited = self._feeder.waited - self._waited_before
        self._waited_before = self._feeder.waited
        self._waited += waited
        return waited

    def works(self) -> Iterator[Work]:
        """What every step that is left does: first examples, then what the student writes itself."""
        while self.step < self._off_policy:
            if self._shard is None:
                self._shard = (self.step, self._shares(), self.planner.state())
            begin, shares, _ = self._shard
            plan = self.planner.plan(shares, min(SHARD_STEPS, self._off_policy - begin))
            for made in self._feeder.steps(plan[self.step - begin :]):
                scale = 1.0 / max(1, made.learned)
                portions = [Portion(batch.to(self.where), self.mix, scale, self._online) for batch in made.portions]
                yield Work(portions, made.read, made.learned, made.learned if self._taught else 0)
            self._shard = None
        if self.step < self.steps:
            yield from self._policy_works()

    def _policy_works(self) -> Iterator[Work]:
        """Rounds of writing and learning; a checkpoint is written between two of them, never inside one."""
        assert self.policy is not None
        recipe = self.job.recipe
        self.observer.on_phase("policy")
        self._whole = False
        while self.step < self.steps:
            if self.step - self.saved >= recipe.checkpoint_every:
                self.save()
            number = self._round
            each = recipe.batch_tokens * recipe.accumulate
            started = time.monotonic()
            with precision.casting(self.learner.kind, self.where), self.processes.together(self.learner.network):
                steps = self.policy.round(number, self.learner.network, each, recipe.accumulate, self._feeder.how)
            self.seconds += time.monotonic() - started
            for written in steps[: self.steps - self.step]:
                yield self._policy_work(written)
            self._round = number + 1

    def _policy_work(self, written: Written) -> Work:
        """The student's texts, and beside them examples when the recipe mixes both."""
        assert self.policy is not None
        weight = self.policy.recipe.weight
        scale = weight / max(1, written.learned)
        portions = [Portion(batch.to(self.where), self.policy.mix, scale) for batch in written.batches]
        if weight == 1.0:
            return Work(portions, written.read, written.learned, written.learned)
        made = self._feeder.make(self.planner.plan(self._shares(), 1)[0])
        scale = (1 - weight) / max(1, made.learned)
        portions += [Portion(batch.untaught().to(self.where), self.mix, scale) for batch in made.portions]
        return Work(portions, written.read + made.read, written.learned + made.learned, written.learned)

    def advance(self, work: Work, seconds: float) -> None:
        """A step was made."""
        self.step += 1
        self.tokens += work.read
        self.learned += work.learned
        self.seconds += seconds
        self.last_seconds = seconds
        if self.average is not None:
            self.average.update(self.step)

    def before_first_step(self) -> None:
        """Let a student that knows something begin where that ends; to see that another knows nothing costs little."""
        held_out = self.job.held_out
        if self.step or not held_out or self.curriculum is None or self.job.curriculum.kind == "uniform":
            return
        easiest = min(problem.level for problem in held_out)
        few = [problem for problem in held_out if problem.level == easiest][:PROBE]
        if any(right for right, _ in self._accuracy(few, PROBE_TOKENS).values()):
            self._check()

    def after_step(self, figures: StepFigures) -> None:
        """Look at accuracy and write a checkpoint, when it is time for either."""
        self.last = figures
        if self.step % self.check_every == 0 or self.step == self.steps:
            self._check()
        if self._whole and self.step % self.job.recipe.checkpoint_every == 0 and self.step < self.steps:
            self.save()

    def save(self) -> None:
        """Write a checkpoint."""
        shard = self._shard
        if shard is not None and min(shard[0] + SHARD_STEPS, self._off_policy) <= self.step:
            shard = None
        begin, shares, planned = shard or (self.step, {}, self.planner.state())
        facts: dict[str, Any] = {
            "identity": self.identity,
            "step": self.step,
            "tokens": self.tokens,
            "learned": self.learned,
            "seconds": self.seconds,
            "waited": self._waited,
            "shard": [begin, [[*pool, share] for pool, share in shares.items()], planned] if shard else None,
            "planner": planned,
            "round": self._round,
            "curriculum": self.curriculum.to_state() if self.curriculum else None,
            "levels": {level: list(pair) for level, pair in self.levels.items()},
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state() if self.where.type == "cuda" else None,
        }
        self._keeper.save(facts)
        self.saved = self.step

    def finish(self) -> TrainResult:
        """Write the finished model and what came out."""
        self.observer.on_phase("save")
        job, last = self.job, self.last
        adapter = job.directory / "adapter" if job.recipe.lora else None
        if self.average is not None:
            self.average.swap()
        model = self._whole_model()
        if model is not None:
            if adapter is not None:
                checkpoints.publish_folder(adapter, model.save_pretrained)
                model = model.merge_and_unload()
            checkpoints.publish_folder(job.directory / "model", partial(self._write_model, model))
        result = TrainResult(
            model=job.directory / "model",
            steps=self.step,
            tokens=self.tokens,
            learned=self.learned,
            seconds=round(self.seconds, 3),
            loss=last.loss if last else float("nan"),
            cross_entropy=last.cross_entropy if last else float("nan"),
            divergence=last.divergence if last else None,
            busy=round(self.busy, 5),
            levels=self.levels,
            adapter=adapter,
            notes=tuple(self.notes),
        )
        if self.processes.first:
            write_result(result, job.directory, self.identity)
        self.processes.wait()
        self._keeper.remove()
        return result

    def close(self) -> None:
        """Let go of the log and of a teacher."""
        if self._log is not None:
            self._log.close()
        if self.policy is not None:
            self.policy.close()

    def _whole_model(self) -> Any:
        """The trained model in one piece; ``None`` in all processes but the first."""
        network, job = self.learner.network, self.job
        if self.processes.world == 1:
            return network.model
        state = self.processes.whole_state(network)
        if not self.processes.first:
            return None
        model: Any = open_model(job.model)
        if job.recipe.lora is not None:
            model = with_lora(model, job.recipe.lora)
        model.load_state_dict({name.removeprefix("model."): value for name, value in state.items()}, strict=False)
        model.tie_weights()
        return model

    def _write_model(self, model: Any, folder: Path) -> None:
        model.save_pretrained(folder)
        for name in TOKENIZER_FILES:
            if (self.job.model / name).exists():
                shutil.copy2(self.job.model / name, folder / name)

    def _open(self) -> None:
        job, recipe = self.job, self.job.recipe
        torch.manual_seed(job.seed)
        self.where = precision.device()
        kind = precision.product_type(recipe, self.where)
        model: Any = open_model(job.model)
        context = min(recipe.context or 1 << 30, model.config.max_position_embeddings)
        self.format = ChatFormat.of_folder(job.model)
        self.planner = Planner(job.examples, job.seed, recipe.batch_tokens, recipe.accumulate, context)
        if self.planner.left_out:
            self.note(f"{self.planner.left_out:,} examples are longer than {context:,} tokens and are left out.")
        if recipe.gradient_checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        if recipe.lora is not None:
            model = with_lora(model, recipe.lora)
        network = Network(model.to(self.where)).train()
        parameters = sum(p.numel() for p in network.parameters())
        read = self.steps * recipe.batch_tokens * recipe.accumulate
        compiled = precision.compiles(recipe, parameters, read, self.where)
        if compiled:
            self.observer.on_phase("compile")
        self.processes.spread(network, network.layers, self.where)
        self.learner = Learner(network, kind, self.where, job.loss.chunk, compiled)
        several = self.processes.world > 1
        self.optimizers = Optimizers(network, recipe, sharded=several)
        self.average = Average(network, recipe.ema) if recipe.ema else None
        kept = (network, self.optimizers, self.average)
        self._keeper: checkpoints.FileKeeper | SharedKeeper = (
            SharedKeeper(job.directory, self.processes, *kept)
            if several
            else checkpoints.FileKeeper(job.directory, *kept)
        )
        header = job.examples.header
        self.mix = Mix(Divergence.of(job.loss), job.loss.weight, header.temperature)
        taught = job.loss.weight > 0
        online = job.online and taught and job.teacher is not None
        self._online = OnlineTeacher.of(job.teacher, job.model, kind, self.where) if online and job.teacher else None
        self._taught = taught and (header.k > 0 or header.spans or online)
        if job.policy is not None:
            self.policy = Policy(
                job.policy, job.problems, self.format, job.teacher, job.model, job.seed,
                k=header.k, temperature=header.temperature, context=context,
            )  # fmt: skip
            self._off_policy = self.steps - max(1, round(job.policy.share * self.steps))
        self.curriculum = Curriculum.of(job.curriculum, job.sources) if job.sources else None
        self.check_every = job.curriculum.every or max(1, self.steps // CHECKS)
        pack = context if recipe.packing == "pack" else None
        window = network.window
        if pack and window and window < min(pack, int(job.examples.lengths.max(initial=0))):
            raise UsageError(
                f"This model's layers see {window:,} tokens back, and examples laid end to end would see farther.",
                'Set training.packing = "lengths".',
            )
        self._feeder = Feeder(
            job.examples,
            Portioning(
                self.format.pad_id, pack, self.processes.rank, self.processes.world, self._taught and not online
            ),
        )
        self._resume()
        self._log = TrainingLog(job.directory, self.step, recipe.tensorboard, silent=not self.processes.first)
        if self._log.note:
            self.note(self._log.note)

    def _resume(self) -> None:
        state, note = self._keeper.load(self.identity)
        if note:
            self.note(note)
        if state is None:
            return
        for name in ("step", "tokens", "learned", "seconds"):
            setattr(self, name, state[name])
        self.saved, self._waited = self.step, state["waited"]
        self.levels = {level: (pair[0], pair[1]) for level, pair in state["levels"].items()}
        if state["curriculum"] is not None:
            self.curriculum = Curriculum.from_state(state["curriculum"])
        self.planner.restore(state["planner"])
        self._round = state["round"]
        if state["shard"] is not None:
            begin, shares, planned = state["shard"]
            self._shard = (begin, {(family, level): share for family, level, share in shares}, planned)
        torch.set_rng_state(state["random"])
        if state["random_gpu"] is not None:
            torch.cuda.set_rng_state(state["random_gpu"])

    def _shares(self) -> dict[Pool, float]:
        mix = self.planner.mix
        return dict(self.curriculum.shares(mix)) if self.curriculum else mix

    def _check(self) -> None:
        """Held-out accuracy by level, for the curriculum and the log."""
        if not self.job.held_out or self.curriculum is None:
            return
        self.levels = self._accuracy(list(self.job.held_out))
        accuracy = {level: right / max(1, count) for level, (right, count) in self.levels.items()}
        self.curriculum.report(accuracy, self.step / self.steps, self.tokens)
        self.log.levels(self.step, self.tokens, self.curriculum.level, self.levels)
        self.observer.on_levels(self.levels, self.step, self.curriculum.level)

    def _accuracy(self, problems: list[Problem], max_tokens: int = MAX_TOKENS) -> dict[int, tuple[int, int]]:
        from edgemind.distill.evaluation.quick import quick_accuracy

        network = self.learner.network
        with self.processes.together(network):
            return quick_accuracy(network.model, self.format, problems, dict(self.job.sources), max_tokens=max_tokens)

    def note(self, sentence: str) -> None:
        """Something that whoever watches should know."""
        self.notes.append(sentence)
        self.observer.on_phase(sentence)


def with_lora(model: Any, recipe: Any) -> Any:
    """The model with trainable factors beside its matrices, and everything else fixed.

    Raises:
        UsageError: the recipe names what has no factors here, or what the model does not have.
    """
    from peft import LoraConfig, get_peft_model

    tables = (model.get_input_embeddings(), model.get_output_embeddings())
    names = {name: module for name, module in model.named_modules() if name}
    for target in recipe.targets:
        found = [module for name, module in names.items() if name == target or name.endswith(f".{target}")]
        inner = sorted({name.rpartition(".")[2] for name, module in names.items() if _is_matrix(module, tables)})
        if not found or any(module in tables for module in found):
            why = "its embeddings and head stay as they are" if found else "this model has no such matrix"
            raise UsageError(
                f"LoRA cannot train {shown(target)}: {why}.",
                f"training.lora.targets may be: {', '.join(map(shown, inner))}.",
            )

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules=list(recipe.targets),
        lora_dropout=0.0,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def _is_matrix(module: Any, tables: Any) -> bool:
    return isinstance(module, torch.nn.Linear) and all(module is not table for table in tables)


def identity(job: TrainJob) -> str:
    """A hash of what decides the result: recipe, loss, curriculum, policy, seed, start and examples."""
    header, lengths = job.examples.header, job.examples.lengths
    weights = [(path.name, *_traits(path)) for path in sorted(job.model.glob("*.safetensors"))]
    what = {
        "recipe": job.recipe.model_dump(mode="json", exclude={"checkpoint_every", "tensorboard"}),
        "loss": job.loss.model_dump(mode="json", exclude={"chunk"}),
        "curriculum": job.curriculum.model_dump(mode="json"),
        "policy": job.policy.model_dump(mode="json") if job.policy else None,
        "seed": job.seed,
        "online": job.online,
        "start": [(job.model / "config.json").read_text(encoding="utf-8"), weights],
        "examples": [
            [header.k, header.temperature, header.spans, getattr(header, "teacher_digest", "")],
            hashlib.sha256(lengths.tobytes() + job.examples.starts.tobytes()).hexdigest(),
        ],
    }
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _traits(path: Path) -> tuple[int, str]:
    """A file's size and a hash of its ends: weights that differ do so there as well."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(1 << 20)
        file.seek(max(0, size - (1 << 20)))
        ends += file.read()
    return size, hashlib.sha256(ends).hexdigest()


def write_result(result: TrainResult, directory: Path, job: str) -> None:
    """Keep what came out, with the job it is of."""
    values = asdict(result)
    values.update(model=result.model.name, adapter=result.adapter.name if result.adapter else None, identity=job)
    with explained("write what came out", directory):
        new = directory / f"{RESULT}.partial"
        new.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
        new.replace(directory / RESULT)


def read_result(directory: Path, job: str) -> TrainResult | None:
    """What came out, if this job was finished and its model is still there."""
    path = directory / RESULT
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("identity") != job:
            return None
        values["levels"] = {int(level): (pair[0], pair[1]) for level, pair in values["levels"].items()}
        values.update(model=directory / values["model"], notes=tuple(values["notes"]))
        values["adapter"] = directory / values["adapter"] if values["adapter"] else None
        found = TrainResult(**values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    whole = (found.model / "config.json").exists() and (found.adapter is None or found.adapter.exists())
    return found if whole else None
