"""Recipes: what ships is valid, and a slip is one sentence with file, line and the key that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgemind.distill.pipeline.variants import VARIANTS, adjusted, examples_of, possible
from edgemind.distill.recipe.reading import find_recipe, read_recipe, shipped_recipes
from edgemind.distill.recipe.schema import Recipe
from edgemind.errors import BadConfig, UsageError

GOOD = """\
name = "small"

[teacher]
model = "edgemind-nano"

[student.shape]
width = 64
layers = 2
heads = 2

[problems]
families = ["addition", "counting"]
weights = {counting = 2.0}

[targets]
k = 16

[training]
steps = 10
batch_tokens = 256
"""


def written(folder: Path, old: str = "", new: str = "", text: str = GOOD) -> Path:
    assert old in text
    file = folder / "recipe.toml"
    file.write_text(text.replace(old, new, 1) if old else text)
    return file


def read(folder: Path, old: str = "", new: str = "") -> Recipe:
    return read_recipe(written(folder, old, new))


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_a_recipe_that_ships_is_valid_and_called_like_its_file(name: str) -> None:
    recipe = read_recipe(find_recipe(name))
    assert name in recipe.model_name
    assert recipe.description


def test_quickstart_ships() -> None:
    assert "quickstart" in shipped_recipes()


def test_recipes_are_part_of_the_package() -> None:
    root = Path(__file__).resolve().parents[2]
    text = (root / "pyproject.toml").read_text()
    assert '"recipes" = "edgemind/data/recipes"' in text
    assert {file.stem for file in (root / "recipes").glob("*.toml")} == set(shipped_recipes())


def test_defaults_fill_what_is_left_out(tmp_path: Path) -> None:
    recipe = read(tmp_path)
    assert recipe.curriculum.kind == "levels"
    assert recipe.model_name == "small"
    assert recipe.training.rates == (0.0025, 0.0012)
    assert recipe.traces.sampling.max_tokens == recipe.traces.max_tokens
    assert recipe.problems.weights == {"counting": 2.0}


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("batch_tokens", "batch_tokes", 20, "training.batch_tokes: unknown key; did you mean 'batch_tokens'?"),
        ("[training]", "[trainig]", 18, "trainig: unknown key; did you mean 'training'?"),
        ("[targets]", "[targets]\nrate = 0.1", 16, "targets.rate: unknown key; it belongs in [training]"),
        ("[targets]", "[targets]\nwidth = 3", 16, "targets.width: unknown key; it belongs in [student.shape]"),
        ("steps = 10", "steps = 'ten'", 19, "training.steps: it should be a whole number"),
        ("steps = 10", "steps = true", 19, "training.steps: it should be a whole number"),
        ("steps = 10", "steps = 10\ntokens = 5", 18, "how long it trains is exactly one of tokens and steps"),
        ("steps = 10", "", 18, "how long it trains is exactly one of tokens and steps"),
        ("k = 16", "k = -1", 16, "targets.k: it should be greater than or equal to 0"),
        ('model = "edgemind-nano"', "", 3, "exactly one of model, server and train = true; it has none"),
        ('"edgemind-nano"', '"a"\nserver = "http://localhost/v1"', 3, "exactly one of model, server and train = true"),
        ("heads = 2", "heads = 2\nkv_heads = 3", 6, "heads (2) must be a multiple of kv_heads (3)"),
        ("heads = 2", "heads = 2\n[student]\ncheckpoint = 'x'", 10, "exactly one of checkpoint, shape and grow"),
        ("{counting = 2.0}", "{county = 2.0}", 11, "weights has 'county', which is none of the families"),
        ('["addition", "counting"]', '["addition", "addition"]', 11, "'addition' occurs twice"),
        ("[targets]", "[curriculum]\nkind = 'easy'\n[targets]", 16, "it should be 'levels' or 'uniform'"),
        ("[targets]", "[evaluation]\nvariants = ['no-teachers']\n[targets]", 16, "it should be 'full', 'no-teacher'"),
    ],
)
def test_a_slip_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, said: str) -> None:
    with pytest.raises(BadConfig) as caught:
        read(tmp_path, old, new)
    message = caught.value.message
    assert message.startswith(f"{tmp_path / 'recipe.toml'}, line {line}: ")
    assert said in message
    assert "\n" not in message
    assert str(tmp_path / "recipe.toml") in caught.value.hint


@pytest.mark.parametrize(("text", "said"), [("[a", "not valid TOML"), ("a = 1\na = 2", "twice"), ("\xff", "TOML")])
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said) as caught:
        read_recipe(written(tmp_path, text=text))
    assert ", line " in caught.value.message


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"The recipe .*missing.toml cannot be read: there is no such file"):
        read_recipe(tmp_path / "missing.toml")
    with pytest.raises(UsageError, match="did you mean 'quickstart'") as caught:
        find_recipe("quikstart")
    assert caught.value.hint == "edgemind distill quickstart"
    with pytest.raises(UsageError, match="is a folder"):
        find_recipe(str(tmp_path))


def test_paths_are_meant_from_the_recipes_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    table = '[[problems.dataset]]\npath = "mine.jsonl"\nname = "mine"\nanswer = "answer"\n\n[training]'
    recipe = read(tmp_path, "[training]", table)
    assert recipe.problems.dataset[0].path == tmp_path / "mine.jsonl"
    assert read(tmp_path, '"edgemind-nano"', '"folder"').teacher.model == str(tmp_path / "folder")
    assert read(tmp_path, '"edgemind-nano"', '"../a.gguf"').teacher.model == str(tmp_path / "../a.gguf")
    assert read(tmp_path).teacher.model == "edgemind-nano"


SERVER = 'server = "http://HOST:8000/v1"\nserved_model = "big"'


@pytest.mark.parametrize(
    ("host", "local"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", True), ("127.evil.example", False), ("10.0.0.7", False)],
)
def test_a_server_is_on_this_machine_or_not(tmp_path: Path, host: str, local: bool) -> None:
    text = GOOD.replace("k = 16", "k = 0").replace("heads = 2\n", 'heads = 2\n[student]\ntokenizer = "edgemind-nano"\n')
    text = text.replace('model = "edgemind-nano"', SERVER.replace("HOST", host), 1)
    assert read_recipe(written(tmp_path, text=text)).teacher.is_local is local


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("served_model", "#", "a server needs served_model"),
        ("http://", "ftp://", "server is an address such as"),
        ("http://", "http://me:secret@", "password does not stand in a recipe"),
        ("k = 0", "k = 8", "a server gives no probabilities"),
        ('tokenizer = "edgemind-nano"\n', "", "a server has no tokenizer to hand on"),
        ('tokenizer = "edgemind-nano"\n', 'start = "teacher"\n', "a server hands on no weights to start from"),
    ],
)
def test_what_a_server_cannot_do(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = GOOD.replace("k = 16", "k = 0").replace("heads = 2\n", 'heads = 2\n[student]\ntokenizer = "edgemind-nano"\n')
    text = text.replace('model = "edgemind-nano"', SERVER.replace("HOST", "localhost"), 1)
    with pytest.raises(BadConfig, match=said) as caught:
        read_recipe(written(tmp_path, old, new, text=text))
    assert "secret" not in caught.value.message


def test_a_variant_takes_one_thing_away(tmp_path: Path) -> None:
    text = GOOD.replace("[targets]", "[policy]\nshare = 0.1\n\n[targets]")
    recipe = read_recipe(written(tmp_path, "[student.shape]", '[student]\nstart = "teacher"\n\n[student.shape]', text))
    assert possible(recipe) == VARIANTS
    baseline = adjusted(recipe, "no-teacher")
    assert (baseline.traces.source, baseline.loss.weight, baseline.policy) == ("written", 0.0, None)
    assert (baseline.training, baseline.student.shape) == (recipe.training, recipe.student.shape)
    assert (baseline.seed, baseline.student.start) == (recipe.seed, "random")
    other = adjusted(recipe, "no-start")
    assert other == recipe.model_copy(update={"student": baseline.student})
    assert adjusted(recipe, "no-curriculum").curriculum.kind == "uniform"
    assert adjusted(recipe, "no-traces").loss == recipe.loss
    assert {name: examples_of(adjusted(recipe, name)) for name in ("full", *VARIANTS)} == {
        "full": "teacher",
        "no-teacher": "written-plain",
        "no-start": "teacher",
        "no-targets": "teacher-plain",
        "no-traces": "written",
        "no-curriculum": "teacher",
    }


@pytest.mark.parametrize(
    ("student", "said"),
    [
        ('start = "teacher"', r'student: start = "teacher" needs \[student.shape\]'),
        ('start = "theirs"\nshape = {S}', "student.start: it should be 'random' or 'teacher'"),
        ('start = "teacher"\ntokenizer = "train"\nshape = {S}', "the tokenizer is the teacher's"),
        ("keep_layers = [0, 1]\nshape = {S}", 'keep_layers goes with start = "teacher"'),
        ('start = "teacher"\nkeep_layers = [1, 0]\nshape = {S}', "rising order"),
        ('start = "teacher"\nkeep_layers = [1]\nshape = {S}', "has 1 layers and shape.layers is 2"),
        ('start = "teacher"\nkeep_layer = [1]\nshape = {S}', "did you mean 'keep_layers'"),
    ],
)
def test_slips_about_a_start_from_the_teacher(tmp_path: Path, student: str, said: str) -> None:
    student = student.replace("{S}", "{width = 64, layers = 2, heads = 2}")
    text = GOOD.replace("[student.shape]\nwidth = 64\nlayers = 2\nheads = 2\n", f"[student]\n{student}\n")
    with pytest.raises(BadConfig, match=said):
        read_recipe(written(tmp_path, text=text))


def test_a_teacher_has_no_teacher_to_start_from(tmp_path: Path) -> None:
    start = '[teacher.start]\nstart = "teacher"\nshape = {width = 64, layers = 2, heads = 2}\n'
    trained = f"train = true\n\n{start}\n[teacher.training]\nsteps = 3"
    with pytest.raises(BadConfig, match='start = "teacher" is for'):
        read(tmp_path, 'model = "edgemind-nano"', trained)


def test_a_variant_that_is_the_recipe_itself_is_refused(tmp_path: Path) -> None:
    recipe = read(tmp_path, "k = 16", "k = 0")
    assert "no-targets" not in possible(recipe)
    with pytest.raises(UsageError, match="is the recipe 'small' itself"):
        adjusted(recipe, "no-targets")
