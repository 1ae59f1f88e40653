"""When the app itself is at fault: where and what kind, and no word of a conversation."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from driving import Hands
from textual.worker import WorkerFailed

from edgemind.chat.engines import Engines
from edgemind.chat.history import History
from edgemind.chat.problems import HistoryNotSaving
from edgemind.chat.vault import Vault
from edgemind.settings import Settings
from edgemind.tui import crash
from edgemind.tui.app import EdgemindApp
from edgemind.tui.household import Household

SECRET = "Zebedee has gout"


def fail(secret: str) -> None:
    raise ValueError(f"cannot read {secret}")


def caught(secret: str) -> BaseException:
    try:
        try:
            fail(secret)
        except ValueError as problem:
            raise RuntimeError(secret) from problem
    except RuntimeError as problem:
        return problem


def test_the_report_says_kind_and_place_and_nothing_that_was_said() -> None:
    report = crash.describe(caught(SECRET))
    assert "RuntimeError from ValueError" in report
    assert "test_crash.py" in report
    assert "in caught" in report
    assert SECRET not in report
    assert "Zebedee" not in report


def test_hooks_print_no_more_than_that(capsys: pytest.CaptureFixture[str]) -> None:
    problem = caught(SECRET)
    crash._hook(type(problem), problem, problem.__traceback__)
    crash._hook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert SECRET not in capsys.readouterr().err


def test_a_fault_in_a_key_s_action_ends_the_app_with_that_report(
    app: EdgemindApp, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run() -> None:
        async with app.run_test() as pilot:
            hands = Hands(app, pilot)
            await hands.opened()
            chat = hands.chat

            def broken() -> None:
                secret = SECRET
                raise RuntimeError(secret)

            chat.transcript.toggle_thought = broken  # type: ignore[method-assign]
            await hands.type(SECRET)
            await pilot.press("ctrl+t")
            await hands.until(lambda: app._crash is not None)

    with pytest.raises(RuntimeError):
        asyncio.run(run())
    assert "RuntimeError" in app.crashed
    assert "What was not saved is lost" in app.crashed
    assert SECRET not in app.crashed
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err


def test_a_fault_in_a_worker_too(app: EdgemindApp, capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        async with app.run_test() as pilot:
            hands = Hands(app, pilot)
            await hands.opened()

            async def broken() -> None:
                raise RuntimeError(SECRET)

            hands.chat.behind(broken())
            await hands.until(lambda: app._crash is not None)

    with pytest.raises(WorkerFailed):
        asyncio.run(run())
    assert SECRET not in app.crashed
    printed = capsys.readouterr()
    assert SECRET not in printed.out + printed.err


def test_after_a_fault_what_can_still_be_saved_is(
    engines: Engines, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = Vault(home / "data" / "history")
    opened = vault.create(keyring_secret=b"s" * 32)
    house = Household(engines, Settings(threads=1))
    house.open_vault, house.history, house.kept = opened, opened.history(), "encrypted"
    app = EdgemindApp(house)

    def full(*_: object) -> None:
        raise HistoryNotSaving("The disk is full: the history cannot be saved.", "")

    async def run() -> None:
        async with app.run_test() as pilot:
            hands = Hands(app, pilot)
            await hands.opened()
            with monkeypatch.context() as patch:
                patch.setattr(History, "save_turn", full)  # stands for a disk that is full for a while
                await hands.say(SECRET)
                await hands.answered()
                session = hands.chat.session
                assert session is not None
                assert session.not_saving
                app._handle_exception(RuntimeError(SECRET))
                await hands.until(lambda: app._crash is not None)

    with pytest.raises(RuntimeError):
        asyncio.run(run())
    app.finish()
    assert "in the history" in app.crashed
    assert SECRET not in app.crashed
    opened = vault.unlock(keyring_secret=b"s" * 32)
    history = opened.history()
    assert history.path(history.rows(0, 9)[0].id)[0].content == SECRET
    opened.lock()
