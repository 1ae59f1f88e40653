"""From flags to what the engine is asked: checks what contradicts, reads the files that flags name.

What a flag does not say comes from the settings file, then from the catalog and the model itself.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from edgemind.cli import completion, prompt
from edgemind.engine import defaults
from edgemind.engine.defaults import first, sendable
from edgemind.errors import BadConstraint, BadInput, UsageError
from edgemind.terminal import clean_line

if TYPE_CHECKING:
    from pydantic import BaseModel

    from edgemind.engine.events import GenerateRequest, LoadOptions, Sampling
    from edgemind.models.names import ModelFile
    from edgemind.settings import Settings

Asked = TypeVar("Asked", bound="BaseModel")

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="Installed name, or a path to any GGUF file.",
        autocompletion=completion.installed_names,
    ),
]
Think = Annotated[bool, typer.Option("--think", help="Reason first, where the model can choose.")]
HideThinking = Annotated[bool, typer.Option("--hide-thinking", help="Reason, but do not show it.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object, on failure too.")]
RequireOffline = Annotated[
    bool, typer.Option("--require-offline", help="Refuse to run unless the system keeps the network shut.")
]
"""Flags that mean the same wherever they are."""

SAMPLING_FLAGS = (
    *("temperature", "top_k", "top_p", "min_p", "typical_p", "seed"),
    *("repeat_penalty", "presence_penalty", "frequency_penalty", "penalty_last_n"),
    *("dry_multiplier", "dry_base", "dry_allowed_length", "dry_penalty_last_n"),
    *("xtc_probability", "xtc_threshold", "mirostat", "mirostat_tau", "mirostat_eta"),
)
"""Flags that are fields of ``events.Sampling``, by name."""

LARGEST = {int: "2147483647", float: "3.4e38"}
"""What llama.cpp's numbers hold. A seed may be larger."""

MAX_DEPTH = 128
"""Of a JSON schema: what crosses the pipe to the worker may nest about 200 deep, and no schema of use comes near."""


@dataclass(frozen=True)
class Flags:
    """The flags of ``edgemind run`` as they were typed."""

    prompt: list[str] | None
    model: str | None
    file: list[str] | None
    system: str | None
    think: bool
    no_think: bool
    hide_thinking: bool
    thinking_budget: int | None
    thinking_close: str | None
    max_tokens: int | None
    stop: list[str] | None
    schema: Path | None
    grammar: Path | None
    confidence: bool
    json: bool
    stats: bool
    require_offline: bool
    context: int | None
    threads: int | None
    gpu_layers: int | None
    kv_type: str | None
    lora: list[str] | None
    logit_bias: list[str] | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    min_p: float | None
    typical_p: float | None
    seed: int | None
    repeat_penalty: float | None
    presence_penalty: float | None
    frequency_penalty: float | None
    penalty_last_n: int | None
    dry_multiplier: float | None
    dry_base: float | None
    dry_allowed_length: int | None
    dry_penalty_last_n: int | None
    xtc_probability: float | None
    xtc_threshold: float | None
    mirostat: int | None
    mirostat_tau: float | None
    mirostat_eta: float | None

    def check(self) -> None:
        """Refuse flags that contradict each other, and a prompt that nobody gave.

        Raises:
            UsageError: saying which flags, and what to do.
        """
        one_of_two = "Give one of the two."
        if self.think and self.no_think:
            raise UsageError("--think and --no-think contradict each other.", one_of_two)
        if self.schema and self.grammar:
            raise UsageError("--schema and --grammar contradict each other.", one_of_two)
        if self.no_think and self.thinking_budget:
            raise UsageError("--no-think leaves nothing for --thinking-budget to limit.", one_of_two)
        if self.no_think and self.thinking_close is not None:
            raise UsageError("--no-think leaves no thought for --thinking-close to close.", one_of_two)
        if self.think and self.thinking_budget == 0:
            raise UsageError(
                "--think and --thinking-budget 0 contradict each other.", "Leave --think out, or allow some tokens."
            )
        for name, value in vars(self).items():
            _check_number(name, value)
        if not (self.prompt or self.file or prompt.standard_input_has_text()):
            raise UsageError("There is no prompt.", prompt.EXAMPLE)


def load_options(flags: Flags, settings: Settings, model: ModelFile) -> LoadOptions:
    """How to open the model.

    Raises:
        UsageError: a flag is out of its range.
        ModelNotFound, ModelUnusable: an adapter is not there, or a path cannot be sent to the worker.
        BadConfig: the catalog is not valid.
    """
    from edgemind.engine.events import LoadOptions

    values = defaults.load_values(
        model,
        settings,
        context=flags.context,
        threads=flags.threads,
        gpu_layers=flags.gpu_layers,
        kv_type=flags.kv_type,
        adapters=[adapter(given) for given in flags.lora or ()],
    )
    return validated(LoadOptions, values)


