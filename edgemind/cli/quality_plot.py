"""A drawing of size against divergence, so that one can see which type gives most for its bytes.

Needs matplotlib (the extra ``plot``), which is imported here only. Not for: the numbers (``engine.quality``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgemind.engine.quality import Report

SMALLEST = 1e-7
"""Divergence below this is drawn as this, since the axis is logarithmic."""


def draw(report: Report, path: str) -> None:
    """Write a PNG file.

    Raises:
        OSError: as writing does.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    models = sorted(report.models, key=lambda one: one.size_bytes)
    sizes = [one.size_bytes / 1e6 for one in models]
    values = [max(one.divergence, SMALLEST) for one in models]
    figure, axes = pyplot.subplots(figsize=(8, 5), dpi=120, layout="constrained")
    axes.errorbar(sizes, values, yerr=[one.divergence_error for one in models], fmt="o-", capsize=3, color="#1f5fa8")
    types = [one.quantization for one in models]
    for one, size, value in zip(models, sizes, values, strict=True):
        alone = types.count(one.quantization) == 1
        label = one.quantization if one.quantization and alone and len(models) > 1 else one.name
        axes.annotate(label, (size, value), xytext=(5, 5), textcoords="offset points", fontsize=8, parse_math=False)
    axes.set_yscale("log")
    axes.margins(x=0.12)
    axes.set_xlabel("size in MB")
    axes.set_ylabel("mean KL divergence from the source, in nats")
    axes.set_title(f"{report.source.name}, {report.tokens:,} tokens", fontsize=10, parse_math=False)
    axes.grid(True, which="both", alpha=0.25)
    figure.savefig(path, format="png")
    pyplot.close(figure)
