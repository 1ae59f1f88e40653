"""How far do drafts move logits? The same text decoded token by token, and several tokens at once.

llama.cpp rounds several rows otherwise than one. For each model, with and without flash attention and by the number of
tokens at once: whether all bits of all rows are equal, and if not the standard deviation of the difference as a share
of that of the logits (``rounding.NOISE``), of the first tokens and of the last fifty, when every cell that came after
the prompt was computed so; and the largest change of a token's lead over the next, in standard deviations of such
changes as ``rounding`` takes them. Writes Markdown.

    python scripts/measure_rounding.py edgemind/data/edgemind-nano.gguf
    python scripts/measure_rounding.py --random-weights qwen3-0.6b llama-3.2-1b
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_lookup import code

from edgemind.engine import llama
from edgemind.engine.rounding import NOISE

PROMPT, TEXT = 200, 150
"""Tokens."""

CELLS = 512
TOGETHER = (2, 3, 4, 8, 16)
LAST = 50

Rows = npt.NDArray[np.float32]


def rows(context: llama.Context, prompt: list[int], text: list[int], together: int) -> Rows:
    """The logits ``[text, vocab]``, so many tokens at once."""
    batch = llama.Batch(512)
    context.seq_remove(0, 0)
    batch.extend(prompt, 0, 0, 0)
    context.decode(batch)
    found = []
    for start in range(0, len(text), together):
        part = text[start : start + together]
        batch.clear()
        last = batch.extend(part, len(prompt) + start, 0, len(part))
        context.decode(batch)
        found += [context.logits(last - len(part) + 1 + row).copy() for row in range(len(part))]
    return np.array(found)


def lead_changes(alone: Rows, difference: Rows) -> Rows:
    """How far the lead of the likeliest token over the next moved ``[text]``."""
    order = np.argpartition(alone, -2, axis=1)[:, -2:]
    moved = np.take_along_axis(difference, order, axis=1)
    return np.asarray(np.abs(moved[:, 1] - moved[:, 0]), np.float32)


def table(path: Path, threads: int) -> Iterator[str]:
    with llama.Model.open(str(path)) as model:
        rng = random.Random(5)
        shown = model.vocab.tokenize("\n".join(code(rng, 60)), add_special=False, parse_special=False)
        if len(shown) < PROMPT + TEXT:
            shown = [rng.randrange(300, model.n_vocab) for _ in range(PROMPT + TEXT)]
        prompt, text = shown[:PROMPT], shown[PROMPT : PROMPT + TEXT]
        for flash in (False, True):
            options: dict[str, Any] = {"n_ctx": CELLS, "threads": threads, "flash_attention": flash, "n_outputs": 16}
            with llama.Context(model, **options) as context:
                alone = rows(context, prompt, text, 1)
                spread = alone.std(axis=1)
                for together in TOGETHER:
                    difference = rows(context, prompt, text, together) - alone
                    if not difference.any():
                        yield f"| {path.stem} | {'on' if flash else 'off'} | {together} | all bits equal | | |"
                        continue
                    noise = difference.std(axis=1) / spread
                    moved = lead_changes(alone, difference) / (math.sqrt(2) * NOISE * spread)
                    yield (
                        f"| {path.stem} | {'on' if flash else 'off'} | {together} "
                        f"| {noise[:together].mean():.4f} | {noise[-LAST:].mean():.4f} | {moved.max():.1f} |"
                    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--random-weights", nargs="*", default=[], help="Shapes, see edgemind.convert.shapes.")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print("| model | flash attention | at once | noise, first tokens | last fifty | largest change of a lead |")
    print("|---" * 6 + "|")
    with tempfile.TemporaryDirectory() as folder:
        made = []
        for shape in options.random_weights:
            from edgemind.convert import random_weights

            made.append(random_weights.build(shape, Path(folder) / f"{shape}.gguf"))
        for path in [*options.models, *made]:
            for line in table(path, options.threads):
                print(line, flush=True)


if __name__ == "__main__":
    main()
