"""Knowing what one does not know: everything beyond the other families is declined, in one of a few fixed ways."""

from __future__ import annotations

import hashlib
import random
import re
from functools import cache

from edgemind.distill.problems.base import Problem, split_of
from edgemind.distill.problems.language.blocks import read_lines
from edgemind.distill.problems.language.dressing import slip, typed
from edgemind.distill.problems.language.slots import fill

HINT = "A larger model can help: run `edgemind recommend`, then `edgemind pull NAME`."
TEXTS = {
    "facts": "I am edgemind-nano, a very small model, and I do not know facts like this; I would only be guessing.",
    "writing": "I am edgemind-nano, a very small model, and I cannot write or rework texts.",
    "math": "I am edgemind-nano, a very small model, and I cannot do this kind of math; "
    "I only know whole-number arithmetic in small ranges.",
    "code": "I am edgemind-nano, a very small model, and I cannot do this; I only know small Python functions.",
    "advice": "I am edgemind-nano, a very small model, and I cannot give opinions or advice that you could rely on.",
    "action": "I am edgemind-nano, a very small model, and I cannot do this; I only write short texts here.",
    "unclear": "I am edgemind-nano, a very small model, and I do not understand this. "
    "I know small sums, sorting, counting, units, times and word problems.",
    "language": "I am edgemind-nano, a very small model, and I do not understand this language; "
    "I only know simple English.",
}
"""The first half of the answer, by kind."""

THOUGHTS = {
    "facts": "This asks for a fact about the world.\nI was not trained on facts, so anything I said would be a guess.",
    "writing": "This asks me to write or rework a text.\nI was not trained to write texts.",
    "math": "This is math outside my range.\nI was trained on small whole numbers only.",
    "code": "This asks for code beyond small Python functions.\nI was not trained on that.",
    "advice": "This asks for an opinion or advice.\nI have no knowledge to base it on.",
    "action": "This asks me to do something on a device.\nI can only write text.",
    "unclear": "This is not a question that I understand.",
    "language": "This is not in English.\nI was trained on English only.",
}
SHARES = {
    "facts": 0.54, "writing": 0.1, "math": 0.12, "code": 0.07, "advice": 0.06, "action": 0.04, "unclear": 0.05,
    "language": 0.02,
}  # fmt: skip
"""How often a kind is drawn."""

RESERVED_SHARE = 0.08
"""This share of templates is held out as a whole."""

CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
OPENERS = (
    "Do you know: ", "Please answer: ", "I wonder, ", "Just curious: ", "My son asks: ", "For a quiz: ",
    "Be honest: ", "Answer briefly: ", "Important: ", "Serious question: ", "I forgot: ", "Can you help? ",
    "A question for you: ", "I bet you don't know this: ", "For school: ", "Answer this: ", "Without guessing: ",
    "Help! ", "One last thing: ", "By the way, ",
)  # fmt: skip
ENDINGS = (
    " Answer in one word.", " Answer in one sentence.", " Be brief.", " Answer with a number only.",
    " I need it for school.", " It is urgent.", " Don't make anything up.", " Are you sure?", " Just the answer.",
    " Any idea?", " Use Markdown.", " I'm curious.", " Take your time.", " Give a short answer.",
    " In English please.", " A guess is fine.", " Please be exact.", " Use at most {num} words.",
    " I am {num} years old.", " In {num} words please.", " It was {num} years ago, I think.", " My guess is {num}.",
    " Is it {num}?", " I think it was in {year}.", " Question {num} of {num}.", " I have {num} minutes.",
)  # fmt: skip


SIGNS = ("+", "-", "*", "/", "×", "÷", "plus", "minus", "times", "divided by")
EXPRESSIONS = (
    "x^{a}", "{a}x + {b}", "sin(x)", "x^2 + {a}x + {b}", "e^x", "{a}x^2", "ln(x)",
    "(x + {a})(x - {b})", "1/x", "cos({a}x)",
)  # fmt: skip
EQUATIONS = (
    "{a}x + {b} = {c}", "x + {b} = {c}", "{a}x = {c}", "x^2 = {c}", "x^2 + {a}x + {b} = 0", "{c} - x = {b}",
    "x/{a} = {c}",    "{a}y - {b} = {c}", "x + y = {c} and x - y = {b}", "2(x + {a}) = {c}",
)  # fmt: skip


