"""How a question is dressed: greetings, politeness, case, punctuation. Shared by the numeric families.

Only questions vary. Thoughts and answers have one wording per problem, so that greedy decoding meets no near-ties.
"""

from __future__ import annotations

import random

PREFIXES = (
    "Hi, ", "Hi! ", "Hello, ", "Hello! ", "Hey, ", "Hey! ", "Hi there! ", "Good morning. ", "Quick question: ",
    "Question: ", "Please help: ", "Help me: ", "Ok, ", "So, ", "Now ", "Problem: ", "Task: ", "Solve: ", "Q: ",
    "One more: ", "Next: ", "I need help with this. ", "For my homework: ", "Math question: ",
)  # fmt: skip
ASKING = (
    "can you tell me ", "could you tell me ", "please tell me ", "tell me ", "do you know ", "I want to know ",
    "I'd like to know ", "I need to know ", "can you work out ", "help me find out ",
)  # fmt: skip
COMMANDING = (
    "please ",
    "can you ",
    "could you ",
    "would you ",
    "could you please ",
    "can you please ",
    "I want you to ",
)
SUFFIXES = (
    " Show your steps.", " Explain your steps.", " Think step by step.", " Show your work.", " Step by step, please.",
    " Please explain.", " Thanks!", " Thank you.", " Please.", " Explain.", " Give the answer only.",
    " How do you get there?", " Let's think step by step.",
)  # fmt: skip


def lower_first(text: str) -> str:
    """``text`` with a small first letter, unless the first word is "I"."""
    return text if text.startswith(("I ", "I'")) else text[:1].lower() + text[1:]


def upper_first(text: str) -> str:
    """``text`` with a capital first letter."""
    return text[:1].upper() + text[1:]


def dress(rng: random.Random, core: str) -> str:
    """A way that someone might type ``core``.

    The ending tells what ``core`` is: ``?`` a question, ``.`` a command, anything else a bare expression.
    """
    text = core
    command = text.endswith(".")
    if command and rng.random() < 0.2:
        opener = rng.choice(COMMANDING)
        text = opener + lower_first(text)
        if opener.startswith(("can", "could", "would")):
            text = text[:-1] + "?"
    elif text.startswith(("What is ", "What's ", "How many ", "How much ", "Which ")) and rng.random() < 0.08:
        text = rng.choice(ASKING) + lower_first(text)
    if rng.random() < 0.1:
        text = rng.choice(PREFIXES) + (lower_first(text) if rng.random() < 0.4 else upper_first(text))
    if rng.random() < 0.12:
        if text[-1] not in ".?!=:":
            text += rng.choice((".", "?", ","))
        text += rng.choice(SUFFIXES)
    elif rng.random() < 0.08:
        text = text.rstrip(".?") + rng.choice((" please", ", please", " please?", " pls", " thanks"))
    elif rng.random() < 0.2:
        text = text.rstrip(".?")
    case = rng.random()
    if case < 0.17:
        return text.lower()
    if case < 0.19:
        return text.upper()
    return upper_first(text) if case < 0.9 else text
