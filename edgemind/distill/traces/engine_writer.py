"""A teacher in a GGUF file, written with by the engine that users run: many sequences at once, in its jailed worker.

Not for: which texts are kept (``accept``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.trace import PART, Written, samples_of, seed_of
from edgemind.engine.client import Engine, Generation, error_from
from edgemind.engine.events import (
    Answer,
    Done,
    Failed,
    GenerateRequest,
    LoadOptions,
    Message,
    Sampling,
    Thinking,
)
from edgemind.errors import BadInput, PromptTooLong

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import TraceSampling

MOST_SEQUENCES = 32
"""That the engine takes."""

AHEAD = 4
"""Requests that wait in the worker for each sequence, so that none is idle."""


class EngineWriter:
    """Writes with a GGUF file. A worker starts with each call of ``write``, and the last one ends with ``close``.

    It starts anew because a worker keeps the beginnings of what it has read, and what lies there already is not
    computed, and rounded, again in the same groups: a run that was killed would go on with other texts than one that
    was not. What is drawn depends on the seed, the problem and the sample; llama.cpp rounds differently when other
    texts are written beside it, which now and then turns a token (``docs/benchmarks.md``).

    Args:
        path: the file; of a model in several files the first.
        sequences: texts at once.
        parts: all files of a model in several files.
    """

    notice = ""
    part = PART

    def __init__(self, path: Path, sequences: int = 16, parts: Sequence[Path] = ()) -> None:
        self.path = path
        self.name = path.stem
        self.sequences = max(1, min(sequences, MOST_SEQUENCES))
        self._options = LoadOptions(path=str(path), parts=tuple(map(str, parts)), sequences=self.sequences)
        self._engine: Engine | None = None

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        """See ``Writer``. A problem that does not fit the context, or that the template refuses, counts as cut.

        Raises:
            EdgemindError: the model cannot be opened, or its worker died.
        """
        samples = samples_of(samples, sampling)
        self.close()
        engine = self._engine = Engine(self._options)
        engine.wait_loaded()
        wanted = ((index, sample) for index in range(len(problems)) for sample in range(samples))
        waiting: deque[tuple[int, Generation]] = deque()
        texts: list[Written] = []
        try:
            while True:
                while len(waiting) < AHEAD * self.sequences and (one := next(wanted, None)):
                    index, sample = one
                    asked = request(problems[index], sampling, seed_of(seed, problems[index], sample))
                    waiting.append((index, engine.generate(asked)))
                if not waiting:
                    return
                index, generation = waiting.popleft()
                texts.append(_written(generation))
                if len(texts) == samples:
                    yield index, texts
                    texts = []
        finally:
            for _, generation in waiting:
                generation.cancel()

    def close(self) -> None:
        """End the worker."""
        if self._engine is not None:
            self._engine.close()
        self._engine = None


def request(problem: Problem, sampling: TraceSampling, seed: int) -> GenerateRequest:
    """The problem as it is asked of the engine: no filter but those of the recipe."""
    turns = [Message(role="system", content=problem.system)] if problem.system is not None else []
    for user, assistant in problem.history:
        turns += [Message(role="user", content=user), Message(role="assistant", content=assistant)]
    return GenerateRequest(
        messages=(*turns, Message(role="user", content=problem.prompt)),
        sampling=Sampling(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=0,
            min_p=0,
            typical_p=1,
            repeat_penalty=1,
            presence_penalty=0,
            frequency_penalty=0,
            dry_multiplier=0,
            xtc_probability=0,
            mirostat=0,
            seed=seed,
        ),
        max_tokens=sampling.max_tokens,
        thinking="auto" if problem.thinking else "off",
    )


def _written(generation: Generation) -> Written:
    thought: list[str] = []
    answer: list[str] = []
    for event in generation:
        if isinstance(event, Thinking):
            thought.append(event.text)
        elif isinstance(event, Answer):
            answer.append(event.text)
        elif isinstance(event, Done):
            tokens = event.stats.thinking_tokens + event.stats.answer_tokens
            return Written("".join(thought).strip(), "".join(answer).strip(), tokens, event.stop_reason == "end")
        elif isinstance(event, Failed):
            problem = error_from(event)
            if not isinstance(problem, (PromptTooLong, BadInput)):
                raise problem
    return Written("", "", 0, False)
