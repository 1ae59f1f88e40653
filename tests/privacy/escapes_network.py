"""Escapes that open a socket, or get hold of one."""

from __future__ import annotations

import array
import ctypes
import os
import socket
import sys

from .escape import Steps, Targets, answer, call, escape, raw

MSG_FASTOPEN = 0x20000000


@escape(live=True)
def tcp_connect(to: Targets) -> Steps:
    yield
    return [answer(socket.create_connection, ("127.0.0.1", to.tcp))]


@escape(live=True)
def udp_sendto(to: Targets) -> Steps:
    yield
    return [answer(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"leak", ("127.0.0.1", to.udp)))]


@escape()
def socket_of_every_family(to: Targets) -> Steps:
    yield
    families = {"UNIX": 1, "INET": 2, "INET6": 10, "NETLINK": 16, "PACKET": 17, "ALG": 38, "VSOCK": 40, "XDP": 44}
    kinds = {"STREAM": 1, "DGRAM": 2, "RAW": 3, "SEQPACKET": 5}
    return [raw("socket", family, kind, 0) for family in families.values() for kind in kinds.values()]


@escape("EACCES gaierror")
def name_lookup(to: Targets) -> Steps:
    yield
    try:
        socket.getaddrinfo("edgemind.invalid", 80)
    except socket.gaierror:
        return ["gaierror"]
    return ["ok"]


@escape()
def io_uring(to: Targets) -> Steps:
    yield
    parameters = ctypes.create_string_buffer(120)
    return [
        answer(call, "io_uring_setup", 4, parameters),
        raw("io_uring_enter", 0, 1, 0, 0, 0, 0),
        raw("io_uring_register", 0, 0, 0, 0),
    ]


@escape(live=True)
def datagram_pair_reconnected(to: Targets) -> Steps:
    yield

    def reconnect() -> None:
        mine, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        mine.connect(to.unix_datagram)
        mine.send(b"leak")

    return [answer(reconnect)]


@escape()
def pairs_other_than_unix_stream(to: Targets) -> Steps:
    yield
    room = (ctypes.c_int * 2)()
    kinds = (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    answers = [answer(call, "socketpair", socket.AF_UNIX, kind, 0, room) for kind in kinds]
    answers.append(answer(call, "socketpair", 30, socket.SOCK_STREAM, 0, room))  # AF_TIPC
    answers.append(answer(call, "socketpair", socket.AF_UNIX | 1 << 32, socket.SOCK_DGRAM | 1 << 32, 0, room))
    return answers


@escape(live=True)
def received_with_scm_rights(to: Targets) -> Steps:
    inside, outside = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    go_read, go_write = os.pipe()
    if os.fork() == 0:  # stays unjailed and hands out a socket
        os.read(go_read, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gift:
            for _ in range(2):
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [gift.fileno()]))]
                outside.sendmsg([b"x"], rights)
        os._exit(0)
    outside.close()
    yield
    os.write(go_write, b"g")
    os.wait()

    def receive() -> None:
        _, rights, _, _ = inside.recvmsg(1, socket.CMSG_SPACE(4))
        found = socket.socket(fileno=array.array("i", rights[0][2])[0])
        found.sendto(b"leak", ("127.0.0.1", to.udp))

    before = len(os.listdir("/proc/self/fd"))
    answers = [answer(receive), raw("recvmmsg", inside.fileno(), 0, 0, 0, 0)]
    if answers[0] != "ok":
        inside.recv(1)  # reading drops what was attached
        if len(os.listdir("/proc/self/fd")) != before:
            answers.append("a descriptor arrived")
    return answers


@escape(live=True)
def stolen_with_pidfd_getfd(to: Targets) -> Steps:
    ready_read, ready_write = os.pipe()
    end_read, end_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(end_write)
        gift = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        os.write(ready_write, bytes([gift.fileno()]))
        os.read(end_read, 1)  # until the parent is gone
        os._exit(0)
    theirs = os.read(ready_read, 1)[0]
    yield

    def steal() -> None:
        handle = os.pidfd_open(child)
        found = socket.socket(fileno=call("pidfd_getfd", handle, theirs, 0))
        found.sendto(b"leak", ("127.0.0.1", to.udp))

    return [answer(steal)]


@escape(live=True)
def inherited_unix_socket_connects(to: Targets) -> Steps:
    mine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    yield

    def connect() -> None:
        mine.connect(to.unix_stream)
        mine.send(b"leak")

    return [answer(connect)]


@escape()
def inherited_unix_socket_binds_and_listens(to: Targets) -> Steps:
    mine = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    yield
    return [answer(mine.bind, f"{to.scratch}/s"), answer(mine.listen)]


@escape()
def messages_with_an_address(to: Targets) -> Steps:
    mine, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    yield
    fd = mine.fileno()
    room = ctypes.create_string_buffer(to.address)
    return [
        answer(call, "sendto", fd, room, 4, 0, room, 16),
        answer(call, "sendto", fd, room, 4, MSG_FASTOPEN, room, 16),
        answer(call, "sendto", fd, room, 4, MSG_FASTOPEN, 0, 0),
        raw("sendto", fd, 0, 4, 0, 1 << 32, 16),  # an address whose low half is zero
        raw("sendto", fd, 0, 4, 0, 1, 16),
        raw("sendmmsg", fd, 0, 1, 0),
        raw("sendmsg", fd, 0, MSG_FASTOPEN),
        raw("recvmsg", fd, 0, 0),
    ]


@escape(live=True)
def listener_dials_with_fast_open(to: Targets) -> Steps:
    """A listening socket shut down is an unconnected one again, and TCP Fast Open connects by sending."""
    listener = socket.create_server(("127.0.0.1", 0)) if sys.argv[2] in ("serve", "none") else None
    yield
    if listener is None:
        return ["EACCES"]
    answers = [answer(listener.shutdown, socket.SHUT_RDWR)]
    assert answers.pop() == "ok"
    target = ("127.0.0.1", to.tcp)
    answers += [answer(listener.sendto, b"leak", MSG_FASTOPEN, target)]
    answers += [answer(lambda: listener.sendmsg([b"leak"], [], MSG_FASTOPEN, target)), answer(listener.connect, target)]
    return answers[:1] if sys.argv[2] == "none" else answers
