"""Capturing: what a teacher says of tokens is right, is stored, is kept by the next run, and is mended alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import captured_problems
import numpy as np
import pytest
import torch
from captured_problems import problems, traces
from safetensors.torch import load_file, save_file
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GraniteConfig,
    GraniteForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from edgemind.convert.convert import convert
from edgemind.distill.chat_format import ChatFormat
from edgemind.distill.problems.base import Problem
from edgemind.distill.targets.capture import CaptureStep, capture
from edgemind.distill.targets.example_set import ExampleSet
from edgemind.distill.targets.shards import Shard
from edgemind.distill.targets.teachers import EngineScorer, TransformersScorer, open_scorer
from edgemind.distill.targets.top import TopK
from edgemind.distill.tokenizer_files import tokenizer_of_gguf
from edgemind.errors import EdgemindError, ModelUnusable, NoRoom, UsageError
from edgemind.models import builtin

torch.set_num_threads(1)

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "max_position_embeddings": 512,
}
REAL = 2048


def checkpoint(folder: Path, rows: int = REAL, seed: int = 0) -> Path:
    """A random Qwen3 with the built-in model's tokenizer and so many rows; those that are padding are probable."""
    torch.manual_seed(seed)
    model = Qwen3ForCausalLM(Qwen3Config(**SHAPE, vocab_size=rows, tie_word_embeddings=True, initializer_range=0.3))
    with torch.no_grad():
        model.lm_head.weight[REAL:] *= 10
    model.save_pretrained(folder)
    tokenizer_of_gguf(builtin.path(), folder)
    return folder


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("teacher") / "teacher", 2176)


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> ChatFormat:
    return ChatFormat.of_folder(checkpoint(tmp_path_factory.mktemp("student") / "student", 2112))


@pytest.fixture(scope="module")
def scorer(teacher: Path) -> Iterator[TransformersScorer]:
    found = TransformersScorer(teacher)
    yield found
    found.close()


def texts(count: int = 9, size: int = REAL) -> list[SimpleNamespace]:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 60, count).tolist()
    return [SimpleNamespace(ids=rng.integers(0, size, n).tolist(), start=int(rng.integers(1, n))) for n in lengths]


def plain(model: Any, text: SimpleNamespace, temperature: float, size: int) -> np.ndarray:
    """Log-probabilities ``[learned, size]`` in float64, without any of the ways to save memory."""
    with torch.no_grad():
        logits = model(torch.tensor([text.ids])).logits[0, text.start - 1 : -1, :size].double() / temperature
    return logits.log_softmax(dim=-1).numpy()


