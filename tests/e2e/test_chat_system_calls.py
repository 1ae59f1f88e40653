"""A whole chat under the kernel's eyes: neither the app nor a child of it tries to open a socket to anywhere."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from tmux import READY, Tmux, needs_tmux

pytestmark = [
    needs_tmux,
    pytest.mark.skipif(sys.platform != "linux" or shutil.which("strace") is None, reason="strace is not installed"),
]

OUTWARD = re.compile(r"\b(socket|connect|bind|listen|accept4?)\(|socketpair\((?!AF_UNIX, )|sin6?_|sun_path")
"""What reaches out of a process, or names an address. The pair that an event loop makes to wake itself does neither."""


def test_a_chat_opens_no_socket(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    traced = ("strace", "-f", "-qq", "-e", "trace=network", "-o", str(log))
    with Tmux(tmp_path / "home", wrapper=traced) as terminal:
        terminal.until(READY)
        terminal.say("What is 48 + 37?")
        terminal.until("= 85.")
        terminal.press("C-o")
        terminal.until("Models on this machine")
        terminal.press("Escape")
        terminal.press("C-q")
        terminal.until("Quit?")  # no keyring and no passphrase: this chat is in memory only
        terminal.press("y")
        terminal.until("ended with 0")
    calls = log.read_text().splitlines()
    assert any("socketpair(AF_UNIX, " in call for call in calls), "nothing was traced"
    assert not [call for call in calls if OUTWARD.search(call)]
