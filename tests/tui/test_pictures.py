"""How the main screens look, on a small and on a large terminal: pictures that are compared with those kept beside.

After a change that is meant: ``pytest tests/tui/test_pictures.py --snapshot-update``, and look at them. The texts, the
clock and what is said about the model are fixed; the worker is left out, since its pace would be in the pictures.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from vaults import CHEAP, PASSPHRASE

from edgemind.chat.engines import Engines
from edgemind.chat.history import History
from edgemind.chat.installed import InstalledModel
from edgemind.chat.vault import Vault
from edgemind.engine.events import ModelInfo, Stats, Step
from edgemind.settings import Settings
from edgemind.tui.app import EdgemindApp
from edgemind.tui.household import Household
from edgemind.tui.widgets import code

NOON = 1_790_000_000.0
SIZES = {"small": (80, 24), "large": (120, 40)}
Script = Callable[[Pilot[Any]], Awaitable[None]]

QUESTION = "How many seats has a train of 12 cars with 24 seats each?"
THOUGHT = ("Each car has 24 seats.", "12 cars: 24 × 12.", "24 × 10 = 240, 24 × 2 = 48.", "240 + 48 = 288.")
ANSWER = """The train has **288 seats**:

| Part | Seats |
|---|---:|
| ten cars | 240 |
| two cars | 48 |

```python
print(24 * 12)
```
"""


class Still(Engines):
    """A model that is loaded and does nothing."""

    state = "ready"  # type: ignore[assignment]
    name = "edgemind-nano"  # type: ignore[assignment]
    info = ModelInfo(  # type: ignore[assignment]
        name="edgemind-nano",
        path="edgemind-nano.gguf",
        architecture="llama",
        parameters=3_400_000,
        size_bytes=4_000_000,
        context_trained=1024,
        context_limit=1024,
        vocabulary=4096,
        reasoning_format="think",
        can_switch_thinking=True,
        template_source="model",
        gpu_layers=0,
        layers=6,
        threads=1,
        flash_attention=False,
        offline="kernel",
    )

    def load(self, name: str | None = None) -> None:
        return

    def memory(self) -> int:
        return 64_000_000

    def installed(self) -> list[InstalledModel]:
        one = InstalledModel(
            name="edgemind-nano",
            size_bytes=4_000_000,
            parameters=3_400_000,
            context=1024,
            quantization="Q8_0",
            kind="gguf",
            default=True,
            fits=True,
            needs_bytes=30_000_000,
        )
        two = InstalledModel(
            name="qwen3-4b",
            size_bytes=2_500_000_000,
            parameters=4_000_000_000,
            context=40_960,
            quantization="Q4_K_M",
            kind="gguf",
            default=False,
            fits=False,
            needs_bytes=3_600_000_000,
        )
        return [one, two]


class Pictured(EdgemindApp):
    """Without the fonts that Textual would have a browser fetch, and its signature."""

    def export_screenshot(self, *arguments: Any, **named: Any) -> str:
        return re.sub(
            r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", super().export_screenshot(*arguments, **named), flags=re.DOTALL
        )


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOON)


@pytest.fixture(autouse=True)
def _coloured() -> None:
    assert code.lexer("python", wait=True)


@pytest.fixture(params=SIZES)
def look(request: pytest.FixtureRequest, snap_compare: Any) -> Callable[[EdgemindApp, Script], bool]:
    """Whether the app looks as it did once the script has been run."""

    def compare(app: EdgemindApp, script: Script) -> bool:
        async def run(pilot: Pilot[Any]) -> None:
            await pilot.pause()
            await script(pilot)
            pilot.app.cursor_blink = False
            await pilot.pause()

        return bool(snap_compare(app, terminal_size=SIZES[request.param], run_before=run))

    return compare


@pytest.fixture
def empty() -> Pictured:
    house = Household(Still(Settings(threads=1)), Settings(threads=1))
    house.history = History.in_memory()
    house.kept = "memory"
    return Pictured(house)


@pytest.fixture
def answered(empty: Pictured) -> Pictured:
    history = empty.house.history
    assert history is not None
    history.create_chat(title="Bread without yeast", titled=True, folder="Kitchen")
    chat = history.create_chat(title="Seats of a train", titled=True, model="edgemind-nano")
    asked = history.add_turn(chat.id, None, "user", QUESTION)
    stats = Stats(thinking_tokens=61, answer_tokens=40, decode_seconds=2.0, decode_rate=50.0, context_used=131,
                  context_limit=1024)  # fmt: skip
    steps = tuple(Step(text=text, tokens=15, seconds=0.3) for text in THOUGHT)
    answer = history.add_turn(chat.id, asked.id, "assistant", ANSWER, model="edgemind-nano")
    history.save_turn(replace(answer, reasoning="\n".join(THOUGHT), steps=steps, stats=stats))
    return empty


async def nothing(pilot: Pilot[Any]) -> None:
    return


def opened(*keys: str) -> Script:
    """The chat with the answer, and then these keys."""

    async def script(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, EdgemindApp)
        assert app.chat_screen is not None
        history = app.house.history
        assert history is not None
        app.chat_screen.open_chat(history.rows(0, 1)[0].id)
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
            await pilot.pause(0.1)
        for _ in range(3):
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()

    return script


Look = Callable[[EdgemindApp, Script], bool]


def test_first_run(look: Look, empty: Pictured) -> None:
    assert look(empty, nothing)


def test_an_answer_with_its_thought_folded(look: Look, answered: Pictured) -> None:
    assert look(answered, opened())


def test_an_answer_with_its_thought_unfolded(look: Look, answered: Pictured) -> None:
    assert look(answered, opened("ctrl+t"))


def test_models(look: Look, answered: Pictured) -> None:
    assert look(answered, opened("ctrl+o"))


def test_help(look: Look, answered: Pictured) -> None:
    assert look(answered, opened("f1"))


def test_search(look: Look, answered: Pictured) -> None:
    assert look(answered, opened("ctrl+f", *"seats"))


def test_unlock(look: Look, home: Path) -> None:
    vault = Vault(home / "data" / "history")
    vault.create(PASSPHRASE, cost=CHEAP).lock()
    house = Household(Still(Settings(threads=1)), Settings(threads=1), vault=vault)
    assert look(Pictured(house), nothing)


def test_the_pictures_hold_nothing_of_the_machine_they_were_made_on() -> None:
    kept = sorted((Path(__file__).parent / "__snapshots__" / "test_pictures").glob("*.svg"))
    assert len(kept) == 7 * len(SIZES)
    for file in kept:
        text = file.read_text(encoding="utf-8")
        assert not re.search(r"/(home|root|tmp|work|Users)/", text), file.name
        assert set(re.findall(r"https?://[^\"' )<]+", text)) <= {"http://www.w3.org/2000/svg"}, file.name
