"""Traces: what is kept of a teacher's texts, parts that survive a kill, the writers on real models."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from edgemind.distill.problems import ALL_FAMILIES
from edgemind.distill.problems.base import Problem, sample_split
from edgemind.distill.recipe.schema import TraceSampling, TracesRecipe
from edgemind.distill.traces.accept import choose, written_solution
from edgemind.distill.traces.engine_writer import EngineWriter
from edgemind.distill.traces.generate import PART, Moment, make_traces
from edgemind.distill.traces.report import Tally, read_report
from edgemind.distill.traces.trace import Trace, Written, read_traces, seed_of, write_traces
from edgemind.errors import BadInput, EdgemindError, ModelNotFound, OutOfMemory
from edgemind.models import builtin

ADDITION = next(family for family in ALL_FAMILIES if family.name == "addition")


class Additions:
    """The source of sums, as far as traces ask."""

    name, description, levels, first_level, written, held_out = "addition", "", 3, 1, True, True

    def __init__(self, written: bool = True) -> None:
        self.written = written

    def draw(self, rng: random.Random, level: int, split: str) -> Problem:
        return sample_split(ADDITION, rng, level, "train")

    def check(self, problem: Problem, answer: str) -> bool:
        return ADDITION.check(problem, answer)


class Scripted:
    """A teacher that is right three times of four, and knows what it has been asked."""

    notice = ""
    part = PART

    def __init__(self, fail_after: int | None = None, name: str = "scripted") -> None:
        self.asked: list[str] = []
        self.name = name
        self._left = fail_after

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        for index in reversed(range(len(problems))):
            if self._left == 0:
                raise EdgemindError("The teacher is gone.")
            self._left = None if self._left is None else self._left - 1
            problem = problems[index]
            self.asked.append(problem.id)
            yield index, [self._text(problem, sample, seed) for sample in range(samples)]

    def close(self) -> None:
        pass

    def _text(self, problem: Problem, sample: int, seed: int) -> Written:
        rng = random.Random(seed_of(seed, problem, sample))
        thought = " ".join(rng.choices(["one", "two", "three", "four", "five", "six", "seven"], k=12))
        answer = problem.answer if rng.random() < 0.75 else "I know."
        return Written(thought, answer, 10 + rng.randrange(9), True)


def problems(count: int) -> list[Problem]:
    rng = random.Random(5)
    found: dict[str, Problem] = {}
    while len(found) < count:
        problem = sample_split(ADDITION, rng, 1 + len(found) % 3, "train")
        found[problem.id] = problem
    return list(found.values())


def made(folder: Path, asked: Sequence[Problem], writer: object, **recipe: object) -> tuple[list[Trace], object]:
    report = make_traces(
        asked,
        {"addition": Additions()},
        writer,
        TracesRecipe(**recipe),
        folder,
        3,
        lambda moment: None,  # type: ignore[arg-type]
    )
    return read_traces(folder), report


SUM = Problem(family="addition", key="k", prompt="2 + 2?", thought="2 + 2 = 4", answer="4", result="4")


def right(problem: Problem, answer: str) -> bool:
    return answer == problem.result


def text(thought: str, answer: str = "4", tokens: int | None = None, ended: bool = True) -> Written:
    return Written(thought, answer, len(thought.split()) + 2 if tokens is None else tokens, ended)


def test_what_is_kept_is_right_whole_short_and_different() -> None:
    written = [
        text("first I take two and then again two, which makes four in all, and so I say it"),
        text("First I take two  and then again two, which makes four in all, and so I say it."),
        text("two and two are four"),
        text("two and two are five", "5"),
        text("two and two and two and", "4", ended=False),
        text("count up: three, four", "4", tokens=999),
        text("", ""),
    ]
    kept, tally = choose(SUM, written, right, keep=3, longest=100)
    assert [trace.sample for trace in kept] == [2, 0], "the shortest first; a repetition never"
    assert tally == Tally(problems=1, samples=7, right=4, wrong=2, cut=1, repeated=1, long=1, kept=2)
    assert all(trace.right and trace.source == "teacher" and trace.problem == SUM.id for trace in kept)
    only, _ = choose(SUM, written, right, keep=1, longest=100)
    assert [trace.sample for trace in only] == [2]
    unchecked, _ = choose(SUM, [text("a", "whatever")], None, keep=1, longest=100)
    assert unchecked[0].right is None


def test_the_least_alike_is_kept_next() -> None:
    first = "a b c d e f g h"
    near = "a b c d e f x y z"
    far = "completely other words stand here in this long text of mine"
    kept, tally = choose(SUM, [text(near), text(far), text(first)], right, keep=2, longest=100)
    assert [trace.thought for trace in kept] == [first, far]
    assert tally.repeated == 0


def test_a_file_comes_back_as_it_was(tmp_path: Path) -> None:
    traces = [written_solution(SUM), Trace("id", "f", 2, "line\u2028two\n\x00", "ü 🚀", "teacher", 3, 7, None)]
    write_traces(tmp_path / "some.jsonl", traces)
    assert read_traces(tmp_path / "some.jsonl") == traces
    with pytest.raises(ModelNotFound):
        read_traces(tmp_path / "none.jsonl")
    (tmp_path / "some.jsonl").write_bytes((tmp_path / "some.jsonl").read_bytes() + b'{"problem": 3}\n')
    with pytest.raises(BadInput, match="line 3"):
        read_traces(tmp_path / "some.jsonl")


def test_every_problem_gets_a_trace_and_the_report_adds_up(tmp_path: Path) -> None:
    asked, moments = problems(PART + 20), []
    writer = Scripted()
    report = make_traces(
        [*asked, asked[0]],
        {"addition": Additions()},
        writer,
        TracesRecipe(per_problem=4, keep=2),
        tmp_path,
        3,
        moments.append,
    )
    traces = read_traces(tmp_path)
    total = report.total
    assert len(writer.asked) == total.problems == len(asked), "a problem that occurs twice is asked once"
    assert {trace.problem for trace in traces} == {problem.id for problem in asked}
    assert total.samples == 4 * len(asked) == total.right + total.wrong + total.cut
    assert 0.7 < total.acceptance < 0.8
    assert len(traces) == total.kept + total.written
    assert max(sum(other.problem == trace.problem for other in traces) for trace in traces[:40]) == 2
    assert set(report.levels()) == {1, 2, 3}
    assert sum(tally.problems for tally in report.levels().values()) == len(asked)
    assert report.families()["addition"] == total
    assert read_report(tmp_path / "report.json").tallies == report.tallies
    last: Moment = moments[-1]
    assert (last.done, last.total, last.acceptance) == (len(asked), len(asked), total.acceptance)
    assert last.rate > 0
    dones = [moment.done for moment in moments]
    assert dones == sorted(dones)


def test_without_a_teacher_the_written_solutions_are_taken(tmp_path: Path) -> None:
    asked = problems(5)
    traces, report = made(tmp_path, asked, None, per_problem=2)
    assert traces == [written_solution(problem) for problem in asked]
    assert report.total == Tally(problems=5, written=5)  # type: ignore[attr-defined]
    sources = {"addition": Additions(written=False)}
    answers = [replace(problem, thought="") for problem in asked]
    assert make_traces(answers, sources, None, TracesRecipe(), tmp_path / "a", 3, print).total == report.total  # type: ignore[attr-defined]
    silent = [replace(problem, answer="") for problem in answers]
    lost = make_traces(silent, sources, None, TracesRecipe(), tmp_path / "n", 3, print)
    assert lost.total == Tally(problems=5, lost=5)
    assert read_traces(tmp_path / "n") == []


def test_a_teacher_for_some_of_the_problems_only(tmp_path: Path) -> None:
    asked, writer = problems(60), Scripted()
    traces, _ = made(tmp_path / "a", asked, writer, only=20)
    assert len(set(writer.asked)) == 20
    assert len(traces) == 60
    again = Scripted()
    made(tmp_path / "b", asked[::-1], again, only=20)
    assert set(again.asked) == set(writer.asked), "which of them, does not depend on their order"


def test_a_run_that_broke_off_goes_on_with_the_same_result(tmp_path: Path) -> None:
    asked = problems(2 * PART + 10)
    whole, _ = made(tmp_path / "whole", asked, Scripted(), per_problem=2, keep=2)
    with pytest.raises(EdgemindError, match="gone"):
        made(tmp_path / "broken", asked, Scripted(fail_after=PART + 30), per_problem=2, keep=2)
    assert [file.name for file in sorted((tmp_path / "broken").glob("part-*"))] == ["part-00000.jsonl"]
    writer = Scripted()
    rest, _ = made(tmp_path / "broken", asked, writer, per_problem=2, keep=2)
    assert len(writer.asked) == PART + 10, "the part that was whole is not written again"
    assert rest == whole
    for name in ("part-00000.jsonl", "part-00001.jsonl", "part-00002.jsonl"):
        assert (tmp_path / "broken" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_parts_of_other_makings_are_made_again(tmp_path: Path) -> None:
    asked = problems(2 * PART)
    made(tmp_path, asked, Scripted())
    still = Scripted()
    made(tmp_path, asked, still)
    assert still.asked == []
    other = Scripted(name="another")
    made(tmp_path, asked[:PART], other)
    assert len(other.asked) == PART
    assert [file.name for file in tmp_path.glob("part-*")] == ["part-00000.jsonl"], "what is left over goes"
    file = tmp_path / "part-00000.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    mended = Scripted(name="another")
    made(tmp_path, asked[:PART], mended)
    assert len(mended.asked) == PART, "a damaged part is made again"


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_traces as t
class Slow(t.Scripted):
    def write(self, *args):
        for one in super().write(*args):
            time.sleep(0.002)
            yield one
t.made(Path({folder!r}), t.problems(3 * t.PART), Slow())
"""


