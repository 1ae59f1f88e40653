"""The public face: arming, refusing, reporting, the environment of a worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemind.errors import NotOffline
from edgemind.privacy import jail, seccomp
from edgemind.privacy.jail import PROFILES, Profile, Strength

Child = Callable[..., "subprocess.CompletedProcess[str]"]
armed_child = pytest.mark.jail

PRELUDE = """
import os, socket, sys, threading, time
from edgemind.errors import NotOffline
from edgemind.privacy import jail, landlock, seccomp
profile = sys.argv[1]
"""
REFUSED = """
try:
    jail.arm(profile)
except NotOffline as error:
    print(error.message)
    sys.exit(error.exit_code)
sys.exit(0)
"""


@armed_child
@pytest.mark.parametrize("profile", PROFILES)
def test_every_thread_is_filtered_and_seen_from_outside(child: Child, profile: Profile) -> None:
    source = """
    waiting = threading.Event()
    threads = [threading.Thread(target=waiting.wait) for _ in range(3)]
    for thread in threads: thread.start()
    report = jail.arm(profile)
    later = threading.Thread(target=waiting.wait); later.start()
    print(report.strength.value, jail.arm(profile) is report, jail.armed() is report, flush=True)
    import subprocess
    sys.stdin.readline()
    waiting.set()
    """
    script = PRELUDE + "\n".join(line.strip() for line in source.splitlines())
    process = subprocess.Popen(
        [sys.executable, "-c", script, profile], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin
    assert process.stdout
    assert process.stdout.readline().split() == ["kernel", "True", "True"]

    seen = jail.status(process.pid)
    process.communicate("go\n")

    assert seen["threads"] == seen["filtered"] == 5
    assert seen["enforced"] is True
    assert process.returncode == 0


def test_status_of_an_unjailed_and_of_no_process() -> None:
    assert jail.status(os.getpid())["enforced"] is False
    assert jail.status(2**30) == {
        "pid": 2**30,
        "threads": 0,
        "filtered": 0,
        "modes": {},
        "no_new_privs": False,
        "enforced": False,
    }


OPEN_WAYS_OUT = {
    "udp": "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
    "udp6": "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)",
    "tcp": "s = socket.socket()",
    "tcp-connected": "l = socket.create_server(('127.0.0.1', 0)); s = socket.create_connection(l.getsockname())",
    "unix-datagram": "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)",
    "unix-seqpacket": "s = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)",
    "netlink": "s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "any-address": "s = socket.create_server(('', 0))",
    "duplicate": "s = socket.socket(); os.dup2(s.fileno(), 77); s.close()",
    "parents-memory": "s = open('/proc/self/mem', 'rb')",
}


@armed_child
@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("opened", OPEN_WAYS_OUT)
def test_an_open_way_out_is_refused(child: Child, profile: Profile, opened: str) -> None:
    done = child(PRELUDE + OPEN_WAYS_OUT[opened] + REFUSED, profile)

    assert done.returncode == NotOffline.exit_code, done.stderr
    assert "was open before the network jail" in done.stdout


@armed_child
@pytest.mark.parametrize("profile", PROFILES)
def test_an_inherited_socket_is_refused(child: Child, profile: Profile) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as mine:
        descriptor = mine.fileno()
        done = child(PRELUDE + REFUSED, profile, pass_fds=(descriptor,))

    assert done.returncode == NotOffline.exit_code, done.stderr
    assert f"Descriptor {descriptor} " in done.stdout


@armed_child
@pytest.mark.parametrize("profile", PROFILES)
def test_an_io_uring_made_before_is_refused(child: Child, profile: Profile) -> None:
    ring = """