def request(flags: Flags, settings: Settings, model: ModelFile, text: str) -> GenerateRequest:
    """What to ask.

    Raises:
        UsageError: a flag is out of its range.
        BadConstraint: the schema or grammar file is missing or no such thing.
    """
    from edgemind.engine.events import GenerateRequest, Message

    messages = [Message(role="user", content=text)]
    if flags.system:
        messages.insert(0, Message(role="system", content=prompt.argument(flags.system, "--system")))
    budget = _budget(flags, settings)
    if flags.thinking_close is not None and budget is None:
        raise UsageError("--thinking-close needs a budget that can be spent.", "Add --thinking-budget TOKENS.")
    close = settings.thinking_close if flags.thinking_close is None else flags.thinking_close
    values: dict[str, Any] = {
        "messages": tuple(messages),
        "sampling": sampling(flags),
        "stop": tuple(prompt.argument(stop, "--stop") for stop in flags.stop or () if stop),
        "max_tokens": flags.max_tokens,
        "thinking": "on" if flags.think else "off" if flags.no_think else defaults.thinking(model, settings),
        "thinking_budget": budget,
        "thinking_close": close if close is None else prompt.argument(close, "--thinking-close"),
        "grammar": _read_constraint(flags.grammar, "grammar") if flags.grammar else None,
        "json_schema": _read_schema(flags.schema) if flags.schema else None,
        "confidence": flags.confidence,
    }
    return validated(GenerateRequest, values)


def sampling(flags: Flags) -> Sampling:
    """The sampling that was asked for."""
    from edgemind.engine.events import Sampling

    values = {name: getattr(flags, name) for name in SAMPLING_FLAGS}
    values["logit_bias"] = dict(map(_bias, flags.logit_bias)) if flags.logit_bias else None
    return validated(Sampling, values)


def adapter(given: str) -> tuple[str, float]:
    """``PATH[:SCALE]`` of a LoRA adapter.

    Raises:
        ModelNotFound, ModelUnusable: there is no such file.
        UsageError: the scale is no number.
    """
    from edgemind.models.opening import open_regular

    path, colon, scale = given.rpartition(":")
    number = _number(scale) if colon else None
    if number is None:
        path, number = given, 1.0
    os.close(open_regular(path))
    return sendable(path), number


def _budget(flags: Flags, settings: Settings) -> int | None:
    """A budget of 0 in the settings means no reasoning by default; ``--think`` asks for some."""
    if flags.no_think:
        return None
    if flags.thinking_budget is None and flags.think:
        return settings.thinking_budget or None
    return first(flags.thinking_budget, settings.thinking_budget)


def _check_number(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, float) and not math.isfinite(value):
        raise UsageError(f"{flag} has to be a finite number, not {value}.", "edgemind run --help")
    largest = LARGEST[type(value)]
    if abs(value) > float(largest) and name != "seed":
        raise UsageError(f"{flag} is at most {largest}.", "edgemind run --help")


def _bias(given: str) -> tuple[int, float]:
    token, equals, value = given.partition("=")
    number = _number(value)
    if not equals or not token.isdecimal() or number is None:
        raise UsageError(f"--logit-bias takes TOKEN=BIAS, not {clean_line(given)!r}.", "--logit-bias 1234=-5")
    return int(token), number


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read_constraint(file: Path, what: str) -> str:
    try:
        return prompt.attachment(str(file)).text
    except BadInput as problem:
        raise BadConstraint(problem.message, f"Look at the file that --{what} names.") from problem


def _read_schema(file: Path) -> dict[str, Any]:
    text = _read_constraint(file, "schema")
    shown = _shown(file)
    try:
        schema = json.loads(text)
        json.dumps(schema, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as problem:
        where = "it nests too deep" if isinstance(problem, RecursionError) else "a number is too long, or none"
        if isinstance(problem, json.JSONDecodeError):
            where = f"line {problem.lineno}: {problem.msg}"
        elif isinstance(problem, UnicodeEncodeError):
            where = f"it holds half a character, \\u{ord(problem.object[problem.start]):04x}"
        raise BadConstraint(f"{shown} is not valid JSON: {where}.", "Mend it there.") from problem
    if not isinstance(schema, dict):
        example = 'A schema is an object: {"type": "object", "properties": {...}}'
        raise BadConstraint(f"{shown} is JSON, but no JSON schema.", example)
    if _is_deeper(schema, MAX_DEPTH):
        raise BadConstraint(f"The schema {shown} nests more than {MAX_DEPTH} deep.", 'Use "$defs" and "$ref" in it.')
    return schema


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
    return bool(level)


def _shown(file: Path) -> str:
    return clean_line(str(file).encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def validated(kind: type[Asked], values: dict[str, Any], command: str = "run") -> Asked:
    """A request model; a value out of its range becomes a sentence about its flag.

    Raises:
        UsageError: that sentence.
    """
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as problem:
        first = problem.errors()[0]
        flag = str(first["loc"][0]).replace("_", "-")
        wanted = first["msg"].removeprefix("Input should be ")
        shown = clean_line(str(first["input"]))[:80]
        raise UsageError(f"--{flag} has to be {wanted}, not {shown}.", f"edgemind {command} --help") from problem
