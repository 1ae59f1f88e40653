"""Open a model in a process of its own, use tokenizer and graph, print what came out: ``use_model.py MODEL``."""

from __future__ import annotations

import ctypes
import json
import math
import sys

import llama_cpp.llama_cpp as llama


def main(path: str, text: str) -> None:
    params = llama.llama_model_default_params()
    model = llama.llama_model_load_from_file(path.encode(), params)
    vocab = llama.llama_model_get_vocab(model)
    size = llama.llama_vocab_n_tokens(vocab)
    tokens = (llama.llama_token * 512)()
    raw = text.encode()
    count = llama.llama_tokenize(vocab, raw, len(raw), tokens, 512, False, True)
    pieces = [_piece(vocab, token) for token in range(size)]
    options = llama.llama_context_default_params()
    options.n_ctx = options.n_batch = 512
    context = llama.llama_init_from_model(model, options)
    written = []
    batch = llama.llama_batch_get_one(tokens, count)
    finite = True
    for _ in range(8):
        assert llama.llama_decode(context, batch) == 0
        logits = llama.llama_get_logits_ith(context, -1)[:size]
        finite = finite and all(map(math.isfinite, logits))
        best = max(range(size), key=logits.__getitem__)
        written.append(best)
        batch = llama.llama_batch_get_one((llama.llama_token * 1)(best), 1)
    print(
        json.dumps(
            {
                "round_trip": b"".join(pieces[token] for token in tokens[:count]).decode(),
                "tokens": list(tokens[:count]),
                "bytes": sorted(piece[0] for piece in pieces if len(piece) == 1),
                "empty": sum(1 for piece in pieces if not piece),
                "size": size,
                "finite": finite,
                "spread": max(logits) - min(logits),
                "written": written,
            }
        )
    )


def _piece(vocab: object, token: int) -> bytes:
    buffer = ctypes.create_string_buffer(256)
    length = llama.llama_token_to_piece(vocab, token, buffer, 256, 0, True)
    return buffer.raw[:length]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
