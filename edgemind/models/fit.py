"""How much memory a model takes before it is opened, on the CPU's side and on a device's.

The sums follow what llama.cpp allocates: weights as they lie in the file, keys and values for every layer and cell,
and the compute buffer of its largest graph, which ``compute`` models. ``tests/models/test_fit.py`` compares them with
the numbers that llama.cpp logs.
Not for: finding devices or opening anything (the engine does both).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edgemind.errors import OutOfMemory
from edgemind.models.compute import compute_bytes
from edgemind.models.ggml_types import BY_NAME
from edgemind.models.header import Header
from edgemind.models.sizes import human_bytes
from edgemind.models.summary import Summary, summary

GRANULE = 256
"""llama.cpp rounds a context up to a multiple of this many cells."""

Flash = bool | Callable[[int], bool]
"""Whether flash attention is on, or a rule that says so for a number of cells."""


@dataclass(frozen=True)
class Split:
    """Bytes on one side: the CPU's memory, or the device's."""

    weights: int = 0
    kv: int = 0
    compute: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.compute


@dataclass(frozen=True)
class Estimate:
    """Bytes that a model and one context take."""

    host: Split
    device: Split

    @property
    def weights_bytes(self) -> int:
        return self.host.weights + self.device.weights

    @property
    def kv_bytes(self) -> int:
        return self.host.kv + self.device.kv

    @property
    def compute_bytes(self) -> int:
        return self.host.compute + self.device.compute

    @property
    def total(self) -> int:
        return self.host.total + self.device.total


def estimate(
    header: Header,
    *,
    n_ctx: int,
    n_seq: int = 1,
    n_batch: int = 512,
    kv_type: str = "f16",
    gpu_layers: int = 0,
    flash: Flash = False,
    n_outputs: int | None = None,
    swa_full: bool = True,
) -> Estimate:
    """The memory of a model with a context of ``n_ctx`` cells, shared by ``n_seq`` sequences (a unified cache).

    Args:
        n_batch: tokens of one decode (``n_ubatch`` of llama.cpp).
        kv_type: ggml type of keys and values.
        gpu_layers: repeating layers on the device, counted from the last; one more is the output layer.
        flash: whether flash attention is on, or a rule that says so for a number of cells.
        n_outputs: rows of logits of one decode; one per sequence unless given.
        swa_full: windowed layers keep every cell (llama.cpp's default), not just their window.
    """
    facts = summary(header)
    cells = -(-n_ctx // GRANULE) * GRANULE
    window = cells if swa_full else -(-min(cells, facts.sliding_window * n_seq + n_batch) // GRANULE) * GRANULE
    first_on_device = max(0, facts.layers - gpu_layers)
    weights = _weights(header, facts.layers, first_on_device, gpu_layers > facts.layers)
    per_layer = kv_layers(facts, cells, kv_type=kv_type, n_seq=n_seq, swa_cells=window)
    compute = compute_bytes(
        facts,
        cells,
        n_batch=n_batch,
        n_outputs=n_outputs or n_seq,
        flash=flash(cells) if callable(flash) else flash,
        gpu_layers=gpu_layers,
        swa_cells=window,
    )
    return Estimate(
        host=Split(weights[0], sum(per_layer[:first_on_device]), compute[0]),
        device=Split(weights[1], sum(per_layer[first_on_device:]), compute[1]),
    )


def kv_layers(
    facts: Summary, cells: int, *, kv_type: str = "f16", n_seq: int = 1, swa_cells: int | None = None
) -> list[int]:
    """Bytes of keys and values per layer for ``cells`` cells, or of its state where a layer is recurrent."""
    kind = BY_NAME[kv_type]
    sizes: list[int] = []
    for layer in range(facts.layers):
        windowed = facts.windowed[layer]
        key, value = (
            (facts.key_length_swa, facts.value_length_swa) if windowed else (facts.key_length, facts.value_length)
        )
        here = swa_cells if windowed and swa_cells is not None else cells
        heads = facts.kv_heads[layer] if facts.attends[layer] else 0
        keys_values = here * (kind.bytes_for(heads * key) + kind.bytes_for(heads * value))
        sizes.append(keys_values + (4 * n_seq * facts.state_size if facts.recurrent_layers[layer] else 0))
    return sizes


def gpu_layers_that_fit(
    header: Header,
    free_device_bytes: int,
    *,
    n_ctx: int,
    n_seq: int = 1,
    n_batch: int = 512,
    kv_type: str = "f16",
    flash: Flash = False,
    spare: float = 0.05,
) -> int:
    """How many layers a device with this much free memory can take: 0 to layers + 1 (with the output layer).

    Args:
        spare: fraction of the free memory to leave alone, for the driver and whatever else draws the screen.
    """
    room = free_device_bytes * (1 - spare)
    layers = summary(header).layers
    for count in range(layers + 1, 0, -1):
        needed = estimate(
            header, n_ctx=n_ctx, n_seq=n_seq, n_batch=n_batch, kv_type=kv_type, gpu_layers=count, flash=flash
        )
        if needed.device.total <= room:
            return count
    return 0


def max_context(
    header: Header,
    available_bytes: int,
    *,
    n_seq: int = 1,
    n_batch: int = 512,
    kv_type: str = "f16",
    gpu_layers: int = 0,
    flash: Flash = False,
    limit: int | None = None,
) -> int:
    """The largest context, a multiple of 256 cells, whose host memory fits ``available_bytes``; 0 when none does.

    Args:
        limit: never more than this; by default what the model was trained for.
    """
    trained = summary(header).context_trained
    top = (limit or trained or 4096) // GRANULE
    low, high = 0, max(top, 0)
    while low < high:
        middle = (low + high + 1) // 2
        needed = estimate(
            header,
            n_ctx=middle * GRANULE,
            n_seq=n_seq,
            n_batch=n_batch,
            kv_type=kv_type,
            gpu_layers=gpu_layers,
            flash=flash,
        )
        low, high = (middle, high) if needed.host.total <= available_bytes else (low, middle - 1)
    return low * GRANULE


def check_memory(needed: Split, available_bytes: int, *, context_chosen: bool = False, where: str = "") -> None:
    """Refuse what does not fit, with the numbers.

    Args:
        needed: one side of an ``Estimate``.
        available_bytes: free on that side.
        context_chosen: the user asked for this context, so a smaller one is the first advice.
        where: ``" on the graphics device"`` or the like, for the sentence.

    Raises:
        OutOfMemory: ``needed`` is more than ``available_bytes``.
    """
    if needed.total <= available_bytes:
        return
    fits_otherwise = needed.weights + needed.compute < available_bytes
    parts = f"weights {human_bytes(needed.weights)} + context {human_bytes(needed.kv)}"
    raise OutOfMemory(
        f"The model needs {human_bytes(needed.total)}{where} ({parts} + buffers {human_bytes(needed.compute)}) "
        f"and {human_bytes(available_bytes)} is free.",
        "Ask for less with a smaller --context, or take a smaller model."
        if context_chosen or fits_otherwise
        else "Take a smaller model or a smaller quantization of it.",
    )


def _weights(header: Header, layers: int, first_on_device: int, output_on_device: bool) -> tuple[int, int]:
    """Bytes of weights on the CPU and on the device.

    The token embedding stays on the CPU; a model without its own output matrix gets a second copy of it on the device.
    """
    host = device = 0
    for tensor in header.tensors:
        number = _layer_of(tensor.name)
        if number is not None:
            on_device = first_on_device <= number < layers
        else:
            on_device = output_on_device and tensor.name.startswith("output")
        if on_device:
            device += tensor.size
        else:
            host += tensor.size
    if output_on_device and "output.weight" not in header.by_name:
        embedding = header.by_name.get("token_embd.weight")
        device += embedding.size if embedding else 0
    return host, device


def _layer_of(name: str) -> int | None:
    """The layer number in ``blk.12.attn_q.weight``."""
    head, _, rest = name.partition(".")
    number = rest.partition(".")[0]
    return int(number) if head == "blk" and number.isdigit() else None
