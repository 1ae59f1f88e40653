"""The system-call filter that keeps a process off the network: what is denied, and how it is armed.

``program`` turns the tables below into a classic BPF program, ``install`` gives it to the kernel for every thread of
the process. No privilege, no compiler, no dependency. Not for: deciding which profile a process needs (``jail``), or
files (``landlock``).

The list names the ways by which a packet can leave without a plain ``socket(AF_INET)``; docs/security.md has the
reason for each. Sources: ``seccomp(2)``, ``Documentation/userspace-api/seccomp_filter.rst``, the kernel's
``syscall_64.tbl`` and ``asm-generic/unistd.h``.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import struct
import sys
from typing import Literal, NamedTuple

Profile = Literal["ui", "worker", "serve"]
PROFILES: tuple[Profile, ...] = ("ui", "worker", "serve")


class Arch(NamedTuple):
    """One kernel architecture: its audit number and its column in ``NUMBERS``."""

    name: str
    audit: int
    column: int


X86_64 = Arch("x86_64", 0xC000003E, 0)
AARCH64 = Arch("aarch64", 0xC00000B7, 1)

NUMBERS: dict[str, tuple[int | None, int | None]] = {
    # name: (x86-64, aarch64)
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendto": (44, 206),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "recvmsg": (47, 212),
    "recvmmsg": (299, 243),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "unshare": (272, 97),
    "setns": (308, 268),
    "clone": (56, 220),
    "clone3": (435, 435),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "reboot": (169, 142),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "open_by_handle_at": (304, 265),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "iopl": (172, None),
    "ioperm": (173, None),
    "nfsservctl": (180, 42),
    "ioctl": (16, 29),
    "execve": (59, 221),
    "execveat": (322, 281),
    "personality": (135, 92),
    "seccomp": (317, 277),
    # what Landlock leaves open: a file's mode, owner, times and extended attributes
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}

CHECKED = ("socketpair", "sendto", "clone", "ioctl")
"""Allowed or denied by their arguments."""

_ACCEPT = ("accept", "accept4")
_WORKER_ONLY = ("execve", "execveat", "personality", *list(NUMBERS)[list(NUMBERS).index("chmod") :])
ALWAYS_DENIED = tuple(
    name for name in NUMBERS if name not in {*CHECKED, *_ACCEPT, *_WORKER_ONLY, "sendmsg", "clone3", "seccomp"}
)

DENIED: dict[Profile, tuple[str, ...]] = {
    "ui": (*ALWAYS_DENIED, "sendmsg", *_ACCEPT),
    "worker": (*ALWAYS_DENIED, "sendmsg", *_ACCEPT, *_WORKER_ONLY),
    # asyncio from Python 3.12 on finishes a long answer with sendmsg. A server has only its stream sockets (``jail``
    # looks at them, and recvmsg cannot bring others), on which sendmsg dials only with MSG_FASTOPEN: that is denied.
    "serve": ALWAYS_DENIED,
}

LAST_REVIEWED = 469
"""``file_setattr`` (Linux 6.17). A newer call may be a new way out, so it does not exist here: ENOSYS, and libraries
fall back to what they used before."""

_X32_BIT = 0x40000000
_OLD_X32 = (512, 547)
"""Before Linux 5.4 these x32 entries (sendmsg, execve, ptrace, ...) could be called without the x32 bit."""

_AF_UNIX, _SOCK_STREAM = 1, 1
_SOCK_FLAGS = 0x80800  # SOCK_CLOEXEC | SOCK_NONBLOCK
_MSG_FASTOPEN = 0x20000000
_CLONE3 = 435  # on every architecture
_CLONE_NEW = 0x7E020000  # NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
DENIED_IOCTLS = {
    "TIOCSTI": 0x5412,  # types into the terminal: the shell behind it would run the text, outside the jail
    "TIOCLINUX": 0x541C,  # the same by paste, on a virtual console
    "TUNSETIFF": 0x400454CA,  # opens a tap device that was given to this user: raw packets
    "TUNSETQUEUE": 0x400454D9,
    "VHOST_SET_OWNER": 0xAF01,  # vhost-net, vhost-vsock
}

ALLOW, KILL_PROCESS, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
DENY = ERRNO | errno.EACCES
ABSENT = ERRNO | errno.ENOSYS

_LD, _AND, _RET = 0x20, 0x54, 0x06  # ld [k]; and #k; ret #k
_JEQ, _JGT, _JGE, _JSET = 0x15, 0x25, 0x35, 0x45
_NR, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data


class Instruction(NamedTuple):
    """One ``struct sock_filter``."""

    code: int
    jt: int
    jf: int
    k: int


class _Assembler:
    """Collects instructions whose jumps name labels; ``assemble`` turns these into the 8-bit distances BPF wants."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, int, str, str]] = []
        self._labels: dict[str, int] = {}

    def label(self, name: str) -> None:
        self._labels[name] = len(self._lines)

    def load(self, offset: int) -> None:
        self._lines.append((_LD, offset, "", ""))

    def load_argument(self, index: int, high: bool = False) -> None:
        self.load(_ARGS + 8 * index + (4 if high else 0))  # both architectures are little-endian

    def keep_bits(self, mask: int) -> None:
        self._lines.append((_AND, mask, "", ""))

    def jump(self, code: int, k: int, yes: str = "", no: str = "") -> None:
        """An empty label means the next instruction."""
        self._lines.append((code, k, yes, no))

    def give(self, action: int) -> None:
        self._lines.append((_RET, action, "", ""))

    def assemble(self) -> list[Instruction]:
        def distance(at: int, name: str) -> int:
            steps = self._labels[name] - at - 1 if name else 0
            if not 0 <= steps <= 255:
                raise ValueError(f"jump to {name} is {steps} instructions long")
            return steps

        return [
            Instruction(code, distance(at, yes), distance(at, no), k)
            for at, (code, k, yes, no) in enumerate(self._lines)
        ]


