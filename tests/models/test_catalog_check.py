"""Checking a catalog: every problem at once, each at its line, and doubts about what validates."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemind.engine.reasoning_formats import FORMATS
from edgemind.models.catalog_check import Checked, check

ENTRY = """[[model]]
name = "mine"
description = "My model"
repository = "me/mine"
parameters = 596_049_920
context = 2048
licence = "MIT"
default_quantization = "Q8_0"
[model.files]
Q8_0 = { name = "mine-Q8_0.gguf", size = 639_000_000 }
[model.shape]
architecture = "qwen3"
layers = 28
embedding = 1024
heads = 16
kv_heads = 8
head_dim = 128
feed_forward = 3072
vocabulary = 151_936
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path))
    return tmp_path / "models.toml"


def looked(file: Path, text: str) -> Checked:
    file.write_text(text)
    return check(file, FORMATS)


def changed(old: str, new: str) -> tuple[str, int]:
    """The entry with one thing changed, and the line of that."""
    assert ENTRY.count(old) == 1
    return ENTRY.replace(old, new), ENTRY.count("\n", 0, ENTRY.index(old)) + 1


def test_a_good_file(file: Path) -> None:
    checked = looked(file, ENTRY)
    assert not checked.problems
    assert [entry.name for entry in checked.entries] == ["mine"]
    assert not looked(file, "").problems
    assert not looked(file, '[[model]]\nname = "qwen3-0.6b"\nthinking = "off"\n').problems


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('licence = "MIT"', 'license = "MIT"', "license: unknown key; did you mean 'licence'?"),
        ("context = 2048", 'context = "long"', "context: Input should be a valid integer"),
        ("size = 639_000_000", "size = -1", "files.Q8_0.size: Input should be greater than 0"),
        ("size = 639_000_000", "sise = 1", "files.Q8_0.sise: unknown key; did you mean 'size'?"),
        ('name = "mine-Q8_0.gguf", size', "size", "files.Q8_0: needs either a name or parts"),
        ("mine-Q8_0.gguf", "../mine.gguf", "files.Q8_0.name: is no plain file name of a repository"),
        ("layers = 28", "layers = 0", "shape.layers: Input should be greater than 0"),
        ("heads = 16", "heds = 16", "shape.heds: unknown key; did you mean 'heads'?"),
        ('repository = "me/mine"', 'repository = "mine"', "repository: String should match pattern"),
        ('name = "mine"', 'name = "con"', "name: is a name that some systems do not allow for a file"),
        ('licence = "MIT"', 'licence = "MIT"\nuse = ["chat",\n "cooking"]', "use[2]: Input should be 'chat'"),
        ('licence = "MIT"', 'licence = "MIT"\nsampling.top_p = 3', "sampling.top_p: Input should be less than"),
        ('licence = "MIT"', 'licence = "MIT"\nrevision = "main"', "revision: String should match pattern"),
        ('licence = "MIT"', 'licence = "MIT"\npage = "http://x"', "page: String should match pattern"),
        ('licence = "MIT"', 'licence = "MIT"\nreasoning = "loud"', "reasoning: 'loud' is no format; there are none,"),
        ('"Q8_0"', '"Q4_K_M"', "default_quantization: Q4_K_M is not among the files (Q8_0)"),
    ],
)
def test_an_error_is_at_its_line(file: Path, old: str, new: str, says: str) -> None:
    text, line = changed(old, new)
    first = next(problem for problem in looked(file, text).problems if says in str(problem))
    assert (first.severity, first.entry) == ("error", "con" if "con" in new.split('"') else "mine")
    assert first.line == line + new.count("\n")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("context = 2048", "context = 99_999_999", "context: 99,999,999 tokens is more than any model"),
        ('licence = "MIT"', 'licence = "unknown"', "licence: 'unknown' says nothing"),
        ('repository = "me/mine"', "", "repository: without one it cannot be pulled"),
        ("639_000_000", "639_000", "files: 639 kB for 596M parameters is 0.0086 bits each"),
        ("639_000_000", "639_000_000_000", "files: 639.0 GB for 596M parameters is 8.6e+03 bits each"),
        ("mine-Q8_0.gguf", "mine.bin", "files: mine.bin is no GGUF file"),
        ("kv_heads = 8", "kv_heads = 7", "shape: 16 heads cannot share 7 kv_heads evenly"),
        ("layers = 28", "layers = 48", "shape: it has 911M parameters, and the entry says 596M (+53%)"),
        ("layers = 28", "layers = 28\nsliding_window = 512", "shape: sliding_window and window_period go together"),
        ("layers = 28", "layers = 28\nattention_layers = 29", "shape: 29 attention_layers of 28 layers"),
        ('licence = "MIT"', 'licence = "MIT"\nactive_parameters = 999_999_999', "active_parameters: there are more"),
        (
            'licence = "MIT"',
            'licence = "MIT"\nmatch = ["Qwen3 0.6B"]',
            "match: a file named 'qwen3-0-6b' could be qwen3",
        ),
    ],
)
def test_a_doubt_is_a_warning(file: Path, old: str, new: str, says: str) -> None:
    text, _ = changed(old, new)
    checked = looked(file, text)
    assert [problem.severity for problem in checked.problems if says in str(problem)] == ["warning"]
    assert not checked.errors
    assert len(checked.entries) == 1


