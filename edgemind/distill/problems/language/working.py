"""One operation of a story as lines: at once for two digits, in columns for longer numbers."""

from __future__ import annotations

from edgemind.distill.problems.numeric.columns import add_steps, divide_steps, subtract_steps, times_digit


def apply(a: int, sign: str, b: int) -> int:
    """The value of ``a sign b``; a division must leave no remainder."""
    if sign == "+":
        return a + b
    if sign == "-":
        return a - b
    if sign == "×":
        return a * b
    return a // b


def work_line(label: str, a: int, sign: str, b: int) -> list[str]:
    """``a sign b`` worked out under ``label``: one line when both have one digit, else the written columns."""
    head = f"{label}: " if label else ""
    result = f"{a} {sign} {b} = {apply(a, sign, b)}."
    if a < 10 and b < 10:
        return [head + result]
    if sign == "+":
        steps = add_steps((a, b))
    elif sign == "-":
        steps = subtract_steps(a, b)
    elif sign == "×":
        steps = [times_digit(max(a, b), min(a, b))]
    else:
        steps = divide_steps(a, b)
    return [f"{head}{a} {sign} {b}.", *steps, result]