def number(name: str, arch: Arch) -> int | None:
    """The call's number on ``arch``; None where the architecture has no such call."""
    return NUMBERS[name][arch.column]


def program(profile: Profile, arch: Arch, kill: bool = False) -> list[Instruction]:
    """The filter of ``profile`` for ``arch``; with ``kill`` a denied call ends the process (for tests)."""
    asm = _Assembler()
    asm.load(_ARCH)
    asm.jump(_JEQ, arch.audit, no="kill")
    asm.load(_NR)
    if arch is X86_64:
        asm.jump(_JSET, _X32_BIT, yes="kill")
        asm.jump(_JGT, _OLD_X32[1], yes="absent")
        asm.jump(_JGE, _OLD_X32[0], yes="kill")
    asm.jump(_JGT, LAST_REVIEWED, yes="absent")
    asm.jump(_JEQ, _CLONE3, yes="absent")  # its flags lie in memory, out of a filter's sight; libraries then use clone
    checked = (*CHECKED, "sendmsg") if profile == "serve" else CHECKED
    for name in (*DENIED[profile], *checked):
        nr = number(name, arch)
        if nr is not None:
            asm.jump(_JEQ, nr, yes=name if name in checked else "deny")
    asm.give(ALLOW)

    asm.label("socketpair")
    asm.load_argument(0)  # the kernel reads an int: the low half is all of it
    asm.jump(_JEQ, _AF_UNIX, no="deny")
    asm.load_argument(1)
    asm.keep_bits(0xFFFFFFFF ^ _SOCK_FLAGS)
    asm.jump(_JEQ, _SOCK_STREAM, yes="allow", no="deny")

    asm.label("sendto")
    asm.load_argument(3)
    asm.jump(_JSET, _MSG_FASTOPEN, yes="deny")
    asm.load_argument(4)
    asm.jump(_JEQ, 0, no="deny")
    asm.load_argument(4, high=True)
    asm.jump(_JEQ, 0, yes="allow", no="deny")

    asm.label("clone")
    asm.load_argument(0)
    asm.jump(_JSET, _CLONE_NEW, yes="deny", no="allow")

    asm.label("ioctl")
    asm.load_argument(1)  # an unsigned int to the kernel, so the high half is ignored here too
    for request in DENIED_IOCTLS.values():
        asm.jump(_JEQ, request, yes="deny")

    asm.label("allow")
    asm.give(ALLOW)
    if "sendmsg" in checked:
        asm.label("sendmsg")
        asm.load_argument(2)
        asm.jump(_JSET, _MSG_FASTOPEN, yes="deny", no="allow_sendmsg")
        asm.label("allow_sendmsg")
        asm.give(ALLOW)
    asm.label("deny")
    asm.give(KILL_PROCESS if kill else DENY)
    asm.label("absent")
    asm.give(ABSENT)
    asm.label("kill")
    asm.give(KILL_PROCESS)
    return asm.assemble()


