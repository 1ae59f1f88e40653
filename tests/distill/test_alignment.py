"""A teacher with another tokenizer: spans where both have boundaries, and the divergence of their likelihoods."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from edgemind.distill.targets.alignment import END, align, aligned_span_loss, spans_of

torch.set_num_threads(1)


def cut(text: str) -> list[bytes]:
    return [piece.encode() for piece in text.split("|")]


def test_spans_end_where_both_tokenizers_have_a_boundary() -> None:
    ends, ranges = align(cut("12| plus| 3|0| is| 42"), cut("1|2| pl|us| 30| is 42"))
    assert ends.tolist() == [1, 2, 4, 6]
    assert ranges.tolist() == [[0, 2], [2, 4], [4, 5], [5, 6]]


def test_the_same_tokens_are_a_span_each_and_characters_may_be_cut() -> None:
    same = cut("a|b|c")
    assert align(same, same)[0].tolist() == [1, 2, 3]
    euro = "€".encode()
    ends, ranges = align([euro[:1], euro[1:], b" x"], [euro[:2], euro[2:], b" x"])
    assert ends.tolist() == [2, 3]
    assert ranges.tolist() == [[0, 2], [2, 3]]


def test_text_that_only_one_of_them_has_is_no_target() -> None:
    student = [*cut("<think>|the| sum|</think>| 42"), END]
    teacher = [*cut("<|thought|>|the sum|<|answer|>|extra| 4|2"), END]
    spans = spans_of(student, teacher, -np.arange(1, len(teacher) + 1, dtype=np.float32))
    assert spans.ends[-1] == len(student)
    known = {int(end): float(value) for end, value in zip(spans.ends, spans.logp, strict=True) if value == value}
    assert known[len(student)] == -len(teacher)  # the end of the turn
    assert 5 in known
    assert not any(end in known for end in (1,))


def test_teacher_only_text_between_spans_belongs_to_none() -> None:
    spans = spans_of(cut("one| two"), cut("one| and| two"), np.array([-1.0, -50.0, -2.0], np.float32))
    assert spans.ends.tolist() == [1, 2]
    assert spans.logp.tolist() == [-1.0, -2.0]


def test_nothing_in_common_is_one_span_without_a_target() -> None:
    spans = spans_of(cut("abc|d"), cut("xyz"), np.array([-1.0], np.float32))
    assert spans.ends.tolist() == [2]
    assert np.isnan(spans.logp).all()


def test_likelihoods_of_spans_are_sums_over_the_teachers_tokens() -> None:
    spans = spans_of(cut("12| plus"), cut("1|2| pl|us"), np.array([-1, -2, -4, -8], np.float32))
    assert spans.logp.tolist() == [-3.0, -12.0]


@pytest.mark.parametrize("temperature", [1.0, 7.0, 100.0])
def test_the_loss_is_the_binarised_divergence(temperature: float) -> None:
    student = torch.tensor([-0.5, -1.5, -3.0, -0.25], dtype=torch.float64)
    spans = torch.tensor([2, 3, 4])
    teacher = torch.tensor([-1.0, math.nan, -2.0], dtype=torch.float64)

    def divergence(p: float, q: float) -> float:
        p, q = math.exp(p / temperature), math.exp(q / temperature)
        return p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))

    wanted = temperature * (divergence(-1.0, -2.0) + divergence(-2.0, -0.25)) / 2
    assert float(aligned_span_loss(student, spans, teacher, temperature)) == pytest.approx(wanted, rel=1e-2)


def test_the_loss_is_least_where_the_likelihoods_agree() -> None:
    teacher = torch.tensor([-1.0, -0.0, -300.0])
    spans = torch.tensor([1, 2, 3])
    same = teacher.clone().requires_grad_()
    loss = aligned_span_loss(same, spans, teacher)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0, abs=1e-6)
    assert same.grad is not None
    assert torch.allclose(same.grad, torch.zeros(3), atol=1e-5)
    for change in (-0.1, 0.1):
        assert float(aligned_span_loss(teacher + torch.tensor([change, 0, 0]), spans, teacher)) > 1e-4


def test_gradients_are_right() -> None:
    generator = torch.Generator().manual_seed(0)
    student = -torch.rand(12, generator=generator, dtype=torch.float64) * 4 - 0.01
    spans = torch.tensor([2, 3, 7, 12])
    teacher = torch.tensor([-3.0, -0.5, math.nan, -9.0], dtype=torch.float64)
    student.requires_grad_()
    for temperature in (1.0, 100.0):
        assert torch.autograd.gradcheck(lambda rows, t=temperature: aligned_span_loss(rows, spans, teacher, t), student)


def test_extremes_are_finite() -> None:
    student = torch.tensor([0.0, -1e4, -1e-9], requires_grad=True)
    loss = aligned_span_loss(student, torch.tensor([1, 2, 3]), torch.tensor([-1e4, 0.0, -1e-9]))
    loss.backward()
    assert torch.isfinite(loss)
    assert student.grad is not None
    assert torch.isfinite(student.grad).all()
    nothing = aligned_span_loss(student, torch.tensor([3]), torch.tensor([math.nan]))
    assert float(nothing.detach()) == 0
