"""Graphics processors from a made-up ``proc`` and ``sys`` and a program of NVIDIA's name, and a driver that hangs."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from edgemind.models import graphics
from edgemind.models.graphics import Device, devices, rebuild_command

MIB = 1 << 20


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ``nvidia-smi`` is looked for; the rest of PATH stays, for its interpreter."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder / "nvidia-smi"


def says(program: Path, body: str) -> None:
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def amd_card(root: Path, number: int, **files: str) -> None:
    for name, text in {"vendor": "0x1002\n", "device": "0x744c\n", **files}.items():
        write(root / f"sys/class/drm/card{number}/device/{name}", text)


def test_a_machine_without_any(tmp_path: Path) -> None:
    assert devices(tmp_path) == []
    assert rebuild_command([]) == ""


def test_nvidias_program_names_each_device(tmp_path: Path, program: Path) -> None:
    says(program, 'echo "NVIDIA GeForce RTX 4090, 24564, 23900"; echo "NVIDIA T4, 15360, 0"')
    assert devices(tmp_path) == [
        Device("NVIDIA GeForce RTX 4090", "nvidia", 24564 * MIB, 23900 * MIB),
        Device("NVIDIA T4", "nvidia", 15360 * MIB, 0),
    ]


def test_it_is_asked_for_name_total_and_free(tmp_path: Path, program: Path) -> None:
    says(program, f'echo "$@" > {tmp_path}/asked')
    devices(tmp_path)
    asked = (tmp_path / "asked").read_text().split()
    assert asked == ["--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]


@pytest.mark.parametrize(
    "body",
    [
        "echo 'NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.'; exit 9",
        "exit 0",
        "echo 'GB10, [N/A], [N/A]'",
        "echo 'GB10, 5'",
        "printf '\\377\\376, 1, x\\n'",
        "kill -9 $$",
    ],
)
def test_a_program_that_fails_is_no_device(tmp_path: Path, program: Path, body: str) -> None:
    says(program, body)
    assert devices(tmp_path) == []


def test_a_file_that_is_no_program_is_no_device(tmp_path: Path, program: Path) -> None:
    program.write_bytes(b"\x00\x01")
    program.chmod(0o755)
    assert devices(tmp_path) == []


def test_a_driver_that_hangs_is_not_waited_for(tmp_path: Path, program: Path) -> None:
    says(program, f"echo $$ > {tmp_path}/pid; (trap '' TERM; sleep 60) & sleep 60")
    began = time.monotonic()
    assert devices(tmp_path, patience=0.3) == []
    assert time.monotonic() - began < 20
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_the_kernel_module_knows_the_name_when_the_program_fails(tmp_path: Path, program: Path) -> None:
    says(program, "exit 9")
    write(tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0/information", "Model: \t\t NVIDIA A2000\nIRQ: 1\n")
    assert devices(tmp_path) == [Device("NVIDIA A2000", "nvidia", 0, 0)]
    assert "-DGGML_CUDA=on" in rebuild_command(devices(tmp_path))


def test_amds_driver_writes_files(tmp_path: Path) -> None:
    amd_card(tmp_path, 1, mem_info_vram_total=str(16 << 30), mem_info_vram_used=str(1 << 30))
    amd_card(tmp_path, 2, mem_info_vram_total=str(8 << 30), product_name="Radeon Pro\n")
    amd_card(tmp_path, 3, vendor="0x8086\n", mem_info_vram_total=str(8 << 30))
    amd_card(tmp_path, 4, mem_info_vram_total="much\n")
    write(tmp_path / "sys/class/drm/card1-HDMI-A-1/device/mem_info_vram_total", "1")
    found = devices(tmp_path)
    assert found == [
        Device("AMD graphics (0x744c)", "amd", 16 << 30, 15 << 30),
        Device("Radeon Pro", "amd", 8 << 30, 8 << 30),
    ]
    assert "-DGGML_HIP=on" in rebuild_command(found)


def test_apples_processors_lend_a_part_of_their_memory() -> None:
    def asked(values: dict[bytes, bytes], total: int, available: int) -> list[Device]:
        return graphics._apple("darwin", "arm64", lambda name: values.get(name, b""), lambda: (total, available))

    name = {b"machdep.cpu.brand_string": b"Apple M2\0"}
    assert asked(name, 24 << 30, 20 << 30) == [Device("Apple M2", "apple", 16 << 30, 16 << 30)]
    assert asked({}, 64 << 30, 8 << 30) == [Device("Apple graphics", "apple", 48 << 30, 8 << 30)]
    chosen = {b"iogpu.wired_limit_mb": (20480).to_bytes(8, "little")}
    assert asked(chosen, 24 << 30, 23 << 30)[0].total_bytes == 20 << 30
    assert asked(name, 24 << 30, 20 << 30)[0].shares_ram
    assert graphics._apple("darwin", "x86_64") == []
    assert graphics._apple("linux", "arm64") == []
