"""Putting a prompt together from words, files and standard input."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgemind.cli import prompt
from edgemind.errors import BadInput, UsageError


def test_words_then_what_was_piped() -> None:
    assert prompt.assemble(["Sort", "these:"], (), "3\n1\n2\n") == "Sort these:\n\n3\n1\n2"
    assert prompt.assemble(["hello"]) == "hello"
    assert prompt.assemble([], (), "only this\n") == "only this"


def test_files_come_first_in_fences(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a\nb\n")
    attached = prompt.attachment(str(tmp_path / "notes.txt"))
    assert prompt.assemble(["Sum up."], [attached]) == "notes.txt:\n```\na\nb\n```\n\nSum up."


def test_a_fence_in_the_file_does_not_end_ours() -> None:
    text = prompt.assemble([], [prompt.Attachment("x.md", "````\ncode\n````")])
    assert text == "x.md:\n`````\n````\ncode\n````\n`````"


@pytest.mark.parametrize("piped", [None, "", "  \n"])
def test_nothing_to_say_is_a_usage_error(piped: str | None) -> None:
    with pytest.raises(UsageError) as caught:
        prompt.assemble([" "], (), piped)
    assert "edgemind run" in caught.value.hint


def test_an_argument_of_other_bytes_is_refused() -> None:
    with pytest.raises(BadInput):
        prompt.assemble([os.fsdecode(b"caf\xe9")])


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"),
        (b"\xef\xbb\xbfmarked", "marked"),
        ("umlaut ü".encode("utf-16"), "umlaut ü"),
        (b"", ""),
    ],
)
def test_text_in_the_usual_encodings(data: bytes, text: str) -> None:
    assert prompt.decode(data, "it") == text


@pytest.mark.parametrize("data", [b"\x89PNG\r\n", b"caf\xe9", b"a\0b", b"\xff\xfea", "x\0".encode("utf-16")])
def test_what_is_not_text_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match="it is not text"):
        prompt.decode(data, "it")


@given(st.binary(max_size=64))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        text = prompt.decode(data, "it")
    except BadInput:
        return
    text.encode()
    assert "\0" not in text


def test_folders_devices_and_missing_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="is a folder"):
        prompt.attachment(str(tmp_path))
    with pytest.raises(BadInput, match="is a device"):
        prompt.attachment("/dev/zero")
    with pytest.raises(BadInput, match="There is no file"):
        prompt.attachment(str(tmp_path / "none"))
    with pytest.raises(BadInput, match="cannot be read"):
        prompt.attachment(str(tmp_path / "none") + "\0")
    with pytest.raises(BadInput, match="cannot be read"):
        prompt.attachment("x" * 5000)


def test_a_file_that_is_too_long_is_refused_before_it_is_read_whole(tmp_path: Path) -> None:
    huge = tmp_path / "huge"
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadInput, match="longer than 8 MiB"):
        prompt.attachment(str(huge))


def test_a_named_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=lambda: fifo.write_text("through the pipe"))
    writer.start()
    assert prompt.attachment(str(fifo)).text == "through the pipe"
    writer.join()


def test_waiting_long_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(prompt, "PATIENCE", 0.05)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    told = threading.Event()
    monkeypatch.setattr(prompt.console, "err", lambda text: (print(text), told.set()))

    def write_once_told() -> None:
        assert told.wait(10)
        fifo.write_text("late")

    writer = threading.Thread(target=write_once_told)
    writer.start()
    assert prompt.attachment(str(fifo)).text == "late"
    writer.join()
    assert f"waiting for someone to write to {fifo}" in capsys.readouterr().out


def test_a_hostile_file_name_is_shown_cleaned(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[2J\n.txt"
    file.write_text("x")
    assert prompt.attachment(str(file)).name == "a␛[2J␊.txt"
