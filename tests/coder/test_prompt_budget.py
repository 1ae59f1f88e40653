"""Prompts fit contexts of any size: what is named is whole or refused with numbers, what is left out is told."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_repositories import workspace
from tiny import tiny_model

from edgemind.coder import messages
from edgemind.coder.context import Attempt, gather
from edgemind.coder.diffing import diff
from edgemind.coder.types import FileChange
from edgemind.engine.client import Engine, Generation
from edgemind.engine.events import GenerateRequest, LoadOptions
from edgemind.errors import PromptTooLong, WorkerDied

CONTEXTS = (2_100, 4_096, 32_768)
WORDS = (
    "parse", "amount", "total", "price", "retry", "connection", "pool", "cart", "invoice", "rate", "limit", "header"
)  # fmt: skip


def source(rng: random.Random, functions: int) -> str:
    pieces = []
    for _ in range(functions):
        name = "_".join(rng.sample(WORDS, 3))
        pieces.append(
            f"def {name}(value):\n    # {' '.join(rng.sample(WORDS, 6))}\n    return value + {rng.random()}\n\n\n"
        )
    return "".join(pieces)


@pytest.fixture(scope="module", params=CONTEXTS)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Nearly every byte is a token."""
    file = tiny_model(tmp_path_factory.mktemp("model") / "m.gguf", context=request.param)
    with Engine(LoadOptions(path=str(file))) as found:
        yield found


@pytest.mark.parametrize("seed", range(6))
def test_any_prompt_fits_and_what_is_named_is_whole(tmp_path: Path, engine: Engine, seed: int) -> None:
    rng = random.Random(seed)
    limit = engine.wait_loaded().context_limit
    files: dict[str, str | bytes] = {f"src/m{number}.py": source(rng, rng.randint(1, 60)) for number in range(12)}
    files["named.py"] = source(rng, rng.choice((1, 3, limit // 800, limit // 200)))
    place, listing = workspace(tmp_path, files)
    task = " ".join(rng.sample(WORDS, 5))
    named = ["named.py"] if rng.random() < 0.7 else ["named.py:2-4", "src/m3.py:1-3"]
    attempts = [Attempt(source(rng, 4), source(rng, rng.choice((1, 40)))) for _ in range(rng.randint(0, 3))]
    refused: PromptTooLong | None = None
    try:
        found = gather(place, listing, engine, task, named, attempts=attempts, ask=bool(seed % 2))
    except PromptTooLong as problem:
        refused = problem
    if refused:
        kept = r"(named\.py has|The 2 files have) [\d,]+ tokens, and the model can be shown [\d,]+ tokens"
        assert re.match(kept, refused.message)
        assert re.search(r"named\.py:\d+-\d+", refused.hint)
        return
    assert found.tokens == engine.count(found.messages) <= limit - min(limit // 3, 8_192)
    text = found.messages[1].content
    for name in named:
        path, _, lines = name.partition(":")
        all_lines = str(files[path]).splitlines()
        first, last = map(int, lines.split("-")) if lines else (1, len(all_lines))
        assert "\n".join(f"{number}|{all_lines[number - 1]}" for number in range(first, last + 1)) in text
    assert all(part.note for part in found.parts if not part.used)
    told = "\n".join(message.content for message in found.messages)
    if any(one.result not in told for one in attempts[-2:]):
        assert "earlier tries are shown in part: no room in the model's context" in found.notes


@pytest.mark.parametrize("name", ["long.py", "long.py:101-700"])
def test_the_lines_that_are_proposed_fit(tmp_path: Path, engine: Engine, name: str) -> None:
    line = "x" * (engine.wait_loaded().context_limit // 100)
    place, listing = workspace(tmp_path, {"long.py": f"{line}\n" * 1_000, "one.py": line * 200})
    with pytest.raises(PromptTooLong) as told:
        gather(place, listing, engine, "shorter", [name])
    proposed = re.search(r"long\.py:(\d+)-\d+", told.value.hint)
    assert proposed
    assert proposed[1] == ("101" if ":" in name else "1")
    gather(place, listing, engine, "shorter", [proposed[0]])
    with pytest.raises(PromptTooLong) as told:
        gather(place, listing, engine, "shorter", ["one.py"])
    assert told.value.hint == "Take a model with a larger context: edgemind list"


def test_a_long_test_output_does_not_end_the_task(tmp_path: Path, engine: Engine) -> None:
    place, listing = workspace(tmp_path, {"a.py": "x = 1\n"})
    attempts = [Attempt("edit " * 300, f"{number} " + "E assert 1 == 2\n" * 250 + "the end") for number in range(2)]
    found = gather(place, listing, engine, "mend it", ["a.py"], attempts=attempts)
    assert "the end" in found.messages[-1].content
    assert bool(found.notes) == (engine.wait_loaded().context_limit < 32_768)


@pytest.fixture
def asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[GenerateRequest]:
    """What the engine is asked."""
    found: list[GenerateRequest] = []
    generate = engine.generate

    def noted(request: GenerateRequest) -> Generation:
        found.append(request)
        return generate(request)

    monkeypatch.setattr(engine, "generate", noted)
    return found


def test_the_subject_of_a_commit_is_asked_for_within_the_context(engine: Engine, asked: list[GenerateRequest]) -> None:
    change = FileChange("a.py", b"", b"x = 1  # a long line of a change\n" * 2_000, None)
    assert messages.written(engine, "task " * 1_000, [diff(change)])
    assert engine.count(asked[0].messages) + 64 < engine.wait_loaded().context_limit


def test_the_subject_is_written_from_what_can_be_seen_of_any_bytes(
    engine: Engine, asked: list[GenerateRequest]
) -> None:
    after = b"x = 'caf\xe9'\n" + "# a\u202eb\u200bc\x1b[31md\n\tend\n".encode()
    assert messages.written(engine, "say caf\udce9", [diff(FileChange("n\udce9.py", b"x = 1\n", after, None))])
    content = asked[0].messages[0].content
    assert "+x = 'caf\ufffd'\n+# abc[31md\n+\tend\n" in content
    assert "say caf\ufffd" in content


def test_an_engine_that_fails_leaves_the_subject_to_others(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(request: GenerateRequest) -> Generation:
        raise WorkerDied("It stopped.", "Again.")

    monkeypatch.setattr(engine, "generate", failing)
    assert messages.written(engine, "task", [diff(FileChange("a.py", b"", b"x\n", None))]) == ""
