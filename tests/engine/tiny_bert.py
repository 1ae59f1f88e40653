"""A small BERT with random weights: a model that turns text into embeddings and writes none."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
from gguf import TokenType

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"▁{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"))


def tiny_bert(path: Path, *, layers: int = 1, embd: int = 32, context: int = 64) -> Path:
    """Write the model and return its path."""
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_name("tiny bert")
    writer.add_context_length(context)
    writer.add_embedding_length(embd)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * embd)
    writer.add_head_count(2)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(WORDS)
    writer.add_token_types([TokenType.CONTROL] * 5 + [TokenType.NORMAL] * (len(WORDS) - 5))
    writer.add_token_type_count(2)
    for role, token in (("unk", 1), ("sep", 3), ("pad", 0), ("mask", 4), ("bos", 2), ("eos", 3)):
        getattr(writer, f"add_{role}_token_id")(token)
    rng = np.random.default_rng(0)
    for name, shape in _tensors(layers, embd, context).items():
        writer.add_tensor(name, rng.standard_normal(shape, np.float32) * 0.1)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(layers: int, embd: int, context: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (len(WORDS), embd),
        "token_types.weight": (2, embd),
        "position_embd.weight": (context, embd),
    }
    norms, square = ["token_embd_norm"], []
    for layer in range(layers):
        square += [f"blk.{layer}.attn_{name}" for name in ("q", "k", "v", "output")]
        norms += [f"blk.{layer}.{name}" for name in ("attn_output_norm", "layer_output_norm")]
        shapes |= {f"blk.{layer}.ffn_up.weight": (2 * embd, embd), f"blk.{layer}.ffn_up.bias": (2 * embd,)}
        shapes |= {f"blk.{layer}.ffn_down.weight": (embd, 2 * embd), f"blk.{layer}.ffn_down.bias": (embd,)}
    for name in square:
        shapes |= {f"{name}.weight": (embd, embd), f"{name}.bias": (embd,)}
    for name in norms:
        shapes |= {f"{name}.weight": (embd,), f"{name}.bias": (embd,)}
    return shapes
