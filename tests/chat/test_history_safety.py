"""What is said is kept, what is deleted is gone: threads, kill -9, full and read-only disks, versions."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from edgemind.chat import database, migrations, schema
from edgemind.chat.attachments.types import Attachment, AttachmentInfo
from edgemind.chat.history import History
from edgemind.chat.problems import HistoryDamaged, HistoryInUse, HistoryNotSaving
from edgemind.errors import HistoryProblem, HistoryTooNew

LIBRARIES = {"old": sqlite3, "new": sqlcipher}
"""Both without a key here: a plain file shows what is in it. The first may be older than FTS5's secure deletion."""


def opened(file: Path, library: str = "old") -> History:
    return History(lambda: LIBRARIES[library].connect(str(file), check_same_thread=False))


def everywhere(folder: Path) -> bytes:
    return b"".join(file.read_bytes().lower() for file in sorted(folder.rglob("*")) if file.is_file())


@pytest.mark.parametrize("library", LIBRARIES)
def test_what_is_deleted_is_in_no_file(library: str, tmp_path: Path) -> None:
    history = opened(tmp_path / "history.db", library)
    keep = history.create_chat(title="kept").id
    for number in range(30):
        history.add_turn(keep, None, "user", f"ordinary words {number} " * 20)
    chat = history.create_chat(title="zebrafinch title", system="zebrafinch system", tags=("zebrafinch",)).id
    attached = Attachment(AttachmentInfo(name="zebrafinch.txt"), "zebrafinch attached " * 300)
    question = history.add_turn(chat, None, "user", "zebrafinch asked", attachments=[attached])
    turn = history.add_turn(chat, question.id, "assistant", state="writing")
    for _ in range(20):
        turn = replace(
            turn, content=turn.content + "zebrafinch said " * 30, reasoning=turn.reasoning + "zebrafinch hm "
        )
        history.save_turn(turn)
    history.save_turn(replace(turn, state="done"))
    history.set_draft(chat, "zebrafinch draft")
    one = history.add_turn(keep, None, "user", "okapi in one message " * 10)
    assert b"zebrafinch" in everywhere(tmp_path)
    assert len(history.search("zebrafinch")) == 3
    history.rows(0, 10)
    history.delete_chat(chat)
    assert b"zebra" not in everywhere(tmp_path)
    history.delete_turn(one.id)
    assert len(history.search("ordinary")) == 30
    assert b"okapi" not in everywhere(tmp_path)
    assert history.search("zebrafinch") == history.search("okapi") == []
    assert len(history.search("ordinary", limit=50)) == 30
    history.close()
    assert b"zebra" not in everywhere(tmp_path)
    assert b"ordinary" in everywhere(tmp_path)


def test_deleting_waits_for_whoever_reads(tmp_path: Path) -> None:
    history = opened(tmp_path / "history.db")
    chat = history.create_chat(title="x").id
    history.add_turn(chat, None, "user", "zebrafinch " * 100)
    stop = threading.Event()
    problems: list[BaseException] = []

    def read() -> None:
        try:
            while not stop.is_set():
                history.rows(0, 10)
                history.search("zebra")
        except BaseException as problem:
            problems.append(problem)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    history.delete_chat(chat)
    seen = everywhere(tmp_path)
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []
    assert b"zebra" not in seen
    history.close()


