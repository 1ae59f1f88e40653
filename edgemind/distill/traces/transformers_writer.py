"""A teacher in a checkpoint folder, written with by torch: large batches on a CPU or a graphics card.

Not for: the loop that writes tokens (``generation``), which texts are kept (``accept``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.problems.base import Problem
from edgemind.distill.traces.trace import PART, Written, samples_of, seed_of
from edgemind.errors import OutOfMemory

if TYPE_CHECKING:
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.recipe.schema import TraceSampling


class TransformersWriter:
    """Writes with a checkpoint folder. The model is opened with the first text and given back with ``close``.

    What is drawn depends on the seed, the problem and the sample, and on the neighbours only by rounding: the same
    problems give the same texts.

    Args:
        folder: with weights and tokenizer.
        batch: texts at once; halved whenever the graphics card has no memory for them.
    """

    notice = ""

    def __init__(self, folder: Path, batch: int = 128) -> None:
        self.folder = folder
        self.name = folder.name
        self.batch = batch
        self.part = max(PART, 8 * batch)
        """Many, since the last of a part are written by few rows at once."""
        self._opened: tuple[Any, ChatFormat] | None = None

    def write(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        """See ``Writer``.

        Raises:
            EdgemindError: the checkpoint cannot be opened.
            OutOfMemory: not even one text fits.
        """
        import torch

        left = list(range(len(problems)))
        while left:
            asked = list(left)
            try:
                for place, texts in self._texts([problems[index] for index in asked], samples, sampling, seed):
                    left.remove(asked[place])
                    yield asked[place], texts
            except torch.OutOfMemoryError as problem:
                if self.batch == 1:
                    raise OutOfMemory(
                        "The memory of the graphics card does not hold the teacher and one text.",
                        "Lower traces.max_tokens in the recipe, or take the teacher as a quantized GGUF.",
                    ) from problem
                self.batch //= 2
            if left:
                torch.cuda.empty_cache()

    def _texts(
        self, problems: Sequence[Problem], samples: int, sampling: TraceSampling, seed: int
    ) -> Iterator[tuple[int, list[Written]]]:
        from edgemind.distill.generation import generating

        samples = samples_of(samples, sampling)
        model, form = self._open()
        prompts, seeds = [], []
        for problem in problems:
            prompts += [form.encode_prompt(problem)] * samples
            seeds += [seed_of(seed, problem, sample) for sample in range(samples)]
        made: dict[int, dict[int, Written]] = {}
        for number, ids in generating(
            model,
            prompts,
            end_ids=form.end_ids,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seeds=seeds,
            batch=self.batch,
        ):
            index, sample = divmod(number, samples)
            texts = made.setdefault(index, {})
            texts[sample] = _written(form, ids)
            if len(texts) == samples:
                yield index, [texts[place] for place in range(samples)]
                del made[index]

    def close(self) -> None:
        """Give the model's memory back."""
        self._opened = None

    def _open(self) -> tuple[Any, ChatFormat]:
        if self._opened is None:
            import torch

            from edgemind.distill.chat_format import ChatFormat
            from edgemind.distill.students import open_model

            cuda = torch.cuda.is_available()
            model: Any = open_model(self.folder, torch.bfloat16 if cuda else torch.float32)
            self._opened = model.to("cuda" if cuda else "cpu").eval(), ChatFormat.of_folder(self.folder)
        return self._opened


def _written(form: ChatFormat, ids: Sequence[int]) -> Written:
    ended = bool(ids) and ids[-1] in form.end_ids
    thought, answer = form.read(ids[:-1] if ended else ids)
    return Written(thought, answer, len(ids), ended)