def test_files_that_are_named_twice_or_in_disorder(file: Path) -> None:
    more = (
        'Q6_K = "mine-Q8_0.gguf"\nQ5_0.parts = ["a-00002-of-00002.gguf", "a-00001-of-00002.gguf"]\n'
        'Q5_1.parts = ["b-00001-of-00002.gguf", "b-00002-of-00002.gguf"]\n'
    )
    found = looked(file, ENTRY.replace("[model.shape]", more + "[model.shape]")).problems
    assert [(problem.line, problem.message) for problem in found] == [
        (11, "files: mine-Q8_0.gguf is the file of Q8_0 too"),
        (12, "files: its parts are not numbered 00001-of-0000N in order"),
    ]


def test_everything_at_once_and_in_order(file: Path) -> None:
    text = (
        "other = 1\n"
        + ENTRY.replace('licence = "MIT"\n', "licens = 1\n").replace("top", "")
        + ENTRY
        + "[[model]]\ncontext = 1\n"
        + '[[model]]\nname = 7\n[[model]]\nname = "last"\nmatch = "x"\nshape = 1\nfiles.Q8_0 = 3\n'
        + "[elsewhere]\n"
    )
    checked = looked(file, text)
    assert [(problem.line, problem.entry, problem.message.split(":")[0]) for problem in checked.problems] == [
        (1, "", "'other' is not known here; entries begin with [[model]]"),
        (2, "mine", "licence"),
        (8, "mine", "licens"),
        (21, "mine", "this model occurs twice; the first is in line 2"),
        (40, "", "this model needs a name"),
        (43, "", "this model needs a name"),
        (44, "last", "context"),
        (44, "last", "description"),
        (44, "last", "licence"),
        (44, "last", "parameters"),
        (46, "last", "match"),
        (47, "last", "shape"),
        (48, "last", "files.Q8_0"),
        (49, "", "'elsewhere' is not known here; entries begin with [[model]]"),
    ]
    assert checked.errors == len(checked.problems)
    assert not checked.entries


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[model]\nname = 1\n", 1, "model is a table"),
        ("\nmodel = 1\n", 2, "model is a table"),
        ("model = [1, 2]\n", 1, "this model needs a name"),
        ('\na = """\n\n', 2, "not valid TOML: Unterminated string"),
        ("\na = [1,\n\n", 4, "not valid TOML"),
        ('[[model]]\nname = "x"\n\nname = "y"\n', 4, "'name' stands there twice; the first is in line 2"),
        ('[[model]]\nfiles.A = [\n"x"]\nfiles.A = [\n\n"y"]\n', 4, "'A' stands there twice; the first is in line 2"),
        ("[[model]]\n[model.shape]\n[model.shape]\n", 3, "'shape' stands there twice; the first is in line 2"),
        ("[[model]]\nshape = { layers = 1, layers = 2 }\n", 2, "twice"),
        ("[[model]]\nx = 1\nx.y = 1\n", 3, "not valid TOML"),
    ],
)
def test_what_is_no_catalog(file: Path, text: str, line: int, says: str) -> None:
    first = looked(file, text).problems[0]
    assert says in first.message
    assert first.line == line


def test_lines_hold_with_a_mark_and_windows_line_ends(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf" + (ENTRY + "extra = 1\n").replace("\n", "\r\n").encode())
    assert [problem.line for problem in check(file, FORMATS).problems] == [ENTRY.count("\n") + 1]


def test_a_file_that_is_not_there(file: Path) -> None:
    checked = check(file, FORMATS)
    assert [(problem.line, problem.message) for problem in checked.problems] == [(0, "there is no such file")]


def test_two_models_that_could_be_the_same_file(file: Path) -> None:
    other = ENTRY.replace('"mine"', '"other"').replace('licence = "MIT"', 'licence = "MIT"\nmatch = ["Mine"]')
    found = looked(file, ENTRY + other).problems
    assert [str(problem) for problem in found] == ["other: match: a file named 'mine' could be mine as well"]
    large = other.replace("596_049_920", "8_000_000_000").replace("[model.shape]", "[model.shap]")
    assert not [problem for problem in looked(file, ENTRY + large).problems if "match" in problem.message]