def check(top: TopK, wanted: np.ndarray, tolerance: float = 1e-4) -> None:
    rest = -np.sort(-wanted, axis=1)
    assert np.allclose(top.logp, rest[:, : top.k], atol=tolerance)
    assert np.allclose(top.logp, np.take_along_axis(wanted, top.ids, axis=1), atol=tolerance)
    assert np.allclose(top.tail, np.log(np.exp(rest[:, top.k :]).sum(axis=1)), atol=tolerance)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_padded_rows_are_cut_off_before_the_softmax(
    scorer: TransformersScorer, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemind.distill.targets.teachers.CHUNK_BYTES", 5 * 4 * 2176)
    monkeypatch.setattr(scorer, "_batch_tokens", 150)
    batch = texts()
    for text, top in zip(batch, scorer.top(batch, 12, temperature), strict=True):
        assert int(top.ids.max()) < REAL
        check(top, plain(scorer._model, text, temperature, REAL))


def test_what_the_text_itself_says_without_the_padded_rows(scorer: TransformersScorer) -> None:
    batch = texts()
    for text, chosen in zip(batch, scorer.chosen(batch), strict=True):
        every = plain(scorer._model, text, 1.0, REAL)
        assert np.allclose(chosen, every[np.arange(len(every)), text.ids[text.start :]], atol=1e-4)


def test_the_engine_says_the_same_of_the_same_weights(
    teacher: Path, scorer: TransformersScorer, tmp_path: Path
) -> None:
    convert(teacher, tmp_path / "teacher.gguf", type="f32")
    engine = open_scorer(tmp_path / "teacher.gguf", context=256)
    assert isinstance(engine, EngineScorer)
    assert engine.vocabulary.digest == scorer.vocabulary.digest
    batch = texts()
    try:
        found, chosen = engine.top(batch, 8, 1.0), engine.chosen(batch)
        again = engine.top(batch, 8, 1.0)
    finally:
        engine.close()
    for text, top, once_more, own in zip(batch, found, again, chosen, strict=True):
        wanted = plain(scorer._model, text, 1.0, REAL)
        assert np.array_equal(top.logp, once_more.logp)
        check(top, wanted, 0.05)  # keys and values are float16 there
        assert np.allclose(own, wanted[np.arange(len(wanted)), text.ids[text.start :]], atol=0.05)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_teacher_that_computes_no_numbers_is_refused(tmp_path: Path, number: float) -> None:
    folder = checkpoint(tmp_path / "broken")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][:] = number
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    broken = TransformersScorer(folder)
    with pytest.raises(ModelUnusable, match="not finite"):
        broken.top(texts(2), 4, 1.0)
    with pytest.raises(ModelUnusable, match="not finite"):
        broken.chosen(texts(2))


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (Gemma3ForCausalLM, lambda: Gemma3TextConfig(**SHAPE, vocab_size=REAL, final_logit_softcapping=3.0)),
        (GraniteForCausalLM, lambda: GraniteConfig(**SHAPE, vocab_size=REAL, logits_scaling=4.0)),
    ],
)
def test_logits_that_are_capped_or_scaled(make: Any, config: Callable[[], Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    make(config()).save_pretrained(tmp_path)
    tokenizer_of_gguf(builtin.path(), tmp_path)
    scorer = TransformersScorer(tmp_path)
    batch = texts(3)
    for text, top in zip(batch, scorer.top(batch, 5, 1.0), strict=True):
        check(top, plain(scorer._model, text, 1.0, REAL))


def test_a_head_that_is_not_known_is_taken_as_a_whole(
    scorer: TransformersScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = texts(4)
    wanted = scorer.top(batch, 5, 1.0)
    monkeypatch.setattr(scorer, "_whole", True)
    for mine, other in zip(scorer.top(batch, 5, 1.0), wanted, strict=True):
        assert np.allclose(mine.logp, other.logp, atol=1e-4)


def test_texts_that_cannot_be_asked_about(scorer: TransformersScorer) -> None:
    for ids, start in (([1, 2], 0), ([1, 2], 2), ([1] * 600, 1)):
        with pytest.raises(UsageError):
            scorer.top([SimpleNamespace(ids=ids, start=start)], 4, 1.0)
    assert scorer.top([], 4, 1.0) == []


def run(
    directory: Path, student: ChatFormat, scorer: Any, given: Sequence[Problem] | None = None, k: int = 6, **more: Any
) -> Any:
    given = problems() if given is None else given
    return capture(given, traces(given), student, scorer, directory, k, 1.0, captured_problems.PER_SHARD, **more)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_examples_with_the_teachers_targets(tmp_path: Path, student: ChatFormat, scorer: TransformersScorer) -> None:
    steps: list[CaptureStep] = []
    report = run(tmp_path / "a", student, scorer, progress=steps.append)
    found = ExampleSet(tmp_path / "a")
    assert (report.shards, report.made, report.examples, report.too_long) == (3, 3, 25, 0)
    assert report.bytes_per_token == found.header.bytes_per_token == 28
    assert report.tokens_per_second > 0
    assert (steps[-1].done, steps[-1].total) == (25, 25)
    assert found.header.vocabulary_size == REAL
    for number, problem in enumerate(problems()):
        one, encoded = found.example(number), student.encode(problem, problem.thought, problem.answer)
        assert (one.ids.tolist(), one.start) == (encoded.ids, encoded.start)
        assert (one.problem, one.family, one.level) == (problem.id, "sum", problem.level)
        check(found.top(number), plain(scorer._model, SimpleNamespace(**vars(encoded)), 1.0, REAL), 0.02)


def test_a_second_run_keeps_everything_and_another_teacher_nothing(
    tmp_path: Path, student: ChatFormat, scorer: TransformersScorer, teacher: Path
) -> None:
    first = run(tmp_path / "a", student, scorer)
    before = contents(tmp_path / "a")
    second = run(tmp_path / "a", student, scorer)
    assert (second.made, second.digest) == (0, first.digest)
    assert contents(tmp_path / "a") == before
    assert run(tmp_path / "a", student, scorer, k=7).made == 3
    other = TransformersScorer(checkpoint(tmp_path / "other", seed=1))
    assert run(tmp_path / "a", student, other, k=7).made == 3


def test_only_a_damaged_shard_is_made_anew_and_is_what_it_was(
    tmp_path: Path, student: ChatFormat, scorer: TransformersScorer
) -> None:
    run(tmp_path / "a", student, scorer)
    before = contents(tmp_path / "a")
    bad = tmp_path / "a" / "examples-00001.shard"
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").glob("*.shard") if path != bad}
    bad.write_bytes(before[bad.name][:900] + b"\xff" + before[bad.name][901:])
    found = ExampleSet(tmp_path / "a", rebuild=lambda _: run(tmp_path / "a", student, scorer))
    assert len(found.tops(range(25))) == sum(found.lengths - found.starts)
    assert contents(tmp_path / "a") == before
    assert times == {path: path.stat().st_mtime_ns for path in times}


def test_what_is_too_long_is_left_out_and_counted(tmp_path: Path, student: ChatFormat) -> None:
    given = problems()
    lengths = [len(student.encode(one, one.thought, one.answer).ids) for one in given]
    limit = sorted(lengths)[14]
    report = run(tmp_path / "a", student, None, context=limit)
    assert report.too_long == sum(length > limit for length in lengths) > 0
    assert report.examples + report.too_long == 25
    assert max(ExampleSet(tmp_path / "a").lengths) <= limit


def test_shards_of_a_longer_run_before_are_removed(tmp_path: Path, student: ChatFormat) -> None:
    run(tmp_path / "a", student, None)
    assert run(tmp_path / "a", student, None, problems(10)).made == 0
    assert [path.name for path in (tmp_path / "a").glob("*.shard")] == ["examples-00000.shard"]


class Failing:
    """A scorer that dies in the middle."""

    def __init__(self, scorer: TransformersScorer, after: int) -> None:
        self.scorer, self.left = scorer, after
        self.name, self.vocabulary, self.context, self.digest = (
            scorer.name,
            scorer.vocabulary,
            scorer.context,
            scorer.digest,
        )

    def top(self, *given: Any) -> list[TopK]:
        self.left -= 1
        if self.left < 0:
            raise EdgemindError("gone")
        return self.scorer.top(*given)


def test_it_goes_on_where_it_was_stopped(tmp_path: Path, student: ChatFormat, scorer: TransformersScorer) -> None:
    with pytest.raises(EdgemindError, match="gone"):
        run(tmp_path / "a", student, Failing(scorer, 2))
    assert sorted(contents(tmp_path / "a")) == ["examples-00000.shard", "examples-00001.shard"]
    assert run(tmp_path / "a", student, scorer).made == 1
    run(tmp_path / "b", student, scorer)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_kill_leaves_whole_shards_alone(tmp_path: Path, student: ChatFormat) -> None:
    directory = tmp_path / "a"
    assert student.where is not None
    command = [sys.executable, captured_problems.__file__, str(directory), str(student.where)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(5):
            assert process.stdout.readline()
        time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    left = sorted(directory.iterdir())
    assert 5 <= len(left) < 20
    for path in left:
        Shard(path).verify()
    report = run(directory, student, None, problems(captured_problems.MANY))
    assert report.made == 20 - len(left)
    assert report.shards == 20


def test_a_full_disk_is_said_with_what_is_needed(
    tmp_path: Path, student: ChatFormat, scorer: TransformersScorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(NoRoom, match=r"need about .+ 1000 B free|need about .+ free"):
        run(tmp_path / "a", student, scorer)


def test_more_targets_than_tokens_are_all_tokens(
    tmp_path: Path, student: ChatFormat, scorer: TransformersScorer
) -> None:
    run(tmp_path / "a", student, scorer, problems(2), k=4000)
    found = ExampleSet(tmp_path / "a")
    assert found.header.k == REAL
    assert (found.top(0).tail == -np.inf).all()


def test_a_trace_of_an_unknown_problem(tmp_path: Path, student: ChatFormat) -> None:
    with pytest.raises(UsageError, match="not among the problems"):
        capture([], traces(problems(1)), student, None, tmp_path, 0, 1.0, 10)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher whose tokenizer knows bytes alone."""
    from tiny_checkpoint import tiny_checkpoint

    return tiny_checkpoint(tmp_path_factory.mktemp("stranger") / "bytes")


def test_a_teacher_with_another_tokenizer_is_refused_or_aligned(
    tmp_path: Path, student: ChatFormat, stranger: Path
) -> None:
    scorer = TransformersScorer(stranger)
    with pytest.raises(UsageError, match=r"token 0 is .+ in the student and .+ in the teacher"):
        run(tmp_path / "a", student, scorer)
    given = [*problems(4), Problem("long", "l", "?", "", "word " * 200, "")]
    run(tmp_path / "a", student, scorer, given, teacher_format=ChatFormat.of_folder(stranger))
    found = ExampleSet(tmp_path / "a")
    assert found.header.spans
    for number, problem in enumerate(given[:4]):
        spans, one = found.spans(number), found.example(number)
        encoded = ChatFormat.of_folder(stranger).encode(problem, problem.thought, problem.answer)
        (chosen,) = scorer.chosen([encoded])
        assert spans.ends[-1] == one.learned
        assert len(spans.ends) > one.learned / 2
        assert float(np.nansum(spans.logp)) == pytest.approx(float(chosen.sum()), rel=0.3)
    together = found.all_spans([1, 0])
    assert together.ends[-1] == found.example(0).learned + found.example(1).learned
    assert np.array_equal(together.logp[: len(found.spans(1).logp)], found.spans(1).logp, equal_nan=True)
    assert np.isnan(found.spans(4).logp).all()  # it is too long for this teacher
