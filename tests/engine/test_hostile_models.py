"""Damaged model files given to the real engine: a worker may die of one, the parent never does.

600 mutants are read by our header reader; each that it lets pass is opened, and asked, in a worker of its own.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from edgemind.engine.client import Engine
from edgemind.engine.events import Done, Failed, GenerateRequest, LoadOptions, Message
from edgemind.errors import EdgemindError, all_kinds
from edgemind.models.gguf import read_header
from tests.engine.tiny import tiny_model
from tests.models.mutants import mutants

MUTANTS = 600
AT_ONCE = 3


def ask(path: Path) -> Done | Failed:
    request = GenerateRequest(messages=(Message(role="user", content="12 + 7"),), max_tokens=4)
    with Engine(LoadOptions(path=str(path), threads=1, sequences=1)) as engine:
        events = list(engine.generate(request))
    last = events[-1]
    assert isinstance(last, Done | Failed)
    return last


@pytest.mark.timeout(900)
def test_damaged_headers_never_bring_the_parent_down(tmp_path: Path) -> None:
    sound = tmp_path / "sound.gguf"
    tiny_model(sound)
    passed = []
    for number, data in enumerate(mutants(sound.read_bytes(), MUTANTS, seed=7)):
        path = tmp_path / f"{number}.gguf"
        path.write_bytes(data)
        try:
            read_header(path)
        except EdgemindError:
            path.unlink()
        else:
            passed.append(path)
    assert passed, "some must reach llama.cpp"
    with ThreadPoolExecutor(AT_ONCE) as pool:
        endings = list(pool.map(ask, passed))
    for ending in endings:
        if isinstance(ending, Failed):
            assert ending.kind in all_kinds()
            assert ending.message.strip().endswith((".", "…"))
    died = sum(isinstance(ending, Failed) and ending.kind == "worker_died" for ending in endings)
    print(f"{MUTANTS} mutants: {len(passed)} reached llama.cpp, {died} ended their worker")


def test_truncated_while_mapped(tmp_path: Path) -> None:
    """A file that is cut while the model is loaded ends the worker at worst; the message says so."""
    path = tmp_path / "model.gguf"
    tiny_model(path)
    request = GenerateRequest(messages=(Message(role="user", content="12 + 7"),), max_tokens=400, ignore_end=True)
    with Engine(LoadOptions(path=str(path), threads=1, sequences=1)) as engine:
        engine.wait_loaded()
        with path.open("r+b") as file:
            file.truncate(4096)
        last = list(engine.generate(request))[-1]
    assert isinstance(last, Done | Failed)
    if isinstance(last, Failed):
        assert last.kind == "worker_died"
        assert "cut short" in last.message
