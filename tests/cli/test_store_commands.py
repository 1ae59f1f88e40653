"""The commands of the store, run for real: import, list, verify, export, rm, and what can be in the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from splitting import split
from tiny import tiny_model
from use_store import install, store_at

from edgemind.models import builtin

from .conftest import COMMAND, TIMEOUT, Command, Ran, Screen

MIB = 1 << 20


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "Tiny-Model-F32.gguf")


def listed(edgemind: Command) -> dict[str, Any]:
    ran = edgemind("list", "--json")
    assert ran.code == 0
    assert ran.out.isascii()
    found: dict[str, Any] = json.loads(ran.out)
    return found


def names(edgemind: Command) -> list[str]:
    return [row["name"] for row in listed(edgemind)["models"]]


# --- the way of a model ---------------------------------------------------------------------------------------------


def test_a_file_becomes_a_model_that_runs(edgemind: Command, model: Path) -> None:
    ran = edgemind("import", str(model))
    assert ran.code == 0
    assert ran.out.startswith("Imported tiny-model-f32, ")
    assert "edgemind run --model tiny-model-f32" in ran.err
    assert model.exists()
    assert names(edgemind) == [builtin.NAME, "tiny-model-f32"]
    assert edgemind("run", "-m", "tiny", "-n", "2", "--threads", "1", "hi").code == 0


def test_a_second_import_of_the_same_file_changes_nothing(edgemind: Command, model: Path) -> None:
    first, second = edgemind("import", str(model), "--json"), edgemind("import", str(model), "--json")
    assert json.loads(first.out) == json.loads(second.out)
    assert json.loads(first.out)["name"] == "tiny-model-f32"


def test_a_name_that_is_taken_asks_for_another(edgemind: Command, model: Path, tmp_path: Path) -> None:
    edgemind("import", str(model), "--name", "mine")
    other = tiny_model(tmp_path / "other.gguf", layers=1)
    ran = edgemind("import", str(other), "--name", "mine")
    assert ran.code == 16
    assert "There is a model named mine already" in ran.err
    assert f"edgemind import {other} --name NAME" in ran.err
    assert edgemind("import", str(other), "--name", "mine-2").code == 0


@pytest.mark.parametrize("name", ["Upper", "../up", "", "a b", "con", "x" * 200])
def test_a_name_that_cannot_be_one_is_refused(edgemind: Command, model: Path, name: str) -> None:
    ran = edgemind("import", str(model), "--name", name)
    assert ran.code == 2
    assert "cannot be the name of a model" in ran.err
    assert names(edgemind) == [builtin.NAME]


def test_the_built_in_models_name_and_an_alias_are_taken(edgemind: Command, model: Path) -> None:
    assert edgemind("import", str(model), "--name", builtin.NAME).code == 2
    edgemind("alias", "nano", builtin.NAME)
    ran = edgemind("import", str(model), "--name", "nano")
    assert ran.code == 2
    assert "alias of edgemind-nano" in ran.err


def test_out_to_a_stick_and_in_on_another_machine(edgemind: Command, model: Path, tmp_path: Path) -> None:
    edgemind("import", str(model), "--name", "mine")
    ran = edgemind("export", "mine", str(tmp_path / "stick"))
    assert ran.code == 0
    exported = tmp_path / "stick" / "mine"
    assert f"edgemind import {exported}" in ran.err
    assert subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=exported, capture_output=True).returncode == 0
    there = Command(tmp_path / "there")
    assert there("import", str(exported)).code == 0
    assert there("verify", "mine").code == 0
    assert there("import", str(exported), "--name", "again").code == 0
    assert names(there) == [builtin.NAME, "again", "mine"]


def test_a_folder_of_exported_models_is_a_shared_store(edgemind: Command, model: Path, tmp_path: Path) -> None:
    giver = Command(tmp_path / "giver")
    giver("import", str(model), "--name", "theirs")
    giver("export", "theirs", str(tmp_path / "stick"))
    ran = edgemind("store", "add", str(tmp_path / "stick"))
    assert ran.code == 0
    assert "theirs" in ran.out
    row = next(row for row in listed(edgemind)["models"] if row["name"] == "theirs")
    assert row["store"] == str(tmp_path / "stick")
    assert edgemind("run", "-m", "theirs", "-n", "2", "--threads", "1", "hi").code == 0
    assert edgemind("verify", "theirs").code == 0
    refused = edgemind("rm", "theirs", "--yes")
    assert refused.code == 16
    assert "only read" in refused.err
    (tmp_path / "stick").rename(tmp_path / "unplugged")
    assert "is not there; it may be unplugged" in edgemind("list").err
    assert edgemind("store", "list").code == 0
    assert edgemind("store", "remove", str(tmp_path / "stick")).code == 0
    assert edgemind("list").err == ""


def test_a_safetensors_folder_is_taken_in_and_shown(edgemind: Command, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "Small-Model")
    assert edgemind("import", str(folder)).code == 0
    shown = json.loads(edgemind("show", "small-model", "--json").out)
    assert (shown["kind"], shown["architecture"], shown["parameters"]) == ("safetensors", "qwen3", 8)
    ran = edgemind("run", "-m", "small-model", "hi")
    assert ran.code == 4
    assert "safetensors" in ran.err


def checkpoint(folder: Path) -> Path:
    """A checkpoint of one tensor, written by hand: eight bytes of length, a table, the numbers."""
    folder.mkdir()
    table = json.dumps({"w": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]}}).encode()
    (folder / "model.safetensors").write_bytes(len(table).to_bytes(8, "little") + table + bytes(32))
    config = {"model_type": "qwen3", "num_hidden_layers": 1, "max_position_embeddings": 512, "vocab_size": 9}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


# --- rm -------------------------------------------------------------------------------------------------------------


def test_rm_frees_what_no_other_name_needs(edgemind: Command, model: Path) -> None:
    size = model.stat().st_size
    edgemind("import", str(model), "--name", "one")
    edgemind("import", str(model), "--name", "two")
    assert json.loads(edgemind("store", "list", "--json").out)["stores"][0]["size_bytes"] == size
    first = json.loads(edgemind("rm", "one", "--yes", "--json").out)
    assert first["freed_bytes"] == 0
    assert edgemind("verify", "two").code == 0
    second = json.loads(edgemind("rm", "two", "--yes", "--json").out)
    assert second["removed"] == [{"name": "two", "freed_bytes": size}]
    assert list((edgemind.home / "data" / "models" / "blobs").iterdir()) == []


def test_rm_asks_nobody_where_there_is_none(edgemind: Command, model: Path) -> None:
    edgemind("import", str(model), "--name", "one")
    ran = edgemind("rm", "one")
    assert ran.code == 2
    assert "edgemind rm one --yes" in ran.err
    assert "one" in names(edgemind)


@pytest.mark.parametrize(("answer", "left"), [(b"y\r", False), (b"n\r", True), (b"\r", True), (b"\x04", True)])
def test_rm_asks_on_a_terminal(edgemind: Command, model: Path, answer: bytes, left: bool) -> None:
    edgemind("import", str(model), "--name", "one")
    with Screen() as screen:
        process = edgemind.start("rm", "on", stdin=screen.slave, stdout=screen.slave, stderr=screen.slave)
        wait_for(screen, b"[y/N]")
        os.write(screen.master, answer)
        process.wait(TIMEOUT)
        assert "Remove one? That frees " in screen.text()
    assert ("one" in names(edgemind)) == left


def wait_for(screen: Screen, text: bytes) -> None:
    deadline = time.monotonic() + TIMEOUT
    while text not in screen._seen:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_rm_without_asking_wants_the_whole_name(edgemind: Command, model: Path) -> None:
    edgemind("import", str(model), "--name", "one-model")
    ran = edgemind("rm", "one", "--yes")
    assert ran.code == 2
    assert "stands for one-model" in ran.err
    assert "one-model" in names(edgemind)


def test_rm_keeps_the_built_in_model(edgemind: Command) -> None:
    ran = edgemind("rm", builtin.NAME, "--yes")
    assert ran.code == 2
    assert "cannot be removed" in ran.err


def test_rm_takes_aliases_and_the_default_along(edgemind: Command, model: Path) -> None:
    edgemind("import", str(model), "--name", "one")
    for command in (("alias", "o", "one"), ("alias", "n", builtin.NAME), ("default", "o")):
        assert edgemind(*command).code == 0
    assert listed(edgemind)["default"] == "one"
    ran = edgemind("rm", "one", "--yes")
    assert "aliases are gone too: o" in ran.out
    assert "It was the default" in ran.out
    assert json.loads(edgemind("alias", "--json").out) == {"aliases": {"n": builtin.NAME}}
    assert json.loads(edgemind("default", "--json").out)["default"] == builtin.NAME


# --- default and alias ----------------------------------------------------------------------------------------------


def test_default_and_alias_keep_what_a_person_wrote(edgemind: Command, model: Path) -> None:
    settings = edgemind.home / "config" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text("# mine\nthreads = 1  # one is enough\n")
    edgemind("import", str(model), "--name", "one")
    assert edgemind("default", "one").code == 0
    assert edgemind("alias", "o", "on").code == 0
    assert "# mine" in settings.read_text()
    assert "# one is enough" in settings.read_text()
    assert edgemind("default").out == "one\n"
    assert edgemind("alias", "o").out.split() == ["ALIAS", "MODEL", "o", "one"]
    assert edgemind("alias", "o", "--remove").code == 0
    assert "no alias yet" in edgemind("alias").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("alias", "one", builtin.NAME), "an alias would hide it"),
        (("alias", builtin.NAME, "one"), "an alias would hide it"),
        (("alias", "A B", "one"), "cannot be an alias"),
        (("alias", "x", "nothing-like-it"), "There is no model named"),
        (("alias", "x", "--remove"), "There is no alias"),
        (("alias", "--remove"), "--remove takes"),
        (("alias", "x"), "There is no alias"),
        (("default", "nothing-like-it"), "There is no model named"),
    ],
)
def test_what_an_alias_or_default_cannot_be(
    edgemind: Command, model: Path, arguments: tuple[str, ...], said: str
) -> None:
    edgemind("import", str(model), "--name", "one")
    ran = edgemind(*arguments)
    assert ran.code in (2, 3)
    assert said in ran.err
    assert not (edgemind.home / "config" / "config.toml").exists()


def test_a_default_that_is_gone_names_the_command(edgemind: Command) -> None:
    settings = edgemind.home / "config" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('model = "gone"\n')
    for command in (("default",), ("run", "hi"), ("show",)):
        ran = edgemind(*command)
        assert ran.code == 3
        assert "edgemind default NAME" in ran.err
    assert "edgemind default NAME" in edgemind("list").err


# --- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["show", "verify", "rm", "export", "default"])
def test_an_unknown_name_is_one_sentence_and_a_command(edgemind: Command, model: Path, command: str) -> None:
    edgemind("import", str(model), "--name", "my-model")
    ran = edgemind(command, "my-modle", *(["/nowhere"] if command == "export" else []))
    assert ran.code == 3
    assert ran.err.splitlines()[0] == "edgemind: There is no model named 'my-modle'; did you mean my-model?"
    assert ran.err.splitlines()[1] == f"  edgemind {command} my-model"
    ran = edgemind(command, "qwen3-0.6b", *(["/nowhere"] if command == "export" else []))
    assert "edgemind pull qwen3-0.6b" in ran.err


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"<html>", "web page"), (b"", "empty"), (b"\x80\x02}", "pickle"), (b"GGUF\x03\0\0\0" + b"\xff" * 32, "damaged")],
)
def test_a_file_that_is_no_gguf_is_not_imported(edgemind: Command, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "file.gguf").write_bytes(content)
    ran = edgemind("import", str(tmp_path / "file.gguf"))
    assert ran.code == 4
    assert said in ran.err
    assert names(edgemind) == [builtin.NAME]


def test_an_interrupted_import_leaves_nothing_and_goes_again(edgemind: Command, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "large.gguf", vocab=40000, embd=256)
    process = edgemind.start("import", str(model), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    partial = edgemind.home / "data" / "models" / "partial"
    deadline = time.monotonic() + TIMEOUT
    while not (partial.exists() and list(partial.iterdir())) and process.poll() is None:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT)
    assert b"Traceback" not in err
    if process.returncode != 0:
        assert process.returncode == 130
        assert names(edgemind) == [builtin.NAME]
        assert [path.name for path in partial.iterdir() if path.suffix == ".part"] == []
    assert edgemind("import", str(model)).code == 0
    assert edgemind("verify", "large").code == 0


def test_a_damaged_manifest_is_told_and_harms_no_other(edgemind: Command, model: Path) -> None:
    edgemind("import", str(model), "--name", "good")
    edgemind("import", str(model), "--name", "bad")
    manifest = edgemind.home / "data" / "models" / "manifests" / "bad.json"
    manifest.write_text('{"format": 1, "name": "bad", "files": "../../etc"}\n')
    ran = edgemind("list")
    assert ran.code == 0
    assert "good" in ran.out
    assert "The manifest of bad (own) cannot be used" in ran.err
    assert "edgemind store repair" in ran.err
    assert edgemind("run", "-m", "bad", "hi").code == 16
    assert edgemind("verify", "good").code == 0
    assert edgemind("verify").code == 16
    assert edgemind("rm", "bad", "--yes").code == 0
    assert edgemind("verify").code == 0


def test_a_changed_file_is_refused_and_verify_says_which(edgemind: Command, model: Path) -> None:
    edgemind("import", str(model), "--name", "one")
    other = install(store_at(edgemind.home), "two", [b"other bytes"])
    blob = next(
        path for path in (edgemind.home / "data/models/blobs").iterdir() if other.files[0].sha256 not in path.name
    )
    data = bytearray(blob.read_bytes())
    data[-1] ^= 1
    blob.write_bytes(data)
    ran = edgemind("run", "-m", "one", "hi")
    assert ran.code == 14
    assert "edgemind verify one" in ran.err
    ran = edgemind("verify")
    assert ran.code == 14
    assert "two: sound" in ran.out
    assert "one: " in ran.out
    assert "1 of 2 models are not as they should be: one" in ran.err
    result = json.loads(edgemind("verify", "one", "--json").out)
    assert result["ok"] is False
    assert result["error"]["kind"] == "damaged"
    assert result["models"][0]["error"]["hint"]


def test_a_store_of_a_newer_version_is_left_alone(edgemind: Command, model: Path) -> None:
    edgemind("import", str(model), "--name", "one")
    mark = edgemind.home / "data" / "models" / "store.json"
    mark.write_text('{"format": 99}')
    before = sorted(path.relative_to(edgemind.home) for path in edgemind.home.rglob("*"))
    for command in (("list",), ("verify",), ("import", str(model)), ("rm", "one", "--yes"), ("store", "gc")):
        ran = edgemind(*command)
        assert ran.code == 16
        assert "newer EdgeMind" in ran.err
        assert len(ran.err.splitlines()) == 2
    assert edgemind("run", "-n", "2", "hi").code == 0
    assert sorted(path.relative_to(edgemind.home) for path in edgemind.home.rglob("*")) == before


READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
"""A mount namespace of one's own, in which a folder is on a read-only disk; root is held to that too."""


