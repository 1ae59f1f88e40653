#!/usr/bin/env python3
"""Build the built-in model in one go: data, tokenizer, training, export, evaluation, model card.

    python scripts/build_nano.py --out edgemind/data/edgemind-nano.gguf --run-dir runs/nano

Stopped at any moment, the same command goes on from the last checkpoint. ``--export-only`` writes the GGUF file of the
last checkpoint and does nothing else, also while a training runs.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import torch

from edgemind.distill.card import CardFacts, table, write_card
from edgemind.distill.evaluate import Outcome, declined, engine_generator, evaluate
from edgemind.distill.export import About, write_gguf
from edgemind.distill.nano import STEPS, TRAINING_FAMILIES, nano_recipe
from edgemind.distill.problems import ALL_FAMILIES
from edgemind.distill.problems.language.unseen import FACT_QUESTIONS_UNSEEN
from edgemind.distill.train import Run

DESCRIPTION = "A small reasoning model for arithmetic, counting, units, time, word problems and small Python functions"


def git_commit() -> str:
    """The commit that the code is at, or ``unknown`` outside a checkout."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def export(run: Run, out: Path) -> None:
    """Write the model of the run's last checkpoint."""
    provenance: dict[str, str | int] = {
        "seed": run.recipe.seed,
        "steps": run.step,
        "train_tokens": run.tokens,
        "commit": git_commit(),
        "data": "procedurally generated, no third-party text",
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_gguf(out, run.model, run.tokenizer, About("edgemind-nano", DESCRIPTION, provenance))
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB after step {run.step}")


def measure(model: Path, count: int, seed: int) -> tuple[dict[str, list[Outcome]], list[Outcome]]:
    """What the engine makes of held-out problems and unseen factual questions with this file."""
    generate = engine_generator(model)
    return evaluate(generate, ALL_FAMILIES, count, seed), declined(generate, FACT_QUESTIONS_UNSEEN)


def main() -> None:
    """Parse the options and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("edgemind/data/edgemind-nano.gguf"))
    parser.add_argument("--run-dir", type=Path, default=Path("runs/nano"))
    parser.add_argument("--steps", type=int, default=STEPS, help="fewer for a trial")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--eval-count", type=int, default=200, help="held-out problems per family in the model card")
    parser.add_argument("--export-only", action="store_true", help="write the last checkpoint as GGUF and stop")
    parser.add_argument("--evaluate", action="store_true", help="measure the file at --out and stop")
    parser.add_argument("--show-wrong", type=int, default=0, help="with --evaluate: print so many misses a family")
    options = parser.parse_args()
    if options.evaluate:
        outcomes, unseen = measure(options.out, options.eval_count, options.seed + 1)
        print(table(ALL_FAMILIES, outcomes, unseen), end="")
        for name, made in {**outcomes, "unseen facts": unseen}.items():
            for miss in [outcome for outcome in made if not outcome.right][: options.show_wrong]:
                print(f"\n{name}: {miss.problem.prompt}\n{miss.thought}\n-> {miss.answer}   ({miss.problem.result})")
        return
    torch.set_num_threads(options.threads)
    run = Run(options.run_dir, nano_recipe(options.steps, options.seed), TRAINING_FAMILIES)
    if options.export_only:
        export(run, options.out)
        return
    run.train()
    export(run, options.out)
    outcomes, unseen = measure(options.out, options.eval_count, options.seed + 1)
    facts = CardFacts(
        parameters=sum(p.numel() for p in run.model.parameters()),
        steps=run.step,
        tokens=run.tokens,
        seconds=run.seconds,
        machine=f"{os.cpu_count()} CPU cores, {platform.machine()}",
        seed=run.recipe.seed,
        context=run.recipe.shape.context,
        built=datetime.now(timezone.utc).date().isoformat(),
    )
    write_card(options.out.with_suffix(".md"), facts, ALL_FAMILIES, outcomes, unseen)


if __name__ == "__main__":
    main()
