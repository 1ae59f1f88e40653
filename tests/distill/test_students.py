"""Where a network starts: a shape from a seed, a checkpoint as it is, a small network grown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_parts import NANO, SHAPE, start

from edgemind.distill.chat_format import ChatFormat
from edgemind.distill.recipe.networks import GrowRecipe, StudentRecipe
from edgemind.distill.students import open_model, open_small, start_student
from edgemind.errors import ModelUnusable, UsageError


def test_a_shape_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    one = load_file(start(tmp_path / "one") / "model.safetensors")
    torch.manual_seed(99)
    two = load_file(start(tmp_path / "two") / "model.safetensors")
    other = load_file(start_student(StudentRecipe(shape=SHAPE), 2, tmp_path / "other", NANO) / "model.safetensors")
    name = "model.layers.1.mlp.up_proj.weight"
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one[name], other[name])
    assert one[name].std().item() == pytest.approx(0.02, rel=0.1)
    assert one["model.layers.1.mlp.down_proj.weight"].std().item() == pytest.approx(0.01, rel=0.1)


def test_a_start_is_a_whole_checkpoint(tmp_path: Path) -> None:
    folder = start(tmp_path / "start")
    config = json.loads((folder / "config.json").read_text())
    chat = ChatFormat.of_folder(folder)
    assert config["tie_word_embeddings"]
    assert config["vocab_size"] == 2048
    assert config["eos_token_id"] in (chat.end_ids[0], list(chat.end_ids))
    assert config["pad_token_id"] == chat.pad_id
    assert open_model(folder).dtype == torch.float32
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")


def test_a_checkpoint_is_taken_as_it_is(tmp_path: Path) -> None:
    source = start(tmp_path / "source")
    (source / "training_args.bin").write_bytes(b"not for others")
    copy = start_student(StudentRecipe(checkpoint=source), 1, tmp_path / "copy", source)
    assert {path.name for path in copy.iterdir()} == {path.name for path in source.iterdir()} - {"training_args.bin"}
    assert (copy / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()


@pytest.mark.parametrize("template", [None, "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}"])
def test_a_template_without_thoughts_is_taught_that_there_are_some(tmp_path: Path, template: str | None) -> None:
    source = start(tmp_path / "source")
    config = json.loads((source / "tokenizer_config.json").read_text())
    (source / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": template}))
    assert not ChatFormat.of_folder(source).text.knows_thoughts
    for name, recipe in (("copy", StudentRecipe(checkpoint=source)), ("fresh", StudentRecipe(shape=SHAPE))):
        folder = start_student(recipe, 1, tmp_path / name, source)
        assert ChatFormat.of_folder(folder).text.knows_thoughts
        assert (template or "<|im_end|>") in json.loads((folder / "tokenizer_config.json").read_text())["chat_template"]


@pytest.mark.parametrize("from_folder", [False, True])
def test_a_grown_network_says_what_the_small_one_says(tmp_path: Path, from_folder: bool) -> None:
    source = NANO
    if from_folder:
        small = open_small(NANO)
        source = tmp_path / "small"
        small.save_pretrained(source)
    recipe = StudentRecipe(grow=GrowRecipe(**{"from": str(source), "layers_after": (1, 3)}))
    folder = start_student(recipe, 1, tmp_path / "grown", NANO)
    one, other = open_small(NANO).eval(), open_model(folder).eval()
    assert other.config.num_hidden_layers == 7
    assert other.config.hidden_size == 512
    chat = ChatFormat.of_folder(folder)
    tokens = (
        torch.tensor([chat.tokenizer.encode("<|im_start|>user\nWhat is 3 plus 4?<|im_end|>\n").ids])
        if hasattr(chat, "tokenizer")
        else torch.arange(5, 40)[None]
    )
    with torch.no_grad():
        gap = (one(tokens).logits.softmax(-1) - other(tokens).logits.softmax(-1)).abs().sum(-1)
    assert gap.mean() < 0.1


def test_what_cannot_be_a_start(tmp_path: Path) -> None:
    folder = start(tmp_path / "start")
    with pytest.raises(ModelUnusable, match="no checkpoint"):
        start_student(StudentRecipe(checkpoint=tmp_path), 1, tmp_path / "copy", folder)
    recipe = StudentRecipe(grow=GrowRecipe(**{"from": str(folder), "layers_after": (9,)}))
    with pytest.raises(UsageError, match="layers_after has 9"):
        start_student(recipe, 1, tmp_path / "grown", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "strange"}))
    with pytest.raises(ModelUnusable, match="cannot open"):
        open_model(folder)
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "grown").exists()
