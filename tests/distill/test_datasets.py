"""Datasets on disk as problems: columns, checks, what is wrong with a row, and a split that no question crosses."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from edgemind.distill.problems.answers import is_right
from edgemind.distill.problems.base import split_of
from edgemind.distill.problems.datasets import DatasetSource
from edgemind.distill.problems.sources import make_held_out, make_training, open_sources
from edgemind.distill.problems.tables import LONGEST
from edgemind.distill.recipe.schema import DatasetRecipe, ProblemsRecipe
from edgemind.errors import BadInput, EdgemindError, UsageError


def jsonl(path: Path, rows: list[Any]) -> Path:
    """A file of JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def source(path: Path, **settings: Any) -> DatasetSource:
    """The source of a file or folder."""
    columns = {"prompt": "question", "answer": "answer", "check": "number"}
    return DatasetSource(DatasetRecipe(path=path, name="mine", **{**columns, **settings}))


def sums(count: int) -> list[dict[str, str]]:
    """Rows with sums."""
    return [{"question": f"What is {n} + 1?", "answer": f"{n + 1}"} for n in range(count)]


def first(found: DatasetSource) -> Any:
    """Any problem of it."""
    split = "train" if found.levels_of("train") else "heldout"
    return found.draw(random.Random(1), found.levels_of(split)[0], split)  # type: ignore[arg-type]


def test_a_question_stands_on_one_side_only(tmp_path: Path) -> None:
    rows = sums(600)
    twice = [{"question": "  what is  " + row["question"][8:].upper(), "answer": row["answer"]} for row in rows]
    jsonl(tmp_path / "a.jsonl", rows)
    jsonl(tmp_path / "b.jsonl", twice)
    tables = tuple(
        DatasetRecipe(path=tmp_path / f"{name}.jsonl", name=name, prompt="question", answer="answer", check="number")
        for name in "ab"
    )
    recipe = ProblemsRecipe(dataset=tables, count=3000)
    sources = open_sources(recipe, 1)
    training = {" ".join(p.prompt.casefold().split()) for p in make_training(recipe, sources, 1)}
    held_out = make_held_out(1000, sources, 1)
    assert 20 < len(held_out) / 2 < 50
    assert not training & {" ".join(p.prompt.casefold().split()) for p in held_out}
    assert len(training) > 540


def test_gsm8k_rows_come_with_their_solution(tmp_path: Path) -> None:
    row = {"question": "How many?", "answer": "He has 3 + 4 = <<3+4=7>>7 apples.\nSo 1,007 in all.\n#### 1,007"}
    found = source(jsonl(tmp_path / "a.jsonl", [row]))
    problem = first(found)
    assert (problem.thought, problem.answer) == ("He has 3 + 4 = 7 apples.\nSo 1,007 in all.", "1,007")
    assert found.written
    assert found.check(problem, "There are 1007 apples.")
    assert not found.check(problem, "There are 1008 apples.")


def test_nested_columns_levels_thoughts_a_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"q": {"text": "Naïve?", "n": [1]}, "a.b": "yes", "why": "since", "hard": "Level 3"}]
    text = "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\r\n\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    found = source(path, prompt="q.text", answer="a.b", thought="why", level="hard", check="exact")
    problem = first(found)
    assert (problem.prompt, problem.answer, problem.thought, problem.level) == ("Naïve?", "yes", "since", 3)
    assert found.levels == 3


def test_conversations_become_system_history_question_and_answer(tmp_path: Path) -> None:
    said = ["system", "s", "user", "u1", "assistant", "a1", "user", "u2", "assistant", "<think>hm</think>\na2"]
    turns = [{"role": role, "content": text} for role, text in zip(said[::2], said[1::2], strict=True)]
    found = source(jsonl(tmp_path / "a.jsonl", [{"m": turns}]), prompt="m", answer="m", check="exact")
    problem = first(found)
    assert (problem.system, problem.history, problem.prompt) == ("s", (("u1", "a1"),), "u2")
    assert (problem.thought, problem.answer) == ("hm", "a2")


BAD = [
    (b'{"question": "a", "answer": "1"}\n{oops\n', "line 2 is not JSON"),
    (b'{"question": "a", "answer": "1"}\n[1]\n', "line 2 is no object"),
    (b"\xff\xfe{\x00}\x00\n", "UTF-16"),
    (b"\x1f\x8b\x08rest\n", "compressed"),
    (b'{"question": "\xff", "answer": "1"}\n', "line 1 is not UTF-8"),
    (b'{"question": "", "answer": "1"}\n', "line 1: question is empty"),
    (b'{"question": "a", "answer": null}\n', "line 1: answer is empty"),
    (b'{"question": "a", "answer": "none"}\n', "line 1: answer has no number"),
    (b'{"question": ["a"], "answer": "1"}\n', "line 1: question is a list"),
    (b'{"question": {"x": 1}, "answer": "1"}\n', "line 1: question is dict"),
    (b"[" * 200_000 + b"\n", "line 1 is not JSON"),
    (b'{"question": ' + b"9" * 6000 + b', "answer": "1"}\n', "line 1 is not JSON"),
    (b'{"x": "' + b"a" * LONGEST + b'"}\n', "longer than 4 MiB"),
    (b'{"quest": "a", "answer": "1"}\n', "no column 'question'; it has quest, answer"),
    (b"\n\n", "has no rows"),
]


@pytest.mark.parametrize(("data", "says"), BAD, ids=[says for _, says in BAD])
def test_a_bad_line_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    with pytest.raises(EdgemindError, match=says) as caught:
        source(path)
    assert caught.value.hint
    assert "\n" not in caught.value.message


