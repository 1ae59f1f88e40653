"""The network jail's public face: arm it, ask what holds, start a worker inside it.

``arm`` either holds or raises: there is no half-armed state that goes unreported. Three strengths exist and each has
its own words; no caller may call them all "offline". Not for: what the filter denies (``seccomp``), file rules
(``landlock``), or showing from outside that nothing left (``proof``).
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from edgemind.errors import NotOffline
from edgemind.privacy import landlock, seccomp
from edgemind.privacy.environment import scrubbed_environment
from edgemind.privacy.seccomp import PROFILES, Profile

__all__ = [
    "PROFILES",
    "Profile",
    "Report",
    "Strength",
    "arm",
    "armed",
    "available",
    "sandbox_command",
    "scrubbed_environment",
    "status",
    "why_not",
]


class Strength(str, Enum):
    """Who keeps the network shut."""

    KERNEL = "kernel"
    SANDBOX = "sandbox"
    NONE = "none"

    @property
    def phrase(self) -> str:
        """The words a user reads."""
        return {
            Strength.KERNEL: "kernel-enforced: this process and its children cannot open a network connection",
            Strength.SANDBOX: "OS sandbox: the system denies network access to this process and its children",
            Strength.NONE: "not enforced here: EdgeMind opens no connection, but nothing would stop one",
        }[self]

    @property
    def short(self) -> str:
        """For a status line."""
        return {
            Strength.KERNEL: "kernel-enforced",
            Strength.SANDBOX: "OS sandbox",
            Strength.NONE: "not enforced here",
        }[self]


@dataclass(frozen=True)
class Report:
    """What holds in this process from now on."""

    profile: Profile
    strength: Strength
    landlock: int | None
    """The Landlock ABI that guards files (worker) or other processes' memory (ui, serve); None where none does."""
    notes: tuple[str, ...] = ()
    """Why something is weaker than it could be; empty when nothing is."""
    seconds: float = 0.0
    """What arming took."""


_armed: dict[Profile, Report] = {}


def armed() -> Report | None:
    """The report of the latest ``arm`` in this process (a fork keeps it, as the kernel keeps the filter), or None."""
    return next(reversed(_armed.values()), None)


def why_not() -> str | None:
    """Why the strength here is not ``KERNEL``; None when it is."""
    return seccomp.missing(seccomp.host_arch())


def available() -> Strength:
    """What ``arm`` would reach for a worker on this machine, without arming anything."""
    if why_not() is None:
        return Strength.KERNEL
    if sys.platform == "darwin" and (os.access(_SANDBOX_EXEC, os.X_OK) or _network_is_denied()):
        return Strength.SANDBOX
    return Strength.NONE


def arm(profile: Profile, readable: Sequence[Path] = (), writable: Sequence[Path] = ()) -> Report:
    """Shut the network for every thread of this process and everything that it starts. Cannot be undone.

    Call it first thing: before threads, before untrusted bytes; ``serve`` after ``bind`` and ``listen``, ``ui`` after
    the keyring has given its key (asking it needs a socket). A second call with the same profile returns the first
    report.

    Args:
        profile: ``ui``, ``worker`` or ``serve``.
        readable: the files and folders that a worker may read besides the interpreter and the system's libraries.
        writable: the existing files, no folders, that a worker may write; none for one that only runs a model.

    Raises:
        NotOffline: an open descriptor leads to a network, or this kernel can enforce and yet arming failed. The process
            must end then. Never raised for a system that cannot enforce: that is ``Strength.NONE`` in the report.
    """
    if profile in _armed:
        return _armed[profile]
    if profile not in PROFILES:
        raise ValueError(f"no jail profile is called {profile!r}")
    started = time.perf_counter()
    arch = seccomp.host_arch()
    lacking = seccomp.missing(arch)
    if lacking is None and arch is not None:
        level, notes = _arm_linux(profile, arch, readable, writable)
        report = Report(profile, Strength.KERNEL, level, notes, time.perf_counter() - started)
    elif sys.platform == "darwin" and _network_is_denied():
        report = Report(profile, Strength.SANDBOX, None, (), time.perf_counter() - started)
    else:
        reason = "not started under sandbox-exec" if sys.platform == "darwin" else str(lacking)
        report = Report(profile, Strength.NONE, None, (reason,), time.perf_counter() - started)
    _armed[profile] = report
    return report


# --- Linux -----------------------------------------------------------------------------------------------------------

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38


def _arm_linux(
    profile: Profile, arch: seccomp.Arch, readable: Sequence[Path], writable: Sequence[Path]
) -> tuple[int | None, tuple[str, ...]]:
    _refuse_open_ways_out(profile)
    try:
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _close_memory(profile)
        level, notes = _arm_landlock(profile, readable, writable)
        seccomp.install(profile, arch)
    except OSError as error:
        raise NotOffline(
            f"The network jail could not be armed: {error.strerror} (errno {error.errno}).",
            "Run `edgemind doctor` for what this system supports.",
        ) from error
    _refuse_open_ways_out(profile)  # again: an earlier thread may have opened one before the filter reached it
    return level, notes


def _close_memory(profile: Profile) -> None:
    """No core dump, and no other process of the user reads this memory; a program started later decides for itself."""
    _prctl(_PR_SET_DUMPABLE, 0)
    if profile == "worker":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _prctl(option: int, value: int) -> None:
    zero = ctypes.c_ulong(0)
    if seccomp.libc().prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option}) failed")


