"""The compute buffer: the largest moment of llama.cpp's largest graph, reserved before anything runs.

Widths in floats per token: ``e`` embedding, ``q`` all heads, ``k`` the heads of keys, ``f`` feed-forward. The counts of
live copies below were fitted to what llama.cpp 0c1e57098 logs for twelve dense shapes from 5 M to 7 B parameters, and
three with experts (whose outputs need room of their own when they do not fit where the inputs were). A test compares
small shapes again.
"""

from __future__ import annotations

from edgemind.models.summary import Summary


def compute_bytes(
    facts: Summary, cells: int, *, n_batch: int, n_outputs: int, flash: bool, gpu_layers: int = 0, swa_cells: int = 0
) -> tuple[int, int]:
    """Bytes on the CPU's side and on the device's.

    Args:
        cells: of the KV cache.
        n_outputs: rows of logits of one decode.
        swa_cells: cells of windowed layers, when they are fewer.
    """
    tokens = min(n_batch, cells)
    windowed = any(facts.windowed)
    all_cells = cells + (swa_cells or cells) * windowed
    masks = tokens * all_cells * (2 if flash else 4)
    peak = _peak(facts, tokens, cells, n_outputs, flash, masks)
    output = n_outputs * facts.vocabulary * 4
    if not gpu_layers:
        return peak + output, 0
    inputs = masks + tokens * facts.embedding * 4
    host = inputs if gpu_layers > facts.layers else max(peak, inputs)
    return host + output, peak


def _peak(facts: Summary, tokens: int, cells: int, n_outputs: int, flash: bool, masks: int) -> int:
    e = facts.embedding
    q = max((heads * facts.key_length for heads in facts.heads), default=0)
    k = max((heads * facts.key_length for heads in facts.kv_heads), default=0)
    f = max(facts.feed_forward, default=0) if not facts.expert_width else facts.expert_width
    extra = e if any(facts.windowed) and not flash else 0
    if facts.expert_width:
        rows = facts.experts_used * e
        extra = rows if rows > 2 * f else e
    if flash:
        attention = masks + 4 * tokens * (3 * e + 2 * q + 2 * k)
        feed_forward = masks + 4 * tokens * (3 * f + 4 * e + extra)
    else:
        scores = 4 * tokens * cells * max(facts.heads, default=0)
        attention = masks + scores + 4 * tokens * (3 * e + 2 * q + 2 * k)
        feed_forward = masks + 4 * tokens * (3 * f + 3 * e + 2 * k + extra)
    logits = 4 * n_outputs * (facts.vocabulary + e) + 8 * tokens * e
    return max(attention, feed_forward, logits)
