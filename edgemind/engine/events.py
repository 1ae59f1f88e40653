"""The one vocabulary that every face renders: what the engine is asked for, and what it says while it works.

Requests and events are frozen pydantic models; they cross the pipe between client and worker as JSON lines.
Not for: model text parsing (``reasoning``), drawing (the faces).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Role = Literal["system", "user", "assistant"]
ThinkingPolicy = Literal["auto", "on", "off"]
StopReason = Literal["end", "stop_string", "max_tokens", "context_full", "cancelled"]


class Frozen(BaseModel):
    """Immutable, and an unknown key is an error: both ends of the pipe are the same version."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


class Message(Frozen):
    """One turn of a conversation."""

    role: Role
    content: str
    reasoning: str | None = None
    """An earlier thought of the assistant; most templates drop it."""


class Sampling(Frozen):
    """How a token is chosen. ``None`` means: the model's own default, else llama.cpp's.

    Order of the chain: logit bias, penalties, DRY, top-k, typical, top-p, min-p, XTC, temperature, draw.
    A temperature of 0 is greedy. Names and meanings are llama.cpp's.
    """

    temperature: float | None = Field(default=None, ge=0, le=100)
    top_k: int | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, ge=0, le=1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    typical_p: float | None = Field(default=None, ge=0, le=1)
    repeat_penalty: float | None = Field(default=None, gt=0, le=10)
    presence_penalty: float | None = Field(default=None, ge=-10, le=10)
    frequency_penalty: float | None = Field(default=None, ge=-10, le=10)
    penalty_last_n: int | None = Field(default=None, ge=-1)
    dry_multiplier: float | None = Field(default=None, ge=0)
    dry_base: float | None = Field(default=None, ge=1)
    dry_allowed_length: int | None = Field(default=None, ge=0)
    dry_penalty_last_n: int | None = Field(default=None, ge=-1)
    xtc_probability: float | None = Field(default=None, ge=0, le=1)
    xtc_threshold: float | None = Field(default=None, ge=0, le=1)
    mirostat: Literal[0, 1, 2] | None = None
    mirostat_tau: float | None = Field(default=None, gt=0)
    mirostat_eta: float | None = Field(default=None, gt=0)
    logit_bias: dict[int, float] | None = None
    seed: int | None = Field(default=None, ge=0, le=0xFFFFFFFE)


class LoadOptions(Frozen):
    """How a model is opened. ``None`` lets the engine choose and say what it chose."""

    path: str
    parts: tuple[str, ...] = ()
    """All files of a model that is split, in order; ``path`` is the first of them."""
    context: int | None = Field(default=None, ge=256)
    """Upper limit of the context in tokens; it starts smaller and grows."""
    sequences: int = Field(default=4, ge=1, le=32)
    """How many sequences may live at once."""
    threads: int | None = Field(default=None, ge=1, le=1024)
    gpu_layers: int | None = Field(default=None, ge=0)
    flash_attention: Literal["auto", "on", "off"] = "auto"
    kv_type: Literal["f16", "q8_0", "f32"] = "f16"
    mmap: bool = True
    adapters: tuple[tuple[str, float], ...] = ()
    """LoRA adapters as ``(path, scale)``."""
    reasoning_format: str | None = None
    """Overrides what template and vocabulary say; see ``reasoning.FORMATS``."""
    sampling: Sampling = Sampling()
    """The model's own defaults, from ``models.toml``."""

    @property
    def files(self) -> tuple[str, ...]:
        """Every file of the model, in order."""
        return self.parts or (self.path,)

    @model_validator(mode="after")
    def _path_is_the_first_part(self) -> LoadOptions:
        if self.parts and self.parts[0] != self.path:
            raise ValueError("path is the first of the parts")
        return self


class Infill(Frozen):
    """A gap in a file, to be filled by a model that has tokens for it (``ModelInfo.fim``).

    What does not fit the context is left out far from the gap: the beginning of ``prefix``, the end of ``suffix``.
    """

    prefix: str
    """The text before the gap."""
    suffix: str = ""
    """The text after it."""
    path: str | None = None
    """The file's name, told to models that have a token for it."""


class GenerateRequest(Frozen):
    """One answer to be written. Exactly one of ``messages``, ``prompt``, ``infill`` and ``tokens`` is set."""

    messages: tuple[Message, ...] | None = None
    continue_: bool = False
    """The last message is an assistant's: go on after its content, or in its thought when that is empty. The events
    hold only what is new; the steps of ``Done`` are those of the whole thought, what was there before for 0 tokens."""
    prompt: str | None = None
    """Raw text, no template."""
    infill: Infill | None = None
    """A gap to be filled; the answer is its text alone, without a thought."""
    tokens: tuple[int, ...] | None = None
    """Raw tokens; for measuring."""
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    max_tokens: int | None = Field(default=None, ge=1)
    """Thought and answer together; ``None`` means until the model ends or the context is full."""
    thinking: ThinkingPolicy = "auto"
    thinking_budget: int | None = Field(default=None, ge=0)
    """Tokens of thought after which the worker closes the thought and lets the model answer."""
    thinking_close: str | None = None
    """The sentence written into the thought when the budget is spent."""
    grammar: str | None = None
    """GBNF, root rule ``root``."""
    grammar_of_rest: bool = False
    """The grammar is that of what follows an answer that is continued; otherwise it cannot be held to one."""
    json_schema: dict[str, Any] | None = None
    confidence: bool = False
    alternatives: int = Field(default=0, ge=0, le=20)
    """With ``confidence``: how many runner-up tokens each answer token carries."""
    ignore_end: bool = False
    """Go on after an end-of-generation token; for measuring."""
    speculate: bool = True
    """Draft runs of tokens that were there before and check them at once; what is written stays the same."""