def test_a_store_on_a_read_only_disk_can_be_used_and_says_so(edgemind: Command, model: Path, tmp_path: Path) -> None:
    edgemind("import", str(model), "--name", "one")
    (edgemind.home / "config").mkdir(exist_ok=True)
    read_only = ["unshare", "-Urm", "sh", "-c", READ_ONLY, str(edgemind.home)]
    try:
        tried = subprocess.run([*read_only, "true"], capture_output=True, timeout=TIMEOUT)
    except FileNotFoundError:
        pytest.skip("no unshare on this system")
    if tried.returncode:
        pytest.skip("this system forbids mounts in a user namespace")

    def there(*arguments: str) -> Ran:
        command = [*read_only, COMMAND, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=edgemind.environment())
        return Ran(done.returncode, done.stdout, done.stderr)

    assert "one" in there("list").out
    assert there("show", "one").code == 0
    assert there("run", "-m", "one", "-n", "2", "--threads", "1", "hi").code == 0
    assert there("verify", "one").code == 0
    assert there("export", "one", str(tmp_path / "stick")).code == 0
    assert "own, cannot be written" in there("store", "list").out
    for command in (("import", str(model), "--name", "two"), ("rm", "one", "--yes"), ("store", "gc")):
        ran = there(*command)
        assert ran.code == 16, command
        assert "read-only" in ran.err.lower()
        assert len(ran.err.splitlines()) == 2
    for command in (("alias", "o", "one"), ("default", "one")):
        ran = there(*command)
        assert ran.code == 11
        assert "read-only" in ran.err.lower()
    assert edgemind("verify", "one").code == 0
    blob = next((edgemind.home / "data" / "models" / "blobs").iterdir())
    os.utime(blob, (1, 1))  # as after a copy that did not keep times
    assert there("verify", "one").code == 0
    assert there("run", "-m", "one", "-n", "2", "--threads", "1", "hi").code == 0
    blob.write_bytes(blob.read_bytes()[:-1] + b"\x00")
    assert there("run", "-m", "one", "hi").code == 14
    assert there("verify", "one").code == 14


