"""The loss from hidden states and a head's weight, with its gradients, without logits for all tokens.

``fused`` takes rows of hidden states a chunk at a time: logits into one buffer, which becomes the gradient in place and
is multiplied out at once, so a ``[tokens, vocab]`` tensor never exists (the idea of Liger's fused linear cross-entropy,
https://arxiv.org/abs/2410.10989, here with a divergence beside the cross-entropy). The loss of a token is

    weight * T^2 * divergence(teacher at T, student at T) + (1 - weight) * cross-entropy of the label

T^2 keeps the gradient's size the same at every temperature T (https://arxiv.org/abs/1503.02531); it is in the figures
too. A stored teacher is k likely tokens and the mass of the rest, k + 1 outcomes: the student's mass of the rest
is summed over the rest, not taken from 1, so nothing cancels. An online teacher gives its whole distribution; where its
vocabulary's rows end before the student's it gives nothing.
Not for: which rows are learned (``batches``), the formulae (``divergences``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgemind.distill.training.divergences import LEAST, Divergence

BUFFER = 1 << 27
"""Bytes of logits at once, when a recipe says nothing: with a quarter of it, 150,000 tokens take much longer."""
BLOCK = 8192
"""Columns at once where an operation needs room beside the buffer."""


@dataclass(frozen=True)
class Mix:
    """Divergence and cross-entropy, mixed.

    Attributes:
        weight: the divergence's share.
        temperature: of both distributions; a stored teacher was captured at it.
    """

    divergence: Divergence
    weight: float
    temperature: float = 1.0


@dataclass(frozen=True)
class Stored:
    """A teacher's ``ids [n, k]``, their ``logp [n, k]`` and ``tail [n]``, the log of the mass outside; with -inf."""

    ids: Tensor
    logp: Tensor
    tail: Tensor


@dataclass(frozen=True)
class Online:
    """A teacher's ``hidden [n, its width]`` and head ``weight [its rows, its width]``.

    Only the first ``rows`` of the vocabulary are compared: those that are tokens for both.
    """

    hidden: Tensor
    weight: Tensor
    rows: int


@dataclass(frozen=True)
class Factors:
    """No teacher, but a cross-entropy whose gradient is ``rows [n]`` times itself in each row; see ``span_factors``."""

    rows: Tensor


Teacher = Stored | Online | Factors | None


@dataclass(frozen=True)
class Sums:
    """Sums over tokens, in float64: cross-entropy, divergence times T^2, and both mixed."""

    cross_entropy: Tensor
    divergence: Tensor
    loss: Tensor