class TokenConfidence(Frozen):
    """How sure the model was of one answer token, from its distribution before any sampling filter."""

    text: str
    probability: float
    entropy: float
    """Shannon entropy of the whole distribution, in nats."""
    alternatives: tuple[tuple[str, float], ...] = ()


class Step(Frozen):
    """One step of the reasoning."""

    text: str
    tokens: int
    seconds: float


class Stats(Frozen):
    """What one answer cost. Rates are tokens per second; 0 when there was nothing to measure."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Prompt tokens whose keys and values were already in the cache."""
    thinking_tokens: int = 0
    answer_tokens: int = 0
    prefill_seconds: float = 0.0
    decode_seconds: float = 0.0
    prefill_rate: float = 0.0
    decode_rate: float = 0.0
    drafted_tokens: int = 0
    """Tokens that were guessed from what was there before."""
    accepted_tokens: int = 0
    """Those of them that the model would have written too."""
    context_used: int = 0
    context_size: int = 0
    context_limit: int = 0


class FimTokens(Frozen):
    """The tokens around a gap in a file, of a model that was taught to fill it."""

    prefix: int
    suffix: int
    middle: int | None
    """None where the prefix stands last and the model goes on after it."""
    suffix_first: bool = False
    """The order: suffix, prefix, middle."""
    file: int | None = None
    """Stands before the file's name."""
    name_inside: bool = False
    """The name stands at the beginning of the prefix, not before its token."""
    ends: tuple[int, ...] = ()
    """Tokens at which the middle is over, beside those that end any text."""


class ModelInfo(Frozen):
    """What the worker found out about the model it holds."""

    name: str
    path: str
    architecture: str
    parameters: int
    size_bytes: int
    context_trained: int
    context_limit: int
    vocabulary: int
    reasoning_format: str
    can_switch_thinking: bool
    template_source: Literal["model", "fallback"]
    gpu_layers: int
    layers: int
    threads: int
    flash_attention: bool
    offline: str
    """``kernel``, ``sandbox`` or ``none``: see ``privacy.Strength``."""
    writes: bool = True
    """Whether it writes text; a model for embeddings does not."""
    fim: FimTokens | None = None
    """None for a model that cannot fill a gap in a file."""
    notes: tuple[str, ...] = ()
    """What the user should know: a fallback that was taken, a template that was broken."""


class Loading(Frozen):
    type: Literal["loading"] = "loading"
    fraction: float = 0.0
    note: str = ""


class Loaded(Frozen):
    type: Literal["loaded"] = "loaded"
    info: ModelInfo


class PromptProgress(Frozen):
    """Prefill: ``done`` of ``total`` prompt tokens are in the context, ``cached`` of them for free."""

    type: Literal["prompt_progress"] = "prompt_progress"
    done: int
    total: int
    cached: int


class Thinking(Frozen):
    """A piece of the thought; ``step`` counts from 1."""

    type: Literal["thinking"] = "thinking"
    text: str
    step: int
    tokens: int = 1
    forced: bool = False
    """Written by the worker (the closing sentence of a spent budget), not by the model."""


class Answer(Frozen):
    """A piece of the answer."""

    type: Literal["answer"] = "answer"
    text: str
    tokens: int = 1
    confidence: tuple[TokenConfidence, ...] = ()


class ContextTrimmed(Frozen):
    """Whole oldest turns were left out of this request so that it fits; the system prompt stayed."""

    type: Literal["context_trimmed"] = "context_trimmed"
    dropped_turns: int
    dropped_tokens: int
    kept_tokens: int
    context_limit: int


class Done(Frozen):
    """The last event of a request that went well, or was stopped."""

    type: Literal["done"] = "done"
    stop_reason: StopReason
    steps: tuple[Step, ...] = ()
    stats: Stats = Stats()
    budget_spent: bool = False
    """The thought was closed by the budget or by ``answer now``."""
    thought_closed: bool = False
    """There was a thought and it is over. To continue when nothing of the answer was said yet, give a blank content."""


class Failed(Frozen):
    """The last event of a request, or of a load, that went wrong; ``kind`` names the error class."""

    type: Literal["failed"] = "failed"
    kind: str
    message: str
    hint: str = ""


Event = Annotated[
    Loading | Loaded | PromptProgress | Thinking | Answer | ContextTrimmed | Done | Failed,
    Field(discriminator="type"),
]
