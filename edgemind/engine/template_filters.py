"""The filters, methods and operators a chat template may use, each with a bound on what it can build.

Sizes are told before anything is built, because one call in C cannot be interrupted. Not for:
counting (``template_sandbox``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import markupsafe
from jinja2 import filters as jinja_filters
from jinja2.exceptions import SecurityError
from jinja2.runtime import Undefined

LARGEST_INTEGER_BITS = 2048
WIDEST_FIELD = 1000
_DIGITS = re.compile(r"\d+")
_PERCENT = re.compile(r"%(?:\([^)]*\))?[#0\- +]*(\*|\d+)?(?:\.(\*|\d+))?[hlL]?(.)", re.DOTALL)


class TooMuchError(Exception):
    """Something larger than any chat template needs."""


METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(name for name in dir(str) if not name.startswith("_"))
    - {"encode", "format", "format_map", "maketrans", "translate"},
    dict: frozenset({"copy", "get", "items", "keys", "values"}),
    list: frozenset({"copy", "count", "index"}),
    tuple: frozenset({"count", "index"}),
}
"""Methods by exact type; everything else has none. ``str.format`` is bounded in the sandbox."""


def written_size(value: Any, limit: int, plain: bool = True) -> int:
    """About how many characters ``str(value)`` has, shared parts counted each time; stops counting past ``limit``.

    Raises:
        SecurityError: the value is, or holds, something other than plain data, and ``plain`` asks for that.
    """
    if isinstance(value, str):
        return len(value)
    size, waiting = 0, [value]
    while waiting and size <= limit:
        item = waiting.pop()
        if isinstance(item, str):
            size += len(item) + 2
        elif item is None or isinstance(item, (bool, float, Undefined)):
            size += 8
        elif isinstance(item, int):
            size += 1 + item.bit_length() // 3
        elif isinstance(item, (list, tuple)):
            size += 2 + len(item)
            waiting += item[: limit + 1]
        elif isinstance(item, dict):
            size += 2 + len(item)
            waiting += item.keys()
            waiting += item.values()
        elif isinstance(item, range):
            size += 16
        elif plain:
            raise SecurityError(f"a {type(item).__name__} cannot be written out")
        else:
            size += 16
    return size


def check_nesting(values: Iterable[Any], limit: int) -> None:
    """Refuses containers that a macro could nest into something enormous by passing them on twice."""
    for value in values:
        if isinstance(value, (list, tuple, dict)) and written_size(value, limit, plain=False) > limit:
            raise TooMuchError("a container is too large")


def check_widths(text: str) -> None:
    """Refuses a format with a field width or precision past ``WIDEST_FIELD``."""
    if any(len(digits) > 9 or int(digits) > WIDEST_FIELD for digits in _DIGITS.findall(text)):
        raise TooMuchError("a field is too wide")


def operator_size(operator: str, left: Any, right: Any, limit: int) -> int:
    """What the result of ``left operator right`` takes. Raises TooMuchError when it must not be computed."""
    if operator == "%":
        return _percent_size(left, right, limit) if isinstance(left, str) else 1
    if operator == "**":
        if _small(left) and _small(right) and abs(right) <= 64 and abs(left) <= 1 << 32:
            return 1
        raise TooMuchError("this power is too large")
    if isinstance(left, int) and isinstance(right, int):
        if left.bit_length() + right.bit_length() > LARGEST_INTEGER_BITS:
            raise TooMuchError("this number is too large")
        return 1
    if operator == "*":
        return _repeat_size(left, right) if isinstance(right, int) else _repeat_size(right, left)
    if isinstance(left, str) and isinstance(right, str):
        return len(left) + len(right)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return written_size(left, limit, plain=False) + written_size(right, limit, plain=False)
    return 1


def _small(value: Any) -> bool:
    return isinstance(value, (int, float))


def _repeat_size(sequence: Any, times: Any) -> int:
    if not isinstance(sequence, (str, list, tuple)) or not isinstance(times, int):
        return 1
    return max(0, times) * max(1, written_size(sequence, 1 << 26, plain=False))


def _percent_size(template: str, values: Any, limit: int) -> int:
    fields = 0
    for width, precision, _ in _PERCENT.findall(template):
        if "*" in (width, precision):
            raise TooMuchError("a field width must be a number")
        check_widths(f"{width} {precision}")
        fields += 1
    return len(template) + fields * (WIDEST_FIELD // 8 + written_size(values, limit))


def check_str_method(
    text: str, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], limit: int
) -> tuple[Any, ...]:
    """The arguments for a method of ``text``, after making sure that its result is at most ``limit`` characters."""
    given = [*args, *kwargs.values()]
    if name in ("ljust", "rjust", "center", "zfill"):
        if any(isinstance(arg, int) and arg > limit for arg in given):
            raise TooMuchError("a field is too wide")
    elif name == "expandtabs":
        width = max((arg for arg in given if isinstance(arg, int)), default=8)
        _check(len(text) + text.count("\t") * max(0, width), limit)
    elif name == "replace" and len(given) >= 2 and isinstance(given[0], str) and isinstance(given[1], str):
        _check_replace(text, given[0], given[1], limit)
    elif name == "join" and len(args) == 1 and not isinstance(args[0], str):
        parts = list(args[0])
        _check(written_size(parts, limit) + len(text) * len(parts), limit)
        return (parts,)
    elif name == "join":
        _check(sum(len(arg) for arg in given if isinstance(arg, str)) * (1 + len(text)), limit)
    return args


def _check_replace(text: str, old: str, new: str, limit: int) -> None:
    _check(len(text) + (text.count(old) if old else len(text) + 1) * len(new), limit)


def _check(size: int, limit: int) -> None:
    if size > limit:
        raise TooMuchError("the chat template builds too much text")


def check_arguments(
    function: Callable[..., Any], value: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], limit: int
) -> None:
    """Refuses filter arguments whose result would pass ``limit``."""
    given = (*args, *kwargs.values())
    numbers = [arg for arg in given if isinstance(arg, int)]
    if function is not _integer and any(abs(number) > WIDEST_FIELD for number in numbers):
        raise TooMuchError("a number given to a filter is too large")
    if function is _replace and len(given) >= 2:
        longest = max((str(arg) for arg in given), key=len)
        _check_replace(str(value), str(args[0] if args else kwargs.get("old", "")), longest, limit)
    if function is _indent:
        lines = str(value).count("\n") + 1
        _check(
            len(str(value)) + lines * max([4, *numbers, *(len(arg) for arg in given if isinstance(arg, str))]), limit
        )


# The filters. Those of Jinja that are used as they are; those that need a bound or a plain ``str`` are written here.


def tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers renders JSON in chat templates: no HTML escapes, non-ASCII kept."""
    if indent is not None and not 0 <= indent <= 16:
        raise TooMuchError("the indent of JSON is too large")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _string(value: Any) -> str:
    return str(value)


