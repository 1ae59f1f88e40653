"""``models.toml``: what ships, what a user lays over it, and what a slip of the pen is told."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import get_args

import gguf
import pytest
import tomllib

from edgemind.engine.events import Sampling
from edgemind.engine.reasoning_formats import FORMATS
from edgemind.errors import BadConfig
from edgemind.models import builtin, catalog, quantizations
from edgemind.models.catalog_check import check, parameters_of
from edgemind.models.catalog_schema import Shape
from edgemind.models.gguf import read_header

ENTRY = """
[[model]]
name = "mine"
description = "My model"
parameters = 1_000_000
context = 2048
licence = "MIT"
"""


MINIMAL = {"name": "x", "description": "x", "parameters": 1, "context": 256, "licence": "MIT"}
SHAPE = {
    "architecture": "qwen3",
    "layers": 28,
    "embedding": 1024,
    "heads": 16,
    "kv_heads": 8,
    "head_dim": 128,
    "feed_forward": 3072,
    "vocabulary": 151_936,
}


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


FAMILIES = (
    *("qwen3-0.6b", "qwen3-1.7b", "qwen3-4b", "qwen3-8b"),
    *("deepseek-r1-distill-qwen-1.5b", "deepseek-r1-distill-qwen-7b", "deepseek-r1-distill-llama-8b", "phi-4-mini"),
    *("phi-4-mini-reasoning", "smollm3-3b", "gemma-3-1b", "gemma-3-4b"),
    *("llama-3.2-1b", "llama-3.2-3b", "qwen2.5-coder-1.5b", "qwen2.5-coder-3b"),
    *("qwen2.5-coder-7b", "qwen3.5-0.8b", "gemma-4-e2b", "lfm2.5-1.2b"),
    *("minicpm5-1b", "ministral-3-3b", "granite-4.1-3b", "qwen3-embedding-0.6b"),
    *("nomic-embed-text-v1.5", "embeddinggemma-300m"),
)


def test_what_ships_is_valid_and_says_what_it_is(user: Path) -> None:
    entries = catalog.load()
    assert set(FAMILIES) <= set(entries)
    assert entries[builtin.NAME].sampling.temperature == 0
    assert entries[builtin.NAME].verified
    for entry in entries.values():
        assert entry.good_at, entry.name
        assert entry.bad_at, entry.name
        assert entry.use, entry.name
        if entry.name == builtin.NAME:
            continue
        assert entry.repository, entry.name
        assert entry.page, entry.name
        assert entry.family, entry.name
        assert {"Q4_K_M", "Q8_0"} & set(entry.files), entry.name
        assert entry.file(), entry.name
        assert all(path.endswith(".gguf") for file in entry.files.values() for path in file.paths)


def test_every_use_has_a_model(user: Path) -> None:
    uses = [use for entry in catalog.load().values() for use in entry.use]
    for use in get_args(catalog.Use):
        assert uses.count(use) >= (1 if use == "demo" else 3), use


def test_what_ships_has_no_problem() -> None:
    checked = check(catalog.shipped_file(), FORMATS)
    assert not checked.problems
    assert len(checked.entries) >= 30


def test_shapes_have_the_parameters_that_the_entries_say(user: Path) -> None:
    """Where every layer is alike the sum is exact but for norms and biases, so this catches any wrong number."""
    for entry in catalog.load().values():
        if entry.shape and entry.shape.attention_layers is None:
            assert 0.995 < parameters_of(entry.shape) / entry.parameters <= 1.0005, entry.name


def test_sizes_are_those_of_their_quantization(user: Path) -> None:
    """Files of small models carry more: their embedding is a large part, and gets more bits."""
    bits = {one.name: one.bits for one in quantizations.ALL}
    again = {"qwen2.5-coder-1.5b": 151_936 * 1536, "qwen2.5-coder-3b": 151_936 * 2048}  # the output matrix, see there
    for entry in catalog.load().values():
        for quantization, file in entry.files.items():
            if file.size:
                each = file.size * 8 / (entry.parameters + again.get(entry.name, 0))
                assert 0.97 * bits[quantization] < each < bits[quantization] + 2.8, (entry.name, quantization)


def test_every_code_model_fills_gaps_and_nothing_else_does(user: Path) -> None:
    for entry in catalog.load().values():
        assert entry.fill_in_middle == entry.name.startswith("qwen2.5-coder")


def test_fetched_entries_are_marked_unverified(user: Path) -> None:
    assert [entry.name for entry in catalog.load().values() if entry.verified] == [builtin.NAME]


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
    assert changed.files["Q8_0"].size == 639_447_744


def test_another_repository_has_other_files(user: Path) -> None:
    user.write_text('[[model]]\nname = "qwen3-0.6b"\nrepository = "me/mine"\nfiles = { Q6_K = "mine.gguf" }\n')
    changed = catalog.load()["qwen3-0.6b"]
    assert (list(changed.files), changed.revision, changed.default_quantization) == (["Q6_K"], None, None)
    assert changed.file() == catalog.CatalogFile(name="mine.gguf")
    assert changed.shape == catalog.Shape(**SHAPE)


def test_one_file_more_leaves_the_others(user: Path) -> None:
    user.write_text('[[model]]\nname = "qwen3-0.6b"\n[model.files.Q2_K]\nname = "two.gguf"\nsize = 2\n')
    changed = catalog.load()["qwen3-0.6b"]
    assert changed.files["Q2_K"].size == 2
    assert changed.files["Q8_0"].sha256
    assert changed.revision


def test_a_change_is_seen(user: Path) -> None:
    assert "mine" not in catalog.load()
    user.write_text(ENTRY)
    assert "mine" in catalog.load()
    user.unlink()
    assert "mine" not in catalog.load()


def test_the_default_quantization(user: Path) -> None:
    entry = catalog.load()["qwen2.5-coder-7b"]
    assert entry.quantization() == "Q4_K_M"
    assert entry.quantization("q5_0") == "Q5_0"
    assert entry.quantization("Q2_K") is None
    assert entry.file("Q2_K") is None
    split = entry.file("Q5_0")
    assert split
    assert [path[-20:] for path in split.paths] == ["-00001-of-00002.gguf", "-00002-of-00002.gguf"]
    assert catalog.CatalogEntry(**(MINIMAL | {"files": {"Q6_K": "a.gguf"}})).quantization() == "Q6_K"
    assert catalog.CatalogEntry(**MINIMAL).file() is None


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


def test_how_many_more_problems_there_are(user: Path) -> None:
    user.write_text(ENTRY + "contxt = 1\nlicense = 2\n")
    with pytest.raises(
        BadConfig, match=r"line 8: mine: contxt: unknown key; did you mean 'context'\? \(2 problems"
    ) as caught:
        catalog.load()
    assert "edgemind catalog check" in caught.value.hint


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\xff\xfe", "line 1: it is UTF-16"),
        (b"# ok\n\xfc = 1\n", "line 2: it is not UTF-8 text: the byte 0xfc"),
        (b"a = 1\n" * 200_000, "more than 1 MB"),
        (b"a = " + b"[" * 100_000, "nested too deeply"),
        (b"\r", "line 1: not valid TOML"),
        (b"\0", "line 1: not valid TOML"),
    ],
)
def test_a_file_that_is_no_toml(user: Path, data: bytes, says: str) -> None:
    user.write_bytes(data)
    with pytest.raises(BadConfig) as caught:
        catalog.load()
    assert says in caught.value.message


def test_an_empty_file_and_one_with_a_mark_and_windows_line_ends(user: Path) -> None:
    user.write_bytes(b"")
    without = catalog.load()
    user.write_bytes(b"\xef\xbb\xbf" + ENTRY.replace("\n", "\r\n").encode())
    assert set(catalog.load()) - set(without) == {"mine"}


def test_what_is_no_regular_file(user: Path) -> None:
    os.mkfifo(user)
    with pytest.raises(BadConfig, match="no regular file"):
        catalog.load()
    user.unlink()
    user.mkdir()
    with pytest.raises(BadConfig, match="a folder"):
        catalog.load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(user: Path) -> None:
    user.write_text(ENTRY)
    user.chmod(0)
    with pytest.raises(BadConfig, match="Permission denied"):
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
        ("x.gguf", "Qwen3-4B-Instruct-2507", ("Qwen3", "4B"), 4_000_000_000, "qwen3-4b-instruct-2507"),
        ("Qwen3-4B-Q8_0.gguf", "Qwen3 4B Thinking 2507", ("", ""), 4_000_000_000, "qwen3-4b-thinking-2507"),
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


def test_the_documentation_is_right(user: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "catalog.md").read_text()
    user.write_text(text.split("```toml\n")[1].split("```")[0])
    assert not check(user, FORMATS).problems
    known = catalog.load()
    assert known["our-model"].quantization() == "Q4_K_M"
    sampling = known["qwen3-4b"].sampling
    assert (sampling.temperature, sampling.top_p) == (0.3, 0.95)
    assert known["qwen3-4b"].quantization() == "Q8_0"
    fields = {*catalog.CatalogEntry.model_fields, *Shape.model_fields}
    assert not {field for field in fields if f"`{field}`" not in text and f"`{field} =" not in text}
