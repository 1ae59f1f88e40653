"""Training: equal steps give equal numbers, a killed run goes on exactly, and the export is a model that loads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch comes with edgemind[distill]")
pytest.importorskip("tokenizers", reason="tokenizers comes with edgemind[distill]")

import jinja2
import torch

from edgemind.distill.corpus import IGNORE, Phase, make_shard
from edgemind.distill.export import About, write_gguf
from edgemind.distill.model import Nano, Shape
from edgemind.distill.problems.numeric import NUMERIC_FAMILIES
from edgemind.distill.tokenizer import TEMPLATE, render_completion, render_prompt, split_completion
from edgemind.distill.train import Recipe, Run

TINY = Recipe(
    steps=6,
    decay_steps=3,
    phases=(Phase(0, 1.0, {}, examples=4),),
    shape=Shape(vocab=384, width=64, layers=2, heads=2, kv_heads=1, head_dim=32, ffn=96, context=512),
    warmup=2,
    checkpoint_every=2,
    eval_every=1000,
    eval_count=1,
    compiled=False,
)
CHILD = """
import sys
from pathlib import Path
from tests.distill.test_train import TINY, start
start(Path(sys.argv[1])).train()
"""


def start(directory: Path) -> Run:
    """A tiny run in ``directory``, new or going on."""
    torch.set_num_threads(1)
    return Run(directory, TINY, NUMERIC_FAMILIES[:2])


def losses(directory: Path) -> dict[int, float]:
    """The loss of every step in the log; a step that ran twice must have said the same both times."""
    found: dict[int, float] = {}
    for line in (directory / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if "loss" in entry:
            assert found.setdefault(entry["step"], entry["loss"]) == entry["loss"]
    return found


def test_a_killed_run_goes_on_to_the_same_end(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    first = start(whole)
    first.train()
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(cut)], env={**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path])}
    )
    deadline = time.monotonic() + 120
    while not (cut / "checkpoint.pt").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    second = start(cut)
    assert second.step >= TINY.checkpoint_every
    second.train()
    assert losses(cut) == losses(whole)
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


def test_loss_is_on_the_models_own_text_only(tmp_path: Path) -> None:
    run = start(tmp_path)
    batches = make_shard(1, 0, NUMERIC_FAMILIES[:2], TINY.phases[0], run.tokenizer, 4, TINY.shape.context)
    for batch in batches:
        for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
            learned = [t for t in targets.tolist() if t != IGNORE]
            text = run.tokenizer.decode(learned, skip_special_tokens=False)
            assert text.endswith("<|im_end|>")
            assert "<|im_start|>" not in text
            where = [i for i, t in enumerate(targets.tolist()) if t != IGNORE]
            assert tokens.tolist()[where[0] + 1 : where[-1] + 1] == learned[:-1]


def test_cached_generation_is_what_the_whole_model_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Nano(TINY.shape).eval()
    prompts = [[5, 9, 17, 33], [7, 8], [300, 21, 4, 4, 4, 90]]
    made = model.generate(prompts, stop=2, pad=0, limit=8)
    for prompt, row in zip(prompts, made, strict=True):
        sequence = list(prompt)
        for token in row:
            hidden, _ = model.hidden(torch.tensor([sequence]))
            assert int(model.logits(hidden[0, -1]).argmax()) == token
            sequence.append(token)


@pytest.mark.parametrize("thinking", [True, False])
@pytest.mark.parametrize("system", [None, "You are a helpful assistant."])
def test_the_template_renders_what_training_saw(thinking: bool, system: str | None) -> None:
    history = [("Hi", "Hello!"), ("1 + 1", "1 + 1 = 2.")]
    messages = [{"role": "system", "content": system}] if system else []
    for user, assistant in history:
        messages += [
            {"role": "user", "content": user},
            {"role": "assistant", "content": f"<think>\nx\n</think>\n\n{assistant}"},
        ]
    messages.append({"role": "user", "content": "2 + 2?"})
    template = jinja2.Environment(trim_blocks=True, lstrip_blocks=True).from_string(TEMPLATE)
    said = template.render(messages=messages, add_generation_prompt=True, enable_thinking=thinking)
    assert said == render_prompt("2 + 2?", history, system, thinking)


def test_completions_split_into_thought_and_answer() -> None:
    assert split_completion(render_completion("a\nb", "c")) == ("a\nb", "c")
    assert split_completion(render_completion("", "c")) == ("", "c")
    assert split_completion(render_completion("a", "c", thinking=False)) == ("", "c")


def test_the_export_loads_and_tokenizes_alike(tmp_path: Path) -> None:
    llama = pytest.importorskip("edgemind.engine.llama")
    run = start(tmp_path / "run")
    path = tmp_path / "tiny.gguf"
    write_gguf(path, run.model, run.tokenizer, About("tiny", "a test", {"seed": 1, "commit": "none"}))
    text = "".join((render_prompt("Add 48, and 9.11×3 ÷ 2?\n\n  x"), render_completion("Ones: 8", "It is 5.")))
    with llama.Model.open(str(path)) as model:
        assert model.vocab.tokenize(text, add_special=True, parse_special=True) == run.tokenizer.encode(text).ids
