"""This machine, and machines made of files: a cgroup or a hybrid processor cannot be had on demand."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from edgemind.models import hardware
from edgemind.models.hardware import Machine

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc and /sys")

MEMINFO = "MemTotal: 16000000 kB\nMemFree: 1000000 kB\nMemAvailable: 8000000 kB\n"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def machine(**changes: object) -> Machine:
    values: dict[str, object] = {
        "total_ram": 1,
        "available_ram": 1,
        "logical_cpus": 8,
        "cores": 4,
        "cpu_quota": None,
        "cpu_name": "",
        "cpu_flags": (),
        "platform": "",
    }
    return Machine(**{**values, **changes})  # type: ignore[arg-type]


def test_this_machine_agrees_with_psutil() -> None:
    found = hardware.machine()
    assert 0 < found.available_ram <= found.total_ram <= psutil.virtual_memory().total
    assert 1 <= found.cores <= found.logical_cpus <= (psutil.cpu_count() or 1)
    assert found.cpu_name
    assert 1 <= hardware.default_threads() <= found.logical_cpus


@pytest.mark.parametrize(
    ("changes", "threads"),
    [
        ({}, 4),
        ({"cores": 2, "logical_cpus": 2}, 2),
        ({"cores": 1, "logical_cpus": 2}, 2),
        ({"cores": 1, "logical_cpus": 1}, 1),
        ({"cores": 16, "logical_cpus": 32}, 16),
        ({"cpu_quota": 2.0}, 2),
        ({"cpu_quota": 2.5}, 2),
        ({"cpu_quota": 0.5}, 1),
        ({"cores": 8, "logical_cpus": 3}, 3),
    ],
)
def test_default_threads(changes: dict[str, object], threads: int) -> None:
    assert machine(**changes).default_threads() == threads


@linux
def test_memory_without_limits(tmp_path: Path) -> None:
    root = tree(tmp_path, {"proc/meminfo": MEMINFO})
    assert hardware.memory(root) == (16_000_000 * 1024, 8_000_000 * 1024)


@linux
def test_cgroup_v2_limit_counts_without_the_cache_it_can_drop(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/a/b"
    root = tree(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/a/b\n",
            "proc/self/mountinfo": "30 24 0:26 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw\n",
            f"{group}/memory.max": "max\n",
            f"{group}/cpu.max": "max 100000\n",
            "sys/fs/cgroup/a/memory.max": "4000000000\n",
            "sys/fs/cgroup/a/memory.current": "3000000000\n",
            "sys/fs/cgroup/a/memory.stat": "anon 1\ninactive_file 1000000000\n",
            "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
        },
    )
    assert hardware.memory(root) == (4_000_000_000, 2_000_000_000)
    assert hardware.machine(root).cpu_quota == 1.5


@linux
def test_cgroup_v1_limit_and_its_mark_for_none(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory"
    files = {
        "proc/meminfo": MEMINFO,
        "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/\n",
        "proc/self/mountinfo": (
            f"31 24 0:27 /docker/abc /{group} rw - cgroup cgroup rw,memory\n"
            "32 24 0:28 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
        ),
        f"{group}/memory.limit_in_bytes": "2000000000\n",
        f"{group}/memory.usage_in_bytes": "500000000\n",
        f"{group}/memory.stat": "total_inactive_file 100000000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    root = tree(tmp_path, files)
    assert hardware.memory(root) == (2_000_000_000, 1_600_000_000)
    assert hardware.machine(root).cpu_quota is None
    tree(tmp_path, {f"{group}/memory.limit_in_bytes": "9223372036854771712\n"})
    assert hardware.memory(root)[0] == 16_000_000 * 1024


@linux
def test_hardware_threads_of_one_core_count_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4})
    cpu = "sys/devices/system/cpu/cpu"
    siblings = {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3", 4: "4-5"}
    root = tree(tmp_path, {f"{cpu}{n}/topology/core_cpus_list": text for n, text in siblings.items()})
    assert (hardware.machine(root).cores, hardware.machine(root).logical_cpus) == (3, 5)
    tree(tmp_path, {"sys/devices/cpu_core/cpus": "0-3\n"})
    assert hardware.machine(root).cores == 2


@linux
def test_affinity_is_respected() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert hardware.machine().logical_cpus == hardware.default_threads() == 1
    finally:
        os.sched_setaffinity(0, before)


@linux
def test_nonsense_files_do_no_harm(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "proc/meminfo": "\x00nonsense\n",
            "proc/cpuinfo": "processor : 0\nmodel name\t: Some  CPU @ 2GHz\nflags : avx2 fma fpu\n",
            "proc/self/cgroup": ":::\n0\n",
            "proc/self/mountinfo": " - \ncgroup2\n",
        },
    )
    found = hardware.machine(root)
    assert (found.total_ram, found.cpu_name, found.cpu_flags) == (0, "Some CPU @ 2GHz", ("avx2", "fma"))
    assert found.cores >= 1
