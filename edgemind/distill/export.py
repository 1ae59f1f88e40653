"""Write a trained ``Nano`` as a GGUF file of architecture ``qwen3``, matrices in Q8_0.

Tensor names and metadata keys follow llama.cpp's ``gguf-py/gguf/constants.py``. Not for Hugging Face checkpoints.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from edgemind.distill.model import Nano
from edgemind.distill.tokenizer import CONTROL, END, PAD, SPECIALS, TEMPLATE

BLOCK_NAMES = {
    "attn_norm": "attn_norm",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "q_norm": "attn_q_norm",
    "k_norm": "attn_k_norm",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}
"""Our module names to llama.cpp's, within one layer."""


@dataclass(frozen=True)
class About:
    """What the file says of itself; ``provenance`` becomes ``edgemind.*`` keys."""

    name: str
    description: str
    provenance: Mapping[str, str | int]
    author: str = "the EdgeMind authors"
    license: str = "apache-2.0"


def tensor_name(name: str) -> str:
    """llama.cpp's name of a parameter of ``Nano``."""
    parts = name.split(".")
    if parts[0] == "blocks":
        return f"blk.{parts[1]}.{BLOCK_NAMES[parts[2]]}.weight"
    return {"embed": "token_embd.weight", "norm": "output_norm.weight"}[parts[0]]


def add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Tokenizer) -> None:
    """Tokens, their kinds, merges, the special ones and the chat template."""
    size = tokenizer.get_vocab_size()
    tokens = [tokenizer.id_to_token(index) for index in range(size)]
    kinds = [
        gguf.TokenType.CONTROL
        if token in CONTROL
        else gguf.TokenType.USER_DEFINED
        if token in SPECIALS
        else gguf.TokenType.NORMAL
        for token in tokens
    ]
    merges = json.loads(tokenizer.to_str())["model"]["merges"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges([" ".join(pair) for pair in merges])
    writer.add_eos_token_id(tokenizer.token_to_id(END))
    writer.add_pad_token_id(tokenizer.token_to_id(PAD))
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)


def write_gguf(path: Path, model: Nano, tokenizer: Tokenizer, about: About) -> None:
    """Write the file next to ``path`` and move it there when it is whole."""
    shape = model.shape
    partial = path.with_name(path.name + ".partial")
    writer = gguf.GGUFWriter(partial, "qwen3")
    writer.add_name(about.name)
    writer.add_description(about.description)
    writer.add_author(about.author)
    writer.add_license(about.license)
    writer.add_size_label(f"{round(sum(p.numel() for p in model.parameters()) / 1e6)}M")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for key, value in about.provenance.items():
        if isinstance(value, int):
            writer.add_uint64(f"edgemind.{key}", value)
        else:
            writer.add_string(f"edgemind.{key}", value)
    writer.add_block_count(shape.layers)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_feed_forward_length(shape.ffn)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_key_length(shape.head_dim)
    writer.add_value_length(shape.head_dim)
    writer.add_rope_freq_base(shape.rope_theta)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    add_vocabulary(writer, tokenizer)
    for name, weight in model.state_dict().items():
        values: NDArray[np.float32] = weight.float().numpy()
        if values.ndim == 1:
            writer.add_tensor(tensor_name(name), values)
        else:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(tensor_name(name), gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.replace(partial, path)
