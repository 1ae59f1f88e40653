"""The engine against ``llama_cpp.Llama`` on the same file: the same greedy text, prompt by prompt."""

from __future__ import annotations

import json
import random
import subprocess
import sys

from edgemind.engine.client import Engine
from edgemind.engine.events import Answer, Done, GenerateRequest, LoadOptions, Sampling
from edgemind.models import builtin

PROMPTS = 50


def chat_prompts() -> list[str]:
    rng = random.Random(11)
    asked = [f"What is {rng.randrange(1000)} {rng.choice('+-')} {rng.randrange(1000)}?" for _ in range(20)]
    asked += [f"{rng.randrange(100)} times {rng.randrange(10)}" for _ in range(10)]
    asked += [f"Sort {', '.join(str(rng.randrange(100)) for _ in range(4))}." for _ in range(10)]
    asked += ["Hello!", "Who are you?", "Name a small village in rural France.", "Write FizzBuzz in Python."]
    asked += [f"Convert {rng.randrange(1, 50)} km to m" for _ in range(6)]
    return [f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n" for text in asked]


def peer_texts(prompts: list[str]) -> list[str]:
    """What ``llama_cpp.Llama`` writes, in a process of its own: its import takes over llama.cpp's log."""
    script = """
import json, sys
from llama_cpp import Llama
peer = Llama(sys.argv[1], n_ctx=1024, n_threads=1, verbose=False)
asked = json.load(sys.stdin)
texts = [peer.create_completion(p, temperature=0, max_tokens=200)["choices"][0]["text"] for p in asked]
print(json.dumps(texts))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(builtin.path())], input=json.dumps(prompts), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    texts: list[str] = json.loads(done.stdout.splitlines()[-1])
    return texts


def test_greedy_text_equals_the_python_binding() -> None:
    prompts = chat_prompts()
    assert len(prompts) == PROMPTS
    expected = peer_texts(prompts)
    with Engine(LoadOptions(path=str(builtin.path()), sequences=1)) as engine:
        for prompt, text in zip(prompts, expected, strict=True):
            request = GenerateRequest(prompt=prompt, sampling=Sampling(temperature=0), max_tokens=200)
            events = list(engine.generate(request))
            assert isinstance(events[-1], Done)
            assert "".join(event.text for event in events if isinstance(event, Answer)) == text, prompt
