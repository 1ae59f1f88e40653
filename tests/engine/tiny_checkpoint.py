"""A Hugging Face checkpoint of a few kilobytes, written without torch or transformers: Qwen3 with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tiny import BYTE_LETTERS, CHATML, SPECIALS

EMBEDDING, FEED_FORWARD, HEADS, KV_HEADS, HEAD = 64, 96, 4, 2, 16


def tiny_checkpoint(folder: Path, layers: int = 2) -> Path:
    """Write it and return its folder; its tokenizer knows bytes alone."""
    folder.mkdir()
    tokens = [*BYTE_LETTERS, *SPECIALS]
    config = {
        "architectures": ["Qwen3ForCausalLM"],
        "model_type": "qwen3",
        "hidden_size": EMBEDDING,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "head_dim": HEAD,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "vocab_size": len(tokens),
    }
    tokenizer = {
        "version": "1.0",
        "added_tokens": [
            {
                "id": len(BYTE_LETTERS) + number,
                "content": text,
                "special": True,
                "normalized": False,
                **dict.fromkeys(("single_word", "lstrip", "rstrip"), False),
            }
            for number, text in enumerate(SPECIALS)
        ],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True},
        "model": {"type": "BPE", "vocab": {text: number for number, text in enumerate(BYTE_LETTERS)}, "merges": []},
    }
    options = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": SPECIALS[2], "pad_token": SPECIALS[0]}
    for name, value in (("config", config), ("tokenizer", tokenizer), ("tokenizer_config", options)):
        (folder / f"{name}.json").write_text(json.dumps(value))
    (folder / "chat_template.jinja").write_text(CHATML)
    _write(folder / "model.safetensors", _shapes(layers, len(tokens)))
    return folder


def _shapes(layers: int, vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (vocabulary, EMBEDDING),
        "model.norm.weight": (EMBEDDING,),
    }
    block: dict[str, tuple[int, ...]] = {
        "input_layernorm": (EMBEDDING,),
        "post_attention_layernorm": (EMBEDDING,),
        "self_attn.q_proj": (HEADS * HEAD, EMBEDDING),
        "self_attn.k_proj": (KV_HEADS * HEAD, EMBEDDING),
        "self_attn.v_proj": (KV_HEADS * HEAD, EMBEDDING),
        "self_attn.o_proj": (EMBEDDING, HEADS * HEAD),
        "self_attn.q_norm": (HEAD,),
        "self_attn.k_norm": (HEAD,),
        "mlp.gate_proj": (FEED_FORWARD, EMBEDDING),
        "mlp.up_proj": (FEED_FORWARD, EMBEDDING),
        "mlp.down_proj": (EMBEDDING, FEED_FORWARD),
    }
    for layer in range(layers):
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in block.items()}
    return shapes


def _write(file: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    """The format is a length, a table in JSON, and the numbers."""
    rng = np.random.default_rng(0)
    table, data = {}, bytearray()
    for name, shape in shapes.items():
        numbers = (len(shape) == 1) + 0.15 * rng.standard_normal(shape, np.float32)
        start = len(data)
        data += numbers.astype("<f4").tobytes()
        table[name] = {"dtype": "F32", "shape": shape, "data_offsets": (start, len(data))}
    head = json.dumps(table).encode()
    file.write_bytes(len(head).to_bytes(8, "little") + head + bytes(data))
