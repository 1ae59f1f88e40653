"""The worker is killed at random points of a chat: what was shown stays, the message is there, asking again works.

``EDGEMIND_KILLS`` sets how many times; the figures in the documentation are from 200.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import time
from pathlib import Path

from edgemind.chat.engines import Engines
from edgemind.chat.history import History
from edgemind.chat.session import Session
from edgemind.chat.types import Parameters
from edgemind.engine.events import Sampling
from edgemind.settings import Settings

KILLS = int(os.environ.get("EDGEMIND_KILLS", "4"))
ASKED = "Anna has 48 apples and buys 37 more. How many apples does she have?"


def test_nothing_that_was_shown_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    history = History(lambda: sqlite3.connect(file, check_same_thread=False, isolation_level=None))
    engines = Engines(Settings())
    engines.load()
    chance = random.Random(11)
    parameters = Parameters(thinking_budget=80, sampling=Sampling(temperature=0.8, seed=5))
    try:
        for kill in range(KILLS):
            engines.engine().wait_loaded()
            session = Session(history, engines, history.create_chat(parameters=parameters), titles=False)
            user, answer = session.send(f"{ASKED} ({kill})")
            live = session.live
            assert live
            deadline = chance.choice([0, 1, chance.randrange(100)])
            thought = text = ""
            killed = False
            while not (delta := live.take()).over:
                thought, text = thought + delta.thinking, text + delta.answer
                if not killed and delta.tokens >= deadline and engines.pid:
                    os.kill(engines.pid, signal.SIGKILL)
                    killed = True
                time.sleep(0.001)
            thought, text = thought + delta.thinking, text + delta.answer
            kept = history.turn(answer.id)
            assert history.turn(user.id).content == f"{ASKED} ({kill})"
            assert (kept.reasoning.rstrip(), kept.content) == (thought.rstrip(), text)
            assert kept.state in ("failed", "done")
            assert kept.error if kept.state == "failed" else kept.content
            if kept.state == "failed" and kill % 2 and session.can_continue():
                session.continue_answer()
            else:
                session.regenerate()
            live = session.live
            while live and not live.take().over:
                time.sleep(0.002)
            assert session.page()[-1].state == "done"
            session.close()
        with sqlite3.connect(file) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        engines.close()
        history.close()
