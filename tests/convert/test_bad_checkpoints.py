"""What can be wrong with a checkpoint: one sentence, what to do, and no file."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import byte_level, checkpoint
from safetensors.torch import load_file, save_file

from edgemind.convert import write as writing
from edgemind.convert.convert import convert, head_of, plan
from edgemind.errors import BadInput, EdgemindError, ModelNotFound, NoRoom, StoreProblem, UsageError
from edgemind.models import gguf

UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("sound") / "qwen3", "qwen3")


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of a sound checkpoint, to be damaged."""
    return Path(shutil.copytree(sound, tmp_path / "broken"))


def refused(folder: Path, kind: type[EdgemindError] = BadInput, **options: Any) -> EdgemindError:
    target = folder.parent / "out" / "model.gguf"
    target.parent.mkdir(exist_ok=True)
    with pytest.raises(kind) as caught:
        convert(folder, target, **options)
    assert os.listdir(target.parent) == []
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert caught.value.message.endswith((".", "}"))
    return caught.value


def config(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    file = folder / "model.safetensors"
    tensors = load_file(file)
    change(tensors)
    save_file(tensors, file)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no folder"):
        convert(tmp_path / "nowhere", tmp_path / "model.gguf")


def test_no_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "no config.json" in refused(folder).message


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"architectures": ["Qwen3ForCausalLM"]}', '{"architectures": "x"}', "[" * 99_999]
)
def test_a_configuration_that_says_nothing(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)
    refused(folder)


def test_an_unknown_architecture(folder: Path) -> None:
    config(folder, architectures=["MambaForCausalLM"])
    problem = refused(folder)
    assert "MambaForCausalLM" in problem.message
    assert "Qwen3" in problem.hint


def test_a_shard_is_missing(folder: Path) -> None:
    index = {"weight_map": {UP: "model-00001-of-00002.safetensors", "x": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    assert "model-00002-of-00002.safetensors is missing" in refused(folder).message


def test_an_index_that_leads_outside(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {UP: "../model.safetensors"}}))
    assert "no shard" in refused(folder).message


