"""A model file opened by llama.cpp, its vocabulary, and LoRA adapters for it.

Not for: whether it fits the machine (``models.fit``), or whether its header is sane (``models.gguf``): both are
asked first, because a damaged file can end the process that opens it.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from typing import Any, cast

from edgemind.engine.llama.bindings import C, Handle, is_about_memory, reason, recording, start_backend
from edgemind.errors import EdgemindError, ModelUnusable, OutOfMemory

_ATTR_NAMED = C.LLAMA_TOKEN_ATTR_CONTROL | C.LLAMA_TOKEN_ATTR_USER_DEFINED | C.LLAMA_TOKEN_ATTR_UNKNOWN


class Model(Handle):
    """Weights and vocabulary of one model. Closing it closes its contexts and adapters first."""

    def __init__(self, address: Any) -> None:
        super().__init__(address, C.llama_model_free)
        self._dependants: weakref.WeakSet[Handle] = weakref.WeakSet()

    @classmethod
    def open(
        cls,
        path: str,
        *others: str,
        gpu_layers: int = 0,
        mmap: bool = True,
        vocab_only: bool = False,
        progress: Callable[[float], bool] | None = None,
    ) -> Model:
        """Load a GGUF file.

        Args:
            others: the other parts of a model that is split, in order; any names will do.
            gpu_layers: layers to place on devices; 0 keeps all on the CPU and uses no device at all.
            mmap: map the file instead of reading it; a file truncated later is then a SIGBUS.
            vocab_only: only the vocabulary and the metadata.
            progress: told the loaded fraction, 0 to 1; False cancels.

        Raises:
            ModelUnusable: llama.cpp cannot read the file; the message has its reason.
            OutOfMemory: an allocation failed.
            EdgemindError: ``progress`` cancelled.
        """
        start_backend()
        problems: list[BaseException] = []
        cancelled = False

        def report(fraction: float, _: object) -> bool:
            nonlocal cancelled
            try:
                cancelled = progress is not None and not progress(fraction)
            except BaseException as problem:
                problems.append(problem)
                return False
            return not cancelled

        params = C.llama_model_default_params()
        params.n_gpu_layers = gpu_layers
        params.load_mode = C.LLAMA_LOAD_MODE_MMAP if mmap else C.LLAMA_LOAD_MODE_NONE
        params.vocab_only = vocab_only
        no_device = (ctypes.c_void_p * 1)(None)
        if gpu_layers == 0:
            params.devices = ctypes.cast(no_device, ctypes.c_void_p)
        callback = C.llama_progress_callback(report)
        params.progress_callback = callback
        with recording() as lines:
            address = _load([path, *others], params)
        if problems:
            if address:
                C.llama_model_free(address)
            raise problems[0]
        if not address:
            raise _loading_failed(path, lines, cancelled)
        model = cls(address)
        if C.llama_vocab_type(model.vocab.raw) == C.LLAMA_VOCAB_TYPE_NONE:
            model.close()
            raise ModelUnusable(f"{os.path.basename(path)} has no vocabulary, so it cannot read or write text.")
        return model

    def depends_on_me(self, dependant: Handle) -> None:
        """Have ``dependant`` closed before this model is."""
        self._dependants.add(dependant)

    def close(self) -> None:
        for dependant in list(getattr(self, "_dependants", ())):
            dependant.close()
        super().close()

    @cached_property
    def vocab(self) -> Vocab:
        return Vocab(self)

    @cached_property
    def architecture(self) -> str:
        """llama.cpp's name of it, such as ``qwen3``."""
        return self.metadata("general.architecture") or ""

    @cached_property
    def parameters(self) -> int:
        """Number of weights."""
        return int(C.llama_model_n_params(self.raw))

    @cached_property
    def size_bytes(self) -> int:
        """Size of all tensors, in bytes."""
        return int(C.llama_model_size(self.raw))

    @cached_property
    def n_ctx_train(self) -> int:
        """Tokens of the context it was trained with."""
        return int(C.llama_model_n_ctx_train(self.raw))

    @cached_property
    def n_layer(self) -> int:
        return int(C.llama_model_n_layer(self.raw))

    @cached_property
    def n_embd(self) -> int:
        """Width of the hidden state."""
        return int(C.llama_model_n_embd(self.raw))

    @cached_property
    def n_vocab(self) -> int:
        """Tokens of the vocabulary, which is also the length of a row of logits."""
        return int(C.llama_vocab_n_tokens(self.vocab.raw))

    @cached_property
    def n_swa(self) -> int:
        """Width of the sliding attention window in tokens; 0 when every layer sees everything."""
        return int(C.llama_model_n_swa(self.raw))

    @cached_property
    def has_encoder(self) -> bool:
        return bool(C.llama_model_has_encoder(self.raw))

    @cached_property
    def has_decoder(self) -> bool:
        return bool(C.llama_model_has_decoder(self.raw))

    @cached_property
    def is_recurrent(self) -> bool:
        return bool(C.llama_model_is_recurrent(self.raw))

    @cached_property
    def is_hybrid(self) -> bool:
        """Recurrent and attention layers mixed: its memory cannot forget a tail either."""
        return bool(C.llama_model_is_hybrid(self.raw))

    def metadata(self, key: str) -> str | None:
        """One metadata value as text, or None. llama.cpp gives arrays only in part."""
        return _string(partial(C.llama_model_meta_val_str, self.raw, key.encode()))

    def all_metadata(self) -> dict[str, str]:
        found = {}
        for index in range(C.llama_model_meta_count(self.raw)):
            key = _string(partial(C.llama_model_meta_key_by_index, self.raw, index))
            value = _string(partial(C.llama_model_meta_val_str_by_index, self.raw, index))
            if key is not None and value is not None:
                found[key] = value
        return found

    def chat_template(self) -> str | None:
        """The default Jinja template of the file, or None."""
        template = C.llama_model_chat_template(self.raw, None)
        return None if template is None else cast(bytes, template).decode("utf-8", "replace")


