"""The on-policy phase: the student writes, the teacher scores what it wrote, the student learns from that.

So it learns where its own mistakes lead (https://arxiv.org/abs/2306.13649), not only what good solutions look like. A
round is decided by the seed, its number and the student's weights, so a training can go on from any round's end.
Not for: the loop over steps (``trainer``), generation and scoring themselves.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgemind.distill.chat_format import ChatFormat, Encoded
from edgemind.distill.generation import generate
from edgemind.distill.problems.base import Problem
from edgemind.distill.recipe.schema import PolicyRecipe
from edgemind.distill.targets.teachers import Scorer, open_scorer
from edgemind.distill.targets.top import TopK
from edgemind.distill.targets.vocabulary import compare, of_model
from edgemind.distill.training.batches import Batch, Piece, collate, grouped
from edgemind.distill.training.divergences import Divergence
from edgemind.distill.training.feeding import Portioning
from edgemind.distill.training.losses import Mix
from edgemind.errors import UsageError

if TYPE_CHECKING:
    from edgemind.distill.training.network import Network

K = 32
"""The teacher's likely tokens that are asked for, when stored targets say no number."""


@dataclass(frozen=True)
class Written:
    """One step's portions of a round: this process's batches, and over all processes how much is read and learned."""

    batches: list[Batch]
    read: int
    learned: int


class Policy:
    """A student's own texts as batches.

    Args:
        teacher: a checkpoint folder or a GGUF file with the student's vocabulary.
        student: folder that the student started from.
        k, temperature: of the teacher's distributions.
        context: longest text in tokens.

    Raises:
        UsageError: there are no problems to write about, or the vocabularies differ.
    """

    def __init__(
        self,
        recipe: PolicyRecipe,
        problems: Sequence[Problem],
        chat: ChatFormat,
        teacher: Path | None,
        student: Path,
        seed: int,
        *,
        k: int,
        temperature: float,
        context: int,
    ) -> None:
        if teacher is None or not problems:
            raise UsageError(
                "The on-policy phase needs a teacher that scores and problems to write about.",
                "Take [policy] out of the recipe, or name a teacher that is a GGUF file or a checkpoint.",
            )
        match = compare(of_model(student), of_model(teacher))
        if not match.usable:
            raise UsageError(
                f"The on-policy phase needs one vocabulary for both, and it differs: {match.why}.",
                "Take [policy] out of the recipe.",
            )
        self.recipe, self._seed, self._chat = recipe, seed, chat
        self._k, self._size = k or K, match.shared
        self.mix = Mix(Divergence.of(recipe.loss), 1.0, temperature)
        self._scorer: Scorer = open_scorer(teacher, context=context)
        self._room = min(context, self._scorer.context)
        prompts = {problem.id: chat.encode_prompt(problem) for problem in problems}
        self._prompts = [prompt for prompt in prompts.values() if len(prompt) < self._room]
        if not self._prompts:
            raise UsageError(f"No prompt is shorter than {self._room:,} tokens.", "Take [policy] out of the recipe.")

    def round(self, number: int, network: Network, step_tokens: int, accumulate: int, how: Portioning) -> list[Written]:
        """What the student writes now, scored, as steps of about ``step_tokens`` tokens each."""
        rng = random.Random(f"{self._seed}:policy:{number}")
        texts: list[Encoded] = []
        for attempt in range(4):
            texts = self._texts(rng, network.model)
            if texts:
                break
            if attempt == 3:
                raise UsageError("The student writes nothing at all.", "Take [policy] out of the recipe.")
        tops = self._scorer.top(texts, self._k, self.mix.temperature, self._size)
        lengths = {place: len(text.ids) for place, text in enumerate(texts)}
        steps = max(1, min(round(sum(lengths.values()) / step_tokens), len(texts) // accumulate))
        groups = grouped(list(lengths), lengths, steps * accumulate)
        rng.shuffle(groups)
        return [self._step(texts, tops, groups[at : at + accumulate], how) for at in range(0, len(groups), accumulate)]

    def close(self) -> None:
        """Let go of the teacher."""
        self._scorer.close()

    def _texts(self, rng: random.Random, model: Any) -> list[Encoded]:
        """Prompts with the student's own continuations, those that have any."""
        prompts = [rng.choice(self._prompts) for _ in range(self.recipe.prompts)]
        seeds = [rng.getrandbits(62) for _ in prompts]
        made = generate(
            model,
            prompts,
            end_ids=self._chat.end_ids,
            max_tokens=self.recipe.max_tokens,
            temperature=self.recipe.temperature,
            seeds=seeds,
        )
        pairs = zip(prompts, made, strict=True)
        cut = [(prompt, (prompt + own)[: self._room]) for prompt, own in pairs]
        return [Encoded(whole, len(prompt)) for prompt, whole in cut if len(whole) > len(prompt)]

    def _step(self, texts: list[Encoded], tops: list[TopK], groups: list[list[int]], how: Portioning) -> Written:
        batches = []
        for group in groups:
            mine = group[how.rank :: how.world]
            pieces = [Piece(np.array(texts[place].ids, np.int32), texts[place].start) for place in mine]
            chosen = [tops[place] for place in mine]
            if not mine:
                ids = np.array(texts[0].ids[:2], np.int32)
                pieces, chosen = [Piece(ids, len(ids))], []
            batches.append(collate(pieces, joined(chosen, self._k), how.pad, how.row_tokens))
        everyone = [texts[place] for group in groups for place in group]
        read = sum(len(text.ids) for text in everyone)
        return Written(batches, read, sum(len(text.ids) - max(text.start, 1) for text in everyone))


def joined(tops: Sequence[TopK], k: int) -> TopK:
    """Targets of several texts, one behind the other."""
    if not tops:
        return TopK.empty(0, k)
    return TopK(*(np.concatenate([getattr(top, name) for top in tops]) for name in ("ids", "logp", "tail")))
