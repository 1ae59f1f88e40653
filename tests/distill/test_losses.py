"""Fused losses against plain float64 ones: every divergence, temperature, mixture, k, and the edges of each."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from edgemind.distill.targets.alignment import aligned_span_loss
from edgemind.distill.training.divergences import FLOOR, Divergence, Kind
from edgemind.distill.training.losses import FusedLoss, Mix, Online, Stored, Teacher, fused, label_logp, span_factors

torch.set_num_threads(1)

KINDS: tuple[Kind, ...] = ("forward_kl", "reverse_kl", "jensen_shannon", "skewed_forward", "skewed_reverse")
VOCAB, WIDTH, ROWS = 37, 11, 9


def kl(p: Tensor, logp: Tensor, logq: Tensor) -> Tensor:
    """KL with 0 log 0 = 0; ``p`` may be exactly zero."""
    return torch.where(p > 0, p * (logp - logq), torch.zeros_like(p)).sum(-1)


def plain_divergence(divergence: Divergence, logp: Tensor, logq: Tensor) -> Tensor:
    """The textbook's, row by row, for autograd. A teacher's log-probability has the same floor as the code."""
    p, q, low = logp.exp(), logq.exp(), logp.clamp(min=FLOOR)
    beta, alpha = divergence.beta, divergence.alpha
    if divergence.kind == "forward_kl":
        return kl(p, low, logq)
    if divergence.kind == "reverse_kl":
        return kl(q, logq, low)
    if divergence.kind == "jensen_shannon":
        mixed = (beta * low.exp() + (1 - beta) * q).log()
        return beta * kl(p, low, mixed) + (1 - beta) * kl(q, logq, mixed)
    if divergence.kind == "skewed_forward":
        return kl(p, low, (alpha * low.exp() + (1 - alpha) * q).log())
    return kl(q, logq, ((1 - alpha) * low.exp() + alpha * q).log())


def plain_loss(hidden: Tensor, weight: Tensor, labels: Tensor, teacher: Teacher, mix: Mix) -> Tensor:
    """Everything at once and whole, in float64."""
    logits = hidden.double() @ weight.double().T
    cross_entropy = F.cross_entropy(logits, labels, reduction="sum")
    if teacher is None:
        return cross_entropy
    heat = mix.temperature
    logq = F.log_softmax(logits / heat, -1)
    if isinstance(teacher, Stored):
        ids = teacher.ids.long()
        outside = torch.ones_like(logq).scatter(1, ids, 0).bool()
        columns = [logq.gather(1, ids)]
        logp = teacher.logp.double()
        if outside.any():
            columns.append(logq.masked_fill(~outside, -math.inf).logsumexp(1, keepdim=True))
            logp = torch.cat((logp, teacher.tail.double()[:, None]), 1)
        logq = torch.cat(columns, 1)
    else:
        theirs = torch.full_like(logq, -math.inf)
        rows = min(teacher.rows, logits.shape[1])
        theirs[:, :rows] = F.log_softmax(teacher.hidden.double() @ teacher.weight.double()[:rows].T / heat, -1)
        logp = theirs
    divergence = plain_divergence(mix.divergence, logp, logq).sum() * heat**2
    return mix.weight * divergence + (1 - mix.weight) * cross_entropy


def stored(k: int, rows: int = ROWS, seed: int = 5, heat: float = 1.0) -> Stored:
    generator = torch.Generator().manual_seed(seed)
    logp = F.log_softmax(torch.randn(rows, VOCAB, generator=generator, dtype=torch.float64) * 3 / heat, -1)
    top, ids = logp.topk(k, -1)
    tail = logp.scatter(1, ids, -math.inf).logsumexp(-1) if k < VOCAB else torch.full((rows,), -math.inf)
    return Stored(ids.int(), top, tail.double())


def inputs(rows: int = ROWS, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    hidden = torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64)
    weight = torch.randn(VOCAB, WIDTH, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, VOCAB, (rows,), generator=generator)
    return hidden.to(dtype).requires_grad_(), weight.to(dtype).requires_grad_(), labels


def compare(
    teacher: Teacher, mix: Mix, dtype: torch.dtype = torch.float64, tolerance: float = 1e-9, chunk: int = 4
) -> None:
    hidden, weight, labels = inputs(dtype=dtype)
    expected = plain_loss(hidden, weight, labels, teacher, mix)
    wanted = torch.autograd.grad(expected, (hidden, weight))
    loss, cross_entropy, divergence = FusedLoss.apply(hidden, weight, labels, teacher, mix, 0.25, chunk, None)
    found = torch.autograd.grad(loss * 4, (hidden, weight))
    assert torch.isfinite(expected)
    torch.testing.assert_close(loss.double() * 4, expected, rtol=tolerance, atol=tolerance)
    weighed = mix.weight if teacher is not None else 0.0
    torch.testing.assert_close(
        weighed * divergence + (1 - weighed) * cross_entropy, expected, rtol=tolerance, atol=tolerance
    )
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one.double(), other.double(), rtol=tolerance * 10, atol=tolerance * 10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heat", [1.0, 2.5])
@pytest.mark.parametrize("weight", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("k", [1, 5, VOCAB - 1, VOCAB])
def test_stored_targets_have_the_gradients_of_the_textbook(kind: Kind, heat: float, weight: float, k: int) -> None:
    compare(stored(k, heat=heat), Mix(Divergence(kind, beta=0.3, alpha=0.1), weight, heat))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("heat", [1.0, 0.5, 3.0])
@pytest.mark.parametrize("rows", [VOCAB, VOCAB - 3])
def test_an_online_teacher_has_the_gradients_of_the_textbook(kind: Kind, heat: float, rows: int) -> None:
    """Its own width, and more rows in its head than the student has."""
    generator = torch.Generator().manual_seed(8)
    hidden = torch.randn(ROWS, 7, generator=generator, dtype=torch.float64)
    head = torch.randn(VOCAB + 4, 7, generator=generator, dtype=torch.float64)
    compare(Online(hidden, head, rows), Mix(Divergence(kind, beta=0.7, alpha=0.2), 0.6, heat))


@pytest.mark.parametrize("kind", KINDS)
def test_masses_of_zero_are_no_obstacle(kind: Kind) -> None:
    """A stored probability rounded to nothing, a tail of nothing, and a student that is sure of something else."""
    teacher = stored(6)
    logp, tail = teacher.logp.clone(), teacher.tail.clone()
    logp[:, -1] = -math.inf
    logp[0], logp[0, 0] = -math.inf, 0.0
    tail[:4] = -math.inf
    compare(Stored(teacher.ids, logp, tail), Mix(Divergence(kind), 0.7))


@pytest.mark.parametrize("kind", KINDS)
def test_a_student_that_is_sure_of_the_wrong_thing_gets_finite_gradients(kind: Kind) -> None:
    """Its mass outside of the k is less than float32 can hold; the gradient that brings it back is there."""
    hidden = torch.ones(2, 1)
    weight = torch.full((VOCAB, 1), -200.0)
    weight[3] = 200.0
    teacher = Stored(
        torch.tensor([[3, 4], [5, 6]]),
        torch.log(torch.tensor([[0.25, 0.25], [0.4, 0.4]])),
        torch.log(torch.tensor([0.5, 0.2])),
    )
    gradient = torch.zeros_like(weight)
    sums = fused(hidden, weight, torch.tensor([4, 7]), teacher, Mix(Divergence(kind), 0.7), grad_weight=gradient)
    assert torch.isfinite(sums.loss)
    assert torch.isfinite(gradient).all()
    if kind == "forward_kl":
        exact = weight.double().requires_grad_()
        plain_loss(hidden, exact, torch.tensor([4, 7]), teacher, Mix(Divergence(kind), 0.7)).backward()
        torch.testing.assert_close(gradient.double(), exact.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_float32_and_bfloat16_states(kind: Kind | None) -> None:
    teacher = stored(5) if kind else None
    mix = Mix(Divergence(kind or "forward_kl"), 0.7)
    compare(teacher, mix, torch.float32, 1e-4)
    hidden, weight, labels = inputs(dtype=torch.float32)
    rounded = hidden.detach().bfloat16().requires_grad_()
    expected = plain_loss(rounded, weight, labels, teacher, mix)
    wanted = torch.autograd.grad(expected, (rounded, weight))
    loss, _, _ = FusedLoss.apply(rounded, weight, labels, teacher, mix, 1.0, None, None)
    found = torch.autograd.grad(loss, (rounded, weight))
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-4)
    assert found[0].dtype == torch.bfloat16
    torch.testing.assert_close(found[0], wanted[0], rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(found[1], wanted[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("online", [False, True])
def test_bfloat16_products_are_near(online: bool) -> None:
    """As under autocast: the weights are float32, the products bfloat16, the sums float32 again."""
    hidden, weight, labels = inputs(dtype=torch.float32)
    teacher: Teacher = stored(5)
    if online:
        teacher = Online(torch.randn(ROWS, 7), torch.randn(VOCAB, 7), VOCAB)
    mix = Mix(Divergence("jensen_shannon"), 0.5)
    expected = plain_loss(hidden, weight, labels, teacher, mix)
    wanted = torch.autograd.grad(expected, (hidden, weight))
    loss, _, _ = FusedLoss.apply(hidden, weight, labels, teacher, mix, 1.0, 4, torch.bfloat16)
    found = torch.autograd.grad(loss, (hidden, weight))
    torch.testing.assert_close(loss.double(), expected, rtol=3e-2, atol=3e-2)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.1, atol=0.1)


def test_the_size_of_a_chunk_changes_nothing() -> None:
    for teacher in (None, stored(5), Online(torch.randn(ROWS, 7).double(), torch.randn(VOCAB - 2, 7).double(), 30)):
        results = []
        for chunk in (1, 4, ROWS, 100, None):
            hidden, weight, labels = inputs()
            loss, _, _ = FusedLoss.apply(
                hidden, weight, labels, teacher, Mix(Divergence("reverse_kl"), 0.4), 1.0, chunk, None
            )
            results.append((loss, *torch.autograd.grad(loss, (hidden, weight))))
        for result in results[1:]:
            for one, other in zip(result, results[0], strict=True):
                torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_no_rows_at_all() -> None:
    hidden, weight, labels = inputs()
    none = torch.zeros(0, dtype=torch.long)
    loss, _, _ = FusedLoss.apply(
        hidden[:0], weight, labels[none], None, Mix(Divergence("forward_kl"), 0.4), 1.0, None, None
    )
    loss.backward()
    assert loss.item() == 0


def test_the_heads_gradient_is_added_to_what_is_there() -> None:
    hidden, weight, labels = inputs()
    gradient = torch.ones_like(weight)
    fused(hidden, weight, labels, None, Mix(Divergence("forward_kl"), 0.0), grad_weight=gradient)
    expected = torch.autograd.grad(plain_loss(hidden, weight, labels, None, Mix(Divergence("forward_kl"), 0)), weight)[
        0
    ]
    torch.testing.assert_close(gradient - 1, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_divergence_is_nothing_between_equals_and_something_else(kind: Kind) -> None:
    one = F.log_softmax(torch.randn(4, 6, dtype=torch.float64), -1)
    other = F.log_softmax(torch.randn(4, 6, dtype=torch.float64), -1)
    value, slope = Divergence(kind).terms(one, one)
    assert value.sum(-1).abs().max() < 1e-12
    assert (slope - one.exp() * slope.sum(-1, keepdim=True)).abs().max() < 1e-12
    assert (Divergence(kind).terms(one, other)[0].sum(-1) > 0).all()


def test_likelihoods_of_spans_have_the_gradients_of_their_loss() -> None:
    """A teacher with other tokens: its spans cover one, two or three of the student's tokens, or have no target."""
    hidden, weight, labels = inputs(dtype=torch.float32)
    ends, teacher = torch.tensor([1, 3, 6, 8], dtype=torch.int32), torch.tensor([-0.5, -3.0, math.nan, -1.0])
    logp = F.log_softmax(hidden @ weight.T, -1).gather(1, labels[:, None])[:, 0]
    spans = aligned_span_loss(logp, ends, teacher) * 3
    expected = 0.6 * spans - 0.4 * logp.sum()
    wanted = torch.autograd.grad(expected, (hidden, weight))
    found = label_logp(hidden, weight, labels, 4)
    torch.testing.assert_close(found, logp.detach(), rtol=1e-5, atol=1e-5)
    factors, divergence = span_factors(found, ends, teacher, 0.6)
    torch.testing.assert_close(divergence.float(), spans.detach(), rtol=1e-4, atol=1e-5)
    states, head = torch.empty_like(hidden), torch.zeros_like(weight)
    mix = Mix(Divergence("forward_kl"), 0.6)
    fused(hidden, weight, labels, factors, mix, grad_hidden=states, grad_weight=head, chunk=4)
    torch.testing.assert_close(states, wanted[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(head, wanted[1], rtol=1e-3, atol=1e-4)
