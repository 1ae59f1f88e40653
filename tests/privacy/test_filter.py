"""The filter as a program, for both architectures, against a plain statement of what it is to do."""

from __future__ import annotations

import errno
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgemind.privacy import seccomp
from edgemind.privacy.seccomp import AARCH64, PROFILES, X86_64, Arch, Profile

from . import bpf

ALLOW, KILL, DENY, ABSENT = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EACCES, 0x00050000 | errno.ENOSYS
ARCHES = (X86_64, AARCH64)
PROGRAMS = {(profile, arch): seccomp.program(profile, arch) for profile in PROFILES for arch in ARCHES}


def _names(text: str) -> list[str]:
    return text.split()


# Spelled out here a second time, so that a slip in the module's tables is seen.
EVERYWHERE = _names(
    "socket connect bind listen sendmmsg recvmsg recvmmsg io_uring_setup io_uring_enter io_uring_register "
    "ptrace process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd kcmp unshare "
    "setns mount umount2 pivot_root chroot open_tree open_tree_attr move_mount fsopen fsconfig fsmount "
    "fspick mount_setattr swapon swapoff quotactl quotactl_fd acct reboot bpf userfaultfd perf_event_open "
    "fanotify_init open_by_handle_at keyctl add_key request_key kexec_load kexec_file_load init_module "
    "finit_module delete_module iopl ioperm nfsservctl"
)
METADATA = _names(
    "chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat setxattr "
    "lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr"
)
ON_TOP: dict[Profile, list[str]] = {
    "ui": ["sendmsg", "accept", "accept4"],
    "worker": ["sendmsg", "accept", "accept4", "execve", "execveat", "personality", *METADATA],
    "serve": [],
}


def expected(profile: Profile, arch: Arch, number: int, arguments: list[int]) -> int:
    if arch is X86_64 and (number & 0x40000000 or 512 <= number <= 547):
        return KILL
    if number > 469:
        return ABSENT
    names = [name for name, numbers in seccomp.NUMBERS.items() if numbers[arch.column] == number]
    name = names[0] if names else ""
    low = [value & 0xFFFFFFFF for value in arguments]
    if name == "clone3":
        return ABSENT
    denied = (
        name in (*EVERYWHERE, *ON_TOP[profile])
        or (name == "socketpair" and not (low[0] == 1 and low[1] in (1, 0x801, 0x80001, 0x80801)))
        or (name == "sendto" and (arguments[4] != 0 or low[3] & 0x20000000))
        or (name == "sendmsg" and low[2] & 0x20000000)
        or (name == "clone" and low[0] & 0x7E020000)
        or (name == "ioctl" and low[1] in (0x5412, 0x541C, 0x400454CA, 0x400454D9, 0xAF01))
    )
    return DENY if denied else ALLOW


interesting = st.one_of(
    st.sampled_from([0, 1, 2, 5, 0x801, 0x80001, 0x80802, 0x5412, 0x541C, 0x400454CA, 0xAF01, 0x20000000, 0x40000000]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 31).map(lambda bit: 1 << bit),
    st.integers(32, 63).map(lambda bit: 1 << bit),
    st.integers(0, 2**31).map(lambda low: low | 1 << 32),
)


@settings(max_examples=1500, deadline=None)
@given(
    profile=st.sampled_from(PROFILES),
    arch=st.sampled_from(ARCHES),
    number=st.one_of(st.integers(0, 600), st.integers(0, 2**32 - 1), st.integers(0x40000000, 0x40000300)),
    arguments=st.lists(interesting, min_size=6, max_size=6),
)
def test_any_call_gets_the_action_it_should(profile: Profile, arch: Arch, number: int, arguments: list[int]) -> None:
    action = bpf.run(PROGRAMS[profile, arch], number, arch.audit, arguments)

    assert action == expected(profile, arch, number, arguments)


