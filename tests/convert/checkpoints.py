"""Tiny random checkpoints of every family, made by transformers, with tokenizers trained on the spot.

Hidden 64, a few layers, some hundred tokens: a checkpoint is written in a tenth of a second and says nothing sensible.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
import transformers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN2 = LLAMA3.replace("{1,3}", "")
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEKKEN = O200K.replace(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace(r"\p{N}{1,3}", r"\p{N}")

TEXTS = (
    "The quick brown fox jumps over the lazy dog, and it isn't sorry; they're 12 of 345 in 2024.",
    "def add(left, right):\n    return left + right\n\n\nprint(add(1, 22))  # three\n",
    "Größe, naïve café, señor, Привет мир, 你好世界, こんにちは, สวัสดี, नमस्ते, שלום, مرحبا 🚀🙂",
    "We'll see what the model said: 'I've got it' and \"you'd\" better go on, hasn't he?",
)
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SIZE = 420
SHAPE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "vocab_size": SIZE,
}


def byte_level(
    pattern: str | None = QWEN2,
    *,
    digits: bool = False,
    form: str | None = None,
    bos: bool = False,
    ignore_merges: bool = False,
    specials: tuple[str, ...] = ("<|endoftext|>", "<|im_start|>", "<|im_end|>"),
    tags: tuple[str, ...] = ("<think>", "</think>"),
    size: int = 400,
) -> transformers.PreTrainedTokenizerFast:
    """Byte-level BPE. ``pattern`` None: the cut of GPT-2, inside the byte-level step."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    if form:
        tokenizer.normalizer = getattr(normalizers, form)()
    steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    if pattern:
        steps.append(pre_tokenizers.Split(Regex(pattern), "isolated"))
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps) if len(steps) > 1 else steps[0]
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        TEXTS * 3,
        trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in specials])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in tags])
    if bos:
        start = specials[1]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start} $A", special_tokens=[(start, tokenizer.token_to_id(start))]
        )
    return _wrapped(tokenizer, bos_token=specials[1] if bos else None, eos_token=specials[2], pad_token=specials[0])


