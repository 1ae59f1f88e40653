"""A teacher with another tokenizer: likelihoods of the spans of text where both tokenizers have a boundary.

The distributions of two models over different tokens cannot be compared, but both say how probable a piece of text is
that begins and ends between tokens of either. The teacher's likelihood of each such span is stored along the student's
tokens; the student's is the product over its own. The loss is a divergence between the two events "this span" and
"anything else", at a temperature that keeps long, improbable spans from vanishing.

Method: approximate likelihood matching, without its debiasing of boundaries and with KL as divergence. B. Minixhofer,
I. Vulić, E. M. Ponti: Universal Cross-Tokenizer Distillation via Approximate Likelihood Matching (2025),
arXiv:2503.20083.
Not for: teachers with the student's vocabulary, whose whole distribution is matched (``teachers``, ``shards``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from edgemind.distill.targets.shards import Spans
from edgemind.distill.targets.top import Floats, Ints
from edgemind.distill.targets.vocabulary import Vocabulary

if TYPE_CHECKING:
    import torch

    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.problems.base import Problem
    from edgemind.distill.targets.teachers import Scorer, Text
    from edgemind.distill.traces.trace import Trace

TEMPERATURE = 100.0
"""The method's own."""
SHIFT = 1e-5
"""Taken from both log-likelihoods, so that a certain span has a complement and a gradient."""
END = b"\xff\x00"
"""Stands for the token that ends a turn, however it is called; no text has these bytes."""
PIECES = re.compile(rb"\s*<[^<>\s]{1,40}>|\s*[^\s<]+|\s*<|\s+")
"""Words with the space before them, and marks such as ``<think>``."""


def align(student: Sequence[bytes], teacher: Sequence[bytes]) -> tuple[Ints, Ints]:
    """The smallest spans of one text that begin and end between tokens of both tokenizations.

    Where the texts differ (other marks of a thought, say) there are spans without a counterpart.

    Args:
        student, teacher: the bytes of each token.

    Returns:
        Ends ``[s]`` of consecutive spans in the student's tokens, the last one at their number; and ``[s, 2]`` which
        of the teacher's tokens each is, -1 for none.
    """
    mine, other = _boundaries(student), _boundaries(teacher)
    place = {offset: number for number, offset in enumerate(other.tolist())}
    ends: list[int] = []
    ranges: list[tuple[int, int]] = []

    def add(end: int, start: int, stop: int) -> None:
        if end > (ends[-1] if ends else 0):
            ends.append(end)
            ranges.append((start, stop))

    for left, right, size in _same(b"".join(student), b"".join(teacher)):
        begin = -1
        low, high = np.searchsorted(mine, (left, left + size + 1))
        for number in range(int(low), int(high)):
            there = place.get(int(mine[number]) - left + right, -1)
            if there > begin >= 0:
                add(number, begin, there)
            elif begin < 0 <= there:
                add(number, -1, -1)
            begin = max(begin, there)
    add(len(student), -1, -1)
    return np.array(ends, np.int32), np.array(ranges, np.int32).reshape(-1, 2)


def spans_of(student: Sequence[bytes], teacher: Sequence[bytes], teacher_logp: Floats) -> Spans:
    """The teacher's log-likelihood of each span, by the student's tokens.

    Args:
        teacher_logp: ``[teacher's tokens]`` of the text's own tokens.

    Returns:
        Spans that cover all of the student's tokens; NaN for those without a counterpart.
    """
    ends, ranges = align(student, teacher)
    sums = np.concatenate(([0.0], np.cumsum(teacher_logp, dtype=np.float64)))
    logp = np.where(ranges[:, 0] < 0, np.nan, sums[ranges[:, 1]] - sums[ranges[:, 0]])
    return Spans(ends, logp.astype(np.float32))


