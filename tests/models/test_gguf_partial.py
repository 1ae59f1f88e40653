"""Headers of downloads under way: the same header as of the whole file, or a wait for more, or an early refusal."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from mutants import mutants

from edgemind.convert.random_weights import build
from edgemind.convert.shapes import Shape
from edgemind.errors import ModelNotFound, ModelUnusable
from edgemind.models.gguf import read_header, read_partial

MINI = Shape("mini", "qwen3", 1, 256, 4, 2, 64, 256, 320, 512, 1e4, qk_norm=True)
FUZZ = Shape("fuzz", "qwen3", 1, 32, 1, 1, 32, 32, 272, 512, 1e4, small="Q8_0", large="Q8_0")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(MINI, tmp_path_factory.mktemp("sound") / "mini.gguf")


def test_every_prefix_gives_the_header_or_waits(sound: Path, tmp_path: Path) -> None:
    whole, full = sound.read_bytes(), read_header(sound)
    part = tmp_path / "mini.gguf.part"
    part.write_bytes(whole)
    table_end = full.data_offset - full.alignment
    rng = random.Random(1)
    for have in (0, 1, 3, 4, 24, 511, 512, 513, *rng.sample(range(len(whole)), 300), len(whole)):
        found = read_partial(part, len(whole), have=have)
        if found is None:
            assert have < full.data_offset
        else:
            assert have > table_end
            assert (found.metadata, found.tensors, found.size_bytes) == (full.metadata, full.tensors, len(whole))


def test_the_file_itself_says_how_much_is_there(sound: Path, tmp_path: Path) -> None:
    whole = sound.read_bytes()
    part = tmp_path / "mini.gguf.part"
    part.write_bytes(whole[:1000])
    assert read_partial(part, len(whole)) is None
    with part.open("ab") as file:
        file.write(whole[1000 : len(whole) // 2])
    found = read_partial(part, len(whole))
    assert found is not None
    assert found.tensors == read_header(sound).tensors


@pytest.mark.parametrize(
    ("start", "says"),
    [
        (b"<!DOCTYPE html><html><body>404</body></html>" + bytes(600), "a web page"),
        (b"PK\x03\x04" + bytes(600), "zip archive"),
        (b"GGUF\x03\0\0\0" + b"\xff" * 600, "claims"),
        (b"GGUF\x63\0\0\0" + bytes(600), "version 99"),
    ],
)
def test_what_will_be_no_model_is_refused_at_once(tmp_path: Path, start: bytes, says: str) -> None:
    part = tmp_path / "0123.part"
    part.write_bytes(start)
    with pytest.raises(ModelUnusable, match=says) as caught:
        read_partial(part, 10**9, name="model-Q4_K_M.gguf")
    assert caught.value.message.startswith("model-Q4_K_M.gguf ")


def test_a_promised_size_that_cannot_hold_the_tensors(sound: Path) -> None:
    size = sound.stat().st_size
    with pytest.raises(ModelUnusable, match="but its header describes"):
        read_partial(sound, size // 2)
    with pytest.raises(ModelUnusable, match="is empty"):
        read_partial(sound, 0)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound):
        read_partial(tmp_path / "none.part", 1000)


def outcome(path: Path, size: int, have: int) -> str:
    try:
        found = read_partial(path, size, have=have, name="it")
    except ModelUnusable as problem:
        return problem.message
    return "more" if found is None else repr((dict(found.metadata), found.tensors))


def test_a_refusal_is_never_taken_back(tmp_path: Path) -> None:
    """Of 300 damaged files: what a prefix says is what the whole file says, unless it only asks for more."""
    sound = build(FUZZ, tmp_path / "sound.gguf")
    file = tmp_path / "mutant.gguf"
    rng = random.Random(2)
    early = 0
    for data in mutants(sound.read_bytes(), 300, seed=3):
        file.write_bytes(data)
        whole = outcome(file, len(data), len(data))
        assert whole != "more"
        for have in sorted(rng.sample(range(len(data) + 1), min(len(data), 5))):
            said = outcome(file, len(data), have)
            assert said in ("more", whole)
            early += said == whole
    assert early > 100
