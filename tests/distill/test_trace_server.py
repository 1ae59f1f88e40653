"""A teacher behind an address: what is sent, how its answers are read, and everything that a server can do wrong."""

from __future__ import annotations

import contextlib
import json
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edgemind.distill.problems.base import Problem
from edgemind.distill.recipe.schema import TraceSampling
from edgemind.distill.traces import server as traces_server
from edgemind.distill.traces.server import ServerWriter
from edgemind.distill.traces.trace import Written
from edgemind.errors import AccessDenied, EdgemindError, NetworkProblem, UsageError

SUM = Problem(family="f", key="k", prompt="2 + 2?", thought="", answer="", result="4")
KEY = "sk-secret-of-the-test"
SAMPLING = TraceSampling(max_tokens=50)


def completion(content: str | None, finish: str = "stop", tokens: int = 7, **message: Any) -> tuple[int, bytes]:
    reply = {
        "id": "x",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
        ],
        "usage": {"completion_tokens": tokens, "prompt_tokens": 3},
    }
    return 200, json.dumps(reply).encode()


@dataclass
class Told:
    """What a server was asked, and what it shall say: ``(status, body)`` or with headers."""

    answer: Callable[[int, dict[str, Any]], Any]
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextlib.contextmanager
def serving(answer: Callable[[int, dict[str, Any]], Any], tls: Path | None = None) -> Iterator[tuple[str, Told]]:
    told = Told(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with told.lock:
                number = len(told.bodies)
                told.bodies.append(body)
                told.headers.append(dict(self.headers.items()))
                told.paths.append(self.path)
            status, data, *more = told.answer(number, body)
            self.send_response(status)
            headers = {"Content-Length": str(len(data)), **(more[0] if more else {})}
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/v1", told
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces_server, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(traces_server, "LONGEST_WAIT", 0.02)


def written(url: str, problem: Problem = SUM, samples: int = 1, **options: Any) -> list[Written]:
    writer = ServerWriter(url, "big-model", **options)
    return dict(writer.write([problem], samples, SAMPLING, 1))[0]


def test_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    full = Problem(**{**_fields(SUM), "system": "Be brief.", "history": (("Hi", "Hello"),), "thinking": False})
    with serving(lambda number, body: completion("4")) as (url, told):
        assert written(url, full, 2, key_variable="TEACHER_KEY") == [Written("", "4", 7, True)] * 2
    assert told.paths == ["/v1/chat/completions"] * 2
    assert told.headers[0]["Authorization"] == f"Bearer {KEY}"
    body = told.bodies[0]
    assert [turn["role"] for turn in body["messages"]] == ["system", "user", "assistant", "user"]
    assert (body["model"], body["max_tokens"], body["temperature"], body["top_p"]) == ("big-model", 50, 0.7, 0.95)
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    seeds = {body["seed"] for body in told.bodies}
    assert len(seeds) == 2, "each sample has a seed of its own"
    with serving(lambda number, body: completion("4")) as (url, told):
        written(url)
    assert "Authorization" not in told.headers[0]
    assert "chat_template_kwargs" not in told.bodies[0]


def _fields(problem: Problem) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in problem.__dataclass_fields__}


@pytest.mark.parametrize(
    ("reply", "thought", "answer"),
    [
        (completion("<think>\n2 + 2 = 4\n</think>\n\n4"), "2 + 2 = 4", "4"),
        (completion("2 + 2 = 4\n</think>\n\n4"), "2 + 2 = 4", "4"),
        (completion("4", reasoning_content="two and two"), "two and two", "4"),
        (completion("4", reasoning="two and two"), "two and two", "4"),
        (completion(None, reasoning_content="only thought"), "only thought", ""),
        (completion("4"), "", "4"),
    ],
)
def test_thoughts_wherever_they_stand(reply: tuple[int, bytes], thought: str, answer: str) -> None:
    with serving(lambda number, body: reply) as (url, _):
        assert written(url) == [Written(thought, answer, 7, True)]


@pytest.mark.parametrize("usage", [None, [], 7, {}, {"completion_tokens": None}, {"completion_tokens": "many"},
                                   {"completion_tokens": -5}, {"completion_tokens": 1e300}])  # fmt: skip
def test_a_server_that_does_not_count_well_still_teaches(usage: Any) -> None:
    reply = {**json.loads(completion("It is 4.")[1]), "usage": usage}
    with serving(lambda number, body: (200, json.dumps(reply).encode())) as (url, _):
        (text,) = written(url)
    assert text == Written("", "It is 4.", 3, True)


def test_a_problem_that_does_not_fit_is_cut_and_the_others_are_written() -> None:
    said = {"object": "error", "message": "This model's maximum context length is 512 tokens.", "code": 400}

    def answer(number: int, body: dict[str, Any]) -> Any:
        long = len(body["messages"][0]["content"]) > 1000
        return (400, json.dumps(said).encode()) if long else completion("4")

    with serving(answer) as (url, _):
        found = dict(ServerWriter(url, "m").write([replace(SUM, prompt="x" * 9999), SUM], 1, SAMPLING, 1))
        assert [found[0][0].ended, found[1][0].answer] == [False, "4"]
        with pytest.raises(NetworkProblem, match="maximum context length is 512"):
            written(url, replace(SUM, prompt="x" * 9999))


def test_an_end_does_not_wait_for_answers_that_are_under_way() -> None:
    done, waited, answered = threading.Event(), threading.Event(), threading.Event()

    def answer(number: int, body: dict[str, Any]) -> Any:
        if body["messages"][0]["content"] == "slow":
            waited.set()
            done.wait(20)
            answered.set()
            return completion("4")
        waited.wait(20)
        return 404, b"{}"

    with serving(answer) as (url, _):
        writer = ServerWriter(url, "m", requests=2)
        with pytest.raises(NetworkProblem, match="404"):
            list(writer.write([SUM, replace(SUM, prompt="slow")], 1, SAMPLING, 1))
        assert not answered.is_set()
        done.set()


