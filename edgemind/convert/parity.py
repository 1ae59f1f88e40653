"""Proof that a GGUF file is its checkpoint: the same tokens for every text of the battery, the same logits as
transformers computes in float32.

llama.cpp runs in the jailed worker, transformers here. Not for: how good a quantization is (``edgemind quality``).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgemind.convert.battery import CODE, SENTENCES
from edgemind.convert.checkpoint import AGAIN, Checkpoint
from edgemind.convert.difference import differing_key, first_difference
from edgemind.convert.families import family_of
from edgemind.convert.lora import Adapter, add_to
from edgemind.convert.token_parity import TokenReport, about, compare_tokens
from edgemind.engine import scoring
from edgemind.engine.client import Engine
from edgemind.engine.events import LoadOptions
from edgemind.errors import BadInput, OutOfMemory, UsageError
from edgemind.models import gguf, hardware
from edgemind.models.ggml_types import FILE_TYPES
from edgemind.models.sizes import human_bytes

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

EXTRA = "pip install 'edgemind[distill]'"
LARGEST_KL: dict[str, float] = {"F32": 1e-5, "F16": 1e-3, "BF16": 1e-2, "Q8_0": 3e-2}
"""Mean Kullback-Leibler divergence of a token, in nats, up to which a file of this type passes. Of other
types it is only measured, and their tensors have to be near."""

OTHER_WEIGHTS = "Its weights are not the checkpoint's."

MOST_TOKENS = 160
PROMPTS = (
    SENTENCES[0] + " " + SENTENCES[1],
    CODE[0] + CODE[1],
    " ".join(SENTENCES[5:13]),
    " ".join(SENTENCES[22:25]) + CODE[4],
)

Say = Callable[[str], None]


@dataclass(frozen=True)
class LogitReport:
    """What the logits of several prompts say."""

    prompts: int
    tokens: int
    top_1: int
    """Positions at which both have the same best token."""
    ties: int
    """Positions at which they have not, but two tokens are equally good within the tolerance of the family."""
    largest_error: float
    """The largest difference of a logit, against the largest logit of its row."""
    mean_kl: float
    """Nats a token."""
    largest_kl: float


@dataclass(frozen=True)
class Parity:
    """The whole verdict."""

    type: str
    """Of the file: ``F16``."""
    tokenizer: TokenReport
    logits: LogitReport | None
    """``None`` when the tokens or the settings already differ."""
    passed: bool
    reason: str = ""
    """Why it did not pass, in one sentence."""
    first_difference: str = ""
    """The first tensor or key that is not the checkpoint's, when it did not pass."""


def verify(
    folder: Path,
    file: Path,
    say: Say = lambda line: None,
    *,
    adapter: Adapter | None = None,
    template: str | None = None,
    threads: int | None = None,
    descriptors: Sequence[int] = (),
) -> Parity:
    """Compare a file with the checkpoint it was made from.

    Args:
        say: told in a few words what is being done.
        adapter: a LoRA that was merged into the file.
        template: the chat template that the file was given in place of the checkpoint's.
        threads: of llama.cpp.
        descriptors: of open files that the worker needs, for a file without a name.

    Raises:
        UsageError: transformers is not installed.
        OutOfMemory: the checkpoint in float32 does not fit; tokens and tensors have been compared then, and are the
            same.
        BadInput, ModelUnusable, WorkerDied: one of the two cannot be opened.
    """
    transformers = import_transformers()
    checkpoint = Checkpoint(folder)
    tolerance = family_of(checkpoint.config).tolerance
    header = gguf.read_header(file)
    kind = FILE_TYPES.get(header.number("general.file_type") or 0, "unknown")
    tokenizer = _tokenizer(transformers, folder)
    options = LoadOptions(
        path=str(file), threads=threads, sequences=1, kv_type="f32", flash_attention="off", gpu_layers=0, context=2048
    )
    with Engine(options, descriptors=descriptors) as engine:
        engine.wait_loaded()
        say("comparing tokens")
        tokens = compare_tokens(engine, checkpoint, tokenizer)
        where = differing_key(folder, header, template, tokens=not tokens.passed)
        if not tokens.passed:
            return Parity(kind, tokens, None, False, about(tokens), where)
        if where:
            return Parity(kind, tokens, None, False, "It says something else about itself.", where)
        if not _fits(checkpoint):
            say("looking for a tensor that differs")
            where = first_difference(folder, file, adapter, template)
            if not where:
                raise _too_large(checkpoint)
            return Parity(kind, tokens, None, False, OTHER_WEIGHTS, where)
        say("opening the checkpoint in transformers")
        model = _model(transformers, folder)
        if adapter is not None:
            add_to(model, adapter)
        say("comparing logits")
        logits = compare_logits(engine, tokenizer, model, tolerance)
    reason = judge(kind, logits, tolerance)
    if not reason and kind in LARGEST_KL:
        return Parity(kind, tokens, logits, True)
    say("looking for the first tensor that differs")
    where = first_difference(folder, file, adapter, template)
    if not reason:
        return Parity(kind, tokens, logits, not where, OTHER_WEIGHTS if where else "", where)
    if not where:
        reason += " Every key and tensor is the checkpoint's, so llama.cpp computes this architecture otherwise."
    return Parity(kind, tokens, logits, False, reason, where)


