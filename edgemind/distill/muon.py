"""Muon: momentum whose update is orthogonalised, for the matrices of a network's layers.

Newton-Schulz iterations with the coefficients of https://kellerjordan.github.io/posts/muon/, scaled to AdamW's update
size as in https://arxiv.org/abs/2502.16982. torch's own ``Muon`` iterates in bfloat16, which a CPU without bfloat16
matrix units multiplies at half the speed of float32 (166 against 332 GFLOP/s on two cores); here the iteration's type
follows the device.
Not for: embeddings, norms and heads, which AdamW trains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
MATCH_ADAMW = 0.2
"""Root mean square of AdamW's typical update."""


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum and decoupled weight decay, for two-dimensional parameters.

    Raises:
        ValueError: a parameter has other than two dimensions.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float = 0.0, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        if any(p.ndim != 2 for group in self.param_groups for p in group["params"]):
            raise ValueError("Muon is for matrices only")

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One update of every parameter that has a gradient."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._update(p, group, self.state[p])
        return loss

    def _update(self, p: Tensor, group: dict[str, Any], state: dict[str, Any]) -> None:
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        momentum: Tensor = state["momentum"]
        grad = p.grad
        assert grad is not None
        momentum.lerp_(grad, 1 - group["momentum"])
        update = _whole(grad.lerp(momentum, group["momentum"]), p)
        p.mul_(1 - group["lr"] * group["weight_decay"])
        p.add_(update, alpha=-group["lr"] * MATCH_ADAMW * max(p.shape) ** 0.5)


def _whole(update: Tensor, p: Tensor) -> Tensor:
    """The orthogonalised update; a matrix that is spread over processes is made whole by each, which keeps its part."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(p, DTensor) or not isinstance(update, DTensor):
        return orthogonalised(update)
    whole = orthogonalised(update.full_tensor())
    return distribute_tensor(whole, p.device_mesh, p.placements, src_data_rank=None)


def orthogonalised(matrix: Tensor) -> Tensor:
    """``matrix [rows, columns]`` with its singular values moved to about 1."""
    a, b, c = COEFFICIENTS
    x = matrix.to(torch.bfloat16 if matrix.is_cuda else torch.float32)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(ROUNDS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.T).to(matrix.dtype)
