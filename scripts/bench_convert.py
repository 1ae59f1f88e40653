"""How long converting takes and how much memory, on random weights of a real shape, beside llama.cpp's own script.

    python scripts/bench_convert.py [--layers 28] [--type f16] [--reference LLAMA_CPP_FOLDER]

Each run is a process of its own; the best of three counts, since other work on the machine only adds. The reference
is a checkout of llama.cpp; its script looks a tokenizer up in a list of hashes, so here it is told which one it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

OURS = (
    "import sys; from pathlib import Path; from edgemind.convert.convert import convert; "
    "convert(Path(sys.argv[1]), Path(sys.argv[2]), type=sys.argv[3], replace=True)"
)
THEIRS = (
    "import sys; sys.path[:0] = [sys.argv[4], sys.argv[4] + '/gguf-py']; "
    "import conversion.base; conversion.base.TextModel.get_vocab_base_pre = lambda *_: 'qwen2'; "
    "from conversion.qwen import Qwen2Model; Qwen2Model.set_vocab = lambda self: self._set_vocab_gpt2(); "
    "import convert_hf_to_gguf; "
    "sys.argv = ['x', sys.argv[1], '--outfile', sys.argv[2], '--outtype', sys.argv[3]]; convert_hf_to_gguf.main()"
)
MEASURE = (
    "import resource, subprocess, sys, time; began = time.perf_counter(); "
    "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode; "
    "spent = time.perf_counter() - began; used = resource.getrusage(resource.RUSAGE_CHILDREN); "
    "print(code, spent, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)"
)


def checkpoint(folder: Path, layers: int) -> None:
    """Qwen3 0.6B in bfloat16 with random weights and a small tokenizer."""
    import torch
    import transformers

    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "convert"))
    from checkpoints import byte_level

    config = transformers.Qwen3Config(
        vocab_size=151_936,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=layers,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        max_position_embeddings=40_960,
        tie_word_embeddings=True,
    )
    transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16).save_pretrained(folder)
    byte_level().save_pretrained(folder)


def measured(code: str, *arguments: str) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of the processor, bytes of memory at most; the best of three."""
    runs = []
    for _ in range(3):
        command = [sys.executable, "-c", MEASURE, sys.executable, "-c", code, *arguments]
        words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        if words[0] != "0":
            raise SystemExit(f"a run failed: {' '.join(arguments)}")
        runs.append(tuple(float(word) for word in words[1:]))
    return min(runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--type", default="f16")
    parser.add_argument("--reference", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder, target = Path(temporary) / "checkpoint", str(Path(temporary) / "model.gguf")
        checkpoint(folder, options.layers)
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        rows = {"edgemind": measured(OURS, str(folder), target, options.type)}
        if options.reference:
            os.unlink(target)
            rows["llama.cpp"] = measured(THEIRS, str(folder), target, options.type, str(options.reference))
        for name, (clock, processor, memory) in rows.items():
            figures = {"seconds": round(clock, 2), "cpu_seconds": round(processor, 2), "peak_mb": round(memory / 1e6)}
            print(json.dumps({"tool": name, "type": options.type, "checkpoint_mb": round(size / 1e6), **figures}))


if __name__ == "__main__":
    main()
