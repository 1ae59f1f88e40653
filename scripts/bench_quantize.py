"""Quantizing against llama.cpp's own tool: the same file, type and threads, in turn, as a ratio in one run.

    python scripts/bench_quantize.py --native build/bin/llama-quantize
    python scripts/bench_quantize.py --native build/bin/llama-quantize --file model-f16.gguf --type Q6_K --repeat 5

Without ``--file`` an F16 model of a real shape with random weights is made first: right for speed, useless for words.
The tool is built from the source package of llama-cpp-python (without ``--native`` the commands are printed).
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from edgemind.convert import random_weights
from edgemind.convert.shapes import SHAPES
from edgemind.engine.quantize import Quantizer, Wish
from edgemind.models.hardware import machine
from edgemind.models.quantizations import named
from edgemind.models.unfinished import Unfinished

TARGET = 1.05


def main() -> int:
    asked = arguments()
    native = asked.native or shutil.which("llama-quantize")
    if not native:
        print(HOW_TO_BUILD.format(version=version("llama-cpp-python")))
        return 2
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        source = Path(asked.file) if asked.file else f16_model(asked.shape, folder)
        ours, theirs = folder / "ours.gguf", folder / "theirs.gguf"
        runs: dict[str, Callable[[], float]] = {
            "llama-quantize": lambda: tool(native, source, theirs, asked.type, asked.threads),
            "edgemind, making alone": lambda: engine(source, ours, asked.type, asked.threads),
            "edgemind quantize": lambda: command(source, ours, asked.type, asked.threads),
        }
        seconds: dict[str, list[float]] = {label: [] for label in runs}
        work: dict[str, list[float]] = {label: [] for label in runs}
        for _ in range(asked.repeat):
            for label, run in runs.items():
                before = processor_seconds()
                seconds[label].append(run())
                work[label].append(processor_seconds() - before)
                print(f"{label:<24}{seconds[label][-1]:8.2f} s   processor {work[label][-1]:8.2f} s", flush=True)
        size = source.stat().st_size / 1e9
        equal = "equal" if digest(ours) == digest(theirs) else "DIFFERENT"
        print(f"\n{source.name}, {size:.2f} GB, to {asked.type} with {asked.threads} threads; {machine().cpu_name}")
        for label in runs:
            middles = [statistics.median(found[label]) for found in (seconds, work)]
            ratios = [
                middle / statistics.median(found["llama-quantize"])
                for middle, found in zip(middles, (seconds, work), strict=True)
            ]
            print(
                f"{label:<24}{middles[0]:8.2f} s   {ratios[0]:5.3f} of llama.cpp's tool; "
                f"processor {middles[1]:8.2f} s   {ratios[1]:5.3f}"
            )
        print(f"the two files are {equal}; wanted: {TARGET} or less")
    return 0


HOW_TO_BUILD = """There is no llama-quantize here. To build it (some minutes):
  pip download --no-deps --no-binary :all: llama-cpp-python=={version} && tar xzf llama_cpp_python-{version}.tar.gz
  cmake -S llama_cpp_python-{version}/vendor/llama.cpp -B build -DCMAKE_BUILD_TYPE=Release -DLLAMA_BUILD_TESTS=OFF \\
      -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_OPENSSL=OFF
  nice cmake --build build --target llama-quantize
  python scripts/bench_quantize.py --native build/bin/llama-quantize"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--native", help="llama.cpp's llama-quantize")
    parser.add_argument("--file", help="a model in F16, BF16 or F32")
    parser.add_argument("--shape", default="qwen3-0.6b", choices=sorted(SHAPES), help="of the model that is made else")
    parser.add_argument("--type", default="Q4_K_M")
    parser.add_argument("--threads", type=int, default=machine().default_threads())
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", help="for the files, which take some GB")
    return parser.parse_args()


def f16_model(shape: str, folder: Path) -> Path:
    """Random weights of a shape, as F16."""
    small = random_weights.build(shape, folder / "small.gguf")
    target = folder / f"{shape}-f16.gguf"
    with Unfinished(target) as output, Quantizer([small], output) as quantizer:
        quantizer.make(Wish(named("F16"), allow_requantize=True))
        output.publish()
    small.unlink()
    return target


def tool(native: str, source: Path, target: Path, kind: str, threads: int) -> float:
    began = time.perf_counter()
    subprocess.run([native, str(source), str(target), kind, str(threads)], check=True, capture_output=True)
    return time.perf_counter() - began


def engine(source: Path, target: Path, kind: str, threads: int) -> float:
    """From starting the worker to its answer, and the name."""
    began = time.perf_counter()
    with Unfinished(target) as output, Quantizer([source], output) as quantizer:
        quantizer.make(Wish(named(kind), threads=threads))
        seconds = time.perf_counter() - began
        output.publish(replace=True)
    return seconds


def command(source: Path, target: Path, kind: str, threads: int) -> float:
    """The whole command: plan, making, syncing to disk, reading back, two tokens."""
    began = time.perf_counter()
    edgemind = Path(sys.executable).with_name("edgemind")
    flags = ["-o", str(target), "--force", "--threads", str(threads)]
    subprocess.run([str(edgemind), "quantize", str(source), kind, *flags], check=True, capture_output=True)
    return time.perf_counter() - began


def processor_seconds() -> float:
    """Of every child that has ended: what a machine that does other work too cannot blur as much as the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
