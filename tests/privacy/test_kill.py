"""Calls that no library makes end the process, and the killing build shows that ordinary work makes none of them."""

from __future__ import annotations

import platform
import signal
import subprocess
from collections.abc import Callable

import pytest

from edgemind.privacy import jail
from edgemind.privacy.seccomp import PROFILES, Profile

pytestmark = pytest.mark.jail
Child = Callable[..., "subprocess.CompletedProcess[str]"]
X86 = platform.machine() == "x86_64"

PRELUDE = """
import ctypes, mmap, os, sys
from edgemind.privacy import jail, seccomp
libc = ctypes.CDLL(None, use_errno=True)
"""

INT_80 = """
code = bytes.fromhex("53 b8 14 00 00 00 cd 80 5b c3")  # push rbx; mov eax, 20 (getpid); int 0x80; pop rbx; ret
page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(code)
function = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
"""


@pytest.mark.skipif(not X86, reason="x32 is an ABI of x86-64")
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("number", [0x40000000 | 41, 0x40000000, 0xFFFFFFFF, 512, 518, 520, 538, 547])
def test_x32_numbers_kill(child: Child, profile: Profile, number: int) -> None:
    done = child(PRELUDE + "jail.arm(sys.argv[1]); libc.syscall(int(sys.argv[2]), 2, 2, 0)", profile, number)

    assert done.returncode == -signal.SIGSYS


@pytest.mark.skipif(not X86, reason="int 0x80 is an instruction of x86")
@pytest.mark.parametrize("profile", PROFILES)
def test_the_32_bit_gate_kills(child: Child, profile: Profile) -> None:
    unjailed = child(PRELUDE + INT_80 + "sys.exit(function() != os.getpid())")
    if unjailed.returncode == -signal.SIGSEGV:
        pytest.skip("this kernel has no 32-bit system calls")
    assert unjailed.returncode == 0

    done = child(PRELUDE + INT_80 + "jail.arm(sys.argv[1]); function()", profile)

    assert done.returncode == -signal.SIGSYS


@pytest.mark.parametrize("profile", PROFILES)
def test_the_killing_build_kills(child: Child, profile: Profile) -> None:
    source = "import socket; seccomp.install(sys.argv[1], seccomp.host_arch(), kill=True); socket.socket()"

    assert child(PRELUDE + source, profile).returncode == -signal.SIGSYS


ORDINARY = """
import asyncio, json, subprocess, tempfile, threading, time
from pathlib import Path
profile = sys.argv[1]
jail.arm(profile)
seccomp.install(profile, seccomp.host_arch(), kill=True)

thread = threading.Thread(target=time.sleep, args=(0.01,))
thread.start()
thread.join()
fd = os.memfd_create("gpu")
os.write(fd, b"x")
mmap.mmap(-1, 1 << 20).close()
Path("/proc/self/status").read_text()
os.sched_getaffinity(0)
import numpy
assert (numpy.ones((64, 64)) @ numpy.ones((64, 64))).sum() == 64**3

if profile != "worker":
    async def talk():
        process = await asyncio.create_subprocess_exec(
            "/bin/cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate(b"through a pipe")
        assert out == b"through a pipe"
        await asyncio.to_thread(time.sleep, 0.01)
    asyncio.run(talk())
    assert subprocess.run(["/bin/sh", "-c", "echo a | cat; exit 7"], capture_output=True).returncode == 7
    with tempfile.TemporaryDirectory() as folder:
        one, two = Path(folder, "one"), Path(folder, "two")
        one.mkdir(), two.mkdir()
        one.joinpath("file").write_text("text")
        one.joinpath("file").rename(two / "file")
        two.joinpath("file").chmod(0o600)
        os.link(two / "file", one / "link")
    import multiprocessing
    left, right = multiprocessing.Pipe()
    left.send(json.dumps({"a": 1}))
    assert right.recv() == '{"a": 1}'
    import sqlite3
    sqlite3.connect(":memory:").execute("create table t (x)")
print("done")
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_ordinary_work_makes_no_denied_call(child: Child, profile: Profile) -> None:
    done = child(PRELUDE + ORDINARY, profile)

    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr


INFERENCE = """
from pathlib import Path
model = Path(sys.argv[2])
report = jail.arm(sys.argv[1], [model])
seccomp.install(sys.argv[1], seccomp.host_arch(), kill=True)
import llama_cpp
for options in ({}, {"use_mmap": False}):
    llm = llama_cpp.Llama(str(model), n_ctx=256, n_threads=2, verbose=False, **options)
    assert llm.create_completion("1 + 1 =", max_tokens=8)["usage"]["completion_tokens"] > 0
    llm.save_state()
    llm.close()
print("done", report.landlock, len(os.listdir("/proc/self/task")))
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_llama_cpp_loads_and_generates_under_the_killing_build(child: Child, profile: Profile) -> None:
    from edgemind.models import builtin

    if not builtin.available():
        pytest.skip("the built-in model is not in this checkout")
    done = child(PRELUDE + INFERENCE, profile, builtin.path(), env=jail.scrubbed_environment())

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("done")


def test_the_workers_environment_leaves_no_thread_before_arming(child: Child) -> None:
    """Landlock before ABI 8 covers the calling thread and later ones: what the worker imports must start none."""
    done = child("import os, numpy; print(len(os.listdir('/proc/self/task')))", env=jail.scrubbed_environment())

    assert done.stdout.strip() == "1", done.stderr
