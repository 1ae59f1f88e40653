"""The tables of a network: what it starts from, and how it is trained.

Not for: everything else of a recipe (``schema``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from edgemind.distill.recipe.values import (
    Checkpoint,
    Count,
    CountOrNone,
    ModelName,
    NotNegative,
    Positive,
    Share,
    Table,
    Text,
    Yes,
)


class ShapeRecipe(Table):
    """A fresh network (Qwen3 with tied embeddings): everything about its size but the vocabulary."""

    width: Count
    layers: Count
    heads: Count
    kv_heads: Count | None = None
    """Heads of keys and values; as many as ``heads`` when left out."""
    head_dim: Count | None = None
    """``width / heads`` when left out."""
    ffn: Count | None = None
    """Width of the feed-forward layers; three times ``width`` when left out."""
    context: Count = 1024
    """Tokens."""

    @model_validator(mode="after")
    def _fits(self) -> ShapeRecipe:
        if self.kv_heads is not None and self.heads % self.kv_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        if self.head_dim is None and self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads}), or head_dim be given")
        if (self.head_dim or self.width // self.heads) % 2:
            raise ValueError("head_dim must be even, or positions cannot be rotated in")
        return self


class GrowRecipe(Table):
    """A network twice as wide as a smaller one, and deeper, that computes the same to begin with."""

    from_: ModelName = Field(alias="from")
    layers_after: tuple[CountOrNone, ...] = ()
    """After which layers of the small network (from 0) a new one is put in."""


class StudentRecipe(Table):
    """Where a network starts: exactly one of a checkpoint, a shape or a smaller network that grows."""

    checkpoint: Checkpoint | None = None
    shape: ShapeRecipe | None = None
    start: Literal["random", "teacher"] = "random"
    """The weights of a shape: random, or the teacher's own, cut down to it."""
    keep_layers: tuple[CountOrNone, ...] | None = None
    """Which of the teacher's layers (from 0) are kept; those that matter most when left out."""
    grow: GrowRecipe | None = None
    tokenizer: ModelName = "teacher"
    """``teacher``: the teacher's; ``train``: a new one from the problems' text; else that of a model."""
    tokenizer_size: Annotated[int, Field(strict=True, ge=300, le=262_144)] = 2048
    """Of a tokenizer that is trained."""

    @model_validator(mode="after")
    def _one_start(self) -> StudentRecipe:
        if self.start == "teacher" and self.shape is None:
            raise ValueError('start = "teacher" needs [student.shape], the size that the teacher is cut down to')
        given = [name for name in ("checkpoint", "shape", "grow") if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"it has {' and '.join(given)}" if given else "it has none"
            raise ValueError(f"a start is exactly one of checkpoint, shape and grow; {found}")
        if self.checkpoint is not None and "tokenizer" in self.model_fields_set:
            raise ValueError("a checkpoint has its own tokenizer; leave out tokenizer")
        if "tokenizer_size" in self.model_fields_set and self.tokenizer != "train":
            raise ValueError('tokenizer_size goes with tokenizer = "train"')
        if self.start == "teacher" and self.tokenizer != "teacher":
            raise ValueError('with start = "teacher" the tokenizer is the teacher\'s; leave out tokenizer')
        if (kept := self.keep_layers) is not None:
            if self.start != "teacher" or self.shape is None:
                raise ValueError('keep_layers goes with start = "teacher"')
            if list(kept) != sorted(set(kept)):
                raise ValueError("keep_layers are in rising order, each once")
            if len(kept) != self.shape.layers:
                raise ValueError(f"keep_layers has {len(kept)} layers and shape.layers is {self.shape.layers}")
        return self


class LoraRecipe(Table):
    """Training only small factors beside the weights, which are merged into them at the end."""

    rank: Annotated[int, Field(strict=True, ge=1, le=1024)] = 16
    alpha: Positive = 32.0
    targets: tuple[Text, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class TrainingRecipe(Table):
    """How long, in what portions and at what rates a network learns."""

    tokens: Count | None = None
    """To be read in all, counted with prompts and without padding; or give ``steps``."""
    steps: Count | None = None
    batch_tokens: Annotated[int, Field(strict=True, ge=16)] = 4096
    """Of one portion that is in memory at a time."""
    accumulate: Count = 1
    """Portions to one step of the optimizer."""
    context: Count | None = None
    """The longest example in tokens, longer ones are left out; the network's own when left out."""
    optimizer: Literal["muon", "adamw"] = "muon"
    rate: Positive | None = None
    """Peak rate of the matrices: 0.0025 for Muon, 0.0006 for AdamW when left out."""
    embedding_rate: Positive | None = None
    """Peak rate of embeddings, norms and biases: 0.0012 beside Muon, ``rate`` for AdamW when left out."""
    cold_rate: Positive | None = None
    """``rate`` of variants with random weights where the recipe has its teacher's; the recipe's own when left out."""
    cold_embedding_rate: Positive | None = None
    """``embedding_rate`` of the same variants."""
    weight_decay: NotNegative = 0.02
    schedule: Literal["wsd", "cosine"] = "wsd"
    warmup: Share = 0.02
    """Share of the steps in which the rate rises."""
    decay: Share = 0.5
    """Share of the steps in which it falls (``wsd``)."""
    clip: NotNegative = 1.0
    """Largest norm of the gradient; 0: any."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "on", "off"] = "auto"
    gradient_checkpointing: Yes = False
    """Compute activations twice and keep few: less memory, a third slower."""
    ema: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0
    """Decay of a moving average of the weights, which is what is kept then; 0: none."""
    checkpoint_every: Count = 100
    """Steps from one checkpoint that a killed run goes on from to the next."""
    packing: Literal["lengths", "pack"] = "lengths"
    """Examples of like length beside each other, or end to end without seeing each other."""
    tensorboard: Yes = False
    lora: LoraRecipe | None = None

    @property
    def rates(self) -> tuple[float, float]:
        """Peak rates of matrices, and of everything else."""
        rate = self.rate or (0.0025 if self.optimizer == "muon" else 0.0006)
        return rate, self.embedding_rate or (0.0012 if self.optimizer == "muon" else rate)

    @model_validator(mode="after")
    def _one_length(self) -> TrainingRecipe:
        if (self.tokens is None) == (self.steps is None):
            raise ValueError("how long it trains is exactly one of tokens and steps")
        if self.schedule == "wsd" and self.warmup + self.decay > 1:
            raise ValueError("warmup and decay are shares of the same steps, so together at most 1")
        if self.lora is not None and self.optimizer == "muon" and "optimizer" in self.model_fields_set:
            raise ValueError('lora trains with optimizer = "adamw"')
        return self
