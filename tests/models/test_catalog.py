"""``models.toml``: what ships, what a user lays over it, and what a slip of the pen is told."""

from __future__ import annotations

import re
from pathlib import Path

import gguf
import pytest
import tomllib

from edgemind.engine.events import Sampling
from edgemind.errors import BadConfig
from edgemind.models import builtin, catalog
from edgemind.models.gguf import read_header

ENTRY = """
[[model]]
name = "mine"
description = "My model"
parameters = 1_000_000
context = 2048
licence = "MIT"
"""


@pytest.fixture
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's own catalog would be."""
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path))
    (tmp_path / "config").mkdir()
    return tmp_path / "config" / "models.toml"


def model(path: Path, parameters: int, name: str = "", base: tuple[str, str] = ("", ""), **sampling: float) -> Path:
    """A header with names and sampling, and one tensor of ``parameters`` elements whose data is a hole."""
    writer = gguf.GGUFWriter(path, "qwen3")
    writer.add_name(name)
    writer.add_string("general.basename", base[0])
    writer.add_string("general.size_label", base[1])
    for key, value in sampling.items():
        writer.add_float32(f"general.sampling.{key}", value)
    kind = gguf.GGMLQuantizationType.I8
    writer.add_tensor_info("t", (parameters,), __import__("numpy").dtype("int8"), parameters, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size + 64 + parameters)
    return path


def test_what_ships_is_valid_and_says_what_it_is(user: Path) -> None:
    entries = catalog.load()
    assert len(entries) >= 7
    assert entries[builtin.NAME].sampling.temperature == 0
    assert entries[builtin.NAME].verified
    for entry in entries.values():
        assert entry.name == builtin.NAME or (entry.repository and entry.file()), entry.name
        assert entry.good_at, entry.name
        assert entry.bad_at, entry.name
        assert all(path.endswith(".gguf") for file in entry.files.values() for path in file.paths)


def test_sampling_fields_are_those_of_the_engine() -> None:
    for name, field in catalog.SamplingDefaults.model_fields.items():
        theirs = Sampling.model_fields[name]
        assert (field.annotation, field.metadata) == (theirs.annotation, theirs.metadata)
    Sampling(**catalog.load()["qwen3-0.6b"].sampling.given())


def test_the_wheel_would_carry_the_file() -> None:
    root = Path(catalog.__file__).parents[2]
    project = tomllib.loads((root / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert included["models.toml"] == "edgemind/data/models.toml"
    assert (root / "models.toml").is_file()


def test_a_user_adds_and_overrides(user: Path) -> None:
    user.write_text(ENTRY + '[[model]]\nname = "qwen3-0.6b"\nthinking = "off"\nsampling = { temperature = 0.1 }\n')
    entries = catalog.load()
    assert entries["mine"].context == 2048
    changed = entries["qwen3-0.6b"]
    assert (changed.thinking, changed.sampling.temperature, changed.sampling.top_k) == ("off", 0.1, 20)
    assert changed.repository == "unsloth/Qwen3-0.6B-GGUF"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (ENTRY + "tempreature = 1\n", 8, "tempreature: unknown key"),
        (ENTRY + "sampling = { temprature = 1.0 }\n", 8, "sampling.temprature: unknown key"),
        (ENTRY + "[model.sampling]\ntop_k = 1\ntop_p = 1.5\n", 10, "sampling.top_p: Input should be less than"),
        (ENTRY.replace("2048", "12"), 6, "context: Input should be greater than"),
        (ENTRY.replace('licence = "MIT"\n', ""), 2, "licence: Field required"),
        (ENTRY + ENTRY.replace('"mine"', '"Mine!"'), 10, "name: String should match"),
        (ENTRY + ENTRY, 9, "occurs twice"),
        ("[[model]]\ncontext = 1\n", 1, "needs a name"),
        ('\n[models]\nname = "x"\n', 2, "'models' is not known here"),
        ("\n\nname = ?\n", 3, "not valid TOML"),
    ],
)
def test_a_slip_is_told_with_its_line(user: Path, text: str, line: int, says: str) -> None:
    user.write_text(text)
    with pytest.raises(BadConfig) as caught:
        catalog.load()
    assert str(user) in caught.value.message
    assert says in caught.value.message
    assert re.search(rf"line {line}\b", caught.value.message)


def test_a_file_that_is_no_text(user: Path) -> None:
    user.write_bytes(b"\xff\xfe")
    with pytest.raises(BadConfig, match="Cannot read"):
        catalog.load()


@pytest.mark.parametrize(
    ("file", "name", "base", "size", "found"),
    [
        ("x.gguf", "Qwen3 0.6B", ("", ""), 600_000_000, "qwen3-0.6b"),
        ("x.gguf", "", ("Qwen3", "0.6B"), 600_000_000, "qwen3-0.6b"),
        ("Qwen3-0.6B-Q4_K_M.gguf", "model", ("", ""), 600_000_000, "qwen3-0.6b"),
        ("gemma-3-1b-it-UD-Q4_K_XL.gguf", "", ("", ""), 1_000_000_000, "gemma-3-1b"),
        ("x.gguf", "Qwen3 0.6B", ("", ""), 4_000_000_000, None),
        ("x.gguf", "Qwen3 0.6B Roleplay", ("", ""), 600_000_000, None),
        ("x.gguf", "", ("", ""), 600_000_000, None),
    ],
)
def test_a_file_is_known_by_its_names_and_size(
    user: Path, tmp_path: Path, file: str, name: str, base: tuple[str, str], size: int, found: str | None
) -> None:
    path = model(tmp_path / file, size, name, base)
    entry = catalog.for_file(read_header(path), path)
    assert (entry.name if entry else None) == found


def test_sampling_in_the_file_is_below_the_catalog(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "x.gguf", 600_000_000, "Qwen3 0.6B", temp=1.5, xtc_threshold=0.1, min_p=7.0)
    header = read_header(path)
    assert catalog.sampling_in_file(header).given() == {"temperature": 1.5, "xtc_threshold": 0.1}
    merged = catalog.sampling_for(header, catalog.for_file(header, path))
    assert (merged.temperature, merged.top_k, merged.xtc_threshold) == (0.6, 20, 0.1)
    assert catalog.sampling_for(header, None).temperature == 1.5


def test_the_keys_are_those_llama_cpp_writes() -> None:
    keys = vars(gguf.Keys.General)
    theirs = {value for name, value in keys.items() if name.startswith("SAMPLING_") and not name.endswith("SEQUENCE")}
    assert {f"general.sampling.{key}" for key in catalog._GGUF_SAMPLING} == theirs
    assert set(catalog._GGUF_SAMPLING.values()) <= set(catalog.SamplingDefaults.model_fields)
