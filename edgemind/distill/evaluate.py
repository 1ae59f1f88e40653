"""Accuracy on held-out problems by greedy generation, family by family."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from edgemind.distill.corpus import token_id
from edgemind.distill.model import Nano
from edgemind.distill.problems.base import Family, Problem, sample_split
from edgemind.distill.tokenizer import END, PAD, render_prompt, split_completion

Generate = Callable[[Sequence[Problem]], list[tuple[str, str]]]
"""Thought and answer for each problem."""

ANSWER_LIMIT = 420
CHUNK = 128


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
