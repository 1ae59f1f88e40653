"""Addition, subtraction, multiplication and division of whole numbers, in columns."""

from __future__ import annotations

import random
import re

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.numeric.checking import last_number
from edgemind.distill.problems.numeric.columns import add_steps, divide_steps, subtract_steps, times_digit
from edgemind.distill.problems.numeric.phrasing import dress

EXPRESSIONS = (
    "{e}", "{e}", "{e}", "{e} =", "{e} = ?", "{e}?", "What is {e}?", "What is {e}?", "What's {e}?", "whats {e}",
    "How much is {e}?", "Calculate {e}.", "Compute {e}.", "Work out {e}.", "Solve {e}.", "Evaluate {e}.",
    "Find {e}.", "What does {e} equal?", "What is the result of {e}?", "What is the value of {e}?", "{e} equals?",
    "{e} is what?", "Give me the answer to {e}.", "Compute: {e}", "Calculate: {e}", "What do you get for {e}?",
    "What does {e} make?", "Can you solve {e}?", "Can you do {e}?", "How do I calculate {e}?", "What will {e} be?",
)  # fmt: skip
"""Ways to ask for an expression ``{e}`` with an operator or an operator word in it."""


def number(rng: random.Random, most_digits: int) -> int:
    """A number of 1 to ``most_digits`` digits, every length as likely, with more round ones than chance gives."""
    digits = rng.randint(1, most_digits)
    value = rng.randint(0 if digits == 1 else 10 ** (digits - 1), 10**digits - 1)
    return value - value % 10 if digits > 1 and rng.random() < 0.06 else value


def between(rng: random.Random, parts: tuple[int, ...], signs: tuple[str, ...], words: tuple[str, ...]) -> str:
    """The numbers joined by one operator: a sign with or without spaces, or a word."""
    if rng.random() < 0.35:
        return f" {rng.choice(words)} ".join(map(str, parts))
    joint = rng.choice(signs)
    return (f" {joint} " if rng.random() < 0.65 else joint).join(map(str, parts))


def ask(rng: random.Random, expression: str, sentences: tuple[str, ...], parts: tuple[int, ...]) -> str:
    """A dressed question: about the expression, or one of the operation's own sentences."""
    if rng.random() < 0.62:
        return dress(rng, rng.choice(EXPRESSIONS).format(e=expression))
    return dress(rng, rng.choice(sentences).format(*parts))


class Addition:
    """Two numbers of up to 4 digits, or three of up to 2."""

    name = "addition"
    description = "two numbers up to 4 digits, or three up to 2 digits"
    levels = 4

    pairs = (
        "Add {0} and {1}.", "Add {0} to {1}.", "What is the sum of {0} and {1}?", "Sum of {0} and {1}",
        "Find the sum of {0} and {1}.", "Compute the sum of {0} and {1}.", "Sum {0} and {1}.", "Total of {0} and {1}?",
        "How much is {0} and {1} together?", "What do you get when you add {0} and {1}?",
        "What is {0} increased by {1}?", "What is {1} more than {0}?", "If I add {0} and {1}, what do I get?",
        "Put {0} and {1} together.", "{0} and {1} makes what?", "What do {0} and {1} add up to?",
        "What is the total of {0} and {1}?", "What is {0} added to {1}?", "How much do {0} and {1} make?",
        "Increase {0} by {1}.", "I have {0} and get {1} more. How many now?",
    )  # fmt: skip
    triples = (
        "Add {0}, {1} and {2}.", "What is the sum of {0}, {1} and {2}?", "Sum {0}, {1}, {2}.",
        "Find the total of {0}, {1} and {2}.", "How much is {0}, {1} and {2} together?", "Add up {0}, {1} and {2}.",
        "What do {0}, {1} and {2} add up to?", "Sum of {0}, {1} and {2}",
    )  # fmt: skip

    def sample(self, rng: random.Random, level: int) -> Problem:
        """Levels 1 to 4 bound the digits of two addends; from level 2 on some problems have three."""
        if level >= 2 and rng.random() < 0.22:
            parts: tuple[int, ...] = tuple(number(rng, 2) for _ in range(3))
        else:
            parts = (number(rng, level), number(rng, level))
            if level > 1 and max(parts) < 10:
                parts = (rng.randint(10, 10**level - 1), parts[1])
        expression = between(rng, parts, ("+",), ("plus", "plus", "and", "added to") if len(parts) == 2 else ("plus",))
        total = sum(parts)
        shown = " + ".join(map(str, parts))
        prompt = ask(rng, expression, self.pairs if len(parts) == 2 else self.triples, parts)
        key = "add:" + ":".join(map(str, sorted(parts)))
        return Problem(self.name, key, prompt, "\n".join(add_steps(parts)), f"{shown} = {total}.", str(total), level)

    def check(self, problem: Problem, answer: str) -> bool:
        """The last number is the sum."""
        return last_number(answer) == problem.result


