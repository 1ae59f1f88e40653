#!/usr/bin/env python3
"""Training with soft targets against TRL's DistillationTrainer: tokens a second and peak memory, side by side.

    pip install trl                          # the peer; EdgeMind does not depend on it
    python scripts/bench_distill.py          # or: --vocabulary 2048 --rounds 5

Three ways to train the same student on the same batches with forward KL: TRL with its teacher in memory, EdgeMind with
its teacher in memory, and EdgeMind from soft targets stored in shards (k = 64). Each runs in a process of its own, one
after the other, ``--rounds`` times; ratios are within a round, and the median of the rounds is printed. The completions
are given to TRL, so that its generation does not count. Neither side compiles.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CONTEXT = 1024
PROMPT = 64
SIDES = ("trl", "online", "stored")


def shape(options: argparse.Namespace, part: str) -> dict[str, Any]:
    """The configuration of ``student`` or ``teacher``."""
    width = options.width if part == "student" else 2 * options.width
    return {
        "vocab_size": options.vocabulary,
        "hidden_size": width,
        "num_hidden_layers": options.layers if part == "student" else 2 * options.layers,
        "num_attention_heads": width // 64,
        "num_key_value_heads": max(1, width // 128),
        "head_dim": 64,
        "intermediate_size": 3 * width,
        "max_position_embeddings": CONTEXT,
        "tie_word_embeddings": True,
    }


def make_models(folder: Path, options: argparse.Namespace) -> None:
    """Random weights of both shapes with a tokenizer of that many tokens, saved once, so that all sides begin alike."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from edgemind.distill.tokenizer import SPECIALS
    from edgemind.distill.tokenizer_files import save_nano_tokenizer

    pieces = [*SPECIALS, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces += [f"w{number}" for number in range(options.vocabulary - len(pieces))]
    tokenizer = Tokenizer(models.BPE({piece: index for index, piece in enumerate(pieces)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    for seed, part in enumerate(("student", "teacher")):
        torch.manual_seed(seed)
        Qwen3ForCausalLM(Qwen3Config(**shape(options, part))).save_pretrained(folder / part)
        save_nano_tokenizer(folder / part, tokenizer)


def rows(options: argparse.Namespace, step: int) -> Any:
    """``[batch, length]`` tokens of one step, the same for all sides."""
    import torch

    chance = torch.Generator().manual_seed(1000 + step)
    return torch.randint(3, options.vocabulary, (options.batch, options.length), generator=chance)


def make_examples(folder: Path, options: argparse.Namespace, k: int) -> float:
    """Shards of every step's rows, with the teacher's ``k`` likeliest tokens; bytes on disk for one learned token."""
    import torch

    from edgemind.distill.students import open_model
    from edgemind.distill.targets.shards import Example, ShardHeader, ShardWriter
    from edgemind.distill.targets.top import TopK

    teacher = open_model(folder / "teacher").eval()
    header = ShardHeader(k=k, vocabulary="bench", vocabulary_size=options.vocabulary, teacher="teacher")
    path = folder / f"shards-{k}" / "shard-00000.shard"
    path.parent.mkdir()
    tokens = 0
    with torch.inference_mode(), ShardWriter(path, header) as writer:
        for step in range(options.steps):
            for number, row in enumerate(rows(options, step)):
                top = None
                if k:
                    states = teacher.model(input_ids=row[None], use_cache=False).last_hidden_state[0, PROMPT - 1 : -1]
                    pieces = [(piece @ teacher.lm_head.weight.T).log_softmax(-1) for piece in states.split(32)]
                    found = [piece.topk(k, -1) for piece in pieces]
                    logp, ids = (torch.cat(parts) for parts in zip(*found, strict=True))
                    tail = (1 - logp.exp().sum(-1)).clamp(min=1e-30).log()
                    top = TopK(ids.int().numpy(), logp.numpy(), tail.numpy())
                writer.add(Example(f"{step}-{number}", "bench", 1, row.numpy().astype("int32"), PROMPT), top)
                tokens += len(row) - PROMPT
    return path.stat().st_size / tokens


class Clock:
    """Seconds of every step, as the trainer tells them."""

    def __init__(self) -> None:
        self.rates: list[float] = []
        self.losses: list[float] = []
        self.busy = 0.0

    def on_phase(self, name: str) -> None:
        """Nothing."""

    def on_levels(self, *_: object) -> None:
        """Nothing."""

    def on_step(self, figures: Any) -> None:
        """Keep the rate."""
        self.rates.append(figures.rate)
        self.losses.append(figures.divergence)
        self.busy = figures.busy


def ours(folder: Path, options: argparse.Namespace, online: bool) -> dict[str, Any]:
    """EdgeMind's trainer over the examples."""
    from edgemind.distill.recipe.networks import TrainingRecipe
    from edgemind.distill.recipe.schema import CurriculumRecipe, LossRecipe
    from edgemind.distill.targets.example_set import ExampleSet
    from edgemind.distill.training.job import TrainJob
    from edgemind.distill.training.trainer import train

    clock = Clock()
    with tempfile.TemporaryDirectory(dir=folder) as place:
        job = TrainJob(
            model=folder / "student",
            examples=ExampleSet(folder / f"shards-{0 if online else 64}"),
            recipe=TrainingRecipe(
                steps=options.steps, batch_tokens=options.batch * options.length, optimizer="adamw", rate=1e-4,
                compile="off", precision="fp32", schedule="cosine", warmup=0.0, weight_decay=0.0,
                checkpoint_every=10**6,
            ),
            loss=LossRecipe(kind="forward_kl", weight=1.0),
            curriculum=CurriculumRecipe(kind="uniform"),
            directory=Path(place),
            seed=1,
            teacher=folder / "teacher" if online else None,
            online=online,
        )  # fmt: skip
        train(job, clock)
    return {"rates": clock.rates, "losses": clock.losses, "busy": clock.busy}


def peers(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """TRL's trainer, with the completions given."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer, Qwen3ForCausalLM, TrainerCallback
    from trl import DistillationConfig, DistillationTrainer

    class Given(DistillationTrainer):
        def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
            whole = rows(options, self.state.global_step)
            prompts, completions = whole[:, :PROMPT], whole[:, PROMPT:]
            return {
                "prompt_ids": prompts,
                "prompt_mask": torch.ones_like(prompts),
                "completion_ids": completions,
                "completion_mask": torch.ones_like(completions),
                "num_items_in_batch": torch.tensor(float(completions.numel())),
            }

    seconds: list[float] = []
    losses: list[float] = []

    class Watch(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.started = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds.append(time.perf_counter() - self.started)

        def on_log(self, *_: Any, logs: dict[str, Any], **__: Any) -> None:
            if "loss" in logs:
                losses.append(float(logs["loss"]))

    with tempfile.TemporaryDirectory(dir=folder) as place:
        trainer = Given(
            model=Qwen3ForCausalLM.from_pretrained(folder / "student", dtype=torch.float32),
            teacher_model=Qwen3ForCausalLM.from_pretrained(folder / "teacher", dtype=torch.float32),
            args=DistillationConfig(
                output_dir=place, per_device_train_batch_size=options.batch,
                max_steps=options.steps, learning_rate=1e-4,
                lr_scheduler_type="cosine", beta=0.0, use_cpu=True, bf16=False, gradient_checkpointing=False,
                optim="adamw_torch_fused", report_to=[], save_strategy="no", logging_steps=1, disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list([{"prompt": "w1"}] * (options.batch * options.steps)),
            processing_class=AutoTokenizer.from_pretrained(folder / "student"),
            callbacks=[Watch()],
        )  # fmt: skip
        trainer.train()
    return {"rates": [options.batch * options.length / each for each in seconds], "losses": losses, "busy": None}


def child(side: str, folder: Path, options: argparse.Namespace) -> None:
    """Run one side in this process and print its figures as the last line."""
    import torch

    torch.set_num_threads(options.threads)
    found = peers(folder, options) if side == "trl" else ours(folder, options, online=side == "online")
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    found["peak"] = peak
    found["rate"] = statistics.median(found.pop("rates")[2:])
    print(json.dumps(found))


def run(side: str, folder: Path, arguments: list[str]) -> dict[str, Any]:
    """One side in a process of its own."""
    command = [sys.executable, __file__, *arguments, "--side", side, "--folder", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"}, check=False
    )
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=150_000)
    parser.add_argument("--width", type=int, default=256, help="of the student; the teacher is twice as wide and deep")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--length", type=int, default=256)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        child(options.side, options.folder, options)
        return
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_models(folder, options)
        make_examples(folder, options, 0)
        each = make_examples(folder, options, 64)
        rounds = [{side: run(side, folder, sys.argv[1:]) for side in SIDES} for _ in range(options.rounds)]
    print(f"{options.vocabulary:,} tokens, k = 64: {each:.0f} bytes a learned token on disk")
    print("| | tokens/s | against TRL | peak memory, MiB | against TRL | first loss | busy |")
    print("|---|---|---|---|---|---|---|")
    for side in SIDES:
        middle = {
            key: statistics.median(found[side][key] / (found["trl"][key] if ratio else 1) for found in rounds)
            for key, ratio in (("rate", False), ("peak", False))
        }
        fast = statistics.median(found[side]["rate"] / found["trl"]["rate"] for found in rounds)
        small = statistics.median(found[side]["peak"] / found["trl"]["peak"] for found in rounds)
        last = rounds[-1][side]
        busy = f"{last['busy']:.1%}" if last["busy"] is not None else ""
        print(
            f"| {side} | {middle['rate']:.0f} | {fast:.2f} | {middle['peak']:.0f} | {small:.2f} "
            f"| {last['losses'][0] or 0:.4f} | {busy} |"
        )


if __name__ == "__main__":
    main()