class Vocab:
    """Tokens, their texts and what they mean. Belongs to its model and lives as long."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._address = C.llama_model_get_vocab(model.raw)
        self._size = int(C.llama_vocab_n_tokens(self._address))
        self._plain: list[bytes | None] = [None] * self._size
        self._special: list[bytes | None] = [None] * self._size
        self.bos = self._named(C.llama_vocab_bos(self._address))
        self.eos = self._named(C.llama_vocab_eos(self._address))
        self.eot = self._named(C.llama_vocab_eot(self._address))
        self.pad = self._named(C.llama_vocab_pad(self._address))
        self.nl = _token(C.llama_vocab_nl(self._address))
        self.fim_prefix = _token(C.llama_vocab_fim_pre(self._address))
        self.fim_suffix = _token(C.llama_vocab_fim_suf(self._address))
        self.fim_middle = _token(C.llama_vocab_fim_mid(self._address))
        self.add_bos = bool(C.llama_vocab_get_add_bos(self._address))
        self.add_eos = bool(C.llama_vocab_get_add_eos(self._address))

    def __len__(self) -> int:
        return self._size

    @property
    def raw(self) -> Any:
        """The pointer for the C functions, good while the model is open."""
        _ = self._model.raw
        return self._address

    def metadata(self, key: str) -> str | None:
        """What the model's file says about itself and its vocabulary, as text."""
        return self._model.metadata(key)

    @cached_property
    def eog(self) -> frozenset[int]:
        """Every token that ends a generation."""
        address = self.raw
        return frozenset(token for token in range(self._size) if C.llama_vocab_is_eog(address, token))

    def is_eog(self, token: int) -> bool:
        return bool(C.llama_vocab_is_eog(self.raw, self._known(token)))

    def is_control(self, token: int) -> bool:
        return bool(C.llama_vocab_is_control(self.raw, self._known(token)))

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """Token ids of a text.

        Args:
            add_special: put the start (and end) token there if the model is configured so.
            parse_special: read ``<|im_start|>`` and the like as control tokens rather than as text.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        for _ in range(2):
            tokens = (C.llama_token * room)()
            count = C.llama_tokenize(self.raw, data, len(data), tokens, room, add_special, parse_special)
            if count >= 0:
                return list(tokens[:count])
            room = -count
        raise EdgemindError(f"llama.cpp could not tokenize a text of {len(data):,} bytes.")

    def piece(self, token: int, *, special: bool = False) -> bytes:
        """The bytes of one token, often a part of a character; b"" for a control token unless ``special``."""
        cache = self._special if special else self._plain
        known = cache[self._known(token)]
        if known is None:
            known = cache[token] = self._piece(token, special)
        return known

    def detokenize(self, tokens: Iterable[int], *, special: bool = False) -> bytes:
        """The bytes of a text: joined pieces, without the space that some vocabularies put in front.

        With ``special`` control tokens are written out. A leading BOS is dropped here otherwise, since llama.cpp keeps
        that space after a BOS which it drops itself.
        """
        ids = [self._known(token) for token in tokens]
        if not special and ids[:1] == [self.bos]:
            del ids[0]
        array = (C.llama_token * len(ids))(*ids)
        room = 8 * len(ids) + 16
        for _ in range(2):
            buffer = ctypes.create_string_buffer(room)
            count = C.llama_detokenize(self.raw, array, len(ids), buffer, room, False, special)
            if count >= 0:
                return buffer.raw[:count]
            room = -count
        raise EdgemindError(f"llama.cpp could not turn {len(ids):,} tokens into text.")

    def text(self, token: int) -> str:
        """The token as it stands in the vocabulary, with its own escapes for spaces and bytes."""
        return cast(bytes, C.llama_vocab_get_text(self.raw, self._known(token))).decode("utf-8", "replace")

    def find(self, text: str) -> int | None:
        """The control or added token that is spelled exactly so, or None."""
        tokens = self.tokenize(text, add_special=False, parse_special=True) if text else []
        if len(tokens) != 1 or self.text(tokens[0]) != text:
            return None
        return self._named(tokens[0])

    def _named(self, token: int) -> int | None:
        """The token if it is a control or added one. A vocabulary without a BOS has, for llama.cpp, token 11 as one."""
        if not 0 <= token < self._size or not C.llama_vocab_get_attr(self._address, token) & _ATTR_NAMED:
            return None
        return int(token)

    def _known(self, token: int) -> int:
        """llama.cpp ends the process over an unknown token."""
        if not 0 <= token < self._size:
            raise EdgemindError(f"There is no token {token}: this vocabulary has {self._size:,}.")
        return token

    def _piece(self, token: int, special: bool) -> bytes:
        room = 64
        for _ in range(2):
            buffer = ctypes.create_string_buffer(room)
            count = C.llama_token_to_piece(self.raw, token, buffer, room, 0, special)
            if count >= 0:
                return buffer.raw[:count]
            room = -count
        return b""


class Adapter(Handle):
    """A LoRA adapter, loaded for one model."""

    @classmethod
    def load(cls, model: Model, path: str) -> Adapter:
        """Read an adapter from a GGUF file.

        Raises:
            ModelUnusable: no adapter, or one for another model; the message has llama.cpp's reason.
        """
        with recording() as lines:
            address = C.llama_adapter_lora_init(model.raw, _path(path))
        if not address:
            name = os.path.basename(path)
            raise ModelUnusable(
                f"The adapter {name} cannot be used with this model: {reason(lines)}.",
                "Check that the adapter was made for exactly this model, and converted to GGUF.",
            )
        adapter = cls(address, C.llama_adapter_lora_free)
        model.depends_on_me(adapter)
        return adapter


def _load(paths: list[str], params: Any) -> Any:
    """The model, or a null pointer."""
    if len(paths) == 1:
        return C.llama_model_load_from_file(_path(paths[0]), params)
    names = (ctypes.c_char_p * len(paths))(*map(_path, paths))
    return C.llama_model_load_from_splits(names, len(paths), params)


def _loading_failed(path: str, lines: list[str], cancelled: bool) -> EdgemindError:
    name = os.path.basename(path)
    if cancelled:
        return EdgemindError(f"Loading {name} was cancelled.")
    if is_about_memory(lines):
        return OutOfMemory(
            f"{name} does not fit into memory: {reason(lines)}.",
            "Use a smaller quantization or fewer --gpu-layers; `edgemind doctor` shows the memory.",
        )
    return ModelUnusable(f"llama.cpp cannot load {name}: {reason(lines)}.", "Download or convert the model again.")


def _string(call: Callable[[Any, int], int]) -> str | None:
    """Read a string of unknown length through one of llama.cpp's snprintf-like functions."""
    room = 256
    for _ in range(2):
        buffer = ctypes.create_string_buffer(room)
        length = call(buffer, room)
        if length < 0:
            return None
        if length < room:
            return buffer.raw[:length].decode("utf-8", "replace")
        room = length + 1
    return None


def _path(path: str) -> bytes:
    return path.encode() if os.name == "nt" else os.fsencode(path)


def _token(token: int) -> int | None:
    return int(token) if token >= 0 else None
