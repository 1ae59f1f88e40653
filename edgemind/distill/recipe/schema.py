"""The tables of a recipe: teacher, student, problems, curriculum, traces, targets, loss, training, evaluation, export.

Everything that can be known to be wrong without opening a model is found here, before any work is done.
Not for: reading the file and saying in which line it is wrong (``reading``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

Variant = Literal["full", "no-teacher", "no-start", "no-targets", "no-traces", "no-curriculum"]
"""The recipe, or the same recipe with one thing taken away."""

Quantization = Literal["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q3_K_M"]

Count = Annotated[int, Field(strict=True, ge=1, le=10**13)]
CountOrNone = Annotated[int, Field(strict=True, ge=0, le=10**13)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Yes = Annotated[bool, Field(strict=True)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]


def _beside(value: Path, info: ValidationInfo) -> Path:
    """A path in a recipe is meant from the recipe's folder."""
    value = value.expanduser()
    folder = (info.context or {}).get("folder")
    return folder / value if folder and not value.is_absolute() else value


def _model(value: str, info: ValidationInfo) -> str:
    """A path stays one from anywhere; an installed model's name stays a name."""
    path = _beside(Path(value), info)
    looks_like_path = "/" in value or "\\" in value or value.endswith(".gguf") or value.startswith(("~", "."))
    return str(path) if looks_like_path or path.is_dir() else value


def _checkpoint(value: Any, info: ValidationInfo) -> Any:
    return _model(value, info) if isinstance(value, str) else value


RecipePath = Annotated[Path, AfterValidator(_beside)]
ModelName = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_model)]
"""An installed model's name, or the path of a GGUF file or of a checkpoint's folder."""
Checkpoint = Annotated[Path, BeforeValidator(_checkpoint)]
"""The path of a checkpoint's folder, or an installed checkpoint's name."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class ShapeRecipe(_Table):
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


class GrowRecipe(_Table):
    """A network twice as wide as a smaller one, and deeper, that computes the same to begin with."""

    from_: ModelName = Field(alias="from")
    layers_after: tuple[CountOrNone, ...] = ()
    """After which layers of the small network (from 0) a new one is put in."""


class StudentRecipe(_Table):
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


class LoraRecipe(_Table):
    """Training only small factors beside the weights, which are merged into them at the end."""

    rank: Annotated[int, Field(strict=True, ge=1, le=1024)] = 16
    alpha: Positive = 32.0
    targets: tuple[Text, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class TrainingRecipe(_Table):
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


class TeacherRecipe(_Table):
    """Who teaches: a model of this machine, a server, or a network that is trained first."""

    model: ModelName | None = None
    server: Annotated[str, Field(max_length=2000)] | None = None
    """Address of an OpenAI-compatible server, with ``/v1``. Unless it is on this machine, the command line has
    to allow it as well: no file that somebody hands on opens the network."""
    served_model: Text | None = None
    """What the server calls the model."""
    key_variable: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Environment variable that holds the server's key; the key itself never stands in a recipe."""
    train: Yes = False
    problems: Count | None = None
    """How many a teacher that is trained sees; as many as the student when left out."""
    start: StudentRecipe | None = None
    """Of a teacher that is trained first."""
    training: TrainingRecipe | None = None
    score_with: ModelName | None = None
    """Who gives soft targets, when that is another file than the one that writes."""

    @model_validator(mode="after")
    def _one_teacher(self) -> TeacherRecipe:
        given = [name for name in ("model", "server") if getattr(self, name) is not None]
        given += ["train"] if self.train else []
        if len(given) != 1:
            found = f"it has {' and '.join(given) or 'none'}"
            raise ValueError(f"a teacher is exactly one of model, server and train = true; {found}")
        if self.train and (self.start is None or self.training is None):
            raise ValueError("a teacher that is trained needs [teacher.start] and [teacher.training]")
        if not self.train and (self.start or self.training or self.problems):
            raise ValueError("[teacher.start], [teacher.training] and problems go with train = true")
        if self.start is not None and self.start.start == "teacher":
            raise ValueError('[teacher.start] has no teacher to start from; start = "teacher" is for [student]')
        if self.start is not None and self.start.tokenizer == "teacher" and self.start.shape is not None:
            raise ValueError('[teacher.start] has no teacher to take a tokenizer from; say tokenizer = "train"')
        if self.server is None and (self.served_model or self.key_variable):
            raise ValueError("served_model and key_variable go with server")
        if self.server is not None:
            self._check_server(self.server)
        return self

    def _check_server(self, address: str) -> None:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f'server is an address such as "http://localhost:8000/v1", not {address!r}')
        if parts.username or parts.password:
            raise ValueError("a server's password does not stand in a recipe; name a variable: key_variable")
        if self.served_model is None:
            raise ValueError("a server needs served_model, the name it has for the model")

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this machine: no server, or one on it."""
        if self.server is None:
            return True
        host = urlsplit(self.server).hostname or ""
        return host in ("localhost", "::1") or (host.startswith("127.") and host.replace(".", "").isdigit())


class VarietyRecipe(_Table):
    """How many of the problems are put differently, so that the student knows more than one way to be asked."""

    no_think: Share = 0.0
    """Asked for the answer alone."""
    system: Share = 0.0
    """With a system message before."""
    history: Share = 0.0
    """With an earlier turn before."""


class DatasetRecipe(_Table):
    """Problems from a file: JSON lines, or a dataset of Hugging Face's library on disk."""

    path: RecipePath
    kind: Literal["jsonl", "dataset"] = "jsonl"
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
    """What its problems are called as a family."""
    prompt: Text = "prompt"
    """The column of that."""
    answer: Text | None = None
    thought: Text | None = None
    check: Literal["exact", "number", "contains", "choice", "none"] = "exact"
    """How an answer is compared with the column ``answer``."""
    level: Text | None = None
    """A column of whole numbers from 1; all are level 1 when left out."""
    split: Text = "train"

    @model_validator(mode="after")
    def _checkable(self) -> DatasetRecipe:
        if self.check != "none" and self.answer is None:
            raise ValueError(f'check = "{self.check}" needs answer, the column to compare with; or say check = "none"')
        if self.thought is not None and self.answer is None:
            raise ValueError("a thought without an answer is nothing to learn; name the column answer too")
        return self


