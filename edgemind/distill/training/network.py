"""A causal language model as training sees it: states where something is learned, a head, and one pass back.

Not for: the loss itself (``losses``), optimizers, loops.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from edgemind.distill.students import open_model
from edgemind.distill.targets.vocabulary import compare, of_model
from edgemind.distill.training import losses
from edgemind.distill.training.batches import Batch
from edgemind.distill.training.losses import Mix, Online, Stored, Sums, Teacher
from edgemind.distill.training.precision import casting
from edgemind.errors import ModelUnusable, UsageError
from edgemind.models.opening import shown

States = Callable[..., Tensor]


class Network(nn.Module):
    """A transformers model without its head: tokens in, ``[n, width]`` states at the learned places out.

    Args:
        model: a causal language model, perhaps with LoRA's factors in it.

    Raises:
        ModelUnusable: its logits are not states times a weight.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        base = model.get_base_model() if hasattr(model, "get_base_model") else model
        check_head(base)
        self._parts = (base.get_decoder(), base.get_output_embeddings())
        self.scale = logit_scale(base.config)
        kinds = getattr(base.config, "layer_types", None) or ()
        self._no_mask: Any = {"full_attention": None} if kinds and set(kinds) == {"full_attention"} else None
        narrow = getattr(base.config, "use_sliding_window", True) and set(kinds or ("sliding",)) != {"full_attention"}
        self.window = int(getattr(base.config, "sliding_window", None) or 0) if narrow else 0
        """How many tokens some layers see back; 0: all of them."""

    @property
    def layers(self) -> nn.ModuleList:
        """Its blocks."""
        return cast("nn.ModuleList", self._parts[0].layers)

    @property
    def head(self) -> Tensor:
        """``[vocab, width]``."""
        return cast("Tensor", self._parts[1].weight)

    @property
    def table(self) -> nn.Embedding | None:
        """The input embedding, if it is trained, plain and the head's own weight in one piece."""
        found = self._parts[0].get_input_embeddings()
        plain = type(found) is nn.Embedding and found.max_norm is None and not found.scale_grad_by_freq
        tied = plain and found.weight is self._parts[1].weight and found.weight.requires_grad
        return found if tied and type(self) is Network else None  # spread over processes it is a subclass

    def forward(
        self,
        tokens: Tensor | None,
        mask: Tensor | None,
        positions: Tensor | None,
        where: Tensor,
        embedded: Tensor | None = None,
    ) -> Tensor:
        """States at the places ``where`` of the flattened ``tokens [rows, width]``.

        Args:
            embedded: ``[rows, width, of the network]`` in place of the tokens.
        """
        given = {"input_ids": tokens} if embedded is None else {"inputs_embeds": embedded}
        states = self._parts[0](
            **given,
            attention_mask=self._no_mask if mask is None else mask,
            position_ids=positions,
            use_cache=False,
        ).last_hidden_state
        found: Tensor = states.reshape(-1, states.shape[-1])[where]
        return found if self.scale == 1.0 else found * self.scale


def check_head(model: Any) -> None:
    """Raises ModelUnusable if logits are more than states times a weight."""
    head = model.get_output_embeddings()
    name = type(model).__name__
    if head is None or getattr(head, "bias", None) is not None:
        raise ModelUnusable(f"A head like that of {name} (none, or with a bias) cannot be trained here.")
    if getattr(model.config, "final_logit_softcapping", None):
        raise ModelUnusable(
            f"{name} squeezes its logits (final_logit_softcapping), which the losses here do not follow.",
            "Set final_logit_softcapping to null in its config.json to train without it.",
        )


def logit_scale(config: Any) -> float:
    """The factor between states times head and logits (Cohere's multiplies, Granite's divides)."""
    return float(getattr(config, "logit_scale", None) or 1.0) / float(getattr(config, "logits_scaling", None) or 1.0)


