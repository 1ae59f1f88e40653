"""What drafts from the context do to decode speed, and to what is written: with and without them, in one run.

Speed: the model decodes a text that is given, so that one with random weights does the work of one that can write: once
a file that it was shown with every twelfth line changed, once lines that were not there before. All of the model, the
scheduler and the sampler runs; only which token is chosen is given.
With --greedy one token in fifty is a close call, which is decoded again; and answers of the model's own to many
prompts, with and without drafts, are compared token for token.
Rounds with and without drafts alternate; read the ratios of medians. With one thread its processor time is measured,
which other programs do not change. Writes Markdown.

    python scripts/bench_lookup.py edgemind/data/edgemind-nano.gguf --cells 1024
    python scripts/bench_lookup.py --random-weights qwen3-0.6b --threads 2
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from edgemind.engine import llama
from edgemind.engine.contexts import ContextPlan, Contexts
from edgemind.engine.drafting import MOST
from edgemind.engine.events import Done, Event, GenerateRequest, Sampling
from edgemind.engine.live import LiveRequest, Voice
from edgemind.engine.prompts import Prompt
from edgemind.engine.reasoning_formats import FORMATS
from edgemind.engine.scheduler import Scheduler

WORDS = ("read", "write", "open", "close", "first", "last", "value", "count", "name", "path", "line", "text", "token")
CLOSE = 50
"""One token of so many is a close call."""

GREEDY = llama.resolve(Sampling(temperature=0))


def code(rng: random.Random, lines: int) -> list[str]:
    """Lines that look like a program, of words that are drawn."""
    made = []
    for number in range(lines):
        one, two, three = (rng.choice(WORDS) for _ in range(3))
        made.append(rng.choice([f"def {one}_{two}_{number}({three}):", f"    {one} = {two}.{three}({number})"]))
    return made


class Given:
    """A sampler that does its work and then chooses the token that is given."""

    def __init__(self, sampler: llama.Sampler, text: list[int], greedy: bool) -> None:
        self._sampler = sampler
        self._text = text
        self._next = 0
        self._close = random.Random(3)
        self.greedy = greedy

    def sample(self, context: llama.Context, index: int) -> int:
        self._sampler.sample(context, index)
        token = self._text[self._next]
        self._next += 1
        return token

    def margin(self, context: llama.Context, index: int) -> float:
        self._sampler.margin(context, index)
        return 0.0 if self._close.randrange(CLOSE) == 0 else 9.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sampler, name)


class Bench:
    """One model, one sequence, in this process."""

    def __init__(self, path: Path, cells: int, threads: int, greedy: bool) -> None:
        self.greedy = greedy
        self.clock = time.thread_time if threads == 1 else time.perf_counter
        self.model = llama.Model.open(str(path))
        self.vocab = self.model.vocab
        plan = ContextPlan(
            limit=cells,
            total_limit=cells,
            n_seq=1,
            threads=threads,
            fixed_threads=True,
            n_batch=512,
            kv_type="f16",
            flash_for=lambda _: greedy,
            exact=greedy,
            drafted=MOST,
        )
        self.contexts = Contexts(self.model, plan)
        self.contexts.reserve(cells)

    def run(self, prompt: list[int], count: int, drafts: bool, given: list[int] | None = None) -> tuple[list[int], Any]:
        said: list[Event] = []
        scheduler = Scheduler(self.contexts, lambda _, event: said.append(event), self.clock)
        request = GenerateRequest(tokens=tuple(prompt), max_tokens=count, ignore_end=True, speculate=drafts)
        sampler: Any = llama.Sampler.build(self.model, GREEDY)
        if given is not None:
            sampler = Given(sampler, given, self.greedy)
        voice = Voice(self.vocab, FORMATS["none"], frozenset())
        live = LiveRequest(1, request, Prompt(prompt, inside=False, raw=True), voice, sampler, None, self.clock)
        scheduler.add(live)
        while scheduler.busy:
            scheduler.step()
        for slot in self.contexts.slots:
            self.contexts.clear(slot)
        done = said[-1]
        assert isinstance(done, Done), done
        return live.tokens[len(prompt) :], done.stats

    def tokens(self, lines: list[str]) -> list[int]:
        return self.vocab.tokenize("\n".join(lines) + "\n", add_special=False, parse_special=False)


def speed(bench: Bench, rounds: int, lines: int) -> None:
    rng = random.Random(5)
    shown = code(rng, lines)
    changed = [line if number % 12 else code(rng, 1)[0] for number, line in enumerate(shown)]
    texts = {"copies, 1 line of 12 changed": changed, "writes other lines": code(rng, lines)}
    letters = [chr(rng.randrange(97, 123)) + chr(rng.randrange(97, 123)) for _ in range(12 * lines)]
    print("| text | tokens | without drafts, tokens/s | with | ratio | drafted | kept |\n" + "|---" * 7 + "|")
    for name, text in {**texts, "writes random letters": letters}.items():
        given = bench.tokens(text)[: 14 * lines]
        rates: dict[bool, list[float]] = {False: [], True: []}
        for number in range(2 * rounds):
            on = number % 2 == 1
            _, stats = bench.run(bench.tokens(shown), len(given), on, given)
            rates[on].append(stats.decode_rate)
        before, after = (statistics.median(rates[on]) for on in (False, True))
        print(
            f"| {name} | {len(given)} | {before:.1f} | {after:.1f} | {after / before:.2f} "
            f"| {stats.drafted_tokens} | {stats.accepted_tokens} |",
            flush=True,
        )


def identity(bench: Bench, prompts: int, count: int) -> None:
    rng = random.Random(11)
    same = drafted = kept = 0
    for _ in range(prompts):
        prompt = bench.tokens(code(rng, 6))
        plain, _ = bench.run(prompt, count, False)
        other, stats = bench.run(prompt, count, True)
        same += plain == other
        drafted += stats.drafted_tokens
        kept += stats.accepted_tokens
    print(
        f"\nGreedy answers of {count} tokens: {same} of {prompts} the same token for token with drafts as without; "
        f"of {drafted} drafted tokens {kept} were kept."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--random-weights", default="qwen3-0.6b")
    parser.add_argument("--greedy", action="store_true", help="With flash attention, for weights in Q8_0.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cells", type=int, default=2048)
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--count", type=int, default=150)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model
        if path is None:
            from edgemind.convert import random_weights

            path = random_weights.build(options.random_weights, Path(folder) / "model.gguf")
        bench = Bench(path, options.cells, options.threads, options.greedy)
        speed(bench, options.rounds, options.lines)
        if options.greedy:
            identity(bench, options.prompts, options.count)


if __name__ == "__main__":
    main()