class ProblemsRecipe(_Table):
    """What is asked."""

    families: tuple[Text, ...] = ()
    """Names of our own, ``gym:NAME`` for one of reasoning-gym, or only ``all``."""
    count: Count = 20_000
    """Problems to train on, over all families."""
    weights: dict[Text, NotNegative] = Field(default_factory=dict)
    """By family; 1 when left out."""
    hardness: Positive = 1.0
    """How much more often a problem occurs from one level to the next."""
    levels: tuple[Count, Count] | None = None
    """Only these levels, from and to."""
    variety: VarietyRecipe = VarietyRecipe()
    dataset: tuple[DatasetRecipe, ...] = ()

    @model_validator(mode="after")
    def _some_source(self) -> ProblemsRecipe:
        if not self.families and not self.dataset:
            raise ValueError("problems need families or a dataset")
        names = [*self.families, *(one.name for one in self.dataset)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice:
            raise ValueError(f"{twice!r} occurs twice")
        if "all" in self.families and len(self.families) > 1:
            raise ValueError('"all" stands alone in families')
        strange = next((name for name in self.weights if name not in names), None)
        if strange and "all" not in self.families:
            raise ValueError(f"weights has {strange!r}, which is none of the families")
        if self.levels and self.levels[0] > self.levels[1]:
            raise ValueError("levels are from and to, the lower one first")
        return self


class CurriculumRecipe(_Table):
    """From easy to hard."""

    kind: Literal["levels", "uniform"] = "levels"
    threshold: Share = 0.8
    """Accuracy on held-out problems of a level from which the next one begins."""
    review: Share = 0.25
    """Share of earlier levels in what is trained."""
    held_out: Count = 100
    """Problems a level to measure that with."""
    every: Count | None = None
    """Steps from one measurement to the next; a twentieth of all when left out."""


class TraceSampling(_Table):
    """How the teacher writes."""

    temperature: NotNegative = 0.7
    top_p: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.95
    max_tokens: Count = 512


class TracesRecipe(_Table):
    """Worked solutions to learn from."""

    source: Literal["teacher", "written"] = "teacher"
    """``written``: those that a family or dataset comes with."""
    per_problem: Annotated[int, Field(strict=True, ge=1, le=256)] = 1
    """How often the teacher tries each."""
    keep: Annotated[int, Field(strict=True, ge=1, le=256)] = 1
    """How many right and different ones of these are kept."""
    only: CountOrNone | None = None
    """How many problems the teacher writes for; the rest have their written solution. All when left out."""
    max_tokens: Count = 512
    temperature: NotNegative = 0.7
    top_p: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.95
    sequences: Annotated[int, Field(strict=True, ge=1, le=1024)] = 16
    """Written at once."""

    @property
    def sampling(self) -> TraceSampling:
        return TraceSampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)

    @model_validator(mode="after")
    def _keeps_what_is_written(self) -> TracesRecipe:
        if self.keep > self.per_problem:
            raise ValueError(f"keep ({self.keep}) cannot be more than per_problem ({self.per_problem})")
        return self


