"""Conversions between units of length, mass, volume and time, in whole numbers."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.numeric.columns import divide_steps, times_digit
from edgemind.distill.problems.numeric.phrasing import dress


@dataclass(frozen=True)
class Unit:
    """A unit's short form, its name, and its plural name."""

    short: str
    one: str
    many: str


UNITS = {
    u.short: u
    for u in (
        Unit("mm", "millimeter", "millimeters"), Unit("cm", "centimeter", "centimeters"), Unit("m", "meter", "meters"),
        Unit("km", "kilometer", "kilometers"), Unit("g", "gram", "grams"), Unit("kg", "kilogram", "kilograms"),
        Unit("ml", "milliliter", "milliliters"), Unit("l", "liter", "liters"), Unit("s", "second", "seconds"),
        Unit("min", "minute", "minutes"),
        Unit("h", "hour", "hours"), Unit("d", "day", "days"), Unit("wk", "week", "weeks"),
    )
}  # fmt: skip
PAIRS = (
    ("km", "m", 1000), ("m", "cm", 100), ("cm", "mm", 10), ("m", "mm", 1000), ("kg", "g", 1000), ("l", "ml", 1000),
    ("min", "s", 60), ("h", "min", 60), ("d", "h", 24), ("wk", "d", 7),
)  # fmt: skip
"""Larger unit, smaller unit, how many of the smaller make one of the larger."""

ASK = (
    "Convert {a} to {u}.", "Convert {a} to {u}.", "Convert {a} into {u}.", "What is {a} in {u}?",
    "How many {u} are in {a}?", "How many {u} is {a}?", "{a} in {u}", "{a} to {u}", "{a} in {u}?", "{a} = ? {u}",
    "How many {u} are there in {a}?", "Change {a} to {u}.", "Express {a} in {u}.", "How much is {a} in {u}?",
    "Write {a} in {u}.", "Turn {a} into {u}.", "What's {a} in {u}?", "{a} is how many {u}?",
    "{a} equals how many {u}?", "Give {a} in {u}.", "How many {u} make {a}?", "What does {a} equal in {u}?",
    "{a} into {u}", "I have {a}. How many {u} is that?", "How many {u} do {a} have?", "Calculate {a} in {u}.",
    "{a} are how many {u}?", "How many {u} does {a} have?", "Please convert {a} to {u}.",
)  # fmt: skip


def name(unit: str, count: int) -> str:
    """The unit's full name for ``count`` of it."""
    return UNITS[unit].one if count == 1 else UNITS[unit].many


def spelled(rng: random.Random, text: str) -> str:
    """British spelling now and then."""
    return text.replace("meter", "metre").replace("liter", "litre") if rng.random() < 0.2 else text


def amounts(text: str) -> list[tuple[str, str]]:
    """Every number with a unit after it, as the number and the unit's short form."""
    plain = text.lower().replace("metre", "meter").replace("litre", "liter")
    found = re.findall(r"(?<![\d,])([\d,]+)\s*([a-z]+)", plain)
    known = {form: u.short for u in UNITS.values() for form in (u.short, u.one, u.many)}
    return [(count.replace(",", ""), known[unit]) for count, unit in found if unit in known]


class Units:
    """From a larger unit to a smaller one and back; minutes also to hours and minutes."""

    name = "units"
    description = "mm/cm/m/km, g/kg, ml/l up to 3 digits; s/min/h up to 99; days and weeks"
    levels = 2

    def sample(self, rng: random.Random, level: int) -> Problem:
        """1: metric units; 2: also units of time."""
        large, small, factor = rng.choice(PAIRS[:6] if level == 1 else PAIRS)
        metric = factor % 10 == 0 and factor != 60
        count = rng.randint(1, 999 if metric and rng.random() < 0.5 else {60: 99, 24: 10, 7: 60}.get(factor, 20))
        if factor == 60 and rng.random() < 0.3:
            return self.mixed(rng, large, small, level)
        up = rng.random() < 0.5
        if up:
            lines, value, source, result, target = self.to_larger(count, factor), count * factor, small, count, large
        else:
            lines, value, source, result, target = self.to_smaller(count, factor), count, large, count * factor, small
        lines.insert(0, f"1 {name(large, 1)} = {factor} {name(small, factor)}.")
        return self.problem(rng, (value, source), target, lines, f"{result} {name(target, result)}", level)

    @staticmethod
    def to_smaller(count: int, factor: int) -> list[str]:
        """Multiply: append zeros, or use the written method."""
        if factor == 24:
            return [", ".join(f"{i}: {24 * i}" for i in range(1, count + 1)) + "."]
        if factor == 7:
            return [times_digit(count, 7)]
        if factor == 60:
            return [times_digit(count, 6), f"Append 0: {count * 60}."]
        zeros = len(str(factor)) - 1
        return [f"Append {zeros} zero{'s' * (zeros > 1)} to {count}: {count * factor}."]

    @staticmethod
    def to_larger(count: int, factor: int) -> list[str]:
        """Divide: drop zeros, or use the written method."""
        value = count * factor
        if factor == 24:
            return [", ".join(f"{i}: {24 * i}" for i in range(1, count + 1)) + "."]
        if factor == 7:
            return divide_steps(value, 7)
        if factor == 60:
            return [f"Drop 0 from {value} and from 60: {value // 10} and 6.", *divide_steps(value // 10, 6)]
        zeros = len(str(factor)) - 1
        return [f"Drop {zeros} zero{'s' * (zeros > 1)} from {value}: {count}."]

    def mixed(self, rng: random.Random, large: str, small: str, level: int) -> Problem:
        """Minutes as hours and minutes, or seconds as minutes and seconds."""
        count, rest = rng.randint(1, 9), rng.randint(1, 59)
        value = 60 * count + rest
        lines = [
            f"1 {name(large, 1)} = 60 {name(small, 60)}.",
            ", ".join(f"{i}: {60 * i}" for i in range(1, count + 1)) + ".",
        ]
        lines.append(f"{value} - {60 * count} = {rest}.")
        result = f"{count} {name(large, count)} {rest} {name(small, rest)}"
        target = rng.choice((f"{name(large, 2)} and {name(small, 2)}", name(large, 2), f"{large} and {small}"))
        return self.problem(rng, (value, small), target, lines, result, level)

    def problem(
        self, rng: random.Random, source: tuple[int, str], target: str, lines: list[str], result: str, level: int
    ) -> Problem:
        """Dress the question; the unit is written in short or in full."""
        value, unit = source
        short = rng.random() < 0.45 and unit in ("mm", "cm", "m", "km", "g", "kg", "ml", "l", "s", "min", "h")
        amount = (
            (f"{value} {unit}" if rng.random() < 0.6 else f"{value}{unit}") if short else f"{value} {name(unit, value)}"
        )
        wanted = target
        if target in UNITS:
            wanted = target if short and target not in ("d", "wk") else UNITS[target].many
        prompt = dress(rng, spelled(rng, rng.choice(ASK).format(a=amount, u=wanted)))
        answer = f"{value} {name(unit, value)} = {result}."
        return Problem(self.name, f"unit:{value}:{unit}:{wanted[:2]}", prompt, "\n".join(lines), answer, result, level)

    def check(self, problem: Problem, answer: str) -> bool:
        """The amounts after the last equals sign (or the last ones of the text) are the result's, units included."""
        wanted = amounts(problem.result)
        return amounts(answer.rsplit("=", 1)[-1])[-len(wanted) :] == wanted
