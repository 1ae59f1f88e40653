"""A Jinja environment in which a hostile chat template can neither reach Python nor exhaust the machine.

A chat template is a program that comes with a model file. Jinja's own sandbox closes the way to Python's objects, but
lets a template loop for hours and build strings of any size. Here every place that can spend time or memory is counted:

- time: a deadline in CPU seconds of this thread, looked at on every loop turn, call, filter, operator and output. No
  signal and no trace function, so it works in any thread. One step between two looks is bounded by the size limits.
- memory: what literals, operators, calls, filters and outputs produce is charged to an allowance before it is built,
  where the size can be told beforehand, and right after otherwise.
- reach: only plain data, its harmless methods (allow-lists), macros, and the filters that chat templates use.

Not for: what the template says (``templates``).
"""

from __future__ import annotations

import re
import time
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from jinja2 import BaseLoader, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context, LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter, safe_range
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from edgemind.engine import template_filters as filters

CPU_SECONDS = 2.0
"""A real template with a long conversation needs some milliseconds."""


class OutOfAllowanceError(Exception):
    """A template used more time or memory than any chat template needs."""


@dataclass
class Allowance:
    """What one rendering may still use; ``units`` are characters, or eighths of a container's element."""

    units: int
    largest: int
    deadline: float

    def charge(self, units: int) -> None:
        if units > self.largest or units > self.units:
            raise OutOfAllowanceError("the chat template builds too much text")
        self.units -= units
        self.look()

    def look(self) -> None:
        if time.thread_time() > self.deadline:
            raise OutOfAllowanceError("the chat template does not end")


_current: ContextVar[Allowance] = ContextVar("allowance")


@contextmanager
def allowance(input_size: int, seconds: float = CPU_SECONDS) -> Iterator[Allowance]:
    """Everything rendered inside may use memory in proportion to ``input_size`` characters, and ``seconds`` of CPU."""
    largest = 4 * input_size + (1 << 20)
    given = Allowance(units=64 * largest, largest=largest, deadline=time.thread_time() + seconds)
    token = _current.set(given)
    try:
        yield given
    finally:
        _current.reset(token)


def measured(value: Any, plain: bool = True) -> Any:
    """Charges a value by what writing it out would take, shared parts counted each time, and returns it.

    Raises:
        SecurityError: the value holds something that is no plain data, and ``plain`` asks for that.
    """
    _current.get().charge(filters.written_size(value, _current.get().largest, plain))
    return value


