"""Compare EdgeMind's whole path with llama.cpp alone, on the same file, in one run.

Peers: llama.cpp through its C bindings with flash attention on (its default) and off, the decode loop of
``llama-bench``; and ``llama_cpp.Llama``'s own streaming. Rounds are interleaved so that a machine that slows
down slows all of them; ratios of medians are what to read. Writes Markdown.

    python scripts/bench_engine.py --random-weights qwen3-0.6b --depth 0 --depth 512 --depth 1024 --rounds 5
"""

from __future__ import annotations

import argparse
import ctypes
import datetime
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path

import llama_cpp
from llama_cpp import llama_cpp as native

from edgemind.engine.client import Engine
from edgemind.engine.events import Answer, Done, GenerateRequest, LoadOptions, Sampling, Thinking
from edgemind.models.hardware import machine

DECODE_TOKENS = 48
BATCH = 512


class Native:
    """llama.cpp as ``llama-bench`` drives it: one context, greedy tokens drawn at random, no sampling, no text."""

    def __init__(self, path: Path, threads: int, n_ctx: int, flash: bool) -> None:
        self.model = native.llama_model_load_from_file(str(path).encode(), native.llama_model_default_params())
        params = native.llama_context_default_params()
        params.n_ctx, params.n_batch, params.n_ubatch = n_ctx, BATCH, BATCH
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = 1 if flash else 0
        self.context = native.llama_init_from_model(self.model, params)

    def decode_rate(self, tokens: list[int]) -> float:
        native.llama_memory_clear(native.llama_get_memory(self.context), True)
        for start in range(0, len(tokens), BATCH):
            self._decode(tokens[start : start + BATCH])
        began = time.perf_counter()
        for number in range(DECODE_TOKENS):
            self._decode([tokens[number % len(tokens)]])
        return DECODE_TOKENS / (time.perf_counter() - began)

    def _decode(self, tokens: list[int]) -> None:
        array = (native.llama_token * len(tokens))(*tokens)
        if native.llama_decode(self.context, native.llama_batch_get_one(array, len(tokens))):
            raise SystemExit("llama_decode failed")
        native.llama_synchronize(self.context)

    def close(self) -> None:
        native.llama_free(self.context)
        native.llama_model_free(self.model)


class Wrapper:
    """``llama_cpp.Llama``, streaming, greedy."""

    def __init__(self, path: Path, threads: int, n_ctx: int) -> None:
        self.llama = llama_cpp.Llama(
            str(path), n_ctx=n_ctx, n_batch=BATCH, n_threads=threads, n_threads_batch=threads, verbose=False
        )
        eog = [token for token in range(self.llama.n_vocab()) if self._ends(token)]
        self.bias = dict.fromkeys(eog, -1e9)

    def close(self) -> None:
        self.llama.close()

    def _ends(self, token: int) -> bool:
        return bool(native.llama_vocab_is_eog(native.llama_model_get_vocab(self.llama.model), token))

    def decode_rate(self, tokens: list[int]) -> float:
        self.llama.reset()
        times = [
            time.perf_counter()
            for _ in self.llama.create_completion(
                tokens, max_tokens=DECODE_TOKENS + 1, temperature=0, stream=True, logit_bias=self.bias
            )
        ]
        return (len(times) - 1) / (times[-1] - times[0])


class Ours:
    """The engine client: pipe, worker, scheduler, parser, events."""

    def __init__(self, path: Path, threads: int, n_ctx: int) -> None:
        self.engine = Engine(LoadOptions(path=str(path), context=n_ctx, threads=threads, sequences=1))
        self.engine.wait_loaded()
        self.overhead: list[float] = []

    def close(self) -> None:
        self.engine.close()

    def decode_rate(self, tokens: list[int]) -> float:
        request = GenerateRequest(
            tokens=tuple(tokens),
            sampling=Sampling(temperature=0),
            max_tokens=DECODE_TOKENS + 1,
            ignore_end=True,
            speculate=False,
        )
        times: list[float] = []
        for event in self.engine.generate(request):
            if isinstance(event, Thinking | Answer):
                times += [time.perf_counter()] * event.tokens
            elif isinstance(event, Done):
                inside = event.stats.decode_rate
        rate = (len(times) - 1) / (times[-1] - times[0])
        self.overhead.append(1 / rate - 1 / inside)
        return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", type=Path)
    parser.add_argument("--random-weights", default="qwen3-0.6b")
    parser.add_argument("--depth", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=machine().default_threads())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = options.model or _built(options.random_weights, Path(folder))
        print(_report(path, options.depth or [0, 512, 1024], options.rounds, options.threads))


def _built(shape: str, folder: Path) -> Path:
    from edgemind.convert import random_weights

    path = folder / f"{shape}.gguf"
    random_weights.build(shape, path)
    return path


def _report(path: Path, depths: list[int], rounds: int, threads: int) -> str:
    silent = native.llama_log_callback(lambda *_: None)
    native.llama_log_set(silent, ctypes.c_void_p(0))
    native.llama_backend_init()
    rng = random.Random(0)
    n_ctx = -(-(max(depths) + BATCH) // 256) * 256
    peers = {
        "llama.cpp, flash attention on (default)": Native(path, threads, n_ctx, flash=True),
        "llama.cpp, flash attention off": Native(path, threads, n_ctx, flash=False),
        "llama_cpp.Llama streaming": Wrapper(path, threads, n_ctx),
        "EdgeMind, whole path": Ours(path, threads, n_ctx),
    }
    ours = peers["EdgeMind, whole path"]
    lines = [
        f"Machine: {machine().cpu_name}, {threads} threads; llama-cpp-python {llama_cpp.__version__}; "
        f"Python {platform.python_version()}; {datetime.date.today()}; {rounds} rounds, medians, decode tokens/s.",
        "",
        "| depth | " + " | ".join(peers) + " | of the best native | of the native default | of Llama |",
        "|---|" + "---|" * (len(peers) + 3),
    ]
    for depth in depths:
        rates: dict[str, list[float]] = {name: [] for name in peers}
        for _ in range(rounds):
            tokens = [rng.randrange(500, 1000) for _ in range(max(depth, 1))]
            for name, peer in peers.items():
                rates[name].append(peer.decode_rate(tokens))
        on, off, wrapper, mine = (statistics.median(rates[name]) for name in peers)
        lines.append(
            f"| {depth} | {on:.1f} | {off:.1f} | {wrapper:.1f} | {mine:.1f} "
            f"| {mine / max(on, off):.3f} | {mine / on:.3f} | {mine / wrapper:.3f} |"
        )
    for peer in peers.values():
        peer.close()
    assert isinstance(ours, Ours)
    lines += ["", f"Pipe, parser and events: {1000 * statistics.median(ours.overhead):.3f} ms a token."]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
