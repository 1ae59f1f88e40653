"""A small interpreter for classic BPF over ``struct seccomp_data``, enough to ask a filter what it would do.

It also runs the filter of the other architecture. Source: ``linux/bpf_common.h``, and the kernel's
``Documentation/networking/filter.rst``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from edgemind.privacy.seccomp import Instruction


def run(program: Sequence[Instruction], number: int, audit: int, arguments: Sequence[int] = ()) -> int:
    """The action for one system call; raises on anything the kernel's checker would refuse."""
    six = [value & (2**64 - 1) for value in (*arguments, *[0] * 6)][:6]
    data = struct.pack("<iIQ6Q", struct.unpack("<i", struct.pack("<I", number & 0xFFFFFFFF))[0], audit, 0, *six)
    accumulator = at = 0
    for _ in range(len(program)):  # jumps go forward only
        code, jt, jf, k = program[at]
        at += 1
        if code == 0x20:  # ld [k]
            assert k % 4 == 0
            assert k <= 60
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif code == 0x54:  # and #k
            accumulator &= k
        elif code == 0x06:  # ret #k
            return k
        else:
            taken = {
                0x15: accumulator == k,
                0x25: accumulator > k,
                0x35: accumulator >= k,
                0x45: bool(accumulator & k),
            }[code]
            at += jt if taken else jf
    raise AssertionError("the program does not end")
