"""``edgemind distill`` run for real: small recipes, the built-in model as teacher."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from edgemind.cli.distill import going_on

from .conftest import TIMEOUT, Command

RECIPE = """\
name = "tiny"
description = "for tests"

[teacher]
model = "edgemind-nano"

[student.shape]
width = 32
layers = 1
heads = 2
ffn = 64
context = 256

[problems]
families = ["addition", "comparison"]
count = 24
levels = [1, 1]

[traces]
only = 4
temperature = 0.0
max_tokens = 96

[targets]
k = 8

[curriculum]
held_out = 4

[training]
steps = 4
batch_tokens = 512
compile = "off"
checkpoint_every = 2

[evaluation]
held_out = 2
max_tokens = 48
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "tiny.toml"
    file.write_text(RECIPE)
    return file


def changed(recipe: Path, old: str, new: str) -> Path:
    text = recipe.read_text()
    assert old in text
    recipe.write_text(text.replace(old, new, 1))
    return recipe


def arguments(recipe: Path, *more: str) -> tuple[str, ...]:
    return ("distill", str(recipe), "--run-dir", str(recipe.parent / "run"), *more)


def test_the_recipes_that_ship_are_listed(edgemind: Command) -> None:
    ran = edgemind("distill", "--list")
    assert (ran.code, ran.err) == (0, "")
    assert "quickstart" in ran.out
    names = [one["name"] for one in json.loads(edgemind("distill", "--list", "--json").out)["recipes"]]
    assert "quickstart" in names


def test_a_dry_run_says_what_would_happen_and_does_nothing(edgemind: Command, recipe: Path) -> None:
    ran = edgemind(*arguments(recipe, "--dry-run", "--json", "--variant", "no-teacher"))
    assert (ran.code, ran.err) == (0, "")
    stages = {one["stage"]: one["state"] for one in json.loads(ran.out)["stages"]}
    assert list(stages)[:4] == ["teacher", "problems", "student", "traces teacher"]
    assert {"train full", "train no-teacher", "evaluate shipped", "export", "report"} <= set(stages)
    assert set(stages.values()) == {"due"}
    assert not (recipe.parent / "run").exists()


@pytest.mark.parametrize(
    ("more", "code", "said", "hint"),
    [
        (("--until", "trainig"), 2, "there is no stage 'trainig'; did you mean 'train'?", "problems, student"),
        (("--from", "x"), 2, "--from: there is no stage 'x'.", "problems, student"),
        (("--variant", "no-teachers"), 2, "There is no variant 'no-teachers'; did you mean 'no-teacher'?", "no-traces"),
        (("--from", "train", "--until", "problems"), 2, "--from train comes after --until problems", "The order is"),
        (("--allow-network",), 2, "has no server", "Leave out --allow-network"),
    ],
)
def test_a_wrong_word_is_told(
    edgemind: Command, recipe: Path, more: tuple[str, ...], code: int, said: str, hint: str
) -> None:
    ran = edgemind(*arguments(recipe, *more))
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert hint in ran.err
    assert not (recipe.parent / "run").exists()


def test_a_slip_in_the_recipe_is_told_with_its_line(edgemind: Command, recipe: Path) -> None:
    ran = edgemind(*arguments(changed(recipe, "max_tokens", "max_tokns")))
    assert ran.code == 11
    assert "tiny.toml, line 22: traces.max_tokns: unknown key; did you mean 'max_tokens'?" in ran.err
    assert "Traceback" not in ran.err


def test_a_recipe_that_is_not_there(edgemind: Command) -> None:
    ran = edgemind("distill", "quickstat")
    assert ran.code == 2
    assert "did you mean 'quickstart'?" in ran.err
    assert edgemind("distill").code == 2


def test_a_teacher_that_is_not_there_is_told_before_anything_runs(edgemind: Command, recipe: Path) -> None:
    ran = edgemind(*arguments(changed(recipe, '"edgemind-nano"', '"nowhere/model.gguf"')))
    assert ran.code == 3
    assert "nowhere/model.gguf" in ran.err


def test_a_run_directory_that_is_a_file(edgemind: Command, recipe: Path) -> None:
    for place in (recipe, recipe / "below"):
        ran = edgemind("distill", str(recipe), "--run-dir", str(place), "--dry-run")
        assert ran.code == 2
        assert "is a file, and a run needs a folder" in ran.err


