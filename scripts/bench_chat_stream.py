"""How much the chat's transcript costs while an answer streams, against Textual's own Markdown widget in the same run.

Each app runs in a pseudo-terminal of its own. Tokens come at a steady rate, once into an empty answer, once into one
that is already long; meanwhile keys are typed and timed until their character comes back on the terminal. CPU is the
process time of the app.

    python scripts/bench_chat_stream.py [--kinds mixed,code,...] [--seconds 5] [--rate 60] [--length 3000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_terminal import Terminal

KINDS = ("mixed", "code", "list", "table", "paragraph")
KEYS = "αβγδεζηθικλμνξοπρστυφχψω"
"""What is typed: letters that no answer contains."""
WORDS = (
    "the model reads each token and writes another one after it so that an answer grows word by word until its end "
    "is reached and nothing more has to be said about memory layers attention or the weights that were trained"
)


def text_of(kind: str, tokens: int, seed: int = 7) -> list[str]:
    """An answer of one kind as tokens of about four characters."""
    rng = random.Random(seed)
    vocabulary = WORDS.split()

    def words(count: int) -> str:
        parts = [rng.choice(vocabulary) for _ in range(count)]
        if kind in ("mixed", "paragraph") and count > 6:
            parts[count // 2] = f"**{parts[count // 2]}**"
            parts[count // 3] = f"`{parts[count // 3]}`"
        return " ".join(parts)

    def pieces() -> Iterator[str]:
        number = 0
        while True:
            number += 1
            if kind == "paragraph":
                yield words(20) + ". "
            elif kind == "list":
                yield f"- {words(12)}\n"
            elif kind == "table":
                yield f"| {number} | {words(2)} | {words(3)} | {rng.random():.3f} |\n"
            elif kind == "code":
                yield f"    value_{number} = compute({rng.random():.2f}, name='{words(1)}')  # {words(3)}\n"
            else:
                yield f"## {words(4)}\n\n{words(40)}.\n\n"
                yield "".join(f"{item}. {words(10)}\n" for item in range(1, 5)) + "\n"
                yield "```python\n" + f"def f(x):\n    return x + {number}  # {words(3)}\n" * 3 + "```\n\n"
                yield "| a | b |\n|---|---|\n" + f"| {words(2)} | {words(3)} |\n" * 3 + "\n"

    head = {"table": "| n | what | more | value |\n|--:|---|---|--:|\n", "code": "```python\n"}.get(kind, "")
    text, size = head, tokens * 4
    for piece in pieces():
        text += piece
        if len(text) >= size:
            break
    return [text[at : at + 4] for at in range(0, size, 4)]


# The apps


class Source:
    """Tokens at a rate, from a thread, as a session's pump would deliver them."""

    def __init__(self, tokens: list[str], rate: float) -> None:
        self._tokens, self._rate = tokens, rate
        self._lock = threading.Lock()
        self._waiting: list[str] = []
        self.over = False
        self.count = 0
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        start = time.perf_counter()
        for number, token in enumerate(self._tokens):
            time.sleep(max(0.0, start + number / self._rate - time.perf_counter()))
            with self._lock:
                self._waiting.append(token)
        self.over = True

    def take(self) -> str:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        self.count += len(waiting)
        return "".join(waiting)


def ours(tokens: list[str], parts: list[tuple[int, int]], rate: float, done: list[dict[str, float]]) -> Any:
    from textual.app import App, ComposeResult
    from textual.widgets import TextArea

    from edgemind.chat.live import Delta
    from edgemind.chat.types import Turn
    from edgemind.tui.widgets.transcript import Transcript

    def delta(text: str, count: int) -> Delta:
        return Delta(
            thinking="", answer=text, confidence=(), steps=(), phase="answer", loading=1.0, prompt_done=0,
            prompt_total=0, prompt_cached=0, tokens=count, thinking_tokens=0, budget=None, seconds=1.0,
            thinking_seconds=0.0, rate=rate, context_used=count, context_limit=8192, trimmed=None, note="", failed=None,
            done=None,
        )  # fmt: skip

    class Ours(App[None]):
        CSS = "TextArea { height: 4; }"

        def compose(self) -> ComposeResult:
            yield Transcript()
            yield TextArea()

        async def on_mount(self) -> None:
            self.query_one(TextArea).focus()
            self.run_worker(self.measure())

        async def measure(self) -> None:
            transcript = self.query_one(Transcript)
            for first, last in parts:
                transcript.show([Turn("u", "c", None, "user", "Write at length, please.")])
                live = transcript.begin(Turn("a", "c", "u", "assistant", model="bench", state="writing"))
                live.update(delta("".join(tokens[:first]), first))
                await asyncio.sleep(1.0)
                source = Source(tokens[first:last], rate)
                cpu = time.process_time()
                while not source.over:
                    await asyncio.sleep(1 / 15)
                    live.update(delta(source.take(), first + source.count))
                done.append({"cpu": time.process_time() - cpu, "tokens": source.count})
            self.exit()

    return Ours()


