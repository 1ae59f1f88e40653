"""Written arithmetic, place by place: the steps that every numeric thought is built from.

Each step is one small table look-up for a small model, and each line reads as a person would write it.
"""

from __future__ import annotations

PLACES = ("Ones", "Tens", "Hundreds", "Thousands", "Ten thousands", "Hundred thousands")


def line_up(numbers: tuple[int, ...], sign: str) -> str:
    """The first line: all numbers with leading zeros to the same length."""
    width = max(len(str(n)) for n in numbers)
    return "Line up: " + f" {sign} ".join(str(n).zfill(width) for n in numbers)


def digits_from_right(number: int, width: int) -> list[int]:
    """Digits of ``number``, ones first, padded with zeros to ``width``."""
    return [int(d) for d in reversed(str(number).zfill(width))]


def add_steps(numbers: tuple[int, ...]) -> list[str]:
    """Column addition of two or more numbers, ones first, carrying."""
    width = max(len(str(n)) for n in numbers)
    columns = list(zip(*(digits_from_right(n, width) for n in numbers), strict=True))
    lines = [line_up(numbers, "+")]
    carry = 0
    for place, column in zip(PLACES, columns, strict=False):
        total = column[0]
        sums = []
        for position, digit in enumerate(column[1:], start=2):
            extra = carry if position == len(column) else 0
            after = total + digit + extra
            sums.append(f"{total} + {digit}" + (f" + {extra}" if extra else "") + f" = {after}")
            total = after
        carry, digit = divmod(total, 10)
        lines.append(f"{place}: {', '.join(sums)}, write {digit}" + (f", carry {carry}." if carry else "."))
    if carry:
        lines.append(f"{PLACES[width]}: write {carry}.")
    return lines


def subtract_steps(larger: int, smaller: int) -> list[str]:
    """Column subtraction ``larger - smaller`` (``larger >= smaller >= 0``), ones first, borrowing."""
    width = len(str(larger))
    lines = [line_up((larger, smaller), "-")]
    borrowed = 0
    written = ""
    pairs = zip(PLACES, digits_from_right(larger, width), digits_from_right(smaller, width), strict=False)
    for place, top, bottom in pairs:
        note = f"{bottom} + 1 = {bottom + 1}, " if borrowed else ""
        take = bottom + borrowed
        borrowed = int(top < take)
        if borrowed:
            note += f"{top} < {take}, borrow: "
        value = top + 10 * borrowed
        lines.append(f"{place}: {note}{value} - {take} = {value - take}.")
        written = str(value - take) + written
    return [*lines, f"All digits: {written}."]


def times_digit(number: int, digit: int) -> str:
    """``number`` times one digit in one line: a product per place, with carries, and the result."""
    parts = []
    carry = 0
    digits = digits_from_right(number, len(str(number)))
    for index, place in enumerate(digits):
        product = place * digit
        text = f"{place} × {digit} = {product}"
        if carry:
            text += f", {product} + {carry} = {product + carry}"
        carry, written = divmod(product + carry, 10)
        if index + 1 < len(digits):
            text += f", write {written}" + (f", carry {carry}" if carry else "")
        else:
            text += f", write {10 * carry + written}"
        parts.append(text)
    return f"{number} × {digit}: {'; '.join(parts)}; {number * digit}."


def divide_steps(number: int, divisor: int) -> list[str]:
    """Long division, one line a digit of the quotient, and the digits read together."""
    lines = []
    rest = 0
    quotient = ""
    for digit in str(number):
        current = 10 * rest + int(digit)
        times = current // divisor
        rest = current - times * divisor
        product = times * divisor
        lines.append(f"{divisor} into {current}: {times} × {divisor} = {product}, {current} - {product} = {rest}.")
        quotient += str(times)
    return [*lines, f"All digits: {quotient}, rest {rest}."]
