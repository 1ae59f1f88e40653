"""Which of llama.cpp's ways to cut text a tokenizer has, told from the steps in its ``tokenizer.json``.

The steps are brought into one form and compared with those that llama.cpp has (``llm_tokenizer_bpe`` in
``llama-vocab.cpp``, 0c1e57098), so a tokenizer that was trained yesterday is recognised like a known one.
Not for: tokens and merges (``reading``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Steps = tuple[str, ...]

CONTRACTION = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
WORD = r"[^\r\n\p{L}\p{N}]?\p{L}+"
SYMBOLS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+", rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*")
SYMBOLS_OR_SLASH = r" ?[^\s\p{L}\p{N}]+[\r\n/]*"
DIGIT, THREE_DIGITS = r"\p{N}", r"\p{N}{1,3}"
CJK = "[一-龥぀-ゟ゠-ヿ]+"
DEEPSEEK = (
    r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
    + SPACES
)


@dataclass(frozen=True)
class Cut:
    """One of llama.cpp's pre-tokenizers.

    ``whole_words``: a word that is a token as it stands becomes that token, whatever the merges say
    (``ignore_merges``). ``None``: any.
    """

    name: str
    steps: Steps
    whole_words: bool | None = None
    loose: bool = False
    """llama.cpp's expression knows capitals from A to Z only, and no combining marks."""


KNOWN: tuple[Cut, ...] = (
    Cut("gpt-2", (GPT2,)),
    Cut("smollm", (DIGIT, GPT2)),
    Cut("llama-bpe", (f"{CONTRACTION}|{WORD}|{THREE_DIGITS}|{SYMBOLS}|{SPACES}",), whole_words=True),
    Cut("smaug-bpe", (f"{CONTRACTION}|{WORD}|{THREE_DIGITS}|{SYMBOLS}|{SPACES}",), whole_words=False),
    Cut("qwen2", (f"{CONTRACTION}|{WORD}|{DIGIT}|{SYMBOLS}|{SPACES}",)),
    Cut(
        "qwen35",
        (
            rf"{CONTRACTION}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|{DIGIT}"
            rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{SPACES}",
        ),
    ),
    Cut("ufakzeka", (f"{WORD}|{DIGIT}|{SYMBOLS}|{SPACES}",)),
    # llama.cpp's other one of that expression, "gpt-4o", knows no combining marks: Hindi and Thai would differ.
    Cut(
        "granite-embed-multi-97m",
        (f"{CASED[0]}{CONTRACTION}?|{CASED[1]}{CONTRACTION}?|{THREE_DIGITS}|{SYMBOLS_OR_SLASH}|{SPACES}",),
        loose=True,
    ),
    Cut("tekken", (f"{CASED[0]}|{CASED[1]}|{DIGIT}|{SYMBOLS_OR_SLASH}|{SPACES}",), loose=True),
    Cut("deepseek-v3", (THREE_DIGITS, CJK, DEEPSEEK)),
    Cut("minicpm5", (THREE_DIGITS, rf"{CONTRACTION}|{WORD}|\p{{N}}+|{SYMBOLS}|{SPACES}")),
    Cut("seed-coder", (rf"{CONTRACTION}|{WORD}|{DIGIT}| ?[^\s\p{{L}}\p{{N}}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+",)),
    Cut(
        "bailingmoe",
        (rf"'(?i:[sdmt]|ll|ve|re)|{WORD}|{DIGIT}|{SYMBOLS}|\s*[\r\n]|\s+(?!\S)|\s+",),
    ),
)


@dataclass(frozen=True)
class Recognised:
    """The pre-tokenizer to write, and why there is doubt about it, if there is."""

    name: str
    doubt: str = ""
    loose: bool = False


def recognise(pre_tokenizer: Any, whole_words: bool) -> Recognised:
    """The pre-tokenizer of llama.cpp for these steps: the same one, or else the nearest with a doubt.

    Args:
        pre_tokenizer: as it stands in ``tokenizer.json``.
        whole_words: ``ignore_merges`` of the BPE model there.
    """
    steps, strange = canonical(pre_tokenizer)
    same = [cut for cut in KNOWN if cut.steps == steps and not strange]
    exact = [cut for cut in same if cut.whole_words in (None, whole_words)]
    if exact:
        return Recognised(exact[0].name, loose=exact[0].loose)
    if same:
        return Recognised(same[0].name, "whole words that are tokens are treated otherwise in llama.cpp")
    joined = "\n".join(steps)
    best = max(KNOWN, key=lambda cut: difflib.SequenceMatcher(None, "\n".join(cut.steps), joined, False).ratio())
    why = (
        f"its step {strange!r} is not in llama.cpp"
        if strange
        else "llama.cpp cuts text in no way that is exactly this one"
    )
    return Recognised(best.name, f"{why}; {best.name!r} is the nearest")


def canonical(pre_tokenizer: Any) -> tuple[Steps, str]:
    """The expressions that text is cut by, in one spelling, and the name of the first step that is none.

    The byte-level step at the end is what makes it byte-level BPE, and no step here.
    """
    found: list[str] = []
    strange = ""
    for step in _flat(pre_tokenizer):
        expression = _expression(step)
        if expression is None:
            strange = strange or str(step.get("type"))
        elif expression:
            found.append(spelled(expression))
    return tuple(found), strange


def _flat(step: Any) -> list[Mapping[str, Any]]:
    if not isinstance(step, dict):
        return []
    if step.get("type") == "Sequence":
        return [inner for part in step.get("pretokenizers") or () for inner in _flat(part)]
    return [step]


def _expression(step: Mapping[str, Any]) -> str | None:
    """The expression that a step cuts by, ``""`` when it cuts nothing, ``None`` when it is something else."""
    kind = step.get("type")
    if kind == "ByteLevel":
        if step.get("add_prefix_space"):
            return None
        return GPT2 if step.get("use_regex", True) else ""
    if kind == "Digits":
        return DIGIT if step.get("individual_digits") else r"\p{N}+"
    if kind == "Split":
        pattern = step.get("pattern") or {}
        expression = pattern.get("Regex", re.escape(str(pattern.get("String", ""))))
        manner = str(step.get("behavior")).lower(), bool(step.get("invert"))
        if manner in (("isolated", False), ("removed", True), ("isolated", True)) and isinstance(expression, str):
            return expression
    return None


def spelled(expression: str) -> str:
    r"""One spelling for expressions that mean the same: line ends as escapes, ``{1}`` left out, greed without
    possession (what is tried in order here never goes back to give up a character that matters)."""
    text = expression.replace("\r", r"\r").replace("\n", r"\n")
    text = re.sub(r"(\\p\{\w+\}|\])\{1\}", r"\1", text)
    text = re.sub(r"(?<=[^\\])([+?*])\+", r"\1", text)
    text = text.replace(r"[\n\r]", r"[\r\n]").replace(r"[^\n\r", r"[^\r\n")
    return text.replace(r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])", CONTRACTION)
