"""JSON-RPC over two streams: framing, what is a request, and what becomes of everything else."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemind.coder import rpc
from edgemind.coder.rpc import BrokenFrame, Connection, RpcError


def framed(value: Any, *, raw: bytes | None = None) -> bytes:
    body = json.dumps(value).encode() if raw is None else raw
    return b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


def read(data: bytes) -> Any:
    return Connection(io.BytesIO(data), io.BytesIO()).read()


def test_a_request() -> None:
    found = read(framed({"jsonrpc": "2.0", "id": 7, "method": "complete", "params": {"prefix": "ä"}}))
    assert (found.id, found.method, found.params, found.notification) == (7, "complete", {"prefix": "ä"}, False)


def test_a_notification_has_no_id_and_a_null_id_is_one() -> None:
    assert read(framed({"jsonrpc": "2.0", "method": "cancel"})).notification
    assert not read(framed({"jsonrpc": "2.0", "method": "cancel", "id": None})).notification


def test_header_names_have_no_case_and_others_are_passed_over() -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": "a", "method": "m"}).encode()
    data = b"Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:%d\n\n%b" % (len(body), body)
    assert read(data).id == "a"


def test_the_end_of_the_input_is_the_end_also_inside_a_message() -> None:
    assert read(b"") is None
    assert read(framed({"jsonrpc": "2.0", "id": 1, "method": "m"})[:-3]) is None
    assert read(b"Content-Length: 10\r\n") is None


BODIES = {
    "no JSON": (b"{", rpc.PARSE_ERROR),
    "no UTF-8": (b'"\xff"', rpc.PARSE_ERROR),
    "nested beyond reason": (b"[" * 200_000, rpc.PARSE_ERROR),
    "empty": (b"", rpc.PARSE_ERROR),
    "a batch": (b"[]", rpc.INVALID_REQUEST),
    "a number": (b"1", rpc.INVALID_REQUEST),
    "another version": (b'{"jsonrpc": "1.0", "id": 1, "method": "m"}', rpc.INVALID_REQUEST),
    "no version": (b'{"id": 1, "method": "m"}', rpc.INVALID_REQUEST),
    "no method": (b'{"jsonrpc": "2.0", "id": 1}', rpc.INVALID_REQUEST),
    "a method that is a number": (b'{"jsonrpc": "2.0", "id": 1, "method": 1}', rpc.INVALID_REQUEST),
    "an id that is a list": (b'{"jsonrpc": "2.0", "id": [1], "method": "m"}', rpc.INVALID_REQUEST),
    "an id that is true": (b'{"jsonrpc": "2.0", "id": true, "method": "m"}', rpc.INVALID_REQUEST),
    "parameters by position": (b'{"jsonrpc": "2.0", "id": 1, "method": "m", "params": [1]}', rpc.INVALID_PARAMS),
}


@pytest.mark.parametrize("name", sorted(BODIES))
def test_what_is_no_request_has_the_standard_code_and_the_next_one_is_read(name: str) -> None:
    body, code = BODIES[name]
    after = framed({"jsonrpc": "2.0", "id": 2, "method": "next"})
    connection = Connection(io.BytesIO(framed(None, raw=body) + after), io.BytesIO())
    with pytest.raises(RpcError) as raised:
        connection.read()
    assert raised.value.code == code
    assert not isinstance(raised.value, BrokenFrame)
    assert connection.read().method == "next"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"\r\n",
        b"Content-Type: x\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1e3\r\n\r\n",
        b"Content-Length: \xb2\r\n\r\n",
        b"Content-Length: 999999999999999\r\n\r\n",
        b"x: " + b"y" * 5000 + b"\r\n",
        b"x: y\r\n" * 50,
    ],
    ids=["words", "nothing", "no length", "negative", "exponent", "superscript", "endless", "long line", "many lines"],
)
def test_headers_that_say_no_length_end_the_conversation(data: bytes) -> None:
    with pytest.raises(BrokenFrame) as raised:
        read(data + b"more\r\n\r\n")
    assert raised.value.code == rpc.PARSE_ERROR


def test_a_message_that_is_too_long_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "MOST_BYTES", 40)
    long = framed(None, raw=b"x" * 100)
    connection = Connection(io.BytesIO(long + framed(None, raw=b'{"jsonrpc":"2.0","method":"m"}')), io.BytesIO())
    with pytest.raises(RpcError) as raised:
        connection.read()
    assert raised.value.code == rpc.INVALID_REQUEST
    assert connection.read().method == "m"  # type: ignore[union-attr]


def test_answers_are_framed_and_carry_the_id() -> None:
    sink = io.BytesIO()
    connection = Connection(io.BytesIO(), sink)
    connection.result("a", {"text": "ä\n"})
    connection.error(RpcError(rpc.PARSE_ERROR, "no"))
    connection.error(RpcError(rpc.INVALID_REQUEST, "no", {"kind": "k"}, request_id=3))
    answers = []
    rest = sink.getvalue()
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        length = int(head.removeprefix(b"Content-Length: "))
        answers.append(json.loads(rest[:length]))
        rest = rest[length:]
    assert answers[0] == {"jsonrpc": "2.0", "id": "a", "result": {"text": "ä\n"}}
    assert answers[1] == {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "no"}}
    assert answers[2]["id"] == 3
    assert answers[2]["error"]["data"] == {"kind": "k"}


def test_an_editor_that_went_away_is_no_error() -> None:
    sink = io.BytesIO()
    sink.close()
    connection = Connection(io.BytesIO(), sink)
    connection.result(1, None)
    assert connection.closed


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_request_an_error_or_the_end(data: bytes) -> None:
    connection = Connection(io.BytesIO(data), io.BytesIO())
    codes = {rpc.PARSE_ERROR, rpc.INVALID_REQUEST, rpc.INVALID_PARAMS}
    try:
        found: Any = connection.read()
    except RpcError as problem:
        found = problem
    assert found is None or isinstance(found, rpc.Request) or found.code in codes


def test_the_example_of_the_documentation_is_a_message() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "completion.md").read_text(encoding="utf-8")
    found = re.search(r"^    (Content-Length: \d+)\\r\\n\n    \\r\\n\n    (\{.*\})$", text, re.MULTILINE)
    assert found
    connection = Connection(io.BytesIO(f"{found[1]}\r\n\r\n{found[2]}".encode()), io.BytesIO())
    request = connection.read()
    assert request
    assert (request.method, request.params["prefix"]) == ("complete", "x = fo")
    assert connection.read() is None
