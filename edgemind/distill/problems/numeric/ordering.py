"""Comparing two numbers and sorting short lists."""

from __future__ import annotations

import random

from edgemind.distill.problems.base import Problem
from edgemind.distill.problems.numeric.checking import number_list, numbers
from edgemind.distill.problems.numeric.phrasing import dress


def padded(a: str, b: str) -> tuple[str, str]:
    """Both numbers with the same count of digits before and after the point."""
    whole_a, _, part_a = a.partition(".")
    whole_b, _, part_b = b.partition(".")
    whole, part = max(len(whole_a), len(whole_b)), max(len(part_a), len(part_b))
    point = "." if part else ""
    return (
        f"{whole_a.zfill(whole)}{point}{part_a.ljust(part, '0')}",
        f"{whole_b.zfill(whole)}{point}{part_b.ljust(part, '0')}",
    )


def compare_steps(a: str, b: str) -> list[str]:
    """Digit by digit from the left until two differ."""
    left, right = padded(a, b)
    lines = [f"Line up: {left} and {right}"]
    digits = []
    for x, y in zip(left, right, strict=True):
        if x == ".":
            continue
        sign = "=" if x == y else "<" if x < y else ">"
        digits.append(f"{x} {sign} {y}")
        if x != y:
            break
    lines.append(", ".join(digits) + ".")
    order = "=" if left == right else "<" if left < right else ">"
    return [*lines, f"So {a} {order} {b}."]


CLAIMS = {
    ">": (
        "Is {0} > {1}?", "Is {0} larger than {1}?", "Is {0} greater than {1}?", "Is {0} bigger than {1}?",
        "Is {0} more than {1}?", "True or false: {0} > {1}?", "Is {0} higher than {1}?",
        "Is it true that {0} is larger than {1}?", "{0} > {1}?",
    ),
    "<": (
        "Is {0} < {1}?", "Is {0} smaller than {1}?", "Is {0} less than {1}?", "Is {0} lower than {1}?",
        "{0} < {1}?", "True or false: {0} < {1}?", "Is it true that {0} is less than {1}?",
    ),
    "=": (
        "Is {0} equal to {1}?", "Is {0} = {1}?", "Are {0} and {1} equal?", "Is {0} the same as {1}?",
        "Does {0} equal {1}?", "Are {0} and {1} the same number?",
    ),
}  # fmt: skip
"""Claims about two numbers, by the sign that they state."""


class Comparison:
    """Which of two numbers is larger or smaller, or whether a claim about them holds."""

    name = "comparison"
    description = "two whole numbers up to 5 digits, or decimals with up to 2 places"
    levels = 3

    larger = (
        "Which is larger, {0} or {1}?", "Which is bigger, {0} or {1}?", "Which is greater, {0} or {1}?",
        "Which number is larger: {0} or {1}?", "Which number is bigger, {0} or {1}?", "What is bigger, {0} or {1}?",
        "What's larger: {0} or {1}?", "{0} or {1}, which is larger?", "{0} or {1}: which is bigger?",
        "{0} vs {1}, which is greater?", "Find the larger of {0} and {1}.", "Which of {0} and {1} is larger?",
        "Tell me the bigger number: {0} or {1}.", "What is the maximum of {0} and {1}?", "max({0}, {1})",
        "Which one is more, {0} or {1}?", "Compare {0} and {1}.", "Compare {0} with {1}.",
        "Name the larger number: {0}, {1}.", "Which of these is the largest: {0}, {1}?",
        "Which number is greater? {0} or {1}", "Which is higher, {0} or {1}?", "Give me the greater of {0} and {1}.",
    )  # fmt: skip
    smaller = (
        "Which is smaller, {0} or {1}?", "Which is less, {0} or {1}?", "Which number is smaller: {0} or {1}?",
        "Which number is less, {0} or {1}?", "What is smaller, {0} or {1}?", "{0} or {1}, which is smaller?",
        "{0} or {1}: which is less?", "Find the smaller of {0} and {1}.", "Which of {0} and {1} is smaller?",
        "Tell me the smaller number: {0} or {1}.", "What is the minimum of {0} and {1}?", "min({0}, {1})",
        "Name the smaller number: {0}, {1}.", "Which is lower, {0} or {1}?",
        "Which of these is the smallest: {0}, {1}?", "Give me the lesser of {0} and {1}.",
    )  # fmt: skip

    def value(self, rng: random.Random, level: int) -> str:
        """A number of the level: 1: up to 3 digits, 2: up to 5, 3: decimals."""
        if level < 3:
            digits = rng.randint(1, 3 if level == 1 else 5)
            return str(rng.randint(0 if digits == 1 else 10 ** (digits - 1), 10**digits - 1))
        whole = rng.randint(0, 9 if rng.random() < 0.6 else 99)
        places = rng.choice((0, 1, 1, 1, 2, 2, 2))
        if places == 0:
            return str(whole)
        return f"{whole}.{rng.randint(1, 9)}" if places == 1 else f"{whole}.{rng.randint(0, 9)}{rng.randint(1, 9)}"

    def partner(self, rng: random.Random, a: str, level: int) -> str:
        """The second number: often one that shares leading digits, or the same digits in another order."""
        chance = rng.random()
        if chance < 0.1:
            return a
        if chance < 0.55 and len(a) > 1:
            b = list(a)
            place = rng.randrange(len(b))
            if b[place] != ".":
                b[place] = str(rng.randint(0, 9))
            changed = "".join(b)
            if level == 3 and "." in changed and rng.random() < 0.4:
                changed = changed[:-1] if not changed[:-1].endswith(".") else changed + str(rng.randint(1, 9))
            if "." in changed:
                changed = changed.rstrip("0").rstrip(".")
            return changed if changed.startswith(("0.",)) else changed.lstrip("0") or "0"
        if chance < 0.65 and level < 3:
            return str(int(a[::-1]))
        return self.value(rng, level)

    def sample(self, rng: random.Random, level: int) -> Problem:
        """1: up to 3 digits; 2: up to 5; 3: decimals with up to 2 places."""
        a = self.value(rng, level)
        b = self.partner(rng, a, level)
        left, right = padded(a, b)
        order = "=" if left == right else "<" if left < right else ">"
        words = {"=": "equal to", "<": "less than", ">": "greater than"}[order]
        kind = rng.random()
        if kind < 0.35:
            claim = rng.choice("<<<>>>=")
            prompt = rng.choice(CLAIMS[claim]).format(a, b)
            result = "yes" if claim == order else "no"
            answer = f"{result.capitalize()}, {a} is {words} {b}."
        elif order == "=":
            prompt = rng.choice(self.larger if kind < 0.7 else self.smaller).format(a, b)
            result, answer = "equal", f"They are equal: {a} = {b}."
        else:
            wants_larger = kind < 0.72
            prompt = rng.choice(self.larger if wants_larger else self.smaller).format(a, b)
            low, high = (a, b) if order == "<" else (b, a)
            result = high if wants_larger else low
            answer = f"{high} is larger than {low}." if wants_larger else f"{low} is smaller than {high}."
        key = f"cmp:{min(left, right)}:{max(left, right)}"
        return Problem(self.name, key, dress(rng, prompt), "\n".join(compare_steps(a, b)), answer, result, level)

    def check(self, problem: Problem, answer: str) -> bool:
        """The word yes or no, or that both are equal, or the right number named first."""
        said = answer.strip().lower()
        if problem.result in ("yes", "no"):
            return said.startswith(problem.result)
        if problem.result == "equal":
            own = set(numbers(said)) <= set(numbers(problem.prompt))
            return own and "equal" in said and "not equal" not in said
        found = numbers(said)
        return bool(found) and not said.startswith(("yes", "no")) and "equal" not in said and found[0] == problem.result


