"""Measure the history with many chats: fill an encrypted one, then list, page, search, save and delete.

    python scripts/bench_history.py                     # 10,000 chats of 10 messages, and one chat of 5,000
    python scripts/bench_history.py --chats 1000 --plain

The file is made in a temporary folder with a key that nobody keeps. ``--plain`` uses a database without encryption.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import resource
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgemind.chat.history import History
from edgemind.chat.types import Turn

SYLLABLES = [
    "ka",
    "re",
    "mo",
    "ti",
    "lu",
    "ven",
    "sor",
    "pa",
    "ni",
    "de",
    "ra",
    "gul",
    "fen",
    "ost",
    "im",
    "ber",
    "tal",
    "qui",
    "zo",
    "hal",
]
LONG_CHAT = 5_000


def vocabulary(size: int, random_: random.Random) -> list[str]:
    """Words of which a few are in nearly every message and most are rare, as in a language."""
    words = {"".join(random_.choices(SYLLABLES, k=random_.randint(1, 5))) for _ in range(size * 2)}
    return sorted(words, key=lambda word: (len(word), word))[:size]


def connections(folder: Path, plain: bool) -> Callable[[], Any]:
    """A function that opens the file; the key is made here."""
    file = str(folder / "history.db")
    if plain:
        return lambda: sqlite3.connect(file, check_same_thread=False)
    from edgemind.chat.vault import Vault

    vault = Vault(folder / "history").create(keyring_secret=os.urandom(32))
    return vault.connect


def fill(history: History, chats: int, each: int, words: list[str], random_: random.Random) -> list[str]:
    weights = list(itertools.accumulate(1 / (rank + 3) for rank in range(len(words))))
    text = lambda: " ".join(random_.choices(words, cum_weights=weights, k=random_.randint(20, 120)))  # noqa: E731
    ids = []
    for start in range(0, chats, 100):
        with history.transaction():
            for number in range(start, min(start + 100, chats)):
                chat = history.create_chat(title=" ".join(random_.choices(words, k=4)), folder=f"folder {number % 7}")
                ids.append(chat.id)
                parent = None
                for turn in range(each):
                    role = "assistant" if turn % 2 else "user"
                    parent = history.add_turn(chat.id, parent, role, text()).id
    return ids


def measure(name: str, call: Callable[[], object], times: int = 20) -> None:
    """Print the median of some calls in milliseconds: by the clock, and of processor time, which other programs that
    run at the same time change less."""
    seconds, processor = [], []
    for _ in range(times):
        start = time.perf_counter(), time.process_time()
        call()
        seconds.append(1000 * (time.perf_counter() - start[0]))
        processor.append(1000 * (time.process_time() - start[1]))
    print(f"{name:<62} {statistics.median(seconds):8.2f} ms   cpu {statistics.median(processor):8.2f} ms", flush=True)


def grow(history: History, chat: str, characters: int) -> None:
    """An answer that grows by 300 characters between savings, at its beginning and at its end."""
    turn = history.add_turn(chat, None, "assistant", "x" * 10, state="writing")
    for length in (300, characters):
        turn = replace(turn, content="word " * (length // 5))
        history.save_turn(turn)

        def save() -> None:
            nonlocal turn
            turn = replace(turn, content=turn.content + "a new word " * 27)
            history.save_turn(turn)

        measure(f"save an answer of {length:,} characters while it is written", save)
    measure("save it when it is done", lambda: history.save_turn(replace(turn, state="done")), 1)


def long_chat(history: History, words: list[str], random_: random.Random) -> str:
    chat = history.create_chat(title="a long one").id
    parent: Turn | None = None
    with history.transaction():
        for number in range(LONG_CHAT):
            role = "assistant" if number % 2 else "user"
            parent = history.add_turn(chat, parent.id if parent else None, role, " ".join(random_.choices(words, k=60)))
    return chat


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chats", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=10, help="of each chat")
    parser.add_argument("--plain", action="store_true", help="without encryption")
    options = parser.parse_args()
    os.umask(0o077)
    random_ = random.Random(7)
    words = vocabulary(20_000, random_)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        connect = connections(folder, options.plain)
        history = History(connect)
        start = time.perf_counter()
        ids = fill(history, options.chats, options.messages, words, random_)
        print(f"{options.chats:,} chats of {options.messages} messages in {time.perf_counter() - start:.1f} s")
        long = long_chat(history, words, random_)
        history.close()
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"{size / 1e6:.0f} MB on the disk", flush=True)
        start = time.perf_counter()
        history = History(connect)
        print(f"{'opened, the first 50 rows shown':<62} ", end="")
        history.rows(0, 50)
        print(f"{1000 * (time.perf_counter() - start):8.2f} ms")
        measure("the first 50 rows", lambda: history.rows(0, 50))
        measure("50 rows at the end", lambda: history.rows(options.chats - 60, 50))
        measure("50 rows of one folder", lambda: history.rows(0, 50, folder="folder 3"))
        measure(
            "how many, folders, where one stands",
            lambda: (history.count(), history.folders(), history.position(ids[5])),
        )
        for what, text in (
            ("a word that is nearly everywhere", words[0]),
            ("the beginning of very many words, one letter", "k"),
            ("the beginning of many words, two letters", "ka"),
            ("a rare word", words[-7]),
            ("three words", f"{words[3]} {words[40]} {words[200][:3]}"),
            ("two common words side by side", f'"{words[0]} {words[1]}"'),
            ("what is nowhere", "xylophone"),
        ):
            measure(f"search: {what}", lambda text=text: history.search(text))  # type: ignore[misc]
        measure(f"the last 50 of {LONG_CHAT:,} messages", lambda: history.page(long, limit=50))
        middle = history.path(long)[LONG_CHAT // 2].id
        measure("50 messages from its middle", lambda: history.page(long, before=middle, limit=50))
        measure("the whole path, plain", lambda: history.path(long, plain=True), 5)
        measure("its length", lambda: history.count_path(long))
        measure("a user's message, synced", lambda: history.add_turn(ids[0], None, "user", "a question " * 10))
        grow(history, ids[1], 100_000)
        measure("siblings of 50 messages", lambda: history.siblings_of([turn.id for turn in history.page(long)]))
        measure("delete a chat of 10 messages", lambda: history.delete_chat(ids.pop()), 5)
        measure(f"delete the chat of {LONG_CHAT:,} messages", lambda: history.delete_chat(long), 1)
        history.close()
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB memory at most")
    return 0


if __name__ == "__main__":
    sys.exit(main())