def test_a_lone_surrogate_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"question": "a\\ud800", "answer": "1"}\n')
    assert first(source(path)).prompt == "a\ufffd"


def test_a_missing_file_and_a_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        source(tmp_path / "none.jsonl")
    with pytest.raises(BadInput, match="is a folder"):
        source(tmp_path)


def test_few_rows_train_though_none_is_held_out(tmp_path: Path) -> None:
    rows = [row for row in sums(40) if split_of(first(source(jsonl(tmp_path / "x", [row]))).key) == "train"][:5]
    found = source(jsonl(tmp_path / "a.jsonl", rows))
    assert not found.held_out
    assert make_held_out(10, {"mine": found}, 1) == []


def test_an_unchecked_dataset_is_trained_on_and_not_asked(tmp_path: Path) -> None:
    found = source(jsonl(tmp_path / "a.jsonl", sums(100)), answer=None, check="none")
    assert not found.held_out
    assert not found.written
    assert found.check(first(found), "anything")


def test_datasets_of_hugging_face_on_disk(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {
        "question": [{"text": f"Which is {n}?"} for n in range(60)],
        "answer": [n % 4 for n in range(60)],
        "other": [b"x"] * 60,
    }
    table = datasets.Dataset.from_dict(rows).cast_column("answer", datasets.ClassLabel(names=["A", "B", "C", "D"]))
    table.save_to_disk(str(tmp_path / "plain"))
    datasets.DatasetDict({"train": table, "test": table}).save_to_disk(str(tmp_path / "splits"))
    (tmp_path / "parquet" / "data").mkdir(parents=True)
    table.to_parquet(str(tmp_path / "parquet" / "data" / "train-00000-of-00001.parquet"))
    columns = {"kind": "dataset", "prompt": "question.text", "check": "choice"}
    made = []
    for name in ("plain", "splits", "parquet"):
        found = source(tmp_path / name, **columns)
        problem = first(found)
        made.append(problem)
        wanted = "ABCD"[int(problem.prompt[9:-1]) % 4]
        assert problem.result == wanted
        assert found.check(problem, f"The answer is ({wanted}).")
    assert made[0] == made[1] == made[2]
    with pytest.raises(UsageError, match="no split 'dev'; it has train, test"):
        source(tmp_path / "splits", split="dev", **columns)
    with pytest.raises(UsageError, match="no column 'q'; it has question, answer, other"):
        source(tmp_path / "plain", **{**columns, "prompt": "q"})
    with pytest.raises(UsageError, match=r"no column 'question\.x'"):
        source(tmp_path / "plain", **{**columns, "prompt": "question.x"})
    file = next((tmp_path / "plain").glob("*.arrow"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(BadInput, match="cannot be read as a dataset"):
        source(tmp_path / "plain", **columns)


def test_scripts_and_pickles_are_not_opened(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "load.py").write_text("raise SystemExit")
    (tmp_path / "rows.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(BadInput, match="loading script and pickles, which are never run or opened"):
        source(tmp_path, kind="dataset")
    with pytest.raises(BadInput, match="is not there"):
        source(tmp_path / "hf:" / "some", kind="dataset")


RIGHT = [
    ("number", "The answer is 42.", "#### 42"),
    ("number", "1,234.50", "1234.5"),
    ("number", "\\boxed{\\frac{3}{4}}, which took 7 steps", "0.75"),
    ("number", "\\boxed{-\\frac{1}{2}}", "-0.5"),
    ("number", "−5", "-5"),
    ("number", "5-3 = 2", "2"),
    ("number", "3 / 4", "0.75"),
    ("number", "$1,000.", "1000"),
    ("number", "1e5", "100000"),
    ("exact", "**Paris.**", "paris"),
    ("exact", "Let me see.\nParis", "Paris"),
    ("exact", "The answer is Paris.", "Paris"),
    ("contains", "It is Paris, I am sure", "paris"),
    ("choice", "A dog is an animal, so the answer is (D).", "D"),
    ("choice", "B) Paris", "(B)"),
    ("choice", "I think option E is correct", "E"),
    ("none", "anything", ""),
]
WRONG = [
    ("number", "5", "-5"),
    ("number", "1e999999999", "1"),
    ("number", "9" * 5000, "9"),
    ("number", "none", "3"),
    ("number", "", "3"),
    ("exact", "Paris or Rome", "Paris"),
    ("exact", "\\boxed{Rome}\nParis", "Paris"),
    ("contains", "Parisian", "Paris"),
    ("choice", "A dog", "A"),
    ("choice", "the answer is a dog", "A"),
    ("choice", "no letters", "B"),
    ("none", " ", ""),
]


@pytest.mark.parametrize(("check", "answer", "reference"), RIGHT)
def test_right_answers_pass(check: Any, answer: str, reference: str) -> None:
    assert is_right(check, answer, reference)


@pytest.mark.parametrize(("check", "answer", "reference"), WRONG)
def test_wrong_answers_fail(check: Any, answer: str, reference: str) -> None:
    assert not is_right(check, answer, reference)


@pytest.mark.parametrize("piece", ["\\boxed{", "1,", "1/", "answer is ", "A) ", "(", " ", ".", "####", "\\frac{1}{"])
@pytest.mark.parametrize("check", ["exact", "number", "contains", "choice"])
def test_no_answer_takes_long_to_check(check: Any, piece: str) -> None:
    is_right(check, piece * (200_000 // len(piece)), "5")
