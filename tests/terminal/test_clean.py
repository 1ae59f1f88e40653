import itertools
import time
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from edgemind.terminal import clean, clean_line

ANY_CHARACTER = st.characters(codec=None, categories=None)
HOSTILE = st.sampled_from(
    [
        "\x1b]52;c;cHduZWQ=\x07",
        "\x1b[2J\x1b[H",
        "\x1bP0;1|17/ab\x1b\\",
        "\x9b31m",
        "\x9d0;title\x9c",
        "\r",
        "\x08\x08",
        "\x7f",
        "\u202etxt.exe",
        "\u2066\u2069",
        "a\u200bb",
        "\U000e0041\U000e007f",
        "\u2028",
        "\ud800",
        "plain",
        "ligne été",
        "漢字",
        "\n\t",
    ]
)
TEXTS = st.lists(st.one_of(st.text(ANY_CHARACTER, max_size=20), HOSTILE), max_size=12).map("".join)

ACTING = set(range(0x20)) - {0x09, 0x0A} | set(range(0x7F, 0xA0)) | set(range(0xD800, 0xE000))


def is_safe(text: str) -> bool:
    return not any(
        ord(character) in ACTING
        or unicodedata.bidirectional(character) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
        or character in "\u200b\u200c\u200d\u200e\u200f\u061c\u2028\u2029\u2060\ufeff\u00ad\u3164\u034f"
        or 0xE0000 <= ord(character) <= 0xE0FFF
        for character in text
    )


@given(TEXTS)
def test_nothing_that_acts_or_hides_is_left(text: str) -> None:
    assert is_safe(clean(text))


@given(TEXTS)
def test_cleaned_text_can_be_written_as_utf8(text: str) -> None:
    clean(text).encode()


@given(TEXTS, st.lists(st.integers(0, 300), max_size=8))
def test_splitting_anywhere_gives_the_same(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    assert "".join(clean(piece) for piece in pieces) == clean(text)


@given(TEXTS)
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = clean(text)
    assert clean(once) == once


FILLERS = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Mn", "Zs"], exclude_characters=FILLERS)))
def test_ordinary_text_of_any_script_is_kept(text: str) -> None:
    kept = "".join(c for c in text if unicodedata.name(c, "").find("VARIATION SELECTOR") < 0)
    assert clean(kept) == kept


@given(TEXTS)
def test_one_line_stays_one_line(text: str) -> None:
    shown = clean_line(text)
    assert is_safe(shown)
    assert shown.splitlines() in ([], [shown])
    assert "\t" not in shown


def test_what_is_shown_instead() -> None:
    assert clean("a\x1b[1m\x00\r\n\tb") == "a␛[1m␀␍\n\tb"
    assert clean("\x7f\x85\x9b\udc80é") == "\ufffd\ufffd\ufffd\ufffdé"
    assert clean("pay\u202egnp.exe") == "pay<U+202E>gnp.exe"
    assert clean("a\u200db\U000e0041") == "a<U+200D>b<U+E0041>"
    assert clean("\ufeff\u2028") == "<U+FEFF><U+2028>"
    assert clean("❤\ufe0f ✔\ufe0e x\ufe00") == "❤\ufe0f ✔\ufe0e x<U+FE00>"
    assert clean_line("two\nlines\t") == "two␊lines␉"


def test_every_default_ignorable_of_this_python_is_caught() -> None:
    """Format characters (Cf) are hidden, but for those that Unicode draws: the prepended and Egyptian marks."""
    drawn = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
    drawn |= set(range(0x13430, 0x13440))
    left = [c for c in range(0x110000) if unicodedata.category(chr(c)) == "Cf" and clean(chr(c)) == chr(c)]
    assert set(left) <= drawn


def test_cleaning_is_fast_enough_for_any_stream() -> None:
    """Processor time, and the best of five: the machine may be busy with other things."""
    text = "an ordinary line of text, as models write them\n" * 100_000

    def seconds() -> float:
        started = time.process_time()
        clean(text)
        return time.process_time() - started

    assert len(text) / min(seconds() for _ in range(5)) > 50e6