class _Counting(NodeTransformer):
    """Rewrites a parsed template so that loops, joins, literals and output pass through counted filters."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "counted_loop")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "counted_join")

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        return _filtered(nodes.Const(node.data, lineno=node.lineno), "counted_text")

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return node if _constant(node.items) else _filtered(node, "counted_value")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return node if node.ctx != "load" or _constant(node.items) else _filtered(node, "counted_value")

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(node, "counted_slice") if isinstance(node.arg, nodes.Slice) and node.ctx == "load" else node

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filtered(node, "counted_value") if node.items else node


def _constant(items: Iterable[nodes.Node]) -> bool:
    return all(isinstance(item, nodes.Const) for item in items)


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class GenerationTag(Extension):
    """``{% generation %}``: marks the assistant's text for training; here its body is simply rendered."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Formatter(SandboxedFormatter):
    """``str.format`` with bounded fields."""

    def format_field(self, value: Any, format_spec: str) -> str:
        filters.check_widths(format_spec)
        return str(super().format_field(measured(value), format_spec))


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment all chat templates are compiled in. Render inside ``allowance``."""

    intercepted_binops = frozenset({"+", "*", "%", "**"})

    def __init__(self) -> None:
        super().__init__(
            loader=BaseLoader(),
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[GenerationTag, loopcontrols],
            finalize=_finalize,
            cache_size=0,
        )
        self.globals = {"range": _range, "dict": _dict, "namespace": Namespace}
        self.filters = {name: _counted(function) for name, function in filters.ALLOWED.items()}
        self.filters.update(
            counted_loop=_counted_loop,
            counted_join=_counted_join,
            counted_slice=_counted_slice,
            counted_text=_counted_value,
            counted_value=_counted_value,
        )

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        return super()._generate(_Counting().visit(source), *args, **kwargs)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if not super().is_safe_attribute(obj, attr, value):
            return False
        if isinstance(obj, (LoopContext, Macro, Namespace)):
            return True
        return attr in filters.METHODS.get(type(obj), frozenset())

    def is_safe_callable(self, obj: Any) -> bool:
        return not isinstance(obj, type) or obj is Namespace

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        if super().wrap_str_format(value) is None:
            return None
        template = value.__self__
        formatter = _Formatter(self)
        if value.__name__ == "format_map":
            raise SecurityError("format_map is not available")

        def bounded(*args: Any, **kwargs: Any) -> str:
            return formatter.vformat(template, args, kwargs)

        return bounded

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        spent = _current.get()
        spent.look()
        if isinstance(__obj, types.BuiltinMethodType) and isinstance(__obj.__self__, str):
            args = filters.check_str_method(__obj.__self__, __obj.__name__, args, kwargs, spent.largest)
        elif isinstance(__obj, (Macro, LoopContext)):
            given = [value for name, value in kwargs.items() if name not in ("_loop_vars", "_block_vars")]
            filters.check_nesting((*args, *given), spent.largest)
        result = super().call(__context, __obj, *args, **kwargs)
        if isinstance(result, str):
            spent.charge(len(result))
        elif isinstance(result, list):
            spent.charge(8 * len(result) + sum(len(item) for item in result if isinstance(item, str)))
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        spent = _current.get()
        spent.charge(filters.operator_size(operator, left, right, spent.largest))
        return super().call_binop(context, operator, left, right)


def _range(*args: int) -> range:
    numbers = safe_range(*args)
    _current.get().charge(8 * len(numbers))
    return numbers


def _dict(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    return dict(measured(dict(*args, **kwargs), plain=False))


def _counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter whose input is bounded beforehand and whose result is charged afterwards."""

    @pass_context
    def counted(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        spent = _current.get()
        spent.look()
        passed: tuple[Any, ...] = (value,)
        if function in filters.WITH_CONTEXT:
            passed = (context, value)
        elif function in filters.WITH_ENVIRONMENT:
            passed = (context.environment, value)
        if function in filters.WRITING:
            measured(value)
        filters.check_arguments(function, value, args, kwargs, spent.largest)
        result = function(*passed, *args, **kwargs)
        if isinstance(result, str):
            spent.charge(len(result))
        elif isinstance(result, (list, tuple)):
            spent.charge(8 * len(result))
        return result

    return counted


@pass_context
def _counted_loop(context: Context, iterable: Any) -> Any:
    return iterable if isinstance(iterable, Undefined) else _turns(iterable)


def _turns(iterable: Iterable[Any]) -> Iterator[Any]:
    spent = _current.get()
    for item in iterable:
        spent.charge(1)
        yield item


@pass_context
def _counted_join(context: Context, parts: list[Any]) -> str:
    return "".join(str(part) for part in measured(parts))


@pass_context
def _counted_value(context: Context, value: Any) -> Any:
    return measured(value, plain=False)


@pass_context
def _counted_slice(context: Context, value: Any) -> Any:
    _current.get().charge(len(value) if isinstance(value, str) else 8 * len(value))
    return value


@pass_context
def _finalize(context: Context, value: Any) -> Any:
    return value if isinstance(value, Undefined) else measured(value)


def strftime_format(pattern: str) -> str:
    """The pattern, if it holds nothing that could make ``strftime`` write without bound."""
    if len(pattern) > 200 or re.search(r"%[^A-Za-z%]*\d", pattern):
        raise SecurityError("this date format is not available")
    return pattern