@pytest.mark.parametrize("on_disk", [True, False])
def test_many_threads(on_disk: bool, tmp_path: Path) -> None:
    history = opened(tmp_path / "history.db") if on_disk else History.in_memory()
    chat = history.create_chat(title="x").id
    start = threading.Barrier(6)
    problems: list[BaseException] = []

    def write(number: int) -> None:
        try:
            start.wait()
            turn = history.add_turn(chat, None, "assistant", state="writing", show=False)
            for _ in range(15):
                turn = replace(turn, content=turn.content + f"word{number} ")
                history.save_turn(turn)
            history.save_turn(replace(turn, state="done"))
        except BaseException as problem:
            problems.append(problem)

    def read() -> None:
        try:
            start.wait()
            while threads[0].is_alive():
                for turn, _ in history.whole(chat).turns:
                    assert len(turn.content) % 6 == 0
                history.search("word")
                history.count()
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(3)]
    threads += [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert sorted(turn.content for turn, _ in history.whole(chat).turns) == [f"word{n} " * 15 for n in range(3)]
    history.close()


KILLED = """
import sqlite3, sys
from dataclasses import replace
from edgemind.chat.history import History
history = History(lambda: sqlite3.connect(sys.argv[1], check_same_thread=False))
chat = history.create_chat(title="x").id
print(chat, flush=True)
parent = None
for number in range(10**6):
    turn = history.add_turn(chat, parent, "user", f"question {number}")
    print("turn", turn.id, flush=True)
    answer = history.add_turn(chat, turn.id, "assistant", state="writing")
    for piece in range(4):
        answer = replace(answer, content=answer.content + f"piece {piece} ")
        history.save_turn(answer)
        print("piece", answer.id, piece, flush=True)
    parent = answer.id
"""


def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(file)], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    lines = [child.stdout.readline() for _ in range(48)]
    child.send_signal(signal.SIGKILL)
    lines += child.stdout.readlines()
    child.wait()
    history = opened(file)
    turns = {turn.id: turn for turn, _ in history.whole(lines[0].strip()).turns}
    for kind, name, *piece in (line.split() for line in lines[1:]):
        assert name in turns
        assert kind == "turn" or f"piece {piece[0]}" in turns[name].content
    assert history.recover_writing() >= 1
    assert {turn.state for turn, _ in history.whole(lines[0].strip()).turns} == {"done", "interrupted"}
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.execute("INSERT INTO message_words (message_words) VALUES ('integrity-check')")
    history.close()


def test_a_transaction_is_undone_whole(tmp_path: Path) -> None:
    history = opened(tmp_path / "history.db")
    chat = history.create_chat(title="kept").id
    turn = history.add_turn(chat, None, "assistant", state="writing")

    def fail() -> None:
        with history.transaction():
            history.create_chat(title="undone")
            history.save_turn(replace(turn, content="undone"))
            assert history.count() == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (history.count(), history.search("undone"), history.turn(turn.id)) == (1, [], turn)
    history.save_turn(replace(turn, content="undone after all"))
    assert history.turn(turn.id).content == "undone after all"
    history.close()


def test_a_full_disk_is_said_and_what_was_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "history.db"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(file, check_same_thread=False)
        connection.execute("PRAGMA max_page_count = 120")
        return connection

    history = History(connect)
    chat = history.create_chat(title="x").id
    first = history.add_turn(chat, None, "user", "hello")
    with pytest.raises(HistoryNotSaving, match="full"):
        history.add_turn(chat, first.id, "user", "y" * 1_000_000)
    assert history.path(chat) == [first]
    assert len(history.path(history.add_turn(chat, first.id, "user", "small").chat)) == 2
    history.close()


def test_a_history_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    history = opened(file)
    chat = history.create_chat(title="x").id
    history.add_turn(chat, None, "user", "hello")
    history.close()

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(f"file:{file}?immutable=1", uri=True, check_same_thread=False)

    history = History(connect)
    assert [turn.content for turn in history.path(chat)] == ["hello"]
    assert len(history.search("hello")) == 1
    with pytest.raises(HistoryNotSaving, match="read-only"):
        history.add_turn(chat, None, "user", "more")
    history.close()


def test_another_program_that_writes_is_waited_for_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_MS", 50)
    history = opened(tmp_path / "history.db")
    chat = history.create_chat(title="x").id
    other = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(HistoryInUse):
        history.add_turn(chat, None, "user", "hello")
    assert history.count() == 1
    other.execute("ROLLBACK")
    history.add_turn(chat, None, "user", "hello")
    other.close()
    history.close()


