"""What llama.cpp itself allocates, read from its log, in a process of its own: ``llama_sizes.py REQUEST.json``.

The request is a list of ``[path, [[n_ctx, n_batch, n_seq, flash, kv_type, swa_full], ...]]``; the answer, on standard
output, has bytes of the model and of each context's KV cache and buffers, in the same order.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import llama_cpp.llama_cpp as llama

KV_TYPES = {"f16": 1, "q8_0": 8, "f32": 0}
LINES: list[str] = []
SIZE = re.compile(r"(\S+) +(model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")


@llama.llama_log_callback
def _record(_level: int, text: bytes, _data: Any) -> None:
    LINES.append(text.decode("utf-8", "replace"))


def _sizes() -> dict[str, float]:
    """Bytes per kind of buffer; weights that the CPU backend repacks are counted once, where they lie in the file."""
    found: dict[str, float] = {}
    for line in LINES:
        for place, kind, size in SIZE.findall(line):
            if "REPACK" not in place:
                found[kind] = found.get(kind, 0) + float(size) * 2**20
    LINES.clear()
    return found


def measure(path: str, contexts: list[list[Any]]) -> dict[str, Any]:
    params = llama.llama_model_default_params()
    params.n_gpu_layers = 0
    model = llama.llama_model_load_from_file(path.encode(), params)
    if not model:
        raise SystemExit("".join(LINES))
    weights = _sizes()["model"]
    results = []
    for n_ctx, n_batch, n_seq, flash, kv_type, swa_full in contexts:
        options = llama.llama_context_default_params()
        options.n_ctx, options.n_batch, options.n_ubatch, options.n_seq_max = n_ctx, n_batch, n_batch, n_seq
        options.n_outputs_max = n_seq
        options.kv_unified, options.swa_full = True, swa_full
        options.flash_attn_type = int(flash)
        options.type_k = options.type_v = KV_TYPES[kv_type]
        context = llama.llama_init_from_model(model, options)
        if not context:
            raise SystemExit("".join(LINES))
        found = _sizes()
        results.append({"kv": found.get("KV", 0), "compute": found["compute"] + found["output"]})
        llama.llama_free(context)
    llama.llama_model_free(model)
    return {"weights": weights, "contexts": results}


if __name__ == "__main__":
    llama.llama_log_set(_record, None)
    llama.llama_backend_init()
    request = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(json.dumps([measure(path, contexts) for path, contexts in request]))
