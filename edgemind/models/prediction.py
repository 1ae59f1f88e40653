"""Whether a model fits this machine and how fast it would be, before it is fetched or opened.

Memory is what ``fit`` sums up. Speed is a prediction: every token reads the weights of all layers (of a mixture's
experts only those that are used) and of the output matrix, at the memory's bandwidth or at what the cores can
dequantize, whichever is less; attention costs what its multiplications cost; every layer costs its barriers. The
rates below were measured (``docs/benchmarks.md``); a device's speed was not, so none is claimed.
Not for: choosing among models (``recommend``), or the refusal at loading time (``engine.loader``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from edgemind.models import fit, hardware
from edgemind.models.bandwidth import Bandwidth
from edgemind.models.catalog import CatalogEntry
from edgemind.models.graphics import Device
from edgemind.models.header import Header
from edgemind.models.sizes import human_bytes
from edgemind.models.sketch import sketch
from edgemind.models.summary import Summary, summary

CONTEXT = 4096
"""Tokens for which memory is predicted unless asked otherwise."""

OWN_BYTES = 100_000_000
"""EdgeMind's own two processes beside the model."""

STREAMING = 0.85
"""Part of the probed bandwidth that llama.cpp's matrix kernels reach: 0.80 to 0.88 for Q4_K_M and Q8_0 models of
0.6 to 1.7 billion parameters on two threads."""

CORE_BYTES = 22e9
"""Weights in Q4_K, Q6_K or Q8_0 that one core with AVX-512 VNNI takes in a second: measured with one thread."""

CORE_MULTIPLICATIONS = 6.5e9
"""Multiplications of attention that such a core does in a second."""

LAYER_SECONDS = 45e-6
"""What a layer costs beside its bytes: its barriers and small operations."""

TOKEN_SECONDS = 0.3e-3
"""Sampling and passing on one token."""

_SLOW_TYPES = ("Q2_K", "Q3_K", "Q5_0", "Q5_1", "Q5_K", "IQ", "TQ")
_SLOW = 0.6
"""Bytes of these take more work: Q5_0 13 GB/s where Q8_0 takes 22. Only Q5_0 was measured."""

_CORES = (("avx512_vnni", 1.0), ("avx_vnni", 0.8), ("avx2", 0.6), ("i8mm", 0.8), ("asimddp", 0.6))
_OTHER_CORE = 0.3
"""A core's rate against one with AVX-512 VNNI, by what it has. Only the first was measured."""

_SYSTEM_SHARE, _SYSTEM_MOST = 0.25, 2_500_000_000
"""What the system itself keeps when other programs are closed."""


@dataclass(frozen=True)
class Prediction:
    """What one model would take and give here. Memory in bytes."""

    estimate: fit.Estimate
    context: int
    host_bytes: int
    """Of the machine's memory, EdgeMind's own included."""
    device_bytes: int
    gpu_layers: int
    all_on_device: bool
    tokens_per_second: float | None
    """Of decoding; ``None`` on a device, or where memory was not probed."""
    depth: int
    """Tokens in the context at that speed."""
    disk_bytes: int
    quantization: str
    rough: bool


@dataclass(frozen=True)
class FitReport:
    """Whether one model fits into this machine's memory now."""

    needed_bytes: int
    """Weights, context, buffers and EdgeMind itself, in the machine's memory."""
    available_bytes: int
    total_bytes: int
    tokens_per_second: float | None
    """Predicted; ``None`` where it cannot be."""
    fits: bool
    sentence: str


def will_it_fit(
    model: Header | CatalogEntry,
    context: int = CONTEXT,
    *,
    quantization: str | None = None,
    machine: hardware.Machine | None = None,
    bandwidth: Bandwidth | None = None,
    device: Device | None = None,
) -> FitReport:
    """Whether this model, with a context of so many tokens, fits what is free now; one sentence with the numbers.

    Args:
        quantization: which file of a catalog entry; its default one unless given.
        machine: this one unless given.
        bandwidth: without it no speed is predicted.
        device: a graphics processor that this build of llama.cpp can use.
    """
    machine = machine or hardware.machine()
    found = predict(model, machine, context=context, quantization=quantization, bandwidth=bandwidth, device=device)
    return FitReport(
        needed_bytes=found.host_bytes,
        available_bytes=machine.available_ram,
        total_bytes=machine.total_ram,
        tokens_per_second=found.tokens_per_second,
        fits=found.host_bytes <= machine.available_ram,
        sentence=_sentence(found, machine, device),
    )


