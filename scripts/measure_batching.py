"""Does company change an answer? Greedy tokens of eight prompts, each alone and all at once.

Our scheduler gives llama.cpp the same tokens at the same positions either way; what differs is llama.cpp's own
rounding, since it multiplies one row by other kernels than several. Prints, for each model, how many of the answers
are the same token for token, and where the first difference comes.

    python scripts/measure_batching.py edgemind/data/edgemind-nano.gguf other.gguf
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from edgemind.engine.client import Engine, Generation
from edgemind.engine.events import Answer, GenerateRequest, LoadOptions, Sampling, Thinking

SEQUENCES = 8
ROUNDS = 4
TOKENS = 64


def pieces(generation: Generation) -> list[str]:
    return [event.text for event in generation if isinstance(event, Answer | Thinking)]


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        rng = random.Random(3)
        same, first = 0, []
        with Engine(LoadOptions(path=str(path), sequences=SEQUENCES, flash_attention="off")) as engine:
            vocabulary = min(engine.wait_loaded().vocabulary, 1500)
            for _ in range(ROUNDS):
                requests = [
                    GenerateRequest(
                        tokens=tuple(rng.randrange(500, vocabulary) for _ in range(rng.randrange(8, 60))),
                        sampling=Sampling(temperature=0),
                        max_tokens=TOKENS,
                        ignore_end=True,
                        speculate=False,
                    )
                    for _ in range(SEQUENCES)
                ]
                alone = [pieces(engine.generate(request)) for request in requests]
                together = [pieces(generation) for generation in [engine.generate(request) for request in requests]]
                for one, other in zip(alone, together, strict=True):
                    same += one == other
                    if one != other:
                        first.append(next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b))
        where = f"; the others part at token {sorted(first)} of {TOKENS}" if first else ""
        print(f"{path.name}: {same} of {ROUNDS * SEQUENCES} answers the same alone and among seven others{where}")


if __name__ == "__main__":
    main()
