"""Filling the slots of a question: from the lists in ``slots.txt``, or with invented names and words."""

from __future__ import annotations

import random
from functools import cache

from edgemind.distill.problems.language.blocks import read_sections

ONSETS = (
    "b", "br", "c", "ch", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kr", "l", "m", "n", "p", "pr", "qu", "r",
    "s", "sh", "sk", "st", "t", "th", "tr", "v", "w", "y", "z", "bl", "gl", "", "",
)  # fmt: skip
VOWELS = (
    "a", "e", "i", "o", "u", "a", "e", "o", "ai", "ea", "ou", "ie", "y",
)  # fmt: skip
CODAS = (
    "", "", "", "n", "r", "l", "s", "t", "m", "nd", "rk", "x", "ng", "th", "ck", "lt",
)  # fmt: skip
PLACE_ENDS = (
    "ville", "burg", "stan", "land", "ia", "ton", "ford", "grad", "mouth", "field", "shire", "heim", "ac", "ona",
    "dorf", "by", "ham", "",
)  # fmt: skip
SCIENCE_ENDS = (
    "osis", "itis", "ium", "ology", "ase", "ine", "ism", "ide", "ane", "ography", "onomy", "ism", "ation", "ics",
    "gen", "oid",
)  # fmt: skip
FIRST_NAMES = (
    "Anna", "Boris", "Carla", "David", "Elena", "Felix", "Greta", "Hugo", "Irina", "Jonas", "Karin", "Louis",
    "Maria", "Nils", "Olga", "Pedro", "Ruth", "Samuel", "Tanja", "Urs", "Vera", "William", "Yuki", "Zoe", "Ahmed",
    "Fatima", "Chen", "Priya", "Kofi", "Amara", "John", "James", "Robert", "Mary", "Linda", "Peter", "Paul",
    "George", "Emily", "Sarah", "Thomas", "Henry", "Jean", "Marie", "Hans", "Giovanni", "Ivan",
)  # fmt: skip
LAST_NAMES = (
    "Smith", "Jones", "Brown", "Miller", "Garcia", "Rossi", "Schmidt", "Dubois", "Ivanov", "Kowalski", "Tanaka",
    "Nguyen", "Kim", "Singh", "Khan", "Okafor", "Mbeki", "Larsen", "Virtanen", "Novak", "Silva", "Lopez", "Moreau",
    "Weber", "Fischer", "Costa", "Murphy", "Wilson", "Clark",
)  # fmt: skip
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
EVENTS = (
    "the Battle of {}", "the Battle of {}", "the {} War", "the Treaty of {}", "the {} Revolution", "the siege of {}",
    "the fall of {}",
)  # fmt: skip
TITLES = ("The {}", "{}", "The {} of {}", "{} and {}", "The Last {}", "My {}")
DATES = (
    "{day} {month} {year}",
    "{month} {day}, {year}",
    "{month} {year}",
    "{day} {month}",
    "{year}-{number:02d}-{day:02d}",
)
INVENTED = {
    "country": 0.2, "city": 0.35, "person": 0.45, "topic": 0.3, "event": 0.35, "species": 0.25, "chemical": 0.25,
    "drug": 0.35, "disease": 0.25, "work": 0.3, "company": 0.35, "thing": 0.2, "place": 0.35, "team": 0.3, "dish": 0.15,
    "word": 0.4, "language": 0.1,
}  # fmt: skip
"""How often a slot gets an invented name."""
LISTS = read_sections("slots.txt")
KEYS = "asdfghjklqwertyuiopzxcvbnm"


def pseudo_word(rng: random.Random, syllables: int = 0) -> str:
    """A word that can be said but means nothing."""
    count = syllables or rng.choice((1, 2, 2, 3))
    return "".join(rng.choice(ONSETS) + rng.choice(VOWELS) + rng.choice(CODAS) for _ in range(count))


def proper(rng: random.Random, end: str = "") -> str:
    """An invented proper name."""
    return (pseudo_word(rng, rng.choice((1, 2, 2))) + end).capitalize()


def invented(rng: random.Random, slot: str) -> str:
    """An invented filling of ``slot``."""
    if slot == "person":
        first = rng.choice(FIRST_NAMES) if rng.random() < 0.6 else proper(rng)
        return f"{first} {rng.choice(LAST_NAMES) if rng.random() < 0.4 else proper(rng)}"
    if slot in ("country", "city", "place"):
        name = proper(rng, rng.choice(PLACE_ENDS))
        return rng.choice(("Mount ", "Lake ", "the ", "the river ", "Castle ", "")) + name if slot == "place" else name
    if slot == "event":
        return rng.choice(EVENTS).format(rng.choice(LISTS["city"]) if rng.random() < 0.3 else proper(rng))
    if slot in ("topic", "chemical", "drug", "disease"):
        return pseudo_word(rng, rng.choice((1, 2))) + rng.choice(SCIENCE_ENDS)
    if slot == "work":
        return rng.choice(TITLES).format(proper(rng), proper(rng))
    if slot == "language":
        return proper(rng, rng.choice(("ish", "ese", "ian")))
    if slot in ("company", "team"):
        return proper(rng) + rng.choice(("", "", " Inc", " United", " & Co"))
    return pseudo_word(rng)


def fill_slot(rng: random.Random, slot: str) -> str:
    """A filling of the slot named ``slot``."""
    if slot == "year":
        return str(rng.choice((rng.randint(1000, 2040), rng.randint(1700, 2030), rng.randint(1900, 2025))))
    if slot == "date":
        day, month, year = rng.randint(1, 28), rng.choice(MONTHS), fill_slot(rng, "year")
        return rng.choice(DATES).format(day=day, month=month, year=year, number=rng.randint(1, 12))
    if slot == "num":
        return str(rng.choice((rng.randint(2, 20), rng.randint(2, 100), 10 * rng.randint(1, 50))))
    if slot == "keys":
        return " ".join("".join(rng.choice(KEYS) for _ in range(rng.randint(2, 9))) for _ in range(rng.randint(1, 4)))
    if slot == "pseudo":
        return pseudo_word(rng)
    if slot == "pseudos":
        return " ".join(pseudo_word(rng) for _ in range(rng.randint(2, 6)))
    if rng.random() < INVENTED.get(slot, 0.0):
        return invented(rng, slot)
    return rng.choice(LISTS[slot])


@cache
def pieces(template: str) -> tuple[tuple[str, str], ...]:
    """``template`` as pairs of literal text and the slot after it (empty at the end)."""
    found = []
    rest = template
    while "{" in rest:
        before, _, rest = rest.partition("{")
        slot, _, rest = rest.partition("}")
        found.append((before, slot))
    return (*found, (rest, ""))


def fill(rng: random.Random, template: str) -> str:
    """``template`` with every ``{slot}`` filled."""
    return "".join(text + (fill_slot(rng, slot) if slot else "") for text, slot in pieces(template))
