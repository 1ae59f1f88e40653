"""Search: what is found, what of the original text is highlighted, and that no question is an error."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from edgemind.chat import search
from edgemind.chat.history import History
from edgemind.chat.types import Hit
from edgemind.chat.words import folded, phrases, spans


@pytest.fixture
def history() -> Iterator[History]:
    history = History.in_memory()
    yield history
    history.close()


def said(history: History, *texts: str, title: str = "") -> str:
    chat = history.create_chat(title=title)
    parent = None
    for text in texts:
        parent = history.add_turn(chat.id, parent, "user", text).id
    return chat.id


def marked(hit: Hit) -> list[str]:
    return [hit.snippet[start:end] for start, end in hit.spans]


@pytest.mark.parametrize(
    ("text", "question", "found"),
    [
        ("The Quick brown fox", "quick FOX", ["Quick", "fox"]),
        ("The quick brown fox", "qui bro", None),
        ("The quick brown fox", "quick bro", ["quick", "brown"]),
        ("The quick brown fox", '"quick brown"', ["quick brown"]),
        ("The quick brown fox", '"quick fox"', None),
        ("The quick brown fox", '"quick bro"', None),
        ("The quick brown fox", '"quick bro', None),
        ("über Ärzte, Straße", "uber arzte STRASSE", ["über", "Ärzte", "Straße"]),
        ("uber strasse", "Über Straße", ["uber", "strasse"]),
        ("cafe\u0301 au lait", "café", ["cafe\u0301"]),
        ("naïve ﬁnance Ａ１", "naive finance a1", ["naïve", "ﬁnance", "Ａ１"]),
        ("snake_case and foo-bar.baz", "case foo-bar", ["case", "foo-bar"]),
        ("snake_case and foo-bar.baz", "bar-foo", None),
        ("昨日、東京都へ行きました。", "東京", ["東京"]),
        ("昨日、東京都へ行きました。", "京都", ["京都"]),
        ("昨日、東京都へ行きました。", "都東", None),
        ("ｶﾀｶﾅ と がっこう", "カタカナ か\u3099っこう", ["ｶﾀｶﾅ", "がっこう"]),
        ("患者的血压很高", "血压", ["血压"]),
        ("학교에서 만나요", "학교", ["학교"]),
        ("ผู้ป่วยมีไข้สูง", "ไข้", ["ไข้"]),
        ("मरीज़ को बुखार है", "बुखार", ["बुखार"]),
        ("Доктор сказал", "ДОКТОР", ["Доктор"]),
        ("عِلْم الطب", "علم", ["عِلْم"]),
        ("İstanbul ŒUVRE", "istanbul", ["İstanbul"]),
        ("a 120/80 mmHg reading", "120/80", ["120/80"]),
        ("½ a pill", "1/2 pill", ["½", "pill"]),
        ("👩‍⚕️ said 5 µg", "5 μg", ["5", "µg"]),
    ],
)
def test_what_is_found_and_marked(history: History, text: str, question: str, found: list[str] | None) -> None:
    said(history, "something else", text)
    hits = history.search(question)
    assert [marked(hit) for hit in hits] == ([found] if found else [])
    if found:
        assert hits[0].snippet == text


HOSTILE = (
    *(
        "",
        " ",
        '"',
        '""',
        '"""',
        "'",
        "*",
        "-",
        "+",
        "^",
        "(",
        ")",
        "()",
        "a AND",
        "NOT",
        "NOT a",
        "OR OR",
        "NEAR(a b)",
    ),
    *(
        "a*",
        "*a",
        "content:a",
        "{a b}:c",
        "a:b:c",
        '"a" *',
        '"a',
        "a\x00b",
        "\ud800",
        "\ud83d\ude00",
        "\x1b[2J",
        "%",
        "_",
    ),
    *(
        "a" * 100_000,
        "a " * 100_000,
        '"a" ' * 5_000,
        "(" * 5_000,
        "\u0301" * 500,
        "日" * 5_000,
        "\u200b",
        "ﷺ",
        "½ ⒈ ㎏",
    ),
    "'; DROP TABLE chats; --",
)


def test_no_question_is_an_error(history: History) -> None:
    said(history, "a b c and or not near content 日本", title="a (b) * c")
    for question in HOSTILE:
        history.search(question)
    assert len(history.search("a AND", limit=5)) == 1
    assert history.search("a", limit=0) == history.search("a", limit=-1) == []