def _arm_landlock(
    profile: Profile, readable: Sequence[Path], writable: Sequence[Path]
) -> tuple[int | None, tuple[str, ...]]:
    guards = "files are not closed to the worker" if profile == "worker" else "memory of other processes is not closed"
    level = landlock.abi()
    if level is None:
        return None, (f"no Landlock in this kernel ({os.strerror(ctypes.get_errno())}): {guards}",)
    try:
        whole = landlock.restrict_worker(readable, writable) if profile == "worker" else landlock.restrict_family()
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        return None, (f"{error.strerror}: {guards}",)
    if not whole:
        return None, (f"threads were running before the jail, and Landlock {level} does not reach them: {guards}",)
    return level, ()


_SO_DOMAIN, _SO_PROTOCOL = 39, 38  # as numbers: Python's socket module has the names on Linux only
_SPECIAL = re.compile(
    r"anon_inode:\[?(?:io_uring|perf_event)\]?|/dev/(?:net/tun|tap\d+|vhost-(?:net|vsock))|/proc/\d+/(?:task/\d+/)?mem"
)


def _refuse_open_ways_out(profile: Profile) -> None:
    """Raise NotOffline when a descriptor of this process could carry bytes to a network.

    Allowed are AF_UNIX stream sockets and, for ``serve``, TCP sockets that listen on a loopback address.
    """
    try:
        descriptors = [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError as error:
        raise NotOffline(f"The open descriptors cannot be looked at: {error.strerror}.", "Mount /proc.") from error
    for descriptor in descriptors:
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # the listing's own descriptor, closed by now
            continue
        found = _socket_leading_out(descriptor, profile) if target.startswith("socket:") else _SPECIAL.fullmatch(target)
        if found:
            what = found if isinstance(found, str) else target
            raise NotOffline(
                f"Descriptor {descriptor} was open before the network jail and leads out of it ({what}).",
                "Close it in the program that starts EdgeMind.",
            )


def _socket_leading_out(descriptor: int, profile: Profile) -> str | None:
    import socket

    try:
        copy = os.dup(descriptor)
    except OSError:  # closed since it was listed
        return None
    try:
        sock = socket.socket(fileno=copy)
    except OSError as error:
        os.close(copy)
        return f"a socket that cannot be looked at: {error.strerror}"
    with sock:
        family = sock.getsockopt(socket.SOL_SOCKET, _SO_DOMAIN)
        kind = sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE)
        protocol = sock.getsockopt(socket.SOL_SOCKET, _SO_PROTOCOL)
        if kind == socket.SOCK_STREAM and family == socket.AF_UNIX:
            return None
        if profile == "serve" and kind == socket.SOCK_STREAM and protocol == socket.IPPROTO_TCP:
            listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            address = str(sock.getsockname()[0])
            if listens and (address.startswith("127.") or address == "::1"):
                return None
            return f"a TCP socket on {address}" + ("" if listens else " that does not listen")
        return f"a socket of family {family}, type {kind}"


def status(pid: int) -> dict[str, object]:
    """What the kernel says about a process: ``Seccomp:`` of every thread, read from outside. Linux only.

    Returns:
        ``threads`` (how many), ``filtered`` (how many in mode 2), ``modes`` (thread id to mode), ``no_new_privs`` and
        ``enforced`` (all of it); with ``threads`` 0 when the process or /proc is not there.
    """
    modes: dict[int, int] = {}
    bound = True
    task = f"/proc/{pid}/task"
    try:
        threads = sorted(int(name) for name in os.listdir(task))
    except OSError:
        threads = []
    for thread in threads:
        try:
            with open(f"{task}/{thread}/status", encoding="utf-8", errors="replace") as lines:
                fields = dict(line.split(":", 1) for line in lines if ":" in line)
        except OSError:  # ended meanwhile
            continue
        modes[thread] = int(fields.get("Seccomp", "0"))
        bound = bound and int(fields.get("NoNewPrivs", "0")) == 1
    filtered = sum(mode == 2 for mode in modes.values())
    return {
        "pid": pid,
        "threads": len(modes),
        "filtered": filtered,
        "modes": modes,
        "no_new_privs": bool(modes) and bound,
        "enforced": bool(modes) and bound and filtered == len(modes),
    }


# --- macOS -----------------------------------------------------------------------------------------------------------

_SANDBOX_EXEC = "/usr/bin/sandbox-exec"
SANDBOX_PROFILE = "(version 1)(allow default)(deny network*)"


def sandbox_command(argv: Sequence[str]) -> list[str]:
    """``argv`` as it must be started for ``arm`` inside to find the OS sandbox: prefixed on macOS, unchanged elsewhere.

    Also unchanged where this process is in a sandbox already: children inherit it, and macOS refuses a second one.
    """
    if sys.platform != "darwin" or not os.access(_SANDBOX_EXEC, os.X_OK) or _network_is_denied():
        return list(argv)
    return [_SANDBOX_EXEC, "-p", SANDBOX_PROFILE, *argv]


def _network_is_denied() -> bool:
    """Whether a UDP connect to loopback (no packet) fails with EPERM, as the sandbox answers; nothing else does."""
    import socket

    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect(("127.0.0.1", 9))
    except OSError as error:
        return error.errno == errno.EPERM
    return False
