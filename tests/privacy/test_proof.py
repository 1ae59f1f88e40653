"""The proof counts what is tried, counts nothing for a quiet command, and says so where it cannot run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from edgemind.privacy.proof import prove

Child = Callable[..., "subprocess.CompletedProcess[str]"]
ALLOWED = prove([sys.executable, "-S", "-c", ""], 30)
namespaces = pytest.mark.skipif(not ALLOWED.ran, reason=ALLOWED.reason or "-")


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


@namespaces
def test_a_quiet_command_counts_nothing() -> None:
    proof = prove(
        [sys.executable, "-S", "-c", "import sys; print(sys.stdin.read().upper()); sys.exit(3)"], 30, stdin="a b"
    )

    assert proof.ran
    assert proof.quiet
    assert (proof.exit_code, proof.stdout) == (3, "A B\n")
    assert proof.counters["Ip.OutNoRoutes"] == 0
    assert set(proof.counters.values()) == {0}


TRIES = {
    "tcp": ("socket.socket().connect(('192.0.2.1', 80))", "Ip.OutNoRoutes"),
    "udp": ("socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 53))", "Ip.OutNoRoutes"),
    "multicast": ("socket.socket(2, 2).sendto(b'x', ('224.0.0.251', 5353))", "Ip.OutNoRoutes"),
    "loopback tcp": ("socket.socket().connect(('127.0.0.1', 9))", "Tcp.ActiveOpens"),
    "loopback udp": ("socket.socket(2, 2).sendto(b'x', ('127.0.0.1', 9))", "Udp.OutDatagrams"),
    "tcp6": ("socket.socket(10).connect(('2001:db8::1', 80))", "Ip6OutNoRoutes"),
    "udp6": ("socket.socket(10, 2).sendto(b'x', ('2001:db8::1', 53))", "Ip6OutNoRoutes"),
    "name": ("socket.getaddrinfo('example.invalid', 80)", "Ip.OutNoRoutes"),
}


@namespaces
@pytest.mark.parametrize("kind", TRIES)
def test_an_attempt_is_counted(kind: str) -> None:
    import socket

    if "6" in kind and not socket.has_ipv6:
        pytest.skip("no IPv6 in this interpreter")
    code, counter = TRIES[kind]

    proof = prove(python(f"import socket; {code}"), 30)

    assert proof.ran
    assert not proof.quiet
    if kind != "name" or proof.attempts:  # a resolver behind a UNIX socket is out of a namespace's sight
        assert proof.attempts[counter] >= 1, proof


@namespaces
def test_a_jailed_command_tries_nothing() -> None:
    """The same attempt under the filter does not even reach the counters."""
    code = """
from edgemind.privacy import jail
import socket
jail.arm('ui')
try:
    socket.socket().connect(('192.0.2.1', 80))
except PermissionError as error:
    print(error.errno)
"""
    proof = prove([sys.executable, "-c", code], 30)

    assert proof.quiet
    assert proof.stdout.strip() == "13"


@namespaces
def test_a_command_that_hangs_is_ended() -> None:
    started = time.monotonic()

    proof = prove(python("import time; time.sleep(60)"), 0.5)

    assert time.monotonic() - started < 20
    assert proof.exit_code is None
    assert not proof.quiet


@namespaces
def test_what_a_command_leaves_behind_is_ended() -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    print(os.getpid(), flush=True)
    time.sleep(60)
time.sleep(0.3)
"""

    proof = prove(python(code), 30)

    with pytest.raises(ProcessLookupError):
        os.kill(int(proof.stdout), 0)


@namespaces
def test_a_missing_command_is_no_success() -> None:
    proof = prove(["edgemind-no-such-program"], 5)

    assert not proof.ran
    assert not proof.quiet
    assert "cannot be started" in proof.reason


@pytest.mark.jail
def test_forbidden_namespaces_are_no_success(child: Child) -> None:
    """Inside the jail, unshare is denied: the same answer as on a system that forbids it."""
    done = child(
        """
        from edgemind.privacy import jail
        from edgemind.privacy.proof import prove
        jail.arm("ui")
        proof = prove(["true"], 10)
        print(proof.ran, proof.quiet, proof.errno, "forbidden" in proof.reason, "max_user_namespaces" in proof.reason)
        """
    )

    assert done.stdout.split() == ["False", "False", "13", "True", "True"], done.stderr


@namespaces
def test_the_command_line_tells_by_exit_code() -> None:
    start = [sys.executable, "-m", "edgemind.privacy.proof", "--"]

    quiet = subprocess.run([*start, *python("")], capture_output=True, text=True)
    loud = subprocess.run(
        [*start, *python("import socket; socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 9))")],
        capture_output=True,
        text=True,
    )

    assert (quiet.returncode, loud.returncode) == (0, 1)
    assert "nothing" in quiet.stdout
    assert "Ip.OutNoRoutes" in loud.stdout
