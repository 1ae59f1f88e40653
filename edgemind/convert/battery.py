"""Texts on which tokenizers differ when they differ: scripts, spaces, digits, code, marks, emoji.

Composed here rather than listed, so that every kind comes in several places of a text. Special tokens are put in by
``texts``. Not for: measuring quality.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Literal, cast

SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "I've told them they're late; we'll see if he'd come, 'cause it's what you'd do.",
    "I'VE TOLD THEM THEY'RE LATE; WE'LL SEE IF HE'D COME.",
    "camelCase PascalCase snake_case SCREAMING_CASE kebab-case iPhone McDonald HTTPServer2 x86_64",
    "Größere Bäume überstehen Stürme nicht öfter; Füße, Maß, Straße.",
    "Où est l'été? Ça va, naïve garçon, œuvre, à Noël.",
    "El niño comió mañana ¿verdad? ¡Sí, señor!",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň. Őrült ötlet.",
    "İstanbul'da ığdır ağacı; Iğdır'ın şeker'i.",
    "Tiếng Việt có nhiều dấu: ở, ữ, ặ, ẵ.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "الجو جميل اليوم، أليس كذلك؟ ١٢٣٤٥",
    "שלום עולם, מה שלומך היום?",
    "आज मौसम अच्छा है, है ना? १२३४५",
    "আজ আবহাওয়া ভালো। বাংলা ভাষা।",
    "இன்று வானிலை நன்றாக உள்ளது.",
    "วันนี้อากาศดี ใช่ไหม ๑๒๓",
    "ဒီနေ့ ရာသီဥတု ကောင်းတယ်။",
    "កាន់តែពិសេសអាច",
    "დღეს კარგი ამინდია.",
    "Այսօր լավ եղանակ է։",
    "今天天气很好，我们去公园吧。第3章：1234年",
    "今日は天気がいいですね。カタカナとひらがな、漢字。ﾊﾝｶｸ",
    "오늘은 날씨가 좋네요. 한국어 문장입니다.",
    "ሰላም ዓለም።",
    "ᚠᚢᚦᚨᚱᚲ ⠓⠑⠇⠇⠕ 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝒜 𝟘𝟙𝟚",
    "Ⅷ ½ ² ₃ ① ㊷ ５６ ٣ ৪",
    "ПриВет МИРмир ΑΒγδ éÉcole ÉCOLEécole ŻółĆ ǅ",
    "naïve cafe\u0301 e\u0301\u0323 n\u0303 A\u030a",
    "a\u200bb\u200cc\u200dd\ufeffe\u00adf\u2060g",
    "left\u202eright\u202c \u2066x\u2069",
    "🙂 🚀 👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇩🇪🇫🇷 1️⃣ ❤️ ☎",
    "∀x∈ℝ: x²≥0 ⇒ ∑_{i=1}^n aᵢ ≈ ∫f(x)dx ≠ ∞ ± √2",
    "€100 £5.50 ¥1,000 ₹20 $3 ¢ 50% 5‰ №7 §3 ¶ † ‡ • … — – ‐ « » „ “ ” ‘ ’",
    "=> -> <- != == === !== >= <= && || ++ -- ** // /* */ # @ ^ ~ ` \\ | {} [] () <>",
    "https://example.org/path?q=1&r=%20x#frag user@example.org C:\\dir\\file.txt /usr/lib/x.so.1",
    "3.14159 1e-9 0xDEADBEEF 0b1010 1_000_000 12,345,678.90 2024-02-29T23:59:59Z 192.168.0.1",
)

CODE = (
    'def f(x: int) -> int:\n    """Doc."""\n    return x ** 2 if x > 0 else -x\n\n\nprint(f(3))\n',
    "for (int i = 0; i < n; ++i) {\n\tsum += a[i] * b[i];\t// dot\n}\n",
    "SELECT id, COUNT(*) FROM t WHERE a <> 'b''c' GROUP BY id HAVING COUNT(*) > 10;",
    "<div class=\"a b\" id='c'>\n  <!-- x -->\n  &nbsp;&lt;tag/&gt;\n</div>",
    '{"key": [1, 2.5, null, true, "va\\"lue"], "nested": {"a": {}}}',
    'fn main() {\r\n    let s = String::from("é");\r\n    println!("{s:?}");\r\n}\r\n',
    "#!/bin/sh\nset -eu\nfor f in *.txt; do echo \"$f\" | sed 's/a/b/g'; done\n",
    "\\begin{equation}\n  \\frac{a}{b} = \\sqrt{c}\\,\n\\end{equation}",
    "| a | b |\n|---|---|\n| 1 | 2 |\n\n- item\n  - sub\n\n```py\nx=1\n```\n",
    "class A<T> extends B implements C { @Override public void run() { throw new X(); } }",
)

SPACES = (
    *(" ", "  ", "   ", "    ", "        ", " " * 17, "\t", "\t\t", "\n", "\n\n", "\n\n\n", "\r\n", "\r\n\r\n", "\r"),
    *(" \n", "\n ", " \n ", "\t\n", "\n\t", "  \n  ", "\u00a0", "\u2003", "\u3000", "\u2028", "\u0085", " \u00a0 "),
)
NUMBERS = (
    *("1234567890"[:length] for length in range(1, 11)),
    *("00", "007", "1 2 3", "12 345 678", "1a2b3", "v1.2.3"),
)
MARKS = tuple("!?.,;:'\"-_/\\()[]{}<>@#$%^&*+=|~`")
EMOJI = ("🙂", "👩‍👩‍👧", "👍🏽", "🇩🇪", "1️⃣", "🦙🦙")


def texts(special: Sequence[str] = ()) -> list[str]:
    """Every text of the battery, once.

    Args:
        special: the tokenizer's special and added tokens; some texts have them inside.
    """
    return list(dict.fromkeys((*_plain(), *_with(special))))


def normalized(text: str, form: str) -> str:
    """The text in a Unicode form; as it is for an empty one."""
    return unicodedata.normalize(cast("Literal['NFC', 'NFD', 'NFKC', 'NFKD']", form), text) if form else text


def _plain() -> Iterator[str]:
    yield from SENTENCES
    yield from CODE
    for space in SPACES:
        yield from (space, f"{space}word", f"word{space}", f"two{space}words", f"a{space}{space}1")
    for number in NUMBERS:
        yield from (number, f" {number}", f"x{number}y", f"{number}.", f"-{number}")
    for mark in MARKS:
        yield from (mark, f"{mark}{mark}{mark}", f" {mark} ", f"a{mark}b", f"{mark}\n")
    for emoji in EMOJI:
        yield from (emoji, f"{emoji}{emoji}", f" {emoji}a", f"a{emoji} b")
    for sentence in SENTENCES[:24]:
        yield from (f" {sentence}", sentence.upper(), f"{sentence}\n{sentence[::-1]}")
    for left, right in itertools.pairwise(SENTENCES):
        yield f"{left[:19]}{right[-17:]}"
    yield from (
        "a",
        "A",
        " a",
        "aa",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "Ab",
        "aB",
        "ABc",
        "'s",
        " 's",
        "x's",
        "x'S",
        "X'LL",
    )


def _with(special: Sequence[str]) -> Iterator[str]:
    for token in special:
        yield from (
            token,
            f"{token}word",
            f"word{token}",
            f"a {token} b",
            f"{token}\n{token}",
            token[:-1],
            f"{token}{token}",
        )