def textuals(tokens: list[str], parts: list[tuple[int, int]], rate: float, done: list[dict[str, float]]) -> Any:
    from textual.app import App, ComposeResult
    from textual.containers import VerticalScroll
    from textual.widgets import Markdown, TextArea

    class Textuals(App[None]):
        CSS = "TextArea { height: 4; } VerticalScroll { height: 1fr; }"

        def compose(self) -> ComposeResult:
            with VerticalScroll():
                yield Markdown()
            yield TextArea()

        async def on_mount(self) -> None:
            self.query_one(TextArea).focus()
            self.query_one(VerticalScroll).anchor()
            self.run_worker(self.measure())

        async def measure(self) -> None:
            markdown = self.query_one(Markdown)
            for first, last in parts:
                await markdown.update("".join(tokens[:first]))
                await asyncio.sleep(1.0)
                source = Source(tokens[first:last], rate)
                cpu = time.process_time()
                stream = Markdown.get_stream(markdown)
                while not source.over:
                    await asyncio.sleep(1 / 15)
                    await stream.write(source.take())
                await stream.stop()
                done.append({"cpu": time.process_time() - cpu, "tokens": source.count})
            self.exit()

    return Textuals()


APPS = {"edgemind": ours, "textual": textuals}


def child(name: str, kind: str, parts: list[tuple[int, int]], rate: float, result: Path) -> None:
    """One app, in the terminal this process has."""
    done: list[dict[str, float]] = []
    APPS[name](text_of(kind, max(last for _, last in parts)), parts, rate, done).run()
    result.write_text(json.dumps(done))


# Measuring


def watch(name: str, kind: str, parts: list[tuple[int, int]], rate: float, size: tuple[int, int]) -> dict[str, Any]:
    """Run an app in a pseudo-terminal and type into it."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, __file__, "--child", name, kind, json.dumps(parts), str(rate), str(result)]
        terminal = Terminal(command, os.environ, size)
        try:
            delays, sent = _type(terminal)
        finally:
            terminal.end()
        done = json.loads(result.read_text()) if result.exists() else []
    return {"parts": done, "delays": delays, "bytes": sent}


def _type(terminal: Terminal) -> tuple[list[float], int]:
    rng = random.Random(1)
    delays: list[float] = []
    waiting: tuple[str, float] | None = None
    following = time.perf_counter() + 1.5
    number = received = 0
    while not terminal.over and terminal.age < 180:
        data = terminal.read(0.002, at_once=True)
        received += len(data)
        now = time.perf_counter()
        if waiting and (waiting[0].encode() in data or now - waiting[1] > 3):
            delays.append(min(now - waiting[1], 3.0))
            waiting = None
        if waiting is None and now > following:
            key = KEYS[number % len(KEYS)]
            number += 1
            waiting = key, now
            terminal.type(key)
            following = now + rng.uniform(0.08, 0.2)
    return delays, received


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--seconds", type=float, default=5.0, help="of streaming, for each length")
    parser.add_argument("--rate", type=float, default=60.0, help="tokens a second")
    parser.add_argument("--length", type=int, default=3000, help="tokens of the long answer, at its end")
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--apps", default="edgemind,textual")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    width, height = (int(part) for part in options.size.split("x"))
    count = int(options.seconds * options.rate)
    parts = [(0, count), (max(0, options.length - count), options.length)]
    print(
        f"{platform.machine()}, Python {platform.python_version()}, {options.rate:.0f} tokens a second, {options.size}"
    )
    print("CPU in % of one core into an empty answer and into one of", options.length, "tokens; keys in ms")
    print(f"{'kind':10} {'app':9} {'empty':>6} {'long':>6} {'ms/token':>9} {'key p50':>8} {'key p95':>8} {'keys':>5}")
    results = {}
    for kind in options.kinds.split(","):
        for name in options.apps.split(","):
            one = watch(name, kind, parts, options.rate, (width, height))
            results[f"{kind} {name}"] = one
            if len(one["parts"]) < 2:
                print(f"{kind:10} {name:9} did not end")
                continue
            shares = [100 * part["cpu"] * options.rate / max(1, part["tokens"]) for part in one["parts"]]
            cost = 1000 * one["parts"][1]["cpu"] / max(1, one["parts"][1]["tokens"])
            p50 = 1000 * statistics.median(one["delays"]) if one["delays"] else float("nan")
            p95 = 1000 * percentile(one["delays"], 0.95)
            print(
                f"{kind:10} {name:9} {shares[0]:6.1f} {shares[1]:6.1f} {cost:9.2f} {p50:8.1f} {p95:8.1f} "
                f"{len(one['delays']):5}",
                flush=True,
            )
    if options.json:
        print(json.dumps(results))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _, _, app, what, spans, speed, target = sys.argv
        child(app, what, [(a, b) for a, b in json.loads(spans)], float(speed), Path(target))
    else:
        main()
