"""Train ``edgemind-nano``: seeded, resumable to the step after a kill, logged as JSON lines.

A run directory holds ``recipe.json``, ``tokenizer.json``, ``checkpoint.pt`` and ``log.jsonl``. The recipe counts steps,
never minutes, so the same recipe gives the same model on the same kind of machine.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from edgemind.distill.corpus import Batch, Phase, make_shard, sample_texts
from edgemind.distill.evaluate import accuracies, evaluate, torch_generator
from edgemind.distill.model import Nano, Shape
from edgemind.distill.problems.base import Family
from edgemind.distill.tokenizer import load_tokenizer, train_tokenizer

TOKENIZER_SAMPLE = 10_000
SHARD_STEPS = 32


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run produces, apart from the code and the problem families."""

    steps: int
    decay_steps: int
    phases: tuple[Phase, ...]
    shape: Shape = field(default_factory=Shape)
    seed: int = 1
    warmup: int = 100
    tails: tuple[tuple[int, float], ...] = ()
    """Stretches after the rate has fallen to zero, ``(steps, rate)``: each begins low, at its rate, and falls again."""
    muon_rate: float = 0.006
    adam_rate: float = 0.003
    weight_decay: float = 0.02
    checkpoint_every: int = 50
    eval_every: int = 640
    eval_count: int = 30
    compiled: bool = True
    tokenizer_phase: int = -1
    """The phase on whose mixture the tokenizer is trained."""

    def rate(self, step: int) -> float:
        """The share of the full learning rate at a step: warm-up, plateau, a line to zero, and the tails."""
        left = self.steps - step
        for steps, rate in reversed(self.tails):
            if left <= steps:
                return rate * left / steps
            left -= steps
        return min(1.0, (step + 1) / self.warmup, left / self.decay_steps)

    def phase(self, step: int) -> Phase:
        """The phase that governs a step."""
        return [p for p in self.phases if p.start <= step][-1]


class Optimizers:
    """Muon for the matrices of the layers, AdamW for the embedding and the norms."""

    def __init__(self, model: Nano, recipe: Recipe) -> None:
        matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and name != "embed.weight"]
        others = [p for name, p in model.named_parameters() if p.ndim != 2 or name == "embed.weight"]
        self.all: list[tuple[torch.optim.Optimizer, float]] = [
            (
                torch.optim.Muon(
                    matrices, lr=recipe.muon_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
                ),
                recipe.muon_rate,
            ),
            (torch.optim.AdamW(others, lr=recipe.adam_rate, betas=(0.9, 0.95), weight_decay=0.0), recipe.adam_rate),
        ]

    def step(self, share: float) -> None:
        """Apply the gradients at ``share`` of the full rates, and drop them."""
        for optimizer, rate in self.all:
            for group in optimizer.param_groups:
                group["lr"] = rate * share
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps."""
        return [optimizer.state_dict() for optimizer, _ in self.all]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """The inverse of ``state``."""
        for (optimizer, _), state in zip(self.all, states, strict=True):
            optimizer.load_state_dict(state)


def write_atomically(path: Path, data: dict[str, Any]) -> None:
    """``torch.save`` that leaves either the old file or the whole new one."""
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        torch.save(data, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def prepare_tokenizer(run: Path, recipe: Recipe, families: Sequence[Family]) -> Tokenizer:
    """The run's tokenizer: already there, or trained on the mixture of one phase."""
    path = run / "tokenizer.json"
    if not path.exists():
        texts = sample_texts(
            recipe.seed, families, replace(recipe.phases[recipe.tokenizer_phase], hardness=1.0), TOKENIZER_SAMPLE
        )
        train_tokenizer(texts, recipe.shape.vocab).save(str(path))
    return load_tokenizer(path)


class Run:
    """One training run in one directory."""

    def __init__(self, directory: Path, recipe: Recipe, families: Sequence[Family]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.recipe, self.families = directory, recipe, families
        self.tokenizer = prepare_tokenizer(directory, recipe, families)
        torch.manual_seed(recipe.seed)
        self.model = Nano(recipe.shape)
        self.optimizers = Optimizers(self.model, recipe)
        self.step = 0
        self.tokens = 0
        self.seconds = 0.0
        self.checkpoint = directory / "checkpoint.pt"
        if self.checkpoint.exists():
            saved = torch.load(self.checkpoint, weights_only=True)
            self.model.load_state_dict(saved["model"])
            self.optimizers.restore(saved["optimizers"])
            self.step, self.tokens, self.seconds = saved["step"], saved["tokens"], saved["seconds"]
        self._shard: tuple[int, list[Batch]] = (-1, [])

    def batch(self, step: int) -> Batch:
        """The batch of a step, whatever ran before it."""
        number, index = divmod(step, SHARD_STEPS)
        if self._shard[0] != number:
            r = self.recipe
            phase = r.phase(number * SHARD_STEPS)
            shard = make_shard(r.seed, number, self.families, phase, self.tokenizer, SHARD_STEPS, r.shape.context)
            self._shard = (number, shard)
        return self._shard[1][index]

    def log(self, **values: object) -> None:
        """One JSON line, with the step and the tokens so far."""
        line = {"step": self.step, "tokens": self.tokens, "seconds": round(self.seconds, 1), **values}
        with (self.directory / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Write the checkpoint."""
        write_atomically(
            self.checkpoint,
            {
                "model": self.model.state_dict(),
                "optimizers": self.optimizers.state(),
                "step": self.step,
                "tokens": self.tokens,
                "seconds": self.seconds,
                "recipe": asdict(self.recipe),
            },
        )

    def measure(self) -> None:
        """Held-out accuracy of every family, into the log."""
        started = time.monotonic()
        self.model.eval()
        generate = torch_generator(self.model, self.tokenizer)
        scores = accuracies(evaluate(generate, self.families, self.recipe.eval_count, self.recipe.seed))
        self.model.train()
        self.log(accuracy=scores, eval_seconds=round(time.monotonic() - started, 1))

    def train(self) -> None:
        """From the last checkpoint to the recipe's last step."""
        r = self.recipe
        (self.directory / "recipe.json").write_text(json.dumps(asdict(r), indent=1) + "\n")
        self.log(recipe=asdict(r))
        loss_of = torch.compile(self.model.loss, dynamic=True) if r.compiled else self.model.loss
        while self.step < r.steps:
            started = time.monotonic()
            batch = self.batch(self.step)
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(batch.tokens, batch.targets)
            torch.autograd.backward(loss)
            self.optimizers.step(r.rate(self.step))
            self.step += 1
            self.tokens += int((batch.tokens != 0).sum())
            took = time.monotonic() - started
            self.seconds += took
            self.log(
                loss=round(loss.item(), 4), rate=round(batch.tokens.numel() / took), shape=list(batch.tokens.shape)
            )
            if self.step % r.checkpoint_every == 0 or self.step == r.steps:
                self.save()
            if self.step % r.eval_every == 0 or self.step == r.steps:
                self.measure()
