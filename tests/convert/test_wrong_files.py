"""Files that are not their checkpoint: each is found out, and what differs first has a name. All in f16, where a slip
of a setting hardly shows in the logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf as writer
import pytest
from checkpoints import checkpoint

from edgemind.convert import convert as converting
from edgemind.convert import parity as comparing
from edgemind.convert import values
from edgemind.convert.convert import convert
from edgemind.convert.difference import first_difference
from edgemind.convert.families import Llama
from edgemind.convert.parity import Parity, verify
from edgemind.convert.tokenizer import Vocabulary
from edgemind.errors import OutOfMemory
from edgemind.models import gguf


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("sound") / "llama3", "llama3")


def found_out(folder: Path, target: Path, **options: Any) -> Parity:
    parity = verify(folder, target, threads=1, **options)
    assert not parity.passed
    assert parity.reason.endswith(".")
    return parity


def test_two_tensors_that_changed_places(sound: Path, tmp_path: Path) -> None:
    target = tmp_path / "model.gguf"
    convert(sound, target)
    assert first_difference(sound, target) == ""
    tensors = gguf.read_header(target).by_name
    one, other = tensors["blk.1.ffn_up.weight"], tensors["blk.2.ffn_up.weight"]
    data = bytearray(target.read_bytes())
    first, second = (slice(each.offset, each.offset + each.size) for each in (one, other))
    data[first], data[second] = data[second], data[first]
    target.write_bytes(data)
    parity = found_out(sound, target)
    assert parity.tokenizer.passed
    assert parity.logits is not None
    assert parity.first_difference == "the tensor blk.1.ffn_up.weight, from model.layers.1.mlp.up_proj.weight"


def test_rows_of_q_and_k_that_were_left_where_they_are(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Llama, "pairs", False)
        convert(sound, tmp_path / "model.gguf")
    assert "blk.0.attn_k.weight" in found_out(sound, tmp_path / "model.gguf").first_difference


def other_epsilon(writing: Any) -> None:
    writing.kv_data[0]["llama.attention.layer_norm_rms_epsilon"].value *= 1.5


def other_angles(writing: Any) -> None:
    writing.kv_data[0]["llama.rope.freq_base"].value = 77.0


def other_end(writing: Any) -> None:
    writing.kv_data[0]["tokenizer.ggml.eos_token_id"].value -= 1


def no_template(writing: Any) -> None:
    del writing.kv_data[0]["tokenizer.chat_template"]


SETTINGS = {
    "the key llama.attention.layer_norm_rms_epsilon": other_epsilon,
    "the key llama.rope.freq_base": other_angles,
    "the key tokenizer.ggml.eos_token_id": other_end,
    "the key tokenizer.chat_template (missing)": no_template,
}


@pytest.mark.parametrize("wanted", SETTINGS)
def test_a_setting_that_no_logit_shows(
    wanted: str, sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = converting.head_of

    def changed(*given: Any) -> Any:
        head = honest(*given)
        SETTINGS[wanted](head)
        return head

    with monkeypatch.context() as patch:
        patch.setattr(converting, "head_of", changed)
        convert(sound, tmp_path / "model.gguf")
    parity = found_out(sound, tmp_path / "model.gguf")
    assert parity.tokenizer.passed
    assert parity.first_difference == wanted


def test_another_cut(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Vocabulary.write

    def changed(self: Vocabulary, head: Any) -> None:
        honest(self, head)
        head.kv_data[0]["tokenizer.ggml.pre"].value = "gpt-2"

    with monkeypatch.context() as patch:
        patch.setattr(Vocabulary, "write", changed)
        convert(sound, tmp_path / "model.gguf")
    parity = found_out(sound, tmp_path / "model.gguf")
    assert not parity.tokenizer.passed
    assert parity.first_difference == "the key tokenizer.ggml.pre"


def test_quantized_files_of_these_and_of_other_weights(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A type without a limit for its logits: the tensors have to be near."""
    other = checkpoint(tmp_path / "other", "llama3", seed=7)
    with monkeypatch.context() as patch:
        patch.setitem(values.KINDS, "q8_0", writer.GGMLQuantizationType.Q4_0)
        patch.setitem(converting.FILE_TYPES, "q8_0", writer.LlamaFileType.MOSTLY_Q4_0)
        convert(sound, tmp_path / "right.gguf", type="q8_0")
        convert(other, tmp_path / "wrong.gguf", type="q8_0")
    right = verify(sound, tmp_path / "right.gguf", threads=1)
    assert (right.type, right.passed, right.first_difference) == ("Q4_0", True, "")
    assert "token_embd.weight" in found_out(sound, tmp_path / "wrong.gguf").first_difference


def test_what_does_not_fit_into_memory_is_compared_tensor_by_tensor(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = checkpoint(tmp_path / "other", "llama3", seed=7)
    convert(sound, tmp_path / "right.gguf")
    convert(other, tmp_path / "wrong.gguf")
    monkeypatch.setattr(comparing, "_fits", lambda checkpoint: False)
    with pytest.raises(OutOfMemory):
        verify(sound, tmp_path / "right.gguf", threads=1)
    assert "token_embd.weight" in found_out(sound, tmp_path / "wrong.gguf").first_difference


def test_a_template_that_was_asked_for(sound: Path, tmp_path: Path) -> None:
    convert(sound, tmp_path / "model.gguf", template="{{ messages }}")
    assert verify(sound, tmp_path / "model.gguf", threads=1, template="{{ messages }}").passed
    another = found_out(sound, tmp_path / "model.gguf", template="{{ others }}")
    assert another.first_difference == "the key tokenizer.chat_template"
