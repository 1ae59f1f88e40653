"""Evaluation: generation in process, accuracy, intervals, calibration, declining, agreement, differences, files."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from edgemind.distill.chat_format import ChatFormat
from edgemind.distill.evaluation.accuracy import average, tallied, together, wilson
from edgemind.distill.evaluation.agreement import agree, texts_of
from edgemind.distill.evaluation.calibration import calibration
from edgemind.distill.evaluation.compare import compare, mcnemar
from edgemind.distill.evaluation.evaluate import evaluate_gguf
from edgemind.distill.evaluation.questions import of_families, of_file
from edgemind.distill.evaluation.quick import quick_accuracy
from edgemind.distill.evaluation.result import (
    Evaluated,
    Evaluation,
    FamilyResult,
    Outcome,
    Share,
    read_evaluated,
    write_evaluated,
)
from edgemind.distill.evaluation.unanswerable import declines, invented_things, unseen_facts
from edgemind.distill.generation import generate
from edgemind.errors import BadInput, UsageError
from edgemind.models import builtin
from tests.distill.nano_checkpoint import nano_checkpoint
from tests.engine.tiny import tiny_model


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nano_checkpoint(tmp_path_factory.mktemp("nano") / "nano")


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    from edgemind.distill.students import open_model

    return open_model(folder, torch.float32)


@pytest.fixture(scope="module")
def evaluated() -> Evaluated:
    problems, sources = of_families(["addition", "comparison"], 4, 1)
    return evaluate_gguf(builtin.path(), problems, sources, threads=1, declining=False, max_tokens=200)


def prompts_of(folder: Path, count: int) -> list[list[int]]:
    problems, _ = of_families(["addition", "comparison", "units"], count, 3)
    written = ChatFormat.of_folder(folder)
    return [written.encode_prompt(problem) for problem in problems]


def outcome(number: int, right: bool, family: str = "a", **changes: Any) -> Outcome:
    values = {"id": str(number), "family": family, "level": 1, "prompt": "?", "thought": "", "answer": ""}
    return Outcome(**{**values, "right": right, "declined": False, "ended": True, **changes})


def made_of(outcomes: list[Outcome]) -> Evaluated:
    families: dict[str, FamilyResult] = {}
    for name in dict.fromkeys(one.family for one in outcomes):
        own = [one for one in outcomes if one.family == name]
        families[name] = FamilyResult(levels={1: Share(right=sum(one.right for one in own), count=len(own))})
    result = Evaluation(
        model="m", kind="gguf", families=families, tokens=10, seconds=2.0, thought_tokens=1, answer_tokens=1,
        unfinished=0, max_tokens=9, sequences=1, edgemind="0",
    )  # fmt: skip
    return Evaluated(result=result, outcomes=tuple(outcomes))


def test_generation_writes_what_transformers_writes(model: Any, folder: Path) -> None:
    prompts = prompts_of(folder, 3)
    made = generate(model, prompts, end_ids=[2], max_tokens=60, batch=4)
    for prompt, ids in zip(prompts, made, strict=True):
        alone = model.generate(
            torch.tensor([prompt]), max_new_tokens=60, do_sample=False, eos_token_id=2, pad_token_id=0
        )
        assert ids == alone[0, len(prompt) :].tolist()
    assert {ids[-1] == 2 for ids in made if len(ids) < 60} == {True}


def test_a_draw_does_not_depend_on_its_neighbours(model: Any, folder: Path) -> None:
    prompts = prompts_of(folder, 4)
    seeds = list(range(len(prompts)))
    asked: dict[str, Any] = {"end_ids": [2], "max_tokens": 40, "temperature": 3.0, "top_p": 0.9}
    together_ = generate(model, prompts, seeds=seeds, batch=12, **asked)
    assert generate(model, prompts[5:], seeds=seeds[5:], batch=3, **asked) == together_[5:]
    assert generate(model, prompts, seeds=[seed + 100 for seed in seeds], batch=12, **asked) != together_


def test_generation_stops_at_the_context_and_leaves_the_mode_alone(model: Any) -> None:
    before, model.config.max_position_embeddings = model.config.max_position_embeddings, 24
    model.train()
    try:
        made = generate(model, [[1] * 20, [1] * 24, [1] * 30], end_ids=[], max_tokens=50)
    finally:
        model.config.max_position_embeddings = before
    assert [len(ids) for ids in made] == [4, 0, 0]
    assert model.training
    model.eval()


def test_top_p_keeps_the_smallest_set_that_reaches_it() -> None:
    from edgemind.distill.generation import _drawn, _nucleus

    falling = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    assert (_nucleus(falling, 0.5) > 0).sum() == 1
    assert (_nucleus(falling, 0.79) > 0).sum() == 2
    assert (_nucleus(falling, 1.0) > 0).sum() == 4
    draws = torch.tensor([0.0, 0.49, 0.51, 0.999999999], dtype=torch.float64)
    assert _drawn(falling.expand(4, -1), draws).tolist() == [0, 0, 1, 3]
    assert _drawn(_nucleus(falling, 0.5), torch.tensor([0.999999999], dtype=torch.float64)).tolist() == [0]


def test_quick_accuracy_is_that_of_the_engine(model: Any, folder: Path, evaluated: Evaluated) -> None:
    problems, sources = of_families(["addition", "comparison"], 4, 1)
    quick = quick_accuracy(model, ChatFormat.of_folder(folder), problems, sources, max_tokens=200)
    assert together(quick) == (evaluated.result.all.right, 8)
    assert set(quick) == set(evaluated.result.levels)


def test_an_evaluation_counts_what_it_shows(evaluated: Evaluated) -> None:
    result = evaluated.result
    assert result.all.right == sum(one.right for one in evaluated.outcomes) >= 6
    assert result.quantization == "Q8_0"
    assert len(result.sha256) == 64
    assert result.parameters > 4_000_000
    assert result.calibration is not None
    assert sum(one.count for one in result.calibration.bins) == 8
    assert all(one.thought and 0 <= (one.confidence or 0) <= 1 for one in evaluated.outcomes)
    assert result.tokens == sum(one.thought_tokens + one.answer_tokens for one in evaluated.outcomes)


def test_an_evaluation_is_read_as_it_was_written(tmp_path: Path, evaluated: Evaluated) -> None:
    assert [file.name for file in write_evaluated(tmp_path, "full", evaluated)] == ["full.json", "full.outcomes.jsonl"]
    assert read_evaluated(tmp_path, "full") == evaluated
    (tmp_path / "full.outcomes.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(BadInput, match="does not hold outcomes"):
        read_evaluated(tmp_path, "full")


def test_what_is_declined_is_counted(tmp_path: Path) -> None:
    tiny = tiny_model(tmp_path / "tiny.gguf")
    problems, sources = of_families(["addition"], 1, 1)
    result = evaluate_gguf(tiny, problems, sources, threads=1, max_tokens=1).result
    assert result.declining is not None
    assert (result.declining.facts.count, result.declining.invented.count, result.declining.mistaken.count) == (
        100,
        100,
        1,
    )
    assert result.declining.facts.right == 0


def test_intervals() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-4)
    assert wilson(10, 10)[1] == 1.0
    mean, low, high = average([(90, 100), (80, 100), (0, 0)])
    assert mean == pytest.approx(0.85)
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(0.0925 * 0.9 + 0.16 * 1.0) / 20, rel=0.1)
    assert tallied([(2, True), (1, False), (2, False)]) == {1: (0, 1), 2: (1, 2)}


def test_calibration_by_hand() -> None:
    found = calibration([(0.95, True), (0.95, False), (1.0, True), (0.35, False)])
    assert [(one.low, one.count, one.right) for one in found.bins] == [(0.3, 1, 0), (0.9, 3, 2)]
    assert found.error == pytest.approx((0.35 + 3 * abs(2.9 / 3 - 2 / 3)) / 4)
    assert found.brier == pytest.approx((0.0025 + 0.9025 + 0 + 0.1225) / 4)


def test_differences_are_paired() -> None:
    first = made_of([outcome(n, n % 10 != 0) for n in range(200)])
    second = made_of([outcome(n, n % 5 != 0) for n in range(200)])
    found = compare(first, second)
    assert found.mean == pytest.approx(0.1)
    assert (found.only_first, found.only_second, found.problems) == (20, 0, 200)
    assert 0.05 < found.low < 0.1 < found.high < 0.15
    assert found.is_sure
    assert found.chance == pytest.approx(2 / 2**20)
    back = compare(second, first)
    assert back.mean == pytest.approx(-0.1)
    assert compare(first, first).high == 0
    assert not compare(first, first).is_sure


def test_mcnemar() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(1, 9) == pytest.approx(22 / 1024)
    assert mcnemar(3000, 3100) == pytest.approx(mcnemar(3100, 3000))


def test_a_model_agrees_with_itself_and_less_with_its_quantized_self(folder: Path, evaluated: Evaluated) -> None:
    problems, _ = of_families(["addition", "comparison"], 4, 1)
    texts = texts_of(ChatFormat.of_folder(folder), problems, evaluated, tokens=120)
    assert 120 <= sum(len(text.ids) - text.start for text in texts) < 400
    found = agree(folder, builtin.path(), texts, name="teacher", threads=1)
    assert found.tokens == sum(len(text.ids) - text.start for text in texts)
    assert found.share.share > 0.99
    assert 0 <= found.divergence < 1e-3
    assert found.teacher == "teacher"


def test_other_vocabularies_cannot_agree(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="token by token"):
        agree(folder, tiny_model(tmp_path / "tiny.gguf"), [])


@pytest.mark.parametrize(
    "answer",
    [
        "I do not know facts like this.", "I don't have any information about that.", "Sorry, I can\u2019t help.",
        "There is no such place.", "Veltria is a fictional country.", "I'm not aware of such a book.",
        "I cannot do this.",
    ],
)  # fmt: skip
def test_declining_is_known_by_its_words(answer: str) -> None:
    assert declines(answer)


@pytest.mark.parametrize(
    "answer", ["The capital is Velmar.", "7 + 8 = 15.", "", "It opened in 1931.", "No, 12 is not odd."]
)
def test_an_answer_is_no_declining(answer: str) -> None:
    assert not declines(answer)


def test_what_cannot_be_known_is_the_same_each_time() -> None:
    assert invented_things(50) == invented_things(50)
    assert len({problem.prompt for problem in invented_things(100)}) == 100
    assert len({problem.id for problem in unseen_facts()}) == 100


def test_questions_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    lines = [{"prompt": "2+2?", "answer": 4}, {"prompt": "3+3?", "answer": "6", "family": "hard", "level": 2}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    problems, sources = of_file(file, "number", None, 1)
    assert [(problem.family, problem.level, problem.result) for problem in problems] == [
        ("problems", 1, "4"),
        ("hard", 2, "6"),
    ]
    assert sources["problems"].check(problems[0], "It is 4.")
    assert not sources["problems"].check(problems[0], "It is 5.")
    assert len(of_file(file, "number", 1, 1)[0]) == 1


@pytest.mark.parametrize(
    ("text", "said"), [("", "is empty"), ('{"prompt": "x"}\n', "line 1: answer"), ("no\n", "line 1")]
)
def test_a_file_that_holds_no_questions(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text(text)
    with pytest.raises(BadInput, match=said):
        of_file(file, "exact", None, 1)
