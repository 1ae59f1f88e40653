"""Search over all chats, in a real history."""

from __future__ import annotations

from hosting import Host, ask, until
from textual.pilot import Pilot
from textual.widgets import Input

from edgemind.chat.history import History
from edgemind.chat.types import ChatRow, Hit
from edgemind.errors import HistoryProblem
from edgemind.tui.screens.search import SearchScreen, row, shortened, snippet


def filled() -> History:
    history = History.in_memory()
    for number in range(12):
        chat = history.create_chat(title=f"Chat {number}")
        words = "the quick brown fox" if number % 3 else "a walrus in the harbour"
        history.add_turn(chat.id, None, "user", f"{words} number {number}")
    return history


def test_hits_appear_while_typing_and_enter_opens_the_chosen_one() -> None:
    history = filled()

    async def search(pilot: Pilot[None], app: Host) -> None:
        await pilot.press(*"walrus")
        await until(pilot, lambda: "4 hits in 4 chats" in app.picture())
        assert "a walrus in the harbour number" in app.picture()
        await pilot.press("down", "enter")
        await pilot.pause()

    app = ask(lambda: SearchScreen(history.search), then=search)
    hit = app.results[0]
    assert hit.turn == history.search("walrus", 10)[1].turn


def test_what_is_not_found_is_said_and_operators_are_words() -> None:
    history = filled()

    async def search(pilot: Pilot[None], app: Host) -> None:
        await pilot.press(*'"zebra" OR (')
        await until(pilot, lambda: "Nothing found." in app.picture())
        app.screen.query_one(Input).value = ""
        await until(pilot, lambda: "Nothing found." not in app.picture())

    ask(lambda: SearchScreen(history.search), then=search)


def test_a_history_that_cannot_be_searched_is_said() -> None:
    def broken(text: str, limit: int) -> list[Hit]:
        raise HistoryProblem("The history is closed.", "Unlock it.")

    async def search(pilot: Pilot[None], app: Host) -> None:
        await until(pilot, lambda: "The history is closed. Unlock it." in app.picture())

    ask(lambda: SearchScreen(broken, "x"), then=search)


def test_a_click_opens_a_hit() -> None:
    history = filled()

    async def search(pilot: Pilot[None], app: Host) -> None:
        await until(pilot, lambda: "hits" in app.picture())
        await pilot.click("OptionList", offset=(5, 0))
        await pilot.pause()

    assert ask(lambda: SearchScreen(history.search, "fox"), then=search).results[0].turn is not None


def test_what_matched_is_highlighted_also_behind_characters_that_are_replaced() -> None:
    text = "\x1b\u202e a walrus swims"
    hit = Hit(ChatRow("c", "Title", 0.0), "t", text, ((text.index("walrus"), text.index("walrus") + 6),))
    shown = snippet(hit, 60)
    marked = [shown.plain[span.start : span.end] for span in shown.spans if "bold" in str(span.style)]
    assert marked == ["walrus"]
    assert shown.plain == "␛<U+202E> a walrus swims"


def test_a_match_far_behind_is_brought_into_view() -> None:
    text = "word " * 50 + "walrus" + " word" * 50
    hit = Hit(ChatRow("c", "Title", 0.0), "t", text, ((250, 256),))
    for width in (10, 30, 70):
        shown = snippet(hit, width).plain
        assert shown.startswith("…")
        assert "walrus" in shown
        assert len(shown) <= width
    assert len(row(hit, 40).plain.splitlines()) == 2


def test_shortening_counts_cells() -> None:
    assert shortened("日本語日本語", 5) == "日本…"
    assert shortened("abc", 3) == "abc"
    assert shortened("abc", 1) == "…"
