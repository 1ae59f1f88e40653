"""From a name or a path to a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from use_store import install, store_at

from edgemind.convert.random_weights import build
from edgemind.convert.shapes import Shape
from edgemind.errors import Damaged, ModelNotFound, ModelUnusable, StoreProblem
from edgemind.models import builtin, catalog
from edgemind.models.names import find, installed, known_names, loose_files, resolve
from edgemind.models.store.manifest import Source
from edgemind.models.store.store import Store

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


def put(home: Path, name: str, **more: Any) -> Path:
    """A small model in the store; where its bytes lie."""
    store = store_at(home)
    file = build(FACTS, home.parent / "made.gguf")
    file.write_bytes(file.read_bytes() + name.encode())
    return store.blob(install(store, name, [file], **more).files[0].sha256)


def settings(home: Path, text: str) -> None:
    (home / "config").mkdir(exist_ok=True, parents=True)
    (home / "config" / "config.toml").write_text(text)


def test_the_built_in_model_is_the_default(home: Path, nano: Path) -> None:
    for asked in (None, "", builtin.NAME, builtin.NAME.upper()):
        assert (resolve(asked).name, resolve(asked).path) == (builtin.NAME, nano)


def test_the_settings_name_another_default(home: Path, nano: Path) -> None:
    other = put(home, "mine")
    settings(home, 'model = "mine"\n')
    assert resolve().path == other


def test_a_default_that_is_gone_is_one_sentence(home: Path, nano: Path) -> None:
    settings(home, 'model = "gone"\n')
    with pytest.raises(ModelNotFound, match="The default model gone is not installed") as caught:
        resolve()
    assert "edgemind default NAME" in caught.value.hint
    assert resolve(builtin.NAME).path == nano


def test_without_the_built_in_model_it_says_so(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "DATA", tmp_path / "nowhere")
    with pytest.raises(ModelNotFound, match="not part of this installation"):
        resolve()
    assert installed() == []


def test_installed_lists_the_built_in_and_the_store(home: Path, nano: Path) -> None:
    assert [model.name for model in installed()] == [builtin.NAME]
    assert not home.exists()
    where = put(home, "b-model")
    put(home, "a-model")
    assert [model.name for model in installed()] == [builtin.NAME, "a-model", "b-model"]
    assert installed()[2].path == where


def test_loose_files_are_no_models_until_they_are_imported(home: Path, nano: Path) -> None:
    put(home, "model")
    loose = build(FACTS, home / "data" / "models" / "Dropped.gguf")
    assert [model.name for model in installed()] == [builtin.NAME, "model"]
    assert loose_files() == [loose]
    with pytest.raises(ModelNotFound, match="not in the store yet") as caught:
        resolve("dropped")
    assert caught.value.hint == f"edgemind import {loose}"


def test_a_path_to_any_file(home: Path, nano: Path) -> None:
    here = build(FACTS, Path("local.gguf"))
    assert resolve("local.gguf").path == here
    assert resolve("./local.gguf").name == "local"
    assert resolve(str(here.absolute())).installed is False
    here.rename("noending")
    assert resolve("noending").path == Path("noending")


def test_an_installed_name_wins_over_a_file_here_and_that_over_a_beginning(home: Path, nano: Path) -> None:
    stored = put(home, "same")
    build(FACTS, Path("same"))
    build(FACTS, Path("sam"))
    assert resolve("same").path == stored
    assert resolve("SAME").path == stored
    assert resolve("sam").path == Path("sam")


def test_the_beginning_of_one_name_is_enough(home: Path, nano: Path) -> None:
    put(home, "qwen3-0.6b")
    assert resolve("qwen").name == "qwen3-0.6b"
    assert resolve("edge").name == builtin.NAME
    put(home, "qwen3-1.7b")
    assert resolve("qwen3-1").name == "qwen3-1.7b"
    with pytest.raises(ModelNotFound, match=r"Several models begin with 'qwen': qwen3-0\.6b, qwen3-1\.7b"):
        resolve("qwen")


def test_an_alias_is_another_name(home: Path, nano: Path) -> None:
    where = put(home, "qwen3-0.6b")
    settings(home, 'model = "q"\naliases = {q = "qwen3-0.6b", tiny = "edgemind-nano", lost = "gone"}\n')
    assert (resolve("q").name, resolve("q").path) == ("qwen3-0.6b", where)
    assert resolve().path == where
    assert resolve("tiny").path == nano
    assert resolve("ti").path == nano
    with pytest.raises(ModelNotFound, match="alias lost stands for gone") as caught:
        resolve("lost")
    assert "edgemind alias lost --remove" in caught.value.hint
    assert set(known_names()) == {builtin.NAME, "qwen3-0.6b", "q", "tiny", "lost"}


def test_shared_stores_come_after_the_own_one(home: Path, nano: Path, tmp_path: Path) -> None:
    own = put(home, "both")
    file = build(FACTS, tmp_path / "file.gguf")
    shared = Store(tmp_path / "stick")
    install(shared, "both", [b"not this one"])
    there = install(shared, "there", [file])
    settings(home, f'stores = ["{tmp_path / "stick"}", "/nowhere/at/all"]\n')
    assert resolve("both").path == own
    assert resolve("there").path == shared.blob(there.files[0].sha256)
    assert "there" in known_names()


def test_a_file_that_changed_is_refused_before_it_is_opened(home: Path, nano: Path) -> None:
    where = put(home, "model")
    where.write_bytes(b"something else")
    with pytest.raises(Damaged) as caught:
        resolve("model")
    assert caught.value.hint
    found = find("model", "verify")
    assert found is not None
    assert found.name == "model"


def test_a_model_of_another_kind_is_for_those_who_ask(home: Path, nano: Path) -> None:
    put(home, "weights", kind="safetensors")
    with pytest.raises(ModelUnusable, match="safetensors"):
        resolve("weights")
    assert resolve("weights", any_kind=True).manifest


def test_a_model_of_several_files_has_them_in_order(home: Path, nano: Path) -> None:
    store = store_at(home)
    manifest = install(store, "split", [b"one", b"two", b"three"])
    model = resolve("split")
    assert model.files == model.parts == tuple(store.blob(file.sha256) for file in manifest.files)
    assert model.path == model.parts[0]


def test_unknown_names_bring_the_nearest_and_the_next_command(home: Path, nano: Path) -> None:
    put(home, "my-qwen")
    with pytest.raises(ModelNotFound, match="did you mean my-qwen") as caught:
        resolve("my-qwem")
    assert caught.value.hint == "edgemind run --model my-qwen ..."
    with pytest.raises(ModelNotFound) as caught:
        find("my-qwem", "rm")
    assert caught.value.hint == "edgemind rm my-qwen"
    with pytest.raises(ModelNotFound, match=r"did you mean edgemind-nano\?"):
        resolve("edgemind-nono")
    with pytest.raises(ModelNotFound, match=r"The model qwen3-0\.6b is not installed") as caught:
        resolve("Qwen3-0.6B")
    assert caught.value.hint == "edgemind pull qwen3-0.6b"
    with pytest.raises(ModelNotFound, match=r"the catalog has .*smollm3-3b") as caught:
        resolve("smollm")
    assert caught.value.hint.startswith("edgemind pull smollm")
    with pytest.raises(ModelNotFound) as caught:
        resolve("zzzzzz")
    assert "edgemind list" in caught.value.hint
    assert "edgemind recommend" in caught.value.hint


def test_a_store_that_is_away_is_named_as_the_likely_reason(home: Path, nano: Path, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    settings(home, f'model = "there"\naliases = {{t = "there"}}\nstores = ["{stick}"]\n')
    for asked in (None, "there", "t", "edgemind-nono"):
        with pytest.raises(ModelNotFound, match="stick is not there; it may be unplugged") as caught:
            resolve(asked)
        assert "Plug it in and try again. " in caught.value.hint
        assert "edgemind " in caught.value.hint
    install(Store(stick), "there", [build(FACTS, tmp_path / "file.gguf")])
    assert resolve().name == "there"
    with pytest.raises(ModelNotFound) as caught:
        resolve("zzz")
    assert "unplugged" not in caught.value.message


def test_what_the_catalog_knows_of_a_model_is_a_command_away(home: Path, nano: Path) -> None:
    with pytest.raises(ModelNotFound) as caught:
        resolve("qwen3-0.6b", command="show")
    assert caught.value.hint == "edgemind catalog show qwen3-0.6b. To have it: edgemind pull qwen3-0.6b"


def test_a_missing_path_and_a_hub_name(home: Path, nano: Path) -> None:
    with pytest.raises(ModelNotFound, match=r"There is no file missing\.gguf"):
        resolve("missing.gguf")
    with pytest.raises(ModelNotFound) as caught:
        resolve("Qwen/Qwen3-0.6B-GGUF")
    assert "edgemind pull Qwen/Qwen3-0.6B-GGUF" in caught.value.hint


def test_a_store_of_a_newer_version_leaves_the_built_in_model(home: Path, nano: Path) -> None:
    put(home, "model")
    (home / "data" / "models" / "store.json").write_text('{"format": 99}')
    with pytest.raises(StoreProblem, match="newer"):
        resolve("model")
    assert resolve().path == nano


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
    assert resolve(str(put(home, "other"))).entry is None
    repository = catalog.load()["qwen3-0.6b"].repository
    put(home, "mine", source=Source(kind="hub", repository=repository))
    known = resolve("mine").entry
    assert known is not None
    assert known.repository == repository


def test_resolving_a_path_imports_no_pydantic_and_no_numpy(home: Path) -> None:
    file = build(FACTS, Path("light.gguf"))
    code = (
        "import sys; from edgemind.models import gguf, names, summary, fit, hardware;"
        f"gguf.read_header(names.resolve({str(file)!r}).path); fit.estimate;"
        "print([name for name in ('pydantic', 'numpy', 'gguf', 'psutil', 'llama_cpp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
