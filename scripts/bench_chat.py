"""The chat app beside two others of its kind, in one run: start-up, processor time and memory while an answer streams.

    python3 -m venv elia && elia/bin/pip install elia-chat
    python3 -m venv oterm && oterm/bin/pip install oterm
    python scripts/bench_chat.py --elia elia/bin/elia --oterm oterm/bin/oterm [--tokens 1000] [--rate 60] [--runs 5]

All three get the same answer at the same pace. The others ask a server on loopback that speaks OpenAI's and Ollama's
ways of streaming; EdgeMind, which knows no network, takes it from a stand-in for its worker, with its history
encrypted on the disk. Each runs in a pseudo terminal of 120x40 and a home folder of its own. Usable: the time until a
key, pressed every 0.05 s from when the app takes the screen, is shown for the first time. Only the app's own process
counts.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from bench_chat_stream import text_of
from bench_terminal import Terminal

KEY = "Ω"
MODEL = "stand-in"
LIMIT = 90.0
SIZE = (120, 40)
SCREEN = "\x1b[?1049h"
"""Asks for the whole screen."""


def paced(tokens: list[str], rate: float) -> Iterator[str]:
    start = time.perf_counter()
    for number, token in enumerate(tokens):
        time.sleep(max(0.0, start + number / rate - time.perf_counter()))
        yield token


# The server that the others ask


def handler(tokens: list[str], rate: float) -> type[BaseHTTPRequestHandler]:
    details = {"family": "qwen3", "format": "gguf", "parameter_size": "1B", "quantization_level": "Q8_0"}
    known: dict[str, Any] = {
        "name": MODEL,
        "model": MODEL,
        "modified_at": "2026-01-01T00:00:00Z",
        "size": 1,
        "digest": "0" * 64,
    }
    known["details"] = details

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            return

        def do_GET(self) -> None:
            self._say({"models": [known], "version": "0.12.0", "object": "list", "data": [{"id": MODEL}]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")
            if self.path == "/api/show":
                self._say({**known, "modelfile": "", "parameters": "", "template": "", "model_info": {},
                           "capabilities": ["completion"]})  # fmt: skip
            elif self.path.endswith("/chat/completions"):
                self._stream(asked) if asked.get("stream") else self._say(self._piece("A title", "message"))
            else:
                self.send_error(404)

        def _stream(self, asked: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # the app was ended
                for token in paced(tokens, rate):
                    self._event(self._piece(token, "delta"))
                self._event(self._piece("", "delta", "stop"))
                self.wfile.write(b"data: [DONE]\n\n")

        def _piece(self, text: str, key: str, reason: str | None = None) -> dict[str, Any]:
            choice = {"index": 0, key: {"role": "assistant", "content": text}, "finish_reason": reason}
            kind = "chat.completion.chunk" if key == "delta" else "chat.completion"
            return {"id": "1", "object": kind, "created": 0, "model": MODEL, "choices": [choice]}

        def _event(self, value: dict[str, Any]) -> None:
            self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
            self.wfile.flush()

        def _say(self, value: dict[str, Any]) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler


# EdgeMind, with a stand-in for the worker


def child(count: int, rate: float, home: Path) -> None:
    from edgemind.chat.engines import Engines
    from edgemind.chat.keys import Argon2
    from edgemind.chat.vault import Vault
    from edgemind.engine.events import Answer, Done, Event, GenerateRequest, ModelInfo, Stats
    from edgemind.settings import Settings
    from edgemind.tui.app import EdgemindApp
    from edgemind.tui.driver import QuietDriver
    from edgemind.tui.household import Household

    tokens = text_of("mixed", count)

    class Generation:
        def __init__(self, short: bool) -> None:
            self._tokens = ["A", " title"] if short else tokens

        def __iter__(self) -> Iterator[Event]:
            for token in paced(self._tokens, rate):
                yield Answer(text=token)
            yield Done(stop_reason="end", stats=Stats(answer_tokens=len(self._tokens), context_limit=8192))

        def cancel(self) -> None:
            return

        abandon = answer_now = cancel

    class Engine:
        def generate(self, request: GenerateRequest) -> Generation:
            return Generation(short=request.max_tokens is not None and request.max_tokens < 100)

    class StandIn(Engines):
        state = "ready"  # type: ignore[assignment]
        name = MODEL  # type: ignore[assignment]
        info = ModelInfo(
            name=MODEL, path="stand-in.gguf", architecture="llama", parameters=1, size_bytes=1, context_trained=8192,
            context_limit=8192, vocabulary=4096, reasoning_format="none", can_switch_thinking=False,
            template_source="model", gpu_layers=0, layers=1, threads=1, flash_attention=False, offline="kernel",
        )  # type: ignore[assignment]  # fmt: skip

        def load(self, name: str | None = None) -> None:
            return

        def engine(self, unless: Callable[[], bool] = bool) -> Any:
            return Engine()

        def memory(self) -> int:
            return 0

    settings = Settings()
    house = Household(StandIn(settings), settings)
    found = Vault(home / "history").create("bench bench bench", cost=Argon2(memory_kib=8 << 10, passes=1, lanes=1))
    house.history, house.kept = found.history(), "encrypted"
    EdgemindApp(house, driver=QuietDriver).run()


# The three


@dataclass(frozen=True)
class App:
    name: str
    start: list[str]
    """What a user starts; for the start-up."""
    stream: list[str]
    """The same with the stand-in to answer."""
    environment: dict[str, str]


def apps(options: argparse.Namespace, home: Path, port: int) -> list[App]:
    address = f"http://127.0.0.1:{port}"
    ours = str(Path(sys.executable).with_name("edgemind"))
    streaming = [sys.executable, __file__, "--child", str(options.tokens), str(options.rate), str(home / "vault")]
    found = [App("edgemind", [ours], streaming, {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"})]
    if options.elia:
        place = home / ".config" / "elia"
        place.mkdir(parents=True)
        (place / "config.toml").write_text(
            f'default_model = "openai/{MODEL}"\n[[models]]\nname = "openai/{MODEL}"\napi_base = "{address}/v1"\n'
            'api_key = "none"\n'
        )
        environment = {"OPENAI_API_KEY": "none", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        found.append(App("elia-chat", [options.elia], [options.elia], environment))
    if options.oterm:
        place = home / ".local" / "share" / "oterm"
        place.mkdir(parents=True)
        (place / "config.json").write_text('{"theme": "textual-dark", "splash-screen": false}')
        found.append(App("oterm", [options.oterm], [options.oterm], {"OLLAMA_URL": address}))
    return found


def usable(terminal: Terminal) -> float:
    """Seconds until a key is shown. None is pressed before the app has taken the screen: what it may have asked the
    terminal before that would be answered by the key."""
    terminal.until(SCREEN, LIMIT)
    while terminal.age < LIMIT:
        terminal.type(KEY)
        until = time.perf_counter() + 0.05
        while time.perf_counter() < until:
            if KEY.encode() in terminal.read(0.005):
                return terminal.age
    raise SystemExit(f"{terminal.process.args!r}: no key was shown within {LIMIT:.0f} s\n{terminal.last!r}")


def a_chat_of_oterm(app: App, home: Path) -> None:
    """It writes only into a chat, which it makes in a dialog: start it until its database is there, and put one in."""
    path = home / ".local" / "share" / "oterm" / "store.db"
    terminal = Terminal(app.start, surroundings(app, home), SIZE)
    try:
        terminal.until("Welcome", LIMIT)
    finally:
        terminal.end()
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO chat (name, model, system, provider) VALUES ('a', ?, '', 'ollama')", (MODEL,))


def started(app: App, home: Path, runs: int) -> list[tuple[float, float]]:
    """Wall and processor seconds to the first usable frame; the first run, which compiles, is left out."""
    found = []
    if app.name == "oterm":
        a_chat_of_oterm(app, home)
    for _ in range(runs + 1):
        terminal = Terminal(app.start, surroundings(app, home), SIZE)
        try:
            found.append((usable(terminal), terminal.processor()))
            terminal.read(1.0)
        finally:
            terminal.end()
    return found[1:]


def streamed(app: App, home: Path, tokens: int, rate: float) -> tuple[float, float]:
    """Processor seconds for 1,000 tokens, and megabytes at the end."""
    terminal = Terminal(app.stream, surroundings(app, home), SIZE)
    try:
        usable(terminal)
        terminal.read(2.0)
        before = terminal.processor()
        terminal.type("\n" if app.name == "elia-chat" else "\r")  # it sends on ctrl+j
        data = terminal.read(tokens / rate + 3)
        if len(data) < tokens:
            raise SystemExit(f"{app.name}: nothing was drawn\n{terminal.last!r}")
        return (terminal.processor() - before) / tokens * 1000, terminal.memory() / 1e6
    finally:
        terminal.end()


def surroundings(app: App, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "COLUMNS", "LINES"))}
    return {**kept, **app.environment, "HOME": str(home), "EDGEMIND_HOME": str(home / "edgemind"), "LANG": "C.UTF-8"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--elia", help="the installed command")
    parser.add_argument("--oterm", help="the installed command")
    parser.add_argument("--tokens", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=60.0, help="tokens a second")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(text_of("mixed", options.tokens), options.rate))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{platform.machine()}, Python {platform.python_version()}, {options.rate:.0f} tokens a second, 120x40")
    print("| app | usable after | processor time to there | processor time for 1,000 tokens | memory after |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for app in apps(options, home, server.server_address[1]):
            times = started(app, home, options.runs)
            wall, spent = (statistics.median(part) for part in zip(*times, strict=True))
            cost, memory = streamed(app, home, options.tokens, options.rate)
            print(f"| {app.name} | {wall:.2f} s | {spent:.2f} s | {cost:.2f} s | {memory:.0f} MB |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(int(sys.argv[2]), float(sys.argv[3]), Path(sys.argv[4]))
    else:
        main()
