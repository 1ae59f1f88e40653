"""Files that are no chats, broken or hostile ones: one sentence, and nothing is imported."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edgemind.chat import import_
from edgemind.chat.export import export
from edgemind.chat.history import History
from edgemind.chat.import_ import import_file, import_text
from edgemind.errors import BadInput, EdgemindError, HistoryProblem


@pytest.fixture
def history() -> Iterator[History]:
    history = History.in_memory()
    yield history
    history.close()


def message(name: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": name, "parent": parent, "role": "user", "content": name, **more}


def document(*messages: dict[str, Any], **more: Any) -> str:
    chat = {"id": "chat", "title": "t", "messages": messages}
    return json.dumps({"format": "edgemind-chats", "version": 1, "chats": [chat], **more})


DEEP = '{"format": "edgemind-chats", "version": 1, "chats": ' + "[" * 200_000
BROKEN = {
    "nothing": "",
    "words": "hello, this is a letter",
    "another Markdown": "# Title\n\n## You\n\nhello",
    "cut short": document(message("a"))[:-9],
    "another JSON": '{"a": 1}',
    "a list": "[1, 2]",
    "a number": "7",
    "deep": DEEP,
    "too many values": "[" + "[]," * 5_000_000 + "[]]",
    "deep object": '{"a":' * 100_000,
    "twice the same id": document(message("a"), message("a")),
    "no parent": document(message("a", "b")),
    "a circle": document(message("a", "b"), message("b", "a")),
    "its own parent": document(message("a", "a")),
    "an id with a path": document(message("../a")),
    "a role": document(message("a", role="system")),
    "a field": document(message("a", mood="calm")),
    "a time": document(message("a", created=1e300)),
    "no time": document(message("a")).replace('"content"', '"created": NaN, "content"'),
    "a state": document(message("a", state="happy")),
    "a long title": document(message("a")).replace('"t"', json.dumps("t" * 200_000)),
    "chats are no list": document(chats={"a": 1}),
    "no chats": document(chats=[]),
    "a lone surrogate": document(message("a", content="\ud800")),
    "parameters": document(chats=[{"id": "c", "parameters": {"thinking": "maybe"}}]),
    "a newer version": document(version=2),
    "no version": document(version=None),
    "a broken comment": '<!-- edgemind: {"format": "edgemind-chats", "version": 1 -->\n# t\n',
    "a broken second comment": '<!-- edgemind: {"format": "edgemind-chats"} -->\n<!-- edgemind: {x} -->\n',
    "an unknown comment": '<!-- edgemind: {"format": "edgemind-chats", "version": 1, "id": "a", "x": 1} -->\n# t\n',
    "a deep comment": "<!-- edgemind: {" + '"a":{' * 50_000 + "}" * 50_001 + " -->\n",
    "ChatGPT without words": '[{"mapping": {"a": {"message": null}}}]',
    "ChatGPT of another kind": '[{"mapping": []}]',
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_no_chat_is_one_sentence(what: str, history: History) -> None:
    with pytest.raises(BadInput) as problem:
        import_text(history, BROKEN[what], "chat.json")
    assert "chat.json" in problem.value.message
    assert "\n" not in problem.value.message
    assert len(problem.value.message) < 300
    assert problem.value.hint
    assert history.count() == 0


def test_one_bad_chat_among_good_ones_imports_none(history: History) -> None:
    good = {"id": "good", "messages": [message("a")]}
    bad = {"id": "bad", "messages": [message("b"), message("c", "missing")]}
    with pytest.raises(BadInput, match="stands under one"):
        import_text(history, document(chats=[good, bad]))
    assert history.count() == 0


def test_what_fails_while_it_is_written_leaves_nothing(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    chats = [{"id": f"c{number}", "messages": [message(f"m{number}")]} for number in range(3)]
    whole, calls = History.add_whole, []

    def add(self: History, one: Any) -> Any:
        calls.append(one)
        if len(calls) == 3:
            raise HistoryProblem("The disk is full.")
        return whole(self, one)

    monkeypatch.setattr(History, "add_whole", add)
    with pytest.raises(HistoryProblem, match="full"):
        import_text(history, document(chats=chats, personas=[{"name": "p"}]))
    assert (history.count(), history.personas(), history.search("m0")) == (0, [], [])


def test_messages_may_stand_in_any_order(history: History) -> None:
    text = document(message("c", "b"), message("b", "a"), message("d", "b"), message("a"), message("e"))
    (chat,) = import_text(history, text)
    assert [turn.id for turn in history.path(chat.id, "c")] == ["a", "b", "c"]
    assert history.siblings("c") == ["c", "d"]
    assert history.siblings("a") == ["a", "e"]
    assert chat.messages == 5


def test_a_long_chain_and_an_unfinished_answer(history: History) -> None:
    chain = [message(f"m{number}", f"m{number - 1}" if number else None) for number in range(3_000)]
    (chat,) = import_text(history, document(*chain[::-1], message("w", "m5", role="assistant", state="writing")))
    assert history.count_path(chat.id, "m2999") == 3_000
    assert history.turn("w").state == "interrupted"


def test_broken_files_at_random(history: History) -> None:
    """Bytes changed, cut out and doubled in good files: imported whole, or one sentence and nothing."""
    chat = history.create_chat(title="t", system="s").id
    first = history.add_turn(chat, None, "user", "hello\n\nthere")
    history.add_turn(chat, first.id, "assistant", "hi", reasoning="hm")
    random_ = random.Random(11)
    good = [export(history, chat, form).encode() for form in ("json", "markdown")]
    for _ in range(300):
        data = bytearray(random_.choice(good))
        for _ in range(random_.randint(1, 4)):
            place = random_.randrange(len(data))
            how = random_.random()
            if how < 0.5:
                data[place] = random_.randrange(256)
            elif how < 0.75:
                del data[place : place + random_.randint(1, 30)]
            else:
                data[place:place] = data[place : place + random_.randint(1, 30)]
        before = history.count()
        try:
            made = import_text(history, data.decode("utf-8", "surrogateescape"))
        except EdgemindError:
            assert history.count() == before
        else:
            assert history.count() == before + len(made)
            history.path(made[0].id)


def test_files_that_cannot_be_read(history: History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "evil\x1b[2J.json").write_text("{")
    os.mkfifo(tmp_path / "pipe.json")
    for name, said in (
        ("missing.json", "cannot be read"),
        ("binary.json", "UTF-8"),
        ("evil\x1b[2J.json", "whole JSON"),
        ("pipe.json", "plain file"),
        (".", "plain file|cannot be read"),
    ):
        with pytest.raises(BadInput, match=said) as problem:
            import_file(history, tmp_path / name)
        assert "\x1b" not in problem.value.message
    monkeypatch.setattr(import_, "MOST_BYTES", 10)
    (tmp_path / "large.json").write_text(document(message("a")))
    with pytest.raises(BadInput, match="larger"):
        import_file(history, tmp_path / "large.json")
    assert history.count() == 0


def test_a_file_is_imported(history: History, tmp_path: Path) -> None:
    (tmp_path / "chat.json").write_bytes(b"\xef\xbb\xbf" + document(message("a")).encode())
    (chat,) = import_file(history, tmp_path / "chat.json")
    assert [turn.content for turn in history.path(chat.id)] == ["a"]


def node(parent: str | None, role: str | None = None, *parts: Any, **more: Any) -> dict[str, Any]:
    said = {"author": {"role": role}, "content": {"content_type": "text", "parts": list(parts)}, **more}
    return {"parent": parent, "message": said if role else None}


def test_conversations_of_chatgpt(history: History) -> None:
    mapping = {
        "late": node("tool", "assistant", "Second", create_time=1_700_000_060.5, metadata={"model_slug": "gpt-x"}),
        "root": node(None),
        "system": node("root", "system", "secret"),
        "ask": node("system", "user", "Hello", {"image": 1}, "there", create_time=1_700_000_000),
        "tool": node("ask", "tool", "{}"),
        "other": node("ask", "assistant", "First"),
        "empty": node("late", "assistant", " "),
        "loop1": node("loop2", "user", "round"),
        "loop2": node("loop1", "assistant", "and round"),
        "odd": 7,
        "worse": {"parent": ["x"], "message": {"author": [], "content": {"parts": "x"}}},
    }
    given = {"title": "Greeting", "create_time": 1_700_000_000.0, "mapping": mapping, "current_node": "empty"}
    odd = {"title": ["no"], "create_time": "never", "mapping": {"a": node("b", "user", "alone")}, "current_node": 5}
    made = import_text(history, json.dumps([given, odd, {"mapping": {}}]))
    first, second = sorted(made, key=lambda chat: chat.messages, reverse=True)
    path = history.path(first.id)
    assert [(turn.role, turn.content) for turn in path] == [("user", "Hello\nthere"), ("assistant", "Second")]
    assert (path[1].model, path[1].created, first.title, first.created) == ("gpt-x", 1_700_000_060.5, "Greeting", 1.7e9)
    assert len(history.siblings(path[1].id)) == 2
    assert [turn.content for turn in history.path(second.id)] == ["alone"]
    assert history.count() == 2
