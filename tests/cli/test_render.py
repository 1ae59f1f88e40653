"""Drawing recorded events on terminals and pipes; the model's text is as hostile as it can be."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable, Iterable

import pytest

from edgemind.cli.render import View
from edgemind.engine.events import (
    Answer,
    ContextTrimmed,
    Done,
    Event,
    Failed,
    Loading,
    PromptProgress,
    StopReason,
    Thinking,
    TokenConfidence,
)

from .conftest import Screen

Put = Callable[..., None]
END = Done(stop_reason="end")


def draw(events: Iterable[Event], *, hide_thinking: bool = False, confidence: bool = False) -> None:
    with View("a-model", hide_thinking=hide_thinking, confidence=confidence) as view:
        for event in events:
            view.show(event)


def on_pipes(streams: Put, events: Iterable[Event], **options: bool) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    streams(out, err)
    draw(events, **options)
    return out.getvalue(), err.getvalue()


def on_screen(screen: Screen, streams: Put, events: Iterable[Event], **options: bool) -> str:
    """Both streams are the terminal, without colour."""
    stream = screen.stream()
    streams(stream, stream, NO_COLOR="1", TERM="dumb")
    draw(events, **options)
    stream.close()
    return screen.text()


def thought(*pieces: tuple[int, str]) -> list[Event]:
    return [Thinking(text=text, step=step) for step, text in pieces]


def test_steps_are_numbered_and_their_lines_drawn_in(streams: Put) -> None:
    events = [
        *thought((1, "\nFirst"), (1, " line\n"), (1, "second\n"), (1, "\n"), (2, "Next.\n\n")),
        Answer(text="Yes."),
    ]
    out, err = on_pipes(streams, [*events, END])
    assert out == "Yes.\n"
    assert err == "  1 │ First line\n    │ second\n  2 │ Next.\n"


def test_on_one_terminal_an_empty_line_parts_thought_and_answer(screen: Screen, streams: Put) -> None:
    shown = on_screen(screen, streams, [*thought((1, "So.\n\n")), Answer(text="\n\n"), Answer(text="\nYes"), END])
    assert shown == "  1 │ So.\n\nYes\n"


def test_an_encoding_without_the_bar_gets_another(streams: Put) -> None:
    err = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="replace")
    streams(io.StringIO(), err)
    draw([*thought((1, "a\nb")), Answer(text="Yes"), END])
    err.flush()
    assert err.buffer.getvalue() == b"  1 | a\n    | b\n"  # type: ignore[attr-defined]


def test_hidden_thinking(streams: Put) -> None:
    assert on_pipes(streams, [*thought((1, "secret")), Answer(text="Yes"), END], hide_thinking=True) == ("Yes\n", "")


def test_a_thought_after_the_answer_began(screen: Screen, streams: Put) -> None:
    events = [*thought((1, "a")), Answer(text="So"), *thought((2, "b")), Answer(text="far."), END]
    assert on_screen(screen, streams, events) == "  1 │ a\n\nSo\n  2 │ b\n\nfar.\n"


HOSTILE = "\x1b]52;c;eA==\x07\x1b[2J\r\u202eevil\u200b\x9b1m"


def test_nothing_of_the_model_can_act_on_a_terminal(screen: Screen, streams: Put) -> None:
    events: list[Event] = [
        Loading(fraction=0.5, note=HOSTILE),
        *thought((1, HOSTILE)),
        Answer(text=HOSTILE, confidence=(TokenConfidence(text=HOSTILE, probability=0.1, entropy=2.0),)),
        END,
    ]
    shown = on_screen(screen, streams, events, confidence=True)
    assert not set(shown) & set("\x1b\x07\r\x9b\u202e\u200b")
    assert "␛]52;c;eA==␇" in shown


def test_reasoning_on_standard_error_is_cleaned_also_in_a_file(streams: Put) -> None:
    _, err = on_pipes(streams, [*thought((1, HOSTILE)), END])
    assert "\x1b" not in err


def test_a_pipe_gets_the_answer_as_it_is(streams: Put) -> None:
    out, _ = on_pipes(streams, [Answer(text="\nüber\r\n\ttab "), Answer(text="👨\u200d👩"), END])
    assert out == "\nüber\r\n\ttab 👨\u200d👩\n"


def token(text: str, probability: float) -> Answer:
    return Answer(text=text, confidence=(TokenConfidence(text=text, probability=probability, entropy=1.0),))


WORDS = [
    token("It is", 0.9),
    token(" Saint", 0.8),
    token("-", 0.2),
    token("Mar", 0.9),
    token("tin", 0.1),
    token(".", 0.1),
]


def test_guessed_words_are_marked_without_colour(streams: Put) -> None:
    out, _ = on_pipes(streams, [*WORDS, END], confidence=True)
    assert out == "It is Saint-Martin[?].\n"


def test_guessed_words_are_coloured(screen: Screen, streams: Put) -> None:
    stream = screen.stream()
    streams(stream, io.StringIO(), FORCE_COLOR="1")
    draw([*WORDS, END], confidence=True)
    stream.close()
    assert screen.text() == "It is Saint-\x1b[33mMartin\x1b[0m.\n"


def test_progress_goes_when_text_comes(screen: Screen, streams: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgemind.cli.progress.DELAY", 0.0)
    stream = screen.stream()
    out = io.StringIO()
    streams(out, stream)
    with View("a-model", hide_thinking=False, confidence=False) as view:
        time.sleep(0.3)
        view.show(PromptProgress(done=100, total=1000, cached=0))
        time.sleep(0.3)
        view.show(Answer(text="Yes"))
        view.show(END)
    stream.close()
    shown = screen.text()
    assert "loading a-model" in shown
    assert "reading the prompt, 100 of 1,000 tokens" in shown
    assert shown.endswith("\r\x1b[2K")
    assert out.getvalue() == "Yes\n"


def test_no_progress_where_nobody_looks(streams: Put) -> None:
    events = [Loading(fraction=0.5), PromptProgress(done=1, total=1000, cached=0), Answer(text="Yes"), END]
    assert on_pipes(streams, events) == ("Yes\n", "")


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("context_full", "the context of 0 tokens is full"),
        ("max_tokens", "the answer was cut off at --max-tokens"),
        ("cancelled", ""),
        ("stop_string", ""),
    ],
)
def test_why_it_stopped(streams: Put, reason: StopReason, said: str) -> None:
    out, err = on_pipes(streams, [Answer(text="Yes"), Done(stop_reason=reason)])
    assert out == "Yes\n"
    assert said in err
    assert bool(said) == bool(err)


def test_a_trimmed_context_is_told(streams: Put) -> None:
    trimmed = ContextTrimmed(dropped_turns=2, dropped_tokens=1234, kept_tokens=10, context_limit=4096)
    _, err = on_pipes(streams, [trimmed, Answer(text="Yes"), END])
    assert err == "(2 of the oldest turns (1,234 tokens) were left out: the context holds 4,096 tokens)\n"


def test_a_failure_ends_the_line(streams: Put) -> None:
    out, _ = on_pipes(streams, [Answer(text="half an ans"), Failed(kind="worker_died", message="gone")])
    assert out == "half an ans\n"
    assert sys.stdout.getvalue() == out  # type: ignore[attr-defined]