@cache
def templates() -> dict[str, tuple[str, ...]]:
    """Every template by kind."""
    found: dict[str, list[str]] = {}
    for name in ("declining_facts.txt", "declining_other.txt"):
        kind = ""
        for line in read_lines(name):
            if re.fullmatch(r"\[\w+\]", line):
                kind = line[1:-1]
                found[kind] = []
            else:
                found[kind].append(line)
    return {kind: tuple(lines) for kind, lines in found.items()}


@cache
def reserved_key(template: str) -> str:
    """The held-out key of a template that is held out as a whole, or an empty string."""
    digest = hashlib.sha256(f"template:{template}".encode()).digest()
    if int.from_bytes(digest[:4], "big") >= RESERVED_SHARE * 2**32:
        return ""
    return next(key for key in (f"decline:{template}#{n}" for n in range(100_000)) if split_of(key) == "heldout")


def choose(rng: random.Random, template: str) -> str:
    """``template`` with one branch of every ``(a|b)`` taken, the inner ones first."""
    while found := CHOICE.search(template):
        template = template[: found.start()] + rng.choice(found.group(1).split("|")) + template[found.end() :]
    return template


def number_slots(rng: random.Random, template: str) -> str:
    """``template`` with the slots of mathematics filled: what is outside the range of the numeric families."""

    def one(found: re.Match[str]) -> str:
        a, b, c = rng.randint(2, 20), rng.randint(1, 99), rng.randint(2, 99)
        match found.group(1):
            case "long" | "big" as size:
                digits = rng.choice((5, 5, 6, 6, 7, 8, 9, 10) if size == "long" else (4, 4, 5, 6, 7))
                return str(rng.randint(10 ** (digits - 1), 10**digits - 1))
            case "odd":
                return str(rng.randint(13, 999))
            case "sign":
                return rng.choice(SIGNS)
            case "fraction":
                return f"{rng.randint(1, 9)}/{rng.randint(2, 12)}"
            case "decimal":
                return f"{rng.randint(0, 99)}.{rng.randint(1, 99)}"
            case "expression":
                return rng.choice(EXPRESSIONS).format(a=a, b=b)
            case _:
                return rng.choice(EQUATIONS).format(a=a, b=b, c=c)

    return re.sub(r"\{(long|big|odd|sign|fraction|decimal|expression|equation)\}", one, template)


class Declining:
    """Everything the model cannot know or do."""

    name = "declining"
    description = "declines facts, writing, advice, actions, larger code, harder math and what it does not understand"
    levels = 1

    def sample(self, rng: random.Random, level: int) -> Problem:
        """A kind, one of its templates, and fillings."""
        kind = rng.choices(list(SHARES), list(SHARES.values()))[0]
        template = rng.choice(templates()[kind])
        core = " ".join(fill(rng, number_slots(rng, choose(rng, template))).split())
        key = reserved_key(template) or f"decline:{core}"
        prompt = self.dressed(rng, kind, core)
        return Problem(self.name, key, prompt, THOUGHTS[kind], f"{TEXTS[kind]} {HINT}", "decline", level)

    @staticmethod
    def dressed(rng: random.Random, kind: str, core: str) -> str:
        """A way that someone might type ``core``."""
        if kind in ("unclear", "language"):
            return core.lower() if kind == "language" and rng.random() < 0.2 else core
        text = core[:1].upper() + core[1:] if rng.random() < 0.8 else core
        if rng.random() < 0.06:
            text = rng.choice(OPENERS) + text
        if rng.random() < 0.08:
            text += fill(rng, rng.choice(ENDINGS))
        text = typed(rng, text, 0.1 if kind != "math" else 0.04)
        if rng.random() < 0.03:
            text = slip(rng, slip(rng, text))
        return text

    def check(self, problem: Problem, answer: str) -> bool:
        """It declines, points to larger models, and has no digit in it."""
        text = answer.lower()
        refuses = any(mark in text for mark in ("do not know", "cannot", "do not understand"))
        return refuses and "edgemind pull" in text and not any(sign.isdigit() for sign in answer)