def test_a_server_elsewhere_has_to_be_allowed(edgemind: Command, recipe: Path) -> None:
    server = 'server = "http://10.1.2.3:8000/v1"\nserved_model = "big"'
    changed(recipe, 'model = "edgemind-nano"', server)
    changed(recipe, "k = 8", "k = 0")
    changed(recipe, "context = 256", 'context = 256\n[student]\ntokenizer = "edgemind-nano"')
    ran = edgemind(*arguments(recipe))
    assert ran.code == 2
    assert "every prompt would be sent to it" in ran.err
    assert "--allow-network" in ran.err
    allowed = edgemind(*arguments(recipe, "--allow-network", "--until", "problems"))
    assert allowed.code == 0
    assert "NOT OFFLINE" in allowed.err
    assert "http://10.1.2.3:8000/v1" in allowed.err


def test_stages_run_once_and_are_skipped_then(edgemind: Command, recipe: Path) -> None:
    first = edgemind(*arguments(recipe, "--until", "problems"))
    assert first.code == 0
    assert "problems: done in" in first.err
    assert "24 problems" in first.out
    again = edgemind(*arguments(recipe, "--until", "problems", "--json"))
    assert [json.loads(line)["event"] for line in again.err.splitlines()] == ["plan", "skipped", "skipped"]
    found = json.loads(again.out)
    assert found["stages"]["problems"]["figures"]["training"] == 24
    assert found["model"] is None


def test_a_stage_alone_needs_what_it_reads(edgemind: Command, recipe: Path) -> None:
    place = ("--run-dir", str(recipe.parent / "run"))
    ran = edgemind("distill-stage", "traces", str(recipe), *place)
    assert ran.code == 2
    assert "The stage 'traces' reads what" in ran.err
    assert f"edgemind distill {shlex.join([str(recipe), *place])} --until traces" in ran.err
    assert edgemind("distill-stage", "problems", str(recipe), *place).code == 0
    assert edgemind("distill-stage", "problems", str(recipe), *place, "--again").err.count("asked for") == 1


def test_on_a_terminal_the_list_of_stages_is_drawn(edgemind: Command, recipe: Path) -> None:
    ran = edgemind.on_terminal(*arguments(recipe, "--until", "problems"))
    assert ran.code == 0
    assert "Distilling tiny in" in ran.out
    assert "✓ problems" in ran.out


def test_ctrl_c_keeps_what_is_there_and_says_how_to_go_on(edgemind: Command, recipe: Path) -> None:
    changed(recipe, "only = 4", "only = 4000")
    changed(recipe, "count = 24", "count = 4000")
    process = edgemind.start(*arguments(recipe), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    begun = recipe.parent / "run/stages/traces.teacher.begun.json"
    deadline = time.monotonic() + TIMEOUT
    while not begun.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, err.decode()
    assert out == b""
    assert "Stopped; what was made so far is kept in" in err.decode()
    assert f"To go on: edgemind distill {recipe}" in err.decode()
    assert (recipe.parent / "run/stages/problems.json").exists()
    assert "traces teacher" in json_stages(edgemind, recipe)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("edgemind distill 'my recipe.toml' --from train --json", "edgemind distill 'my recipe.toml' --json"),
        ("edgemind distill x --from=train", "edgemind distill x"),
        ("edgemind distill-stage train x --again", "edgemind distill-stage train x"),
    ],
)
def test_going_on_makes_nothing_again(typed: str, said: str) -> None:
    assert going_on(typed) == said


def json_stages(edgemind: Command, recipe: Path) -> dict[str, Any]:
    found = json.loads(edgemind(*arguments(recipe, "--dry-run", "--json")).out)["stages"]
    return {one["stage"]: one for one in found if one["state"] != "current"}


def test_from_nothing_to_an_installed_model(edgemind: Command, recipe: Path) -> None:
    pytest.importorskip("torch")
    ran = edgemind(*arguments(recipe, "--json"))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["model"] == "tiny"
    train = found["stages"]["train full"]["figures"]
    assert train["steps"] == 4
    assert set(train["levels"]) == {"1"}
    assert found["stages"]["traces teacher"]["figures"]["samples"] == 4
    assert found["stages"]["evaluate shipped"]["figures"]["count"] == 4
    assert found["stages"]["evaluate full"]["figures"]["agreement"] is not None
    shown = edgemind("show", "tiny")
    assert shown.code == 0
    assert "edgemind-nano" in shown.out
    answered = edgemind("run", "-m", "tiny", "-n", "4", "--threads", "1", "3 + 4")
    assert answered.code == 0, answered.err
    report = (recipe.parent / "run/report.html").read_text()
    assert "tiny" in report
    assert json_stages(edgemind, recipe) == {}

    assert edgemind("rm", "tiny", "--yes").code == 0
    due = json_stages(edgemind, recipe)
    assert due["export"]["why"] == "tiny is not installed any more"
    assert set(due) == {"export", "report"}