def test_repair_gives_a_model_its_manifest_back(edgemind: Command, model: Path) -> None:
    edgemind("import", str(model), "--name", "one")
    manifest = edgemind.home / "data" / "models" / "manifests" / "one.json"
    manifest.write_text("{}")
    ran = edgemind("store", "repair")
    assert ran.code == 0
    assert "one" in ran.out or "tiny" in ran.out
    found = [name for name in names(edgemind) if name != builtin.NAME]
    assert len(found) == 1
    assert edgemind("run", "-m", found[0], "-n", "2", "--threads", "1", "hi").code == 0
    assert "nothing to repair" in edgemind("store", "repair").out
    assert edgemind("list").err == ""


def test_repair_mends_what_every_other_command_refuses(edgemind: Command, model: Path) -> None:
    edgemind("import", str(model), "--name", "one")
    (edgemind.home / "data" / "models" / "store.json").write_text("not json")
    ran = edgemind("list")
    assert ran.code == 16
    assert ran.err.splitlines()[1] == "  edgemind store repair"
    assert edgemind("store", "repair").code == 0
    assert names(edgemind) == [builtin.NAME, "one"]


def test_a_split_model_comes_from_any_of_its_parts_and_goes_round(
    edgemind: Command, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "parts").mkdir()
    parts = split(model, tmp_path / "parts", 3)
    ran = edgemind("import", str(parts[1]), "--json")
    assert ran.code == 0, ran.err
    made = json.loads(ran.out)
    assert [file["path"] for file in made["files"]] == [part.name for part in parts]
    assert len(json.loads(edgemind("show", made["name"], "--json").out)["files"]) == 3
    assert edgemind("run", "-m", made["name"], "-n", "2", "--threads", "1", "hi").code == 0
    assert edgemind("export", made["name"], str(tmp_path / "stick")).code == 0
    there = Command(tmp_path / "there")
    assert there("import", str(tmp_path / "stick" / made["name"])).code == 0
    assert there("run", "-m", made["name"], "-n", "2", "--threads", "1", "hi").code == 0
    parts[2].unlink()
    ran = edgemind("import", str(parts[0]), "--name", "cut")
    assert ran.code == 3
    assert parts[2].name in ran.err
