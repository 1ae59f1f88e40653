"""Talking with the built-in model in the app: what is sent, shown, kept, branched, stopped and listed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from driving import Hands, drive

from edgemind.chat.history import History
from edgemind.chat.problems import HistoryNotSaving
from edgemind.tui.app import EdgemindApp
from edgemind.tui.household import Household
from edgemind.tui.widgets.sidebar import ChatList


def test_a_message_is_answered_kept_and_listed(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        assert "edgemind-nano" in hands.text()
        await hands.say("What is 48 + 37?")
        await hands.answered()
        assert "85" in hands.text()
        session = hands.chat.session
        assert session is not None
        asked, answer = session.page()
        assert (asked.content, answer.state) == ("What is 48 + 37?", "done")
        assert hands.chat.sidebar.list.count == 1
        assert hands.chat.status.facts.context_used > 0
        assert hands.chat.composer.draft == ""

    drive(app, script)


def test_typing_is_possible_before_anything_is_loaded(household: Household) -> None:
    household.history = None
    app = EdgemindApp(household)

    async def script(hands: Hands) -> None:
        await hands.press("h", "i")
        assert hands.chat.composer.draft == "hi"
        await hands.press("enter")
        await hands.answered()

    drive(app, script)


def test_again_makes_a_branch_and_the_keys_walk_between_them(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()
        session = hands.chat.session
        assert session is not None
        first = session.page()[-1].id
        await hands.press("ctrl+r")
        await hands.until(lambda: session.page()[-1].id != first)
        await hands.answered()
        second = session.page()[-1].id
        await hands.press("alt+left")
        await hands.until(lambda: session.page()[-1].id == first)
        await hands.press("alt+right")
        await hands.until(lambda: session.page()[-1].id == second)

    drive(app, script)


def test_an_edited_message_is_another_branch_and_escape_leaves_the_old_one(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("What is 2 + 2?")
        await hands.answered()
        await hands.press("ctrl+e")
        assert hands.chat.composer.draft == "What is 2 + 2?"
        await hands.press("escape")
        assert hands.chat.composer.draft == ""
        await hands.press("ctrl+e")
        await hands.type("What is 5 + 4?")
        await hands.press("enter")
        session = hands.chat.session
        assert session is not None
        await hands.until(lambda: session.page()[0].content == "What is 5 + 4?")
        await hands.answered()
        assert len(session.siblings(session.page()[0].id)) == 2

    drive(app, script)


def test_a_killed_worker_leaves_what_was_said_and_retry_answers(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()
        session, engines = hands.chat.session, hands.app.house.engines
        assert session is not None
        worker = engines.pid
        assert worker
        os.kill(worker, signal.SIGKILL)
        await hands.until(lambda: engines.pid != worker)
        await hands.say("What is 1 + 2?")
        await hands.answered()
        if session.page()[-1].state != "done":
            hands.chat.perform("retry")
            await hands.answered()
        assert session.page()[-1].state == "done"
        assert [turn.content for turn in session.page() if turn.role == "user"] == ["Hello", "What is 1 + 2?"]

    drive(app, script)


def test_think_off_holds_for_this_chat(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("/think off")
        session = hands.chat.session
        assert session is not None
        assert session.chat.parameters.thinking == "off"
        await hands.say("What is 3 + 4?")
        await hands.answered()
        assert session.page()[-1].reasoning == ""
        await hands.say("/think 12")
        assert session.chat.parameters.thinking_budget == 12

    drive(app, script)


def test_an_ephemeral_chat_is_in_no_list(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("/ephemeral")
        await hands.say("Hello")
        await hands.answered()
        assert "not kept" in hands.text()
        assert hands.app.house.history is not None
        assert hands.app.house.history.count() == 0
        await hands.press("ctrl+n")
        assert "not kept" not in hands.text()

    drive(app, script)


def test_pin_rename_folder_tags_duplicate_and_delete(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()
        history = hands.app.house.history
        assert history is not None
        for typed in ("/pin", "/rename Round of Tuesday", "/folder ward", "/tags a b"):
            await hands.say(typed)
        row = history.rows(0, 10)[0]
        assert (row.title, row.pinned, row.folder, row.tags) == ("Round of Tuesday", True, "ward", ("a", "b"))
        heading = str(hands.chat.heading.render())
        assert all(word in heading for word in ("Round of Tuesday", "ward", "#a", "#b"))
        await hands.say("/duplicate")
        await hands.until(lambda: history.count() == 2)
        await hands.say("/delete")
        await hands.press("enter")
        assert history.count() == 2, "enter alone deletes nothing"
        await hands.press("y")
        await hands.until(lambda: history.count() == 1)

    drive(app, script)


def test_the_sidebar_opens_chats_and_its_keys_act_on_the_row_under_the_cursor(household: Household) -> None:
    assert household.history is not None
    history = household.history
    for number in range(3):
        history.create_chat(title=f"Chat {number}")
    app = EdgemindApp(household)

    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.press("ctrl+b")
        rows = hands.chat.sidebar.list
        assert isinstance(rows, ChatList)
        assert rows.has_focus
        await hands.press("down", "p")
        second = history.rows(0, 10)[0]
        assert second.pinned
        await hands.press("home", "enter")
        session = hands.chat.session
        assert session is not None
        assert session.chat.id == second.id

    drive(app, script)


def test_ten_thousand_chats_are_read_by_the_page(household: Household) -> None:
    assert household.history is not None
    with household.history.transaction():
        for number in range(10_000):
            household.history.create_chat(title=f"Chat {number}")
    asked: list[int] = []
    rows = household.history.rows

    def counted(offset: int, limit: int, *more: str | None) -> list[object]:
        asked.append(limit)
        return list(rows(offset, limit, *more))

    household.history.rows = counted  # type: ignore[method-assign, assignment]
    app = EdgemindApp(household)

    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.press("ctrl+b")
        assert hands.chat.sidebar.list.count == 10_000
        await hands.press("end")
        assert "Chat 0 " in hands.text()
        assert sum(asked) <= 1_000

    drive(app, script)


def test_what_was_said_elsewhere_is_found(household: Household) -> None:
    assert household.history is not None
    chat = household.history.create_chat(title="Old")
    household.history.add_turn(chat.id, None, "user", "The zebra crossed the river")
    app = EdgemindApp(household)

    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.press("ctrl+f")
        await hands.press(*"zebra")
        await hands.until(lambda: "crossed" in hands.text())
        await hands.press("enter")
        await hands.until(lambda: hands.chat.session is not None)
        assert hands.chat.session is not None
        assert hands.chat.session.chat.id == chat.id

    drive(app, script)


def test_a_draft_survives_another_chat(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()
        assert hands.chat.session is not None
        chat = hands.chat.session.chat.id
        await hands.type("not sent yet")
        await hands.press("ctrl+n")
        await hands.until(lambda: hands.chat.composer.draft == "")
        hands.chat.open_chat(chat)
        await hands.until(lambda: hands.chat.composer.draft == "not sent yet")

    drive(app, script)


def test_history_in_memory_is_said_not_to_be_saved(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        assert "not saved" in hands.text()
        assert isinstance(hands.app.house.history, History)

    drive(app, script)


def test_a_new_chat_ends_editing_and_its_message_is_sent(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("What is 2 + 2?")
        await hands.answered()
        first = hands.chat.session
        assert first is not None
        await hands.press("ctrl+e", "ctrl+n")
        assert hands.chat.composer.draft == ""
        await hands.say("What is 5 + 4?")
        await hands.answered()
        second = hands.chat.session
        assert second is not None
        assert second.chat.id != first.chat.id
        assert [turn.content for turn in second.page() if turn.role == "user"] == ["What is 5 + 4?"]
        assert [turn.content for turn in first.page() if turn.role == "user"] == ["What is 2 + 2?"]

    drive(app, script)


def test_editing_leaves_what_was_being_written_as_it_was(app: EdgemindApp, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Aspirin twice a day.")

    async def script(hands: Hands) -> None:
        composer = hands.chat.composer
        await hands.opened()
        await hands.say("What is 2 + 2?")
        await hands.answered()
        await hands.type("Half a thought")
        composer.add_attachment(tmp_path / "notes.txt")
        await hands.until(lambda: composer.attachments)
        await hands.press("ctrl+e")
        assert (composer.draft, composer.attachments) == ("What is 2 + 2?", ())
        await hands.press("escape")
        await hands.until(lambda: composer.attachments)
        assert composer.draft == "Half a thought"
        await hands.press("ctrl+e")
        await hands.type("What is 5 + 4?")
        await hands.press("enter")
        session = hands.chat.session
        assert session is not None
        await hands.until(lambda: session.page()[0].content == "What is 5 + 4?")
        await hands.answered()
        await hands.until(lambda: composer.attachments)
        assert composer.draft == "Half a thought"

    drive(app, script)


def test_a_file_cannot_be_added_to_a_message_that_was_sent(app: EdgemindApp, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Aspirin twice a day.")

    async def script(hands: Hands) -> None:
        composer = hands.chat.composer
        await hands.opened()
        await hands.say("What is 2 + 2?")
        await hands.answered()
        await hands.press("ctrl+e")
        composer.add_attachment(tmp_path / "notes.txt")
        await hands.until(lambda: composer.attachments)
        await hands.press("enter")
        await hands.until(lambda: "keeps the files" in hands.text())
        await hands.until(lambda: composer.attachments)
        assert composer.draft == "What is 2 + 2?"
        await hands.press("escape")
        assert (composer.draft, composer.attachments) == ("", ())

    drive(app, script)


def test_quitting_asks_first_when_something_would_be_lost(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()
        await hands.press("ctrl+q")
        assert "not saved is lost" in hands.text()
        await hands.press("n")
        assert app.screen is hands.chat
        assert not app._leaving
        await hands.press("ctrl+q", "ctrl+q")
        assert app._leaving

    drive(app, script)


def test_quitting_asks_nothing_when_nothing_was_said_or_nothing_is_to_be_kept(
    app: EdgemindApp, household: Household
) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        assert not app._loses_something
        household.kept = "ephemeral"
        await hands.say("Hello")
        await hands.answered()
        await hands.press("ctrl+q")
        assert app._leaving

    drive(app, script)


def test_beside_an_ephemeral_chat_the_kept_ones_can_be_used(app: EdgemindApp, tmp_path: Path) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("What is 48 + 37?")
        await hands.answered()
        kept = app.house.history
        assert kept is not None
        first = kept.rows(0, 9)[0].id
        path = tmp_path / "one.json"
        await hands.say(f"/export {path}")
        await hands.until(path.exists)
        await hands.say("/ephemeral")
        await hands.say("Hello")
        await hands.answered()
        chat = hands.chat
        assert kept.count() == 1
        await hands.say(f"/import {path}")
        await hands.until(lambda: kept.count() == 2)
        chat.post_message(ChatList.Asked("pin", first))
        await hands.until(lambda: kept.chat(first).pinned)
        chat._update(first, title="Sums", titled=True)
        assert kept.chat(first).title == "Sums"
        await hands.press("ctrl+f")
        await hands.press(*"Sums")
        await hands.until(lambda: "1 hit" in hands.text())
        await hands.press("escape")
        await hands.say("/duplicate")
        await hands.until(lambda: "cannot be duplicated" in hands.text())
        assert chat.session is not None
        await hands.say("/delete")
        await hands.press("y")
        await hands.until(lambda: chat.session is None)
        assert kept.count() == 2
        assert app.crashed == ""

    drive(app, script)


def test_a_title_given_to_a_chat_whose_answer_is_being_written_stays(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        worker = app.house.engines.pid
        assert worker is not None
        os.kill(worker, signal.SIGSTOP)  # so that it takes as long as the test
        try:
            await hands.say("Hello")
            await hands.until(lambda: hands.chat.session is not None and hands.chat.session.live is not None)
            away = hands.chat.session
            assert away is not None
            await hands.press("ctrl+n")
            assert hands.chat._away
            hands.chat._update(away.chat.id, title="Mine", titled=True)
            assert (away.chat.title, away.chat.titled) == ("Mine", True)
            assert app.house.history is not None
            assert app.house.history.chat(away.chat.id).title == "Mine"
        finally:
            os.kill(worker, signal.SIGCONT)
        await hands.until(lambda: away.live is None)

    drive(app, script)


def test_a_hit_in_a_chat_that_was_put_away_shows_its_branch(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("What is 2 + 2?")
        await hands.answered()
        session = hands.chat.session
        assert session is not None
        old = session.page()[0]
        await hands.press("ctrl+e")
        await hands.type("What is 5 + 4?")
        await hands.press("enter")
        await hands.until(lambda: session.page()[0].content == "What is 5 + 4?")
        await hands.press("ctrl+n")
        await hands.until(lambda: session.live is None)
        hands.chat.open_chat(session.chat.id, turn=old.id)
        opened = hands.chat.session
        assert opened is not None
        assert opened.page()[0].content == "What is 2 + 2?"
        await hands.press("ctrl+n")
        assert not hands.chat._away

    drive(app, script)


def test_a_selected_message_has_the_keys_and_what_is_typed_goes_to_the_composer(app: EdgemindApp) -> None:
    async def script(hands: Hands) -> None:
        await hands.opened()
        await hands.say("Hello")
        await hands.answered()
        await hands.press("alt+up", "alt+up")
        await hands.press("c")
        assert app.clipboard == "Hello"
        await hands.press("h", "i")
        assert hands.chat.composer.draft == "hi"
        await hands.press("alt+up", "escape", "!")
        assert hands.chat.transcript.selected is None
        assert hands.chat.composer.draft == "hi!"

    drive(app, script)


def test_a_chat_that_begins_while_the_disk_is_full_goes_on_and_is_saved_when_it_can_be(
    app: EdgemindApp, household: Household, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgemind.tui.waiting.RETRY_SECONDS", 0.05)
    history = household.history
    assert history is not None
    household.kept = "encrypted"

    def full(*_: object, **__: object) -> None:
        raise HistoryNotSaving("The disk is full: the history cannot be saved.", "Free some space.")

    async def script(hands: Hands) -> None:
        await hands.opened()
        with monkeypatch.context() as patch:
            create = History.create_chat
            patch.setattr(
                History, "create_chat", lambda self, **facts: (full if self is history else create)(self, **facts)
            )
            patch.setattr(History, "move_into", full)  # stands for a disk that is full for a while
            await hands.say("What is 48 + 37?")
            await hands.until(lambda: "not being saved" in hands.text())
            await hands.answered()
            assert "85" in hands.text()
            assert history.count() == 0
            assert hands.chat.unsaved
        await hands.until(lambda: history.count() == 1)
        await hands.until(lambda: not hands.chat.unsaved)
        await hands.say("Hello")
        await hands.answered()
        row = history.rows(0, 9)[0]
        assert [turn.content for turn in history.path(row.id) if turn.role == "user"] == ["What is 48 + 37?", "Hello"]

    drive(app, script, size=(120, 40))
