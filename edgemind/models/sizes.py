"""Byte counts as people read them: decimal units, as disks and download pages give them."""

from __future__ import annotations


def human_bytes(count: int | float) -> str:
    """``12.3 MB``, ``840 kB``, ``17 bytes``."""
    if count < 1000:
        return "1 byte" if int(count) == 1 else f"{int(count)} bytes"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        if value < 999.95:
            return f"{value:.0f} {unit}" if unit == "kB" and value >= 10 else f"{value:.1f} {unit}"
    return f"{value:.0f} PB"


def human_count(count: int) -> str:
    """Parameters as model cards give them: ``596M``, ``1.72B``, ``4.9M``."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * limit:
            return f"{count / limit:.3g}{unit}"
    return str(count)
