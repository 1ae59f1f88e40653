"""The same problem put differently: with a system message, after earlier turns, or asked without a thought.

So a student learns to answer in the middle of a conversation and under any instruction. Not for: the wording of a
problem, which is its family's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from edgemind.distill.problems.base import Problem

if TYPE_CHECKING:
    from edgemind.distill.recipe.schema import VarietyRecipe

SYSTEM_PROMPTS = (
    "You are a helpful assistant.", "You are a helpful assistant.", "You are EdgeMind, a helpful assistant.",
    "You are a friendly and precise assistant.", "You are a careful math tutor.", "Answer briefly.",
    "You are a helpful AI assistant that thinks step by step.", "Be concise and correct.",
    "You answer the user's questions.", "You are a private assistant that runs on this computer.",
    "Think step by step, then answer.", "You are a useful assistant.",
)  # fmt: skip
EARLIER_TURNS = (1, 1, 1, 1, 2, 2, 2, 3, 5, 9)
"""How many turns a history has; the long ones teach the far positions of the context."""
EASY_LINES, EASY_CHARACTERS = 2, 240
"""A thought of at most so much can be left out: what it works out can be seen at once."""


def is_easy(problem: Problem) -> bool:
    """Whether ``problem`` has a written solution that is short enough to do without its thought."""
    lines = problem.thought.count("\n") + 1
    return bool(problem.answer) and lines <= EASY_LINES and len(problem.thought) <= EASY_CHARACTERS


def varied(
    rng: random.Random, problem: Problem, recipe: VarietyRecipe, earlier: Callable[[], Problem], written: bool
) -> Problem:
    """``problem`` or the same problem put differently; every random choice comes from ``rng``.

    Args:
        earlier: draws a problem for an earlier turn.
        written: whether the problem's own thought is all there is to think; if not, nobody knows how easy it is.
    """
    history = problem.history
    if not history and rng.random() < recipe.history:
        turns = [earlier() for _ in range(rng.choice(EARLIER_TURNS))]
        history = tuple(turn for p in turns if p.answer for turn in (*p.history, (p.prompt, p.answer)))
    system = problem.system
    if system is None and rng.random() < recipe.system:
        system = rng.choice(SYSTEM_PROMPTS)
    # about every second problem of our own is easy, so twice the share of these is that share of all
    thinking = problem.thinking and not (written and is_easy(problem) and rng.random() < recipe.no_think * 2)
    if (history, system, thinking) == (problem.history, problem.system, problem.thinking):
        return problem
    return replace(problem, history=history, system=system, thinking=thinking)
