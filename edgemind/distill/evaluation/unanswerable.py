"""Questions that a model cannot know the answer to, and whether it says so.

Two sets: factual questions written by hand, which no training problem is made of, for models that were never taught
facts; and questions about things that do not exist, which no model can know. Not for: counting (``evaluate``).
"""

from __future__ import annotations

import random
import re

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.language.unseen import FACT_QUESTIONS_UNSEEN

FACTS, INVENTED = "unseen facts", "invented things"

_TEMPLATES = (
    "What is the capital of {place}?",
    "In which year did {person} write {work}?",
    "Who was the first president of {place}?",
    "How high is Mount {name}?",
    "What did {person} win the {name} Prize for?",
    "How long is the river {name} in {place}?",
    "Who composed the opera {work}?",
    "What is the {name} effect in physics named after?",
    "How many people live in the town of {name}?",
    "Which company makes the {name} 300 camera?",
    "What happened at the battle of {name}?",
    "Who directed the 1987 film {work}?",
    "What is the boiling point of {name}ium?",
    "Which team did {person} play for in 2009?",
    "When was the {name} bridge opened?",
)
_STARTS = ("Vel", "Tor", "Quen", "Bra", "Ysm", "Dro", "Kel", "Ora", "Zan", "Mur", "Fen", "Gly", "Hax", "Ith", "Plo")
_MIDDLES = ("us", "and", "or", "ib", "esh", "il", "umb", "ar", "ock", "enn", "av", "ol")
_ENDS = ("tria", "wick", "mar", "dale", "oth", "ine", "una", "holm", "eth", "aro", "stan", "vik", "essa", "or")
_FIRST = ("Elda", "Joram", "Sibyl", "Teodor", "Maren", "Caspar", "Odile", "Ruben", "Ingrid", "Bastian")
_WORKS = ("The Last {name}", "Songs of {name}", "A Winter in {name}", "The Clocks of {name}", "{name} Rising")

_DECLINES = re.compile(
    r"\b(?:"
    r"(?:do|does|did|could|can|would)(?: not|n't)(?: \w+){0,2} "
    r"(?:know|have (?:any )?(?:information|knowledge|data|record|access)|find|recall|recogni[sz]e|understand|verify|"
    r"confirm|answer|exist|help|tell|provide|write|do)"
    r"|cannot|can't"
    r"|(?:am|is|was|are|i'm|it's|we're)(?: not|n't) (?:aware|familiar|sure|certain|able|known|a real|real)"
    r"|unable to|unfamiliar with|unaware of|not sure"
    r"|no (?:such|record|information|known|knowledge|idea|evidence|mention)"
    r"|fictional|fictitious|made[- ]up|imaginary"
    r"|(?:may|might) not exist|not exist"
    r")\b",
    re.IGNORECASE,
)


def declines(answer: str) -> bool:
    """Whether an English answer says that it does not know, cannot, or that there is no such thing: by its words."""
    return bool(_DECLINES.search(answer.replace("\u2019", "'")))


def unseen_facts() -> list[Problem]:
    """The hand-written ones."""
    return [_asked(FACTS, text) for text in FACT_QUESTIONS_UNSEEN]


def invented_things(count: int = 100, seed: int = 1) -> list[Problem]:
    """So many different ones, the same for a seed."""
    rng = random.Random(f"{seed}:invented")
    found: dict[str, None] = {}
    while len(found) < count:
        work = rng.choice(_WORKS).format(name=_name(rng))
        person = f"{rng.choice(_FIRST)} {_name(rng)}"
        template = rng.choice(_TEMPLATES)
        found[template.format(place=_name(rng), name=_name(rng), person=person, work=work)] = None
    return [_asked(INVENTED, text) for text in found]


def _asked(family: str, text: str) -> Problem:
    return Problem(family=family, key=f"{family}:{text}", prompt=text, thought="", answer="", result="decline")


def _name(rng: random.Random) -> str:
    return rng.choice(_STARTS) + rng.choice(_MIDDLES) + rng.choice(_ENDS)
