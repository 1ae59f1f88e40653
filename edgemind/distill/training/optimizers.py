"""The optimizers of a network: Muon for its matrices with AdamW for the rest, or AdamW alone.

Not for: the rate's course (``schedule``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from edgemind.distill.muon import Muon
from edgemind.distill.recipe.networks import TrainingRecipe

BETAS = (0.9, 0.95)


class Optimizers:
    """One or two optimizers that step together.

    Args:
        sharded: parameters are spread over processes, so AdamW's fused form cannot be used.
    """

    def __init__(self, model: nn.Module, recipe: TrainingRecipe, sharded: bool = False) -> None:
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        matrices = [p for name, p in named if p.ndim == 2 and not _is_table(name)]
        others = [p for name, p in named if p.ndim != 2 or _is_table(name)]
        self.parameters: list[Tensor] = [p for _, p in named]
        muon = recipe.optimizer == "muon" and recipe.lora is None
        rate, other_rate = recipe.rates
        if recipe.lora is not None and recipe.optimizer == "muon":
            rate = other_rate = recipe.rate or TrainingRecipe(steps=1, optimizer="adamw").rates[0]
        fused = not sharded
        if muon and matrices:
            first: torch.optim.Optimizer = Muon(matrices, lr=rate, weight_decay=recipe.weight_decay)
            rest = [{"params": others, "lr": other_rate, "weight_decay": 0.0, "peak": other_rate}] if others else []
            first.param_groups[0]["peak"] = rate
        else:
            groups = (
                {"params": matrices, "lr": rate, "weight_decay": recipe.weight_decay, "peak": rate},
                {"params": others, "lr": other_rate, "weight_decay": 0.0, "peak": other_rate},
            )
            given = [group for group in groups if group["params"]]
            first = torch.optim.AdamW(given, betas=BETAS, fused=fused)
            rest = []
        self.all = [first]
        if rest:
            self.all.append(torch.optim.AdamW(rest, betas=BETAS, fused=fused))
        self.rate = rate

    def step(self, share: float, keep: Tensor | None = None) -> None:
        """Apply the gradients at ``share`` of the peak rates and drop them; that of ``keep`` is zeroed in place."""
        for optimizer in self.all:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * share
            optimizer.step()
        for p in self.parameters:
            if p is keep and p.grad is not None:
                p.grad.zero_()
            else:
                p.grad = None

    def clip(self, most: float) -> Tensor:
        """Scale the gradients down to a norm of ``most`` (0: leave them); returns the norm before."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, most if most > 0 else torch.inf)
        return norm.full_tensor() if isinstance(norm, DTensor) else norm

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps."""
        return [optimizer.state_dict() for optimizer in self.all]

    def restore(self, states: Sequence[dict[str, Any]]) -> None:
        """The inverse of ``state``."""
        for optimizer, state in zip(self.all, states, strict=True):
            optimizer.load_state_dict(state)


def _is_table(name: str) -> bool:
    """Whether a parameter is a row for each token: an embedding or an output head."""
    return any(part in name for part in ("embed", "lm_head", "wte", "output.weight"))
