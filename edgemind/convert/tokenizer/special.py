"""Which tokens begin and end a text, a turn or a hole in code, and what a chat looks like: from the files around a
tokenizer. Not for: the tokens themselves (``reading``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from edgemind.convert.checkpoint import Checkpoint
from edgemind.models import fim

NAMED = ("bos", "eos", "unk", "sep", "pad", "mask")
"""Special tokens that ``tokenizer_config.json`` and ``config.json`` name."""

ENDS = frozenset(
    (
        *("<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "</s>"),
        *("<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<eos>", "<end_of_utterance>", "<｜end▁of▁sentence｜>"),
    )
)
"""Tokens that llama.cpp ends a generation at without being told (``llama-vocab.cpp``)."""


def special_ids(checkpoint: Checkpoint, ids: Mapping[str, int], config: Mapping[str, Any]) -> dict[str, int]:
    """Token ids by what they are for.

    The tokenizer's own words come first, then those of the model. What ``generation_config.json`` also ends at
    becomes the end of a turn, unless llama.cpp knows that by itself.

    Args:
        ids: of every token.
        config: ``tokenizer_config.json``.
    """
    model, generation = checkpoint.config, checkpoint.json("generation_config.json") or {}
    found: dict[str, int] = {}
    for name in NAMED:
        text = token_text(config.get(f"{name}_token"))
        token = ids.get(text) if text else None
        if token is None:
            token = _number(model.get(f"{name}_token_id"), len(ids))
        if token is not None:
            found[name] = token
    texts = {number: text for text, number in ids.items()}
    given = generation.get("eos_token_id")
    ends = [token for token in _several(model.get("eos_token_id") if given is None else given) if token in texts]
    if "eos" not in found and ends:
        found["eos"] = ends[0]
    more = [token for token in ends if token != found.get("eos") and texts[token] not in ENDS]
    found.update(zip(("eot", "eom"), more, strict=False))
    for name, spellings in fim.NAMES.items():
        token = next((ids[text] for text in spellings if text in ids), None)
        if token is not None:
            found[name] = token
    return found


def starting(post_processor: Any) -> int | None:
    """The token that the tokenizer itself puts in front of a text, for files that name no start token."""
    for step in _steps(post_processor):
        first = next(iter(step.get("single") or ()), None) if step.get("type") == "TemplateProcessing" else None
        name = (first.get("SpecialToken") or {}).get("id") if isinstance(first, dict) else None
        ids = ((step.get("special_tokens") or {}).get(name) or {}).get("ids")
        if isinstance(ids, list) and len(ids) == 1 and isinstance(ids[0], int):
            return ids[0]
    return None


def added_around(post_processor: Any, config: Mapping[str, Any], special: Mapping[str, int]) -> dict[str, bool]:
    """Whether a start and an end token are put around a text.

    The post-processor is what the tokenizer really does; without one in ``tokenizer.json`` nothing is put there. Both
    are always said, since what llama.cpp takes for granted depends on the cut.

    Args:
        config: ``add_bos_token`` and ``add_eos_token`` for a tokenizer that has no ``tokenizer.json``.
    """
    found: dict[str, bool] = {}
    for step in _steps(post_processor):
        if step.get("type") == "ByteLevel":
            found.setdefault("bos", False)
            found.setdefault("eos", False)
        elif step.get("type") == "TemplateProcessing":
            single = step.get("single") or []
            tokens = [part.get("SpecialToken", {}).get("id") for part in single if isinstance(part, dict)]
            if len(tokens) > 1:
                wanted = step.get("special_tokens") or {}
                found["bos"] = _is(tokens[0], wanted, special.get("bos"))
                found["eos"] = _is(tokens[-1], wanted, special.get("eos"))
    for name in ("bos", "eos"):
        flag = config.get(f"add_{name}_token")
        found.setdefault(name, flag is True)
    return {name: value and name in special for name, value in found.items()}


def chat_template(checkpoint: Checkpoint, config: Mapping[str, Any]) -> str | list[dict[str, str]] | None:
    """The template: a file of its own, as transformers reads it first, or within ``tokenizer_config.json``."""
    text = checkpoint.text("chat_template.jinja")
    if text is not None:
        folder = checkpoint.folder / "additional_chat_templates"
        others = sorted(folder.glob("*.jinja")) if folder.is_dir() else []
        if not others:
            return text
        rest = [
            {"name": path.stem, "template": checkpoint.text(f"additional_chat_templates/{path.name}") or ""}
            for path in others
        ]
        return [{"name": "default", "template": text}, *rest]
    given = config.get("chat_template")
    if given is None:
        given = (checkpoint.json("chat_template.json") or {}).get("chat_template")
    if isinstance(given, str):
        return given
    if isinstance(given, list) and all(isinstance(entry, dict) and "name" in entry for entry in given):
        return [{"name": str(entry["name"]), "template": str(entry.get("template", ""))} for entry in given]
    return None


def token_text(entry: Any) -> str | None:
    """A token of ``tokenizer_config.json``: its text, or an object that has it."""
    if isinstance(entry, dict):
        entry = entry.get("content")
    return entry if isinstance(entry, str) and entry else None


def looks_special(text: str) -> bool:
    """Whether an added token is a control token by its looks: some tokenizers do not mark theirs, and llama.cpp's own
    converter takes these for what they are."""
    bracketed = text.startswith(("<|", "<｜")) and text.endswith(("|>", "｜>"))
    unused = text.startswith("<unused") and text.endswith(">")
    return bracketed or unused or text in ("<pad>", "<mask>", "<2mass>", "[@BOS@]")


def _steps(post_processor: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(post_processor, dict):
        return ()
    return post_processor.get("processors") or (post_processor,)


def _is(name: Any, wanted: Mapping[str, Any], token: int | None) -> bool:
    ids = (wanted.get(name) or {}).get("ids") if isinstance(name, str) else None
    return token is not None and ids == [token]


def _number(value: Any, size: int) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size else None


def _several(value: Any) -> list[int]:
    values = value if isinstance(value, list) else [value]
    return [token for token in values if isinstance(token, int) and not isinstance(token, bool)]
