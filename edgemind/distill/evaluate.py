"""Accuracy on held-out problems by greedy generation, family by family."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from edgemind.distill.corpus import token_id
from edgemind.distill.model import Nano
from edgemind.distill.problems.base import Family, Problem, sample_split
from edgemind.distill.problems.language.declining import Declining
from edgemind.distill.tokenizer import END, PAD, render_prompt, split_completion

Generate = Callable[[Sequence[Problem]], list[tuple[str, str]]]
"""Thought and answer for each problem."""

ANSWER_LIMIT = 420
CHUNK = 128
SEQUENCES = 16
"""Answers that the engine writes at once."""


@dataclass(frozen=True)
class Outcome:
    """What a model made of one problem."""

    problem: Problem
    thought: str
    answer: str
    right: bool


def held_out(family: Family, count: int, seed: int) -> list[Problem]:
    """``count`` distinct held-out problems, spread evenly over the levels."""
    rng = random.Random(f"{seed}:heldout:{family.name}")
    found: dict[tuple[str, str], Problem] = {}
    tries = 0
    while len(found) < count and tries < 20 * count:
        problem = sample_split(family, rng, 1 + tries % family.levels, "heldout")
        found.setdefault((problem.key, problem.prompt), problem)
        tries += 1
    return list(found.values())


def torch_generator(model: Nano, tokenizer: Tokenizer) -> Generate:
    """Generation by the training code, in chunks of prompts of about one length."""

    def generate(problems: Sequence[Problem]) -> list[tuple[str, str]]:
        prompts = [tokenizer.encode(render_prompt(p.prompt, p.history)).ids for p in problems]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        answers: dict[int, tuple[str, str]] = {}
        for start in range(0, len(order), CHUNK):
            chunk = order[start : start + CHUNK]
            made = model.generate(
                [prompts[i] for i in chunk], token_id(tokenizer, END), token_id(tokenizer, PAD), ANSWER_LIMIT
            )
            for index, ids in zip(chunk, made, strict=True):
                answers[index] = split_completion(tokenizer.decode(ids, skip_special_tokens=False))
        return [answers[i] for i in range(len(problems))]

    return generate


def engine_generator(path: Path) -> Generate:
    """Generation by the engine that users run, many sequences at once, from the GGUF file itself."""
    from edgemind.engine.client import Engine, error_from
    from edgemind.engine.events import Answer, Failed, GenerateRequest, LoadOptions, Message, Sampling, Thinking

    def request(problem: Problem) -> GenerateRequest:
        turns = [turn for user, assistant in problem.history for turn in (("user", user), ("assistant", assistant))]
        messages = [Message(role=role, content=text) for role, text in (*turns, ("user", problem.prompt))]  # type: ignore[arg-type]
        return GenerateRequest(messages=tuple(messages), sampling=Sampling(temperature=0), max_tokens=ANSWER_LIMIT)

    def generate(problems: Sequence[Problem]) -> list[tuple[str, str]]:
        made = []
        with Engine(LoadOptions(path=str(path), sequences=SEQUENCES)) as engine:
            for generation in [engine.generate(request(problem)) for problem in problems]:
                thought, answer = "", ""
                for event in generation:
                    if isinstance(event, Thinking):
                        thought += event.text
                    elif isinstance(event, Answer):
                        answer += event.text
                    elif isinstance(event, Failed):
                        raise error_from(event)
                made.append((thought, answer))
        return made

    return generate


def declined(generate: Generate, questions: Sequence[str]) -> list[Outcome]:
    """Outcomes on factual questions that have to be declined, without a digit in the answer."""
    family = Declining()
    problems = [
        Problem(family=family.name, key=f"unseen:{text}", prompt=text, thought="", answer="", result="decline")
        for text in questions
    ]
    return [
        Outcome(problem, thought, answer, family.check(problem, answer))
        for problem, (thought, answer) in zip(problems, generate(problems), strict=True)
    ]


def evaluate(generate: Generate, families: Sequence[Family], count: int, seed: int) -> dict[str, list[Outcome]]:
    """Outcomes on ``count`` held-out problems of each family."""
    sets = {family.name: held_out(family, count, seed) for family in families}
    everything = [problem for problems in sets.values() for problem in problems]
    made = iter(generate(everything))
    outcomes: dict[str, list[Outcome]] = {}
    for family in families:
        outcomes[family.name] = []
        for problem in sets[family.name]:
            thought, answer = next(made)
            outcomes[family.name].append(Outcome(problem, thought, answer, family.check(problem, answer)))
    return outcomes


def accuracies(outcomes: Mapping[str, Sequence[Outcome]]) -> dict[str, float]:
    """The share of right answers per family, to three digits."""
    return {name: round(sum(o.right for o in made) / max(1, len(made)), 3) for name, made in outcomes.items()}
