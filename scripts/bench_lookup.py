"""What drafts from the context do to decode speed, and to what is written: with and without them, in one run.

Speed: the model decodes a text that is given, so that one with random weights does the work of one that can write: once
a file that it was shown with every twelfth line changed, once lines that were not there before. All of the model, the
scheduler and the sampler runs; only which token is chosen is given. With --greedy a close call is given too, at one
token in --close, and what drafts computed is then computed again.
With --edits nothing is given: a model that was taught to write a file with one name changed (``teach_renaming.py``)
does so, greedily, and what it writes with drafts and without is compared token for token.
Rounds with and without drafts alternate; read the ratios of medians. With one thread its processor time is measured,
which other programs do not change. Writes Markdown.

    python scripts/bench_lookup.py edgemind/data/edgemind-nano.gguf --cells 1024
    python scripts/bench_lookup.py --random-weights qwen3-0.6b --threads 2 --greedy --close 500
    python scripts/bench_lookup.py renaming.gguf --cells 1024 --edits 40
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from teach_renaming import file_and_edit, words_of

from edgemind.engine import llama
from edgemind.engine.contexts import ContextPlan, Contexts
from edgemind.engine.drafting import MOST
from edgemind.engine.events import Done, Event, GenerateRequest, Sampling, Stats
from edgemind.engine.live import LiveRequest, Voice
from edgemind.engine.prompts import Prompt
from edgemind.engine.reasoning_formats import FORMATS
from edgemind.engine.scheduler import Scheduler

WORDS = ("read", "write", "open", "close", "first", "last", "value", "count", "name", "path", "line", "text", "token")
GREEDY = llama.resolve(Sampling(temperature=0))


def code(rng: random.Random, lines: int) -> list[str]:
    """Lines that look like a program, of words that are drawn."""
    made = []
    for number in range(lines):
        one, two, three = (rng.choice(WORDS) for _ in range(3))
        made.append(rng.choice([f"def {one}_{two}_{number}({three}):", f"    {one} = {two}.{three}({number})"]))
    return made


class Given:
    """A sampler that does its work and then chooses the token that is given; one in ``close`` is a close call."""

    def __init__(self, sampler: llama.Sampler, text: list[int], close: int | None) -> None:
        self._sampler = sampler
        self._text = text
        self._next = 0
        self._close = close
        self._rng = random.Random(3)
        self.greedy = close is not None

    def sample(self, context: llama.Context, index: int) -> int:
        self._sampler.sample(context, index)
        return self._given()

    def sample_clear(self, context: llama.Context, index: int, least: float) -> int | None:
        self._sampler.sample_clear(context, index, least)
        return None if self._close and self._rng.randrange(self._close) == 0 else self._given()

    def _given(self) -> int:
        self._next += 1
        return self._text[self._next - 1]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sampler, name)


class Bench:
    """One model, one sequence, in this process."""

    def __init__(self, path: Path, cells: int, threads: int, close: int | None) -> None:
        self.close = close
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
            flash_for=lambda _: False,
            drafted=MOST,
            guarded=True,
        )
        self.contexts = Contexts(self.model, plan)
        self.contexts.reserve(cells)
        self.scheduler = Scheduler(self.contexts, lambda _, event: self.said.append(event), self.clock)
        self.said: list[Event] = []

    def run(
        self, prompt: list[int], count: int, drafts: bool, given: list[int] | None = None, ends: bool = False
    ) -> tuple[list[int], Stats]:
        request = GenerateRequest(tokens=tuple(prompt), max_tokens=count, ignore_end=not ends, speculate=drafts)
        sampler: Any = llama.Sampler.build(self.model, GREEDY)
        if given is not None:
            sampler = Given(sampler, given, self.close)
        voice = Voice(self.vocab, FORMATS["none"], frozenset())
        live = LiveRequest(1, request, Prompt(prompt, inside=False, raw=True), voice, sampler, None, self.clock)
        self.scheduler.add(live)
        while self.scheduler.busy:
            self.scheduler.step()
        for slot in self.contexts.slots:
            self.contexts.clear(slot)
        done = self.said[-1]
        self.said.clear()
        assert isinstance(done, Done), done
        return live.tokens[len(prompt) :], done.stats

    def tokens(self, text: str) -> list[int]:
        return self.vocab.tokenize(text, add_special=False, parse_special=False)


def speed(bench: Bench, rounds: int, lines: int) -> None:
    rng = random.Random(5)
    shown = code(rng, lines)
    changed = [line if number % 12 else code(rng, 1)[0] for number, line in enumerate(shown)]
    texts = {"copies, 1 line of 12 changed": changed, "writes other lines": code(rng, lines)}
    letters = [chr(rng.randrange(97, 123)) + chr(rng.randrange(97, 123)) for _ in range(12 * lines)]
    print("| text | tokens | without drafts, tokens/s | with | ratio | drafted | kept |\n" + "|---" * 7 + "|")
    for name, text in {**texts, "writes random letters": letters}.items():
        given = bench.tokens("\n".join(text))[: 14 * lines]
        rates: dict[bool, list[float]] = {False: [], True: []}
        for number in range(2 * rounds):
            on = number % 2 == 1
            _, stats = bench.run(bench.tokens("\n".join(shown) + "\n"), len(given), on, given)
            rates[on].append(stats.decode_rate)
        before, after = (statistics.median(rates[on]) for on in (False, True))
        print(
            f"| {name} | {len(given)} | {before:.1f} | {after:.1f} | {after / before:.2f} "
            f"| {stats.drafted_tokens} | {stats.accepted_tokens} |",
            flush=True,
        )


def edits(bench: Bench, files: int, lines: int) -> None:
    """Each file once without and once with drafts, in turns which comes first."""
    rng, words = random.Random(11), words_of(bench.vocab, bench.model.n_vocab)
    same = right = drafted = kept = 0
    seconds = {False: 0.0, True: 0.0}
    ratios = []
    for number in range(files):
        shown, wanted = file_and_edit(rng, words, lines)
        prompt, answer = bench.tokens(shown), bench.tokens(wanted)
        found: dict[bool, tuple[list[int], Stats]] = {}
        for on in (False, True) if number % 2 else (True, False):
            found[on] = bench.run(prompt, len(answer), on)
        same += found[False][0] == found[True][0]
        right += found[True][0] == answer
        for on in seconds:
            seconds[on] += found[on][1].decode_seconds
        ratios.append(found[False][1].decode_seconds / found[True][1].decode_seconds)
        drafted += found[True][1].drafted_tokens
        kept += found[True][1].accepted_tokens
    print(
        f"| edits | the same with drafts | right | decoding without, s | with | ratio | of single files, quarters "
        f"| drafted | kept |\n{'|---' * 9}|\n"
        f"| {files} of {lines} lines | {same} | {right} | {seconds[False]:.2f} | {seconds[True]:.2f} "
        f"| {seconds[False] / seconds[True]:.2f} "
        f"| {' '.join(f'{one:.2f}' for one in statistics.quantiles(ratios, n=4))} | {drafted} | {kept} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--random-weights", default="qwen3-0.6b")
    parser.add_argument("--greedy", action="store_true", help="As a greedy answer, which has to be the same.")
    parser.add_argument("--close", type=int, default=0, help="With --greedy, one token of so many is a close call.")
    parser.add_argument("--edits", type=int, default=0, help="Let the model itself edit so many files.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=24)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cells", type=int, default=2048)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model
        if path is None:
            from edgemind.convert import random_weights

            path = random_weights.build(options.random_weights, Path(folder) / "model.gguf")
        bench = Bench(path, options.cells, options.threads, options.close if options.greedy else None)
        if options.edits:
            edits(bench, options.edits, options.lines)
        else:
            speed(bench, options.rounds, options.lines)


if __name__ == "__main__":
    main()