def score_spans(
    pairs: Sequence[tuple[Problem, Trace]],
    examples: Sequence[Text],
    student: Vocabulary,
    scorer: Scorer,
    teacher: ChatFormat,
) -> list[Spans]:
    """The teacher reads each trace in its own format; what that makes of the spans of the student's ``examples``.

    An example that is too long for the teacher gets one span without a target.

    Raises:
        EdgemindError: the teacher.
    """
    encoded = [teacher.encode(problem, trace.thought, trace.answer) for problem, trace in pairs]
    read = [number for number, one in enumerate(encoded) if 1 <= one.start < len(one.ids) <= scorer.context]
    scores = dict(zip(read, scorer.chosen([encoded[number] for number in read]), strict=True))
    found = []
    for number, (example, theirs) in enumerate(zip(examples, encoded, strict=True)):
        mine = _bytes(example, student)
        if number in scores:
            found.append(spans_of(mine, _bytes(theirs, scorer.vocabulary), scores[number]))
        else:
            found.append(Spans(np.array([len(mine)], np.int32), np.array([np.nan], np.float32)))
    return found


def aligned_span_loss(
    student_token_logp: torch.Tensor,
    spans: torch.Tensor,
    teacher_span_logp: torch.Tensor,
    temperature: float = TEMPERATURE,
) -> torch.Tensor:
    """The binarised KL divergence of the student's spans from the teacher's, averaged over the spans with a target.

    With ``p = exp(teacher / temperature)`` and ``q = exp(student / temperature)`` of a span it is
    ``temperature * (p log(p / q) + (1 - p) log((1 - p) / (1 - q)))``. The factor keeps the gradient of the same size
    whatever the temperature; for a high one and negative log-likelihoods u and v it becomes ``v - u + u log(u / v)``.

    Args:
        student_token_logp: ``[learned tokens]`` of the text's own tokens; of several examples one behind the other.
        spans: ``[s]`` ends of consecutive spans in these, the last one at their number.
        teacher_span_logp: ``[s]``; NaN for a span that has no target.

    Returns:
        One number, differentiable in ``student_token_logp``; 0 without any target.
    """
    import torch

    tokens = torch.arange(len(student_token_logp), device=spans.device)
    span = torch.searchsorted(spans.long(), tokens, right=True)
    inside = span < len(spans)
    sums = student_token_logp.new_zeros(len(spans)).index_add(0, span[inside], student_token_logp[inside])
    has = ~torch.isnan(teacher_span_logp)
    if not bool(has.any()):
        return student_token_logp.sum() * 0.0
    log_q = sums[has].clamp(max=0) / temperature - SHIFT
    log_p = teacher_span_logp[has].to(log_q.dtype).clamp(max=0) / temperature - SHIFT
    rest_p, rest_q = torch.log(-torch.expm1(log_p)), torch.log(-torch.expm1(log_q))
    each = log_p.exp() * (log_p - log_q) - torch.expm1(log_p) * (rest_p - rest_q)
    return temperature * each.mean()


def _boundaries(tokens: Sequence[bytes]) -> NDArray[np.int64]:
    """Byte offsets ``[tokens + 1]`` between tokens; a token without bytes has none of its own."""
    return np.concatenate(([0], np.cumsum([len(token) for token in tokens], dtype=np.int64)))


def _same(mine: bytes, other: bytes) -> Iterator[tuple[int, int, int]]:
    """Stretches that both texts have, as ``(offset, offset, bytes)``, compared word by word where they differ."""
    if mine == other:
        yield 0, 0, len(mine)
        return
    left, right = PIECES.findall(mine), PIECES.findall(other)
    starts = [np.concatenate(([0], np.cumsum([len(piece) for piece in pieces]))) for pieces in (left, right)]
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    for first, second, count in matcher.get_matching_blocks():
        if count:
            begin = int(starts[0][first])
            yield begin, int(starts[1][second]), int(starts[0][first + count]) - begin


def _bytes(text: Text, vocabulary: Vocabulary) -> list[bytes]:
    """The bytes of the learned tokens, the last of which ends the turn."""
    ids = [int(token) for token in text.ids[text.start :]]
    return [*(vocabulary.tokens[token] or b"" for token in ids[:-1]), END]
