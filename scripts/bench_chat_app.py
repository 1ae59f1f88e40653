"""The whole chat app at work: how fast the sidebar opens beside many chats, and what drawing costs the model's pace.

    python scripts/bench_chat_app.py [--chats 10000] [--shape smollm2-135m] [--tokens 1200] [--rounds 3]

The app runs in a pseudo terminal of 120x40 with an encrypted history and a real worker, whose model has a real shape
and random weights (its words mean nothing, its speed does). While one answer is written, drawing is switched off and on
again every 1.5 s: the tokens that come with it and without it are compared, so that whatever else the machine does
meets both. The sidebar counts from the key's action to the frame that shows it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench_terminal import Terminal

from edgemind.engine.events import Sampling

PROMPT = "Tell me about the memory of small machines."
SMALL = "smollm2-135m"
GREEDY = Sampling(temperature=0)
TURN = 1.5
"""Seconds with drawing, and seconds without."""


def built(shape: str, path: Path) -> Path:
    from bench_prediction import MODELS

    from edgemind.convert.random_weights import build

    return build(next(one for one in MODELS if one.name == shape), path)


def child(chats: int, model: str, tokens: int, result: Path) -> None:
    """The app, in the terminal that this process has; what was measured goes into ``result``."""
    from edgemind.chat.engines import Engines
    from edgemind.chat.history import History
    from edgemind.chat.keys import Argon2
    from edgemind.chat.types import Parameters
    from edgemind.chat.vault import Vault
    from edgemind.settings import Settings
    from edgemind.tui.app import EdgemindApp
    from edgemind.tui.driver import QuietDriver
    from edgemind.tui.household import Household

    def fill(history: History) -> None:
        for number in range(chats):
            chat = history.create_chat(title=f"Chat {number} about something", titled=True)
            history.add_turn(chat.id, None, "user", f"Question {number}")

    class Measured(EdgemindApp):
        def on_ready(self) -> None:
            self.run_worker(self.measure())

        async def measure(self) -> None:
            while self.chat_screen is None or self.house.engines.state != "ready":
                await asyncio.sleep(0.1)
            opened = [await self._open_sidebar() for _ in range(7)]
            result.write_text(json.dumps({"sidebar": opened, "rates": await self._answer()}))
            self.exit()

        async def _open_sidebar(self) -> float:
            screen = self.chat_screen
            assert screen is not None
            if screen.sidebar.shown:
                screen.sidebar.remove_class("-shown")
                await asyncio.sleep(0.3)
            drawn = asyncio.Event()
            began = time.perf_counter()
            screen.action_toggle_sidebar()
            screen.sidebar.call_after_refresh(drawn.set)
            await drawn.wait()
            return time.perf_counter() - began

        async def _answer(self) -> dict[str, float]:
            """Tokens a second with drawing and without."""
            screen = self.chat_screen
            assert screen is not None
            session = screen.begun()
            session.set_parameters(Parameters(thinking="off", max_tokens=tokens, sampling=GREEDY))
            _, answer = session.send(PROMPT)
            live = session.live
            assert live is not None
            count, put = 0, live.put

            def counted(event: Any) -> None:
                nonlocal count
                count += getattr(event, "tokens", 0)
                put(event)

            live.put = counted  # type: ignore[method-assign]
            screen.begin_answer(answer)
            while not count:
                await asyncio.sleep(0.1)
            came, took, drawing = [0, 0], [0.0, 0.0], True
            while True:
                before, began = count, time.perf_counter()
                await asyncio.sleep(TURN)
                if session.live is not live or count >= tokens or screen._timer is None:
                    return {"drawn": came[1] / took[1], "not drawn": came[0] / took[0]}
                came[drawing] += count - before
                took[drawing] += time.perf_counter() - began
                drawing = not drawing
                (screen._timer.resume if drawing else screen._timer.pause)()

    settings = Settings()
    house = Household(Engines(settings), settings, model=model)
    found = Vault(result.parent / "history").create(
        "bench bench bench", cost=Argon2(memory_kib=8 << 10, passes=1, lanes=1)
    )
    house.history, house.kept = found.history(), "encrypted"
    fill(house.history)
    Measured(house, driver=QuietDriver).run()


def in_app(chats: int, model: Path, tokens: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        command = [sys.executable, __file__, "--child", str(chats), str(model), str(tokens), str(result)]
        terminal = Terminal(command, os.environ, (120, 40))
        try:
            while not terminal.over:
                terminal.read(0.2)
        finally:
            terminal.end()
        if not result.exists():
            raise SystemExit(f"the app ended early\n{terminal.last.decode(errors='replace')}")
        return dict(json.loads(result.read_text()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=10_000)
    parser.add_argument("--shape", default=SMALL)
    parser.add_argument("--tokens", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, {options.shape} with random weights")
    with tempfile.TemporaryDirectory() as folder:
        model = built(options.shape, Path(folder) / "model.gguf")
        ratios, sidebar = [], []
        for number in range(options.rounds):
            found = in_app(10 if number else options.chats, model, options.tokens)
            sidebar = sidebar or [1000 * value for value in found["sidebar"]]
            with_it, without = found["rates"]["drawn"], found["rates"]["not drawn"]
            ratios.append(with_it / without)
            print(f"{with_it:.1f} tokens/s while drawing, {without:.1f} while not: {ratios[-1]:.3f}", flush=True)
    print(f"median of {len(ratios)}: {statistics.median(ratios):.3f}")
    rest = statistics.median(sidebar[1:])
    print(f"sidebar of {options.chats:,} chats: first {sidebar[0]:.0f} ms, then {rest:.0f} ms (median)")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), Path(sys.argv[5]))
    else:
        main()