class OnlineTeacher:
    """A teacher that answers while the student learns; it keeps no gradients.

    Args:
        rows: of the vocabulary that both have in common.
    """

    @classmethod
    def of(cls, teacher: Path, student: Path, kind: torch.dtype, where: torch.device) -> OnlineTeacher:
        """Open a checkpoint folder as the teacher of a student's.

        Raises:
            UsageError: it is no checkpoint, or has other tokens than the student.
        """
        if not teacher.is_dir():
            raise UsageError(
                f"{shown(teacher)} is no checkpoint folder, and a teacher that answers while training must be one.",
                "Set targets.online = false: its soft targets are then stored beforehand.",
            )
        match = compare(of_model(student), of_model(teacher))
        if not match.usable:
            raise UsageError(
                f"Teacher and student cut text differently: {match.why}.",
                "Start the student with the teacher's tokenizer.",
            )
        model: Any = open_model(teacher, kind)
        return cls(model.to(where), match.shared, kind, where)

    def __init__(self, model: Any, rows: int, kind: torch.dtype, where: torch.device) -> None:
        self._network = Network(model.eval().requires_grad_(False))
        self._rows, self._kind, self._where = rows, kind, where

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Online:
        """Its states at the learned places."""
        with casting(self._kind, self._where):
            states = self._network(batch.tokens, batch.mask(), batch.positions, batch.where)
        return Online(states, self._network.head, self._rows)


class Learner:
    """One network and how its gradients are made.

    Args:
        kind: of matrix products.
        chunk: rows of logits at once.
        compiled: whether the graph of the states is compiled, for batches of any size.
    """

    def __init__(
        self,
        network: Network,
        kind: torch.dtype,
        where: torch.device,
        chunk: int | None = None,
        compiled: bool = False,
    ) -> None:
        self.network, self.kind, self.where, self.chunk = network, kind, where, chunk
        self._states: States = torch.compile(network, dynamic=True) if compiled else network

    @property
    def _product(self) -> torch.dtype | None:
        return self.kind if self.where.type == "cuda" and self.kind != torch.float32 else None

    def backward(self, batch: Batch, mix: Mix, scale: float, online: OnlineTeacher | None = None) -> Sums:
        """Add ``scale`` times the gradient of the summed loss of a batch to the parameters'."""
        table, embedded = self.network.table, None
        tokens: Tensor | None = batch.tokens
        if table is not None:
            embedded, tokens = functional.embedding(batch.tokens, table.weight.detach()).requires_grad_(), None
        with casting(self.kind, self.where):
            states = self._states(tokens, batch.mask(), batch.positions, batch.where, embedded)
        head = self.network.head
        states_grad = torch.empty_like(states)
        teacher, spans = teacher_of(batch, online), None
        if batch.ends is not None and batch.span_logp is not None:
            logp = losses.label_logp(states, head, batch.labels, self.chunk, self._product)
            teacher, spans = losses.span_factors(logp, batch.ends, batch.span_logp, mix.weight)
        sums = losses.fused(
            states,
            head,
            batch.labels,
            teacher,
            mix,
            scale=scale,
            chunk=self.chunk,
            dtype=self._product,
            grad_hidden=states_grad,
            grad_weight=gradient_of(head) if head.requires_grad else None,
        )
        torch.autograd.backward(states, states_grad)
        if table is not None and embedded is not None:
            add_rows(gradient_of(head), batch.tokens, embedded.grad, table.padding_idx)
        if spans is None:
            return sums
        plain = sums.cross_entropy
        return Sums(plain, spans, (1 - mix.weight) * plain + mix.weight * spans)


def teacher_of(batch: Batch, online: OnlineTeacher | None) -> Teacher:
    """What a batch's teacher says, stored or now; ``None`` if there is none."""
    if online is not None:
        return online(batch)
    if batch.ids is None or batch.logp is None or batch.tail is None:
        return None
    return Stored(batch.ids, batch.logp, batch.tail)


def add_rows(gradient: Tensor, tokens: Tensor, rows: Tensor | None, padding: int | None) -> None:
    """Add an embedding's gradient to its table's in place, where autograd would first make a second whole table.

    Args:
        gradient: ``[vocab, width]``.
        tokens: of any shape; ``rows`` has it too, with the width after it.
        padding: the token whose row autograd leaves out as well.
    """
    if rows is None:
        return
    flat, places = rows.reshape(-1, rows.shape[-1]).to(gradient.dtype), tokens.reshape(-1)
    if padding is not None:
        flat = flat.masked_fill((places == padding)[:, None], 0.0)
    if gradient.is_cuda:
        gradient.index_put_((places,), flat, accumulate=True)  # index_add_ is not deterministic there
    else:
        gradient.index_add_(0, places, flat)


def gradient_of(weight: Tensor) -> Tensor:
    """A parameter's gradient, made if there is none yet."""
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad
