"""Escapes by way of other programs, other processes, namespaces and the kernel's own helpers."""

from __future__ import annotations

import ctypes
import errno
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

from edgemind.privacy import seccomp

from .escape import Steps, Targets, answer, call, escape, raw

CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000


@escape(live=True)
def program_started(to: Targets) -> Steps:
    yield
    code = f"import socket; socket.socket(2, 2).sendto(b'leak', ('127.0.0.1', {to.udp}))"

    def start() -> None:
        if subprocess.run([sys.executable, "-S", "-c", code], stderr=subprocess.DEVNULL).returncode:
            raise PermissionError(errno.EACCES, "the child could not")

    return [answer(start)]


@escape(live=True)
def curl_started(to: Targets) -> Steps:
    yield

    def start() -> None:
        command = ["/usr/bin/curl", "-s", "-m", "1", "--noproxy", "*", f"http://127.0.0.1:{to.tcp}/"]
        if subprocess.run(command).returncode not in (0, 28):  # 28: connected, and no answer came in time
            raise PermissionError(errno.EACCES, "the child could not")

    return [answer(start)]


@escape(live=True)
def thread_started_before(to: Targets) -> Steps:
    go, told = threading.Event(), list[str]()

    def leak() -> None:
        go.wait()
        told.append(answer(lambda: socket.socket(2, 2).sendto(b"leak", ("127.0.0.1", to.udp))))

    thread = threading.Thread(target=leak)
    thread.start()
    yield
    go.set()
    thread.join()
    return told


@escape(live=True)
def thread_started_after(to: Targets) -> Steps:
    yield
    told: list[str] = []

    def leak() -> None:
        told.append(answer(lambda: socket.socket(2, 2).sendto(b"leak", ("127.0.0.1", to.udp))))

    thread = threading.Thread(target=leak)
    thread.start()
    thread.join()
    return told


@escape(live=True)
def forked_child(to: Targets) -> Steps:
    yield
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.write(writer, answer(lambda: socket.socket(2, 2).sendto(b"leak", ("127.0.0.1", to.udp))).encode())
        os._exit(0)
    os.wait()
    return [os.read(reader, 99).decode()]


@escape()
def memory_of_the_parent(to: Targets) -> Steps:
    yield
    parent = os.getppid()
    return [
        raw("ptrace", 16, parent, 0, 0),  # PTRACE_ATTACH
        raw("ptrace", 0, 0, 0, 0),  # PTRACE_TRACEME
        raw("process_vm_readv", parent, 0, 0, 0, 0, 0),
        raw("process_vm_writev", parent, 0, 0, 0, 0, 0),
        raw("process_madvise", -1, 0, 0, 0, 0),
        raw("kcmp", parent, os.getpid(), 0, 0, 0),
    ]


@escape("EACCES EPERM")
def memory_of_the_parent_through_proc(to: Targets) -> Steps:
    yield
    return [answer(open, f"/proc/{os.getppid()}/mem", "r+b")]


@escape()
def text_typed_into_the_terminal(to: Targets) -> Steps:
    primary, secondary = pty.openpty()
    yield
    letter = ctypes.create_string_buffer(b"x")
    answers = [answer(call, "ioctl", secondary, request, letter) for request in (0x5412, 0x541C, 0x5412 | 1 << 32)]
    answers += [answer(call, "ioctl", primary, request, letter) for request in (0x400454CA, 0x400454D9, 0xAF01)]
    return answers


@escape()
def namespaces(to: Targets) -> Steps:
    own = os.open("/proc/self/ns/net", os.O_RDONLY)
    yield
    answers = [raw("unshare", flag) for flag in (CLONE_NEWNET, CLONE_NEWUSER, 0x20000)]
    answers += [raw("setns", own, 0)]
    answers += [raw("clone", flag | signal.SIGCHLD, 0, 0, 0, 0) for flag in (CLONE_NEWNET, CLONE_NEWUSER, 0x2000000)]
    return answers


@escape("ENOSYS")
def calls_that_are_not_there(to: Targets) -> Steps:
    yield
    newest = seccomp.LAST_REVIEWED + 1
    return [raw("clone3", 0, 0), *(answer(call, number, 0, 0, 0, 0, 0, 0) for number in (newest, newest + 8, 999))]


@escape()
def mounts(to: Targets) -> Steps:
    yield
    names = "mount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick"
    return [raw(name) for name in [*names.split(), "mount_setattr", "swapon", "swapoff", "quotactl", "acct"]]


@escape()
def kernel_helpers(to: Targets) -> Steps:
    """request_key can make the kernel start a program that resolves a name (``key.dns_resolver``)."""
    yield
    names = "keyctl add_key request_key bpf userfaultfd perf_event_open fanotify_init open_by_handle_at"
    more = "kexec_load kexec_file_load init_module finit_module delete_module iopl ioperm nfsservctl reboot"
    return [raw(name) for name in f"{names} {more}".split()]


@escape()
def connection_accepted(to: Targets) -> Steps:
    """Not in ``serve``, which is there to accept."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{to.scratch}/listener")
    listener.listen()
    yield
    return [raw("accept", listener.fileno(), 0, 0), raw("accept4", listener.fileno(), 0, 0, 0)]


@escape()
def program_executed(to: Targets) -> Steps:
    """Not in ``ui`` and ``serve``, whose children are jailed with them."""
    program = os.memfd_create("program")
    os.write(program, Path("/bin/true").read_bytes())
    binary = os.open("/bin/true", os.O_RDONLY)
    yield
    arguments = (ctypes.c_char_p * 2)(b"true", None)
    none = (ctypes.c_char_p * 1)(None)
    return [
        answer(os.execv, "/bin/true", ["true"]),
        answer(call, "execveat", binary, ctypes.c_char_p(b""), arguments, none, 0x1000),
        answer(call, "execveat", program, ctypes.c_char_p(b""), arguments, none, 0x1000),
        answer(subprocess.run, ["/bin/true"]),
        raw("personality", 0xFFFFFFFF),
    ]


@escape()
def file_metadata_changed(to: Targets) -> Steps:
    """Only in ``worker``: Landlock does not cover modes, owners, times and attributes."""
    path = f"{to.scratch}/file"
    Path(path).touch()
    opened = os.open(path, os.O_RDONLY)
    yield
    answers = [
        answer(os.chmod, path, 0o777),
        answer(os.fchmod, opened, 0o777),
        answer(os.chown, path, -1, -1),
        answer(os.fchown, opened, -1, -1),
        answer(os.utime, path),
        answer(os.utime, opened),
        answer(os.setxattr, path, "user.leak", b"x"),
        answer(os.setxattr, opened, "user.leak", b"x"),
        answer(os.removexattr, path, "user.leak"),
    ]
    names = "chmod fchmodat fchmodat2 lchown fchownat utime utimes futimesat lsetxattr setxattrat lremovexattr"
    return answers + [raw(name) for name in f"{names} fremovexattr removexattrat file_setattr".split()]
