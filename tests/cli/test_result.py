"""What ``--json`` prints when an answer did not come to its end."""

from __future__ import annotations

from typing import Any

import pytest

from edgemind.cli.failure import INTERRUPTED, error_object
from edgemind.cli.result import Transcript, as_failure, as_object
from edgemind.engine.events import Answer, Done, Event, Loaded, ModelInfo, Step, Thinking, TokenConfidence
from edgemind.errors import WorkerDied

INFO = ModelInfo(
    name="x",
    path="x.gguf",
    architecture="llama",
    parameters=1,
    size_bytes=1,
    context_trained=1,
    context_limit=1,
    vocabulary=1,
    reasoning_format="think",
    can_switch_thinking=False,
    template_source="model",
    gpu_layers=0,
    layers=1,
    threads=1,
    flash_attention=False,
    offline="kernel",
)
SAID = [
    Thinking(text="One", step=1, tokens=2),
    Thinking(text=".\n", step=1, tokens=1),
    Thinking(text="Two.", step=2, tokens=4),
    Answer(text="a", tokens=1, confidence=(TokenConfidence(text="a", probability=0.25, entropy=1.0),)),
    Answer(text=" b", tokens=2),
]


def transcript(events: list[Event], notes: tuple[str, ...] = ()) -> Transcript:
    seen = Transcript()
    for event in (Loaded(info=INFO.model_copy(update={"notes": notes})), *events):
        seen.add(event)
    seen.end()
    return seen


def failure(seen: Transcript, **given: Any) -> dict[str, Any]:
    problem = error_object(WorkerDied("It died.", "Again."))
    return as_failure("x", seen, problem, "worker_died", **{"confidence": False, "hide_thinking": False, **given})


def test_what_had_been_said_is_kept() -> None:
    told = failure(transcript(SAID), confidence=True)
    assert told["error"] == {"kind": "worker_died", "message": "It died.", "hint": "Again."}
    assert (told["answer"], told["reasoning"], told["stop_reason"]) == ("a b", "One.\nTwo.", "worker_died")
    assert [(step["text"], step["tokens"]) for step in told["steps"]] == [("One.", 3), ("Two.", 4)]
    assert all(step["seconds"] >= 0 for step in told["steps"])
    assert told["confidence"] == [{"text": "a", "probability": 0.25, "entropy": 1.0, "guessed": True}]
    assert (told["stats"]["thinking_tokens"], told["stats"]["answer_tokens"]) == (7, 3)
    assert 0 <= told["stats"]["first_token_seconds"] <= told["stats"]["total_seconds"]
    assert "notes" not in told


def test_hidden_thinking_stays_hidden_and_counted() -> None:
    told = failure(transcript(SAID), hide_thinking=True)
    assert (told["reasoning"], told["steps"], told["stats"]["thinking_tokens"]) == ("", [], 7)
    assert "confidence" not in told


def test_without_text_there_are_no_stats() -> None:
    told = failure(transcript([]))
    assert (told["answer"], told["steps"]) == ("", [])
    assert "stats" not in told


@pytest.mark.parametrize("notes", [(), ("The GPU could not take the model; it runs on the CPU.",)])
def test_both_objects_carry_the_notes(notes: tuple[str, ...]) -> None:
    step = Step(text="One.", tokens=3, seconds=0.5)
    done = transcript([*SAID, Done(stop_reason="end", steps=(step,))], notes)
    whole = as_object("x", done, confidence=False, hide_thinking=False)
    part = as_failure("x", transcript(SAID, notes), INTERRUPTED, "cancelled", confidence=False, hide_thinking=False)
    assert whole["steps"] == [step.model_dump()]
    assert part["error"]["kind"] == "interrupted"
    for told in (whole, part):
        assert told.get("notes", []) == list(notes)
        assert ("notes" in told) == bool(notes)
