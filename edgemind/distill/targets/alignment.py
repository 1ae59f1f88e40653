"""A teacher with another tokenizer: likelihoods of the spans of text where both tokenizers have a boundary.

Method: approximate likelihood matching, B. Minixhofer, I. Vulić, E. M. Ponti: Universal Cross-Tokenizer Distillation
via Approximate Likelihood Matching (2025), arXiv:2503.20083.
Not for: teachers with the student's vocabulary, whose whole distribution is matched (``shards``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from edgemind.distill.targets.shards import Spans
from edgemind.distill.targets.top import Floats, Ints
from edgemind.distill.targets.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch


def way_to_match(
    student: Vocabulary, teacher: Vocabulary, across: Literal["refuse", "aligned"]
) -> Literal["top", "spans"]:
    """How this teacher's opinion can be used.

    Raises:
        UsageError: the vocabularies differ and ``across`` says to refuse; with the first difference.
    """
    raise NotImplementedError


def align(student: Sequence[bytes], teacher: Sequence[bytes]) -> tuple[Ints, Ints]:
    """The ends of the spans of one text in both tokenizations, from the bytes of each token."""
    raise NotImplementedError


def spans_of(student: Sequence[bytes], teacher: Sequence[bytes], teacher_logp: Floats) -> Spans:
    """The teacher's log-likelihood of each span, by the student's tokens."""
    raise NotImplementedError


def aligned_span_loss(
    student_token_logp: torch.Tensor,
    spans: torch.Tensor,
    teacher_span_logp: torch.Tensor,
    temperature: float = 1.0,
) -> torch.Tensor:
    """The binarised divergence, averaged over the spans; differentiable in ``student_token_logp``."""
    raise NotImplementedError