def test_a_text_that_was_cut_is_known() -> None:
    with serving(lambda number, body: completion("<think>\non and on", finish="length")) as (url, _):
        assert written(url) == [Written("on and on", "", 7, False)]


def test_many_problems_at_once_keep_their_answers() -> None:
    asked = [Problem(**{**_fields(SUM), "key": str(n), "prompt": str(n)}) for n in range(40)]
    with serving(lambda number, body: completion(body["messages"][-1]["content"])) as (url, told):
        writer = ServerWriter(url, "m", requests=8)
        found = dict(writer.write(asked, 2, SAMPLING, 1))
    assert len(told.bodies) == 80
    assert {index: [text.answer for text in texts] for index, texts in found.items()} == {
        index: [str(index)] * 2 for index in range(40)
    }


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    def answer(number: int, body: dict[str, Any]) -> Any:
        return completion("4") if number >= 3 else (status, b'{"error": {"message": "busy"}}', {"Retry-After": "0.01"})

    with serving(answer) as (url, told):
        assert written(url)[0].answer == "4"
    assert len(told.bodies) == 4


def failure(answer: Callable[[int, dict[str, Any]], Any], kind: type[EdgemindError], **options: Any) -> EdgemindError:
    with serving(answer) as (url, _), pytest.raises(kind) as caught:
        written(url, **options)
    assert "\x1b" not in caught.value.message
    assert caught.value.hint
    return caught.value


def test_what_a_server_can_do_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    always = failure(lambda n, b: (503, b'{"error": {"message": "no \\u001b[31mGPU"}}'), NetworkProblem)
    assert "503" in always.message
    assert "GPU" in always.message
    denied = failure(lambda n, b: (401, b'{"error": "bad key"}'), AccessDenied, key_variable="TEACHER_KEY")
    assert KEY not in denied.message + denied.hint + repr(denied.__cause__)
    moved = failure(lambda n, b: (307, b"", {"Location": "http://example.org/v1"}), NetworkProblem)
    assert "elsewhere" in moved.message
    unknown = failure(lambda n, b: (404, b'{"error": {"message": "no such model"}}'), NetworkProblem)
    assert "no such model" in unknown.message
    for body in (b"<html>", b"{}", b'{"choices": []}', b"[" * 9999, b'{"choices": [{"message": 3}]}', b"\xff"):
        assert "not with a chat completion" in failure(lambda n, b, body=body: (200, body), NetworkProblem).message
    short = failure(lambda n, b: (*completion("4"), {"Content-Length": "9999"}), NetworkProblem)
    assert "broke off" in short.message
    monkeypatch.setattr(traces_server, "MOST_BYTES", 1 << 16)
    assert "MB" in failure(lambda n, b: (200, b" " * (1 << 18)), NetworkProblem).message


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces_server, "ANSWER_SECONDS", 0.2)
    done = threading.Event()

    def answer(number: int, body: dict[str, Any]) -> Any:
        done.wait(20)
        return completion("4")

    with serving(answer) as (url, told):
        with pytest.raises(NetworkProblem, match="did not answer"):
            written(url)
        done.set()
    assert len(told.bodies) == traces_server.UNREACHED


def test_nobody_there_is_known_soon() -> None:
    with serving(lambda number, body: completion("4")) as (url, _):
        pass
    with pytest.raises(NetworkProblem, match="in 2 tries"):
        written(url)


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.skip("no openssl")
    file = tmp_path / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*command, "-keyout", file, "-out", tmp_path / "c.pem"], check=True, capture_output=True)
    file.write_text(file.read_text() + (tmp_path / "c.pem").read_text())
    with serving(lambda number, body: completion("4"), file) as (url, told):
        with pytest.raises(NetworkProblem, match="cannot be trusted"):
            written(url)
        assert told.bodies == []


def test_the_network_is_off_unless_it_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", KEY)
    with pytest.raises(UsageError, match="not on this machine") as caught:
        ServerWriter("https://teacher.example/v1", "m")
    assert "--allow-network" in caught.value.hint
    allowed = ServerWriter("https://teacher.example/v1", "m", "TEACHER_KEY", allow_network=True)
    assert "THE NETWORK IS USED" in allowed.notice
    assert KEY not in str(vars(allowed))
    open_ = ServerWriter("http://10.1.2.3:8000/v1", "m", "TEACHER_KEY", allow_network=True)
    assert "NOT ENCRYPTED" in open_.notice
    with pytest.raises(UsageError, match="anyone on the way"):
        ServerWriter("http://teacher.example/v1", "m", "TEACHER_KEY", allow_network=True)
    for url in ("http://localhost:1/v1", "http://127.1.2.3/v1", "http://[::1]:8000/v1"):
        assert ServerWriter(url, "m").notice == ""


@pytest.mark.parametrize(
    "url",
    ["", "ftp://x/v1", "http://", "http://u:p@localhost/v1", "http://localhost/v1?key=1", "http://localhost:99999/v1",
     "http://localhost/v1\r\nX: y", "http://local host/v1", "http://[::1/v1"],
)  # fmt: skip
def test_addresses_that_are_none(url: str) -> None:
    with pytest.raises(UsageError, match="is an address such as"):
        ServerWriter(url, "m", allow_network=True)


@pytest.mark.parametrize("value", ["", "two\nlines", "\x1b"])
def test_a_key_that_is_none(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEACHER_KEY", value)
    with pytest.raises(UsageError, match="holds no key"):
        ServerWriter("http://localhost:1/v1", "m", "TEACHER_KEY")
