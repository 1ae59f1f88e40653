"""Numbers between bounds, as the digits that they are written with.

Bounded numbers are written without an exponent and with at most 15 digits that count, so that reading them as
floating point does not carry them over a bound.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from edgemind.engine.gbnf import EMPTY, NEVER, Chars, Node, Repeat, chars, choice, optional, seq

DIGITS = 15
"""Of a number without bounds, before the point and after it; more cannot be told apart as floating point."""
MAX_LISTED = 500
"""Multiples written out one by one."""
DIGIT = chars("09")
_COUNT = choice("0", seq(chars("19"), Repeat(DIGIT, 0, DIGITS - 1)))
INTEGER: Node = seq(optional(seq("-")), _COUNT)
NUMBER: Node = seq(
    INTEGER,
    optional(seq(".", Repeat(DIGIT, 1, DIGITS))),
    optional(seq(chars("e", "E"), optional(chars("-", "+")), Repeat(DIGIT, 1, 2))),
)

Bound = tuple[Decimal, bool]
"""A value, and whether it is itself left out."""


def integers(low: Bound | None, high: Bound | None, multiple: Decimal | None) -> Node | None:
    """Whole numbers; None where ``multiple`` is one that no grammar here can hold."""
    if low is None and high is None and multiple is None:
        return INTEGER
    first, last = _whole(low, ROUND_CEILING, 1), _whole(high, ROUND_FLOOR, -1)
    reach = 10**DIGITS - 1
    if first is None:
        first = -reach if last is None else min(-reach, 10 * last)
    if last is None:
        last = max(reach, 10 * first)
    if multiple is None or multiple == 1 or (multiple < 1 and 1 % multiple == 0):
        return _between(first, last, _naturals)
    if multiple != int(multiple):
        return None
    step = int(multiple)
    first, last = -(-first // step), last // step
    if last - first < MAX_LISTED:
        return choice(*(str(number * step) for number in range(first, last + 1)))
    if set(str(step)) == {"0", "1"} and str(step).count("1") == 1:
        return _between(first, last, lambda a, b: _tens(a, b, str(step)[1:]))
    if step in (2, 5) and first < 0 < last and low is None and high is None:
        one, ending = (chars(*"2468"), chars(*"02468")) if step == 2 else (chars("5"), chars("0", "5"))
        many = seq(chars("19"), Repeat(DIGIT, 0, DIGITS - 2), ending)
        return choice("0", seq(optional(seq("-")), choice(one, many)))
    return None


def numbers(low: Bound | None, high: Bound | None, multiple: Decimal | None) -> Node | None:
    """Any numbers; None as for ``integers``."""
    if low is None and high is None and multiple is None:
        return NUMBER
    places = None
    if multiple is not None:
        sign, digits, exponent = multiple.normalize().as_tuple()
        if multiple >= 1:
            return integers(low, high, multiple)
        if sign or digits != (1,) or not isinstance(exponent, int):
            return None
        places = -exponent
    reach = Decimal(10**DIGITS - 1)
    bottom = low or (min(-reach, 10 * high[0]) if high else -reach, False)
    top = high or (max(reach, 10 * low[0]) if low else reach, False)
    widest = max(len(str(int(abs(bound[0])))) for bound in (low, high) if bound) if low or high else 1
    places = max(0, DIGITS - widest) if places is None else min(places, DIGITS)
    options: list[Node] = []
    if bottom[0] < 0:
        nearest: Bound = (Decimal(0), True) if top[0] >= 0 else (-top[0], top[1])
        options.append(seq("-", _decimals(nearest, (-bottom[0], bottom[1]), places)))
    if top[0] >= 0:
        options.append(_decimals(bottom if bottom[0] >= 0 else (Decimal(0), False), top, places))
    return choice(*options) if options else NEVER


def _whole(bound: Bound | None, rounding: str, step: int) -> int | None:
    if bound is None:
        return None
    number = int(bound[0].to_integral_value(rounding))
    return number + step if bound[1] and number == bound[0] else number


def _between(first: int, last: int, positive: Callable[[int, int], Node]) -> Node:
    if first > last:
        return NEVER
    options = [seq("-", positive(max(1, -last), -first))] if first < 0 else []
    return choice(*options, *([positive(max(0, first), last)] if last >= 0 else []))


def _tens(first: int, last: int, zeros: str) -> Node:
    """The numbers of a range, each times a power of ten."""
    zero: list[Node | str] = ["0"] if first == 0 else []
    return choice(*zero, *([seq(_naturals(max(1, first), last), zeros)] if last >= 1 else []))


def _naturals(first: int, last: int) -> Node:
    """The numbers of a range that is not below 0."""
    if first > last:
        return NEVER
    options = []
    for length in range(len(str(first)), len(str(last)) + 1):
        low, high = max(first, 10 ** (length - 1) if length > 1 else 0), min(last, 10**length - 1)
        options.append(_same_length(str(low), str(high)))
    return choice(*options)


def _same_length(low: str, high: str) -> Node:
    if low == high:
        return seq(low) if low else EMPTY
    if low[0] == high[0]:
        return seq(low[0], _same_length(low[1:], high[1:]))
    rest = len(low) - 1
    first, last = int(low[0]), int(high[0])
    options: list[Node] = []
    if low[1:] != "0" * rest:
        options.append(seq(low[0], _same_length(low[1:], "9" * rest)))
        first += 1
    if high[1:] != "9" * rest:
        options.append(seq(high[0], _same_length("0" * rest, high[1:])))
        last -= 1
    if first <= last:
        options.append(seq(_digits(first, last), Repeat(DIGIT, rest, rest)) if rest else _digits(first, last))
    return choice(*options)


def _digits(first: int, last: int) -> Chars:
    return chars(f"{first}{last}")


def _decimals(low: Bound, high: Bound, places: int) -> Node:
    """The numbers of a range that is not below 0, with at most ``places`` digits after the point."""
    (a, a_out), (b, b_out) = low, high
    if a > b or (a == b and (a_out or b_out)):
        return NEVER
    first, last = int(a), int(b)
    options: list[Node] = []
    if last - first > 1:
        tail = optional(seq(".", Repeat(DIGIT, 1, places))) if places else EMPTY
        options.append(seq(_naturals(first + 1, last - 1), tail))
    for whole in sorted({first, last}):
        lower = (_fraction(a), a_out) if whole == first else None
        upper = (_fraction(b), b_out) if whole == last else None
        if _zero_fits(lower, upper):
            options.append(seq(str(whole)))
        if places:
            options.append(seq(f"{whole}.", _after_point(lower, upper, places, True)))
    return choice(*options)


def _fraction(number: Decimal) -> str:
    return f"{abs(number) % 1:f}"[2:].rstrip("0")


def _zero_fits(low: tuple[str, bool] | None, high: tuple[str, bool] | None) -> bool:
    return (low is None or low == ("", False)) and (high is None or high != ("", True))


def _after_point(low: tuple[str, bool] | None, high: tuple[str, bool] | None, places: int, first: bool) -> Node:
    """The digits that remain; a bound is None once the digits before have settled it."""
    if low is None and high is None:
        return Repeat(DIGIT, 1 if first else 0, places)
    options: list[Node] = [] if first or not _zero_fits(low, high) else [EMPTY]
    if places:
        least, most = int(low[0][:1] or 0) if low else 0, int(high[0][:1] or 0) if high else 9
        for digit in range(least, most + 1):
            lower = (low[0][1:], low[1]) if low and digit == least else None
            upper = (high[0][1:], high[1]) if high and digit == most else None
            if lower is not None or upper is not None:
                options.append(seq(str(digit), _after_point(lower, upper, places - 1, False)))
        first_free, last_free = least + (low is not None), most - (high is not None)
        if first_free <= last_free:
            options.append(seq(_digits(first_free, last_free), Repeat(DIGIT, 0, places - 1)))
    return choice(*options)