def predict(
    model: Header | CatalogEntry,
    machine: hardware.Machine,
    *,
    context: int = CONTEXT,
    quantization: str | None = None,
    bandwidth: Bandwidth | None = None,
    device: Device | None = None,
) -> Prediction:
    """Memory at this context, and tokens per second with a quarter of it filled. Arguments as ``will_it_fit``."""
    if isinstance(model, Header):
        header, rough, active = model, False, 1.0
        quantization = summary(header).quantization
    else:
        known = sketch(model, quantization)
        header, rough, active, quantization = known.header, known.rough, known.active_share, known.quantization
    facts = summary(header)
    layers = fit.gpu_layers_that_fit(header, device.free_bytes, n_ctx=context, flash=True) if device else 0
    estimate = fit.estimate(header, n_ctx=context, gpu_layers=layers, flash=bool(layers) or context <= 256)
    whole = layers > facts.layers
    host = estimate.host.total + (estimate.device.total if device and device.shares_ram else 0)
    depth = max(1, context // 4)
    rate = None
    if bandwidth and not whole:
        rate = 1 / decode_seconds(header, machine, bandwidth, depth=depth, active_share=active)
    return Prediction(
        estimate=estimate,
        context=context,
        host_bytes=host + OWN_BYTES,
        device_bytes=estimate.device.total,
        gpu_layers=layers,
        all_on_device=whole,
        tokens_per_second=rate,
        depth=depth,
        disk_bytes=header.size_bytes,
        quantization=quantization,
        rough=rough,
    )


def decode_seconds(
    header: Header, machine: hardware.Machine, bandwidth: Bandwidth, *, depth: int, active_share: float = 1.0
) -> float:
    """Predicted seconds for one token on the processor, with ``depth`` tokens in the context."""
    facts = summary(header)
    core = next((rate for flag, rate in _CORES if flag in machine.cpu_flags), _OTHER_CORE)
    reading = sum(
        size / min(STREAMING * bandwidth.bytes_per_second, bandwidth.threads * core * CORE_BYTES * _type_rate(kind))
        for kind, size in read_bytes(header, active_share).items()
    )
    attention = depth * _multiplications(facts) / (bandwidth.threads * core * CORE_MULTIPLICATIONS)
    keys = depth / fit.GRANULE * sum(fit.kv_layers(facts, fit.GRANULE)) / (STREAMING * bandwidth.bytes_per_second)
    return reading + max(attention, keys) + facts.layers * LAYER_SECONDS + TOKEN_SECONDS


def read_bytes(header: Header, active_share: float = 1.0) -> Counter[str]:
    """Bytes of weights that one token reads, by tensor type.

    Of the embedding one row is read, unless it is the output matrix too; of experts those that are used.

    Args:
        active_share: part of the layers that is read, where their tensors do not tell experts apart.
    """
    facts = summary(header)
    used = facts.experts_used / facts.experts if facts.experts else 1.0
    tied = "output.weight" not in header.by_name
    found: Counter[str] = Counter()
    for tensor in header.tensors:
        if tensor.name.startswith("per_layer_token_embd") or (tensor.name == "token_embd.weight" and not tied):
            continue
        share = used if "_exps." in tensor.name else 1.0
        if tensor.name.startswith("blk."):
            share *= active_share
        found[tensor.type] += round(tensor.size * share)
    return found


def could_be_free(machine: hardware.Machine) -> int:
    """Bytes that closing every other program would leave."""
    kept = min(round(machine.total_ram * _SYSTEM_SHARE), _SYSTEM_MOST)
    return max(machine.available_ram, machine.total_ram - kept)


def _type_rate(kind: str) -> float:
    return _SLOW if kind.startswith(_SLOW_TYPES) else 1.0


def _multiplications(facts: Summary) -> int:
    """Of attention, for each token in the context."""
    return sum(
        heads * (facts.key_length_swa + facts.value_length_swa if window else facts.key_length + facts.value_length)
        for heads, window, attends, kv in zip(facts.heads, facts.windowed, facts.attends, facts.kv_heads, strict=True)
        if attends and kv
    )


def _sentence(found: Prediction, machine: hardware.Machine, device: Device | None) -> str:
    about = "about " if found.rough else ""
    where = f"{about}{human_bytes(found.host_bytes)} of memory"
    if found.gpu_layers and device and not device.shares_ram:
        where += f" and {human_bytes(found.device_bytes)} on {device.name}"
    needs = (
        f"It needs {where} with a context of {found.context:,} tokens, and {human_bytes(machine.available_ram)} is free"
    )
    if found.host_bytes <= machine.available_ram:
        return f"{needs}{_speed(found, device)}."
    if found.host_bytes <= could_be_free(machine):
        return f"{needs}: close other programs first."
    return f"{needs}; this machine has {human_bytes(machine.total_ram)} in all: take a smaller one."


def _speed(found: Prediction, device: Device | None) -> str:
    if found.all_on_device and device:
        return f"; it runs on {device.name}, whose speed is not measured"
    if found.tokens_per_second is None:
        return ""
    least = "at least" if found.gpu_layers else "about"
    return f"; {least} {human_rate(found.tokens_per_second)} tokens/s are predicted"


def human_rate(rate: float) -> str:
    """Two digits are all that a prediction has: ``3.4``, ``14``, ``140``."""
    return f"{rate:.1f}" if rate < 9.95 else f"{float(f'{rate:.2g}'):.0f}"
