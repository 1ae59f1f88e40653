"""Compare the predicted decode speed with llama.cpp's own, on models of random weights in real shapes.

The bandwidth of memory is probed before every measurement, so that both see the same machine; the best probe and the
best four tokens in a row count, since other programs can only slow either. Writes Markdown; needs 2 GB of disk.

    python scripts/bench_prediction.py --rounds 3
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import datetime
import random
import tempfile
import time
from pathlib import Path

import llama_cpp
from bench_engine import BATCH, Native
from llama_cpp import llama_cpp as native

from edgemind.convert.random_weights import build
from edgemind.convert.shapes import SHAPES, Shape
from edgemind.models.bandwidth import Bandwidth, measure
from edgemind.models.gguf import read_header
from edgemind.models.hardware import machine
from edgemind.models.prediction import decode_seconds

MODELS = (
    Shape("smollm2-135m", "llama", 30, 576, 9, 3, 64, 1536, 49_152, 8192, 1e5),
    Shape("smollm2-360m", "llama", 32, 960, 15, 5, 64, 2560, 49_152, 8192, 1e5),
    SHAPES["qwen3-0.6b"],
    SHAPES["gemma3-1b"],
    SHAPES["llama-3.2-1b"],
    Shape("qwen2.5-1.5b", "qwen2", 28, 1536, 12, 2, 128, 8960, 151_936, 32_768, 1e6, qkv_bias=True),
    SHAPES["qwen3-1.7b"],
)


WINDOW = 4


class Peer(Native):
    """``Native``, whose time is taken over a few tokens at once."""

    def fill(self, tokens: list[int]) -> None:
        native.llama_memory_clear(native.llama_get_memory(self.context), True)
        for start in range(0, len(tokens), BATCH):
            self._decode(tokens[start : start + BATCH])

    def best_rate(self) -> float:
        """Tokens a second of the fastest ``WINDOW`` tokens in a row."""
        times = []
        for _ in range(6):
            began = time.perf_counter()
            for _ in range(WINDOW):
                self._decode([600])
            times.append(time.perf_counter() - began)
        return WINDOW / min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", action="append", choices=[shape.name for shape in MODELS])
    parser.add_argument("--depth", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    silent = native.llama_log_callback(lambda *_: None)
    native.llama_log_set(silent, ctypes.c_void_p(0))
    native.llama_backend_init()
    threads = sorted({1, machine().default_threads()})
    print(f"{machine().cpu_name}; llama-cpp-python {llama_cpp.__version__}; {datetime.date.today()}\n")
    print("| model | threads | depth | probed GB/s | measured tokens/s | predicted | off by |")
    print("|---" * 7 + "|")
    with tempfile.TemporaryDirectory() as folder:
        for shape in MODELS:
            if options.shape and shape.name not in options.shape:
                continue
            for kind, types in (("Q4_K_M", {}), ("Q8_0", {"small": "Q8_0", "large": "Q8_0"})):
                path = build(dataclasses.replace(shape, **types), Path(folder) / "model.gguf")
                for count in threads:
                    for depth in options.depth or (0, 1024):
                        print(_row(f"{shape.name} {kind}", path, count, depth, options.rounds), flush=True)


def _row(name: str, path: Path, threads: int, depth: int, rounds: int) -> str:
    """One line: the best probe and the best decode of so many interleaved rounds."""
    cells = depth + 8 + 6 * WINDOW * rounds
    peer = Peer(path, threads, -(-cells // 256) * 256, flash=cells <= 256)
    peer.fill([random.randrange(500, 1000) for _ in range(depth + 1)])
    probed = rate = 0.0
    for _ in range(rounds):
        probed = max(probed, measure(threads).bytes_per_second)
        rate = max(rate, peer.best_rate())
    peer.close()
    predicted = 1 / decode_seconds(read_header(path), machine(), Bandwidth(probed, threads), depth=depth)
    off = f"{predicted / rate - 1:+.0%}"
    return f"| {name} | {threads} | {depth} | {probed / 1e9:.0f} | {rate:.1f} | {predicted:.1f} | {off} |"


if __name__ == "__main__":
    main()