def sentencepiece(
    prefix: str | None = "first", *, complete: bool = True, bos: bool = True, size: int = 400
) -> transformers.PreTrainedTokenizerFast:
    """BPE on characters with bytes for the unknown, as the Llama 2, Gemma and Mistral families have it.

    Args:
        prefix: ``first`` or ``always`` (Metaspace), ``normalizer`` (as older files have it), ``None`` for none.
        complete: with every merge that makes a token, as files made from SentencePiece have them.
    """
    alphabet = sorted({letter for text in TEXTS for letter in text.replace(" ", "▁")})
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    trainer = trainers.BpeTrainer(vocab_size=size - 259, show_progress=False, initial_alphabet=alphabet[:1])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    learned = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    names = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *(text for text, _ in learned)]
    vocab = {text: number for number, text in enumerate(names)}
    model = __import__("json").loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    if complete:
        merges = [
            (text[:at], text[at:])
            for text, _ in learned
            for at in range(1, len(text))
            if text[:at] in vocab and text[at:] in vocab
        ]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if prefix == "normalizer":
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    elif prefix is None:
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme=prefix, split=False)
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if prefix else [])])
    tokenizer.add_special_tokens(
        [AddedToken(text, special=True, normalized=False) for text in ("<unk>", "<s>", "</s>")]
    )
    tokenizer.add_tokens([AddedToken("<think>", special=False, normalized=False)])
    if bos:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return _wrapped(tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def unigram(size: int = 300) -> transformers.PreTrainedTokenizerFast:
    """A unigram model with a space in front."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace("▁", prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=size, show_progress=False, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>"
    )
    tokenizer.train_from_iterator(TEXTS * 8, trainer)
    return _wrapped(tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="<pad>")


def _wrapped(tokenizer: Tokenizer, **special: str | None) -> transformers.PreTrainedTokenizerFast:
    given = {name: text for name, text in special.items() if text}
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **given)
    made.chat_template = TEMPLATE
    return made


ROPE3 = {
    "rope_type": "llama3",
    "rope_theta": 500000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LONG = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0 + 0.05 * n for n in range(8)],
    "long_factor": [1.0 + 0.7 * n for n in range(8)],
    "original_max_position_embeddings": 256,
}

Config = Callable[[], Any]
FAMILIES: dict[str, tuple[Config, Callable[[], Any]]] = {
    "llama2": (lambda: transformers.LlamaConfig(**SHAPE), lambda: sentencepiece("normalizer")),
    "llama3": (
        lambda: transformers.LlamaConfig(**SHAPE, rope_parameters=ROPE3, tie_word_embeddings=True),
        lambda: byte_level(LLAMA3, bos=True, ignore_merges=True),
    ),
    "llama-bias": (
        lambda: transformers.LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True, head_dim=24),
        lambda: byte_level(LLAMA3),
    ),
    "mistral": (
        lambda: transformers.MistralConfig(**SHAPE, sliding_window=None, head_dim=32),
        lambda: byte_level(TEKKEN, bos=True, ignore_merges=True),
    ),
    "qwen2": (lambda: transformers.Qwen2Config(**SHAPE), lambda: byte_level(form="NFC")),
    "qwen3": (
        lambda: transformers.Qwen3Config(**SHAPE, head_dim=32, tie_word_embeddings=True),
        lambda: byte_level(form="NFC"),
    ),
    "qwen3-yarn": (
        lambda: transformers.Qwen3Config(
            **SHAPE,
            head_dim=32,
            rope_parameters={
                "rope_type": "yarn",
                "rope_theta": 1e6,
                "factor": 4.0,
                "original_max_position_embeddings": 128,
            },
        ),
        byte_level,
    ),
    "qwen2-yarn-attention": (
        lambda: transformers.Qwen2Config(
            **SHAPE,
            rope_parameters={
                "rope_type": "yarn",
                "rope_theta": 1e6,
                "factor": 4.0,
                "original_max_position_embeddings": 128,
                "attention_factor": 1.5,
            },
        ),
        byte_level,
    ),
    "phi3": (
        lambda: transformers.Phi3Config(**SHAPE, pad_token_id=0, sliding_window=None),
        lambda: sentencepiece("normalizer"),
    ),
    "phi3-long": (
        lambda: transformers.Phi3Config(
            **SHAPE,
            pad_token_id=0,
            sliding_window=None,
            rope_parameters=LONG,
            original_max_position_embeddings=256,
        ),
        lambda: byte_level(O200K),
    ),
    "phi4-mini": (
        lambda: transformers.Phi3Config(
            **SHAPE,
            pad_token_id=0,
            sliding_window=None,
            tie_word_embeddings=True,
            rope_parameters={
                **LONG,
                "partial_rotary_factor": 0.75,
                "short_factor": LONG["short_factor"][:6],
                "long_factor": LONG["long_factor"][:6],
            },
            original_max_position_embeddings=256,
        ),
        lambda: byte_level(O200K),
    ),
    "gemma2": (
        lambda: transformers.Gemma2Config(
            **SHAPE, head_dim=32, query_pre_attn_scalar=32, sliding_window=24, attn_logit_softcapping=5.0
        ),
        lambda: sentencepiece(None),
    ),
    "gemma3": (
        lambda: transformers.Gemma3TextConfig(
            **{**SHAPE, "num_hidden_layers": 7}, head_dim=32, query_pre_attn_scalar=32, sliding_window=24
        ),
        lambda: sentencepiece(None),
    ),
    "smollm3": (
        lambda: transformers.SmolLM3Config(
            **{**SHAPE, "num_hidden_layers": 5},
            pad_token_id=0,
            rope_parameters={"rope_type": "default", "rope_theta": 2e6},
        ),
        lambda: byte_level(LLAMA3),
    ),
    "granite": (
        lambda: transformers.GraniteConfig(
            **SHAPE,
            attention_multiplier=0.2,
            embedding_multiplier=3.0,
            residual_multiplier=0.4,
            logits_scaling=0.5,
        ),
        lambda: byte_level(None, digits=True),
    ),
}
"""Configuration and tokenizer of each checkpoint, by name."""


_MADE = tempfile.TemporaryDirectory(prefix="checkpoints-")


def checkpoint(folder: Path, name: str = "qwen3", seed: int = 0, **changes: Any) -> Path:
    """Write a random checkpoint of this name and return its folder; the same one is made once and copied then."""
    if changes:
        return _write(folder, name, seed, changes)
    first = Path(_MADE.name) / f"{name}-{seed}"
    if not first.exists():
        _write(first, name, seed, {})
    return Path(shutil.copytree(first, folder))


def _write(folder: Path, name: str, seed: int, changes: dict[str, Any]) -> Path:
    """Weights are large enough for sharp logits."""
    config_of, tokenizer_of = FAMILIES[name]
    config = config_of()
    for key, value in changes.items():
        setattr(config, key, value)
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    for part, weight in model.named_parameters():
        if weight.ndim == 1:
            torch.nn.init.normal_(weight, 0.0 if "gemma" in name or part.endswith("bias") else 1.0, 0.2)
        else:
            torch.nn.init.normal_(weight, 0.0, 0.15)
    model.generation_config.eos_token_id = None
    model.save_pretrained(folder)
    tokenizer_of().save_pretrained(folder)
    return folder
