"""Teach the built-in model to write a file again with one name changed, for measuring drafts on edits that copy.

The shipped model is too small to copy what it is shown; this makes one that does, in some minutes on one core, and
writes it as a GGUF file. Every file is drawn (``file_and_edit``), so nothing can be learned by heart.

    python scripts/teach_renaming.py renaming.gguf --minutes 15
    python scripts/bench_lookup.py renaming.gguf --edits 40 --cells 1024
"""

from __future__ import annotations

import argparse
import math
import random
import re
import tempfile
import time
from pathlib import Path

SYLLABLES = [consonant + vowel for consonant in "bdfklmnprstvz" for vowel in "aeio"]
RATE = 1e-3
LINES = (2, 14)
"""Of a file while it learns; short ones first."""

TOKENS = 3000
"""Of one step, roughly."""


def file_and_edit(rng: random.Random, lines: int) -> tuple[str, str]:
    """A file that ends in what is to be changed, and the changed file."""
    names = ["".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 3))) for _ in range(10)]
    made = []
    for number in range(lines):
        a, b, c = (rng.choice(names) for _ in range(3))
        forms = (
            f"def {a}_{b}({c}):",
            f"    {a} = {b}.{c}({number})",
            f"    return {a} + {b}",
            f"    if {a} > {number}:",
        )
        made.append(rng.choice(forms))
    old, new = rng.choice(names), "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 3)))
    changed = [re.sub(rf"(?<![a-z]){old}(?![a-z])", new, line) for line in made]
    return "\n".join(made) + f"\n# {old} is now {new}\n", "\n".join(changed) + "\n"


def teach(source: Path, folder: Path, minutes: float) -> None:
    """Train the network of ``source`` on edits; a checkpoint in ``folder``."""
    import torch
    from transformers import AutoTokenizer

    from edgemind.distill.students import open_network
    from edgemind.distill.tokenizer_files import tokenizer_of_gguf

    torch.set_num_threads(1)
    torch.manual_seed(0)
    tokenizer_of_gguf(source, folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = open_network(source).float().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.01)
    rng, began, step = random.Random(0), time.monotonic(), 0
    while (done := (time.monotonic() - began) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 20) * (0.05 + 0.475 * (1 + math.cos(math.pi * done)))
        lines = rng.randint(LINES[0], LINES[0] + 2 + int((LINES[1] - LINES[0] - 2) * min(1, 2 * done)))
        pairs = [file_and_edit(rng, lines) for _ in range(max(4, TOKENS // (32 * lines)))]
        encoded = [[tokenizer(text, add_special_tokens=False).input_ids for text in pair] for pair in pairs]
        width = max(len(shown) + len(wanted) for shown, wanted in encoded)
        ids = torch.zeros(len(encoded), width, dtype=torch.long)
        labels = torch.full_like(ids, -100)
        for row, (shown, wanted) in enumerate(encoded):
            ids[row, : len(shown) + len(wanted)] = torch.tensor(shown + wanted)
            labels[row, len(shown) : len(shown) + len(wanted)] = torch.tensor(wanted)
        logits = network(input_ids=ids).logits[:, :-1].flatten(0, 1)
        loss = torch.nn.functional.cross_entropy(logits, labels[:, 1:].flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 20 == 0:
            print(f"step {step}, {done:.0%}: loss {loss.item():.3f} on files of {lines} lines", flush=True)
    network.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--type", default="q8_0", choices=("f16", "q8_0"), help="Of the weights in the file.")
    options = parser.parse_args()
    from edgemind.convert.convert import convert
    from edgemind.models import builtin

    with tempfile.TemporaryDirectory() as folder:
        teach(builtin.path(), Path(folder), options.minutes)
        convert(Path(folder), options.out, type=options.type, name="renaming")


if __name__ == "__main__":
    main()
