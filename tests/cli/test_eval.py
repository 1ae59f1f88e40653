"""``edgemind eval``, as installed: tables, JSON, comparisons, questions of a file, and what can be wrong."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Command

FEW = ("--families", "addition", "--count", "3", "--no-unanswerable", "--threads", "1", "--max-tokens", "200")


def test_a_table_for_a_person(edgemind: Command) -> None:
    ran = edgemind("eval", "edgemind-nano", "--families", "addition,clock", "--count", "2", *FEW[4:])
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].split() == ["FAMILY", "OF", "RIGHT", "95", "%"]
    assert [line.split()[0] for line in lines[1:4]] == ["addition", "clock", "average"]
    assert "LEVEL" in ran.out
    assert "Calibration error" in ran.out
    assert "Declined" not in ran.out
    assert "a second" in ran.out
    assert json.loads(ran.err.splitlines()[0])["step"] == "asking edgemind-nano"


def test_json_has_every_figure(edgemind: Command) -> None:
    ran = edgemind("eval", "edgemind-nano", *FEW, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    [model] = found["models"]
    addition = model["families"]["addition"]
    assert addition["count"] == 3
    assert addition["right"] >= 2
    assert sum(level["count"] for level in addition["levels"].values()) == 3
    assert model["quantization"] == "Q8_0"
    assert model["tokens_per_second"] > 0
    assert model["thought_tokens"] > 5
    assert model["unfinished"] == 0
    assert model["declined"] is None


def test_against_another(edgemind: Command) -> None:
    ran = edgemind("eval", "edgemind-nano", *FEW, "--against", "edgemind-nano", "--json")
    assert ran.code == 0, ran.err
    difference = json.loads(ran.out)["difference"]
    assert (difference["average"], difference["only_first"], difference["p"], difference["problems"]) == (0, 0, 1, 3)


def test_levels_and_seeds_choose_problems(edgemind: Command) -> None:
    ran = edgemind("eval", "edgemind-nano", *FEW, "--level", "2-3", "--seed", "7", "--json")
    assert ran.code == 0, ran.err
    assert set(json.loads(ran.out)["models"][0]["levels"]) == {"2", "3"}


def test_questions_of_a_file(edgemind: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(
        '{"prompt": "What is 4 + 5?", "answer": 9}\n{"prompt": "What is 4 + 5?", "answer": 8, "family": "wrong"}\n'
    )
    ran = edgemind("eval", "edgemind-nano", "--problems", str(file), "--check", "number", *FEW[4:], "--json")
    assert ran.code == 0, ran.err
    families = json.loads(ran.out)["models"][0]["families"]
    assert (families["problems"]["right"], families["wrong"]["right"]) == (1, 0)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("no-such-model",), 3, "no-such-model"),
        (("edgemind-nano", "--families", "additon"), 2, "the nearest is 'addition'"),
        (("edgemind-nano", "--families", "addition,addition"), 2, "each family once"),
        (("edgemind-nano", "--level", "4-2"), 2, "--level is a number"),
        (("edgemind-nano", "--check", "magic"), 2, "--check is one of"),
        (("edgemind-nano", "--problems", "x", "--level", "1"), 2, "Leave out"),
    ],
)
def test_what_can_be_wrong(edgemind: Command, arguments: tuple[str, ...], code: int, said: str) -> None:
    ran = edgemind("eval", *arguments)
    assert ran.code == code
    assert said in ran.err
    assert "Traceback" not in ran.err


def test_a_family_that_nothing_has_is_told_in_the_words_of_the_command(edgemind: Command) -> None:
    ran = edgemind("eval", "edgemind-nano", "--families", "adition")
    assert ran.code == 2
    assert "--families names 'adition'" in ran.err
    assert "the nearest is 'addition'" in ran.err


def test_a_file_of_problems_that_is_not_there(edgemind: Command, tmp_path: Path) -> None:
    ran = edgemind("eval", "edgemind-nano", "--problems", str(tmp_path / "nowhere.jsonl"))
    assert ran.code == 2
    assert "nowhere.jsonl is not there" in ran.err
    assert "is a folder" in edgemind("eval", "edgemind-nano", "--problems", str(tmp_path)).err


def test_a_bad_line_is_named(edgemind: Command, tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"prompt": "x", "answer": 1}\n{"prompt": "x"}\n')
    ran = edgemind("eval", "edgemind-nano", "--problems", str(file))
    assert ran.code == 10
    assert "line 2" in ran.err


def test_ctrl_c_leaves_quietly(edgemind: Command) -> None:
    process = edgemind.start(
        "eval", "edgemind-nano", "--count", "200", "--threads", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    while b'"progress"' not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert b"Traceback" not in err
