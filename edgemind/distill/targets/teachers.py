"""Models that say how probable the tokens of a text are: a GGUF through the engine, a checkpoint through transformers.

Not for: writing text (``traces.generate``), storing (``capture``); torch is imported when a checkpoint is opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from edgemind.distill.targets import vocabulary
from edgemind.distill.targets.top import Floats, Ints, TopK
from edgemind.distill.targets.vocabulary import Vocabulary
from edgemind.engine import scoring
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.engine.topk import top_rows
from edgemind.errors import ModelUnusable, OutOfMemory, UsageError
from edgemind.models.store.files import explained
from edgemind.models.store.hashing import hash_file

if TYPE_CHECKING:
    import torch

MOST_CONTEXT = 8192
"""Tokens of a text, unless more is asked for: the keys and values of all of them must fit into memory."""

COMMAND_TOKENS = 8192
"""Tokens that the worker is sent at once."""

CHUNK_BYTES = 64 << 20
"""Logits that are there at once: 110 rows of a vocabulary of 151,936."""

MEMORY_WORDS = ("out of memory", "can't allocate memory", "alloc")


class Text(Protocol):
    """Tokens of which those from ``start`` on are asked about; ``Encoded`` and ``Example`` are such."""

    @property
    def ids(self) -> Sequence[int] | Ints: ...

    @property
    def start(self) -> int: ...


class Scorer(Protocol):
    """A teacher."""

    name: str
    vocabulary: Vocabulary
    context: int
    """Longest text in tokens."""

    @property
    def digest(self) -> str:
        """Of the model's files."""
        ...

    def top(self, batch: Sequence[Text], k: int, temperature: float, size: int | None = None) -> list[TopK]:
        """For each text ``[learned tokens, k]``: row j is about what stands at ``ids[start + j]``.

        Args:
            size: cut the distribution off after so many tokens, before the softmax; the real vocabulary without it.

        Raises:
            UsageError: a text that is too long, or starts at 0.
            OutOfMemory: with what to change.
        """
        ...

    def chosen(self, batch: Sequence[Text]) -> list[Floats]:
        """For each text ``[learned tokens]``: the logarithm of the probability of ``ids[start + j]`` itself.

        Rows that pad the embedding have no share in it.
        """
        ...

    def close(self) -> None:
        """Give its memory back."""
        ...


def open_scorer(path: Path, *, context: int | None = None, parts: Sequence[Path] = ()) -> Scorer:
    """An ``EngineScorer`` for a GGUF file, a ``TransformersScorer`` for a folder.

    Raises:
        ModelNotFound, ModelUnusable, BadInput: it is neither.
    """
    if path.is_dir():
        return TransformersScorer(path, context=context)
    return EngineScorer(path, context=context, parts=parts)


