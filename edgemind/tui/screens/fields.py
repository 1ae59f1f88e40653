"""The numbers of a chat's settings as fields: their words, what is allowed, and what is wrong with what was typed.

What is allowed comes from the models that the engine itself validates with, so the two cannot differ.
Not for: drawing (``settings``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgemind.chat.types import Parameters
    from edgemind.engine.events import Sampling


@dataclass(frozen=True)
class Number:
    """One field. ``name`` is its name in ``Parameters`` or, with ``sampling``, in ``Sampling``."""

    name: str
    words: str
    note: str
    """What empty means, or what it does; a few words."""
    sampling: bool = True


LENGTHS = (
    Number("thinking_budget", "Thinking budget", "tokens of thought", sampling=False),
    Number("max_tokens", "Longest answer", "tokens, thought included", sampling=False),
)
SAMPLING = (
    Number("temperature", "Temperature", "0: always the likeliest token"),
    Number("top_k", "Top-k", "the k likeliest tokens; 0: all"),
    Number("top_p", "Top-p", "likeliest up to this sum; 1: all"),
    Number("min_p", "Min-p", "this share of the likeliest; 0: all"),
    Number("typical_p", "Typical-p", "locally typical sampling; 1: off"),
    Number("repeat_penalty", "Repeat penalty", "1: none"),
    Number("presence_penalty", "Presence penalty", "0: none"),
    Number("frequency_penalty", "Frequency penalty", "0: none"),
    Number("penalty_last_n", "Penalty window", "tokens; -1: the whole context"),
    Number("dry_multiplier", "DRY multiplier", "against repeated passages; 0: off"),
    Number("dry_base", "DRY base", "growth with the repeated length"),
    Number("dry_allowed_length", "DRY free length", "tokens that may repeat"),
    Number("dry_penalty_last_n", "DRY window", "tokens; -1: the whole context"),
    Number("xtc_probability", "XTC probability", "leave out likely tokens; 0: off"),
    Number("xtc_threshold", "XTC threshold", "what counts as likely"),
    Number("mirostat", "Mirostat", "0: off, or version 1 or 2"),
    Number("mirostat_tau", "Mirostat tau", "target surprise"),
    Number("mirostat_eta", "Mirostat eta", "learning rate"),
    Number("seed", "Seed", "empty: another one each time"),
)


def text_of(number: Number, parameters: Parameters) -> str:
    """What stands in the field; empty for what is left to the model."""
    value = getattr(parameters.sampling if number.sampling else parameters, number.name)
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def check(number: Number, text: str) -> tuple[Any, str]:
    """The value that a text means, and what is wrong with it in one sentence; empty when nothing is."""
    from pydantic import ValidationError

    text = text.strip()
    if not text:
        return None, ""
    whole = _is_whole(number)
    try:
        value: float = int(text) if whole else float(text)
    except ValueError:
        if not whole and "," in text:
            return None, f"{number.words}: write the decimal with a point, as in 0.7."
        return None, f"{number.words}: {'a whole number' if whole else 'a number'}{_range(number)}."
    if value != value or value in (float("inf"), float("-inf")):
        return None, f"{number.words}: a number{_range(number)}."
    try:
        _model(number).model_validate({number.name: value})
    except ValidationError:
        return None, f"{number.words}: {'a whole number' if whole else 'a number'}{_range(number)}."
    return value, ""


def built(values: dict[Number, Any], before: Parameters, thinking: str, confidence: bool) -> Parameters:
    """Parameters of valid values; what has no field stays as it was."""
    from edgemind.chat.types import Parameters
    from edgemind.engine.events import Sampling

    sampling = before.sampling.model_dump() | {one.name: value for one, value in values.items() if one.sampling}
    own = before.model_dump() | {one.name: value for one, value in values.items() if not one.sampling}
    own |= {"thinking": thinking, "confidence": confidence, "sampling": Sampling.model_validate(sampling)}
    return Parameters.model_validate(own)


def default_of(number: Number, model: Sampling | None) -> str:
    """The model's own value, for the empty field; empty when it has none."""
    value = getattr(model, number.name, None) if number.sampling and model is not None else None
    return "" if value is None else f"{value:g} (model)"


def _model(number: Number) -> Any:
    from edgemind.chat.types import Parameters
    from edgemind.engine.events import Sampling

    return Sampling if number.sampling else Parameters


def _is_whole(number: Number) -> bool:
    return "float" not in str(_model(number).model_fields[number.name].annotation)


def _range(number: Number) -> str:
    """`` from 0 to 1``, as the model's field demands it."""
    if number.name == "mirostat":
        return ": 0, 1 or 2"
    low = high = above = None
    for rule in _model(number).model_fields[number.name].metadata:
        low = getattr(rule, "ge", low)
        high = getattr(rule, "le", high)
        above = getattr(rule, "gt", above)
    if above is not None:
        return f" above {above:g}" + (f", up to {high:g}" if high is not None else "")
    if low is not None and high is not None:
        return f" from {low:,} to {high:,}"
    return f" from {low:,} on" if low is not None else ""