class TargetsRecipe(_Table):
    """The teacher's probabilities for each next token."""

    k: Annotated[int, Field(strict=True, ge=0, le=4096)] = 32
    """How many of them are stored, and the rest's sum; 0: none are used."""
    temperature: Positive = 1.0
    online: Yes = False
    """Ask the teacher while training, in place of storing."""
    shard_examples: Count = 512
    across: Literal["refuse", "aligned"] = "refuse"
    """What to do when teacher and student cut text differently."""


class LossRecipe(_Table):
    """What is made small."""

    kind: Literal["forward_kl", "reverse_kl", "jensen_shannon", "skewed_forward", "skewed_reverse"] = "forward_kl"
    beta: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.5
    """Teacher's share in the mixture of ``jensen_shannon``."""
    alpha: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.1
    """How much of the one distribution is mixed into the other in the skewed ones."""
    weight: Share = 0.7
    """The divergence's share; the rest is plain cross-entropy."""
    chunk: Count | None = None
    """Rows of logits in memory at once; chosen by the vocabulary when left out."""


class PolicyRecipe(_Table):
    """The last phase: the student writes, the teacher scores what it wrote."""

    share: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.1
    """Of the tokens of training."""
    temperature: Positive = 1.0
    max_tokens: Count = 256
    kind: Literal["forward_kl", "reverse_kl", "jensen_shannon", "skewed_forward", "skewed_reverse"] = "reverse_kl"
    beta: Annotated[float, Field(strict=True, gt=0, lt=1)] = 0.5
    alpha: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.1
    weight: Share = 1.0
    """The divergence's share; the rest is cross-entropy on the traces."""
    prompts: Count = 64
    """Problems to one round of writing."""

    @property
    def loss(self) -> LossRecipe:
        return LossRecipe(kind=self.kind, beta=self.beta, alpha=self.alpha, weight=self.weight)


class EvaluationRecipe(_Table):
    """What is measured in the end."""

    held_out: Count = 100
    """Problems a family that training never saw."""
    variants: tuple[Variant, ...] = ()
    """What the result is compared with: the same recipe with one thing taken away."""
    unanswerable: Yes = True
    """Whether it says that it does not know what it cannot know."""
    calibration: Yes = True
    max_tokens: Count = 512

    @model_validator(mode="after")
    def _others(self) -> EvaluationRecipe:
        if "full" in self.variants:
            raise ValueError('"full" is the recipe itself; variants are what it is compared with')
        if len(set(self.variants)) < len(self.variants):
            raise ValueError("a variant occurs twice")
        return self


class ExportRecipe(_Table):
    """What becomes of it."""

    quantization: Quantization = "Q8_0"
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=96)] | None = None
    """Of the installed model; the recipe's own when left out."""
    install: Yes = True


class Recipe(_Table):
    """A whole recipe."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=96)]
    description: Annotated[str, Field(max_length=2000)] = ""
    licence: Annotated[str, Field(max_length=200)] = "Apache-2.0"
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 1
    teacher: TeacherRecipe
    student: StudentRecipe
    problems: ProblemsRecipe
    curriculum: CurriculumRecipe = CurriculumRecipe()
    traces: TracesRecipe = TracesRecipe()
    targets: TargetsRecipe = TargetsRecipe()
    loss: LossRecipe = LossRecipe()
    training: TrainingRecipe
    policy: PolicyRecipe | None = None
    evaluation: EvaluationRecipe = EvaluationRecipe()
    export: ExportRecipe = ExportRecipe()

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        teacher = self.teacher
        only_writes = teacher.server is not None and teacher.score_with is None
        if only_writes and self.targets.k and self.loss.weight:
            why = "a server gives no probabilities of a whole vocabulary"
            raise ValueError(f"{why}; say targets.k = 0, or name teacher.score_with")
        if only_writes and self.policy is not None:
            raise ValueError("[policy] needs a teacher that scores, and a server does not; name teacher.score_with")
        if only_writes and self.student.start == "teacher":
            raise ValueError('a server hands on no weights to start from; name teacher.score_with, or start = "random"')
        if only_writes and self.student.shape is not None and self.student.tokenizer == "teacher":
            raise ValueError("a server has no tokenizer to hand on; name a model in student.tokenizer")
        if self.targets.online and not self.targets.k and self.loss.weight:
            raise ValueError("targets.online asks for targets and targets.k = 0 for none")
        if self.policy is not None and self.targets.across == "aligned":
            raise ValueError('[policy] needs one tokenizer for both, and targets.across = "aligned" says there are two')
        return self

    @property
    def model_name(self) -> str:
        """Of the model that comes of it."""
        return self.export.name or self.name

    def part(self, *names: str) -> dict[str, Any]:
        """Some tables as plain values, for a fingerprint."""
        return self.model_dump(mode="json", by_alias=True, include=set(names))
