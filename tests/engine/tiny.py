"""Small GGUF models with random weights, for tests that need a real one: a few hundred kilobytes, written in 20 ms.

They say nothing sensible, but every part of llama.cpp runs on them: tokenizer, template, attention, cache, LoRA.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType, TokenType
from numpy.typing import NDArray

CHATML = (
    "{%- for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{%- if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
"""Control tokens; the second ends a turn."""
INFILL = ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>")
"""Control tokens of a model that fills gaps, as Qwen's coders name them."""
TAGS = ("<think>", "</think>")
"""Added tokens that are plain text to the tokenizer's eye, as in Qwen3."""
WORDS = (" the", " a", " and", " is", "ing", "tion", " plus", " equals", " So", " then", "Ones", "Tens")
WEIGHT_TYPES = {"f32": GGMLQuantizationType.F32, "f16": GGMLQuantizationType.F16, "q8_0": GGMLQuantizationType.Q8_0}

Floats = NDArray[np.float32]


def tiny_model(
    path: Path,
    arch: str = "qwen3",
    *,
    layers: int = 2,
    embd: int = 64,
    heads: int = 4,
    kv_heads: int = 2,
    vocab: int = 0,
    context: int = 4096,
    sliding_window: int = 64,
    weights: str = "f32",
    words: Sequence[str] = WORDS,
    template: str | None = CHATML,
    tokenizer: str = "bpe",
    infill: bool | Sequence[str] = False,
    pre: str | None = None,
    name: str = "tiny",
    seed: int = 0,
) -> Path:
    """Write a model and return its path.

    Args:
        arch: ``llama``, ``qwen3`` or ``gemma3``; of the last, five layers of six have a sliding window.
        vocab: at least this many tokens, filled up with unused ones.
        weights: ``f32``, ``f16`` or ``q8_0``, for every matrix.
        tokenizer: ``bpe`` (byte-level, like GPT-2 and Qwen) or ``spm`` (like Llama 2).
        infill: control tokens of a model that fills gaps; True for Qwen's.
        pre: how words are split (``bpe``), unless it is the architecture's way.
    """
    writer = gguf.GGUFWriter(path, arch)
    writer.add_name(name)
    writer.add_context_length(context)
    writer.add_embedding_length(embd)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * embd)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(embd // heads)
    writer.add_value_length(embd // heads)
    writer.add_rope_dimension_count(embd // heads)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-6)
    if arch == "gemma3":
        writer.add_sliding_window(sliding_window)
    holes = INFILL if infill is True else tuple(infill or ())
    if tokenizer == "bpe":
        size = _bpe(writer, pre or {"llama": "llama-bpe"}.get(arch, "qwen2"), words, vocab, SPECIALS + holes)
    else:
        size = _spm(writer, vocab, holes)
    if template is not None:
        writer.add_chat_template(template)
    rng = np.random.default_rng(seed)
    for tensor, shape in _tensors(arch, layers, embd, heads, kv_heads, size).items():
        _add(writer, tensor, _draw(rng, tensor, shape), WEIGHT_TYPES[weights])
    _write(writer)
    return path


def tiny_adapter(
    path: Path, arch: str = "qwen3", *, layers: int = 2, embd: int = 64, rank: int = 4, seed: int = 1
) -> Path:
    """A LoRA adapter for the query projections of a ``tiny_model`` with the same numbers."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(rank))
    rng = np.random.default_rng(seed)
    for layer in range(layers):
        for part, shape in (("lora_a", (rank, embd)), ("lora_b", (embd, rank))):
            data = rng.standard_normal(shape, np.float32)
            _add(writer, f"blk.{layer}.attn_q.weight.{part}", data, GGMLQuantizationType.F32)
    _write(writer)
    return path


def _tensors(arch: str, layers: int, embd: int, heads: int, kv_heads: int, vocab: int) -> dict[str, tuple[int, ...]]:
    head = embd // heads
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (vocab, embd),
        "output_norm.weight": (embd,),
        "output.weight": (vocab, embd),
    }
    for layer in range(layers):
        block: dict[str, tuple[int, ...]] = {
            "attn_norm": (embd,),
            "attn_q": (heads * head, embd),
            "attn_k": (kv_heads * head, embd),
            "attn_v": (kv_heads * head, embd),
            "attn_output": (embd, heads * head),
            "ffn_norm": (embd,),
            "ffn_gate": (2 * embd, embd),
            "ffn_up": (2 * embd, embd),
            "ffn_down": (embd, 2 * embd),
        }
        if arch in ("qwen3", "gemma3"):
            block |= {"attn_q_norm": (head,), "attn_k_norm": (head,)}
        if arch == "gemma3":
            block |= {"post_attention_norm": (embd,), "post_ffw_norm": (embd,)}
        shapes |= {f"blk.{layer}.{name}.weight": shape for name, shape in block.items()}
    return shapes


def _draw(rng: np.random.Generator, name: str, shape: tuple[int, ...]) -> Floats:
    """Norms near 1, matrices that keep the size of what passes; the output sharp enough for a clear best token."""
    if len(shape) == 1:
        return np.ones(shape, np.float32) + 0.1 * rng.standard_normal(shape, np.float32)
    scale = 3.0 if name == "output.weight" else 1.0
    return (scale / np.sqrt(shape[-1])).astype(np.float32) * rng.standard_normal(shape, np.float32)


def _add(writer: gguf.GGUFWriter, name: str, data: Floats, kind: GGMLQuantizationType) -> None:
    if data.ndim == 1:
        kind = GGMLQuantizationType.F32
    writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)


def _write(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _bpe(writer: gguf.GGUFWriter, pre: str, words: Sequence[str], size: int, specials: Sequence[str]) -> int:
    """256 bytes, the words with the merges that lead to them, control tokens, tags, unused ones."""
    tokens = list(BYTE_LETTERS)
    merges = []
    for word in words:
        letters = [BYTE_LETTERS[byte] for byte in word.encode()]
        grown = letters[0]
        for letter in letters[1:]:
            merge = f"{grown} {letter}"
            grown += letter
            if merge not in merges:
                merges.append(merge)
                tokens.append(grown)
    kinds = [TokenType.NORMAL] * len(tokens)
    for texts, kind in ((specials, TokenType.CONTROL), (TAGS, TokenType.USER_DEFINED)):
        tokens += texts
        kinds += [kind] * len(texts)
    unused = max(0, size - len(tokens))
    tokens += [f"<unused{number}>" for number in range(unused)]
    kinds += [TokenType.UNUSED] * unused
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    writer.add_eos_token_id(tokens.index("<|im_end|>"))
    writer.add_pad_token_id(tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    return len(tokens)


def _spm(writer: gguf.GGUFWriter, size: int, holes: Sequence[str]) -> int:
    """``<unk>``, ``<s>``, ``</s>``, bytes, letters, a few pieces, the tags."""
    pieces = ["▁the", "▁a", "▁and", "ing", "▁t", "he", "▁th", "in", "an", "▁an", "▁"]
    letters = [chr(code) for code in range(33, 127)]
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces, *letters, *TAGS, *holes]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, *[TokenType.BYTE] * 256]
    kinds += [TokenType.NORMAL] * (len(pieces) + len(letters)) + [TokenType.USER_DEFINED] * len(TAGS)
    kinds += [TokenType.CONTROL] * len(holes)
    unused = max(0, size - len(tokens))
    tokens += [f"<unused{number}>" for number in range(unused)]
    kinds += [TokenType.UNUSED] * unused
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([float(-number) for number in range(len(tokens))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    return len(tokens)


def _byte_letters() -> list[str]:
    """GPT-2's letters for bytes: printable ones stand for themselves, the others for letters from U+0100 on."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


BYTE_LETTERS = _byte_letters()