class Subtraction:
    """Two numbers of up to 4 digits; the result may be negative."""

    name = "subtraction"
    description = "two numbers up to 4 digits, negative results included"
    levels = 4

    sentences = (
        "Subtract {1} from {0}.", "Take {1} from {0}.", "Take {1} away from {0}.", "What is {1} less than {0}?",
        "What is the difference of {0} and {1}?", "Reduce {0} by {1}.", "Decrease {0} by {1}.",
        "What is {0} reduced by {1}?", "What is left if I take {1} from {0}?",
        "What do you get when you subtract {1} from {0}?", "What is {1} subtracted from {0}?",
        "What remains when {1} is taken from {0}?", "If I have {0} and lose {1}, what is left?", "{0} take away {1}",
        "What is {0} take away {1}?", "Find the result of {0} less {1}.", "What is {0} without {1}?",
        "How much is {0} less {1}?", "What do I have left from {0} after taking {1}?",
        "How much more is {0} than {1}?", "Deduct {1} from {0}.",
    )  # fmt: skip

    def sample(self, rng: random.Random, level: int) -> Problem:
        """The level bounds the digits."""
        a, b = number(rng, level), number(rng, level)
        if a < b and rng.random() < 0.7:
            a, b = b, a
        expression = between(rng, (a, b), ("-", "-", "-", "−", "–"), ("minus", "minus", "take away", "less"))
        prompt = ask(rng, expression, self.sentences, (a, b))
        swapped = [f"{a} < {b}, so the result is negative."] if a < b else []
        lines = [*swapped, *subtract_steps(max(a, b), min(a, b))]
        key = f"sub:{a}:{b}"
        return Problem(self.name, key, prompt, "\n".join(lines), f"{a} - {b} = {a - b}.", str(a - b), level)

    def check(self, problem: Problem, answer: str) -> bool:
        """The last number is the difference."""
        return last_number(answer) == problem.result


