"""The command that an error or a result names works when it is typed as it stands."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from tiny import tiny_model

from edgemind.models import builtin

from .conftest import Command, Ran

ODD = "Dr. O'Neil's stick (2) Ünï"


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A folder whose name a shell would take apart, with a model in it."""
    (tmp_path / ODD).mkdir()
    tiny_model(tmp_path / ODD / "a model.gguf")
    return tmp_path / ODD


def typed(edgemind: Command, told: str, after: str = "") -> Ran:
    """Run the last command of a text, as a shell would read it."""
    command = told[told.rindex(f"{after}edgemind ") + len(after) :].splitlines()[0]
    return edgemind(*shlex.split(command)[1:])


def test_import_of_a_folder_names_the_file_in_it(edgemind: Command, odd: Path) -> None:
    ran = edgemind("import", str(odd))
    assert ran.code == 16
    assert typed(edgemind, ran.err).code == 0


def test_an_exported_model_is_taken_in_as_it_says(edgemind: Command, odd: Path) -> None:
    edgemind("import", str(odd / "a model.gguf"), "--name", "mine")
    ran = edgemind("export", "mine", str(odd))
    assert edgemind("rm", "mine", "--yes").code == 0
    assert typed(edgemind, ran.err).code == 0


def test_export_to_what_is_a_file_names_its_folder(edgemind: Command, odd: Path) -> None:
    edgemind("import", str(odd / "a model.gguf"), "--name", "mine")
    ran = edgemind("export", "mine", str(odd / "a model.gguf"))
    assert (ran.code, ran.err.splitlines()[0]) == (2, f"edgemind: {odd}/a model.gguf is no folder.")
    assert typed(edgemind, ran.err).code == 0
    assert (odd / "mine" / "SHA256SUMS").exists()


def test_a_file_laid_into_the_models_folder_is_imported_as_the_list_says(edgemind: Command) -> None:
    folder = edgemind.home / "data" / "models"
    folder.mkdir(parents=True)
    tiny_model(folder / "by hand.gguf")
    ran = edgemind("list")
    assert ran.out.count("\n") == 2
    assert typed(edgemind, ran.err).code == 0


def test_rm_without_asking_says_the_whole_command(edgemind: Command, odd: Path) -> None:
    edgemind("import", str(odd / "a model.gguf"), "--name", "mine-and-more")
    ran = edgemind("rm", "mine", "--yes")
    assert ran.code == 2
    assert typed(edgemind, ran.err).code == 0


def test_what_a_removed_store_leaves_hanging_is_said_with_a_command(edgemind: Command, odd: Path) -> None:
    edgemind("import", str(odd / "a model.gguf"), "--name", "mine")
    edgemind("export", "mine", str(odd))
    edgemind("rm", "mine", "--yes")
    assert edgemind("store", "add", str(odd)).code == 0
    assert edgemind("rm", "mine", "--yes").code == 16
    edgemind("alias", "m", "mine")
    edgemind("default", "mine")
    ran = typed(edgemind, edgemind("rm", "mine", "--yes").err)
    assert ran.code == 0
    assert "The default model mine is gone with it: edgemind default NAME" in ran.err
    assert typed(edgemind, ran.err.split("The default")[0]).code == 0
    assert edgemind("default", builtin.NAME).code == 0


def test_a_shared_model_from_a_file_is_not_said_to_be_on_the_hub(edgemind: Command, odd: Path) -> None:
    edgemind("import", str(odd / "a model.gguf"), "--name", "mine")
    edgemind("export", "mine", str(odd))
    edgemind("rm", "mine", "--yes")
    edgemind("store", "add", str(odd))
    (odd / "mine" / "a model.gguf").write_bytes(b"GGUF")
    ran = edgemind("verify", "mine")
    assert (ran.code, ran.out) == (14, "")
    assert f"Ask whoever keeps {odd}." in ran.err
    assert "pull" not in ran.err


def test_verify_names_a_model_whose_manifest_is_damaged(edgemind: Command, odd: Path) -> None:
    for name in ("one", "two"):
        edgemind("import", str(odd / "a model.gguf"), "--name", name)
    (edgemind.home / "data" / "models" / "manifests" / "one.json").write_text("{")
    ran = edgemind("verify")
    assert ran.code == 16
    assert "The manifest of one cannot be used" in ran.out
    assert "two: sound" in ran.out
    assert typed(edgemind, ran.err).code == 0


@pytest.mark.parametrize("trouble", ["settings", "store"])
def test_the_doctor_is_there_when_something_is_amiss(edgemind: Command, trouble: str) -> None:
    file = edgemind.home / ("config/config.toml" if trouble == "settings" else "data/models/store.json")
    file.parent.mkdir(parents=True)
    file.write_text("x = " if trouble == "settings" else '{"format": 99}')
    ran = edgemind("doctor", "--json")
    assert ran.code == 0
    assert str(file if trouble == "settings" else file.parent) in json.loads(ran.out)["store"]["problem"]
    assert "llama.cpp" in edgemind("doctor").out


@pytest.mark.parametrize("word", [("search", "qwen"), ("ls", "all"), ("info", builtin.NAME)])
def test_what_other_programs_call_a_command_leads_to_ours(edgemind: Command, word: tuple[str, str]) -> None:
    ran = edgemind(*word)
    assert ran.code == 2
    assert typed(edgemind, ran.err).code == 0


def test_an_empty_variable_does_not_change_the_default(edgemind: Command, odd: Path) -> None:
    edgemind("import", str(odd / "a model.gguf"), "--name", "mine")
    edgemind("default", "mine")
    assert edgemind("default", "").code == 2
    assert edgemind("default").out == "mine\n"
