"""Where a network starts: a fresh shape, a checkpoint, its teacher cut down, or a smaller network grown.

What comes out is a whole checkpoint folder.
Not for: training it (``training``), writing tokenizers (``tokenizer_files``), how a network grows (``grow``) or is made
smaller (``inheriting``, ``compress``).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgemind.distill.recipe.networks import GrowRecipe, ShapeRecipe, StudentRecipe
from edgemind.errors import ModelUnusable, UsageError
from edgemind.models.gguf import read_header
from edgemind.models.opening import shown

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, Qwen3Config

    from edgemind.distill.problems.base import Problem

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
)
"""Files of a checkpoint folder that belong to its tokenizer."""
INHERITED = "inherited.json"
"""Beside a checkpoint that was cut out of its teacher: which layers were kept, and the loss before and after."""
THETA, EPSILON, DEVIATION = 10_000.0, 1e-6, 0.02
"""Of a fresh shape: base of the rotary positions (small contexts), RMSNorm's epsilon, spread of the first weights."""
IN_GGUF = {
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
"""What transformers calls the tensors of a block."""
GROWABLE = "A network that can grow is a Qwen3 without biases and with tied embeddings, such as edgemind-nano."
READABLE = "Name its checkpoint's folder; a GGUF file is read as a network when it is a Qwen3, such as edgemind-nano."


def start_student(
    recipe: StudentRecipe,
    seed: int,
    into: Path,
    tokenizer: Path,
    teacher: Path | None = None,
    problems: Sequence[Problem] = (),
) -> Path:
    """Write the network that training starts from to ``into``, a checkpoint folder with a tokenizer.

    Args:
        seed: decides a fresh shape's weights and a grown one's noise.
        tokenizer: a tokenizer's folder, or a GGUF file to take it from; a checkpoint brings its own.
        teacher: with a shape, a network of its kind is made: a folder or a GGUF file. With ``start = "teacher"`` it is
            what is made smaller, and what that cost stands in ``INHERITED`` then.
        problems: with ``start = "teacher"``, what the smaller network is fitted on.

    A chat template that knows no thoughts is taught that there are some (``tokenizer_files.teach_thoughts``).

    Raises:
        ModelUnusable: the checkpoint, teacher or small network cannot be read, or is of the wrong kind.
        BadInput: the tokenizer is none.
        NoRoom, StoreProblem: the disk.
    """
    from edgemind.distill.training.checkpoints import publish_folder

    quiet()
    fill: Callable[[Path], None]
    if recipe.checkpoint is not None:
        source = recipe.checkpoint

        def fill(folder: Path) -> None:
            _copy_checkpoint(source, folder)
            _teach_thoughts(folder)

    else:

        def fill(folder: Path) -> None:
            _copy_tokenizer(tokenizer, folder)
            _teach_thoughts(folder)
            ends, pad, size = _tokens_of(folder)
            if recipe.shape is not None and teacher is not None:
                model = _like_the_teacher(recipe, teacher, folder, problems, seed)
                if model.config.vocab_size < size:
                    raise UsageError(
                        f"The tokenizer has {size:,} tokens, the teacher's network {model.config.vocab_size:,}.",
                        'Say student.start = "random".',
                    )
                for config in (model.config, model.generation_config):
                    config.eos_token_id = list(ends) if len(ends) > 1 else ends[0]
                    config.pad_token_id, config.bos_token_id = pad, None
            elif recipe.shape is not None:
                model = fresh(recipe.shape, size, ends, pad, seed)
            else:
                assert recipe.grow is not None
                model = grown(recipe.grow, ends, pad, seed)
                if model.config.vocab_size < size:
                    raise UsageError(
                        f"The tokenizer has {size:,} tokens, the network that grows {model.config.vocab_size:,}.",
                        "Leave out tokenizer, so that it keeps its own.",
                    )
            model.save_pretrained(folder)

    into.parent.mkdir(parents=True, exist_ok=True)
    publish_folder(into, fill)
    return into


def open_model(folder: Path, dtype: torch.dtype | None = None) -> PreTrainedModel:
    """A checkpoint folder as a causal language model, float32 if no type is given.

    Raises:
        ModelUnusable: transformers cannot open it, or it holds code of its own.
    """
    import torch
    from transformers import AutoModelForCausalLM

    quiet()
    try:
        model: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype or torch.float32,
            local_files_only=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, AttributeError) as problem:
        if isinstance(problem, RuntimeError) and "memory" in str(problem):
            raise
        first = str(problem).strip().splitlines()[0][:200] if str(problem).strip() else type(problem).__name__
        raise ModelUnusable(
            f"transformers cannot open {shown(folder)} as a causal language model: {first}",
            "Name a folder with config.json, model.safetensors and tokenizer.json, whose architecture needs no code.",
        ) from problem
    return model


