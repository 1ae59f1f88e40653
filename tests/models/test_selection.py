"""Which files of a repository are a model."""

from __future__ import annotations

import pytest

from edgemind.errors import ModelNotFound, UsageError
from edgemind.models.remote import RemoteFile, RemoteRepository
from edgemind.models.selection import choose_gguf, choose_safetensors, gguf_choices, quantization_of

GB = 1_000_000_000


def repository(**sizes: int) -> RemoteRepository:
    return of(sizes)


def of(sizes: dict[str, int]) -> RemoteRepository:
    files = tuple(RemoteFile(path, size, f"{number:064x}", None) for number, (path, size) in enumerate(sizes.items()))
    return RemoteRepository("owner/repo", "c" * 40, files, "https://hub.example")


@pytest.mark.parametrize(
    ("path", "quantization"),
    [
        ("Qwen3-0.6B-Q8_0.gguf", "Q8_0"),
        ("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("Q4_K_M/x-00001-of-00002.gguf", "Q4_K_M"),
        ("UD-Q4_K_XL/a-UD-Q4_K_XL-00001-of-00002.gguf", "UD-Q4_K_XL"),
        ("model-IQ3_XXS.gguf", "IQ3_XXS"),
        ("gemma-3-1b-it-BF16.gguf", "BF16"),
        ("ggml-model-fp16.gguf", "F16"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("x.Q5_K_S.gguf", "Q5_K_S"),
        ("x-Q2_K.gguf", "Q2_K"),
        ("smol-TQ1_0.gguf", "TQ1_0"),
        ("plain.gguf", ""),
        ("Q8.gguf", "Q8"),
    ],
)
def test_the_quantization_in_a_file_name(path: str, quantization: str) -> None:
    assert quantization_of(path) == quantization


def test_the_usual_choice_is_q4_k_m_and_q8_0_for_a_little_model() -> None:
    large = of({"m-Q2_K.gguf": 2 * GB, "m-Q4_K_M.gguf": 3 * GB, "m-Q8_0.gguf": 5 * GB, "m-F16.gguf": 9 * GB})
    assert choose_gguf(large).quantization == "Q4_K_M"
    little = of({"m-Q4_K_M.gguf": GB // 2, "m-Q8_0.gguf": GB})
    assert choose_gguf(little).quantization == "Q8_0"
    assert choose_gguf(of({"m-UD-Q4_K_M.gguf": 3 * GB, "m-F16.gguf": 9 * GB})).quantization == "UD-Q4_K_M"
    assert choose_gguf(of({"odd.gguf": 3 * GB, "other.gguf": 2 * GB})).files[0].path == "other.gguf"


def test_a_quantization_is_found_whatever_its_case() -> None:
    there = of({"m-Q4_K_M.gguf": 3 * GB, "m-UD-Q4_K_XL.gguf": 4 * GB, "m-Q8_0.gguf": 5 * GB})
    for wanted in ("q8_0", "Q8_0"):
        assert choose_gguf(there, wanted).quantization == "Q8_0"
    assert choose_gguf(there, "Q4_K_XL").quantization == "UD-Q4_K_XL"
    with pytest.raises(ModelNotFound, match="has no Q6_K; it has Q4_K_M, UD-Q4_K_XL, Q8_0"):
        choose_gguf(there, "Q6_K")


def test_two_models_of_one_quantization_have_to_be_told_apart() -> None:
    there = of({"a-Q8_0.gguf": GB, "b-Q8_0.gguf": GB})
    with pytest.raises(UsageError, match=r"a-Q8_0\.gguf, b-Q8_0\.gguf"):
        choose_gguf(there, "Q8_0")
    assert choose_gguf(there, file="b-q8_0.gguf").files[0].path == "b-Q8_0.gguf"


def test_the_parts_of_a_split_model_come_together_in_order() -> None:
    parts = {f"Q4_K_M/m-Q4_K_M-0000{number}-of-00003.gguf": GB for number in (3, 1, 2)}
    choice = choose_gguf(of({**parts, "m-F16-00001-of-00002.gguf": GB}))
    assert [file.path[-19:-14] for file in choice.files] == ["00001", "00002", "00003"]
    assert choice.size == 3 * GB
    assert len(gguf_choices(of({"m-F16-00002-of-00002.gguf": GB}))) == 0, "a set that is not whole is no model"
    assert choose_gguf(of(parts), file="m-Q4_K_M-00002-of-00003.gguf").files[0].path.endswith("00001-of-00003.gguf")


def test_what_is_no_language_model_is_not_offered() -> None:
    there = of({"mmproj-m-F16.gguf": 1, "imatrix.gguf": 1, "m-Q8_0.gguf": 2, "m.imatrix.gguf": 1, "lora-x.gguf": 1})
    assert [choice.files[0].path for choice in gguf_choices(there)] == ["m-Q8_0.gguf"]


def test_a_repository_without_gguf_says_what_to_do() -> None:
    with pytest.raises(ModelNotFound) as caught:
        choose_gguf(of({"model.safetensors": 1, "config.json": 1}))
    assert "--format safetensors" in caught.value.hint
    with pytest.raises(ModelNotFound, match="holds no GGUF file"):
        choose_gguf(of({"README.md": 1}))


def test_a_checkpoint_is_weights_configuration_and_tokenizer_but_never_a_pickle() -> None:
    there = of(
        dict.fromkeys(
            (
                *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "merges.txt"),
                *("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "LICENSE", "README.md"),
                *("model.safetensors.index.json", "pytorch_model.bin", "modeling_x.py", "onnx/model.onnx"),
                *("consolidated.safetensors", "original/params.json", "chat_template.jinja", "training_args.pt"),
            ),
            10,
        )
    )
    chosen = {file.path for file in choose_safetensors(there).files}
    assert chosen == {
        *("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "merges.txt", "LICENSE"),
        *("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"),
        "chat_template.jinja",
    }
    with pytest.raises(ModelNotFound, match="only pickles"):
        choose_safetensors(of({"config.json": 1, "pytorch_model.bin": 1}))
    with pytest.raises(ModelNotFound, match=r"no config\.json"):
        choose_safetensors(of({"model.safetensors": 1}))


def test_a_checkpoint_has_no_two_files_that_one_disk_could_not_tell_apart() -> None:
    there = of({"model.safetensors": 9, "config.json": 1, "Config.json": 1, "LICENSE": 1, "license": 1})
    chosen = [file.path for file in choose_safetensors(there).files]
    assert len({path.casefold() for path in chosen}) == len(chosen) == 3
    assert "config.json" in chosen


def test_a_checkpoint_without_one_of_its_shards_is_refused() -> None:
    shards = {f"model-0000{n}-of-00003.safetensors": 9 for n in (1, 3)}
    with pytest.raises(ModelNotFound, match="only some parts"):
        choose_safetensors(of({**shards, "config.json": 1}))
    both = {**shards, **{f"model-0000{n}-of-00002.safetensors": 9 for n in (1, 2)}, "config.json": 1}
    assert [file.path for file in choose_safetensors(of(both)).files if "model-" in file.path] == [
        "model-00001-of-00002.safetensors",
        "model-00002-of-00002.safetensors",
    ]