def import_transformers() -> Any:
    """The package, which nothing else here needs. It never gets a network: what it opens lies on this disk.

    Raises:
        UsageError: it, or torch, is not installed.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        import torch  # noqa: F401
        import transformers
    except ImportError as problem:
        raise UsageError(
            "Comparing with the checkpoint needs torch and transformers, which are not here.", EXTRA
        ) from problem
    package: Any = transformers
    package.utils.logging.set_verbosity_error()
    package.utils.logging.disable_progress_bar()
    return package


def compare_logits(engine: Engine, tokenizer: PreTrainedTokenizerBase, model: Any, tolerance: float) -> LogitReport:
    """Logits of every position of every prompt."""
    import torch

    tokens_seen = top_1 = ties = 0
    largest_error = largest_kl = 0.0
    divergences: list[float] = []
    for prompt in PROMPTS:
        tokens = tokenizer.encode(prompt)[:MOST_TOKENS]
        with torch.inference_mode():
            wanted: NDArray[np.float32] = model(torch.tensor([tokens])).logits[0].float().numpy()
        done = 0
        for piece in scoring.logits(engine, tokens):
            right = wanted[done : done + len(piece), : piece.shape[1]]
            done += len(piece)
            best = right.argmax(axis=1)
            same = piece.argmax(axis=1) == best
            scale = np.abs(right).max(axis=1) + 1e-30
            gap = right.max(axis=1) - right[np.arange(len(piece)), piece.argmax(axis=1)]
            ties += int((~same & (gap <= tolerance * scale)).sum())
            top_1 += int(same.sum())
            largest_error = max(largest_error, float((np.abs(piece - right).max(axis=1) / scale).max()))
            divergences += divergence(right, piece)
        tokens_seen += len(tokens)
    return LogitReport(
        prompts=len(PROMPTS),
        tokens=tokens_seen,
        top_1=top_1,
        ties=ties,
        largest_error=largest_error,
        mean_kl=float(np.mean(divergences)),
        largest_kl=max([largest_kl, *divergences]),
    )


def divergence(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> list[float]:
    """Kullback-Leibler divergence of each row of logits from the wanted one, in nats: ``sum(p * (log p - log q))``."""
    left, right = _log_softmax(wanted), _log_softmax(found)
    return [float(value) for value in (np.exp(left) * (left - right)).sum(axis=1)]


def judge(kind: str, logits: LogitReport, tolerance: float) -> str:
    """Why this is not the same model; empty when it is."""
    wrong = logits.tokens - logits.top_1 - logits.ties
    if not np.isfinite(logits.largest_error):
        return "Its logits are not finite."
    if kind == "F32" and wrong:
        return f"At {wrong} of {logits.tokens} positions its best token is another one."
    if kind == "F32" and logits.largest_error > tolerance:
        return f"Its logits differ by up to {logits.largest_error:.2g} of the largest; {tolerance:g} is the limit."
    limit = LARGEST_KL.get(kind)
    if limit is not None and logits.mean_kl > limit:
        return f"Its distributions differ by {logits.mean_kl:.2g} nats a token; for {kind} {limit:g} is the limit."
    return ""


def _log_softmax(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = rows.astype(np.float64)
    wide -= wide.max(axis=1, keepdims=True)
    logs: NDArray[np.float64] = wide - np.log(np.exp(wide).sum(axis=1, keepdims=True))
    return logs


def _needed(checkpoint: Checkpoint) -> int:
    """Bytes of the checkpoint in float32."""
    return 4 * sum(math.prod(weight.shape) for weight in checkpoint.weights.values())


def _fits(checkpoint: Checkpoint) -> bool:
    return _needed(checkpoint) <= hardware.machine().available_ram


def _too_large(checkpoint: Checkpoint) -> OutOfMemory:
    needed, free = human_bytes(_needed(checkpoint)), human_bytes(hardware.machine().available_ram)
    return OutOfMemory(
        f"Comparing logits takes {needed} for the checkpoint, and {free} is free.",
        "Close other programs, or compare on a larger machine: edgemind verify-conversion",
    )


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0][:200]


def _tokenizer(transformers: Any, folder: Path) -> PreTrainedTokenizerBase:
    try:
        found: PreTrainedTokenizerBase = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as problem:
        raise BadInput(
            f"transformers cannot open the tokenizer: {str(problem).splitlines()[0][:200]}",
            "Save the checkpoint again.",
        ) from problem
    return found


def _model(transformers: Any, folder: Path) -> Any:
    import torch

    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager", local_files_only=True, use_safetensors=True
        )
    except Exception as problem:
        raise BadInput(f"transformers cannot open the checkpoint: {_first_line(problem)}", AGAIN) from problem
    return model.eval()
