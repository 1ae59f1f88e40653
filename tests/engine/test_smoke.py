"""The smoke run: what runs, what does not and why, in one sentence."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from edgemind.engine import smoke as smoke_module
from edgemind.engine.client import Engine, error_from
from edgemind.engine.events import Answer, Failed, GenerateRequest, Loaded, LoadOptions
from edgemind.engine.smoke import smoke
from edgemind.models import hardware
from edgemind.models.gguf import read_header
from tests.engine.splitting import changed, split
from tests.engine.tiny import tiny_model
from tests.engine.tiny_bert import tiny_bert


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


def test_a_model_that_runs(tiny: Path, tmp_path: Path) -> None:
    told: list[object] = []
    done = smoke([tiny], threads=1, on_event=told.append)
    assert (done.ok, done.sentence, done.kind) == (True, "", "")
    assert isinstance(told[-1], Loaded)
    assert smoke(split(tiny, tmp_path, 3, ["x", "a", "m"]), threads=1).ok
    assert smoke([tiny_model(tmp_path / "spm.gguf", "gemma3", layers=6, tokenizer="spm")], threads=1).ok


def test_an_architecture_that_llama_cpp_does_not_know(tiny: Path, tmp_path: Path) -> None:
    blob = changed(tiny, tmp_path / f"sha256-{'0' * 64}", general__architecture="tomorrow", tomorrow__block_count=2)
    done = smoke([blob], name="tomorrow-1b", threads=1)
    assert not done.ok
    assert (done.kind, done.blames_model) == ("model_unusable", True)
    assert "llama.cpp cannot load tomorrow-1b: unknown model architecture: 'tomorrow'" in done.sentence
    assert "sha256" not in done.sentence + done.hint


def test_a_tensor_that_is_missing(tiny: Path, tmp_path: Path) -> None:
    done = smoke([changed(tiny, tmp_path / "short.gguf", qwen3__block_count=3)], threads=1)
    assert done.sentence == "llama.cpp cannot load short.gguf: tensor 'blk.2.attn_norm.weight' not found."


def test_weights_that_are_no_numbers(tiny: Path, tmp_path: Path) -> None:
    data = bytearray(tiny.read_bytes())
    tensor = read_header(tiny).by_name["blk.0.attn_q.weight"]
    data[tensor.offset : tensor.offset + 4] = np.float32("nan").tobytes()
    (tmp_path / "nan.gguf").write_bytes(data)
    done = smoke([tmp_path / "nan.gguf"], threads=1)
    assert done.kind == "model_unusable"
    assert done.sentence.startswith("nan.gguf computes no numbers (NaN)")


def test_no_room_now(tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A context that no machine has room for stands for a model that is too large."""
    large = changed(tiny, tmp_path / "large.gguf", qwen3__context_length=1 << 30)
    monkeypatch.setattr(smoke_module, "CONTEXT", max(1 << 28, hardware.machine().total_ram // 512))
    done = smoke([large], threads=1)
    assert (done.ok, done.kind, done.does_not_fit_now) == (False, "out_of_memory", True)
    assert "is free" in done.sentence


def die(engine: Engine, number: int) -> None:
    """End the worker from outside in the middle of an answer."""
    request = GenerateRequest(prompt="the ones", max_tokens=400, ignore_end=True)
    for event in engine.generate(request):
        if isinstance(event, Answer) and engine.pid:
            os.kill(engine.pid, number)
        if isinstance(event, Failed):
            raise error_from(event)


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGKILL, "out_of_memory"), (signal.SIGABRT, "worker_died")])
def test_a_worker_that_dies(tiny: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: str) -> None:
    monkeypatch.setattr(smoke_module, "_write", lambda engine: die(engine, number))
    done = smoke([tiny], threads=1)
    assert (done.ok, done.kind, done.blames_model) == (False, kind, kind == "worker_died")
    assert done.sentence


def test_no_file(tmp_path: Path) -> None:
    done = smoke([tmp_path / "none.gguf"], name="the model", threads=1)
    assert (done.kind, done.sentence) == ("model_not_found", "There is no file the model.")


def test_a_model_for_embeddings_is_only_loaded(tiny: Path, tmp_path: Path) -> None:
    for path in (tiny_bert(tmp_path / "bert.gguf"), changed(tiny, tmp_path / "e.gguf", qwen3__pooling_type=3)):
        assert smoke([path], threads=1).ok
        with Engine(LoadOptions(path=str(path), threads=1, sequences=1)) as engine:
            assert not engine.wait_loaded().writes
            last = list(engine.generate(GenerateRequest(prompt="a b", max_tokens=2)))[-1]
        assert isinstance(last, Failed)
        assert last.kind == "model_unusable"
        assert "makes embeddings" in last.message