def test_a_kill_loses_one_part_at_most(tmp_path: Path) -> None:
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(tmp_path / "killed"))
    running = subprocess.Popen([sys.executable, "-c", script])
    try:
        while not (tmp_path / "killed" / "part-00000.jsonl").exists():
            assert running.poll() is None
            os.sched_yield()
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    asked, writer = problems(3 * PART), Scripted()
    traces, _ = made(tmp_path / "killed", asked, writer)
    assert len(writer.asked) <= 2 * PART
    assert traces == made(tmp_path / "whole", asked, Scripted())[0]
    assert not list((tmp_path / "killed").glob(".new-*"))


def test_the_engine_writes(tmp_path: Path) -> None:
    asked = problems(6)
    silent = replace(asked[0], thinking=False, system="Be brief.")
    writer = EngineWriter(builtin.path(), sequences=4)
    try:
        greedy = dict(writer.write([*asked, silent], 3, TraceSampling(temperature=0, max_tokens=300), 1))
        assert all(len(texts) == 1 for texts in greedy.values()), "greedy texts would all be the same"
        assert greedy[6][0].thought == ""
        assert greedy[6][0].answer
        solved = [ADDITION.check(asked[index], greedy[index][0].answer) for index in range(6)]
        assert sum(solved) >= 5
        assert all(text.ended and text.tokens > 2 and text.thought for text in (greedy[n][0] for n in range(6)))
        cut = dict(writer.write(asked[:1], 2, TraceSampling(temperature=1.0, max_tokens=3), 1))[0]
        assert [text.ended for text in cut] == [False, False]
        with pytest.raises(StopIteration):
            next(iter(writer.write([], 1, TraceSampling(), 1)))
    finally:
        writer.close()