def quiet() -> None:
    """No progress bars of transformers' own."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def fresh(shape: ShapeRecipe, vocab: int, ends: tuple[int, ...], pad: int, seed: int) -> Any:
    """A Qwen3 with tied embeddings and random weights: normal with deviation 0.02.

    What writes to the residual stream is smaller by the root of twice the number of layers, as in GPT-2.
    """
    from transformers import Qwen3ForCausalLM

    return _with_random_weights(Qwen3ForCausalLM(config_of(shape, vocab, ends, pad)), shape.layers, seed)


def _with_random_weights(model: Any, layers: int, seed: int) -> Any:
    import torch

    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2:
                last = name.endswith(("o_proj.weight", "down_proj.weight"))
                weight.normal_(0.0, DEVIATION / (2 * layers) ** 0.5 if last else DEVIATION, generator=rng)
            else:
                weight.fill_(0.0 if name.endswith("bias") else 1.0)
    return model


def _like_the_teacher(
    recipe: StudentRecipe, teacher: Path, folder: Path, problems: Sequence[Problem], seed: int
) -> Any:
    """A network of the teacher's kind: cut out of it, or in the same shape from random weights."""
    from edgemind.distill.compress import smaller_config
    from edgemind.distill.inheriting import cut

    assert recipe.shape is not None
    if recipe.start == "random":
        network = open_network(teacher)
        made = type(network)(smaller_config(network.config, recipe.shape))
        return _with_random_weights(made, recipe.shape.layers, seed)
    found = cut(recipe, teacher, folder, problems)
    about = {
        "layers": list(found.layers),
        "energy": round(found.energy, 6),
        "teacher_loss": round(found.teacher_loss, 6),
        "loss": round(found.loss, 6),
    }
    (folder / INHERITED).write_text(json.dumps(about) + "\n", encoding="utf-8")
    return found.model


def config_of(
    shape: ShapeRecipe, vocab: int, ends: tuple[int, ...], pad: int, theta: float = THETA, epsilon: float = EPSILON
) -> Qwen3Config:
    """The configuration of a shape."""
    from transformers import Qwen3Config

    return Qwen3Config(
        vocab_size=vocab,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads or shape.heads,
        head_dim=shape.head_dim or shape.width // shape.heads,
        intermediate_size=shape.ffn or 3 * shape.width,
        max_position_embeddings=shape.context,
        tie_word_embeddings=True,
        rms_norm_eps=epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": theta},
        bos_token_id=None,
        eos_token_id=list(ends) if len(ends) > 1 else ends[0],
        pad_token_id=pad,
    )


def grown(recipe: GrowRecipe, ends: tuple[int, ...], pad: int, seed: int) -> Any:
    """A network twice as wide and perhaps deeper that computes what the small one does.

    Raises:
        ModelUnusable: the small one is of a kind that cannot.
    """
    from transformers import Qwen3ForCausalLM

    from edgemind.distill.grow import deepened, doubled

    source = Path(recipe.from_)
    small: Any = open_small(source)
    old = small.config
    if any(name.endswith(".bias") for name, _ in small.named_parameters()) or not old.tie_word_embeddings:
        raise ModelUnusable(f"{shown(source)} cannot grow.", GROWABLE)
    after = tuple(sorted(set(recipe.layers_after)))
    if after and after[-1] >= old.num_hidden_layers:
        raise UsageError(
            f"grow.layers_after has {after[-1]}, and the layers of {shown(source)} end at {old.num_hidden_layers - 1}."
        )
    state = doubled(small.state_dict(), old.num_attention_heads, old.num_key_value_heads, seed)
    state = deepened(state, old.num_hidden_layers, after)
    shape = ShapeRecipe(
        width=2 * old.hidden_size,
        layers=old.num_hidden_layers + len(after),
        heads=2 * old.num_attention_heads,
        kv_heads=old.num_key_value_heads,
        head_dim=old.head_dim,
        ffn=2 * old.intermediate_size,
        context=old.max_position_embeddings,
    )
    theta = float(old.rope_parameters["rope_theta"])
    model = Qwen3ForCausalLM(config_of(shape, old.vocab_size, ends, pad, theta, old.rms_norm_eps))
    model.load_state_dict(state, strict=False)
    model.tie_weights()
    return model


def open_network(source: Path) -> Any:
    """A network from a checkpoint folder, or from the GGUF file of a Qwen3, in float32.

    Raises:
        ModelUnusable: it is neither.
    """
    quiet()
    return open_model(source) if source.is_dir() else _from_gguf(source)


