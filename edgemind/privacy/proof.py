"""Show from outside that a command sends nothing: run it in an empty network namespace and read the kernel's counters.

A namespace made for one command has only a loopback interface, no route, and counters that start at zero and count
attempts too: a blocked connect shows as ``Ip.OutNoRoutes``. Needs no root where the system allows user namespaces;
where it does not, the answer says so and is no success. Not for: keeping anything shut (``jail``), nor for look-ups
handed to another program over a UNIX socket, which a network namespace does not see (the jail denies those).

By hand: ``python -m edgemind.privacy.proof [--timeout SECONDS] -- COMMAND [ARGUMENT ...]``; exit code 0 when the
command ran and nothing was tried, 1 when something was, 2 when namespaces are forbidden here.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edgemind.privacy.seccomp import libc

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_PR_SET_CHILD_SUBREAPER = 36
_KEPT_OUTPUT = 1 << 20  # bytes of each stream

_HELP = "Run a command in an empty network namespace and report what it tried to send."

_SNMP = (
    "Ip.OutRequests",
    "Ip.OutNoRoutes",
    "Ip.OutDiscards",
    "Icmp.OutMsgs",
    "Tcp.ActiveOpens",
    "Tcp.OutSegs",
    "Udp.OutDatagrams",
    "UdpLite.OutDatagrams",
)
_SNMP6 = (
    "Ip6OutRequests",
    "Ip6OutNoRoutes",
    "Ip6OutDiscards",
    "Icmp6OutMsgs",
    "Udp6OutDatagrams",
    "UdpLite6OutDatagrams",
)
_KERNEL_CHATTER = ("Icmp6OutMLDv2Reports", "Icmp6OutRouterSolicits", "Icmp6OutNeighborSolicits")
"""What the kernel itself says when an IPv6 interface comes up: taken off ``Icmp6OutMsgs`` and ``Ip6OutRequests``."""

_SYSCTLS = (
    "kernel.unprivileged_userns_clone",  # Debian
    "kernel.apparmor_restrict_unprivileged_userns",  # Ubuntu from 23.10
    "user.max_user_namespaces",
    "user.max_net_namespaces",
)


@dataclass(frozen=True)
class Proof:
    """What one run showed. ``quiet`` is the verdict; it is False also when nothing could be run."""

    ran: bool
    """Whether the command ran in a namespace of its own."""
    reason: str = ""
    """Why it did not: the step, the errno and the settings that may forbid it."""
    errno: int = 0
    sysctls: Mapping[str, str] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    """What each counter grew by; every counter that was read, zeros too."""
    exit_code: int | None = None
    """None after a timeout; negative for a signal."""
    stdout: str = ""
    stderr: str = ""

    @property
    def attempts(self) -> dict[str, int]:
        """The counters that moved."""
        return {name: count for name, count in self.counters.items() if count}

    @property
    def quiet(self) -> bool:
        """The command ran to its end and nothing was sent or tried."""
        return self.ran and self.exit_code is not None and bool(self.counters) and not self.attempts


def prove(argv: Sequence[str], timeout: float, stdin: str | None = None) -> Proof:
    """Run ``argv`` in a fresh network namespace with no way out and count what it tried.

    Args:
        argv: the command; found by PATH.
        timeout: seconds after which the command's process group is killed.
        stdin: text for its standard input; nothing when None.
    """
    if not sys.platform.startswith("linux"):
        return Proof(False, f"{sys.platform} has no network namespaces")
    home = str(Path(__file__).resolve().parents[2])  # not by PYTHONPATH: the command would inherit it
    start = f"import sys; sys.path.insert(0, {home!r}); from edgemind.privacy import proof; sys.exit(proof.main())"
    with tempfile.TemporaryFile() as result:
        done = subprocess.run(
            [sys.executable, "-c", start, "--json", str(result.fileno()), "--timeout", str(timeout), "--", *argv],
            input=stdin or "",
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            pass_fds=(result.fileno(),),
        )
        result.seek(0)
        answer = result.read()
    if not answer:
        return Proof(False, f"the helper ended with {done.returncode}: {done.stderr.strip()[-400:]}")
    return Proof(**json.loads(answer))


# --- inside the helper process ---------------------------------------------------------------------------------------


def _run_here(argv: Sequence[str], timeout: float) -> Proof:
    """Move this process into a namespace and run the command as its child; this process is single-threaded."""
    try:
        _enter_namespace()
    except OSError as error:
        settings = _read_sysctls()
        told = ", ".join(f"{name}={value}" for name, value in settings.items()) or "no setting found that forbids it"
        reason = f"network namespaces are forbidden here: {error.strerror} (errno {error.errno}; {told})"
        return Proof(False, reason, error.errno or 0, settings)
    _still_the_kernel()
    libc().prctl(ctypes.c_int(_PR_SET_CHILD_SUBREAPER), ctypes.c_ulong(1), *[ctypes.c_ulong(0)] * 3)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = read_counters()
        try:
            child = subprocess.Popen(argv, stdout=out, stderr=err, start_new_session=True)
        except OSError as error:
            return Proof(False, f"the command cannot be started: {error.strerror}", error.errno or 0)
        exit_code: int | None
        try:
            exit_code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            exit_code = None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        _end_stragglers()
        after = read_counters()
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read(_KEPT_OUTPUT).decode("utf-8", "replace"))
    grown = {name: after[name] - before.get(name, 0) for name in after}
    return Proof(True, counters=grown, exit_code=exit_code, stdout=texts[0], stderr=texts[1])


def _end_stragglers() -> None:
    """Kill what the command left running in other process groups; orphans come to this process, the subreaper."""
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    with contextlib.suppress(FileNotFoundError, ChildProcessError):  # the file needs CONFIG_PROC_CHILDREN
        while orphans := children.read_text().split():
            for orphan in map(int, orphans):
                os.kill(orphan, signal.SIGKILL)
                os.waitpid(orphan, 0)


def _enter_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    if libc().unshare(ctypes.c_int(_CLONE_NEWUSER | _CLONE_NEWNET)) == 0:
        _map_own_user(user, group)
    else:
        refused = ctypes.get_errno()
        if user != 0 or libc().unshare(ctypes.c_int(_CLONE_NEWNET)) != 0:  # root needs no user namespace
            raise OSError(refused, f"unshare: {os.strerror(refused)}")
    _raise_loopback()


def _map_own_user(user: int, group: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        try:
            Path("/proc/self", name).write_text(text)
        except FileNotFoundError:
            if name != "setgroups":  # absent before Linux 3.19
                raise
        except OSError as error:
            raise OSError(error.errno, f"{name}: {error.strerror}") from error


def _still_the_kernel() -> None:
    """Keep IPv6 from configuring itself, should an interface come up; as far as this kernel lets us."""
    for family in ("all", "default"):
        for name in ("autoconf", "accept_ra", "dad_transmits", "router_solicitations"):
            with contextlib.suppress(OSError):
                Path(f"/proc/sys/net/ipv6/conf/{family}/{name}").write_text("0")


def _raise_loopback() -> None:
    """Bring ``lo`` up: without any address the kernel drops an IPv6 attempt (EADDRNOTAVAIL) before it counts it."""
    import fcntl
    import socket

    request = struct.pack("16sH14x", b"lo", _IFF_UP)
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            fcntl.ioctl(sock, _SIOCSIFFLAGS, request)
    except OSError as error:
        raise OSError(error.errno, f"loopback: {error.strerror}") from error


def _read_sysctls() -> dict[str, str]:
    found = {}
    for name in _SYSCTLS:
        with contextlib.suppress(OSError):
            found[name] = Path("/proc/sys", *name.split(".")).read_text().strip()
    return found


def read_counters(proc: Path = Path("/proc/self/net")) -> dict[str, int]:
    """The outgoing counters of this process's network namespace: protocols by name, interfaces as ``dev.NAME.tx``."""
    counters: dict[str, int] = {}
    lines = (proc / "snmp").read_text().splitlines()
    for names, values in zip(lines[::2], lines[1::2], strict=False):
        protocol, *columns = names.split()
        for column, value in zip(columns, values.split()[1:], strict=False):
            if f"{protocol[:-1]}.{column}" in _SNMP:
                counters[f"{protocol[:-1]}.{column}"] = int(value)
    with contextlib.suppress(FileNotFoundError):  # a kernel without IPv6
        six = {name: int(value) for name, value in (line.split() for line in (proc / "snmp6").open())}
        chatter = sum(six.get(name, 0) for name in _KERNEL_CHATTER)
        for name in _SNMP6:
            own = chatter if name in ("Icmp6OutMsgs", "Ip6OutRequests") else 0
            counters[name] = max(0, six.get(name, 0) - own)
    for line in (proc / "dev").read_text().splitlines()[2:]:
        interface, numbers = line.split(":", 1)
        counters[f"dev.{interface.strip()}.tx"] = int(numbers.split()[9])  # packets sent
    return counters


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line described above; ``--json FD`` is how ``prove`` gets the whole answer."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m edgemind.privacy.proof", description=_HELP)
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--json", type=int, metavar="FD", help=argparse.SUPPRESS)
    parser.add_argument("command", nargs="+")
    chosen = parser.parse_args(arguments)
    proof = _run_here(chosen.command, chosen.timeout)
    if chosen.json is not None:
        with open(chosen.json, "w", encoding="utf-8", closefd=False) as out:
            json.dump(asdict(proof), out)
        return 0
    if not proof.ran:
        print(proof.reason)
        return 2
    written = f"{len(proof.stdout)} characters written"
    print(f"exit code {proof.exit_code}, {written}; sent or tried: {proof.attempts or 'nothing'}")
    print("counters:", " ".join(f"{name}={count}" for name, count in proof.counters.items()))
    return 0 if proof.quiet else 1


if __name__ == "__main__":
    raise SystemExit(main())
