"""From a name or a path to a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgemind.convert.random_weights import build
from edgemind.convert.shapes import Shape
from edgemind.errors import ModelNotFound, ModelUnusable
from edgemind.models import builtin
from edgemind.models.names import installed, resolve

FACTS = Shape("small", "qwen3", 1, 32, 1, 1, 32, 32, 272, 512, 1e4, small="Q8_0", large="Q8_0")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty EdgeMind home, and a folder below it to be in."""
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.fixture
def nano(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package folder with a file of the built-in model's name; its contents do not matter here."""
    monkeypatch.setattr(builtin, "DATA", tmp_path / "data")
    (tmp_path / "data").mkdir()
    return build(FACTS, tmp_path / "data" / f"{builtin.NAME}.gguf")


def put(home: Path, name: str) -> Path:
    folder = home / "data" / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return build(FACTS, folder / name)


def test_the_built_in_model_is_the_default(home: Path, nano: Path) -> None:
    for asked in (None, "", builtin.NAME):
        assert (resolve(asked).name, resolve(asked).path) == (builtin.NAME, nano)


def test_the_settings_name_another_default(home: Path, nano: Path) -> None:
    other = put(home, "mine.gguf")
    (home / "config").mkdir()
    (home / "config" / "config.toml").write_text('model = "mine"\n')
    assert resolve().path == other


def test_without_the_built_in_model_it_says_so(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "DATA", tmp_path / "nowhere")
    with pytest.raises(ModelNotFound, match="not part of this installation"):
        resolve()
    assert installed() == []


def test_installed_lists_the_built_in_and_the_users_files(home: Path, nano: Path) -> None:
    assert [model.name for model in installed()] == [builtin.NAME]
    put(home, "b-model.gguf")
    put(home, "a-model.gguf")
    (home / "data" / "models" / "folder.gguf").mkdir()
    assert [model.name for model in installed()] == [builtin.NAME, "a-model", "b-model"]


def test_a_path_to_any_file(home: Path, nano: Path) -> None:
    here = build(FACTS, Path("local.gguf"))
    assert resolve("local.gguf").path == here
    assert resolve("./local.gguf").name == "local"
    assert resolve(str(here.absolute())).installed is False
    here.rename("noending")
    assert resolve("noending").path == Path("noending")


def test_an_installed_name_wins_over_a_file_here(home: Path, nano: Path) -> None:
    stored = put(home, "same.gguf")
    build(FACTS, Path("same"))
    assert resolve("same").path == stored


def test_unknown_names_bring_the_nearest(home: Path, nano: Path) -> None:
    put(home, "my-qwen.gguf")
    with pytest.raises(ModelNotFound, match="did you mean my-qwen") as caught:
        resolve("my-qwem")
    assert "my-qwen" in caught.value.hint
    with pytest.raises(ModelNotFound, match=r"did you mean edgemind-nano\?"):
        resolve("edgemind-nono")
    with pytest.raises(ModelNotFound, match="not installed") as caught:
        resolve("qwen3-0.6b")
    assert "Qwen/Qwen3-0.6B-GGUF" in caught.value.hint
    assert "edgemind run --model" in caught.value.hint
    with pytest.raises(ModelNotFound) as caught:
        resolve("zzzzzz")
    assert "edgemind run --model" in caught.value.hint


def test_a_missing_path_and_a_hub_name(home: Path, nano: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"There is no file missing\.gguf"):
        resolve("missing.gguf")
    with pytest.raises(ModelNotFound) as caught:
        resolve("Qwen/Qwen3-0.6B-GGUF")
    assert "If it is a repository on a hub" in caught.value.hint


def test_folders_and_pipes_are_refused_at_once(home: Path, nano: Path) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe.gguf")
    with pytest.raises(ModelUnusable, match="folder"):
        resolve("./folder")
    with pytest.raises(ModelUnusable, match="pipe"):
        resolve("pipe.gguf")


def test_the_catalog_entry_is_found_by_name_and_by_file(home: Path, nano: Path) -> None:
    entry = resolve().entry
    assert entry is not None
    assert entry.sampling.temperature == 0
    assert resolve(str(put(home, "other.gguf"))).entry is None


def test_resolving_a_path_imports_no_pydantic_and_no_numpy(home: Path) -> None:
    file = build(FACTS, Path("light.gguf"))
    code = (
        "import sys; from edgemind.models import gguf, names, summary, fit, hardware;"
        f"gguf.read_header(names.resolve({str(file)!r}).path); fit.estimate;"
        "print([name for name in ('pydantic', 'numpy', 'gguf', 'psutil', 'llama_cpp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
