"""What EdgeMind itself adds to a completion: between an editor's request and its answer, less what the model takes.

    python scripts/bench_complete.py [--shape qwen3-0.6b] [--requests 20] [--tokens 8] [--files 0.5 2 8]

`edgemind complete --stdio` serves a model of random weights, with texts that it has not seen. The engine says how long
the model reads and writes for each (`model_seconds`); the rest of the editor's wait is ours: framing, JSON, the wait
for another key, tokens, prompt, pipe, events, the place where a block ends.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edgemind.convert.random_weights import build

COMMAND = str(Path(sys.executable).with_name("edgemind"))
NAMES = ("total", "count", "item", "value", "index", "result", "first", "last", "name", "size", "left", "right")


def source(characters: int, rng: random.Random) -> tuple[str, str]:
    """A made-up Python file of this length around a gap at three quarters of it."""
    lines: list[str] = []
    while sum(len(line) + 1 for line in lines) < characters:
        a, b, c = rng.sample(NAMES, 3)
        lines += [
            f"def {a}_{b}_{rng.randrange(1000)}({c}):",
            f"    {b} = {c} + {rng.randrange(100)}",
            f"    return {b}",
            "",
        ]
    cut = len(lines) * 3 // 4 // 4 * 4 + 1
    return "\n".join(lines[:cut]) + "\n    ", "\n" + "\n".join(lines[cut:])


class Editor:
    """The command, as an editor runs it."""

    def __init__(self, model: Path, debounce_ms: int) -> None:
        words = [COMMAND, "complete", "--stdio", "--model", str(model)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._number = 0
        self.ask("initialize", debounce_ms=debounce_ms)

    def ask(self, method: str, **params: Any) -> Any:
        self._number += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}).encode()
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._process.stdin.flush()
        length = int(self._process.stdout.readline().removeprefix(b"Content-Length: "))
        self._process.stdout.readline()
        answer = json.loads(self._process.stdout.read(length))
        if "error" in answer:
            raise SystemExit(answer["error"]["message"])
        return answer["result"]

    def close(self) -> None:
        self._process.communicate()


def measure(model: Path, kilobytes: float, tokens: int, requests: int, debounce_ms: int) -> list[str]:
    """One row of the table. The first request is not counted."""
    rng = random.Random(f"{kilobytes} {debounce_ms}")
    waits, works, prompts = [], [], []
    editor = Editor(model, debounce_ms)
    editor.ask("complete", prefix="x", max_tokens=1)
    while len(waits) < requests:
        prefix, suffix = source(int(kilobytes * 1000), rng)
        started = time.perf_counter()
        result = editor.ask("complete", prefix=prefix, suffix=suffix, path="a.py", max_tokens=tokens)
        waited = time.perf_counter() - started
        if result["model_seconds"] is not None:
            waits.append(1000 * waited)
            works.append(1000 * result["model_seconds"])
            prompts.append(result["prompt_tokens"])
    editor.close()
    ours = [wait - work for wait, work in zip(waits, works, strict=True)]
    figures = (statistics.median(waits), statistics.median(works), statistics.median(ours), max(ours))
    return [
        f"{kilobytes:g}",
        f"{statistics.median(prompts):,.0f}",
        str(debounce_ms),
        *(f"{one:,.1f}" for one in figures),
    ]


def once(model: Path, runs: int) -> float:
    """Milliseconds of the whole command for one place, process and model included."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "a.py")
        file.write_text("".join(source(500, random.Random(0))))
        words = [COMMAND, "complete", f"{file}:6", "--model", str(model), "-n", "1"]
        times = []
        for _ in range(runs):
            started = time.perf_counter()
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--shape", default="qwen3-0.6b", help="of convert.shapes")
    parser.add_argument("--requests", type=int, default=20)
    parser.add_argument("--tokens", type=int, default=8)
    parser.add_argument("--files", type=float, nargs="+", default=[0.5, 2, 8], help="kilobytes of text around the gap")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = build(given.shape, Path(folder, "model.gguf"))
        print(f"{given.shape}, random weights; {given.requests} requests a row; Python {platform.python_version()}\n")
        columns = (
            "text, kB",
            "prompt tokens",
            "debounce, ms",
            "editor waits, ms",
            "the model, ms",
            "ours, ms",
            "worst, ms",
        )
        print(f"| {' | '.join(columns)} |")
        print("|" + "---|" * 7)
        for kilobytes in given.files:
            for debounce_ms in (0, 75):
                print(
                    f"| {' | '.join(measure(model, kilobytes, given.tokens, given.requests, debounce_ms))} |",
                    flush=True,
                )
        print(f"\nOnce, from the shell, one token of a text of 0.5 kB: {once(model, 5):,.0f} ms")


if __name__ == "__main__":
    main()
