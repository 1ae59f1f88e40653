"""Chats and their messages as a tree, in memory, in a plain file and in an encrypted one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlcipher3 import dbapi2 as sqlcipher

from edgemind.chat.attachments.types import Attachment, AttachmentInfo, Passage
from edgemind.chat.history import History
from edgemind.chat.types import Parameters, Persona, Turn
from edgemind.engine.events import ContextTrimmed, Sampling, Stats, Step, TokenConfidence
from edgemind.errors import HistoryProblem

KINDS = ("memory", "plain", "encrypted")


def opened(kind: str, folder: Path) -> History:
    if kind == "memory":
        return History.in_memory()
    if kind == "plain":
        return History(lambda: sqlite3.connect(folder / "plain.db", check_same_thread=False))

    def connect() -> sqlcipher.Connection:
        connection = sqlcipher.connect(str(folder / "history.db"), check_same_thread=False)
        connection.execute(f"PRAGMA key = \"x'{'5a' * 32}'\"")
        return connection

    return History(connect)


@pytest.fixture(params=KINDS)
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[History]:
    history = opened(request.param, tmp_path)
    yield history
    history.close()


def talk(history: History, *texts: str, chat: str | None = None) -> list[Turn]:
    """A chat of these messages, the user's and the assistant's in turn."""
    chat = chat or history.create_chat(title=texts[0]).id
    turns: list[Turn] = []
    for number, text in enumerate(texts):
        role = "assistant" if number % 2 else "user"
        turns.append(history.add_turn(chat, turns[-1].id if turns else None, role, text))
    return turns


FULL = {
    "reasoning": "First this.\n\nThen that.",
    "steps": (Step(text="First this.", tokens=3, seconds=0.5), Step(text="Then that.", tokens=3, seconds=0.25)),
    "model": "edgemind-nano",
    "stats": Stats(prompt_tokens=5, answer_tokens=7, decode_rate=12.5),
    "confidence": (
        TokenConfidence(text="4", probability=0.5, entropy=1.25, alternatives=(("5", 0.25), (" é", 0.1))),
        TokenConfidence(text="2", probability=1.0, entropy=0.0),
    ),
    "trimmed": ContextTrimmed(dropped_turns=2, dropped_tokens=40, kept_tokens=200, context_limit=256),
    "passages": (Passage(name="a.txt", text="what was found", lines=(3, 5), score=1.5),),
}


def test_a_chat_keeps_what_it_was_made_with(history: History) -> None:
    chat = history.create_chat(
        title="Ärger",
        folder="Arbeit",
        tags=("b", "a", "b"),
        persona="Doctor",
        system="Be brief.",
        model="edgemind-nano",
        parameters=Parameters(
            thinking="on", thinking_budget=50, sampling=Sampling(temperature=0.5, logit_bias={7: -1})
        ),
    )
    assert history.chat(chat.id) == chat
    assert chat.tags == ("a", "b")
    assert chat.parameters.sampling.logit_bias == {7: -1}
    changed = history.update_chat(chat.id, title="Anders", titled=True, tags=("c",), pinned=True, persona=None)
    assert (changed.title, changed.titled, changed.tags, changed.pinned) == ("Anders", True, ("c",), True)
    assert changed.persona is None
    assert changed.updated == chat.updated
    with pytest.raises(TypeError):
        history.update_chat(chat.id, created=0)


def test_a_message_comes_back_whole(history: History) -> None:
    (question,) = talk(history, "What is 6 x 7?")
    turn = history.add_turn(question.chat, question.id, "assistant", state="writing")
    turn = replace(turn, content="42", state="done", **FULL)
    history.save_turn(turn)
    assert history.turn(turn.id) == turn
    assert history.path(question.chat) == [question, turn]
    plain = history.path(question.chat, plain=True)[1]
    assert (plain.content, plain.reasoning, plain.steps, plain.confidence) == ("42", turn.reasoning, (), ())


def test_an_answer_grows_by_pieces(history: History) -> None:
    (question,) = talk(history, "Count.")
    turn = history.add_turn(question.chat, question.id, "assistant", state="writing", model="m")
    for number in range(6):
        turn = replace(
            turn,
            reasoning=turn.reasoning + ("hm " if number < 3 else ""),
            content=turn.content + (f"{number} " if number > 1 else ""),
            confidence=(*turn.confidence, TokenConfidence(text=str(number), probability=0.5, entropy=1.0)),
            steps=(Step(text="hm", tokens=number, seconds=1.0),) * (number // 2),
        )
        history.save_turn(turn)
        assert history.turn(turn.id) == turn
    rewritten = replace(turn, content="something else")
    history.save_turn(rewritten)
    assert history.turn(turn.id) == rewritten
    history.save_turn(replace(rewritten, content="something else again", state="stopped"))
    assert history.turn(turn.id).content == "something else again"
    assert history.turn(turn.id).state == "stopped"
    history.save_turn(replace(rewritten, content="something else again and on"))
    history.save_turn(replace(rewritten, content="something else again and on and on"))
    assert history.turn(turn.id).content == "something else again and on and on"


def test_growing_does_not_write_the_answer_again(tmp_path: Path) -> None:
    history = opened("plain", tmp_path)
    (question,) = talk(history, "Write a book.")
    turn = replace(history.add_turn(question.chat, question.id, "assistant", state="writing"), content="x" * 500_000)
    history.save_turn(turn)
    log = tmp_path / "plain.db-wal"
    with sqlite3.connect(tmp_path / "plain.db") as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for _ in range(5):
        turn = replace(turn, content=turn.content + "and so on ")
        history.save_turn(turn)
    assert log.stat().st_size < 200_000
    history.close()


def test_branches(history: History) -> None:
    first, answer, second, reply = talk(history, "a", "b", "c", "d")
    again = history.add_turn(first.chat, first.id, "assistant", "b2")
    edited = history.add_turn(first.chat, None, "user", "a2", show=False)
    assert [turn.content for turn in history.path(first.chat)] == ["a", "b2"]
    assert history.chat(first.chat).messages == 6
    assert history.siblings(answer.id) == history.siblings(again.id) == [answer.id, again.id]
    assert history.siblings(first.id) == [first.id, edited.id]
    assert history.siblings_of([second.id, first.id]) == {second.id: [second.id], first.id: [first.id, edited.id]}
    assert history.leaf_below(answer.id) == reply.id
    assert history.leaf_below(first.id) == again.id
    assert history.leaf_below(edited.id) == edited.id
    shown = history.update_chat(first.chat, leaf=history.leaf_below(answer.id))
    assert shown.leaf == reply.id
    assert [turn.content for turn in history.path(first.chat)] == ["a", "b", "c", "d"]
    assert [turn.content for turn in history.path(first.chat, second.id)] == ["a", "b", "c"]
    assert (history.count_path(first.chat), history.count_path(first.chat, again.id)) == (4, 2)


def test_pages_of_a_long_chat(history: History) -> None:
    with history.transaction():
        turns = talk(history, *map(str, range(1500)))
    chat = turns[0].chat
    assert [turn.content for turn in history.page(chat, limit=3)] == ["1497", "1498", "1499"]
    assert [turn.content for turn in history.page(chat, before=turns[700].id, limit=2)] == ["698", "699"]
    assert [turn.content for turn in history.page(chat, before=turns[1].id)] == ["0"]
    assert history.page(chat, before=turns[0].id) == history.page(chat, limit=0) == []
    assert history.count_path(chat) == 1500
    assert [turn.content for turn in history.path(chat)] == list(map(str, range(1500)))
    assert history.leaf_below(turns[0].id) == turns[-1].id
    history.delete_turn(turns[10].id)
    assert history.count_path(chat) == history.chat(chat).messages == 10
    history.delete_chat(chat)
    assert history.count() == 0


def test_deleting_a_branch_shows_what_is_beside_it(history: History) -> None:
    first, answer, second = talk(history, "a", "b", "c")
    other = history.add_turn(first.chat, first.id, "assistant", "b2", show=False)
    assert history.delete_turn(answer.id).leaf == other.id
    with pytest.raises(HistoryProblem):
        history.turn(second.id)
    assert history.delete_turn(other.id).leaf == first.id
    assert history.delete_turn(first.id).leaf is None
    assert history.path(first.chat) == history.page(first.chat) == []
    assert (history.count_path(first.chat), history.chat(first.chat).messages) == (0, 0)


def test_the_list_has_pinned_ones_first_then_the_newest(history: History) -> None:
    chats = [history.create_chat(title=str(number), folder="even" if number % 2 == 0 else "") for number in range(6)]
    history.update_chat(chats[1].id, pinned=True, tags=("x",))
    history.update_chat(chats[4].id, tags=("x", "y"))
    history.add_turn(chats[0].id, None, "user", "hello")
    assert [row.title for row in history.rows(0, 10)] == ["1", "0", "5", "4", "3", "2"]
    assert [row.title for row in history.rows(2, 2)] == ["5", "4"]
    assert [row.title for row in history.rows(0, 10, folder="even")] == ["0", "4", "2"]
    assert [row.title for row in history.rows(0, 10, tag="x")] == ["1", "4"]
    assert [row.title for row in history.rows(0, 10, folder="even", tag="x")] == ["4"]
    assert (history.rows(0, 1)[0].tags, history.rows(1, 1)[0].messages) == (("x",), 1)
    assert (history.count(), history.count(folder="even"), history.count(tag="y"), history.count(tag="z")) == (
        6,
        3,
        1,
        0,
    )
    assert (history.folders(), history.tags()) == (["even"], ["x", "y"])
    assert [history.position(row.id) for row in history.rows(0, 10)] == list(range(6))
    assert history.position(chats[2].id, folder="even") == 2
    assert history.position(chats[1].id, folder="even") is history.position("nothing") is None
    assert history.rows(-5, -5) == history.rows(99, 10) == []


def test_a_chat_is_found_by_what_a_user_types(history: History) -> None:
    one, two = history.create_chat(title="Taxes 2026"), history.create_chat(title="taxes")
    assert [row.id for row in history.find(one.id)] == [one.id]
    assert [row.id for row in history.find(two.id[:12])] == [two.id]
    assert [row.id for row in history.find("taxes")] == [two.id]
    assert {row.id for row in history.find("TAX")} == {one.id, two.id}
    three = history.create_chat(title="Über die Ärzte von Bern")
    assert [row.id for row in history.find("ärzte über")] == [row.id for row in history.find("ÄRZ")] == [three.id]
    assert history.find("") == history.find("%") == history.find("nothing\ud800") == []


def test_a_copy_is_a_chat_of_its_own(history: History) -> None:
    first, answer, _ = talk(history, "a", "b", "c")
    other = history.add_turn(first.chat, first.id, "assistant", "b2")
    writing = history.add_turn(first.chat, answer.id, "user", "c2", state="writing", show=False)
    copy = history.duplicate(first.chat)
    assert (copy.title, copy.messages) == ("a (copy)", 5)
    assert [turn.content for turn in history.path(copy.id)] == ["a", "b2"]
    ours, theirs = ([turn.id for turn in history.path(chat)] for chat in (first.chat, copy.id))
    assert not {*ours, other.id, writing.id} & set(theirs)
    states = {turn.content: turn.state for turn, _ in history.whole(copy.id).turns}
    assert states["c2"] == "interrupted"
    history.delete_chat(first.chat)
    assert [turn.content for turn in history.path(copy.id)] == ["a", "b2"]


def test_attachments(history: History) -> None:
    chat = history.create_chat().id
    notes = Attachment(AttachmentInfo(name="notes.txt", size=7, tokens=3), "aspirin")
    report = Attachment(AttachmentInfo(name="report.pdf", kind="pdf", pages=2), "x-ray\fnormal")
    turn = history.add_turn(chat, None, "user", "read", attachments=[notes, report])
    assert history.path(chat) == [turn]
    assert history.attachments(turn.id) == (notes, report)
    assert [hit.turn for hit in history.search("aspirin")] == [turn.id]
    cut = notes.with_info(treatment="cut", given="asp")
    history.save_turn(replace(turn, attachments=(cut.info, report.info)))
    assert history.attachments(turn.id) == (cut, report)
    history.save_attachments(turn.id, [report])
    assert history.turn(turn.id).attachments == (report.info,)
    assert (history.search("aspirin"), len(history.search("normal"))) == ([], 1)


def test_what_was_being_written_is_interrupted(history: History) -> None:
    (question,) = talk(history, "Tell me.")
    turn = history.add_turn(question.chat, question.id, "assistant", state="writing")
    history.save_turn(turn := replace(turn, content="Once "))
    history.save_turn(turn := replace(turn, content="Once upon"))
    assert history.search("upon") == []
    assert history.recover_writing() == 1
    assert history.turn(turn.id) == replace(turn, state="interrupted")
    assert [hit.turn for hit in history.search("upon")] == [turn.id]
    assert history.recover_writing() == 0


def test_a_message_that_could_not_be_saved_is_put_in_later(history: History) -> None:
    (question,) = talk(history, "Tell me.")
    answer = Turn(id="mine", chat=question.chat, parent=question.id, role="assistant", content="So", state="writing")
    history.save_turn(answer)
    history.save_turn(replace(answer, content="So it is", state="done"))
    assert [turn.content for turn in history.path(question.chat)] == ["Tell me.", "So it is"]
    assert history.chat(question.chat).messages == 2


def test_personas_and_drafts(history: History) -> None:
    doctor = Persona("Doctor", "You are careful.", Parameters(thinking="on"))
    history.save_persona(doctor)
    history.save_persona(Persona("clerk", ""))
    history.save_persona(replace(doctor, system="You are very careful."))
    assert [(one.name, one.system) for one in history.personas()] == [
        ("clerk", ""),
        ("Doctor", "You are very careful."),
    ]
    history.delete_persona("Doctor")
    history.delete_persona("Doctor")
    assert [one.name for one in history.personas()] == ["clerk"]
    chat = history.create_chat().id
    history.set_draft(chat, "half a")
    history.set_draft(chat, "half a thought")
    history.set_draft("", "nowhere yet")
    assert (history.draft(chat), history.draft(""), history.draft("x")) == ("half a thought", "nowhere yet", "")
    history.set_draft("", "")
    history.delete_chat(chat)
    assert history.draft("") == history.draft(chat) == ""


def test_what_is_not_there_is_one_sentence(history: History) -> None:
    first, _ = talk(history, "a", "b")
    other = history.create_chat().id
    for ask in (
        lambda: history.chat("x"),
        lambda: history.update_chat("x", title="y"),
        lambda: history.delete_chat("x"),
        lambda: history.duplicate("x"),
        lambda: history.turn("x"),
        lambda: history.delete_turn("x"),
        lambda: history.leaf_below("x"),
        lambda: history.path("x"),
        lambda: history.path(other, first.id),
        lambda: history.page(other, before="x"),
        lambda: history.add_turn("x", None, "user"),
        lambda: history.add_turn(other, first.id, "user"),
        lambda: history.update_chat(other, leaf=first.id),
        lambda: history.save_turn(replace(first, id="new", parent="x")),
    ):
        with pytest.raises(HistoryProblem) as problem:
            ask()
        assert problem.value.hint
    assert history.siblings("x") == []
    assert (history.count(), history.chat(other).messages, history.chat(first.chat).messages) == (2, 0, 2)


def test_any_text_is_kept(history: History) -> None:
    texts = ("", "\x00a\x00", "\x1b]52;c;x\x07", "👩‍⚕️ e\u0301", "\r\n\r", "<b>'\"--", "日本語\U0010ffff")
    turns = talk(history, *texts)
    assert [turn.content for turn in history.path(turns[0].chat)] == list(texts)
    turn = history.add_turn(turns[0].chat, None, "user", "lone \ud83d end", error="\udc80")
    assert history.turn(turn.id).content == "lone \N{REPLACEMENT CHARACTER} end"


def test_what_another_version_wrote_beside_the_text_does_no_harm(history: History) -> None:
    chat = history.create_chat(system="s", parameters=Parameters(thinking="on")).id
    turn = history.add_turn(chat, None, "user", "hello", attachments=[Attachment(AttachmentInfo(name="a"), "text")])
    history.save_persona(Persona("p", "s"))
    with history._database.writing() as connection:
        connection.execute("""UPDATE chats SET parameters = '{"mood": 1}'""")
        connection.execute("""UPDATE personas SET parameters = '{"mood": 1}'""")
        connection.execute("""UPDATE messages SET details = '{"steps": 7}', confidence = '[{"mood": 1}]'""")
        connection.execute("""UPDATE attachments SET info = '{"mood": 1}'""")
    assert (history.chat(chat).parameters, history.personas()[0].parameters) == (Parameters(), Parameters())
    assert (history.turn(turn.id).content, history.turn(turn.id).confidence) == ("hello", ())
    assert history.attachments(turn.id)[0].text == "text"


@pytest.mark.parametrize("kind", KINDS)
def test_everything_moves_into_a_new_vault(kind: str, tmp_path: Path) -> None:
    old, new = History.in_memory(), opened(kind, tmp_path)
    first, answer = talk(old, "a", "b")
    writing = old.add_turn(first.chat, answer.id, "assistant", state="writing")
    old.save_turn(writing := replace(writing, content="One"))
    old.save_turn(writing := replace(writing, content="One two"))
    old.save_persona(Persona("Doctor", "s"))
    old.set_draft(first.chat, "draft")
    talk(new, "already here")
    assert old.move_into(new) == 1
    assert new.count() == old.count() == 2
    assert old.saved is new.saved is (kind != "memory")
    assert [turn.content for turn in new.path(first.chat)] == ["a", "b", "One two"]
    old.save_turn(writing := replace(writing, content="One two three"))
    old.save_turn(replace(writing, content="One two three four", state="done"))
    assert new.turn(writing.id).content == "One two three four"
    assert (new.draft(first.chat), [one.name for one in new.personas()]) == ("draft", ["Doctor"])
    assert len(new.search("three four")) == 1
    old.close()
    with pytest.raises(HistoryProblem):
        new.count()
