"""Delivery: a trained checkpoint becomes a proven, quantized model with its provenance, as a file or in the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from edgemind.distill.deliver import About, deliver_file, deliver_to_store, gguf_of
from edgemind.distill.metadata import annotated
from edgemind.errors import UsageError
from edgemind.models import builtin
from edgemind.models.gguf import read_header
from edgemind.models.store.store import own_store
from edgemind.models.unfinished import Unfinished
from tests.distill.nano_checkpoint import nano_checkpoint

ABOUT = About(
    "little",
    "It reasons a little.",
    "somebody",
    "Apache-2.0",
    {"recipe": "r", "train tokens": 5, "held-out accuracy": "ü 9 %"},
)


class Quiet:
    """Who is told, and keeps what was begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def begin(self, what: str, unit: Any = "bytes") -> None:
        self.begun.append(what)

    def __call__(self, done: int, total: int) -> None:
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nano_checkpoint(tmp_path_factory.mktemp("nano") / "nano")


@pytest.fixture
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))


def test_a_file_has_the_weights_and_says_where_it_comes_from(folder: Path, tmp_path: Path) -> None:
    stages = Quiet()
    made = deliver_file(folder, tmp_path / "m.gguf", "Q8_0", ABOUT, stages)
    assert "comparing logits" in stages.begun
    header = read_header(made.path)
    assert header.text("general.name") == "little"
    assert header.text("general.description") == "It reasons a little."
    assert header.text("general.license") == "apache-2.0"
    assert header.text("edgemind.recipe") == "r"
    assert header.number("edgemind.train_tokens") == 5
    assert header.text("edgemind.held_out_accuracy") == "ü 9 %"
    assert made.parity.startswith("same tokens as the checkpoint")
    mine, theirs = ({t.name: t for t in gguf.GGUFReader(path).tensors} for path in (made.path, builtin.path()))
    assert set(mine) == set(theirs)
    ours, shipped = (
        gguf.dequantize(tensors["token_embd.weight"].data, tensors["token_embd.weight"].tensor_type)
        for tensors in (mine, theirs)
    )
    assert np.allclose(ours, shipped, atol=1e-3)
    assert [path.name for path in folder.parent.iterdir()] == ["nano"]


def test_every_key_of_the_built_in_file_that_is_not_of_its_making_is_there(folder: Path, tmp_path: Path) -> None:
    about = About("n", "d", "a", "Apache-2.0", {"seed": 1, "steps": 2, "train tokens": 3, "commit": "c", "data": "d"})
    made = deliver_file(folder, tmp_path / "m.gguf", "Q8_0", about, Quiet())
    missing = set(gguf.GGUFReader(builtin.path()).fields) - set(gguf.GGUFReader(made.path).fields)
    assert not {key for key in missing if not key.startswith(("GGUF.", "edgemind."))}


def test_a_plain_file_replaces_an_earlier_one(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "deeper" / "plain.gguf"
    assert gguf_of(folder, target) == gguf_of(folder, target) == target
    assert read_header(target).parameters == read_header(builtin.path()).parameters


@pytest.mark.usefixtures("_own_home")
def test_a_rerun_replaces_only_its_own(folder: Path) -> None:
    made = deliver_to_store(folder, "mine", "Q8_0", ABOUT, Quiet(), run="r 1", command="edgemind distill r")
    again = deliver_to_store(folder, "mine", "Q8_0", ABOUT, Quiet(), run="r 1")
    assert again.sha256 == made.sha256
    manifest = own_store().get("mine")
    assert manifest is not None
    assert manifest.source.notes["distillation"] == "r 1"
    assert manifest.source.notes["recipe"] == "r"
    assert manifest.licence == "Apache-2.0"
    assert made.path.is_file()
    stages = Quiet()
    with pytest.raises(UsageError, match="not from this distillation") as refused:
        deliver_to_store(folder, "mine", "Q8_0", ABOUT, stages, run="r 2")
    assert "edgemind rm mine" in refused.value.hint
    assert stages.begun == []


@pytest.mark.usefixtures("_own_home")
def test_the_built_in_name_is_taken(folder: Path) -> None:
    with pytest.raises(UsageError, match="comes with EdgeMind"):
        deliver_to_store(folder, builtin.NAME, "Q8_0", ABOUT, Quiet(), run="r")


def test_keys_are_replaced_and_weights_stay(tmp_path: Path) -> None:
    target = tmp_path / "changed.gguf"
    with Unfinished(target) as output:
        size = annotated(
            builtin.path(), output, {"general.name": "x" * 1000, "edgemind.note": "new", "edgemind.count": 2**40}
        )
        output.publish()
    assert target.stat().st_size == size
    before, after = gguf.GGUFReader(builtin.path()), gguf.GGUFReader(target)
    assert after.fields["general.name"].contents() == "x" * 1000
    assert after.fields["edgemind.count"].contents() == 2**40
    assert set(after.fields) - set(before.fields) == {"edgemind.note", "edgemind.count"}
    for old, new in zip(before.tensors, after.tensors, strict=True):
        assert old.name == new.name
        assert np.array_equal(old.data, new.data)