class EngineScorer:
    """A GGUF in the jailed worker, which sends ``k`` values a token rather than whole rows.

    Every text is read in a context of the same size, so that the same text gets the same numbers in every run.

    Args:
        context: longest text in tokens; what the model was trained for, up to 8,192, unless given.
        threads: of the CPU; the engine's choice unless given.
        parts: all files of a model in several files; ``path`` is the first.

    Raises:
        ModelNotFound, ModelUnusable, OutOfMemory: the model cannot be opened.
    """

    def __init__(
        self, path: Path, *, context: int | None = None, threads: int | None = None, parts: Sequence[Path] = ()
    ) -> None:
        self.name = path.stem
        self.vocabulary = vocabulary.of_gguf(path)
        self._files = tuple(parts) or (path,)
        options = LoadOptions(
            path=str(path), parts=tuple(map(str, parts)), sequences=1, threads=threads, context=max(256, context or 256)
        )
        self._engine = Engine(options)
        try:
            trained = self._engine.wait_loaded().context_trained or MOST_CONTEXT
        except BaseException:
            self._engine.close()
            raise
        self.context = min(trained, context or MOST_CONTEXT)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the file, or over those of several."""
        return files_digest(self._files)

    def top(self, batch: Sequence[Text], k: int, temperature: float, size: int | None = None) -> list[TopK]:
        """See ``Scorer``."""
        cut = size or self.vocabulary.size
        return [TopK(one.ids, one.logp, one.tail) for one in self._ask(batch, min(k, cut), temperature, cut)]

    def chosen(self, batch: Sequence[Text]) -> list[Floats]:
        """See ``Scorer``."""
        return [one.chosen for one in self._ask(batch, 0, 1.0, self.vocabulary.size)]

    def close(self) -> None:
        """End the worker."""
        self._engine.close()

    def _ask(self, batch: Sequence[Text], k: int, temperature: float, size: int) -> Iterator[scoring.TopRows]:
        _check(batch, self.context)
        for group in _groups([len(text.ids) for text in batch], COMMAND_TOKENS):
            texts = [batch[number] for number in group]
            yield from scoring.top(
                self._engine,
                [[int(token) for token in text.ids] for text in texts],
                [len(text.ids) - text.start for text in texts],
                k,
                temperature=temperature,
                size=size,
                room=self.context,
            )


class TransformersScorer:
    """A checkpoint folder through transformers, on a GPU where there is one.

    Texts of similar length are read together, padded on the right. The logits of all their tokens never exist at once:
    hidden states go through the output matrix some rows at a time, in float32 from there on.

    Args:
        context: longest text in tokens; what the model was trained for, unless given.
        dtype: ``float32``, ``bfloat16``, ``float16``; ``auto`` is float32 on a CPU and bfloat16 on a GPU.
        device: as torch calls it; ``auto`` is the GPU if torch sees one.
        batch_tokens: of all texts that are read together, padding included; halved when memory runs out.

    Raises:
        ModelUnusable, BadInput: the folder holds no model that transformers can open.
        OutOfMemory: it does not fit.
    """

    def __init__(
        self,
        folder: Path,
        *,
        context: int | None = None,
        dtype: str = "auto",
        device: str = "auto",
        batch_tokens: int = 4096,
    ) -> None:
        import torch

        from edgemind.distill.students import open_model

        self.name = folder.resolve().name
        self.vocabulary = vocabulary.of_tokenizer_folder(folder)
        self._folder = folder
        self._device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        kind = ("float32" if self._device.type == "cpu" else "bfloat16") if dtype == "auto" else dtype
        self._batch_tokens = batch_tokens
        try:
            model: Any = open_model(folder, getattr(torch, kind))
            self._model = model.to(self._device).eval()
        except (RuntimeError, MemoryError) as problem:
            raise _as_out_of_memory(problem, self.name) from problem
        config = self._model.config.get_text_config()
        trained = int(getattr(config, "max_position_embeddings", 0) or MOST_CONTEXT)
        self.context = min(trained, context or trained)
        self._cap = float(getattr(config, "final_logit_softcapping", None) or 0.0)
        self._scale = float(getattr(config, "logit_scale", None) or 1.0) / float(
            getattr(config, "logits_scaling", None) or 1.0
        )
        self._whole = not self._knows_the_head()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over configuration and weights."""
        return files_digest([self._folder / "config.json", *sorted(self._folder.glob("*.safetensors"))])

    def top(self, batch: Sequence[Text], k: int, temperature: float, size: int | None = None) -> list[TopK]:
        """See ``Scorer``."""
        cut = min(size or self.vocabulary.size, self._rows)
        out = [TopK.empty(len(text.ids) - text.start, min(k, cut)) for text in batch]
        for number, row, logits, _ in self._logits(batch):
            ids, logp, tail = _top(logits[:, :cut], min(k, cut), temperature)
            piece = slice(row, row + len(ids))
            out[number].ids[piece], out[number].logp[piece], out[number].tail[piece] = ids, logp, tail
        return out

    def chosen(self, batch: Sequence[Text]) -> list[Floats]:
        """See ``Scorer``."""
        import torch

        out = [np.empty(len(text.ids) - text.start, np.float32) for text in batch]
        for number, row, logits, tokens in self._logits(batch):
            wanted = torch.from_numpy(tokens).long()[:, None].to(logits.device)
            found = logits.gather(1, wanted)[:, 0] - logits[:, : self.vocabulary.size].logsumexp(dim=1)
            out[number][row : row + len(tokens)] = found.cpu().numpy()
        return out

    def close(self) -> None:
        """Forget the model."""
        import torch

        self._model = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @property
    def _rows(self) -> int:
        return int(self._model.get_output_embeddings().weight.shape[0])

    def _logits(self, batch: Sequence[Text]) -> Iterator[tuple[int, int, torch.Tensor, Ints]]:
        """Chunks ``(text, its first row, logits [rows, vocabulary] in float32, the text's own tokens there)``."""
        import torch

        _check(batch, self.context)
        order = sorted(range(len(batch)), key=lambda number: (len(batch[number].ids), number))
        at_once = max(1, CHUNK_BYTES // (4 * self._rows))
        at = 0
        while at < len(order):
            group = self._group(batch, order, at)
            try:
                with torch.inference_mode():
                    states = self._states([np.asarray(batch[number].ids, np.int64) for number in group])
                    for place, number in enumerate(group):
                        text = batch[number]
                        own = np.asarray(text.ids[text.start :], np.int32)
                        for row in range(0, len(own), at_once):
                            end = min(row + at_once, len(own))
                            rows = states[place, text.start - 1 + row : text.start - 1 + end]
                            logits = self._head(rows)
                            if not bool(logits.amax(dim=1).isfinite().all()):
                                raise ModelUnusable(
                                    f"The teacher {self.name} computes numbers that are not finite.",
                                    "Make or fetch it again, or name the teacher as a GGUF file.",
                                )
                            yield number, row, logits, own[row:end]
            except (RuntimeError, MemoryError) as problem:
                too_much = _as_out_of_memory(problem, self.name)
                if len(group) == 1:
                    raise too_much from problem
                self._batch_tokens //= 2
                continue
            at += len(group)

    def _group(self, batch: Sequence[Text], order: Sequence[int], at: int) -> Sequence[int]:
        """As many texts from ``at`` on as may be read together, at least one."""
        end = at + 1
        while end < len(order) and (end + 1 - at) * len(batch[order[end]].ids) <= self._batch_tokens:
            end += 1
        return order[at:end]

    def _states(self, texts: Sequence[Any]) -> torch.Tensor:
        """Hidden states ``[texts, longest, width]`` (with ``_whole`` logits); behind a shorter text they are noise."""
        import torch

        longest = max(map(len, texts))
        ids = torch.zeros(len(texts), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.from_numpy(text)
            mask[row, : len(text)] = 1
        # Attention is causal, so a text never sees the padding behind it; without a mask torch takes its faster kernel.
        given = {"input_ids": ids.to(self._device), "use_cache": False}
        if self._whole:
            found: torch.Tensor = self._model(**given, attention_mask=mask.to(self._device)).logits
        else:
            found = self._model.base_model(**given).last_hidden_state
        return found

    def _head(self, states: torch.Tensor) -> torch.Tensor:
        if self._whole:
            return states.float()
        logits: torch.Tensor = self._model.get_output_embeddings()(states).float() * self._scale
        if self._cap:
            logits = (logits / self._cap).tanh() * self._cap
        return logits

    def _knows_the_head(self) -> bool:
        """Whether hidden states, matrix and known scales give what the model gives as a whole, for some tokens."""
        import torch

        self._whole = False
        tokens = np.arange(min(8, self._rows), dtype=np.int64)
        with torch.inference_mode():
            ids = torch.from_numpy(tokens)[None].to(self._device)
            wanted = self._model(input_ids=ids, use_cache=False).logits.float()
            try:
                found = self._head(self._states([tokens]))
            except (AttributeError, TypeError):
                return False
        return found.shape == wanted.shape and bool(torch.allclose(found, wanted, rtol=2e-2, atol=2e-2))


def _top(logits: torch.Tensor, k: int, temperature: float) -> tuple[Any, Any, Any]:
    """As ``top_rows``, where the logits are."""
    if logits.device.type == "cpu":
        return top_rows(np.ascontiguousarray(logits.numpy()), k, temperature)
    values, ids = logits.topk(k, dim=1)
    largest = values[:, :1]
    mass = ((logits - largest) / temperature).exp()
    total = mass.sum(dim=1).log()
    tail = mass.scatter_(1, ids, 0.0).sum(dim=1).log() - total
    logp = (values - largest) / temperature - total[:, None]
    return ids.int().cpu().numpy(), logp.cpu().numpy(), tail.cpu().numpy()


def _check(batch: Sequence[Text], context: int) -> None:
    for text in batch:
        if not 1 <= text.start < len(text.ids):
            raise UsageError("A text needs a token before those that are asked about, and one of these.")
        if len(text.ids) > context:
            raise UsageError(
                f"A text of {len(text.ids):,} tokens is longer than the {context:,} that this teacher reads.",
                "Leave it out, or give the teacher a longer context.",
            )


def _groups(sizes: Sequence[int], most: int) -> Iterator[range]:
    """Consecutive numbers whose sizes add up to ``most`` at the most, at least one."""
    start = total = 0
    for number, size in enumerate(sizes):
        if number > start and total + size > most:
            yield range(start, number)
            start, total = number, 0
        total += size
    if sizes:
        yield range(start, len(sizes))


def _as_out_of_memory(problem: Exception, name: str) -> Exception:
    """The same in one sentence, if it is about memory."""
    words = str(problem).lower()
    if not isinstance(problem, MemoryError) and not any(word in words for word in MEMORY_WORDS):
        return problem
    return OutOfMemory(
        f"Memory ran out while the teacher {name} was reading.",
        "Use a smaller context, a smaller teacher, or the teacher as a quantized GGUF.",
    )


def files_digest(files: Sequence[Path]) -> str:
    """SHA-256 over the SHA-256 of each file; of one file its own.

    Raises:
        StoreProblem: a file cannot be read.
    """
    found = []
    for file in files:
        with explained(f"read {file.name}", file.parent), file.open("rb", buffering=0) as stream:
            found.append(hash_file(stream.fileno(), file, lambda _: None)[0])
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()
