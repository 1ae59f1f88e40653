"""One- and two-step stories with numbers, worked line by line."""

from __future__ import annotations

import random
import re
from functools import cache

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.language.blocks import read_sections
from edgemind.distill.problems.language.slots import proper, pseudo_word
from edgemind.distill.problems.language.stories import Story, stories
from edgemind.distill.problems.language.working import apply, work_line
from edgemind.distill.problems.numeric.checking import last_number
from edgemind.distill.problems.numeric.phrasing import dress

WORDS = read_sections("story_words.txt")
NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
DISTRACTORS = (
    "{n} is {d} years old.", "It is {d} degrees outside.", "The shop opens at {d}.", "{n} lives at number {d}.",
    "{n} has {d} cousins.", "The street has {d} houses.", "There are {d} people in line.", "{n} woke up at {d}.",
    "The walk took {d} minutes.", "{m} is {d} years old.", "The bag weighs {d} kg.", "The school has {d} rooms.",
)  # fmt: skip
SIGNS = {"dollars": "$", "euros": "€", "pounds": "£"}


@cache
def number_forms(entry: str) -> tuple[str, str]:
    """Singular and plural of an entry of the word lists."""
    one, mark, many = entry.partition("/")
    return one, many if mark else one + "s"


def step(value: int, sign: str, operand: int) -> tuple[int, str, int]:
    """Left number, sign and right number of one operation on ``value``; ``r`` subtracts the other way round."""
    return (operand, "-", value) if sign == "r" else (value, sign, operand)