import ctypes
if ctypes.CDLL(None).syscall(425, 4, ctypes.create_string_buffer(120)) < 0: sys.exit(77)
"""

    done = child(PRELUDE + ring + REFUSED, profile)

    if done.returncode == 77:
        pytest.skip("this kernel gives out no io_uring")
    assert done.returncode == NotOffline.exit_code, done.stderr


@armed_child
@pytest.mark.parametrize("profile", PROFILES)
def test_unix_streams_and_pipes_stay_open(child: Child, profile: Profile) -> None:
    pair = "a, b = socket.socketpair(); pipe = os.pipe(); f = open('/dev/null')"

    done = child(PRELUDE + pair + REFUSED + "", profile)

    assert done.returncode == 0, done.stdout + done.stderr


@armed_child
@pytest.mark.parametrize("profile", ["ui", "worker"])
def test_only_serve_may_hold_a_listener(child: Child, profile: Profile) -> None:
    done = child(PRELUDE + "s = socket.create_server(('127.0.0.1', 0))" + REFUSED, profile)

    assert done.returncode == NotOffline.exit_code


SERVER = """
import asyncio
async def serve():
    async def answer(reader, writer):
        await reader.readline()
        assert jail.arm("serve").strength is jail.Strength.KERNEL
        try:
            socket.create_connection(("127.0.0.1", int(sys.argv[2])), 1)
        except PermissionError:
            writer.writelines([b"x" * 1000] * 8000)
            await writer.drain()
        writer.close()
        await writer.wait_closed()
        stop.set()
    stop = asyncio.Event()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    jail.arm("serve")
    print(server.sockets[0].getsockname()[1], flush=True)
    await stop.wait()
asyncio.run(serve())
"""


@armed_child
def test_a_server_answers_and_never_dials() -> None:
    """Eight megabytes to a slow reader: the transport has to queue and write again (sendmsg from Python 3.12 on)."""
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as target:
        port = target.getsockname()[1]
        command = [sys.executable, "-c", PRELUDE + SERVER, "serve", str(port)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as caller:
                caller.sendall(b"hello\n")
                time.sleep(0.2)
                received = 0
                while piece := caller.recv(65536):
                    received += len(piece)
        target.settimeout(0)
        with pytest.raises(BlockingIOError):
            target.accept()
    assert received == 8_000_000
    assert process.returncode == 0


@armed_child
def test_a_thread_that_cannot_take_the_filter_fails_closed(child: Child) -> None:
    """A thread with a filter of its own cannot be synchronised: seccomp answers its id, not an errno."""
    source = """
import ctypes, struct
def alone():
    code = struct.pack("=HBBI", 6, 0, 0, 0x7FFF0000)  # allow everything, for this thread only
    buffer = ctypes.create_string_buffer(code, len(code))
    head = seccomp._Program(1, ctypes.cast(buffer, ctypes.c_void_p))
    libc = seccomp.libc()
    libc.prctl(38, 1, 0, 0, 0)
    assert libc.syscall(seccomp.number("seccomp", seccomp.host_arch()), 1, 0, ctypes.byref(head)) == 0
    ready.set()
    time.sleep(60)
ready = threading.Event()
threading.Thread(target=alone, daemon=True).start()
ready.wait()
"""
    done = child(
        PRELUDE + source + REFUSED.replace("sys.exit", "os._exit").replace("message)", "message, flush=True)"), "ui"
    )

    assert done.returncode == NotOffline.exit_code, done.stderr
    assert "could not take the filter" in done.stdout


@armed_child
def test_a_landlock_that_refuses_fails_closed(child: Child) -> None:
    """Sixteen domains is the kernel's limit: the seventeenth is an error, not a missing feature."""
    source = """
if (landlock.abi() or 0) < 2: sys.exit(77)
seccomp.libc().prctl(38, 1, 0, 0, 0)
for _ in range(16): landlock.restrict_family()
"""
    done = child(PRELUDE + source + REFUSED, "worker")

    if done.returncode == 77:
        pytest.skip("no Landlock in this kernel")
    assert done.returncode == NotOffline.exit_code, done.stderr
    assert "landlock" in done.stdout


