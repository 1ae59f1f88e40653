"""The tables of a recipe: teacher, student, problems, curriculum, traces, targets, loss, training, evaluation, export.

Everything that can be known to be wrong without opening a model is found here, before any work is done.
Not for: reading the file and saying in which line it is wrong (``reading``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from edgemind.distill.recipe.networks import StudentRecipe, TrainingRecipe
from edgemind.distill.recipe.values import (
    Count,
    CountOrNone,
    ModelName,
    NotNegative,
    Positive,
    RecipePath,
    Share,
    Table,
    Text,
    Yes,
)

Variant = Literal["full", "no-teacher", "no-start", "no-targets", "no-traces", "no-curriculum"]
"""The recipe, or the same recipe with one thing taken away."""

Quantization = Literal["F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q4_K_S", "Q3_K_M"]


class TeacherRecipe(Table):
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


class VarietyRecipe(Table):
    """How many of the problems are put differently, so that the student knows more than one way to be asked."""

    no_think: Share = 0.0
    """Asked for the answer alone."""
    system: Share = 0.0
    """With a system message before."""
    history: Share = 0.0
    """With an earlier turn before."""


class DatasetRecipe(Table):
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


class ProblemsRecipe(Table):
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


class CurriculumRecipe(Table):
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


class TraceSampling(Table):
    """How the teacher writes."""

    temperature: NotNegative = 0.7
    top_p: Annotated[float, Field(strict=True, gt=0, le=1)] = 0.95
    max_tokens: Count = 512


class TracesRecipe(Table):
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


class TargetsRecipe(Table):
    """The teacher's probabilities for each next token."""

    k: Annotated[int, Field(strict=True, ge=0, le=4096)] = 32
    """How many of them are stored, and the rest's sum; 0: none are used."""
    temperature: Positive = 1.0
    online: Yes = False
    """Ask the teacher while training, in place of storing."""
    shard_examples: Count = 512
    across: Literal["refuse", "aligned"] = "refuse"
    """What to do when teacher and student cut text differently."""


class LossRecipe(Table):
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


class PolicyRecipe(Table):
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


class EvaluationRecipe(Table):
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


class ExportRecipe(Table):
    """What becomes of it."""

    quantization: Quantization = "Q8_0"
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=96)] | None = None
    """Of the installed model; the recipe's own when left out."""
    install: Yes = True


class Recipe(Table):
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
