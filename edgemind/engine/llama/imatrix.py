"""What goes into each matrix of a model while it reads: per column the sum of squares, for an importance matrix.

llama.cpp shows every node of its graph to a callback; of each product with a weight matrix the inputs are read where
they lie. Its tensor struct has no accessors, so its layout is repeated here and checked against a product that ggml
itself has built before anything is read (``ggml.h``, ``struct ggml_tensor``).
Not for: the text (``calibrator``), the file (``models.imatrix``).
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgemind.engine.llama.bindings import C, ggml
from edgemind.errors import EdgemindError, ModelUnusable

_MOST_OPS = 256


class _Tensor(ctypes.Structure):
    """``struct ggml_tensor``."""


_Tensor._fields_ = [
    ("type", ctypes.c_int),
    ("buffer", ctypes.c_void_p),
    ("ne", ctypes.c_int64 * 4),
    ("nb", ctypes.c_size_t * 4),
    ("op", ctypes.c_int),
    ("op_params", ctypes.c_int32 * 16),
    ("flags", ctypes.c_int32),
    ("src", ctypes.POINTER(_Tensor) * 10),
    ("view_src", ctypes.c_void_p),
    ("view_offs", ctypes.c_size_t),
    ("data", ctypes.c_void_p),
    ("name", ctypes.c_char * 64),
]


class _InitParams(ctypes.Structure):
    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


class Collector:
    """Sums of squares by tensor name. Give ``callback`` to a ``Context`` as ``on_node``, then decode.

    ``sums[name]`` is ``[experts, columns]``, ``counts[name]`` how many rows went into each: one count for a plain
    matrix, one for each expert of a mixture, as llama.cpp's own files have it.

    Raises:
        EdgemindError: this build of llama.cpp lays its tensors out in another way.
    """

    def __init__(self) -> None:
        self._ops = operations()
        self._is_host = ggml("ggml_backend_buffer_is_host", ctypes.c_bool, ctypes.c_void_p)
        self._get = ggml(
            "ggml_backend_tensor_get", None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t
        )
        self._n_bytes = ggml("ggml_nbytes", ctypes.c_size_t, ctypes.c_void_p)
        self._last: tuple[int, NDArray[np.float32]] | None = None
        self._problem: BaseException | None = None
        self.sums: dict[str, NDArray[np.float64]] = {}
        self.counts: dict[str, NDArray[np.int64]] = {}
        self.callback = C.ggml_backend_sched_eval_callback(self._node)

    def begin(self) -> None:
        """Before each decode."""
        self._last = None
        self._problem = None

    def check(self) -> None:
        """After each decode.

        Raises:
            ModelUnusable: a tensor's inputs were not finite numbers.
        """
        if self._problem is not None:
            raise self._problem

    def _node(self, address: int, ask: bool, _: object) -> bool:
        """ggml asks whether it is wanted, computes it, and shows it; False then stops the graph."""
        try:
            node = _Tensor.from_address(address)
            if ask:
                return self._wants(node)
            self._take(node)
        except BaseException as problem:
            self._problem = problem
            return False
        return True

    def _wants(self, node: _Tensor) -> bool:
        if node.op not in self._ops:
            return False
        if not _weight_name(node):
            return False
        inputs = node.src[1].contents
        return bool(inputs.type == C.GGML_TYPE_F32 and inputs.nb[0] == 4)

    def _take(self, node: _Tensor) -> None:
        name = _weight_name(node)
        matrices = int(node.src[0].contents.ne[2] * node.src[0].contents.ne[3])
        if self._ops[node.op] == "MUL_MAT_ID":
            sums, counts = self._by_expert(node, matrices)
        elif matrices > 1:
            sums, counts = self._by_matrix(node, matrices)
        else:
            sums, counts = self._plain(node)
        if not np.isfinite(sums).all():
            raise ModelUnusable(f"What goes into {name} is not a finite number.", "Make or fetch the model again.")
        if name not in self.sums:
            self.sums[name] = np.zeros(sums.shape, np.float64)
            self.counts[name] = np.zeros(counts.shape, np.int64)
        self.sums[name] += sums
        self.counts[name] += counts

    def _plain(self, node: _Tensor) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Query, key and value have the same inputs, and so have gate and up: they are summed once."""
        inputs = node.src[1].contents
        address = ctypes.addressof(inputs)
        if self._last is None or self._last[0] != address:
            rows = self._rows(inputs)
            self._last = address, np.einsum("abij,abij->j", rows, rows)[None]
        return self._last[1], np.array([inputs.ne[1] * inputs.ne[2] * inputs.ne[3]], np.int64)

    def _by_matrix(self, node: _Tensor, matrices: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """A stack of matrices, each with inputs of its own; llama.cpp counts them together."""
        weights, inputs = node.src[0].contents, node.src[1].contents
        rows = self._rows(inputs)
        sums = np.zeros((matrices, inputs.ne[0]), np.float32)
        for outer in range(inputs.ne[3]):
            for inner in range(inputs.ne[2]):
                which = (outer % weights.ne[3]) * weights.ne[2] + inner % weights.ne[2]
                sums[which] += np.einsum("ij,ij->j", rows[outer, inner], rows[outer, inner])
        return sums, np.array([inputs.ne[1] * inputs.ne[2] * inputs.ne[3] // matrices], np.int64)

    def _by_expert(self, node: _Tensor, experts: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """``ids`` are ``[tokens, used]``; inputs ``[tokens, used or 1, columns]``, one row for all or one for each."""
        inputs, ids = node.src[1].contents, node.src[2].contents
        rows = self._rows(inputs)[0]
        chosen = self._array(ids, np.dtype(np.int32), (ids.ne[1], ids.ne[0]), (ids.nb[1], ids.nb[0]))
        if chosen.min(initial=0) < 0 or chosen.max(initial=0) >= experts:
            raise EdgemindError("llama.cpp chose an expert that does not exist.")
        sums = np.zeros((experts, inputs.ne[0]), np.float32)
        counts = np.bincount(chosen.reshape(-1), minlength=experts).astype(np.int64)
        for expert in np.flatnonzero(counts):
            tokens, slots = np.nonzero(chosen == expert)
            picked = rows[tokens, slots % inputs.ne[1]]
            sums[expert] = np.einsum("ij,ij->j", picked, picked)
        return sums, counts

    def _rows(self, inputs: _Tensor) -> NDArray[np.float32]:
        """``[ne3, ne2, ne1, ne0]``."""
        shape = tuple(int(size) for size in reversed(inputs.ne))
        strides = tuple(int(size) for size in reversed(inputs.nb))
        rows: NDArray[np.float32] = self._array(inputs, np.dtype(np.float32), shape, strides)
        return rows

    def _array(self, tensor: _Tensor, kind: np.dtype[Any], shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
        """A view of the tensor's numbers where they lie, or of a copy when they lie on a device."""
        size = self._n_bytes(ctypes.addressof(tensor))
        if self._is_host(tensor.buffer):
            data = np.frombuffer((ctypes.c_uint8 * size).from_address(tensor.data), np.uint8)
        else:
            data = np.empty(size, np.uint8)
            self._get(ctypes.addressof(tensor), data.ctypes.data, 0, size)
        return np.ndarray(shape, kind, data.data, strides=strides)


def _weight_name(node: _Tensor) -> str:
    """``blk.0.attn_k.weight`` of a product with such a matrix, else nothing. On a device it may be a copy that is
    called ``CUDA0#blk.0.attn_k.weight#0``."""
    name: str = node.src[0].contents.name.decode("utf-8", "replace")
    if "#" in name:
        name = name.split("#")[1]
    return name if name.startswith("blk.") and name.endswith(".weight") else ""


@cache
def operations() -> dict[int, str]:
    """ggml's numbers of the two products with a matrix.

    Raises:
        EdgemindError: this build of llama.cpp lays its tensors out in another way.
    """
    name_of = ggml("ggml_op_name", ctypes.c_char_p, ctypes.c_int)
    names = {number: (name_of(number) or b"").decode() for number in range(_count(name_of))}
    found = {number: name for number, name in names.items() if name in ("MUL_MAT", "MUL_MAT_ID")}
    if len(found) != 2 or not _layout_holds(found):
        raise EdgemindError(
            "This build of llama.cpp lays its tensors out in a way that EdgeMind does not know.",
            "Install the release of llama-cpp-python that EdgeMind asks for, or quantize with --imatrix none.",
        )
    return found


def _count(name_of: Any) -> int:
    """How many operations there are: the last is MUL_MAT_ID's successor at least; the table ends where names end."""
    for number in range(_MOST_OPS):
        if (name_of(number) or b"") == b"MUL_MAT_ID":
            return number + 1
    return 0


def _layout_holds(ops: dict[int, str]) -> bool:
    """Let ggml build a small product, and look for each part of it where we expect it."""
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64
    init, free = ggml("ggml_init", pointer, _InitParams), ggml("ggml_free", None, pointer)
    new = ggml("ggml_new_tensor_2d", pointer, pointer, ctypes.c_int, number, number)
    multiply = ggml("ggml_mul_mat", pointer, pointer, pointer, pointer)
    set_name = ggml("ggml_set_name", pointer, pointer, ctypes.c_char_p)
    get_data, n_bytes = ggml("ggml_get_data", pointer, pointer), ggml("ggml_nbytes", size, pointer)
    if not (init and free and new and multiply and set_name and get_data and n_bytes):
        return False
    context = init(_InitParams(1 << 16, None, False))
    if not context:
        return False
    try:
        weights, inputs = new(context, C.GGML_TYPE_F16, 7, 5), new(context, C.GGML_TYPE_F32, 7, 3)
        set_name(weights, b"blk.0.attn_k.weight")
        node = _Tensor.from_address(multiply(context, weights, inputs))
        left, right = node.src[0].contents, node.src[1].contents
        return (
            ops.get(node.op) == "MUL_MAT"
            and (ctypes.addressof(left), ctypes.addressof(right)) == (weights, inputs)
            and (left.type, right.type) == (C.GGML_TYPE_F16, C.GGML_TYPE_F32)
            and left.name == b"blk.0.attn_k.weight"
            and list(right.ne) == [7, 3, 1, 1]
            and list(right.nb) == [4, 28, 84, 84]
            and right.data == get_data(inputs)
            and n_bytes(inputs) == 84
            and not right.buffer
        )
    finally:
        free(context)
