"""What goes wrong around a request: closing, dying, waiting, one bad request among good ones, long histories."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from edgemind.engine.client import Engine
from edgemind.engine.events import (
    Answer,
    ContextTrimmed,
    Done,
    Event,
    Failed,
    GenerateRequest,
    LoadOptions,
    Message,
    Sampling,
    Thinking,
)
from edgemind.errors import BadInput, EdgemindError, WorkerDied
from edgemind.models import builtin

OPTIONS = LoadOptions(path=str(builtin.path()), sequences=4)
GREEDY = Sampling(temperature=0)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(OPTIONS) as running:
        running.wait_loaded()
        yield running


def ask(text: str, **more: object) -> GenerateRequest:
    return GenerateRequest(messages=(Message(role="user", content=text),), sampling=GREEDY, **more)


def answer_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Answer))


def test_closing_ends_what_waits() -> None:
    engine = Engine(OPTIONS)
    engine.start()
    engine.wait_loaded()
    generation = engine.generate(ask("Hello", ignore_end=True))
    seen: list[Event] = []
    reader = threading.Thread(target=lambda: seen.extend(generation), daemon=True)
    reader.start()
    time.sleep(0.2)
    engine.close()
    reader.join(10)
    assert not reader.is_alive()
    assert isinstance(seen[-1], Failed)
    engine.close()


def test_many_may_wait_for_one_loading() -> None:
    with Engine(OPTIONS) as engine:
        names: list[str] = []
        threads = [threading.Thread(target=lambda: names.append(engine.wait_loaded().name)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert names == ["edgemind-nano"] * 4


def test_a_load_that_fails_fails_for_all_and_can_be_tried_again() -> None:
    engine = Engine(LoadOptions(path="/nowhere/model.gguf"))
    last = list(engine.generate(ask("Hello")))[-1]
    assert isinstance(last, Failed)
    assert last.kind == "model_not_found"
    for _ in range(2):
        with pytest.raises(EdgemindError, match="no file"):
            engine.wait_loaded()
    assert list(engine.generate(ask("Hello")))[-1] == last
    engine.close()


def test_a_listener_that_fails_does_not_end_the_engine() -> None:
    def listener(_: Event) -> None:
        raise RuntimeError("mine")

    with pytest.warns(RuntimeWarning, match="mine"), Engine(OPTIONS, on_event=listener) as engine:
        assert isinstance(list(engine.generate(ask("Hello", max_tokens=3)))[-1], Done)


def test_one_bad_request_is_alone(engine: Engine) -> None:
    good = engine.generate(ask("Hello", ignore_end=True, max_tokens=100))
    bad = engine.generate(GenerateRequest(tokens=(5, 999_999), max_tokens=3))
    refused = list(bad)[-1]
    assert isinstance(refused, Failed)
    assert refused.kind == "bad_input"
    assert isinstance(list(good)[-1], Done)


def test_what_cannot_be_sent_is_refused_here(engine: Engine) -> None:
    with pytest.raises(BadInput):
        engine.generate(ask("half a pair: \ud800"))
    assert isinstance(list(engine.generate(ask("Hello", max_tokens=3)))[-1], Done)


def test_infinite_bias_forbids_a_token(engine: Engine) -> None:
    request = GenerateRequest(
        messages=(Message(role="user", content="Hello"),),
        sampling=Sampling(temperature=0, logit_bias={7: float("-inf")}),
        max_tokens=3,
    )
    assert isinstance(list(engine.generate(request))[-1], Done)


def test_the_limit_holds_when_the_budget_closes_the_thought(engine: Engine) -> None:
    done = list(engine.generate(ask("What is 4821 + 3794?", max_tokens=8, thinking_budget=5)))[-1]
    assert isinstance(done, Done)
    assert done.stats.thinking_tokens + done.stats.answer_tokens <= 8


def test_a_stop_string_does_not_show_in_the_confidence(engine: Engine) -> None:
    whole = answer_of(list(engine.generate(ask("Hello"))))
    stop = whole[3:9]
    events = list(engine.generate(ask("Hello", stop=(stop,), confidence=True)))
    said = "".join(token.text for event in events if isinstance(event, Answer) for token in event.confidence)
    assert said == answer_of(events) == whole[: whole.index(stop)]


def test_a_schema_without_a_thought(engine: Engine) -> None:
    for more in ({"thinking": "off"}, {"thinking_budget": 0}):
        events = list(engine.generate(ask("Hello", json_schema={"type": "boolean"}, max_tokens=50, **more)))
        assert answer_of(events) in ("true", "false")
        assert not any(isinstance(event, Thinking) for event in events)


def test_a_very_long_history_is_trimmed_quickly_and_stays_put(engine: Engine) -> None:
    turns = [
        Message(role=role, content=text)
        for number in range(1500)
        for role, text in (("user", f"What is {number} + 1?"), ("assistant", f"{number} + 1 = {number + 1}."))
    ]
    system = Message(role="system", content="You are a helpful assistant.")
    began = time.process_time()
    messages = (system, *turns, Message(role="user", content="7 + 5"))
    events = list(engine.generate(GenerateRequest(messages=messages, sampling=GREEDY, max_tokens=100)))
    (trimmed,) = [event for event in events if isinstance(event, ContextTrimmed)]
    assert trimmed.dropped_turns > 1000
    assert isinstance(events[-1], Done)
    assert time.process_time() - began < 5
    more = (*messages, Message(role="assistant", content="7 + 5 = 12."), Message(role="user", content="8 + 8"))
    last = list(engine.generate(GenerateRequest(messages=more, sampling=GREEDY, max_tokens=100)))[-1]
    assert isinstance(last, Done)
    assert last.stats.prompt_tokens < engine.wait_loaded().context_limit


def test_the_engine_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", refuse)
    with pytest.raises(WorkerDied, match="cannot be started"):
        Engine(OPTIONS).start()
