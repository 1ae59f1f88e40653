"""Teach the built-in model to write a file again with one name changed, for measuring drafts on edits that copy.

The shipped model is too small to copy what it is shown; this makes one that does, in some minutes on one core, and
writes it as a GGUF file. Every file is drawn (``file_and_edit``), so nothing but the change can be learned by heart.

    python scripts/teach_renaming.py renaming.gguf
    python scripts/bench_lookup.py renaming.gguf --cells 1024 --edits 40
"""

from __future__ import annotations

import argparse
import math
import random
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from edgemind.engine import llama

RATE = 1e-3
LINES = (3, 30)
"""Of a file while it learns; short ones first."""

TOKENS = 3000
"""Of one step, roughly."""

LINE = "{}{} ={}{},{}\n"
"""Of five words."""

OLD, NEW = " answer", " count"
OFTEN = 2
"""Places where the old word stands."""


def words_of(vocab: llama.Vocab, size: int) -> list[str]:
    """The words, each with the blank before it, that are one token."""
    texts = (vocab.piece(token).decode("utf-8", "replace") for token in range(size))
    return sorted({text for text in texts if re.fullmatch(" [a-z]{3,}", text)})


def file_and_edit(rng: random.Random, words: Sequence[str], lines: int) -> tuple[str, str]:
    """A file that ends in what is to be changed, and the changed file."""
    made = [[rng.choice(words) for _ in range(5)] for _ in range(lines)]
    for _ in range(OFTEN):
        made[rng.randrange(lines)][rng.randrange(5)] = OLD
    changed = [[NEW if word == OLD else word for word in line] for line in made]
    before, after = ("".join(LINE.format(*line) for line in each) for each in (made, changed))
    return f"{before}#{OLD} is now{NEW}\n", after


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
    with llama.Model.open(str(source)) as model:
        words = words_of(model.vocab, model.n_vocab)
    network = open_network(source).float().train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.01)
    rng, began, step = random.Random(0), time.monotonic(), 0
    while (done := (time.monotonic() - began) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 20) * (0.05 + 0.475 * (1 + math.cos(math.pi * done)))
        lines = rng.randint(LINES[0], LINES[0] + 2 + int((LINES[1] - LINES[0] - 2) * min(1, 2 * done)))
        pairs = [file_and_edit(rng, words, lines) for _ in range(max(4, TOKENS // (20 * lines)))]
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
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 20 == 0:
            right = (logits.argmax(-1) == labels[:, 1:].flatten()).sum() / (labels[:, 1:] >= 0).sum()
            print(f"step {step}, {done:.0%}: {right:.2%} of the tokens right in files of {lines} lines", flush=True)
    network.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--type", default="q8_0", choices=("f16", "q8_0"), help="Of the weights in the file.")
    options = parser.parse_args()
    if options.out.exists():
        parser.error(f"{options.out} is there already")
    from edgemind.convert.convert import convert
    from edgemind.models import builtin

    with tempfile.TemporaryDirectory() as folder:
        teach(builtin.path(), Path(folder), options.minutes)
        convert(Path(folder), options.out, type=options.type, name="renaming")


if __name__ == "__main__":
    main()
