"""A KV cache with the graphs that fill it: batches in, logits out, sequences moved.

Not for: which tokens go into a batch (``scheduler``), or who owns which sequence (``contexts``).
"""

from __future__ import annotations

import ctypes
import enum
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgemind.engine.llama.bindings import C, Handle, is_about_memory, reason, recording
from edgemind.engine.llama.model import Adapter, Model
from edgemind.errors import EdgemindError, OutOfMemory, UsageError

KvType = Literal["f16", "q8_0", "f32"]
_KV_TYPES = {"f32": C.GGML_TYPE_F32, "f16": C.GGML_TYPE_F16, "q8_0": C.GGML_TYPE_Q8_0}
GRANULE = 256
MAX_SEQUENCES = 256
"""llama.cpp's ``LLAMA_MAX_SEQ``."""


class DecodeResult(enum.Enum):
    """What became of a batch.

    ``NO_SLOT`` leaves the memory as it was. After ``ABORTED`` the micro-batch that was being computed has been
    removed from the memory, but earlier micro-batches of the same batch are in it: remove what was added.
    """

    OK = 0
    NO_SLOT = 1
    ABORTED = 2


class AbortFlag:
    """A switch that stops a running decode from another thread, at the next node of the graph.

    llama.cpp asks its abort callback before every one of about a thousand nodes, and a Python callback would take
    the interpreter lock each time. Here the callback is libc's ``strlen`` and its data a two-byte string: "" goes
    on, "\\x01" stops. Works on CPU graphs; a GPU graph runs to its end.
    """

    def __init__(self) -> None:
        self._flag = (ctypes.c_char * 2)()

    def set(self) -> None:
        self._flag[0] = b"\x01"

    def clear(self) -> None:
        self._flag[0] = b"\x00"

    def is_set(self) -> bool:
        return self._flag[0] != b"\x00"

    def __call__(self) -> bool:
        return self.is_set()

    def as_callback(self) -> tuple[Any, Any]:
        """Function and data for ``llama_set_abort_callback``."""
        library = ctypes.CDLL("msvcrt") if os.name == "nt" else ctypes.CDLL(None)
        return ctypes.cast(library.strlen, C.ggml_abort_callback), ctypes.cast(self._flag, ctypes.c_void_p)


class Batch:
    """Tokens for one decode, each of one sequence; reusable.

    Args:
        capacity: most tokens.
        n_seq_max: sequences of the context it is for; kept to check what is added.
    """

    def __init__(self, capacity: int, n_seq_max: int = 1) -> None:
        self.capacity = capacity
        self.n_outputs = 0
        """Tokens whose logits are wanted."""
        self._n_seq_max = n_seq_max
        self._tokens = np.zeros(capacity, np.int32)
        self._positions = np.zeros(capacity, np.int32)
        self._counts = np.ones(capacity, np.int32)
        self._sequences = np.zeros(capacity, np.int32)
        self._wanted = np.zeros(capacity, np.int8)
        self._rows = np.zeros(capacity + 1, np.uintp)
        self._rows[:capacity] = self._sequences.ctypes.data + 4 * np.arange(capacity)
        members = dict(C.llama_batch._fields_)
        self.raw = C.llama_batch(
            n_tokens=0,
            token=self._tokens.ctypes.data_as(members["token"]),
            embd=None,
            pos=self._positions.ctypes.data_as(members["pos"]),
            n_seq_id=self._counts.ctypes.data_as(members["n_seq_id"]),
            seq_id=self._rows.ctypes.data_as(members["seq_id"]),
            logits=self._wanted.ctypes.data_as(members["logits"]),
        )

    @property
    def n_tokens(self) -> int:
        return int(self.raw.n_tokens)

    def clear(self) -> None:
        self.raw.n_tokens = 0
        self.n_outputs = 0

    def add(self, token: int, pos: int, seq: int, logits: bool) -> int:
        """Add one token at position ``pos`` of a sequence; returns its index, for ``Context.logits``."""
        return self.extend((token,), pos, seq, logits)

    def extend(self, tokens: Sequence[int], pos0: int, seq: int, outputs: int) -> int:
        """Add tokens at consecutive positions; returns the index of the last.

        Args:
            outputs: compute the logits after so many of them, the last ones.

        Raises:
            EdgemindError: nothing to add, no room, or an unknown sequence.
        """
        start, count = self.n_tokens, len(tokens)
        end = start + count
        if not count or end > self.capacity or not 0 <= seq < self._n_seq_max:
            raise EdgemindError(
                f"{count} tokens of sequence {seq} cannot be added to a batch with {start} of {self.capacity} tokens "
                f"for {self._n_seq_max} sequences."
            )
        self._tokens[start:end] = tokens
        self._positions[start:end] = np.arange(pos0, pos0 + count)
        self._sequences[start:end] = seq
        self._wanted[start:end] = 0
        self._wanted[end - min(outputs, count) : end] = 1
        self.n_outputs += min(outputs, count)
        self.raw.n_tokens = end
        return end - 1