def test_a_tensor_is_missing(folder: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        del tensors[UP]

    weights(folder, change)
    assert UP in refused(folder).message


def test_a_tensor_too_many(folder: Path) -> None:
    weights(folder, lambda tensors: tensors.update({"model.layers.0.mlp.experts.weight": torch.ones(2)}))
    assert "do not have" in refused(folder).message
    weights(folder, lambda tensors: tensors.update({"model.layers.0.mlp.experts.weight": torch.ones(2).long()}))
    assert "do not have" in refused(folder).message


def test_another_shape(folder: Path) -> None:
    weights(folder, lambda tensors: tensors.update({UP: tensors[UP][:, :32].contiguous()}))
    problem = refused(folder)
    assert "96x32" in problem.message
    assert "96x64" in problem.message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_that_are_no_numbers(folder: Path, value: float, kind: torch.dtype) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors[UP] = tensors[UP].to(kind)
        tensors[UP][90, 3] = value

    weights(folder, change)
    assert UP in refused(folder).message
    assert UP in refused(folder, type="bf16").message


def test_weights_beyond_float16(folder: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors[UP][0, 0] = 1e6

    weights(folder, change)
    assert "bf16" in refused(folder).hint
    convert(folder, folder.parent / "model.gguf", type="bf16")


def test_pickles(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    problem = refused(folder)
    assert "pickles (pytorch_model.bin)" in problem.message
    assert "save_pretrained" in problem.hint


def test_no_weights_at_all(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "no .safetensors" in refused(folder).message


def test_weights_that_are_cut_short_or_damaged(folder: Path) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    for damaged in (b"", data[:5], data[:2000], data[:-8], b"\xff" * 64, b"\x10\0\0\0\0\0\0\0not json at all!"):
        file.write_bytes(damaged)
        refused(folder)
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 4096]}
    for change in ({"dtype": "I4"}, {"dtype": ["F32"]}, {"shape": [-1]}, {"shape": "x"}, {"data_offsets": [8, 0]}, {}):
        table = json.dumps({UP: {**entry, **change}}).encode()
        file.write_bytes(len(table).to_bytes(8, "little") + table + bytes(4096))
        refused(folder)


def test_tensors_in_the_same_place(folder: Path) -> None:
    file = folder / "model.safetensors"
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    table = json.loads(data[8:end])
    table[UP]["data_offsets"] = table[UP.replace("1", "0")]["data_offsets"]
    head = json.dumps(table).encode()
    file.write_bytes(len(head).to_bytes(8, "little") + head + data[end:])
    assert "in the place of another" in refused(folder).message


def test_a_quantized_checkpoint(folder: Path) -> None:
    config(folder, quantization_config={"quant_method": "gptq"})
    assert "quantized already" in refused(folder).message


def test_more_tokens_than_rows(folder: Path) -> None:
    byte_level(size=600).save_pretrained(folder)
    assert "the embedding only 420 rows" in refused(folder).message


def test_an_embedding_with_rows_to_spare_is_fine(folder: Path) -> None:
    convert(folder, folder.parent / "model.gguf")
    tokens = gguf.read_header(folder.parent / "model.gguf", arrays=True).metadata["tokenizer.ggml.tokens"]
    assert len(tokens) == 420
    assert tokens[-1] == "[PAD419]"


def test_no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    assert "neither tokenizer.json" in refused(folder).message


@pytest.mark.parametrize(
    "text", ["{}", '{"model": {"type": "WordPiece"}}', '{"model": {"type": "BPE", "vocab": {}}}', "[]"]
)
def test_a_tokenizer_of_another_kind(folder: Path, text: str) -> None:
    (folder / "tokenizer.json").write_text(text)
    refused(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_nonsense_in_the_small_files_is_a_sentence(folder: Path, name: str) -> None:
    """Values of other kinds, one at a time, in the first two levels of a file."""
    file = folder / name
    value = json.loads(file.read_text())
    places = [(value, key) for key in value]
    places += [(inner, key) for inner in value.values() if isinstance(inner, dict) for key in list(inner)[:30]]
    for place, key in places:
        kept = place[key]
        for nonsense in (None, [], {}, "x", -1, 1e300, [1, {}], {"a": []}):
            place[key] = nonsense
            file.write_text(json.dumps(value))
            with contextlib.suppress(EdgemindError):
                head_of(plan(folder)).data()
        place[key] = kept


def test_two_tokens_that_are_spelled_the_same(folder: Path) -> None:
    file = folder / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    tokenizer["added_tokens"][0]["content"] = tokenizer["added_tokens"][1]["content"]
    file.write_text(json.dumps(tokenizer))
    assert "spelled" in refused(folder).message


def test_no_template_is_said_and_converts(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    done = convert(folder, folder.parent / "model.gguf")
    assert any("no chat template" in note for note in done.notes)


def test_an_unknown_rope(folder: Path) -> None:
    config(folder, rope_parameters={"rope_type": "spiral", "rope_theta": 1.0})
    assert "spiral" in refused(folder).message


def test_an_unknown_type(folder: Path) -> None:
    refused(folder, UsageError, type="q4_k_m")


def test_a_file_that_is_there_stays(sound: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.gguf"
    target.write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        convert(sound, target)
    assert target.read_text() == "mine"
    convert(sound, target, replace=True)
    assert target.read_bytes()[:4] == b"GGUF"


def test_a_place_that_cannot_be_written(sound: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreProblem):
        convert(sound, tmp_path / "nowhere" / "model.gguf")
    with pytest.raises(UsageError, match="folder"):
        convert(sound, tmp_path)


def test_a_full_disk_leaves_nothing(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own answer, from a limit on the size of files: the write fails in the middle."""
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from edgemind.convert.convert import convert; from edgemind.errors import NoRoom\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try: convert(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except NoRoom as problem: print(problem.message); sys.exit(15)\n"
    )
    out = tmp_path / "out"
    out.mkdir()
    done = subprocess.run([sys.executable, "-c", script, sound, out / "model.gguf"], capture_output=True, text=True)
    assert (done.returncode, os.listdir(out)) == (15, []), done.stderr

    def full(fd: int, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writing.os, "write", full)
    with pytest.raises(NoRoom):
        convert(sound, out / "model.gguf")
    assert os.listdir(out) == []


def test_a_kill_leaves_nothing_or_the_whole(sound: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from edgemind.convert.convert import convert\n"
        "print('ready', flush=True)\n"
        "convert(Path(sys.argv[1]), Path(sys.argv[2]), replace=True)\n"
    )
    target = tmp_path / "model.gguf"
    convert(sound, target, name="same")
    size = target.stat().st_size
    target.unlink()
    whole = 0
    for attempt in range(6):
        command = [sys.executable, "-c", script, sound, target]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.007 * attempt * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = os.listdir(tmp_path)
        assert left in ([], ["model.gguf"])
        if left:
            whole += 1
            assert abs(target.stat().st_size - size) < 64
            gguf.read_header(target)
            target.unlink()
    assert whole < 6


def test_an_index_from_an_older_save_is_left_aside(folder: Path) -> None:
    """transformers opens ``model.safetensors`` first, too."""
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"weight_map": {UP: "model-00001-of-2.safetensors"}})
    )
    convert(folder, folder.parent / "model.gguf")


def test_buffers_that_are_no_weights(folder: Path) -> None:
    """Masks and positions that old versions saved are no sign of a quantized checkpoint; a weight of that kind is."""
    weights(folder, lambda tensors: tensors.update({"model.layers.0.self_attn.bias": torch.ones(4, dtype=torch.bool)}))
    convert(folder, folder.parent / "model.gguf")
    weights(folder, lambda tensors: tensors.update({UP: tensors[UP].to(torch.float8_e4m3fn)}))
    problem = refused(folder)
    assert f"{UP} is stored as F8_E4M3" in problem.message
    assert "quantized" in problem.hint


def test_double_precision(folder: Path) -> None:
    weights(folder, lambda tensors: tensors.update({UP: tensors[UP].double()}))
    convert(folder, folder.parent / "model.gguf")
    weights(folder, lambda tensors: tensors.update({UP: tensors[UP] * 1e200}))
    assert "not finite" in refused(folder, type="f32").message


def test_a_target_that_is_the_source(folder: Path) -> None:
    source = folder / "model.safetensors"
    before = source.read_bytes()
    with pytest.raises(UsageError, match="file that is read"):
        convert(folder, source, replace=True)
    assert source.read_bytes() == before


def test_a_folder_of_the_hubs_cache_is_called_like_its_repository(sound: Path, tmp_path: Path) -> None:
    """There, every file is a symlink and the folder is a commit."""
    snapshot = tmp_path / "models--someone--tiny-model" / "snapshots" / ("0a" * 20)
    snapshot.mkdir(parents=True)
    for file in sound.iterdir():
        (snapshot / file.name).symlink_to(file)
    convert(snapshot, tmp_path / "model.gguf")
    assert gguf.read_header(tmp_path / "model.gguf").text("general.name") == "tiny-model"


IMPOSSIBLE: dict[str, tuple[str, dict[str, Any], str]] = {
    "another activation": ("qwen3", {"hidden_act": "relu"}, "'relu'"),
    "yarn that is not truncated": (
        "qwen3",
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "truncate": False}},
        "truncated",
    ),
    "no cap": ("gemma2", {"final_logit_softcapping": None}, "final_logit_softcapping"),
    "an output matrix": ("gemma2", {"tie_word_embeddings": False}, "output matrix"),
    "a cap": ("gemma3", {"attn_logit_softcapping": 5.0}, "caps the attention"),
    "both directions": ("gemma3", {"use_bidirectional_attention": True}, "both directions"),
    "scaled attention": ("gemma2", {"query_pre_attn_scalar": 48}, "scales attention"),
    "layers without rope": ("smollm3", {"no_rope_layers": [1, 0, 1, 0, 1]}, "without rope"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_what_llama_cpp_would_compute_otherwise(case: str, tmp_path: Path) -> None:
    name, changes, words = IMPOSSIBLE[case]
    folder = checkpoint(tmp_path / name, name)
    config(folder, **changes)
    assert words in refused(folder).message
