#!/usr/bin/env python3
"""Build the built-in model: carry out recipes/nano.toml, put the file in its place, and write its card.

    python scripts/build_nano.py                 # hours on two cores; stopped at any moment, the same command goes on
    python scripts/build_nano.py --ablations     # also the same student without soft targets, curriculum, traces

The teacher grows from the first edgemind-nano, which was trained from nothing in 83 minutes; that file is taken from
this repository's history.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes" / "nano.toml"
RUN = ROOT / "runs" / "nano"
SEED = RUN / "seed.gguf"
OUT = ROOT / "edgemind" / "data" / "edgemind-nano.gguf"
SEED_COMMIT = "f95347f08d7d78b523ef8ba865180d28cab670e4"
SEED_SHA256 = "50d7bced8c6b977fe4dd4641f9297dc375d94b26ffb52114d62c35b84f2418c2"
INTRODUCTION = (
    "The model that comes with EdgeMind: a Qwen3-shaped decoder, distilled from a teacher that was trained on "
    "procedurally generated problems with written-out steps. It contains no third-party text. It reasons inside "
    "`<think>` and then answers in one sentence; what it does not cover it declines.",
    "It is not a general assistant: it knows no facts, and phrasings far from its training may fail. Check what "
    "matters.",
)


def fetch_seed(target: Path) -> None:
    """The earlier model out of the history, with its hash checked."""
    if not target.exists():
        shown = f"{SEED_COMMIT}:edgemind/data/edgemind-nano.gguf"
        made = subprocess.run(["git", "-C", ROOT, "show", shown], capture_output=True, check=False)
        if made.returncode:
            raise SystemExit(
                f"The history of this clone does not reach back to {SEED_COMMIT[:12]}: git fetch --unshallow"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(made.stdout)
    if hashlib.sha256(target.read_bytes()).hexdigest() != SEED_SHA256:
        raise SystemExit(f"{target} is not the file that the teacher grew from; remove it and run this again.")


def recipe_of_this_build(target: Path) -> Path:
    """The recipe with the teacher's seed pinned: what is built today must not depend on what was built before."""
    text, pinned = RECIPE.read_text(encoding="utf-8"), f'from = "{SEED}"'
    if 'from = "edgemind-nano"' not in text:
        raise SystemExit(f"{RECIPE} does not grow its teacher from edgemind-nano any more.")
    target.write_text(text.replace('from = "edgemind-nano"', pinned), encoding="utf-8")
    return target


def write_card(out: Path, file: Path) -> None:
    """The card, from the records of the run of the recipe ``file``."""
    from edgemind.distill import model_card
    from edgemind.distill.evaluation.result import read_evaluated
    from edgemind.distill.pipeline.stage import Run
    from edgemind.distill.pipeline.stages import stages_of
    from edgemind.distill.pipeline.stages.evaluate import folder_of
    from edgemind.distill.pipeline.variants import VARIANTS
    from edgemind.distill.recipe.reading import read_recipe

    recipe = read_recipe(file)
    run = Run(recipe, RUN, VARIANTS, "", file)
    records = {stage.name: record for stage in stages_of(run) if (record := run.records.read(stage.name))}
    trainings = {"teacher": records["teacher"].figures}
    trainings |= {name.removeprefix("train "): r.figures for name, r in records.items() if name.startswith("train ")}
    subjects = [name.removeprefix("evaluate ") for name in records if name.startswith("evaluate ")]
    assert recipe.student.shape
    facts = model_card.CardFacts(
        name=recipe.model_name,
        introduction=INTRODUCTION,
        trainings={
            subject: model_card.Training(figures["steps"], figures["tokens"], figures["seconds"])
            for subject, figures in trainings.items()
        },
        machine=records["train full"].machine,
        seconds=sum(record.seconds for record in records.values()),
        seed=recipe.seed,
        context=recipe.student.shape.context,
        built=records["export"].started[:10],
        making="`recipes/nano.toml` says how, and `python scripts/build_nano.py` repeats it.",
    )
    model_card.write_card(out, facts, {name: read_evaluated(folder_of(run, name), name) for name in subjects})


def main() -> None:
    """Build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    fetch_seed(SEED)
    recipe = recipe_of_this_build(RUN / "nano.toml")
    command = [Path(sys.executable).with_name("edgemind"), "distill", recipe, "--run-dir", RUN]
    done = subprocess.run([*command, *(["--ablations"] if options.ablations else [])], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)
    partial = options.out.with_suffix(".partial")
    shutil.copyfile(RUN / "export" / "edgemind-nano.gguf", partial)
    partial.replace(options.out)
    write_card(options.out.with_suffix(".md"), recipe)


if __name__ == "__main__":
    main()