def chunk_rows(vocab: int, chunk: int | None) -> int:
    """How many rows of logits are made at once."""
    return chunk or max(16, BUFFER // (4 * vocab))


def fused(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    teacher: Teacher,
    mix: Mix,
    *,
    scale: float = 1.0,
    chunk: int | None = None,
    dtype: torch.dtype | None = None,
    grad_hidden: Tensor | None = None,
    grad_weight: Tensor | None = None,
) -> Sums:
    """Loss of every row, summed, and ``scale`` times its gradient.

    Args:
        hidden: ``[n, width]``, after the last norm.
        weight: ``[vocab, width]``.
        labels: ``[n]``, the tokens that come next.
        teacher: ``None``: cross-entropy alone, whatever ``mix`` says.
        chunk: rows at once.
        dtype: of matrix products; the weight's if not given.
        grad_hidden: ``[n, width]``, is overwritten.
        grad_weight: ``[vocab, width]``, is added to.
    """
    dtype = dtype or weight.dtype
    vocab, count = weight.shape[0], hidden.shape[0]
    head = weight.detach().to(dtype)
    other = teacher.weight.detach()[: min(teacher.rows, vocab)].to(dtype) if isinstance(teacher, Online) else None
    rows = min(chunk_rows(vocab, chunk), max(count, 1))
    real = torch.float64 if weight.dtype == torch.float64 else torch.float32
    buffer = torch.empty((rows, vocab), dtype=real, device=hidden.device)
    second = torch.full_like(buffer, -torch.inf) if other is not None else None
    wanted = grad_hidden is not None or grad_weight is not None
    sums = torch.zeros(2, dtype=torch.float64, device=hidden.device)
    for start in range(0, count, rows):
        part = slice(start, min(start + rows, count))
        states = hidden.detach()[part].to(dtype)
        logits = _product(states, head, buffer[: len(states)])
        if isinstance(teacher, Stored):
            some = Stored(teacher.ids[part].long(), teacher.logp[part].to(real), teacher.tail[part].to(real))
            sums += _stored(logits, labels[part], some, mix, scale, wanted)
        elif isinstance(teacher, Online):
            assert other is not None
            assert second is not None
            theirs = second[: len(states)]
            if len(other) < vocab:
                theirs[:, len(other) :] = -torch.inf
            _product(teacher.hidden.detach()[part].to(dtype), other, theirs[:, : len(other)])
            sums += _online(logits, theirs, labels[part], mix, scale, wanted)
        else:
            factor = teacher.rows[part].to(real) if isinstance(teacher, Factors) else None
            sums += _plain(logits, labels[part], scale, wanted, factor)
        if wanted:
            _spread(logits, states, head, part, grad_hidden, grad_weight)
    weighed = mix.weight if isinstance(teacher, Stored | Online) else 0.0
    return Sums(sums[0], sums[1], (1 - weighed) * sums[0] + weighed * sums[1])


@torch.no_grad()
def label_logp(
    hidden: Tensor, weight: Tensor, labels: Tensor, chunk: int | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """``[n]`` log-probabilities of the labels."""
    dtype = dtype or weight.dtype
    vocab, head = weight.shape[0], weight.detach().to(dtype)
    rows = min(chunk_rows(vocab, chunk), max(len(hidden), 1))
    buffer = torch.empty((rows, vocab), dtype=torch.float32, device=hidden.device)
    found = torch.empty(len(hidden), dtype=torch.float32, device=hidden.device)
    for start in range(0, len(hidden), rows):
        states = hidden.detach()[start : start + rows].to(dtype)
        logits = _product(states, head, buffer[: len(states)])
        at = logits.gather(1, labels[start : start + rows, None])[:, 0]
        found[start : start + rows] = at - _log_sum(logits, 1.0)
    return found


def span_factors(logp: Tensor, ends: Tensor, teacher: Tensor, weight: float) -> tuple[Factors, Tensor]:
    """What the likelihoods of spans, by a teacher with other tokens, make of each row's cross-entropy.

    The loss is ``weight`` times the divergence of the spans, summed over those that have a target, and the rest
    cross-entropy. Its gradient goes through the labels' log-probabilities alone, so it is that of a cross-entropy times
    a factor for each row.

    Returns:
        The factors, and the divergence's sum.
    """
    from edgemind.distill.targets.alignment import aligned_span_loss

    logp = logp.clone().requires_grad_()
    count = int((~torch.isnan(teacher)).sum())
    divergence = aligned_span_loss(logp, ends, teacher) * count
    slope = torch.autograd.grad(divergence, logp)[0]
    return Factors((1 - weight) - weight * slope), divergence.detach().double()


def _product(states: Tensor, head: Tensor, out: Tensor) -> Tensor:
    """Logits into ``out``."""
    if states.dtype == out.dtype:
        return torch.mm(states, head.T, out=out)
    if states.is_cuda:
        return out.copy_(torch.mm(states, head.T, out_dtype=torch.float32))
    for start in range(0, len(head), BLOCK):
        out[:, start : start + BLOCK] = states @ head[start : start + BLOCK].T
    return out


def _spread(
    gradient: Tensor, states: Tensor, head: Tensor, part: slice, grad_hidden: Tensor | None, grad_weight: Tensor | None
) -> None:
    """Multiply the gradient of logits out to the states and the head."""
    if gradient.dtype == states.dtype:
        if grad_hidden is not None and grad_hidden.dtype == states.dtype:
            torch.mm(gradient, head, out=grad_hidden[part])
        elif grad_hidden is not None:
            grad_hidden[part] = gradient @ head
        if grad_weight is not None and grad_weight.dtype == states.dtype:
            grad_weight.addmm_(gradient.T, states)
        elif grad_weight is not None:
            grad_weight.add_(gradient.T @ states)
        return
    low = gradient.to(states.dtype)
    if grad_hidden is not None:
        grad_hidden[part] = low @ head
    if grad_weight is not None:
        for start in range(0, len(head), BLOCK):
            grad_weight[start : start + BLOCK] += low[:, start : start + BLOCK].T @ states


def _plain(logits: Tensor, labels: Tensor, scale: float, wanted: bool, factor: Tensor | None = None) -> Tensor:
    """Cross-entropy ``(sum, 0)``; ``logits`` become their gradient."""
    at = logits.gather(1, labels[:, None])[:, 0]
    largest = logits.amax(1)
    logits.sub_(largest[:, None]).exp_()
    total = logits.sum(1)
    loss = (total.log() + largest - at).sum(dtype=torch.float64)
    if wanted:
        each = torch.full_like(at, scale) if factor is None else factor * scale
        logits.mul_((each / total)[:, None])
        logits.scatter_add_(1, labels[:, None], -each[:, None])
    return torch.stack((loss, torch.zeros_like(loss)))


def _stored(logits: Tensor, labels: Tensor, teacher: Stored, mix: Mix, scale: float, wanted: bool) -> Tensor:
    """``(cross-entropy, divergence)`` with k + 1 outcomes; ``logits`` become their gradient.

    What is outside the k has one gradient each but for a factor: it is made in place, the k are put in afterwards.
    """
    heat, ids = mix.temperature, teacher.ids
    at = logits.gather(1, labels[:, None])[:, 0]
    top = logits.gather(1, ids)
    logits.scatter_(1, ids, -torch.inf)
    largest = logits.amax(1).clamp(min=LEAST)
    logits.sub_(largest[:, None])
    rest, cooled = _sums_of_exp(logits, heat)
    all_of_it = torch.logaddexp(top.logsumexp(1), largest + rest.log())
    cross_entropy = (all_of_it - at).sum(dtype=torch.float64)
    whole = all_of_it if heat == 1.0 else torch.logaddexp((top / heat).logsumexp(1), largest / heat + cooled.log())
    logq = torch.cat((top / heat - whole[:, None], (largest / heat + cooled.log() - whole)[:, None]), 1)
    logp = torch.cat((teacher.logp, teacher.tail[:, None]), 1)
    if ids.shape[1] >= logits.shape[1]:
        logp[:, -1] = -torch.inf
    value, slope = mix.divergence.terms(logp, logq)
    divergence = value.sum(dtype=torch.float64) * heat**2
    if wanted:
        soft, hard = scale * mix.weight * heat, scale * (1 - mix.weight)
        outcome = soft * (slope - logq.exp() * slope.sum(1, keepdim=True))
        tiny = torch.finfo(cooled.dtype).tiny
        outside = outcome[:, -1] / cooled.clamp(min=tiny)
        plain = hard * (largest - all_of_it).exp()
        if heat == 1.0:
            logits.mul_((outside + plain)[:, None])
        else:
            for block in torch.split(logits, BLOCK, 1):
                hot = (block / heat).exp_().mul_(outside[:, None])
                block.exp_().mul_(plain[:, None]).add_(hot)
        logits.scatter_(1, ids, outcome[:, :-1] + hard * (top - all_of_it[:, None]).exp())
        logits.scatter_add_(1, labels[:, None], torch.full_like(at, -hard)[:, None])
    return torch.stack((cross_entropy, divergence))


def _sums_of_exp(shifted: Tensor, heat: float) -> tuple[Tensor, Tensor]:
    """Row sums of exp(x) and exp(x / heat); at heat 1 ``shifted`` becomes exp(x), else it stays."""
    if heat == 1.0:
        total = shifted.exp_().sum(1)
        return total, total
    plain, cooled = torch.zeros_like(shifted[:, 0]), torch.zeros_like(shifted[:, 0])
    for block in torch.split(shifted, BLOCK, 1):
        plain += block.exp().sum(1)
        cooled += (block / heat).exp_().sum(1)
    return plain, cooled


def _online(logits: Tensor, theirs: Tensor, labels: Tensor, mix: Mix, scale: float, wanted: bool) -> Tensor:
    """``(cross-entropy, divergence)`` of everything; ``logits`` become their gradient, ``theirs`` is lost."""
    heat = mix.temperature
    at = logits.gather(1, labels[:, None])[:, 0]
    plain = _log_sum(logits, 1.0)
    student = plain if heat == 1.0 else _log_sum(logits, heat)
    teacher = _log_sum(theirs, heat)
    divergence = torch.zeros((), dtype=torch.float64, device=logits.device)
    total = torch.zeros_like(at)
    for ours, other in zip(torch.split(logits, BLOCK, 1), torch.split(theirs, BLOCK, 1), strict=True):
        value, slope = mix.divergence.terms(other / heat - teacher[:, None], ours / heat - student[:, None])
        divergence += value.sum(dtype=torch.float64)
        total += slope.sum(1)
        other.copy_(slope)
    if wanted:
        soft, hard = scale * mix.weight * heat, scale * (1 - mix.weight)
        for ours, slope in zip(torch.split(logits, BLOCK, 1), torch.split(theirs, BLOCK, 1), strict=True):
            chance = (ours / heat - student[:, None]).exp_()
            if heat == 1.0:
                ours.copy_(chance).mul_((hard - soft * total)[:, None])
            else:
                ours.sub_(plain[:, None]).exp_().mul_(hard).sub_(chance.mul_((soft * total)[:, None]))
            ours.add_(slope, alpha=soft)
        logits.scatter_add_(1, labels[:, None], torch.full_like(at, -hard)[:, None])
    return torch.stack(((plain - at).sum(dtype=torch.float64), divergence * heat**2))


def _log_sum(logits: Tensor, heat: float) -> Tensor:
    """Log of the row sums of exp(x / heat), without a second tensor of its size."""
    largest = logits.amax(1)
    total = torch.zeros_like(largest)
    for block in torch.split(logits, BLOCK, 1):
        total += ((block - largest[:, None]) / heat).exp_().sum(1)
    return largest / heat + total.log()


class FusedLoss(torch.autograd.Function):
    """``fused`` for autograd: the gradients are made in the forward pass and handed out in the backward one."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        labels: Tensor,
        teacher: Teacher,
        mix: Mix,
        scale: float,
        chunk: int | None,
        dtype: torch.dtype | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``(scale * loss, cross-entropy sum, divergence sum)``; only the first has a gradient."""
        real = torch.float64 if weight.dtype == torch.float64 else torch.float32
        ctx.grad_hidden = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        ctx.grad_weight = torch.zeros_like(weight, dtype=real) if ctx.needs_input_grad[1] else None
        ctx.weight_type = weight.dtype
        sums = fused(
            hidden, weight, labels, teacher, mix,
            scale=scale, chunk=chunk, dtype=dtype, grad_hidden=ctx.grad_hidden, grad_weight=ctx.grad_weight,
        )  # fmt: skip
        ctx.mark_non_differentiable(sums.cross_entropy, sums.divergence)
        return (sums.loss * scale).to(real), sums.cross_entropy, sums.divergence

    @staticmethod
    def backward(ctx: Any, *outside: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the forward pass times the one from outside."""
        factor = outside[0]
        hidden, weight = ctx.grad_hidden, ctx.grad_weight
        if hidden is not None:
            hidden.mul_(factor.to(hidden.dtype))
        if weight is not None:
            weight = weight.mul_(factor.to(weight.dtype)).to(ctx.weight_type)
        return hidden, weight, None, None, None, None, None, None
