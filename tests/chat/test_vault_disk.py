"""The history on real disks that do not write: a file system that is full, and one that is mounted read-only.

Each is mounted in a namespace of its own; where the system forbids that, the tests are skipped.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent

BEGIN = """
import os, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from vaults import CHEAP, PASSPHRASE, new_vault, said, say
from edgemind.chat.problems import HistoryNotSaving
from edgemind.chat.vault import Vault
from edgemind.errors import EdgemindError, HistoryProblem
place = Path(sys.argv[2])
folder = place / "history"
def remount(how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)
found = new_vault(folder)
chat = say(found.history(), "knee", "It hurts.", "Rest it.")
"""


def in_a_namespace(tmp_path: Path, code: str) -> list[str]:
    unshare = shutil.which("unshare")
    mounted = f"mount -t tmpfs -o size=2m tmpfs {tmp_path}"
    if not unshare or subprocess.run([unshare, "-rm", "sh", "-c", mounted], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    script = f'{mounted} && exec "$@"'
    command = [sys.executable, "-c", BEGIN + code, str(HERE), str(tmp_path)]
    done = subprocess.run(
        [unshare, "-rm", "sh", "-c", script, "sh", *command], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_read_only_disk_is_said_and_the_chats_can_be_read(tmp_path: Path) -> None:
    said = in_a_namespace(
        tmp_path,
        """
found.lock()
remount("ro")
found = Vault(folder).unlock(PASSPHRASE)
try:
    found.history()
except HistoryNotSaving as problem:
    print(problem.message)
memory = found.history_in_memory()
print(said(memory, chat), memory.saved)
found.lock()
try:
    Vault(folder).unlock("not this one")
except EdgemindError as problem:
    print(problem.message)
try:
    Vault(place / "other").create(PASSPHRASE, cost=CHEAP)
except EdgemindError as problem:
    print(problem.message)
""",
    )
    assert said == [
        "The history cannot be saved: read-only file system.",
        "['It hurts.', 'Rest it.'] False",
        "That passphrase does not open the history.",
        "The history cannot be saved: read-only file system.",
    ]


def test_a_full_disk_is_said_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    said = in_a_namespace(
        tmp_path,
        """
history = found.history()
parent = history.path(chat)[-1].id
kept = 2
try:
    for number in range(10_000):
        parent = history.add_turn(chat, parent, "user", os.urandom(2000).hex()).id
        kept += 1
except HistoryProblem as problem:
    print(problem.message)
print(len(history.path(chat)) == kept, kept > 10)
try:
    found.snapshot()
except HistoryNotSaving as problem:
    print(problem.message)
try:
    found.set_passphrase("another passphrase", CHEAP)
    print("changed")
except HistoryNotSaving as problem:
    print(problem.message)
found.lock()
found = Vault(folder).unlock(PASSPHRASE)
try:
    history = found.history()
except HistoryNotSaving:
    history = found.history_in_memory()
print(len(history.path(chat)) == kept, found.recovered)
""",
    )
    assert said[0].startswith("The disk is full")
    assert said[1] == "True True"
    assert said[2] == "The history cannot be saved: the disk is full."
    assert said[3] == "The history cannot be saved: the disk is full."
    assert said[4] == "True None"