def _escape(value: Any) -> str:
    return str(markupsafe.escape(str(value)))


def _replace(value: Any, old: str, new: str, count: int = -1) -> str:
    return str(value).replace(str(old), str(new), count)


def _join(context: Any, value: Iterable[Any], d: str = "", attribute: str | None = None) -> str:
    if attribute is not None:
        value = jinja_filters.do_map(context, value, attribute=attribute)
    parts = [str(part) for part in _bounded(value)]
    _check(sum(map(len, parts)) + len(str(d)) * len(parts), _MOST_TEXT)
    return str(d).join(parts)


def _bounded(value: Iterable[Any]) -> list[Any]:
    parts = list(value)
    written_size(parts, _MOST_TEXT)
    return parts


_MOST_TEXT = 1 << 26


def _integer(value: Any, default: int = 0, base: int = 10) -> int:
    if isinstance(value, str) and len(value) > 600:
        return default
    return jinja_filters.do_int(value, default, base)


def _indent(value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    return str(jinja_filters.do_indent(str(value), width, first, blank))


def _round(value: Any, precision: int = 0, method: Any = "common") -> float:
    if abs(precision) > 30:
        raise TooMuchError("too many digits")
    return jinja_filters.do_round(value, precision, method)


def _trim(value: Any, chars: str | None = None) -> str:
    return str(value).strip(chars)


ALLOWED: Mapping[str, Callable[..., Any]] = {
    "abs": abs,
    "capitalize": jinja_filters.do_capitalize,
    "count": len,
    "d": jinja_filters.do_default,
    "default": jinja_filters.do_default,
    "dictsort": jinja_filters.do_dictsort,
    "e": _escape,
    "escape": _escape,
    "first": jinja_filters.FILTERS["first"],
    "float": jinja_filters.do_float,
    "indent": _indent,
    "int": _integer,
    "items": jinja_filters.do_items,
    "join": _join,
    "last": jinja_filters.FILTERS["last"],
    "length": len,
    "list": list,
    "lower": jinja_filters.do_lower,
    "map": jinja_filters.FILTERS["map"],
    "max": jinja_filters.FILTERS["max"],
    "min": jinja_filters.FILTERS["min"],
    "reject": jinja_filters.FILTERS["reject"],
    "rejectattr": jinja_filters.FILTERS["rejectattr"],
    "replace": _replace,
    "reverse": jinja_filters.do_reverse,
    "round": _round,
    "safe": _string,
    "select": jinja_filters.FILTERS["select"],
    "selectattr": jinja_filters.FILTERS["selectattr"],
    "sort": jinja_filters.FILTERS["sort"],
    "string": _string,
    "title": jinja_filters.do_title,
    "tojson": tojson,
    "trim": _trim,
    "unique": jinja_filters.FILTERS["unique"],
    "upper": jinja_filters.do_upper,
}

WRITING: frozenset[Callable[..., Any]] = frozenset(
    {
        *(_escape, _indent, _replace, _string, _trim, tojson),
        *map(ALLOWED.__getitem__, ("capitalize", "lower", "title", "upper")),
    }
)
"""Filters that write their input out as text."""

WITH_CONTEXT: frozenset[Callable[..., Any]] = frozenset(
    {_join, *map(ALLOWED.__getitem__, ("map", "reject", "rejectattr", "select", "selectattr"))}
)
"""Filters that want Jinja's context first."""

WITH_ENVIRONMENT: frozenset[Callable[..., Any]] = frozenset(
    map(ALLOWED.__getitem__, ("first", "last", "max", "min", "sort", "unique"))
)
"""Filters that want Jinja's environment first."""