def test_a_part_does_not_depend_on_what_was_written_before_it() -> None:
    asked, drawn = problems(2), TraceSampling(temperature=1.0, max_tokens=8)
    writer, workers = EngineWriter(builtin.path(), sequences=2), set()
    try:
        for part in (asked[:1], asked[1:]):
            list(writer.write(part, 2, drawn, 1))
            assert writer._engine is not None
            workers.add(writer._engine.pid)
    finally:
        writer.close()
        writer.close()
    assert len(workers) == 2, "a worker that has read other prompts rounds otherwise"


def test_torch_writes_repeats_itself_and_makes_do_with_less_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    from transformers import Qwen3Config, Qwen3ForCausalLM

    from edgemind.distill import generation
    from edgemind.distill.tokenizer import train_tokenizer
    from edgemind.distill.tokenizer_files import save_nano_tokenizer
    from edgemind.distill.traces.transformers_writer import TransformersWriter

    torch.manual_seed(0)
    save_nano_tokenizer(tmp_path, train_tokenizer(["What is 2 + 2? It is 4."], 300))
    config = Qwen3Config(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        head_dim=16, intermediate_size=64, max_position_embeddings=256, tie_word_embeddings=True,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(tmp_path)
    asked, sampling = problems(5), TraceSampling(temperature=1.0, top_p=1.0, max_tokens=12)
    writer = TransformersWriter(tmp_path, batch=4)
    first = dict(writer.write(asked, 3, sampling, 1))
    assert sorted(first) == list(range(5))
    assert all(len(texts) == 3 and texts[0] != texts[1] for texts in first.values())
    writer.close()
    assert dict(writer.write(asked, 3, sampling, 1)) == first
    assert dict(writer.write(asked, 3, sampling, 2)) != first
    assert all(text.ended or text.tokens == 12 for texts in first.values() for text in texts)

    def crowded(model: object, prompts: Sequence[object], *, batch: int, **options: object) -> Iterator[object]:
        for number, row in enumerate(plainly(model, prompts, batch=batch, **options)):
            if batch > most and number >= 7:
                raise torch.OutOfMemoryError
            yield row

    plainly, most = generation.generating, 1
    monkeypatch.setattr(generation, "generating", crowded)
    narrow = TransformersWriter(tmp_path, batch=4)
    found = list(narrow.write(asked, 3, sampling, 1))
    assert dict(found) == first
    assert len(found) == 5, "what was written before the memory ran out is not written again"
    assert narrow.batch == 1
    most = 0
    with pytest.raises(OutOfMemory, match="one text"):
        list(narrow.write(asked, 3, sampling, 1))
