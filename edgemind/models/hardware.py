"""What this machine has: memory, processor cores, and how much of both this process may use.

Limits of a container (cgroup v1 and v2), of CPU affinity and of a CPU quota count as the machine's own. Not for:
graphics processors (``graphics``), how fast its memory is (``bandwidth``).
"""

from __future__ import annotations

import math
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_WANTED_FLAGS = (
    *("sse3", "ssse3", "avx", "avx2", "fma", "f16c", "bmi2", "avx_vnni", "avx512f", "avx512bw", "avx512vbmi"),
    *("avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"),
    *("asimd", "asimddp", "fphp", "i8mm", "bf16", "sve", "sve2", "sme"),
)
"""The flags that llama.cpp's CPU kernels choose by, as ``/proc/cpuinfo`` spells them."""

_UNLIMITED = 1 << 60
"""cgroup v1 writes a number near 2^63 for no limit."""


@dataclass(frozen=True)
class Machine:
    """This machine as this process may use it. Memory in bytes."""

    total_ram: int
    available_ram: int
    """What can be allocated without pushing anything else out."""
    logical_cpus: int
    cores: int
    """Physical cores; on a hybrid processor the fast ones."""
    cpu_quota: float | None
    """Processor time allowed by a container, in CPUs."""
    cpu_name: str
    cpu_flags: tuple[str, ...]
    platform: str
    """``linux-x86_64``, ``darwin-arm64``, ..."""

    def default_threads(self) -> int:
        """Threads for decoding: one for each physical core, but two where one core has two hardware threads.

        Decoding waits for memory, so a core's second hardware thread rarely adds to it; a quota below the cores makes
        threads wait for each other, so it is a ceiling. Two threads against one gave 1.37x on a machine of two vCPUs.
        """
        threads = max(self.cores, min(2, self.logical_cpus))
        if self.cpu_quota is not None:
            threads = min(threads, max(1, math.floor(self.cpu_quota + 0.01)))
        return max(1, min(threads, self.logical_cpus))


def machine(root: Path = Path("/")) -> Machine:
    """Look at this machine; about a millisecond on Linux.

    Args:
        root: where ``proc`` and ``sys`` are, for tests.
    """
    total, available = memory(root)
    cpus = usable_cpus()
    name, flags = _cpu_description(root)
    return Machine(
        total_ram=total,
        available_ram=available,
        logical_cpus=len(cpus) or 1,
        cores=_physical_cores(root, cpus),
        cpu_quota=_cpu_quota(root),
        cpu_name=name,
        cpu_flags=flags,
        platform=f"{sys.platform}-{platform.machine().lower()}",
    )


def default_threads() -> int:
    """``Machine.default_threads`` of this machine."""
    return machine().default_threads()


def memory(root: Path = Path("/")) -> tuple[int, int]:
    """Total and available memory in bytes, a container's limit counted as the total."""
    if not sys.platform.startswith("linux"):
        import psutil

        seen = psutil.virtual_memory()
        return int(seen.total), int(seen.available)
    table = _table(read(root / "proc/meminfo"))
    total = table.get("MemTotal", 0) * 1024
    available = table.get("MemAvailable", table.get("MemFree", 0)) * 1024
    for folder, version in _cgroups(root, "memory"):
        limit, used = _memory_limit(folder, version)
        if limit is not None and limit < _UNLIMITED:
            total = min(total, limit) if total else limit
            available = min(available, max(0, limit - used)) if table else max(0, limit - used)
    return total, available


def free_disk(folder: Path) -> int | None:
    """Bytes that this user may still write to the file system of ``folder``, or of the nearest parent that exists;
    ``None`` when that cannot be asked."""
    for place in (folder, *folder.parents):
        try:
            return shutil.disk_usage(place).free
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return None
    return None


def usable_cpus() -> frozenset[int]:
    """Numbers of the logical CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _memory_limit(folder: Path, version: int) -> tuple[int | None, int]:
    """A control group's limit, and what it holds that cannot be dropped at once."""
    if version == 2:
        limits = [read_number(folder / name) for name in ("memory.max", "memory.high")]
        used = read_number(folder / "memory.current") or 0
        cache = _table(read(folder / "memory.stat")).get("inactive_file", 0)
        known = [limit for limit in limits if limit is not None]
        return (min(known) if known else None), max(0, used - cache)
    used = read_number(folder / "memory.usage_in_bytes") or 0
    cache = _table(read(folder / "memory.stat")).get("total_inactive_file", 0)
    return read_number(folder / "memory.limit_in_bytes"), max(0, used - cache)


