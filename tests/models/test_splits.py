"""Which files make one model, and what is said when one is missing, misplaced, or of another model."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemind.errors import ModelNotFound, ModelUnusable
from edgemind.models import fit
from edgemind.models.gguf import read_header, read_headers, read_partial
from edgemind.models.splits import part_names, parts_of, stem
from edgemind.models.summary import check_model, is_embedding, summary
from tests.engine.splitting import changed, split
from tests.engine.tiny import tiny_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("whole") / "tiny.gguf")


@pytest.fixture
def parts(whole: Path, tmp_path: Path) -> list[Path]:
    return split(whole, tmp_path, 3)


def refused(paths: list[Path]) -> str:
    with pytest.raises(ModelUnusable) as caught:
        read_headers(paths)
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    return caught.value.message


def test_names() -> None:
    assert part_names("a-00002-of-00003.gguf") == [f"a-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    assert part_names("A-00001-OF-00001.GGUF".lower()) == ["a-00001-of-00001.gguf"]
    for alone in ("a.gguf", "a-00000-of-00003.gguf", "a-00004-of-00003.gguf", "a-1-of-3.gguf", "a-00001-of-00003.bin"):
        assert part_names(alone) == [alone]
    assert (stem("x/a-00002-of-00003.gguf"), stem("x/a.Q4_K_M.gguf")) == ("a", "a.Q4_K_M")


@pytest.mark.parametrize("given", [0, 1, 2])
def test_any_part_leads_to_all_of_them(parts: list[Path], given: int) -> None:
    assert parts_of(parts[given]) == parts


def test_a_whole_model_stays_alone_whatever_its_name(whole: Path, tmp_path: Path) -> None:
    assert parts_of(whole) == [whole]
    named = tmp_path / "joined-00001-of-00004.gguf"
    named.write_bytes(whole.read_bytes())
    assert parts_of(named) == [named]


def test_a_missing_sibling_is_named(parts: list[Path]) -> None:
    parts[1].unlink()
    with pytest.raises(ModelNotFound, match=r"in 3 files, and tiny-00002-of-00003.gguf is missing"):
        parts_of(parts[0])
    parts[0].unlink()
    with pytest.raises(ModelNotFound, match=r"tiny-00001-of-00003.gguf and 1 more are missing"):
        parts_of(parts[2])


@pytest.mark.parametrize("empty_first", [False, True])
def test_one_header_for_all(whole: Path, tmp_path: Path, empty_first: bool) -> None:
    alone = read_header(whole)
    paths = split(whole, tmp_path, 3, ["sha256-9", "sha256-1", "sha256-5"], empty_first=empty_first)
    header = read_headers(paths)
    check_model(header)
    assert header.parts == tuple(paths)
    assert [tensor.name for tensor in header.tensors] == [tensor.name for tensor in alone.tensors]
    assert set(header.by_name) == set(alone.by_name)
    assert header.size_bytes == sum(path.stat().st_size for path in paths)
    assert summary(header).parameters == summary(alone).parameters
    assert fit.estimate(header, n_ctx=512) == fit.estimate(alone, n_ctx=512)


def test_a_whole_model_is_one_header(whole: Path) -> None:
    assert read_headers([whole]) == read_header(whole)
    assert read_headers([whole]).parts == ()


def test_a_download_of_the_first_part_can_be_looked_at(parts: list[Path]) -> None:
    header = read_partial(parts[0], parts[0].stat().st_size)
    assert header is not None
    check_model(header)


def test_missing_parts(parts: list[Path]) -> None:
    assert "part 2, tiny-00002-of-00003.gguf, is missing" in refused([parts[0], parts[2]])
    assert "part 3, tiny-00003-of-00003.gguf, is missing" in refused(parts[:2])
    assert "part 1 of 3 of a model" in refused(parts[:1])
    assert "part 3 of 3 of a model" in refused(parts[2:])
    parts[1].unlink()
    with pytest.raises(ModelNotFound, match="tiny-00002-of-00003"):
        read_headers(parts)


def test_parts_in_the_wrong_place(parts: list[Path]) -> None:
    one, two, three = parts
    assert "00003.gguf is part 3 of 3 but stands in the place of part 2" in refused([one, three, two])
    assert "stands in the place of part 1" in refused([two, one, three])
    assert "are both part 2 of 3" in refused([one, two, two, three])


def test_parts_of_other_models(whole: Path, parts: list[Path], tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    halves = split(whole, tmp_path / "other", 2)
    assert "part 2 of 2" in refused([parts[0], halves[1], parts[2]])
    assert "do not belong together" in refused([*halves, parts[2]])
    assert "no part of a split model" in refused([parts[0], whole, parts[2]])
    assert "is not the first part of a split model" in refused([whole, parts[1]])
    larger = tiny_model(tmp_path / "larger.gguf", layers=3)
    thirds = split(larger, tmp_path / "other", 3)
    assert "one is a part of another model" in refused([parts[0], thirds[1], parts[2]])


def test_a_part_that_is_no_gguf(parts: list[Path]) -> None:
    parts[2].write_bytes(b"<!DOCTYPE html><html></html>")
    assert "web page" in refused(parts)


def test_which_models_make_embeddings(whole: Path, tmp_path: Path) -> None:
    def made(**values: object) -> bool:
        return is_embedding(read_header(changed(whole, tmp_path / "made.gguf", **values)))

    assert not is_embedding(read_header(whole))
    assert not made(qwen3__pooling_type=0)
    assert not made(qwen3__attention__causal=True)
    assert made(qwen3__pooling_type=3)
    assert made(qwen3__attention__causal=False)
    assert made(general__architecture="gemma-embedding")


@pytest.mark.parametrize(("architecture", "says"), [("t5", "encoder and decoder"), ("dream", "diffusion model")])
def test_models_that_do_not_write_from_left_to_right(whole: Path, tmp_path: Path, architecture: str, says: str) -> None:
    other = changed(whole, tmp_path / "other.gguf", general__architecture=architecture)
    with pytest.raises(ModelUnusable, match=says):
        check_model(read_header(other))
