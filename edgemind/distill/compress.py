"""A smaller network of the same kind out of a larger one: how a student starts from what its teacher knows.

The residual stream is rotated into its main directions and cut to the first of them (SliceGPT,
https://arxiv.org/abs/2401.15024); layers that change little are left out (ShortGPT, https://arxiv.org/abs/2403.03853);
heads and hidden units are chosen so that what is kept is not said twice (``selection``). Then, layer by layer, with the
layers before as they have become, every matrix is fitted by least squares to what the larger network does on a sample
of texts. Distilling mends the rest (Minitron, https://arxiv.org/abs/2407.14679).
Not for: which networks can be (``inheriting``), training.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from edgemind.distill import selection
from edgemind.distill.recipe.networks import ShapeRecipe

RIDGE = 1e-4
"""Strength with which fits are drawn to what the larger network's own weights say."""
BATCH_TOKENS = 4096
HELD_OUT = 8
"""Every eighth text of the sample is only measured on."""
GREEDY_LAYERS = 16
"""Up to as many, layers are left out one by one, by what the whole network says without each; in a deeper network by
how little each changes."""


@dataclass(frozen=True)
class Text:
    """One text of the sample; ``ids[start:]`` is what the loss is measured on."""

    ids: Sequence[int]
    start: int


@dataclass(frozen=True)
class Compressed:
    """What came out.

    Attributes:
        layers: of the larger network, that were kept.
        energy: share of the residual stream's power in the directions that were kept.
        teacher_loss: of the larger network on the part of the sample that was only measured on, nats a token.
        loss: of the smaller one on the same.
    """

    model: Any
    layers: tuple[int, ...]
    energy: float
    teacher_loss: float
    loss: float


@dataclass(frozen=True)
class _Batch:
    """Texts of like length, padded at the end; ``mask`` is where there is text, ``learned`` where loss is measured."""

    ids: Tensor
    mask: Tensor
    learned: Tensor


def smaller_config(config: Any, shape: ShapeRecipe) -> Any:
    """The configuration of a network of the same kind in another shape."""
    made = copy.deepcopy(config)
    made.hidden_size = shape.width
    made.num_hidden_layers = shape.layers
    made.num_attention_heads = shape.heads
    made.num_key_value_heads = shape.kv_heads or shape.heads
    made.head_dim = shape.head_dim or shape.width // shape.heads
    made.intermediate_size = shape.ffn or 3 * shape.width
    made.max_position_embeddings = shape.context
    if getattr(made, "layer_types", None):
        made.layer_types = list(made.layer_types)[: shape.layers]
    return made


@torch.no_grad()
def compressed(model: Any, shape: ShapeRecipe, texts: Sequence[Text], keep: Sequence[int] | None = None) -> Compressed:
    """The network in a smaller shape.

    Args:
        model: float32, one of ``inheriting.KINDS``; it is changed.
        shape: no larger in anything, of the same ``head_dim``.
        texts: the sample; some tens of thousands of tokens are plenty.
        keep: layers to keep, rising; those that matter most when ``None``.
    """
    model = model.eval()
    fitted = made_batches([text for place, text in enumerate(texts) if place % HELD_OUT])
    measured = made_batches(texts[::HELD_OUT])
    layers = tuple(keep) if keep is not None else _layers_to_keep(model, shape.layers, measured, fitted)
    teacher_loss = loss_of(model, measured)
    _fold(model)
    made = _Compression(model, shape, layers, fitted).run()
    return Compressed(made.student, layers, made.energy, teacher_loss, loss_of(made.student, measured))


@torch.no_grad()
def loss_of(model: Any, batches: Sequence[_Batch]) -> float:
    """Cross-entropy on what is learned, nats a token."""
    total, count = 0.0, 0
    for batch in batches:
        logits = model(input_ids=batch.ids, use_cache=False).logits[:, :-1]
        where = batch.learned[:, 1:]
        total += float(torch.nn.functional.cross_entropy(logits[where], batch.ids[:, 1:][where], reduction="sum"))
        count += int(where.sum())
    return total / max(1, count)


