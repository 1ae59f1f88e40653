"""Processes that are killed while they write to an encrypted history, and a planted text that must be in no file."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from vaults import PASSPHRASE, new_vault, said, say

from edgemind.chat.vault import Vault

HERE = Path(__file__).parent
KILLS = int(os.environ.get("EDGEMIND_TEST_KILLS", "5"))
PLANTED = "quokka-marmalade-patient-7731"

WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
from pathlib import Path
from vaults import PASSPHRASE
from edgemind.chat.vault import Vault
found = Vault(Path(sys.argv[2])).unlock(PASSPHRASE)
history = found.history()
history.recover_writing()
chat, parent = sys.argv[3], sys.argv[4] or None
number = int(sys.argv[5])
while True:
    user = history.add_turn(chat, parent, "user", f"u{number}")
    print(user.id, user.content, flush=True)
    turn = history.add_turn(chat, user.id, "assistant", "", state="writing")
    for part in range(3):
        turn = replace(turn, content=turn.content + f"a{number}.{part} ")
        history.save_turn(turn)
        print(turn.id, turn.content, flush=True)
    turn = replace(turn, state="done")
    history.save_turn(turn)
    print(turn.id, turn.content, flush=True)
    if number % 3 == 0:
        found.snapshot()
    parent, number = turn.id, number + 1
"""


def test_no_acknowledged_word_is_lost_by_kill_9(tmp_path: Path) -> None:
    """The number of kills is ``EDGEMIND_TEST_KILLS``; a kill comes at a random moment after the first message."""
    folder = tmp_path / "history"
    found = new_vault(folder)
    chat = say(found.history(), "killed")
    found.lock()
    acknowledged: dict[str, str] = {}
    moments = random.Random(7)
    parent, number = "", 0
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, str(HERE), str(folder), chat, parent, str(number)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        time.sleep(moments.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate(timeout=60)
        lines += rest.splitlines(keepends=True)
        for line in lines:
            if line.endswith("\n"):
                turn, content = line.rstrip("\n").split(" ", 1)
                acknowledged[turn] = content
        found = Vault(folder).unlock(PASSPHRASE)
        history = found.history()
        assert found.recovered is None
        assert found.check() == []
        for turn, content in acknowledged.items():
            assert history.turn(turn).content.startswith(content)
        parent = next(reversed(acknowledged))
        number += 1000
        found.lock()
    assert len(acknowledged) > KILLS


def test_a_planted_text_is_in_no_file(tmp_path: Path) -> None:
    """While it is written, searched, copied, killed; in the history's folder and in those for temporary files."""
    folder, temporary = tmp_path / "history", tmp_path / "tmp"
    temporary.mkdir()
    new_vault(folder).lock()
    code = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from vaults import PASSPHRASE, say
from edgemind.chat import backups
from edgemind.chat.vault import Vault
planted = sys.stdin.readline().strip()
found = Vault(Path(sys.argv[2])).unlock(PASSPHRASE)
history = found.history()
for number in range(30):
    doomed = say(history, f"{planted} {number}", *(f"{planted} " * 200 for _ in range(6)))
history.set_draft("", planted)
assert history.search(planted, 5)
found.snapshot()
found.delete_chat(doomed)
backups.write(found, Path(sys.argv[2]) / "b.backup")
try:
    history.turn(planted)
except Exception as problem:
    print(problem, file=sys.stderr)
print("written", flush=True)
sys.stdin.readline()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(HERE), str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary), "SQLITE_TMPDIR": str(temporary)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(PLANTED + "\n")
    process.stdin.flush()
    assert process.stdout.readline() == "written\n"
    _nowhere(tmp_path)
    process.send_signal(signal.SIGKILL)
    _, said_on_errors = process.communicate(timeout=60)
    assert PLANTED not in said_on_errors
    _nowhere(tmp_path)
    found = Vault(folder).unlock(PASSPHRASE)
    rows = found.history().rows(0, 100)
    assert len(rows) == 29
    assert all(PLANTED in text for text in said(found.history(), rows[0].id))
    found.lock()


def _nowhere(folder: Path) -> None:
    """The words, and their beginnings as UTF-16, are in no file; the files are there."""
    files = [one for one in folder.rglob("*") if one.is_file()]
    assert len(files) > 4
    for file in files:
        data = file.read_bytes()
        for words in (PLANTED.encode(), PLANTED.encode("utf-16-le"), b"marmalade", b"quokka"):
            assert words not in data, file
