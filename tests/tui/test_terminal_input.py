"""What a terminal sends becomes keys and pastes, in pieces of any size; nothing in a paste is a key."""

from __future__ import annotations

import os
import pty
import random
import subprocess
import sys
import time

import pytest
from textual import constants, events
from textual.message import Message

from edgemind.tui.terminal_input import SILENCE, TerminalInput


def said(pieces: list[str]) -> list[str]:
    parser = TerminalInput()
    found: list[Message] = [event for piece in pieces for event in (*parser.feed(piece), *parser.tick())]
    return [f"paste {event.text!r}" if isinstance(event, events.Paste) else event.key for event in found]


HOSTILE = "a\x1b[31mb\r\x03\x11\x1b]52;c;aGk=\x07\x1b[200~\x1b\x1b[20\x1b[A"


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("\r", ["enter"]),
        ("\n", ["ctrl+j"]),
        ("\x1b\r", ["alt+enter"]),
        ("\x1b[13;2u", ["shift+enter"]),
        ("\x1b[27;2;13~", ["shift+enter"]),
        ("\x1b[A\x1bOPx", ["up", "f1", "x"]),
        ("\x1b[2~", ["insert"]),
        (f"x\x1b[200~{HOSTILE}\x1b[201~y", ["x", f"paste {HOSTILE!r}", "y"]),
        ("\x1b[200~\x1b[201~\r", ["paste ''", "enter"]),
    ],
)
def test_every_way_to_cut_it_means_the_same(sent: str, meant: list[str]) -> None:
    assert said([sent]) == meant
    for cut in range(1, len(sent)):
        assert said([sent[:cut], sent[cut:]]) == meant
    assert said(list(sent)) == meant


def test_nothing_inside_a_paste_is_ever_a_key() -> None:
    draw = random.Random(1)
    for _ in range(300):
        text = "".join(draw.choice("\x1b\x1b[]20~1;abc\r\n\x03\x07M<") for _ in range(draw.randrange(60)))
        text = text.replace("\x1b[201~", "")
        sent = f"\x1b[200~{text}\x1b[201~"
        if sent.index("\x1b[201~") != len(sent) - 6:
            continue
        cuts = sorted(draw.randrange(len(sent)) for _ in range(3))
        pieces = [sent[a:b] for a, b in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
        assert said([piece for piece in pieces if piece]) == [f"paste {text!r}"]


def test_escape_alone_is_the_escape_key_after_its_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = TerminalInput()
    assert list(parser.feed("\x1b")) == []
    parser._fed_at -= constants.ESCAPE_DELAY * 2
    assert [event.key for event in parser.tick() if isinstance(event, events.Key)] == ["escape"]


def test_a_paste_that_is_never_closed_ends_in_silence() -> None:
    parser = TerminalInput()
    assert list(parser.feed("\x1b[200~half")) == []
    assert list(parser.tick()) == []
    parser._fed_at -= SILENCE * 2
    assert [event.text for event in parser.tick() if isinstance(event, events.Paste)] == ["half"]
    assert [event.key for event in parser.feed("x") if isinstance(event, events.Key)] == ["x"]


APP = """
from textual.app import App
from edgemind.tui import terminal_input

class Once(App):
    def on_key(self, event):
        if event.key == "q":
            self.exit(0)

terminal_input.install()
raise SystemExit(Once().run() or 0)
"""


def test_a_byte_that_is_not_utf8_does_not_end_the_app() -> None:
    leader, follower = pty.openpty()
    app = subprocess.Popen([sys.executable, "-c", APP], stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    seen = b""
    while b"\x1b[?2004h" not in seen:  # the app has begun to read
        seen += os.read(leader, 65536)
    os.write(leader, b"\xe4\xff")
    while app.poll() is None:
        os.write(leader, b"q")
        time.sleep(0.05)
        try:
            seen += os.read(leader, 65536)
        except OSError:
            break
    assert app.wait() == 0
    assert b"Traceback" not in seen
