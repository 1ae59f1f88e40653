"""What one entry of ``models.toml`` may say: the shapes that a file is checked against.

Everything that a user meets as a field of the file is described here, on the field. Not for: reading files
(``catalog_reading``), laying the user's over ours or finding an entry (``catalog``).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from edgemind.models.store.manifest import is_file_path, is_model_name

Use = Literal["chat", "reasoning", "code", "infill", "math", "multilingual", "tiny", "embedding", "demo"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SamplingDefaults(_Strict):
    """A model's own sampling. Fields and ranges are those of ``engine.events.Sampling``; unset means llama.cpp's."""

    temperature: float | None = Field(default=None, ge=0, le=100)
    top_k: int | None = Field(default=None, ge=0)
    top_p: float | None = Field(default=None, ge=0, le=1)
    min_p: float | None = Field(default=None, ge=0, le=1)
    typical_p: float | None = Field(default=None, ge=0, le=1)
    repeat_penalty: float | None = Field(default=None, gt=0, le=10)
    presence_penalty: float | None = Field(default=None, ge=-10, le=10)
    frequency_penalty: float | None = Field(default=None, ge=-10, le=10)
    penalty_last_n: int | None = Field(default=None, ge=-1)
    xtc_probability: float | None = Field(default=None, ge=0, le=1)
    xtc_threshold: float | None = Field(default=None, ge=0, le=1)
    mirostat: Literal[0, 1, 2] | None = None
    mirostat_tau: float | None = Field(default=None, gt=0)
    mirostat_eta: float | None = Field(default=None, gt=0)

    def given(self) -> dict[str, Any]:
        """The fields that are set, as keyword arguments for ``engine.events.Sampling``."""
        return self.model_dump(exclude_none=True)


def _file_path(text: str) -> str:
    if not is_file_path(text):
        raise ValueError("is no plain file name of a repository")
    return text


def _name(text: str) -> str:
    if not is_model_name(text):
        raise ValueError("is a name that some systems do not allow for a file")
    return text


FilePath = Annotated[str, AfterValidator(_file_path)]


class CatalogFile(_Strict):
    """One quantization's file, or the parts it is split into. A plain string in the file is short for ``name``."""

    name: FilePath | None = None
    """Path in the repository."""
    parts: tuple[FilePath, ...] = ()
    """Paths in the repository, in order, when the model is split; then there is no ``name``."""
    size: int | None = Field(default=None, gt=0)
    """Bytes, of all parts together; unset where no documentation says."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Of the one file, in lower case."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_or_the_other(self) -> CatalogFile:
        if (self.name is None) == (not self.parts):
            raise ValueError("needs either a name or parts")
        if self.parts and self.sha256:
            raise ValueError("a sha256 is that of one file, and this one is in parts")
        return self

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file in the repository, in order."""
        return self.parts or ((self.name,) if self.name else ())


class Shape(_Strict):
    """What decides memory and speed, as the publisher's ``config.json`` has it."""

    architecture: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    """GGUF's name of it: ``general.architecture``."""
    layers: int = Field(gt=0, le=4096)
    embedding: int = Field(gt=0)
    """``hidden_size``."""
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    """Dimensions of one head's key, and of its value."""
    feed_forward: int = Field(gt=0)
    """``intermediate_size``; that of the widest layer where they differ."""
    vocabulary: int = Field(gt=0)
    """Rows of the embedding matrix, padding included."""
    tied: bool = True
    """The embedding is the output matrix too."""
    sliding_window: int = Field(default=0, ge=0)
    """Tokens that a windowed layer looks back; 0 when every layer sees everything."""
    window_period: int = Field(default=0, ge=0)
    """One of so many layers sees everything, the others the window; 0 without a window."""
    global_head_dim: int | None = Field(default=None, gt=0)
    """Of the layers that see everything, where it is another."""
    attention_layers: int | None = Field(default=None, ge=0)
    """Layers that keep keys and values of their own, where not all do: the others keep a small state or share."""
    per_layer_embedding: int = Field(default=0, ge=0)
    """Width of the embedding that each layer has of its own (Gemma 3n and 4), 0 without."""

    @property
    def keeps_keys(self) -> int:
        """Layers whose keys and values grow with the context."""
        return self.layers if self.attention_layers is None else self.attention_layers


class CatalogEntry(_Strict):
    """One ``[[model]]`` of ``models.toml``."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$"), AfterValidator(_name)]
    description: str = Field(min_length=1, max_length=200)
    family: str | None = Field(default=None, min_length=1, max_length=64)
    """The generation it belongs to, as its publisher writes it: ``Qwen3``."""
    repository: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_.-]*$")
    """Of GGUF files on the hub, ``owner/name``."""
    revision: str | None = Field(default=None, pattern=r"^[0-9a-f]{40}$")
    """The commit to pull, where one is known; else the newest."""
    page: str | None = Field(default=None, pattern=r"^https://[^\s\"'<>\\]+$", max_length=300)
    """The publisher's own page: the model card."""
    files: dict[str, CatalogFile] = {}
    """The file in the repository per quantization: ``Q4_K_M = "model-Q4_K_M.gguf"``, or a table with its size."""
    default_quantization: str | None = None
    parameters: int = Field(gt=0)
    active_parameters: int | None = Field(default=None, gt=0)
    """Those that one token uses, for a mixture of experts."""
    context: int = Field(ge=256)
    """Tokens the model was trained for."""
    licence: str = Field(min_length=1)
    released: str | None = Field(default=None, pattern=r"^\d{4}(-\d\d){0,2}$")
    """Year, month or day: ``2025-04-29``."""
    use: tuple[Use, ...] = ()
    match: tuple[str, ...] = ()
    """Other values of ``general.name``, or file names, by which a GGUF file is known to be this model."""
    reasoning: str | None = None
    """Overrides what template and vocabulary say; see ``engine.reasoning.FORMATS``."""
    thinking: Literal["auto", "on", "off"] = "auto"
    """``on``: it always thinks; ``off``: it never does; ``auto``: as asked."""
    fill_in_middle: bool = False
    """It was trained to write what belongs between a beginning and an end."""
    sampling: SamplingDefaults = SamplingDefaults()
    shape: Shape | None = None
    good_at: tuple[str, ...] = ()
    bad_at: tuple[str, ...] = ()
    verified: bool = False
    """Whether every fact here was checked against the publisher's own pages."""

    def quantization(self, wanted: str | None = None) -> str | None:
        """How the catalog writes this quantization, or the default one; ``None`` when it has no such file."""
        name = wanted or self.default_quantization or next(iter(self.files), "")
        return next((known for known in self.files if known.lower() == name.lower()), None)

    def file(self, quantization: str | None = None) -> CatalogFile | None:
        """The file of this quantization, or of the default one."""
        found = self.quantization(quantization)
        return self.files[found] if found else None