def _cpu_quota(root: Path) -> float | None:
    """The smallest quota of the control groups above this process, in CPUs."""
    quotas: list[float] = []
    for folder, version in _cgroups(root, "cpu"):
        if version == 2:
            parts = read(folder / "cpu.max").split()
            if len(parts) == 2 and parts[0].isdigit() and parts[1].isdigit() and int(parts[1]):
                quotas.append(int(parts[0]) / int(parts[1]))
        else:
            quota, period = read_number(folder / "cpu.cfs_quota_us"), read_number(folder / "cpu.cfs_period_us")
            if quota and period and quota > 0:
                quotas.append(quota / period)
    return min(quotas) if quotas else None


def _cgroups(root: Path, controller: str) -> Iterator[tuple[Path, int]]:
    """The folders of this process's control group and of all above it, with the cgroup version of each."""
    mounts: dict[int, tuple[Path, str]] = {}
    for line in read(root / "proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if len(fields) < 5 or len(kind) < 3:
            continue
        where = root / fields[4].lstrip("/")
        if kind[0] == "cgroup2":
            mounts[2] = where, fields[3]
        elif kind[0] == "cgroup" and controller in kind[2].split(","):
            mounts[1] = where, fields[3]
    for line in read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        names, _, inside = rest.partition(":")
        version = 2 if number == "0" and not names else 1 if controller in names.split(",") else 0
        if version not in mounts:
            continue
        mount, top = mounts[version]
        inside = inside[len(top) :] if top != "/" and inside.startswith(top) else inside
        parts = [part for part in inside.split("/") if part and part != ".."]
        for depth in range(len(parts), -1, -1):
            folder = mount.joinpath(*parts[:depth])
            if folder.is_dir():
                yield folder, version


def _physical_cores(root: Path, cpus: frozenset[int]) -> int:
    """Distinct physical cores among ``cpus``, at least 1."""
    if not sys.platform.startswith("linux"):
        import psutil

        fast = _sysctl_number(b"hw.perflevel0.physicalcpu") if sys.platform == "darwin" else None
        return fast or psutil.cpu_count(logical=False) or len(cpus) or 1
    fast_cpus = _cpu_list(read(root / "sys/devices/cpu_core/cpus")) & cpus
    cores = {_siblings(root, cpu) for cpu in (fast_cpus or cpus)}
    return len(cores) or 1


def _siblings(root: Path, cpu: int) -> frozenset[int]:
    """The logical CPUs that share a core with ``cpu``, itself among them."""
    topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
    for name in ("core_cpus_list", "thread_siblings_list"):
        if found := _cpu_list(read(topology / name)):
            return found
    return frozenset({cpu})


def _cpu_description(root: Path) -> tuple[str, tuple[str, ...]]:
    name, flags = "", set[str]()
    if sys.platform == "darwin":
        name = _sysctl_text(b"machdep.cpu.brand_string")
    for line in read(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Hardware", "Model") and not name:
            name = " ".join(value.split())
        elif key.strip() in ("flags", "Features"):
            flags.update(value.split())
            break
    return name or platform.processor() or platform.machine(), tuple(flag for flag in _WANTED_FLAGS if flag in flags)


def _cpu_list(text: str) -> frozenset[int]:
    """``0-3,8`` as numbers; empty when it is not such a list."""
    found: set[int] = set()
    for part in text.strip().split(","):
        first, dash, last = part.partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            return frozenset()
        found.update(range(int(first), min(int(last or first), 65_535) + 1))
    return frozenset(found)


def _table(text: str) -> dict[str, int]:
    """Lines of ``name: number unit`` or ``name number``."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        parts = line.replace(":", " ").split()
        if len(parts) >= 2 and parts[1].isdigit():
            found[parts[0]] = int(parts[1])
    return found


def read_number(file: Path) -> int | None:
    """The whole number in a file; ``None`` when there is none."""
    text = read(file).strip()
    return int(text) if text.lstrip("-").isdigit() else None


def read(file: Path) -> str:
    """The text of a file; empty when it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def sysctl(name: bytes) -> bytes:
    """The raw value of a macOS sysctl; empty when there is none."""
    import ctypes

    call = getattr(ctypes.CDLL(None), "sysctlbyname", None)
    size = ctypes.c_size_t(256)
    buffer = ctypes.create_string_buffer(256)
    if call is None or call(name, buffer, ctypes.byref(size), None, 0) != 0:
        return b""
    return buffer.raw[: size.value]


def _sysctl_number(name: bytes) -> int | None:
    return int.from_bytes(sysctl(name), "little") or None


def _sysctl_text(name: bytes) -> str:
    return sysctl(name).rstrip(b"\0").decode("utf-8", "replace")
