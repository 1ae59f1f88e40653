"""The compute buffer: the largest moment of llama.cpp's largest graph.

llama.cpp reserves for a full batch at a full context before anything runs, so the size follows from the shape.
"""

from __future__ import annotations

from edgemind.models.summary import Summary


def compute_bytes(
    facts: Summary, cells: int, *, n_seq: int, n_batch: int, flash: bool, kv_type: str, gpu_layers: int
) -> tuple[int, int]:
    """Bytes on the CPU's side and on the device's."""
    tokens = min(n_batch, cells)
    hidden = tokens * facts.embedding * 4
    masks = tokens * cells * (6 if flash else 4) * (2 if any(facts.windowed) else 1)
    logits = tokens * facts.vocabulary * 4
    heads = max(facts.heads, default=0)
    scores = 0 if flash else tokens * cells * heads * 4
    wide = tokens * max(facts.feed_forward, default=0) * 4 * 2
    peak = hidden + max(logits, masks + scores + 3 * hidden, masks + wide)
    output = n_seq * facts.vocabulary * 4
    on_device = peak if gpu_layers else 0
    return (peak if not gpu_layers else hidden + masks) + output, on_device
