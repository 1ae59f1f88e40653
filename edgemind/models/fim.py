"""The tokens that models know for a gap in a file: their spellings, and the order in which a family reads them.

One list for every room: what a converted file names by number, which files fill gaps, and what the worker looks for.
Not for: which models can (``infill``), or the prompt (the worker's).
"""

from __future__ import annotations

from typing import Literal

NAMES: dict[str, tuple[str, ...]] = {
    "fim_pre": (
        *("<|fim_prefix|>", "<fim_prefix>", "<fim-prefix>", "<|fim_begin|>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>"),
        *("<|code_prefix|>", "<|prefix|>", "<[fim-prefix]>"),
    ),
    "fim_suf": (
        *("<|fim_suffix|>", "<fim_suffix>", "<fim-suffix>", "<|fim_hole|>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>"),
        *("<|code_suffix|>", "<|suffix|>", "<[fim-suffix]>"),
    ),
    "fim_mid": (
        *("<|fim_middle|>", "<fim_middle>", "<fim-middle>", "<|fim_end|>", "<｜fim▁end｜>", "<MID>", "▁<MID>"),
        *("<|code_middle|>", "<|middle|>", "<[fim-middle]>"),
    ),
    "fim_pad": ("<|fim_pad|>", "<fim_pad>", "<fim-pad>"),
    "fim_rep": ("<|repo_name|>", "<|fim_repo|>", "<reponame>", "<fim-repo>"),
    "fim_sep": ("<|file_sep|>",),
}
"""By what they are for, as the keys of a GGUF file call it. In order: Qwen and CodeGemma, StarCoder and Granite,
SantaCoder, two of DeepSeek's, two of CodeLlama's, GLM, Falcon, Seed-Coder."""

FRAME = ("fim_pre", "fim_suf", "fim_mid")
"""Without these no gap is filled."""

ENDS = (
    *("<|file_sep|>", "<file_sep>", "<|file_separator|>", "<filename>", "<|filename|>"),
    *("<|repo_name|>", "<repo_name>", "<reponame>", "<|fim_pad|>", "<fim_pad>", "<fim-pad>", "<EOT>", "▁<EOT>"),
)
"""Where another file or nothing begins: the middle is over. llama.cpp ends a generation at some of them only."""

BARE = {"fim_pre": "[PREFIX]", "fim_suf": "[SUFFIX]"}
"""Codestral's: a suffix, then a prefix, and no third token. Other models of Mistral have them and were not taught."""

Order = Literal["prefix first", "suffix first"]


def bare(name: str | None) -> bool:
    """Whether a model of this name (``general.name``) reads the two tokens of ``BARE``."""
    return "codestral" in (name or "").lower()


def order(prefix: str, pre: str | None) -> Order:
    """Which text comes first.

    Args:
        prefix: how the token before the prefix is spelled.
        pre: how the file splits words (``tokenizer.ggml.pre``): Mellum spells its tokens as StarCoder does.
    """
    mellum = (pre or "").startswith("mellum")
    return "suffix first" if mellum or prefix in ("<[fim-prefix]>", BARE["fim_pre"]) else "prefix first"