def draw_operand(rng: random.Random, value: int, sign: str, low: int, high: int) -> int:
    """What ``sign`` may take on ``value``, or 0 when nothing fits."""
    if sign == "+":
        return rng.randint(low or 2, high or rng.choice((20, 60, 99)))
    if sign == "-":
        top = min(value - 2, high or 999)
        return rng.randint(low or 2, top) if top >= (low or 2) else 0
    if sign == "r":
        return min(999, value + rng.randint(2, 60)) if rng.random() < 0.6 else 10 * (value // 10 + rng.randint(1, 5))
    if sign == "×":
        return rng.randint(low or 2, high or 9) if value <= 99 else 0
    fits = [n for n in range(2, 11) if value % n == 0 and value // n >= 2]
    return rng.choice(fits) if fits else 0


def numbers_for(rng: random.Random, story: Story) -> list[int]:
    """The start and the operands of a story: every value from 2 to 999 and whole."""
    signs = list(story.operations)
    while True:
        low, high = story.ranges.get("a", (0, 0))
        if signs[0] == "÷":
            start = rng.randint(2, rng.choice((9, 12, 25))) * rng.randint(2, 9)
        elif signs[0] == "×":
            start = rng.randint(2, rng.choice((9, 20, 60, 99)))
        else:
            start = rng.randint(3, rng.choice((20, 60, 99)))
        if high:
            start = rng.randint(low, high)
        made, value = [start], start
        for letter, sign in zip("bc", signs, strict=False):
            operand = draw_operand(rng, value, sign, *story.ranges.get(letter, (0, 0)))
            left, shown, right = step(value, sign, operand)
            if operand < 2 or (shown == "-" and left - right < 2):
                break
            value = apply(left, shown, right)
            made.append(operand)
        if len(made) == len(signs) + 1 and 2 <= value <= 999:
            return made


def someone(rng: random.Random) -> tuple[str, str, str]:
    """A name with "he" and "his" or "she" and "her"."""
    male = rng.random() < 0.5
    draw = rng.random()
    if draw < 0.16:
        name = proper(rng)
    else:
        name = rng.choice(WORDS[("role-" if draw < 0.26 else "") + ("he" if male else "she")])
    return (name, "he", "his") if male else (name, "she", "her")


def things(rng: random.Random, slot: str) -> tuple[str, str]:
    """Singular and plural of something to count."""
    if slot == "thing" and rng.random() < 0.05:
        word = pseudo_word(rng, 2)
        return word, word + "s"
    one, many = number_forms(rng.choice(WORDS[slot]))
    if slot == "thing" and rng.random() < 0.12:
        adjective = rng.choice(WORDS["adjective"])
        return f"{adjective} {one}", f"{adjective} {many}"
    return one, many


def capitals(text: str) -> str:
    """Every sentence of ``text`` with a capital letter."""
    return re.sub(r"(^|(?<!Mr)(?<!Mrs)(?<!Ms)[.?] )([a-z])", lambda m: m.group(1) + m.group(2).upper(), text)


def articles(text: str) -> str:
    """``text`` with "an" before a vowel."""
    return re.sub(r"\b([Aa]) (?=[aeio])", r"\1n ", text)


def money_signs(text: str) -> str:
    """``12 dollars`` as ``$12``."""
    return re.sub(r"(\d+) (dollars|euros|pounds)", lambda m: SIGNS[m.group(2)] + m.group(1), text)


def spelled(text: str) -> str:
    """Small numbers as words."""
    return re.sub(
        r"(?<![\d$€£:])\b\d{1,2}\b(?! ?(km|cm|ml|g|kg)\b)",
        lambda m: NUMBER_WORDS[int(m[0])] if int(m[0]) <= 20 else m[0],
        text,
    )


class WordProblems:
    """Stories."""

    name = "word_problems"
    description = "one- and two-step stories with whole numbers mostly below 100"
    levels = 2

    def sample(self, rng: random.Random, level: int) -> Problem:
        """1: one operation; 2: two."""
        story = rng.choice(stories()[level])
        made = numbers_for(rng, story)
        slots = self.slots(rng)
        slots.update({letter: str(value) for letter, value in zip("abc", made, strict=False)})
        prompt = self.told(rng, story, slots)
        slots.update({letter: re.sub("^my ", "your ", slots[letter]) for letter in "nmk"})
        value, lines = made[0], [story.working[0].format(**slots)]
        for label, sign, operand in zip(story.working[1:], story.operations, made[1:], strict=True):
            left, shown, right = step(value, sign, operand)
            lines += work_line(label.format(**slots), left, shown, right)
            value = apply(left, shown, right)
        answer = capitals(articles(story.answer.format(x=value, **slots)))
        key = f"word:{story.name}:" + ":".join(map(str, made))
        return Problem(self.name, key, prompt, capitals("\n".join(lines)), answer, str(value), level)

    @staticmethod
    def slots(rng: random.Random) -> dict[str, str]:
        """Who and what the story is about."""
        people: list[tuple[str, str, str]] = []
        while len(people) < 3:
            person = someone(rng)
            if person[0] not in [p[0] for p in people]:
                people.append(person)
        (one, many), (other, _) = things(rng, "thing"), things(rng, "thing")
        animal, second = rng.sample(WORDS["animal"], 2)
        return {
            "n": people[0][0], "s": people[0][1], "h": people[0][2], "m": people[1][0], "k": people[2][0],
            "o": many, "o1": one, "p1": other,
            "food": things(rng, "food")[1], "plant": things(rng, "plant")[1], "cur": rng.choice(WORDS["cur"]),
            "animal": number_forms(animal)[1], "animal1": number_forms(animal)[0], "animal2": number_forms(second)[1],
        }  # fmt: skip

    @staticmethod
    def told(rng: random.Random, story: Story, slots: dict[str, str]) -> str:
        """The story as somebody might type it."""
        if story.wholes and rng.random() < 0.2:
            text = rng.choice(story.wholes)
        else:
            telling, question = rng.choice(story.tellings), rng.choice(story.questions)
            aside = ""
            if rng.random() < 0.08:
                aside = " " + rng.choice(DISTRACTORS).replace("{d}", str(rng.randint(5, 40)))
                if not story.answer.startswith("{n}"):
                    aside = "" if "{n}" in aside or "{m}" in aside else aside
            text = f"{telling}{aside} {question}"
        text = capitals(articles(text.format(**slots)))
        if rng.random() < 0.3:
            text = money_signs(text)
        if rng.random() < 0.08:
            text = capitals(spelled(text))
        return dress(rng, text)

    def check(self, problem: Problem, answer: str) -> bool:
        """The last number is the result."""
        return last_number(answer) == problem.result
