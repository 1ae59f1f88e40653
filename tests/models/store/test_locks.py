"""The locks between processes: alone, again, in turn, and gone with their process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edgemind import locking
from edgemind.errors import StoreProblem
from edgemind.models.store.locks import file_lock
from edgemind.models.store.store import Store

HOLD = """
import sys, time
from pathlib import Path
from edgemind.models.store.locks import file_lock
with file_lock(Path(sys.argv[1]), -1) as held:
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""
COUNT = """
import os, sys
from pathlib import Path
from edgemind.models.store.locks import file_lock
lock, counter = Path(sys.argv[1]), Path(sys.argv[2])
for turn in range(40):
    with file_lock(lock, -1):
        counter.write_text(str(int(counter.read_text()) + 1))
        if turn % 3 == 0:
            os.unlink(lock)
"""


def holder(path: Path, seconds: float) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_another_process_waits_in_vain_and_says_so(store: Store) -> None:
    store.prepare()
    process = holder(store.root / "lock", 30)
    try:
        with pytest.raises(StoreProblem, match=r"Another edgemind is changing .*waited 0.1 seconds"), store.locked(0.1):
            pass
    finally:
        process.kill()
        process.wait()
    with store.locked(5):
        pass


def test_a_thread_may_lock_again_and_another_may_not(store: Store) -> None:
    found: list[bool] = []
    store.prepare()
    path = store.root / "lock"
    with store.locked(), Store(store.root).locked(0):
        other = threading.Thread(target=lambda: found.append(_try(path)))
        other.start()
        other.join()
    assert found == [False]
    assert _try(path)


def _try(path: Path) -> bool:
    with file_lock(path, 0) as held:
        return held


def test_a_lock_file_that_its_holder_removes_lets_nobody_in_twice(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", COUNT, str(tmp_path / "lock"), str(counter)]
    processes = [subprocess.Popen(command) for _ in range(6)]
    assert [process.wait(120) for process in processes] == [0] * 6
    assert counter.read_text() == str(6 * 40)


def test_a_link_in_the_place_of_a_lock_is_not_followed(store: Store, tmp_path: Path) -> None:
    store.prepare()
    (store.root / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreProblem, match="symbolic link"), store.locked():
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_forked_child_holds_nothing(store: Store) -> None:
    store.prepare()
    path = store.root / "lock"
    with store.locked():
        child = os.fork()
        if not child:
            os._exit(10 + _try(path))
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 10


def test_waiting_ends_when_the_other_is_done(tmp_path: Path) -> None:
    process = holder(tmp_path / "lock", 0.3)
    began = time.monotonic()
    with file_lock(tmp_path / "lock", 30) as held:
        assert held
    assert time.monotonic() - began < 30
    assert process.wait(10) == 0
    assert not locking._known[str((tmp_path / "lock").resolve())].depth
