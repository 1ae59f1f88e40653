"""No part of a stop string is ever shown, and no byte of a character is lost, wherever the stream was cut."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemind.engine.stops import StopStrings, Utf8Stream


def run(stops: list[str], parts: list[str]) -> tuple[str, bool]:
    finder = StopStrings(stops)
    shown = ""
    for part in parts:
        safe, stopped = finder.feed(part)
        shown += safe
        if stopped:
            assert finder.stopped
            assert finder.feed("more") == ("", True)
            return shown + finder.finish(), True
    return shown + finder.finish(), False


def expected(stops: list[str], text: str) -> tuple[str, bool]:
    """By definition: the stop string that is complete first, the longest of those complete together."""
    ends = [(text.find(stop) + len(stop), -len(stop)) for stop in stops if stop and stop in text]
    if not ends:
        return text, False
    end, length = min(ends)
    return text[: end + length], True


@pytest.mark.parametrize(
    ("stops", "text", "shown"),
    [
        (["###"], "answer###rest", "answer"),
        (["\nUser:"], "hi\nUser: x", "hi"),
        (["\nUser:"], "hi\nUse", "hi\nUse"),
        (["aab"], "aaab", "a"),
        (["abab"], "abacabab", "abac"),
        (["abcd", "bc"], "xabcd", "xa"),
        (["bc", "abc"], "xabc", "x"),
        (["", "x"], "axb", "a"),
        ([], "abc", "abc"),
        (["é"], "caf\u00e9!", "caf"),
    ],
)
def test_examples(stops: list[str], text: str, shown: str) -> None:
    assert run(stops, [text])[0] == shown
    assert run(stops, list(text))[0] == shown


@given(st.lists(st.text("ab", max_size=4), max_size=4), st.lists(st.text("ab", max_size=4), max_size=12))
def test_cuts_change_nothing_and_the_definition_holds(stops: list[str], parts: list[str]) -> None:
    text = "".join(parts)
    assert run(stops, parts) == run(stops, list(text)) == run(stops, [text]) == expected(stops, text)


def test_only_what_could_be_a_stop_string_waits() -> None:
    finder = StopStrings(["<end>"])
    assert finder.feed("a<e") == ("a", False)
    assert finder.feed("x") == ("<ex", False)
    assert finder.feed("<<") == ("<", False)
    assert finder.finish() == "<"


def test_a_long_stop_string_and_hostile_text_take_linear_time() -> None:
    start = time.process_time()
    run(["a" * 5000 + "b", "a" * 4999 + "c"], ["a" * 64] * 8000)
    assert time.process_time() - start < 5.0


def decode(parts: list[bytes]) -> str:
    stream = Utf8Stream()
    return "".join(stream.feed(part) for part in parts) + stream.finish()


@given(st.text(), st.integers(1, 5))
def test_text_comes_back_whatever_the_cuts(text: str, size: int) -> None:
    data = text.encode("utf-8", "surrogatepass") if text.isascii() else text.encode("utf-8", "replace")
    assert decode([data[i : i + size] for i in range(0, len(data), size)]) == data.decode("utf-8")


@given(st.binary(max_size=60), st.integers(1, 5))
def test_any_bytes_decode_as_python_does(data: bytes, size: int) -> None:
    assert decode([data[i : i + size] for i in range(0, len(data), size)]) == data.decode("utf-8", "replace")


def test_a_character_is_shown_when_its_last_byte_arrives_and_junk_does_not_block() -> None:
    stream = Utf8Stream()
    assert [stream.feed(bytes([byte])) for byte in "🙂".encode()] == ["", "", "", "🙂"]
    assert stream.feed(b"\xf0\x9f") == ""
    assert stream.pending
    assert stream.feed(b"a") == "\ufffda"
    assert stream.feed(b"\xff") == "\ufffd"
    assert not stream.pending
    assert stream.feed(b"\xe2") == ""
    assert stream.finish() == "\ufffd"
    assert stream.feed(b"ok") == "ok"