class Multiplication:
    """Up to 3 digits by 1, 2 digits by 2, and powers of ten."""

    name = "multiplication"
    description = "up to 3 digits by 1 digit, 2 digits by 2 digits, and by 10, 100, 1000"
    levels = 4

    sentences = (
        "Multiply {0} by {1}.", "Multiply {0} and {1}.", "What is the product of {0} and {1}?",
        "Product of {0} and {1}", "Find the product of {0} and {1}.", "What do you get when you multiply {0} by {1}?",
        "What is {0} multiplied by {1}?", "How much is {0} times {1}?", "What is {0} lots of {1}?",
        "How many are {0} groups of {1}?", "Compute the product of {0} and {1}.",
        "If I multiply {0} with {1}, what do I get?", "{0} groups of {1}, how many in total?",
        "Work out the product of {0} and {1}.", "What is the result of multiplying {0} by {1}?", "Take {0} times {1}.",
    )  # fmt: skip

    def sample(self, rng: random.Random, level: int) -> Problem:
        """1: tables; 2: 2 digits by 1, powers of ten; 3: 3 digits by 1; 4: 2 digits by 2."""
        if level == 1:
            a, b = rng.randint(0, 10), rng.randint(0, 10)
        elif level == 2 and rng.random() < 0.3:
            a, b = number(rng, 3), rng.choice((10, 100, 1000))
        elif level <= 3:
            a, b = rng.randint(10, 99 if level == 2 else 999), rng.randint(0 if rng.random() < 0.1 else 2, 9)
        else:
            a, b = rng.randint(11, 99), rng.randint(11, 99)
        if rng.random() < 0.35:
            a, b = b, a
        expression = between(rng, (a, b), ("*", "*", "x", "×", "X"), ("times", "times", "multiplied by", "by"))
        prompt = ask(rng, expression, self.sentences, (a, b))
        key = f"mul:{min(a, b)}:{max(a, b)}"
        return Problem(self.name, key, prompt, self.thought(a, b), f"{a} × {b} = {a * b}.", str(a * b), level)

    @staticmethod
    def thought(a: int, b: int) -> str:
        """Zeros appended for a power of ten, one line for a digit, else two partial products and their sum."""
        for value, power in ((a, b), (b, a)):
            if power in (10, 100, 1000):
                zeros = len(str(power)) - 1
                return f"{power} has {zeros} zero{'s' * (zeros > 1)}.\nAppend to {value}: {value * power}."
        long, short = (a, b) if len(str(a)) >= len(str(b)) else (b, a)
        if short < 10:
            return times_digit(long, short)
        tens, ones = divmod(short, 10)
        partial = (long * ones, long * tens * 10)
        return "\n".join(
            (
                f"{short} = {tens * 10} + {ones}.",
                times_digit(long, ones),
                times_digit(long, tens),
                f"Append 0: {partial[1]}.",
                *add_steps(partial),
            )
        )

    def check(self, problem: Problem, answer: str) -> bool:
        """The last number is the product."""
        return last_number(answer) == problem.result


class Division:
    """Up to 4 digits by 1 digit, or by 10, 11 or 12, with remainder."""

    name = "division"
    description = "up to 4 digits by 2 to 12, with remainder"
    levels = 3

    sentences = (
        "Divide {0} by {1}.", "What is {0} divided by {1}?", "How many times does {1} go into {0}?",
        "Share {0} among {1}.", "Split {0} into {1} equal parts.", "What is the quotient of {0} and {1}?",
        "{0} divided by {1} with remainder", "What is the remainder when {0} is divided by {1}?",
        "Divide {0} by {1} with remainder.", "What do you get when you divide {0} by {1}?",
        "How often does {1} fit into {0}?", "What is {0} divided by {1} and the remainder?", "What is {0} mod {1}?",
        "How many {1}s are in {0}?", "Find the quotient and remainder of {0} divided by {1}.",
        "What is {0} split by {1}?", "Work out {0} divided by {1}.", "If I divide {0} by {1}, what do I get?",
        "What is the result of dividing {0} by {1}?", "Calculate the quotient of {0} and {1}.",
        "Divide {0} into {1} equal groups.",
    )  # fmt: skip

    def sample(self, rng: random.Random, level: int) -> Problem:
        """1: up to 2 digits; 2: up to 3; 3: up to 4. A third of the problems leave no remainder."""
        divisor = rng.choice((2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
        digits = rng.randint(2, level + 1) if rng.random() < 0.9 else 1
        value = rng.randint(10 ** (digits - 1), 10**digits - 1)
        if rng.random() < 0.33:
            value = max(divisor, value - value % divisor)
        quotient, rest = divmod(value, divisor)
        expression = between(rng, (value, divisor), ("/", "/", "÷", ":"), ("divided by", "divided by", "over"))
        prompt = ask(rng, expression, self.sentences, (value, divisor))
        result = f"{quotient} remainder {rest}" if rest else str(quotient)
        thought = "\n".join(divide_steps(value, divisor))
        key = f"div:{value}:{divisor}"
        return Problem(self.name, key, prompt, thought, f"{value} ÷ {divisor} = {result}.", result, level)

    def check(self, problem: Problem, answer: str) -> bool:
        """Quotient and remainder after the last equals sign, or the only numbers; remainder 0 may be said."""
        said, wanted = (
            [number.lstrip("0") or "0" for number in re.findall(r"\d+", text)]
            for text in (answer.rsplit("=", 1)[-1], problem.result)
        )
        return said in (wanted, [*wanted, "0"]) if len(wanted) == 1 else said == wanted