@settings(max_examples=1500, deadline=None)
@given(
    profile=st.sampled_from(PROFILES),
    arch=st.sampled_from(ARCHES),
    name=st.sampled_from(sorted(seccomp.NUMBERS)),
    arguments=st.lists(interesting, min_size=6, max_size=6),
)
def test_a_listed_call_gets_the_action_it_should(profile: Profile, arch: Arch, name: str, arguments: list[int]) -> None:
    number = seccomp.number(name, arch)
    if number is not None:
        action = bpf.run(PROGRAMS[profile, arch], number, arch.audit, arguments)
        assert action == expected(profile, arch, number, arguments)


@given(arch=st.sampled_from(ARCHES), audit=st.integers(0, 2**32 - 1), number=st.integers(0, 2**32 - 1))
def test_another_architecture_is_killed(arch: Arch, audit: int, number: int) -> None:
    if audit != arch.audit:
        assert bpf.run(PROGRAMS["ui", arch], number, audit) == KILL


@pytest.mark.parametrize("audit", [0x40000003, 0x40000028], ids=["i386", "arm"])
@pytest.mark.parametrize("arch", ARCHES, ids=lambda arch: str(arch.name))
def test_the_32_bit_twin_is_killed(arch: Arch, audit: int) -> None:
    assert bpf.run(PROGRAMS["worker", arch], 20, audit) == KILL


@pytest.mark.parametrize("profile", PROFILES)
def test_every_listed_name_is_denied_on_both(profile: Profile) -> None:
    for arch in ARCHES:
        for name in (*EVERYWHERE, *ON_TOP[profile]):
            number = seccomp.number(name, arch)
            assert number is None or bpf.run(PROGRAMS[profile, arch], number, arch.audit) == DENY, name


NEEDED = """
read write openat close mmap munmap mprotect madvise futex memfd_create prctl seccomp getrandom sched_getaffinity
recvfrom getsockopt setsockopt shutdown poll ppoll epoll_pwait pipe2 dup kill tgkill pidfd_open pidfd_send_signal mlock
landlock_create_ruleset landlock_add_rule landlock_restrict_self splice tee sendfile copy_file_range wait4 rt_sigaction
eventfd2 set_mempolicy get_mempolicy mbind sched_setaffinity prlimit64 statx fsync renameat2 unlinkat getdents64
inotify_init1 exit_group
"""


@pytest.mark.parametrize("profile", PROFILES)
def test_what_python_llama_cpp_and_cuda_need_is_allowed(profile: Profile) -> None:
    for arch, header in HEADERS.items():
        for name in NEEDED.split():
            if name in header:
                assert bpf.run(PROGRAMS[profile, arch], header[name], arch.audit) == ALLOW, name


def _header(path: str) -> dict[str, int]:
    try:
        text = Path(path).read_text()
    except OSError:
        return {}
    return {name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", text)}


HEADERS = {
    X86_64: _header("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    AARCH64: _header("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("arch", ARCHES, ids=lambda arch: str(arch.name))
def test_numbers_agree_with_the_kernel_headers(arch: Arch) -> None:
    if not HEADERS[arch]:
        pytest.skip("no kernel headers on this machine")
    newest = max(number for number in HEADERS[arch].values() if number < 512)
    for name in seccomp.NUMBERS:
        ours = seccomp.number(name, arch)
        if ours is None or ours <= newest:
            assert HEADERS[arch].get(name) == ours, name


def test_a_killing_build_differs_in_the_denials_only() -> None:
    for arch in ARCHES:
        plain, killing = seccomp.program("ui", arch), seccomp.program("ui", arch, kill=True)
        changed = [(a.k, b.k) for a, b in zip(plain, killing, strict=True) if a != b]
        assert changed == [(DENY, KILL)]


def test_importing_the_jail_is_cheap() -> None:
    code = "import sys, edgemind.privacy.jail; print({'pydantic', 'socket', 'asyncio', 'numpy'} & set(sys.modules))"
    here = Path(__file__).parents[2]

    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=here)

    assert done.stdout.strip() == "set()", done.stderr
