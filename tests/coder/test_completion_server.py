"""Which request an editor gets answered with what, told with an engine that does as it is told."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from edgemind.coder import rpc
from edgemind.coder.completion_server import CompletionServer
from edgemind.coder.rpc import Connection
from edgemind.engine.events import Answer, Done, Event, Failed, FimTokens, GenerateRequest, ModelInfo, PromptProgress
from edgemind.errors import OutOfMemory

INFO = ModelInfo(
    name="m", path="m.gguf", architecture="qwen3", parameters=1, size_bytes=1, context_trained=4096,
    context_limit=4096, vocabulary=10, reasoning_format="none", can_switch_thinking=False, template_source="model",
    gpu_layers=0, layers=1, threads=1, flash_attention=False, offline="kernel",
    fim=FimTokens(prefix=1, suffix=2, middle=3),
)  # fmt: skip


class FakeGeneration:
    """Says what the test puts into ``events``."""

    def __init__(self) -> None:
        self.events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.abandoned = threading.Event()

    def __iter__(self) -> Iterator[Event]:
        while True:
            event = self.events.get(timeout=10)
            yield event
            if isinstance(event, Done | Failed):
                return

    def abandon(self) -> None:
        self.abandoned.set()
        self.events.put(Done(stop_reason="cancelled"))

    def __enter__(self) -> FakeGeneration:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class FakeEngine:
    def __init__(self) -> None:
        self.info: ModelInfo | Exception = INFO
        self.loaded = threading.Event()
        self.loaded.set()
        self.asked: queue.SimpleQueue[tuple[GenerateRequest, FakeGeneration]] = queue.SimpleQueue()

    def wait_loaded(self) -> ModelInfo:
        assert self.loaded.wait(10)
        if isinstance(self.info, Exception):
            raise self.info
        return self.info

    def generate(self, request: GenerateRequest) -> FakeGeneration:
        generation = FakeGeneration()
        self.asked.put((request, generation))
        return generation


class Editor:
    """The other side of the connection."""

    def __init__(self, debounce_ms: int = 0) -> None:
        self.engine = FakeEngine()
        read, write = os.pipe()
        answers, answering = os.pipe()
        self._write = os.fdopen(write, "wb", buffering=0)
        self._answers = os.fdopen(answers, "rb")
        self._ends = [os.fdopen(read, "rb"), os.fdopen(answering, "wb", buffering=0)]
        self.server = CompletionServer(Connection(*self._ends), self.engine, "m", "edgemind complete --model")  # type: ignore[arg-type]
        self.thread = threading.Thread(target=self.server.serve, daemon=True)
        self.thread.start()
        self.notify("initialize", debounce_ms=debounce_ms)

    def send(self, value: Any) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self._write.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def ask(self, number: int | str, method: str, **params: Any) -> None:
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})

    def notify(self, method: str, **params: Any) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def answer(self) -> dict[str, Any]:
        length = int(self._answers.readline().removeprefix(b"Content-Length: "))
        self._answers.readline()
        value: dict[str, Any] = json.loads(self._answers.read(length))
        assert value.pop("jsonrpc") == "2.0"
        return value

    def asked(self) -> tuple[GenerateRequest, FakeGeneration]:
        return self.engine.asked.get(timeout=10)

    def close(self) -> None:
        self._write.close()
        self.thread.join(10)
        for end in (self._answers, *self._ends):
            end.close()


@pytest.fixture
def editor() -> Iterator[Editor]:
    opened = Editor()
    yield opened
    opened.close()
    assert not opened.thread.is_alive()


def write(generation: FakeGeneration, *texts: str) -> None:
    generation.events.put(PromptProgress(done=9, total=9, cached=4))
    for text in texts:
        generation.events.put(Answer(text=text))


@pytest.mark.parametrize("path", ["prod.env", ".npmrc", "/home/a/.aws/config", "secrets.yml", "\x1b/x.tfvars"])
def test_a_file_that_usually_holds_secrets_is_not_completed(editor: Editor, path: str) -> None:
    editor.ask(1, "complete", prefix="TOKEN=", path=path)
    error = editor.answer()["error"]
    assert error["code"] == rpc.ENGINE_ERROR
    assert "usually holds keys or passwords" in error["message"]
    assert error["message"].isprintable()
    assert editor.engine.asked.empty()


def test_it_introduces_itself_when_the_model_is_there(editor: Editor) -> None:
    editor.engine.loaded.clear()
    editor.ask(1, "initialize")
    editor.ask(2, "nothing")
    assert editor.answer()["id"] == 2
    editor.engine.loaded.set()
    about = editor.answer()
    assert about["id"] == 1
    assert about["result"] | {"version": ""} == {
        "name": "edgemind", "version": "", "protocol": 1, "model": "m", "context": 4096, "offline": "kernel"
    }  # fmt: skip


def test_a_completion_ends_with_its_line(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="x = ", suffix="\n", path="a.py", lines="one", max_tokens=5)
    request, generation = editor.asked()
    assert request.infill is not None
    assert (request.infill.prefix, request.infill.suffix, request.infill.path) == ("x = ", "\n", "a.py")
    assert (request.max_tokens, request.sampling.temperature) == (5, 0)
    write(generation, "1", " + 2", "\ny", " = 3")
    result = editor.answer()["result"]
    assert result.pop("seconds") >= 0
    assert (result.pop("hidden"), result.pop("model_seconds")) == ([], None)
    assert result == {"text": "1 + 2", "stop": "line", "tokens": 3, "prompt_tokens": 9, "cached_tokens": 4}


def test_what_nobody_sees_is_kept_from_the_model_and_told(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="a\u202eb\n\tc", suffix="\n\x1b]0;d\x07")
    request, generation = editor.asked()
    assert request.infill is not None
    assert request.infill.prefix == "ab\n\tc"
    assert "\x1b" not in request.infill.suffix
    generation.events.put(Done(stop_reason="end"))
    assert editor.answer()["result"]["hidden"][0] == "U+202E right-to-left override"


def test_nothing_that_nobody_sees_comes_back(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="x = ")
    _, generation = editor.asked()
    write(generation, "1\x1b[31m\u202e +", " 2")
    generation.events.put(Done(stop_reason="end"))
    assert editor.answer()["result"]["text"] == "1[31m + 2"


@pytest.mark.parametrize(("prefix", "text"), [("x = ", "1"), ("# \ufffd\nx = ", "1 \ufffd2")])
def test_broken_characters_end_it_unless_the_file_has_them(editor: Editor, prefix: str, text: str) -> None:
    editor.ask(1, "complete", prefix=prefix)
    _, generation = editor.asked()
    write(generation, "1 \ufffd2")
    generation.events.put(Done(stop_reason="end"))
    assert editor.answer()["result"]["text"] == text


def test_a_thousand_requests_at_once_have_a_thousand_answers(editor: Editor) -> None:
    threading.Thread(
        target=lambda: [editor.ask(number, "complete", prefix="x" * number) for number in range(1000)], daemon=True
    ).start()
    stale = {editor.answer()["id"] for _ in range(999)}
    assert stale == set(range(999))
    editor.ask("end", "cancel", id=999)
    assert {editor.answer()["id"] for _ in range(2)} == {999, "end"}


def test_windows_line_ends_are_sent_as_one_character(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="a\r\nb", suffix="\r\nc")
    request, generation = editor.asked()
    assert request.infill is not None
    assert (request.infill.prefix, request.infill.suffix) == ("a\nb", "\nc")
    generation.events.put(Done(stop_reason="end"))
    assert editor.answer()["result"]["stop"] == "end"


def test_a_newer_request_takes_the_place_of_the_one_that_runs(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="a")
    _, old = editor.asked()
    editor.ask(2, "complete", prefix="ab")
    said = editor.answer()
    assert (said["id"], said["error"]["code"]) == (1, rpc.CANCELLED)
    assert old.abandoned.wait(10)
    request, new = editor.asked()
    assert request.infill is not None
    assert request.infill.prefix == "ab"
    write(new, "c\n", "d")
    assert editor.answer()["id"] == 2


def test_keys_in_quick_succession_ask_the_model_once() -> None:
    editor = Editor(debounce_ms=300)
    for number in range(20):
        editor.ask(number, "complete", prefix="x" * number)
    stale = [editor.answer() for _ in range(19)]
    assert [said["id"] for said in stale] == list(range(19))
    request, generation = editor.asked()
    assert request.infill is not None
    assert request.infill.prefix == "x" * 19
    generation.events.put(Done(stop_reason="end"))
    assert editor.answer()["id"] == 19
    assert editor.engine.asked.empty()
    editor.close()


def test_cancelling_one_that_waits_or_runs(editor: Editor) -> None:
    editor.ask("a", "complete", prefix="a")
    _, generation = editor.asked()
    editor.notify("cancel", id="a")
    assert editor.answer() == {"id": "a", "error": {"code": rpc.CANCELLED, "message": "It was cancelled."}}
    assert generation.abandoned.wait(10)
    editor.ask("b", "cancel", id="a")
    assert editor.answer() == {"id": "b", "result": None}


def test_one_that_was_cancelled_while_the_model_loads_never_asks_it(editor: Editor) -> None:
    editor.engine.loaded.clear()
    editor.ask(1, "complete", prefix="a")
    time.sleep(0.05)
    editor.notify("cancel", id=1)
    assert editor.answer()["error"]["code"] == rpc.CANCELLED
    editor.engine.loaded.set()
    editor.ask(2, "complete", prefix="b")
    request, generation = editor.asked()
    assert request.infill is not None
    assert request.infill.prefix == "b"
    generation.events.put(Done(stop_reason="end"))
    assert editor.answer()["id"] == 2


@pytest.mark.parametrize(
    ("method", "params", "code"),
    [
        ("complete", {}, rpc.INVALID_PARAMS),
        ("complete", {"prefix": 1}, rpc.INVALID_PARAMS),
        ("complete", {"prefix": "", "lines": "two"}, rpc.INVALID_PARAMS),
        ("complete", {"prefix": "", "max_tokens": 0}, rpc.INVALID_PARAMS),
        ("complete", {"prefix": "", "unknown": 1}, rpc.INVALID_PARAMS),
        ("initialize", {"debounce_ms": -1}, rpc.INVALID_PARAMS),
        ("cancel", {}, rpc.INVALID_PARAMS),
        ("shutdown", {"now": True}, rpc.INVALID_PARAMS),
        ("textDocument/completion", {}, rpc.METHOD_NOT_FOUND),
    ],
    ids=lambda value: str(value) if isinstance(value, (str, int)) else json.dumps(value),
)
def test_what_cannot_be_served_is_answered_and_the_next_is_served(
    editor: Editor, method: str, params: dict[str, Any], code: int
) -> None:
    editor.ask(1, method, **params)
    said = editor.answer()
    assert (said["id"], said["error"]["code"]) == (1, code)
    editor.ask(2, "cancel", id=9)
    assert editor.answer() == {"id": 2, "result": None}


def test_what_is_no_request_is_answered_and_the_next_is_served(editor: Editor) -> None:
    editor.send(b"{")
    assert editor.answer() == {"id": None, "error": {"code": -32700, "message": "The body is not JSON in UTF-8."}}
    editor.ask(2, "cancel", id=9)
    assert editor.answer()["id"] == 2


def test_notifications_are_never_answered(editor: Editor) -> None:
    editor.notify("nothing")
    editor.notify("complete", prefix="a")
    editor.notify("complete")
    editor.ask(1, "cancel", id=9)
    assert editor.answer() == {"id": 1, "result": None}
    assert editor.engine.asked.empty()


def test_an_id_that_is_in_use_is_refused(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="a")
    _, generation = editor.asked()
    editor.ask(1, "complete", prefix="b")
    assert editor.answer()["error"]["code"] == rpc.INVALID_REQUEST
    generation.events.put(Done(stop_reason="end"))
    assert editor.answer() | {"result": 0} == {"id": 1, "result": 0}


def test_what_the_engine_says_is_told_with_its_kind_and_hint(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="a")
    _, generation = editor.asked()
    generation.events.put(Failed(kind="worker_died", message="It died.", hint="Again."))
    wanted = {"code": rpc.ENGINE_ERROR, "message": "It died.", "data": {"kind": "worker_died", "hint": "Again."}}
    assert editor.answer() == {"id": 1, "error": wanted}


def test_a_model_that_does_not_load(editor: Editor) -> None:
    editor.engine.info = OutOfMemory("Too big.", "A smaller one.")
    editor.ask(1, "initialize")
    assert editor.answer()["error"]["data"] == {"kind": "out_of_memory", "hint": "A smaller one."}
    editor.ask(2, "complete", prefix="a")
    assert editor.answer()["error"]["message"] == "Too big."


def test_a_model_without_the_tokens_names_the_next_command(editor: Editor) -> None:
    editor.engine.info = INFO.model_copy(update={"fim": None})
    editor.ask(1, "complete", prefix="a")
    said = editor.answer()["error"]
    assert said["message"] == "The model m cannot fill gaps: its vocabulary has no fill-in-the-middle tokens."
    assert said["data"]["kind"] == "model_unusable"
    assert "edgemind complete --model qwen2.5-coder-1.5b" in said["data"]["hint"]


def test_a_bug_is_told_and_the_next_is_served(editor: Editor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemind.coder.completing.fitted", lambda *_: 1 / 0)
    editor.ask(1, "complete", prefix="a")
    editor.asked()[1].events.put(Done(stop_reason="end"))
    assert editor.answer()["error"]["code"] == rpc.INTERNAL_ERROR
    monkeypatch.undo()
    editor.ask(2, "complete", prefix="a")
    editor.asked()[1].events.put(Done(stop_reason="end"))
    assert editor.answer()["result"]["text"] == ""


def test_shutdown_answers_what_is_open_and_ends(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="a")
    _, generation = editor.asked()
    editor.ask(2, "shutdown")
    said = [editor.answer(), editor.answer()]
    assert [(one["id"], "error" in one) for one in said] == [(1, True), (2, False)]
    assert generation.abandoned.wait(10)
    editor.thread.join(10)
    assert not editor.thread.is_alive()


def test_the_end_of_the_input_ends_it(editor: Editor) -> None:
    editor.ask(1, "complete", prefix="a")
    _, generation = editor.asked()
    editor._write.close()
    assert generation.abandoned.wait(10)


def test_headers_that_cannot_be_read_end_it_with_an_answer(editor: Editor) -> None:
    editor._write.write(b"GET / HTTP/1.1\r\n\r\n")
    assert editor.answer()["error"]["code"] == rpc.PARSE_ERROR
    editor.thread.join(10)
    assert not editor.thread.is_alive()