@armed_child
def test_profiles_stack(child: Child) -> None:
    """A worker is started by the jailed ui, inherits its filter and arms its own."""
    source = """
import subprocess
jail.arm("ui")
inner = "from edgemind.privacy import jail; r = jail.arm('worker'); print(r.strength.value, r.landlock, r.notes)"
print(subprocess.run([sys.executable, "-c", inner], capture_output=True, text=True).stdout, jail.armed().landlock)
"""
    done = child(PRELUDE + source, "ui")

    assert done.stdout.startswith("kernel"), done.stderr


@armed_child
@pytest.mark.parametrize("profile", PROFILES)
def test_no_core_dump_and_no_reading_of_memory(child: Child, profile: Profile) -> None:
    source = """
import ctypes, resource
jail.arm(profile)
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))
"""
    done = child(PRELUDE + source, profile)

    assert done.stdout.startswith("0 ")
    if profile == "worker":
        assert done.stdout.split(" ", 1)[1].strip() == "(0, 0)"


def test_a_system_without_the_filter_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double stands for another architecture, which this machine is not."""
    monkeypatch.setattr(seccomp, "host_arch", lambda: None)
    monkeypatch.setattr(jail, "_armed", {})

    report = jail.arm("ui")

    assert report.strength is Strength.NONE
    assert report.notes
    assert jail.available() is (Strength.SANDBOX if sys.platform == "darwin" else Strength.NONE)
    assert jail.why_not() == report.notes[0]


@armed_child
def test_available_arms_nothing() -> None:
    assert jail.available() is Strength.KERNEL
    assert jail.why_not() is None
    assert jail.status(os.getpid())["enforced"] is False


def test_every_strength_has_words_of_its_own() -> None:
    assert len({strength.phrase for strength in Strength}) == len({strength.short for strength in Strength}) == 3


def test_an_unknown_profile_is_a_bug() -> None:
    with pytest.raises(ValueError, match="no jail profile"):
        jail.arm("everything")  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "darwin", reason="there the command is prefixed")
def test_the_worker_command_is_unchanged_elsewhere() -> None:
    assert jail.sandbox_command(["python", "-m", "x"]) == ["python", "-m", "x"]


@pytest.mark.skipif(sys.platform != "darwin", reason="sandbox-exec is part of macOS")
def test_the_macos_sandbox_holds() -> None:
    code = "from edgemind.privacy import jail; print(jail.arm('worker').strength.value)"
    done = subprocess.run(jail.sandbox_command([sys.executable, "-c", code]), capture_output=True, text=True)
    assert done.stdout.strip() == "sandbox", done.stderr


def test_the_workers_environment_is_an_allow_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    dropped = """HTTP_PROXY https_proxy ALL_PROXY HF_TOKEN OPENAI_API_KEY AWS_SECRET_ACCESS_KEY LD_PRELOAD PYTHONPATH
    PYTHONSTARTUP SSH_AUTH_SOCK DBUS_SESSION_BUS_ADDRESS DISPLAY GGML_API_KEY LLAMA_ARG_HF_TOKEN TMPDIR EDITOR"""
    kept = ["LC_ALL", "OMP_NUM_THREADS", "GGML_CUDA_FORCE_MMQ", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH", "HOME"]
    for name in [*dropped.split(), *kept]:
        os.environ[name] = "value"

    found = jail.scrubbed_environment({"MINE": "1"})

    assert not set(dropped.split()) & set(found)
    assert {name for name in kept if found.get(name) == "value"} == set(kept)
    assert found["GGML_NO_BACKTRACE"] == found["HF_HUB_OFFLINE"] == found["PYTHONSAFEPATH"] == found["MINE"] == "1"
    assert "value" not in found["PATH"]


def test_python_starts_in_the_workers_environment(tmp_path: Path) -> None:
    code = (
        "import edgemind.privacy.jail, numpy, sys; print(sys.flags.safe_path if hasattr(sys.flags, 'safe_path') else 1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=jail.scrubbed_environment(), capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
