"""What is in a recipe's way and can be seen at once is said before anything runs, also by a dry run."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from edgemind.distill.pipeline.running import carry_out, planned
from edgemind.distill.pipeline.stage import Run, Unseen
from edgemind.distill.pipeline.stages import stages_of
from edgemind.distill.recipe.reading import read_recipe
from edgemind.errors import EdgemindError

RECIPE = """
name = "tiny"
teacher = {model = "edgemind-nano"}
student = {STUDENT}
problems = {PROBLEMS}
training = {tokens = 1000}
"""
SHAPE = "{shape = {width = 64, layers = 1, heads = 2}}"
PROBLEMS = '{families = ["addition"]}'
LETTERS = '{name = "letters", path = "letters.jsonl", prompt = "text", answer = "urgency"}'


def run_of(folder: Path, old: str = "", new: str = "", student: str = SHAPE, problems: str = PROBLEMS) -> Run:
    file = folder / "tiny.toml"
    file.write_text(RECIPE.replace("{STUDENT}", student).replace("{PROBLEMS}", problems).replace(old, new), "utf-8")
    return Run(read_recipe(file), folder / "run")


def almost_empty(architecture: str) -> bytes:
    """A GGUF file that says nothing but its architecture and that it has one layer, with one tensor."""

    def text(words: str) -> bytes:
        return struct.pack("<Q", len(words)) + words.encode()

    said = text("general.architecture") + struct.pack("<I", 8) + text(architecture)
    said += text(f"{architecture}.block_count") + struct.pack("<II", 4, 1)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 2) + said + text("a") + struct.pack("<IQIQ", 1, 32, 0, 0)
    return head + bytes(-len(head) % 32) + bytes(128)


def refused(run: Run) -> str:
    """What a dry run says, which is what the run says, which has begun nothing."""
    with pytest.raises(EdgemindError) as dry:
        planned(run, stages_of(run))
    with pytest.raises(EdgemindError) as real:
        carry_out(run, stages_of(run), Unseen())
    assert str(dry.value) == str(real.value)
    assert real.value.hint
    assert not list((run.directory / "stages").glob("*.json"))
    return str(dry.value)


def test_nothing_is_in_the_way(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert {step.state for step in planned(run, stages_of(run))} == {"due"}
    assert not run.directory.exists()


def test_a_teacher_that_is_not_installed(tmp_path: Path) -> None:
    assert "did you mean edgemind-nano" in refused(run_of(tmp_path, "edgemind-nano", "edgemind-nanoo"))


def test_a_teacher_that_is_no_language_model(tmp_path: Path) -> None:
    (tmp_path / "image.gguf").write_bytes(almost_empty("clip"))
    assert "not a language model" in refused(run_of(tmp_path, "edgemind-nano", "./image.gguf"))
    (tmp_path / "search.gguf").write_bytes(almost_empty("bert"))
    assert "cannot teach" in refused(run_of(tmp_path, "edgemind-nano", "./search.gguf"))


def test_a_name_that_another_model_has(tmp_path: Path) -> None:
    run = run_of(tmp_path, 'name = "tiny"', 'name = "edgemind-nano"')
    assert "edgemind-nano is the model that comes with EdgeMind" in refused(run)


def test_a_family_that_nothing_has(tmp_path: Path) -> None:
    assert "the nearest is 'addition'" in refused(run_of(tmp_path, problems='{families = ["adition"]}'))


def test_a_checkpoint_that_is_not_there(tmp_path: Path) -> None:
    assert "no file or folder" in refused(run_of(tmp_path, student='{checkpoint = "./nowhere"}'))
    assert "no model named 'nowhere'" in refused(run_of(tmp_path, student='{checkpoint = "nowhere"}'))


def test_a_student_that_is_a_gguf_file(tmp_path: Path) -> None:
    assert "starts from a checkpoint" in refused(run_of(tmp_path, student='{checkpoint = "edgemind-nano"}'))


def test_a_network_larger_than_any_machine(tmp_path: Path) -> None:
    said = refused(run_of(tmp_path, student="{shape = {width = 1_000_000, layers = 10, heads = 2}}"))
    assert "student.shape" in said
    assert "billion" in said


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (None, "cannot be read"),
        ([], "no rows"),
        ([{"txt": "Is it urgent?", "urgency": "high"}], "no column 'text'; it has txt, urgency"),
        (["no object"], "no object"),
    ],
)
def test_a_dataset_that_cannot_be_used(tmp_path: Path, rows: list[object] | None, said: str) -> None:
    if rows is not None:
        (tmp_path / "letters.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    assert said in refused(run_of(tmp_path, problems=f"{{dataset = [{LETTERS}]}}"))


def test_a_dataset_that_is_a_file_where_a_folder_is_meant(tmp_path: Path) -> None:
    (tmp_path / "letters.jsonl").write_text("{}\n", "utf-8")
    dataset = LETTERS.replace("}", ', kind = "dataset"}')
    assert "should be a folder" in refused(run_of(tmp_path, problems=f"{{dataset = [{dataset}]}}"))


def test_only_what_is_asked_for_is_looked_at(tmp_path: Path) -> None:
    from edgemind.distill.pipeline.running import Wanted

    run = run_of(tmp_path, student='{checkpoint = "nowhere"}')
    steps = planned(run, stages_of(run), Wanted(until="problems"))
    assert [step.stage.name for step in steps] == ["teacher", "problems"]