def test_no_text_is_an_error(history: History) -> None:
    """Random text goes in, is found by its own words, marked where they stand, and taken out again."""
    random_ = random.Random(3)
    alphabet = "aàB ß\n日本ก็ไ中\u0301\u200d\ud800'\"*()-:^{}\x00\x1b1½ﷺﬁ한é" + "e\u0301Ⅳ٣०"
    kept = []
    for number in range(60):
        text = "".join(random_.choices(alphabet, k=random_.randint(0, 60)))
        turn = history.add_turn(said(history, title=text), None, "user", text)
        if number % 3 == 0:
            history.delete_turn(turn.id)
        else:
            kept.append(turn)
    for turn in kept:
        stored = history.turn(turn.id).content
        words = folded(stored).split()
        if words:
            hits = {hit.turn for hit in history.search(f'"{random_.choice(words)}"', limit=500)}
            assert turn.id in hits
    for turn in kept:
        history.delete_chat(turn.chat)
    assert history.search("a", limit=500) == [hit for hit in history.search("a", limit=500) if hit.turn is None]


def test_the_index_is_sound_after_changes(history: History) -> None:
    chat = said(history, "one", "two", title="first title")
    history.update_chat(chat, title="second title")
    assert (history.search("first"), len(history.search("second"))) == ([], 1)
    with history._database.writing() as connection:
        for table in ("message_words", "title_words"):
            connection.execute(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
    history.delete_chat(chat)
    with history._database.writing() as connection:
        assert connection.execute("SELECT count(*) FROM message_words_docsize").fetchone() == (0,)


def test_titles_come_first_then_the_newest(history: History) -> None:
    said(history, "needle one")
    named = said(history, title="the needle chat")
    said(history, "needle two")
    hits = history.search("needle")
    assert [(hit.turn is None, hit.snippet) for hit in hits] == [
        (True, "the needle chat"),
        (False, "needle two"),
        (False, "needle one"),
    ]
    assert hits[0].chat.id == named


def test_one_chat_does_not_hide_the_others(history: History) -> None:
    other = said(history, "needle in another chat")
    loud = said(history, *[f"needle {number}" for number in range(30)])
    assert [hit.chat.id for hit in history.search("needle", limit=6)] == [loud] * 5 + [other]
    assert len(history.search("needle", limit=20)) == 20
    assert len(history.search("needle", limit=100)) == 31


def test_a_snippet_is_a_part_of_the_original_around_what_was_found(history: History) -> None:
    text = "Öl " * 2_000 + "then\nthe\tneedle\r\nstood " + "there " * 2_000
    said(history, text)
    (hit,) = history.search("needle")
    assert len(hit.snippet) < 400
    assert marked(hit) == ["needle"]
    assert hit.snippet.startswith("…Öl ")
    assert hit.snippet.endswith("…")
    assert hit.snippet[1:-1] in text.translate({9: " ", 10: " ", 13: " "})


def test_places_in_many_long_texts_are_found_within_bounds(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SEARCHED", 1_000)
    long = "Ein Satz mit Wörtern. " * 500
    with history.transaction():
        for number in range(12):
            said(history, long + ("die Nadel hier" if number else "die Nâdel hier"))
    hits = history.search("nadel")
    assert len(hits) == 12
    assert [marked(hit) for hit in hits[:11]] == [["Nadel"]] * 11
    assert (hits[11].spans, hits[11].snippet[:9]) == ((), "Ein Satz ")


def test_thoughts_are_searched_too(history: History) -> None:
    chat = history.create_chat().id
    history.add_turn(chat, None, "assistant", "the answer", reasoning="weighing the evidence")
    history.add_turn(chat, None, "note", "the evidence of a note is not")
    (hit,) = history.search("evidence")
    assert (hit.snippet, marked(hit)) == ("weighing the evidence", ["evidence"])
    (hit,) = history.search("answer weighing")
    assert marked(hit) == ["answer"]


def test_words_of_a_question() -> None:
    assert list(map(str, phrases('foo-bar "a b" las'))) == ['"foo bar"', '"a b"', '"las" *']
    assert list(map(str, phrases("日本"))) == ['"日 本" *']
    assert phrases("?! --") == ()
    assert len(phrases("a b " * 100)) == 16


def test_spans_of_phrases_that_overlap() -> None:
    assert list(spans("a b a b c", phrases('"a b a" "b c"'))) == [(0, 5), (6, 9)]
    assert list(spans("", phrases("x"))) == []
