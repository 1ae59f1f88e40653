"""Graphics processors and their memory, found without llama.cpp: what could take a model's layers here.

NVIDIA's own program is asked, AMD's kernel driver writes the numbers into files, Apple's processors share the
machine's memory. Nothing here raises or waits long: a driver that does not answer is a device that is not listed.
Not for: what this build of llama.cpp can use (the worker reports its devices).
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgemind.models import hardware

Kind = Literal["nvidia", "amd", "apple"]

PATIENCE = 4.0
"""Seconds that ``nvidia-smi`` may take: about one on a machine whose driver was asleep."""

_QUERY = ("--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
_WSL = "/usr/lib/wsl/lib"
_AMD = "0x1002"
_MIB = 1 << 20


@dataclass(frozen=True)
class Device:
    """One graphics processor. Memory in bytes; 0 where its driver does not say."""

    name: str
    kind: Kind
    total_bytes: int
    free_bytes: int

    @property
    def shares_ram(self) -> bool:
        """Its memory is the machine's own."""
        return self.kind == "apple"

    @property
    def build_flags(self) -> str:
        """What ``CMAKE_ARGS`` must hold for a llama.cpp that can use it."""
        return {"nvidia": "-DGGML_CUDA=on", "amd": "-DGGML_HIP=on", "apple": "-DGGML_METAL=on"}[self.kind]


def devices(root: Path = Path("/"), patience: float = PATIENCE) -> list[Device]:
    """The graphics processors of this machine; empty when none is found or its driver does not answer.

    Args:
        root: where ``proc`` and ``sys`` are, for tests.
        patience: seconds to wait for a driver's own program.
    """
    return [*_nvidia(root, patience), *_amd(root), *_apple()]


def rebuild_command(found: Sequence[Device]) -> str:
    """The command that builds llama.cpp again so that it can use the first of these; empty without any."""
    if not found:
        return ""
    from importlib.metadata import PackageNotFoundError, version

    what = "llama-cpp-python"
    with contextlib.suppress(PackageNotFoundError):
        what += f"=={version('llama-cpp-python')}"
    install = f"pip install --force-reinstall --no-deps --no-cache-dir --no-binary llama-cpp-python {what}"
    return f'CMAKE_ARGS="{found[0].build_flags}" {install}'


def _nvidia(root: Path, patience: float) -> list[Device]:
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path=_WSL)
    answer = _answer([program, *_QUERY], patience) if program else ""
    rows = [[cell.strip() for cell in line.split(",")] for line in answer.splitlines()]
    found = [
        Device(" ".join(row[:-2]), "nvidia", int(row[-2]) * _MIB, int(row[-1]) * _MIB)
        for row in rows
        if len(row) >= 3 and row[-2].isdigit() and row[-1].isdigit()
    ]
    return found or _nvidia_by_name(root)


def _nvidia_by_name(root: Path) -> list[Device]:
    """What the kernel module says when its program does not answer: names alone."""
    found = []
    with contextlib.suppress(OSError):
        for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
            name = re.search(r"(?m)^Model:\s*(.+?)\s*$", hardware.read(file))
            found.append(Device(name.group(1) if name else "NVIDIA graphics", "nvidia", 0, 0))
    return found


def _answer(command: Sequence[str], patience: float) -> str:
    """What a program prints; empty when it fails or does not end in time.

    A child of a driver that hangs cannot even be killed, so nobody waits for one that was.
    """
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError):
        return ""
    try:
        printed, _ = child.communicate(timeout=patience)
    except (subprocess.TimeoutExpired, OSError, ValueError):
        _kill(child)
        return ""
    return printed.decode("utf-8", "replace") if child.returncode == 0 else ""


def _kill(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    if child.stdout:
        child.stdout.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(0.2)


def _amd(root: Path) -> list[Device]:
    found = []
    for card in _cards(root):
        total, used = (hardware.read_number(card / f"mem_info_vram_{name}") for name in ("total", "used"))
        if hardware.read(card / "vendor").strip() != _AMD or not total:
            continue
        name = hardware.read(card / "product_name").strip()
        number = hardware.read(card / "device").strip()
        found.append(Device(name or f"AMD graphics ({number})", "amd", total, max(0, total - (used or 0))))
    return found


def _cards(root: Path) -> list[Path]:
    try:
        names = sorted(os.listdir(root / "sys/class/drm"))
    except OSError:
        return []
    return [root / "sys/class/drm" / name / "device" for name in names if re.fullmatch(r"card\d+", name)]


def _apple(
    system: str = sys.platform,
    processor: str = platform.machine(),
    sysctl: Callable[[bytes], bytes] = hardware.sysctl,
    memory: Callable[[], tuple[int, int]] = hardware.memory,
) -> list[Device]:
    """Apple's processors lend their graphics part two thirds of a small memory, three quarters of a large one, unless
    ``iogpu.wired_limit_mb`` says otherwise."""
    if system != "darwin" or processor != "arm64":
        return []
    total, available = memory()
    chosen = int.from_bytes(sysctl(b"iogpu.wired_limit_mb"), "little") * _MIB
    limit = chosen or (total * 2 // 3 if total <= 36 << 30 else total * 3 // 4)
    name = sysctl(b"machdep.cpu.brand_string").rstrip(b"\0").decode("utf-8", "replace")
    return [Device(name or "Apple graphics", "apple", limit, min(limit, available))]