class Context(Handle):
    """The KV cache of a model and everything to fill it, for up to ``n_seq_max`` sequences that share its cells.

    Args:
        n_ctx: cells, all sequences together; a multiple of 256.
        n_batch: most tokens of one decode.
        n_ubatch: most tokens computed at once; an abort loses at most the work of one such piece.
        threads: CPU threads for single tokens; ``threads_batch`` for prompts, the same unless given.
        flash_attention: also decides how V is stored, see ``convert_state_flash``; needed for ``q8_0``.
        kv_type: number format of keys and values.
        offload_kqv: keep the cache on the device of its layers.
        n_outputs: most rows of logits of one decode; one per sequence unless given. llama.cpp would reserve
            ``n_ubatch`` rows, 0.3 GB with a vocabulary of 151,936.
        on_node: a ``ggml_backend_sched_eval_callback`` that sees every node of the graph; see ``imatrix``.

    Raises:
        OutOfMemory: it cannot be allocated.
        UsageError: options that exclude each other.
        EdgemindError: llama.cpp refuses for another reason.
    """

    def __init__(
        self,
        model: Model,
        *,
        n_ctx: int,
        n_seq_max: int = 1,
        n_batch: int = 512,
        n_ubatch: int = 512,
        threads: int,
        threads_batch: int | None = None,
        flash_attention: bool,
        kv_type: str = "f16",
        offload_kqv: bool = True,
        n_outputs: int | None = None,
        on_node: Any = None,
    ) -> None:
        self._address = None
        _check_options(n_ctx, n_seq_max, kv_type, flash_attention)
        params = C.llama_context_default_params()
        params.n_ctx = n_ctx
        params.n_batch = n_batch
        params.n_ubatch = min(n_ubatch, n_batch)
        params.n_seq_max = n_seq_max
        params.n_outputs_max = max(n_outputs or 0, n_seq_max)
        params.n_threads = threads
        params.n_threads_batch = threads_batch or threads
        flash_on, flash_off = C.LLAMA_FLASH_ATTN_TYPE_ENABLED, C.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.flash_attn_type = flash_on if flash_attention else flash_off
        params.type_k = params.type_v = _KV_TYPES[kv_type]
        params.offload_kqv = offload_kqv
        params.kv_unified = True
        params.no_perf = True
        if on_node is not None:
            params.cb_eval = on_node
        with recording() as lines:
            address = C.llama_init_from_model(model.raw, params)
        if not address:
            if is_about_memory(lines):
                raise OutOfMemory(
                    f"A context of {n_ctx:,} tokens does not fit into memory: {reason(lines)}.",
                    "Use a smaller --context, or --kv-type q8_0.",
                )
            raise EdgemindError(f"llama.cpp cannot open a context of {n_ctx:,} tokens: {reason(lines)}.")
        super().__init__(address, C.llama_free)
        model.depends_on_me(self)
        self.model = model
        self.flash_attention = flash_attention
        self.n_outputs = int(params.n_outputs_max)
        self.n_batch = int(C.llama_n_batch(address))
        self._memory = C.llama_get_memory(address)
        self._row: Any = ctypes.c_float * model.n_vocab
        self._abort: tuple[Any, Any, Any] | None = None
        self._on_node = on_node

    @property
    def n_ctx(self) -> int:
        """Cells, all sequences together."""
        return int(C.llama_n_ctx(self.raw))

    @property
    def n_seq_max(self) -> int:
        return int(C.llama_n_seq_max(self.raw))

    def decode(self, batch: Batch) -> DecodeResult:
        """Run a batch through the model. See ``DecodeResult`` for what is left in the memory.

        Raises:
            OutOfMemory: a compute buffer could not be allocated; the piece it was for is not in the memory.
            EdgemindError: llama.cpp refuses the batch (unknown token, positions with a gap) or fails.
        """
        if batch.n_tokens > self.n_batch or batch.n_outputs > self.n_outputs:
            raise EdgemindError(
                f"A batch of {batch.n_tokens} tokens with {batch.n_outputs} outputs is more than the context takes "
                f"({self.n_batch} and {self.n_outputs})."
            )
        with recording() as lines:
            code = C.llama_decode(self.raw, batch.raw)
        if code in (0, 1, 2):
            return DecodeResult(code)
        lines = [line for line in lines if "failed to decode" not in line and "removing memory" not in line]
        if code == -2:
            raise OutOfMemory(f"Memory ran out while decoding {batch.n_tokens} tokens: {reason(lines)}.")
        raise EdgemindError(f"llama.cpp failed to decode {batch.n_tokens} tokens (code {code}): {reason(lines)}.")

    def logits(self, index: int) -> npt.NDArray[np.float32]:
        """The row of logits ``[vocab]`` of the batch index, a view that is good until the next decode.

        Raises:
            EdgemindError: no logits were asked for at this index.
        """
        row = C.llama_get_logits_ith(self.raw, index)
        if not row:
            raise EdgemindError(f"The last batch computed no logits at index {index}.")
        return np.frombuffer(self._row.from_address(ctypes.addressof(row.contents)), np.float32)

    def set_abort(self, should_abort: Callable[[], bool] | None) -> None:
        """Ask ``should_abort`` before every node of a CPU graph; an ``AbortFlag`` costs nothing, see there."""
        if should_abort is None:
            function, data = C.ggml_abort_callback(0), None
        elif isinstance(should_abort, AbortFlag):
            function, data = should_abort.as_callback()
        else:
            function, data = C.ggml_abort_callback(lambda _: bool(should_abort())), None
        C.llama_set_abort_callback(self.raw, function, data)
        self._abort = (should_abort, function, data)

    def seq_remove(self, seq: int, start: int, end: int = -1) -> bool:
        """Forget positions ``start`` to ``end`` (exclusive; -1: all that follow) of a sequence.

        False, and nothing is changed, when that leaves a sequence that cannot be continued: a recurrent memory
        has no past, and a sliding window may have lost the cells before ``start``. All of it (0 to -1) always goes.
        """
        _ = self.raw
        if start > 0 and end < 0 and start <= self.seq_max_pos(seq) and not self.seq_reaches(seq, start):
            return False
        return bool(C.llama_memory_seq_rm(self._memory, seq, max(start, 0), end))

    def seq_copy(self, src: int, dst: int, start: int = 0, end: int = -1) -> bool:
        """Let ``dst`` share the cells of ``src`` from ``start`` to ``end``; costs no cells.

        False, and nothing is changed, when ``dst`` could not be continued at ``end``, as for ``seq_remove``.
        """
        _ = self.raw
        if end > 0 and end <= self.seq_max_pos(src) and not self.seq_reaches(src, end):
            return False
        C.llama_memory_seq_cp(self._memory, src, dst, start, end)
        return True

    def seq_reaches(self, seq: int, position: int) -> bool:
        """Whether every cell is there that the token at ``position`` would attend to."""
        if self.model.is_recurrent or self.model.is_hybrid:
            return position == self.seq_max_pos(seq) + 1
        if not self.model.n_swa:
            return True
        first = int(C.llama_memory_seq_pos_min(self._memory, seq))
        return first <= max(0, position - self.model.n_swa + 1)

    def seq_keep(self, seq: int) -> None:
        """Forget every sequence but this one."""
        _ = self.raw
        C.llama_memory_seq_keep(self._memory, seq)

    def clear(self) -> None:
        """Forget everything."""
        _ = self.raw
        C.llama_memory_clear(self._memory, False)

    def seq_max_pos(self, seq: int) -> int:
        """The largest position of a sequence, -1 when it is empty."""
        _ = self.raw
        return int(C.llama_memory_seq_pos_max(self._memory, seq))

    def seq_state(self, seq: int) -> bytearray:
        """Keys and values of a sequence as llama.cpp writes them; good for any context of the same model, number
        format and flash attention, whatever its size.

        Raises:
            EdgemindError: llama.cpp cannot write it.
        """
        size = C.llama_state_seq_get_size(self.raw, seq)
        data = bytearray(size)
        room = (ctypes.c_uint8 * size).from_buffer(data) if size else None
        if not size or C.llama_state_seq_get_data(self.raw, room, size, seq) != size:
            raise EdgemindError(f"llama.cpp cannot save the state of sequence {seq}.")
        return data

    def set_seq_state(self, seq: int, data: bytes | bytearray | memoryview) -> bool:
        """Put a saved state into a sequence, replacing it; False when llama.cpp refuses, and it is empty then."""
        room = np.frombuffer(data, np.uint8)
        pointer = room.ctypes.data_as(ctypes.POINTER(ctypes.c_uint8))
        with recording():
            taken = C.llama_state_seq_set_data(self.raw, pointer, room.size, seq)
        if taken == 0 or taken != room.size:
            self.seq_remove(seq, 0)
            return False
        return True

    def set_adapters(self, adapters: Sequence[tuple[Adapter, float]]) -> None:
        """Use exactly these LoRA adapters, each with its scale, from the next decode on.

        Raises:
            EdgemindError: llama.cpp refuses.
        """
        count = len(adapters)
        pointers = (C.llama_adapter_lora_p_ctypes * count)(*(adapter.raw for adapter, _ in adapters))
        scales = (ctypes.c_float * count)(*(scale for _, scale in adapters))
        if C.llama_set_adapters_lora(self.raw, pointers, count, scales) != 0:
            raise EdgemindError("llama.cpp refuses these adapters.")

    def set_threads(self, threads: int, threads_batch: int | None = None) -> None:
        """CPU threads for single tokens and for prompts."""
        C.llama_set_n_threads(self.raw, threads, threads_batch or threads)


def _check_options(n_ctx: int, n_seq_max: int, kv_type: str, flash_attention: bool) -> None:
    if n_ctx <= 0 or n_ctx % GRANULE:
        raise UsageError(f"A context size must be a multiple of {GRANULE}, not {n_ctx}.")
    if not 1 <= n_seq_max <= MAX_SEQUENCES:
        raise UsageError(f"A context holds 1 to {MAX_SEQUENCES} sequences, not {n_seq_max}.")
    if kv_type not in _KV_TYPES:
        raise UsageError(f"There is no cache type {kv_type!r}; use one of {', '.join(_KV_TYPES)}.")
    if kv_type == "q8_0" and not flash_attention:
        raise UsageError("A q8_0 cache needs flash attention.", "Use --flash-attention on, or --kv-type f16.")