class Sorting:
    """Three to six whole numbers in ascending or descending order."""

    name = "sorting"
    description = "3 to 6 whole numbers up to 3 digits, ascending or descending"
    levels = 3

    ascending = (
        "Sort {l}.", "Sort these numbers: {l}", "Sort {l} in ascending order.", "Sort {l} from smallest to largest.",
        "Order {l} from smallest to largest.", "Put {l} in order.", "Put these numbers in order: {l}",
        "Arrange {l} in ascending order.", "Arrange {l} from least to greatest.", "Sort the list {l} ascending.",
        "Sort ascending: {l}", "Sort the numbers {l}.", "Order these from low to high: {l}",
        "What is {l} in ascending order?", "Put {l} in increasing order.", "sort [{l}]", "sorted([{l}])", "Sort: {l}",
        "Rank {l} from smallest to biggest.", "Sort this list: {l}", "Order the numbers {l}.",
        "List {l} from smallest to largest.", "Arrange these numbers in increasing order: {l}",
        "Sort {l} from low to high.",
    )  # fmt: skip
    descending = (
        "Sort {l} in descending order.", "Sort {l} from largest to smallest.", "Order {l} from largest to smallest.",
        "Arrange {l} in descending order.", "Arrange {l} from greatest to least.", "Sort the list {l} descending.",
        "Sort descending: {l}", "Order these from high to low: {l}", "What is {l} in descending order?",
        "Put {l} in decreasing order.", "Sort {l} in reverse order.", "Rank {l} from biggest to smallest.",
        "Sort these numbers from largest to smallest: {l}", "Arrange these numbers in decreasing order: {l}",
        "Sort {l} from high to low.", "Sort these numbers in descending order: {l}",
        "List {l} from biggest to smallest.", "Sort the numbers {l} with the largest first.",
    )  # fmt: skip

    def sample(self, rng: random.Random, level: int) -> Problem:
        """1: 3 or 4 numbers up to 2 digits; 2: up to 5 and 3 digits; 3: up to 6 and 3 digits."""
        count = rng.randint(3, level + 3)
        digits = 2 if level == 1 or rng.random() < 0.35 else 3
        values = [rng.randint(0 if rng.random() < 0.3 else 10 ** (digits - 1), 10**digits - 1) for _ in range(count)]
        descending = rng.random() < 0.42
        joint = rng.choice((", ", ", ", ", ", ",", " "))
        shown = joint.join(map(str, values))
        if joint == ", " and rng.random() < 0.3:
            shown = f"{', '.join(map(str, values[:-1]))}{rng.choice((' and ', ', and '))}{values[-1]}"
        prompt = dress(rng, rng.choice(self.descending if descending else self.ascending).format(l=shown))
        word = "Largest" if descending else "Smallest"
        width = max(len(str(v)) for v in values)
        left, lines = list(values), []
        while len(left) > 1:
            best = max(left) if descending else min(left)
            lines.append(f"{', '.join(str(v).zfill(width) for v in left)}. {word}: {best}.")
            left.remove(best)
        lines.append(f"Last: {left[0]}.")
        result = ", ".join(map(str, sorted(values, reverse=descending)))
        order = "Descending" if descending else "Ascending"
        key = "sort:" + ":".join(map(str, sorted(values)))
        return Problem(self.name, key, prompt, "\n".join(lines), f"{order}: {result}.", result, level)

    def check(self, problem: Problem, answer: str) -> bool:
        """All numbers in the order of the result, and no others."""
        return number_list(answer) == problem.result.split(", ")
