"""Putting a finished file in the place of another so that no change by another program is lost in between.

Where the system can exchange two names in one step, the old file is looked at after it was taken out, and goes back
when it is not the one that was read. Elsewhere it is looked at just before.
Sources: ``renameat2(2)``, ``renamex_np(2)``.
Not for: which bytes go where (``transitions``).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import sys

from edgemind.privacy.seccomp import libc

_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
_LINUX_NUMBERS = {"x86_64": 316, "aarch64": 276, "arm64": 276, "riscv64": 276}
"""Of a process of 64 bits: one of 32 has other numbers on the same machine."""
_LINUX_FLAGS = {"swap": 2, "new": 1}
_MACOS_FLAGS = {"swap": 2, "new": 4}


def exchange(fd: int, one: str, other: str) -> bool:
    """Swap two names of a folder in one step; ``False`` when this system or disk cannot. Raises ``OSError``."""
    return _rename(fd, one, other, "swap")


def move_new(fd: int, name: str, new: str) -> None:
    """Rename; raises ``FileExistsError`` when there is something of the new name, and other ``OSError``."""
    if _rename(fd, name, new, "new"):
        return
    try:
        os.link(name, new, src_dir_fd=fd, dst_dir_fd=fd, follow_symlinks=False)
    except OSError as problem:
        if problem.errno not in _UNSUPPORTED:
            raise
        _look_and_rename(fd, name, new)  # exFAT, FUSE and others without hard links
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=fd)


def _look_and_rename(fd: int, name: str, new: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.stat(new, dir_fd=fd, follow_symlinks=False)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new)
    os.rename(name, new, src_dir_fd=fd, dst_dir_fd=fd)


def _rename(fd: int, name: str, new: str, how: str) -> bool:
    old_bytes, new_bytes = os.fsencode(name), os.fsencode(new)
    if sys.platform == "linux":
        number = _LINUX_NUMBERS.get(platform.machine())
        if number is None or sys.maxsize < 1 << 32:
            return False
        call = libc().syscall
        call.restype = ctypes.c_long
        place = ctypes.c_int(fd)
        done = call(
            ctypes.c_long(number),
            place,
            ctypes.c_char_p(old_bytes),
            place,
            ctypes.c_char_p(new_bytes),
            ctypes.c_uint(_LINUX_FLAGS[how]),
        )
    elif sys.platform == "darwin":
        call = libc().renameatx_np
        done = call(fd, old_bytes, fd, new_bytes, ctypes.c_uint(_MACOS_FLAGS[how]))
    else:
        return False
    if not done:
        return True
    failed = ctypes.get_errno()
    if failed in _UNSUPPORTED:
        return False
    raise OSError(failed, os.strerror(failed), new)
