"""A model in several files answers as the whole one does, in the jailed worker, whatever its files are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from edgemind.engine.client import Engine
from edgemind.engine.events import Answer, Done, GenerateRequest, LoadOptions, ModelInfo, Sampling
from edgemind.errors import EdgemindError
from tests.engine.splitting import split
from tests.engine.tiny import tiny_model

TOKENS = 40


def options(files: list[Path], **more: object) -> LoadOptions:
    paths = tuple(map(str, files))
    return LoadOptions(
        path=paths[0], parts=paths if len(paths) > 1 else (), threads=1, sequences=1, context=512, **more
    )


def answer(opened: LoadOptions) -> tuple[str, ModelInfo]:
    request = GenerateRequest(
        prompt="the ones and the tens", max_tokens=TOKENS, sampling=Sampling(temperature=0), ignore_end=True
    )
    with Engine(opened) as engine:
        events = list(engine.generate(request))
        info = engine.wait_loaded()
    assert isinstance(events[-1], Done), events[-1]
    assert events[-1].stats.answer_tokens == TOKENS
    return "".join(event.text for event in events if isinstance(event, Answer)), info


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("whole") / "tiny.gguf", weights="q8_0")


@pytest.fixture(scope="module")
def expected(whole: Path) -> tuple[str, ModelInfo]:
    return answer(options([whole]))


BLOBS = ("sha256-" + "c" * 64, "sha256-" + "a" * 64, "sha256-" + "b" * 64)


@pytest.mark.parametrize("names", [(), BLOBS])
@pytest.mark.parametrize("empty_first", [False, True])
def test_token_for_token(
    whole: Path, expected: tuple[str, ModelInfo], tmp_path: Path, names: tuple[str, ...], empty_first: bool
) -> None:
    text, info = answer(options(split(whole, tmp_path, 3, names, empty_first=empty_first)))
    assert text == expected[0]
    assert (info.parameters, info.size_bytes, info.name) == (
        expected[1].parameters,
        expected[1].size_bytes,
        expected[1].name,
    )


def test_parts_in_different_folders_and_without_mmap(
    whole: Path, expected: tuple[str, ModelInfo], tmp_path: Path
) -> None:
    """The worker may read each of them, and nothing else is needed beside it."""
    parts = split(whole, tmp_path, 3)
    for number, part in enumerate(parts):
        (tmp_path / str(number)).mkdir()
        parts[number] = part.rename(tmp_path / str(number) / "blob")
    assert answer(options(parts, mmap=False))[0] == expected[0]


def test_relative_paths(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = split(whole, tmp_path, 2)
    monkeypatch.chdir(tmp_path)
    with Engine(options([Path(part.name) for part in parts])) as engine:
        assert engine.wait_loaded().parameters


def problem(files: list[Path]) -> str:
    with Engine(options(files)) as engine, pytest.raises(EdgemindError) as caught:
        engine.wait_loaded()
    return caught.value.message


def test_what_is_wrong_is_one_sentence(whole: Path, tmp_path: Path) -> None:
    one, two, three = split(whole, tmp_path, 3)
    assert "part 2, tiny-00002-of-00003.gguf, is missing" in problem([one, three])
    assert "stands in the place of part 2" in problem([one, three, two])
    assert "the other parts are not named like it" in problem([one])
    two.unlink()
    assert f"There is no file {two}" in problem([one, two, three])


def test_the_path_is_the_first_part() -> None:
    with pytest.raises(ValidationError, match="path is the first of the parts"):
        LoadOptions(path="b", parts=("a", "b"))