def made_batches(texts: Sequence[Text]) -> list[_Batch]:
    """Texts by their length, about ``BATCH_TOKENS`` to a batch."""
    order = sorted(texts, key=lambda text: len(text.ids))
    made, part = [], list[Text]()
    for text in order:
        if part and len(text.ids) * (len(part) + 1) > BATCH_TOKENS:
            made.append(_batch(part))
            part = []
        part.append(text)
    return [*made, _batch(part)] if part else made


def _batch(texts: Sequence[Text]) -> _Batch:
    longest = max(len(text.ids) for text in texts)
    ids = torch.zeros(len(texts), longest, dtype=torch.long)
    mask, learned = torch.zeros_like(ids, dtype=torch.bool), torch.zeros_like(ids, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids[row, : len(text.ids)] = torch.tensor(list(text.ids))
        mask[row, : len(text.ids)] = True
        learned[row, text.start : len(text.ids)] = True
    return _Batch(ids, mask, learned)


def _layers_to_keep(model: Any, count: int, measured: Sequence[_Batch], fitted: Sequence[_Batch]) -> tuple[int, ...]:
    """The layers that are needed most, rising."""
    layers = model.model.layers
    kept = list(range(len(layers)))
    if len(layers) <= GREEDY_LAYERS:
        while len(kept) > count:
            apart = {out: _apart(model, [one for one in kept if one != out], measured) for out in kept}
            kept.remove(min(apart, key=lambda out: (apart[out], out)))
        return tuple(kept)
    influence = _influence(model, fitted)
    return tuple(sorted(sorted(kept, key=lambda layer: (-influence[layer], layer))[:count]))


def _apart(model: Any, kept: Sequence[int], measured: Sequence[_Batch]) -> float:
    """How far what it says with only these layers is from what it says with all: KL, nats a token."""
    whole, config = model.model.layers, model.model.config
    number = config.num_hidden_layers
    total, count = 0.0, 0
    for batch in measured:
        where = batch.learned[:, 1:]
        wanted = _said(model, batch, where)
        try:
            model.model.layers = torch.nn.ModuleList([whole[layer] for layer in kept])
            config.num_hidden_layers = len(kept)
            found = _said(model, batch, where)
        finally:
            model.model.layers, config.num_hidden_layers = whole, number
        total += float(torch.nn.functional.kl_div(found, wanted, reduction="sum", log_target=True))
        count += int(where.sum())
    return total / max(1, count)


def _said(model: Any, batch: _Batch, where: Tensor) -> Tensor:
    """Log-probabilities of what is learned."""
    found: Tensor = model(input_ids=batch.ids, use_cache=False).logits[:, :-1][where].log_softmax(-1)
    return found


def _influence(model: Any, batches: Sequence[_Batch]) -> list[float]:
    """By layer, one less the mean cosine between what goes in and what comes out (Block Influence of ShortGPT)."""
    total = [0.0] * len(model.model.layers)
    count = 0
    for batch in batches:
        rope, mask = _positions(model, batch)
        state = model.model.embed_tokens(batch.ids)
        for place, layer in enumerate(model.model.layers):
            after = _through(layer, state, rope, mask)
            total[place] += float((1 - torch.cosine_similarity(state, after, dim=-1))[batch.mask].sum())
            state = after
        count += int(batch.mask.sum())
    return [one / max(1, count) for one in total]


def _fold(model: Any) -> None:
    """Multiply the norms' gains into what reads them; the last norm's only into a head of its own."""
    for layer in model.model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        for norm, readers in (
            (layer.input_layernorm, (attention.q_proj, attention.k_proj, attention.v_proj)),
            (layer.post_attention_layernorm, (mlp.gate_proj, mlp.up_proj)),
        ):
            for reader in readers:
                reader.weight.mul_(norm.weight)
            norm.weight.fill_(1.0)
    if not _is_tied(model):
        model.lm_head.weight.mul_(model.model.norm.weight)
        model.model.norm.weight.fill_(1.0)


def _is_tied(model: Any) -> bool:
    return bool(model.lm_head.weight is model.model.embed_tokens.weight)


def _positions(model: Any, batch: _Batch) -> tuple[Any, Tensor]:
    """Rotary positions, and the mask that keeps a token from seeing later ones."""
    length = batch.ids.shape[1]
    rope = model.model.rotary_emb(model.model.embed_tokens.weight[:1, None], torch.arange(length)[None])
    later = torch.full((length, length), torch.finfo(torch.float32).min).triu(1)
    return rope, later[None, None]


def _through(layer: Any, state: Tensor, rope: Any, mask: Tensor) -> Tensor:
    """What a layer makes of the residual stream."""
    state = state + layer.self_attn.o_proj(_mixed(layer, layer.input_layernorm(state), rope, mask))
    after: Tensor = state + layer.mlp.down_proj(_hidden(layer, layer.post_attention_layernorm(state)))
    return after


def _mixed(layer: Any, read: Tensor, rope: Any, mask: Tensor) -> Tensor:
    """The outputs of all heads side by side, before the output matrix."""
    caught: list[Tensor] = []
    hook = layer.self_attn.o_proj.register_forward_pre_hook(lambda module, given: caught.append(given[0]))
    try:
        layer.self_attn(hidden_states=read, position_embeddings=rope, attention_mask=mask)
    finally:
        hook.remove()
    return caught[0]


def _hidden(layer: Any, read: Tensor) -> Tensor:
    """The hidden units of the feed-forward part."""
    mlp = layer.mlp
    found: Tensor = mlp.act_fn(mlp.gate_proj(read)) * mlp.up_proj(read)
    return found


class _Sums:
    """``X^T X`` and ``X^T Y`` over batches, in float64."""

    def __init__(self) -> None:
        self.gram: Any = 0.0
        self.cross: Any = 0.0

    def add(self, inputs: Tensor, outputs: Tensor | None = None) -> None:
        inputs = inputs.double()
        self.gram = self.gram + inputs.T @ inputs
        if outputs is not None:
            self.cross = self.cross + inputs.T @ outputs.double()


class _Compression:
    """One network on its way to a smaller one; gains are folded already."""

    def __init__(self, model: Any, shape: ShapeRecipe, keep: tuple[int, ...], batches: Sequence[_Batch]) -> None:
        self.teacher, self.shape, self.keep, self.batches = model, shape, keep, batches
        self.places = [_positions(model, batch) for batch in batches]
        self.student: Any = type(model)(smaller_config(model.config, shape)).eval()
        self.energy = 0.0
        self.gains: Tensor | None = None
        self.basis = self._basis()

    def run(self) -> _Compression:
        """All layers, one after another."""
        table = self.teacher.model.embed_tokens.weight
        self.student.model.embed_tokens.weight.copy_(table.double() @ self.basis)
        theirs = [self.teacher.model.embed_tokens(batch.ids) for batch in self.batches]
        ours = [self.student.model.embed_tokens(batch.ids) for batch in self.batches]
        for place, layer in enumerate(self.keep):
            first = 0 if place == 0 else self.keep[place - 1] + 1
            theirs = self._passed(theirs, first, layer)
            middle, after = self._taught(theirs, place)
            ours = self._attention(place, theirs, middle, ours)
            ours = self._feed_forward(place, middle, after, ours)
            theirs = [one.clone() for one in self._layer_outputs]
        theirs = self._passed(theirs, self.keep[-1] + 1, len(self.teacher.model.layers))
        self._head(theirs, ours)
        return self

    def _basis(self) -> Tensor:
        """Main directions of what the norms of the kept layers, and the last one, hand on."""
        sums = _Sums()
        for batch, (rope, mask) in zip(self.batches, self.places, strict=True):
            state = self.teacher.model.embed_tokens(batch.ids)
            for place, layer in enumerate(self.teacher.model.layers):
                if place in self.keep:
                    sums.add(layer.input_layernorm(state)[batch.mask])
                state = state + layer.self_attn.o_proj(_mixed(layer, layer.input_layernorm(state), rope, mask))
                if place in self.keep:
                    sums.add(layer.post_attention_layernorm(state)[batch.mask])
                state = state + layer.mlp.down_proj(_hidden(layer, layer.post_attention_layernorm(state)))
            sums.add(_normed(state[batch.mask]))
        basis, self.energy = selection.directions(sums.gram, self.shape.width)
        if _is_tied(self.teacher):
            basis, self.gains = selection.turned(basis, self.teacher.model.norm.weight.double())
        return basis

    def _passed(self, states: list[Tensor], first: int, last: int) -> list[Tensor]:
        """The larger network's stream through its layers ``first`` to ``last - 1``."""
        for layer in list(self.teacher.model.layers)[first:last]:
            states = [_through(layer, state, *place) for state, place in zip(states, self.places, strict=True)]
        return states

    def _taught(self, states: list[Tensor], place: int) -> tuple[list[Tensor], list[Tensor]]:
        """The larger network's stream in the middle of a kept layer, and where the next kept one begins."""
        layer = self.teacher.model.layers[self.keep[place]]
        middle = [
            state + layer.self_attn.o_proj(_mixed(layer, layer.input_layernorm(state), *at))
            for state, at in zip(states, self.places, strict=True)
        ]
        self._layer_outputs = [
            state + layer.mlp.down_proj(_hidden(layer, layer.post_attention_layernorm(state))) for state in middle
        ]
        last = self.keep[place + 1] if place + 1 < len(self.keep) else len(self.teacher.model.layers)
        return middle, self._passed(self._layer_outputs, self.keep[place] + 1, last)

    def _reading(self, theirs: list[Tensor], ours: list[Tensor]) -> Tensor:
        """``[their width, our width]``: what they read after a norm, as a linear map of what we do."""
        sums, ratio, count = _Sums(), 0.0, 0
        for their, our, batch in zip(theirs, ours, self.batches, strict=True):
            their, our = their[batch.mask], our[batch.mask]
            sums.add(_normed(our), _normed(their))
            ratio += float((_size(our) / _size(their)).sum())
            count += len(our)
        prior = self.basis.T * (ratio / count)
        return selection.ridge(sums.gram, sums.cross, prior, RIDGE).T

    def _attention(self, place: int, theirs: list[Tensor], middle: list[Tensor], ours: list[Tensor]) -> list[Tensor]:
        """Fill the attention of one layer; returns our stream behind it."""
        source, target = self.teacher.model.layers[self.keep[place]], self.student.model.layers[place]
        old, new = source.self_attn, target.self_attn
        config, dim = self.teacher.config, int(new.head_dim)
        groups, each = config.num_key_value_heads, config.num_attention_heads // config.num_key_value_heads
        keep_groups = self.student.config.num_key_value_heads
        keep_each = self.student.config.num_attention_heads // keep_groups
        sums = _Sums()
        for state, batch, at in zip(theirs, self.batches, self.places, strict=True):
            sums.add(_mixed(source, source.input_layernorm(state), *at)[batch.mask])
        out = (self.basis.T @ old.o_proj.weight.double()).T
        chosen = selection.heads(sums.gram, out, groups, each, keep_groups, keep_each)
        queries = _rows(chosen, dim)
        keys = _rows(sorted({head // each for head in chosen}), dim)
        reading = self._reading(theirs, ours)
        for name, rows in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
            _fill(getattr(new, name), getattr(old, name), rows, reading)
        for name in ("q_norm", "k_norm"):
            if hasattr(old, name):
                getattr(new, name).weight.copy_(getattr(old, name).weight)
        mixed = [
            _mixed(target, target.input_layernorm(state), *at) for state, at in zip(ours, self.places, strict=True)
        ]
        self._fit(new.o_proj, old.o_proj, out[queries], mixed, middle, ours)
        return [state + new.o_proj(one) for state, one in zip(ours, mixed, strict=True)]

    def _feed_forward(self, place: int, theirs: list[Tensor], after: list[Tensor], ours: list[Tensor]) -> list[Tensor]:
        """Fill the feed-forward part of one layer; returns our stream behind it."""
        source, target = self.teacher.model.layers[self.keep[place]], self.student.model.layers[place]
        old, new = source.mlp, target.mlp
        sums = _Sums()
        for state, batch in zip(theirs, self.batches, strict=True):
            sums.add(_hidden(source, source.post_attention_layernorm(state[batch.mask])))
        out = (self.basis.T @ old.down_proj.weight.double()).T
        chosen = torch.tensor(selection.units(sums.gram, out, self.student.config.intermediate_size))
        reading = self._reading(theirs, ours)
        for name in ("gate_proj", "up_proj"):
            _fill(getattr(new, name), getattr(old, name), chosen, reading)
        hidden = [_hidden(target, target.post_attention_layernorm(state)) for state in ours]
        self._fit(new.down_proj, old.down_proj, out[chosen], hidden, after, ours)
        return [state + new.down_proj(one) for state, one in zip(ours, hidden, strict=True)]

    def _fit(
        self, new: Any, old: Any, prior: Tensor, inputs: list[Tensor], wanted: list[Tensor], ours: list[Tensor]
    ) -> None:
        """The output matrix that brings our stream nearest to the wanted one."""
        bias = 0.0 if new.bias is None else new.bias.copy_(old.bias.double() @ self.basis)
        sums = _Sums()
        for given, want, our, batch in zip(inputs, wanted, ours, self.batches, strict=True):
            rest = want[batch.mask].double() @ self.basis - our[batch.mask] - bias
            sums.add(given[batch.mask], rest)
        new.weight.copy_(selection.ridge(sums.gram, sums.cross, prior, RIDGE).T)

    def _head(self, theirs: list[Tensor], ours: list[Tensor]) -> None:
        """The last norm, and a head of its own where there is one."""
        reading = self._reading(theirs, ours)
        if self.gains is None:
            self.student.lm_head.weight.copy_(self.teacher.lm_head.weight.double() @ reading)
            return
        sums, gains = _Sums(), self.teacher.model.norm.weight.double()
        for their, our, batch in zip(theirs, ours, self.batches, strict=True):
            sums.add(_normed(our[batch.mask]), _normed(their[batch.mask]))
        table, ours_table = self.teacher.model.embed_tokens.weight.double(), self.student.model.embed_tokens.weight
        ours_table = ours_table.double()
        wanted = (ours_table.T @ table) @ (gains[:, None] * sums.cross.T)
        scale = (reading * self.basis).sum() / self.shape.width
        self.student.model.norm.weight.copy_(
            selection.gains_of(ours_table, sums.gram, wanted, self.gains * scale, RIDGE)
        )


def _fill(new: Any, old: Any, rows: Tensor, reading: Tensor) -> None:
    """Some rows of a matrix that reads the stream, for our stream."""
    new.weight.copy_(old.weight[rows].double() @ reading)
    if old.bias is not None:
        new.bias.copy_(old.bias[rows])


def _rows(blocks: Sequence[int], dim: int) -> Tensor:
    return torch.cat([torch.arange(block * dim, block * dim + dim) for block in blocks])


def _size(state: Tensor) -> Tensor:
    return state.square().mean(-1, keepdim=True).sqrt().clamp(min=1e-12)


def _normed(state: Tensor) -> Tensor:
    return state / _size(state)