# --- giving it to the kernel -----------------------------------------------------------------------------------------

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _GET_ACTION_AVAIL = 1, 2
_FLAG_TSYNC = 1


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


@functools.cache
def libc() -> ctypes.CDLL:
    """The C library of this process, with errno kept."""
    return ctypes.CDLL(None, use_errno=True)


def host_arch() -> Arch | None:
    """The architecture this interpreter makes its calls in; None when the filter has no table for it."""
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8 or sys.byteorder != "little":
        return None
    return {"x86_64": X86_64, "amd64": X86_64, "aarch64": AARCH64, "arm64": AARCH64}.get(platform.machine().lower())


def _seccomp(arch: Arch, operation: int, flags: int, pointer: object) -> int:
    call = libc().syscall
    call.restype = ctypes.c_long
    return int(
        call(ctypes.c_long(number("seccomp", arch) or 0), ctypes.c_uint(operation), ctypes.c_uint(flags), pointer)
    )


def missing(arch: Arch | None) -> str | None:
    """Why this kernel cannot hold the filter, or None when it can. Arms nothing."""
    if not sys.platform.startswith("linux"):
        return f"{sys.platform} has no seccomp"
    if arch is None:
        return f"no system-call table for {platform.machine() or 'this architecture'}"
    action = ctypes.c_uint32(KILL_PROCESS)
    if _seccomp(arch, _GET_ACTION_AVAIL, 0, ctypes.byref(action)) != 0:
        return f"this kernel takes no such filter (Linux 4.14 does): {os.strerror(ctypes.get_errno())}"
    # With no program to read, a kernel that knows the flag answers EFAULT, one that does not EINVAL (seccomp(2)).
    _seccomp(arch, _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.c_void_p(None))
    if ctypes.get_errno() != errno.EFAULT:
        return f"this kernel cannot filter every thread: {os.strerror(ctypes.get_errno())}"
    return None


def install(profile: Profile, arch: Arch, kill: bool = False) -> None:
    """Arm ``profile`` for every thread of this process and all that it will ever start. Cannot be undone.

    Raises:
        OSError: the kernel refused; nothing is armed then.
    """
    code = program(profile, arch, kill)
    packed = b"".join(struct.pack("=HBBI", *line) for line in code)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    head = _Program(len(code), ctypes.cast(buffer, ctypes.c_void_p))
    prctl = libc().prctl
    zero = ctypes.c_ulong(0)
    if prctl(ctypes.c_int(_PR_SET_NO_NEW_PRIVS), ctypes.c_ulong(1), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS) failed")
    answer = _seccomp(arch, _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(head))
    if answer > 0:  # the id of a thread that has a filter of its own
        raise OSError(errno.ESRCH, f"thread {answer} could not take the filter")
    if answer != 0:
        raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER) failed")
