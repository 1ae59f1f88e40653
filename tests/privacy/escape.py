"""The ways out of the jail, each tried by a process of its own: ``python -m privacy.escapes NAME PROFILE TARGETS``.

An escape is a generator. What stands before its ``yield`` runs unjailed and prepares; then the jail is armed (unless
PROFILE is ``none``); what follows tries to get out and returns what the kernel answered, one errno name (or ``ok``) for
each step. With ``none`` the same script must succeed: that is how the tests know that it has teeth.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import struct
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from edgemind.privacy import jail, seccomp

LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Targets:
    """The receivers that must get nothing: loopback ports, AF_UNIX paths."""

    tcp: int
    udp: int
    unix_stream: str
    unix_datagram: str
    scratch: str

    @property
    def address(self) -> bytes:
        """The UDP receiver's ``struct sockaddr_in``."""
        return (
            struct.pack("=H", socket.AF_INET) + struct.pack(">H", self.udp) + socket.inet_aton("127.0.0.1") + bytes(8)
        )


Steps = Generator[None, None, list[str]]
ESCAPES: dict[str, Callable[[Targets], Steps]] = {}
EXPECTED: dict[str, set[str]] = {}
LIVE: set[str] = set()


def escape(expected: str = "EACCES", live: bool = False) -> Callable[[Callable[[Targets], Steps]], object]:
    """Register an escape: what each of its steps may answer in the jail; ``live`` when a receiver hears it unjailed."""

    def register(function: Callable[[Targets], Steps]) -> Callable[[Targets], Steps]:
        ESCAPES[function.__name__] = function
        EXPECTED[function.__name__] = set(expected.split())
        if live:
            LIVE.add(function.__name__)
        return function

    return register


def call(number: int | str, *arguments: object) -> int:
    """A raw system call, by name or number; raises OSError."""
    if isinstance(number, str):
        arch = seccomp.host_arch()
        assert arch is not None
        found = seccomp.number(number, arch)
        if found is None:
            raise OSError(errno.EACCES, "no such call on this architecture")
        number = found
    LIBC.syscall.restype = ctypes.c_long
    wide = [ctypes.c_ulong(a & (2**64 - 1)) if isinstance(a, int) else a for a in arguments]
    answer = int(LIBC.syscall(ctypes.c_long(number), *wide))
    if answer < 0:
        raise OSError(ctypes.get_errno(), "syscall")
    return answer


def answer(function: Callable[..., object], *arguments: object) -> str:
    """``ok`` or the errno's name."""
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, type(error).__name__)
    return "ok"


def raw(name: str, *arguments: object) -> str:
    return answer(call, name, *(arguments or (0,) * 6))


def main() -> None:
    """The child's whole life."""
    name, profile, targets = sys.argv[1:]
    to = Targets(**json.loads(targets))
    steps = ESCAPES[name](to)
    next(steps)
    if profile != "none":
        jail.arm(profile, [Path(__file__)])  # type: ignore[arg-type]
    try:
        next(steps)
    except StopIteration as done:
        print(json.dumps(done.value), flush=True)
    os._exit(0)
