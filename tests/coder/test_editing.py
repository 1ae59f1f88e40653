"""Models with random weights edit a repository: every edit that they complete parses and applies."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import tiny_model

from edgemind.coder.applying import changes
from edgemind.coder.context import Context, Style
from edgemind.coder.editing import Dropped, Editing, EditingOptions, Proposed
from edgemind.coder.file_text import FileText
from edgemind.coder.types import Create, Edit, EditLimits, EditState, Folder, ShownFile, Whole
from edgemind.convert.random_weights import build
from edgemind.convert.shapes import Shape
from edgemind.engine.client import Engine
from edgemind.engine.events import Done, Failed, LoadOptions, Message, Sampling

SEEDS = 8
LIMITS = EditLimits(lines=3, columns=12)
"""A random model ends a line once in a vocabulary; these end it for the model."""
FILES = {
    "src/app.py": b"import os\n\n\ndef first(a):\n    return a\n\n\ndef second(b):\n    return b\n",
    "README.md": b"# Title\r\n\r\n```\r\ncode\r\n```\r\n",
    "empty.txt": b"",
    'odd "name" é.c': b"int x;\n\tint y = '`';",
}
VOCABULARIES = ("bytes and words", "sentencepiece", "8,000 pieces")


def write_model(kind: str, folder: Path) -> Path:
    path = folder / "model.gguf"
    if kind == "8,000 pieces":
        return build(Shape("t", "qwen3", 1, 256, 4, 2, 64, 256, 8_000, 4096, 1e6, qk_norm=True), path)
    return tiny_model(path, tokenizer="bpe" if kind == "bytes and words" else "spm", vocab=512)


@pytest.fixture(scope="module", params=VOCABULARIES)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    path = write_model(request.param, tmp_path_factory.mktemp("model"))
    with Engine(LoadOptions(path=str(path), threads=1)) as started:
        started.wait_loaded()
        yield started


def state() -> EditState:
    texts = {path: FileText.read(data) for path, data in FILES.items()}
    files = tuple(ShownFile(path, text, ((1, len(text.lines)),) if text.lines else ()) for path, text in texts.items())
    folders = (Folder("", ("src", "README.md", "empty.txt")), Folder("src", ("app.py",)))
    return EditState(files, ("new.py",), folders, limits=LIMITS)


def context(style: Style, given: EditState, task: str = "Change something.") -> Context:
    return Context((Message(role="user", content=task),), given, style, (), 40, 4096)


def after(texts: dict[str, FileText], edits: list[Edit]) -> dict[str, bytes | None]:
    return {change.path: change.after for change in changes(texts, edits)}


def options(seed: int, **changed: int) -> EditingOptions:
    hot = Sampling(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=seed)
    return EditingOptions(sampling=hot, max_tokens=changed.get("max_tokens", 400), thinking_budget=8, max_edits=4)


def test_every_completed_edit_parses_and_applies(engine: Engine) -> None:
    given = state()
    texts = {file.path: file.text for file in given.files}
    completed: list[Edit] = []
    for seed in range(SEEDS):
        editing = Editing(engine, context("edits", given), options(seed))
        events = list(editing)
        assert isinstance(events[-1], Done), events[-1]
        assert [event.edit for event in events if isinstance(event, Proposed)] == editing.edits
        made = after(texts, editing.edits)
        assert set(made) <= {edit.path for edit in editing.edits}
        assert made == after(texts, editing.edits[::-1])
        completed += editing.edits
    assert len(completed) >= SEEDS // 2
    assert len({type(edit) for edit in completed}) >= 3


def test_an_edit_that_a_limit_cuts_is_dropped_whole(engine: Engine) -> None:
    given = EditState(state().files[:1], limits=EditLimits(lines=400))
    dropped = 0
    for seed in range(4):
        editing = Editing(engine, context("edits", given), options(seed, max_tokens=12))
        events = list(editing)
        reasons = [event.reason for event in events if isinstance(event, Dropped)]
        dropped += any("limit of tokens" in reason for reason in reasons)
        changes({file.path: file.text for file in given.files}, editing.edits)
        assert isinstance(events[-1], Done)
    assert dropped


def test_a_model_that_is_never_done_is_stopped(engine: Engine) -> None:
    for seed in range(8):
        editing = Editing(engine, context("edits", state()), options(seed))
        events = list(editing)
        if len(editing.edits) == 4:
            assert any(isinstance(event, Dropped) and "4 edits" in event.reason for event in events)
            return
    pytest.fail("no answer had four edits")


def test_a_context_that_gets_full_keeps_what_is_complete(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "tiny.gguf", vocab=512)
    wordy = Sampling(temperature=1.5, top_k=0, top_p=1.0, min_p=0.0, seed=0)
    kept = set()
    with Engine(LoadOptions(path=str(path), threads=1, context=256)) as small:
        small.wait_loaded()
        for seed in range(12):
            sampling = wordy.model_copy(update={"seed": seed})
            editing = Editing(small, context("edits", state()), EditingOptions(sampling=sampling, thinking_budget=8))
            events = list(editing)
            assert isinstance(events[-1], Done), events[-1]
            kept |= {len(editing.edits) for event in events if isinstance(event, Dropped) and "context" in event.reason}
    assert kept - {0}


def test_what_fails_ends_with_the_failure(tmp_path: Path) -> None:
    path = tiny_model(tmp_path / "tiny.gguf", vocab=512)
    with Engine(LoadOptions(path=str(path), threads=1, context=256)) as small:
        small.wait_loaded()
        editing = Editing(small, context("edits", state(), "word " * 4000), options(0))
        events = list(editing)
    assert isinstance(events[-1], Failed)
    assert not editing.edits


def test_stopping_keeps_what_is_complete(engine: Engine) -> None:
    editing = Editing(engine, context("edits", state()), options(1))
    events = []
    for event in editing:
        events.append(event)
        if isinstance(event, Proposed):
            editing.cancel()
    assert len(editing.edits) <= 1
    assert isinstance(events[-1], Done | Failed)


NANO = Path(__file__).parents[2] / "edgemind" / "data" / "edgemind-nano.gguf"


@pytest.fixture(scope="module")
def nano() -> Iterator[Engine]:
    with Engine(LoadOptions(path=str(NANO), threads=1)) as started:
        started.wait_loaded()
        yield started


@pytest.mark.parametrize("known", ["named by the user", "named in the task"])
def test_the_built_in_model_writes_a_small_file(nano: Engine, known: str) -> None:
    given = EditState(new=("sort.py",)) if known == "named by the user" else EditState(folders=(Folder("", ()),))
    task = "Write a Python function that sorts a list into sort.py"
    editing = Editing(nano, context("bare", given, task), EditingOptions(sampling=Sampling(temperature=0)))
    events = list(editing)
    assert isinstance(events[-1], Done)
    (edit,) = editing.edits
    assert isinstance(edit, Create)
    assert edit.path == "sort.py"
    assert isinstance(ast.parse("\n".join(edit.lines)).body[0], ast.FunctionDef)
    (change,) = changes({}, editing.edits)
    assert change.before is None


def test_a_bare_answer_for_a_file_that_exists_is_the_whole_of_it(nano: Engine) -> None:
    file = ShownFile("sort.py", FileText.read(b"x = 1\n"), ((1, 1),))
    task = "Write a Python function that sorts a list into sort.py"
    editing = Editing(nano, context("bare", EditState((file,)), task), EditingOptions(sampling=Sampling(temperature=0)))
    list(editing)
    assert isinstance(editing.edits[0], Whole)


def test_a_bare_answer_that_is_cut_is_dropped(nano: Engine) -> None:
    task = "Write a Python function that sorts a list into sort.py"
    for most in range(30, 60, 6):
        cut = EditingOptions(sampling=Sampling(temperature=0), max_tokens=most)
        editing = Editing(nano, context("bare", EditState(new=("sort.py",)), task), cut)
        dropped = [event for event in editing if isinstance(event, Dropped)]
        for edit in editing.edits:
            assert "return" in "\n".join(edit.lines if isinstance(edit, Create) else ())
        if dropped:
            return
    pytest.fail("no answer was cut inside its block")