def open_small(source: Path) -> Any:
    """A small Qwen3 from a checkpoint folder or a GGUF file, in float32.

    Raises:
        ModelUnusable: it is none.
    """
    model: Any = open_network(source)
    if model.config.model_type != "qwen3":
        raise ModelUnusable(f"{shown(source)} is a {model.config.model_type} and cannot grow.", GROWABLE)
    return model


def _from_gguf(path: Path) -> Any:
    """A GGUF file's Qwen3, its weights dequantized."""
    import gguf
    import numpy as np
    import torch
    from transformers import Qwen3ForCausalLM

    header = read_header(path)
    if header.architecture != "qwen3":
        raise ModelUnusable(f"{shown(path)} is a {header.architecture} and cannot be read as a network.", READABLE)

    def number(key: str) -> int:
        found = header.number(f"qwen3.{key}")
        if found is None:
            raise ModelUnusable(f"{shown(path)} does not say its {key}.")
        return found

    tensors = {
        tensor.name: torch.from_numpy(np.array(gguf.dequantize(tensor.data, tensor.tensor_type), np.float32))
        for tensor in gguf.GGUFReader(path).tensors
    }
    shape = ShapeRecipe(
        width=number("embedding_length"),
        layers=number("block_count"),
        heads=number("attention.head_count"),
        kv_heads=number("attention.head_count_kv"),
        head_dim=number("attention.key_length"),
        ffn=number("feed_forward_length"),
        context=number("context_length"),
    )
    theta = float(header.metadata.get("qwen3.rope.freq_base", THETA))  # type: ignore[arg-type]
    epsilon = float(header.metadata.get("qwen3.attention.layer_norm_rms_epsilon", EPSILON))  # type: ignore[arg-type]
    vocab = tensors["token_embd.weight"].shape[0]
    model = Qwen3ForCausalLM(config_of(shape, vocab, (0,), 0, theta, round(epsilon, 9)))
    model.load_state_dict(_renamed(tensors, path))
    return model


def _renamed(tensors: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a GGUF file under transformers' names."""
    found = {}
    for name, tensor in tensors.items():
        if name == "token_embd.weight":
            found["model.embed_tokens.weight"] = found["lm_head.weight"] = tensor
        elif name == "output_norm.weight":
            found["model.norm.weight"] = tensor
        else:
            parts = name.split(".")
            if len(parts) != 4 or parts[0] != "blk" or parts[2] not in IN_GGUF:
                raise ModelUnusable(
                    f"{shown(path)} has a tensor {shown(name)} and cannot be read as a network.", READABLE
                )
            found[f"model.layers.{parts[1]}.{IN_GGUF[parts[2]]}.{parts[3]}"] = tensor
    return found


def _copy_checkpoint(source: Path, folder: Path) -> None:
    """Configuration, weights and tokenizer, and nothing else that lies there."""
    wanted = [*source.glob("*.safetensors"), *source.glob("*.safetensors.index.json")]
    if not (source / "config.json").is_file() or not wanted:
        raise ModelUnusable(
            f"{shown(source)} is no checkpoint: it needs config.json and model.safetensors.",
            "`model.save_pretrained(DIR)` of transformers writes both.",
        )
    names = ["config.json", "generation_config.json", *TOKENIZER_FILES]
    for path in [*wanted, *(source / name for name in names)]:
        if path.is_file():
            shutil.copyfile(path, folder / path.name)


def _copy_tokenizer(tokenizer: Path, folder: Path) -> None:
    """From a folder, or out of a GGUF file."""
    if not tokenizer.is_dir():
        from edgemind.distill.tokenizer_files import tokenizer_of_gguf

        tokenizer_of_gguf(tokenizer, folder)
        return
    found = [tokenizer / name for name in TOKENIZER_FILES if (tokenizer / name).is_file()]
    if not any(path.name == "tokenizer.json" for path in found):
        raise ModelUnusable(f"{shown(tokenizer)} has no tokenizer.json.", "Name a folder that has one.")
    for path in found:
        shutil.copyfile(path, folder / path.name)


def _teach_thoughts(folder: Path) -> None:
    """Let a template that knows no thoughts say that there are some, so that the engine keeps them out of answers."""
    from edgemind.distill.chat_format import ChatFormat
    from edgemind.distill.tokenizer_files import teach_thoughts

    if not ChatFormat.of_folder(folder).text.knows_thoughts:
        teach_thoughts(folder)


def _tokens_of(folder: Path) -> tuple[tuple[int, ...], int, int]:
    """Tokens that end a turn, the one that pads, and how many there are."""
    from tokenizers import Tokenizer

    from edgemind.distill.chat_format import ChatFormat

    found = ChatFormat.of_folder(folder)
    vocab = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab(with_added_tokens=True)
    return found.end_ids, found.pad_id, 1 + max(vocab.values())
