"""Landlock: the worker sees its model, its interpreter and the system's libraries, read-only, and no other file;
one that makes a file may write exactly that file.

Rules hang on inodes, so a link placed later leads nowhere new. Not for: the network as such (``seccomp`` holds that;
the TCP rules here are a second lock). Source: ``landlock(7)`` and ``Documentation/userspace-api/landlock.rst``.
"""

from __future__ import annotations

import ctypes
import errno
import glob
import os
import stat
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from edgemind.privacy.seccomp import libc

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1
_RESTRICT_EVERY_THREAD = 1 << 3  # LANDLOCK_RESTRICT_SELF_TSYNC, from ABI 8 on

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
MAKE_CHAR, MAKE_BLOCK = 1 << 6, 1 << 11
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST_ABI = (1 << 13) - 1
_FOR_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_NET_TCP = 0b11  # bind, connect
_SCOPES = 0b11  # abstract UNIX sockets, signals

READ = READ_FILE | READ_DIR
WRITE = WRITE_FILE | TRUNCATE
DEVICE = READ | WRITE_FILE | IOCTL_DEV

_SYSTEM = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/usr/share/locale",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
)
_GPU_DEVICES = ("/dev/nvidia*", "/dev/nvidia-caps/*", "/dev/dri/*", "/dev/kfd", "/dev/dxg")
_GPU_FILES = (
    "/proc/driver/nvidia",
    "/proc/devices",
    "/proc/modules",
    "/sys/bus/pci",
    "/sys/class",
    "/sys/dev/char",
    "/sys/devices",
    "/sys/module",
    "/usr/local/cuda*",
    "/opt/cuda",
    "/opt/rocm*",
    "/usr/share/vulkan",
    "/etc/vulkan",
    "/etc/OpenCL",
    "/usr/share/nvidia",
    "/usr/share/libdrm",
)


def abi() -> int | None:
    """The kernel's Landlock version, None where there is none; ``errno`` of ``libc`` then says why."""
    version = int(_call(_CREATE_RULESET, ctypes.c_void_p(None), ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG)))
    return version if version > 0 else None


def worker_rules(readable: Sequence[Path], writable: Sequence[Path] = ()) -> list[tuple[str, int]]:
    """Paths and rights of the worker: ``readable``, this interpreter, the system's libraries, a GPU if there is one.

    ``writable`` are single files that exist; a folder there would open everything below it, so it gives nothing.
    """
    rules = [(path, READ) for path in (*_interpreter(), *_SYSTEM)]
    rules.append(("/dev/null", READ_FILE | WRITE_FILE))
    devices = sorted(found for pattern in _GPU_DEVICES for found in glob.glob(pattern))
    if devices:
        rules += [(path, DEVICE) for path in devices]
        rules += [(found, READ) for pattern in _GPU_FILES for found in glob.glob(pattern)]
    rules += [(str(path), READ) for path in readable]
    rules += [(str(path), WRITE) for path in writable if path.is_file()]
    return rules


def _interpreter() -> list[str]:
    """The folders this Python loads code from, without the user's home or a folder that holds it."""
    home = os.path.realpath(os.path.expanduser("~"))
    wanted = [sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, *sys.path]
    wanted += os.environ.get("LD_LIBRARY_PATH", "").split(":")
    kept: list[str] = []
    for path in wanted:
        real = os.path.realpath(path)
        if path and real not in kept and real != "/" and not (home + "/").startswith(real + "/"):
            kept.append(real)
    return kept


def restrict_worker(readable: Sequence[Path], writable: Sequence[Path] = ()) -> bool:
    """Close every file but the worker's own to this thread and what it starts. Cannot be undone.

    The files of ``writable`` may be written and cut, nothing may be made, moved or removed.

    Also denies TCP bind and connect (ABI 4), ioctls on other devices (5), signals and abstract sockets to processes
    outside (6). Needs no_new_privs set.

    Returns:
        whether every thread of the process is covered: before ABI 8 only those started afterwards are.

    Raises:
        OSError: the kernel has no Landlock or refused a step.
    """
    version = _version()
    handled = _FIRST_ABI
    handled |= (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0) | (IOCTL_DEV if version >= 5 else 0)
    return _restrict(version, handled, worker_rules(readable, writable), scopes=_SCOPES)


def restrict_family() -> bool:
    """Close the memory of every process outside to this one and its children, and TCP; files stay as they are.

    What a Landlock domain brings by itself is that ``ptrace`` access, and with it ``/proc/PID/mem``, ends at the
    domain: else a jailed process could write itself into the user's shell. Device nodes cannot be made either. Below
    ABI 2 nothing is done, as moving files between folders would be lost.

    Returns, Raises: as ``restrict_worker``.
    """
    version = _version()
    if version < 2:
        raise OSError(errno.EOPNOTSUPP, "Landlock before ABI 2 cannot keep renames working")
    return _restrict(version, MAKE_CHAR | MAKE_BLOCK | REFER, [("/", REFER)], scopes=0b01)


def _version() -> int:
    version = abi()
    if version is None:
        raise OSError(ctypes.get_errno(), "this kernel has no Landlock")
    return version


def _restrict(version: int, handled: int, rules: Iterable[tuple[str, int]], scopes: int) -> bool:
    attributes = struct.pack("=Q", handled)
    if version >= 4:
        attributes += struct.pack("=Q", _NET_TCP)
    if version >= 6:
        attributes += struct.pack("=Q", scopes)
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    ruleset = _checked("landlock_create_ruleset", _CREATE_RULESET, buffer, ctypes.c_size_t(len(attributes)), _flags(0))
    try:
        for path, rights in rules:
            _allow(ruleset, path, rights & handled)
        if version >= 8 and _call(_RESTRICT_SELF, ctypes.c_int(ruleset), _flags(_RESTRICT_EVERY_THREAD)) == 0:
            return True
        _checked("landlock_restrict_self", _RESTRICT_SELF, ctypes.c_int(ruleset), _flags(0))
    finally:
        os.close(ruleset)
    return len(os.listdir("/proc/self/task")) == 1


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        where = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # not on this machine: nothing to allow
        return
    try:
        if not stat.S_ISDIR(os.fstat(where).st_mode):
            rights &= _FOR_FILES
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, where), 12)  # packed in the kernel's header too
        _checked(
            f"landlock_add_rule for {path}",
            _ADD_RULE,
            ctypes.c_int(ruleset),
            ctypes.c_int(_RULE_PATH_BENEATH),
            rule,
            _flags(0),
        )
    finally:
        os.close(where)


def _flags(value: int) -> ctypes.c_uint32:
    return ctypes.c_uint32(value)


def _call(number: int, *arguments: object) -> int:
    call = libc().syscall
    call.restype = ctypes.c_long
    return int(call(ctypes.c_long(number), *arguments))


def _checked(what: str, number: int, *arguments: object) -> int:
    answer = _call(number, *arguments)
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"{what} failed")
    return answer