def test_a_newer_history_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    opened(file).close()
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    with pytest.raises(HistoryTooNew, match="99") as problem:
        opened(file)
    assert "Update" in problem.value.hint
    assert file.read_bytes() == before


def test_an_older_history_is_brought_here_in_one_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "history.db"
    history = opened(file)
    chat = history.create_chat(title="x").id
    history.close()

    def add_mood(connection: database.Connection) -> None:
        connection.execute("ALTER TABLE chats ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'")

    def break_down(connection: database.Connection) -> None:
        raise ZeroDivisionError

    connection = sqlite3.connect(file, isolation_level=None)
    assert not migrations.pending(connection)
    assert migrations.pending(connection, (*migrations.STEPS, add_mood))
    with pytest.raises(ZeroDivisionError):
        migrations.migrate(connection, (*migrations.STEPS, add_mood, break_down))
    assert migrations.version(connection) == len(migrations.STEPS)
    assert "mood" not in str(connection.execute("PRAGMA table_info (chats)").fetchall())
    migrations.migrate(connection, (*migrations.STEPS, add_mood))
    assert connection.execute("SELECT id, mood FROM chats").fetchall() == [(chat, "calm")]
    connection.close()


@pytest.mark.parametrize(
    "content", [b"not a database at all, but long enough" * 100, b"SQLite format 3\x00" + b"\x7f" * 4096]
)
def test_a_damaged_file_is_one_sentence(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    file.write_bytes(content)
    told: list[int] = []
    with pytest.raises(HistoryDamaged) as problem:
        History(lambda: sqlite3.connect(file, check_same_thread=False), on_damage=lambda: told.append(1))
    assert "edgemind history" in problem.value.hint
    assert told == [1]
    assert file.read_bytes() == content


def test_damage_that_is_met_later_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    history = opened(file)
    chat = history.create_chat(title="x").id
    for number in range(40):
        history.add_turn(chat, None, "user", f"{number} words " * 1_500)
    history.close()
    data = bytearray(file.read_bytes())
    data[160_000:] = b"\x7f" * (len(data) - 160_000)
    file.write_bytes(data)
    told: list[int] = []
    history = History(lambda: sqlite3.connect(file, check_same_thread=False), on_damage=lambda: told.append(1))
    for _ in range(2):
        with pytest.raises(HistoryDamaged):
            history.whole(chat)
    assert told == [1]
    history.close()


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "history.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(HistoryProblem, match="something else"):
        opened(file)
    assert everywhere(tmp_path) == before.lower()


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_closed_history_says_so(on_disk: bool, tmp_path: Path) -> None:
    history = opened(tmp_path / "history.db") if on_disk else History.in_memory()
    chat = history.create_chat(title="x").id
    history.rows(0, 1)
    history.close()
    history.close()
    assert history.closed
    for ask in (lambda: history.count(), lambda: history.add_turn(chat, None, "user"), lambda: history.search("x")):
        with pytest.raises(HistoryProblem, match="closed"):
            ask()
    assert [file.name for file in tmp_path.iterdir()] == ["history.db"] * on_disk


@pytest.mark.parametrize("library", LIBRARIES)
def test_every_connection_syncs_and_wipes(library: str, tmp_path: Path) -> None:
    history = opened(tmp_path / "history.db", library)
    history.create_chat()
    asked = {"synchronous": 2, "journal_mode": "wal", "secure_delete": 1, "foreign_keys": 1, "temp_store": 2}
    asked |= {"fullfsync": 1, "checkpoint_fullfsync": 1}
    for way in (history._database.writing, history._database.reading):
        with way() as connection:
            assert {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked} == asked
    history.close()


def test_every_table_of_the_schema_is_made_once() -> None:
    connection = sqlite3.connect(":memory:")
    for table in schema.TABLES:
        connection.execute(table)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
