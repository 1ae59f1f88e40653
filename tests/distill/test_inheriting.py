"""A student that starts from its teacher: what is refused before anything runs, what is made, who starts bare."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_ready import almost_empty, refused, run_of
from training_parts import NANO, problems

from edgemind.distill import inheriting
from edgemind.distill.inheriting import Measures, check_fits, measures_of, sample
from edgemind.distill.pipeline.running import digest_of, planned
from edgemind.distill.pipeline.stages import stages_of
from edgemind.distill.pipeline.stages.student import stage_of, start_folder, start_inputs
from edgemind.distill.pipeline.variants import adjusted
from edgemind.distill.recipe.networks import ShapeRecipe, StudentRecipe
from edgemind.distill.students import INHERITED, start_student
from edgemind.errors import ModelUnusable, UsageError

SHAPE = {"width": 64, "layers": 2, "heads": 2, "kv_heads": 1, "head_dim": 64, "ffn": 96, "context": 256}


def student(**changes: object) -> StudentRecipe:
    return StudentRecipe.model_validate({"start": "teacher", "shape": {**SHAPE, **changes}})


def toml(**changes: object) -> str:
    shape = ", ".join(f"{key} = {value}" for key, value in {**SHAPE, **changes}.items())
    return f'{{start = "teacher", shape = {{{shape}}}}}'


def test_measures_of_a_file_and_of_its_checkpoint_are_one(tmp_path: Path) -> None:
    found = measures_of(NANO, "nano")
    assert (found.kind, found.width, found.layers, found.head_dim) == ("qwen3", 256, 5, 64)
    config = {
        "model_type": "qwen3",
        "hidden_size": found.width,
        "num_hidden_layers": found.layers,
        "num_attention_heads": found.heads,
        "num_key_value_heads": found.kv_heads,
        "head_dim": found.head_dim,
        "intermediate_size": found.ffn,
        "max_position_embeddings": found.context,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert measures_of(tmp_path, "nano") == found
    shape = ShapeRecipe(
        width=256, layers=5, heads=found.heads, kv_heads=found.kv_heads, head_dim=64, ffn=found.ffn, context=1024
    )
    assert replace(Measures.of_shape(shape), context=found.context) == found


@pytest.mark.parametrize("text", ['{"model_type": "gpt2"}', "[]", "{", '{"model_type": "llama"}'])
def test_a_teacher_of_another_kind(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelUnusable) as caught:
        measures_of(tmp_path, "theirs")
    assert "theirs" in caught.value.message
    assert 'student.start = "random"' in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        ({"head_dim": 32}, "head_dim is 32 and that of edgemind-nano 64", "Say head_dim = 64"),
        ({"width": 512}, "student.shape.width is 512 and that of edgemind-nano 256", "at most 256"),
        ({"layers": 6}, "student.shape.layers is 6", "at most 5"),
        ({"ffn": 4096}, "student.shape.ffn is 4,096", "at most"),
        ({"heads": 4}, "has 4 heads to each of its kv_heads", "heads at most 2"),
        ({"context": 1_000_000}, "student.shape.context is 1,000,000", "at most"),
    ],
)
def test_a_shape_that_is_no_part_of_the_teacher(
    tmp_path: Path, changes: dict[str, object], said: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_fits(student(**changes), measures_of(NANO, "edgemind-nano"), "edgemind-nano")
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert said in refused(run_of(tmp_path, student=toml(**changes)))


def test_layers_that_the_teacher_does_not_have() -> None:
    recipe = student().model_copy(update={"keep_layers": (0, 7)})
    with pytest.raises(UsageError, match="keep_layers has 7, and the layers of nano end at 4"):
        check_fits(recipe, measures_of(NANO, "nano"), "nano")


def test_a_file_that_is_no_network_of_ours(tmp_path: Path) -> None:
    (tmp_path / "other.gguf").write_bytes(almost_empty("gemma"))
    said = refused(run_of(tmp_path, "edgemind-nano", "./other.gguf", student=toml()))
    assert 'is a gemma, and with start = "teacher" it has to be one of: qwen3' in said


@pytest.mark.parametrize(
    ("start", "said"),
    [
        (
            '{grow = {from = "edgemind-nano", layers_after = [1]}}',
            "student.shape.layers is 7 and that of the teacher 6",
        ),
        (
            '{tokenizer = "train", shape = {width = 128, layers = 7, heads = 2, kv_heads = 1}}',
            "that of the teacher 128",
        ),
    ],
)
def test_a_teacher_that_is_yet_to_be_trained(tmp_path: Path, start: str, said: str) -> None:
    trained = f"{{train = true, start = {start}, training = {{tokens = 1000}}}}"
    run = run_of(tmp_path, '{model = "edgemind-nano"}', trained, student=toml(layers=7, width=512))
    assert said in refused(run)


def test_the_sample_is_from_all_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = start_student(StudentRecipe(shape=ShapeRecipe(width=16, layers=1, heads=1)), 1, tmp_path / "one", NANO)
    asked = problems(200)
    monkeypatch.setattr(inheriting, "SAMPLE_TOKENS", 600)
    found = sample(asked, folder, 256)
    assert 600 <= sum(len(text.ids) for text in found) < 700
    assert found == sample(asked, folder, 256)
    assert found[0].ids != found[1].ids
    bare = sample([replace(problem, thought="", answer="") for problem in asked], folder, 256)
    assert bare[0].start == 1
    assert len(bare[0].ids) < len(found[0].ids)
    with pytest.raises(UsageError, match="fits into 8 tokens"):
        sample(asked, folder, 8)


def test_a_start_from_the_teacher_and_the_same_from_nothing(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    recipe = student()
    bare = recipe.model_copy(update={"start": "random"})
    one = start_student(recipe, 1, tmp_path / "one", NANO, NANO, problems(80))
    other = start_student(bare, 1, tmp_path / "other", NANO, NANO)
    assert (one / "config.json").read_bytes() == (other / "config.json").read_bytes()
    about = json.loads((one / INHERITED).read_text())
    assert len(about["layers"]) == 2
    assert about["teacher_loss"] < about["loss"] < 5.0
    first, second = load_file(one / "model.safetensors"), load_file(other / "model.safetensors")
    assert {name: weight.shape for name, weight in first.items()} == {n: w.shape for n, w in second.items()}
    assert second["model.layers.0.mlp.up_proj.weight"].std().item() == pytest.approx(0.02, rel=0.1)
    assert (second["model.norm.weight"] == 1).all()


def test_only_those_who_need_it_start_from_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path, student=toml())
    assert "student random" not in {stage.name for stage in stages_of(run)}
    run = replace(run, variants=("no-teacher", "no-start", "no-targets"))
    stages = {stage.name: stage for stage in stages_of(run)}
    needs = {name: {need for need in stage.needs if need.startswith("student")} for name, stage in stages.items()}
    assert needs["train full"] == needs["train no-targets"] == {"student"}
    assert needs["train no-teacher"] == needs["train no-start"] == {"student random"}
    assert {"teacher", "problems"} <= set(stages["student"].needs)
    assert stage_of(run, adjusted(run.recipe, "no-start").student) == "student random"
    assert start_folder(run) != start_folder(run, adjusted(run.recipe, "no-start").student)
    assert {step.state for step in planned(run, list(stages.values()))} == {"due"}


def test_a_start_that_is_random_is_the_input_that_it_was(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    plain = start_inputs(run.recipe.student, run)
    assert not {"start", "keep_layers"} & plain.keys()
    with_teacher = start_inputs(student(), run_of(tmp_path, student=toml()))
    assert with_teacher["start"] == "teacher"
    kept = start_inputs(student().model_copy(update={"keep_layers": (0, 1)}), run)
    assert digest_of(kept) != digest_of(with_teacher)


def test_whose_network_is_cut(tmp_path: Path) -> None:
    from edgemind.distill.pipeline.models import Teacher

    file, folder = tmp_path / "a.gguf", tmp_path / "folder"
    folder.mkdir()
    assert Teacher("t", gguf=file, scorer=file).network == file
    assert Teacher("t", gguf=file, folder=folder, scorer=file).network == folder
    assert Teacher("t", gguf=file, scorer=folder).network == folder
    assert Teacher("t").network is None
