"""Code blocks: their lines, their colours, and what copying one gives.

A line is coloured when it is first shown, from the state in which the line before it left the lexer, so a block costs
what is looked at. Pygments is imported in a thread when the first block in a language it knows is shown; until it is
there the code is plain. Only a list of common languages is coloured: every lexer is a set of regular expressions that a
hostile text can be written against. Not for: recognizing a language.
"""

from __future__ import annotations

import bisect
import importlib
import threading
from collections.abc import Iterator
from typing import Any

from edgemind.tui.widgets.markdown.blocks import Block
from edgemind.tui.widgets.markdown.lines import Line, Piece, cropped, safe
from edgemind.tui.widgets.markdown.views import Guesses, VerbatimView, cells_of, no_guesses

LEXERS = {
    "bash": "BashLexer", "sh": "BashLexer", "shell": "BashLexer", "zsh": "BashLexer", "c": "CLexer", "h": "CLexer",
    "cpp": "CppLexer", "c++": "CppLexer", "cc": "CppLexer", "cs": "CSharpLexer", "csharp": "CSharpLexer",
    "c#": "CSharpLexer", "css": "CssLexer", "scss": "ScssLexer", "dart": "DartLexer", "diff": "DiffLexer",
    "patch": "DiffLexer", "docker": "DockerLexer", "dockerfile": "DockerLexer", "elixir": "ElixirLexer",
    "go": "GoLexer", "golang": "GoLexer", "graphql": "GraphQLLexer", "haskell": "HaskellLexer", "hs": "HaskellLexer",
    "html": "HtmlLexer", "ini": "IniLexer", "java": "JavaLexer", "javascript": "JavascriptLexer",
    "js": "JavascriptLexer", "jsx": "JavascriptLexer", "json": "JsonLexer", "jsonc": "JsonLexer",
    "julia": "JuliaLexer", "kotlin": "KotlinLexer", "kt": "KotlinLexer", "lua": "LuaLexer", "make": "MakefileLexer",
    "makefile": "MakefileLexer", "nix": "NixLexer", "perl": "PerlLexer", "php": "PhpLexer", "powershell":
    "PowerShellLexer", "ps1": "PowerShellLexer", "py": "PythonLexer", "python": "PythonLexer", "python3": "PythonLexer",
    "r": "SLexer", "rb": "RubyLexer", "ruby": "RubyLexer", "rust": "RustLexer", "rs": "RustLexer",
    "scala": "ScalaLexer", "sql": "SqlLexer", "swift": "SwiftLexer", "tex": "TexLexer", "latex": "TexLexer",
    "toml": "TOMLLexer", "ts": "TypeScriptLexer", "tsx": "TypeScriptLexer", "typescript": "TypeScriptLexer",
    "xml": "XmlLexer", "svg": "XmlLexer", "yaml": "YamlLexer", "yml": "YamlLexer", "zig": "ZigLexer",
}  # fmt: skip
"""First word after a fence, and its lexer."""

LONGEST = 1000
"""Characters of a line that are coloured."""
_CLOSERS = (("/*", "*/"), ("<!--", "-->"), ("{-", "-}"), ("(*", "*)"), ('"""', '"""'), ("'''", "'''"), ("`", "`"))
"""What some lexers only know as one expression from beginning to end, over any number of lines."""

Span = tuple[int, int, str]
"""Part of a line and its look."""

_loaded: dict[str, Any] = {}
_loading: set[str] = set()
_lock = threading.Lock()


def lexer(language: str, *, wait: bool = False) -> Any | None:
    """The lexer of a language; ``None`` when there is none, or it is still being imported (``is_loading``)."""
    name = LEXERS.get(language)
    if name is None:
        return None
    if name not in _loaded:
        if wait:
            _load(name)
        elif name not in _loading:
            _loading.add(name)
            threading.Thread(target=_load, args=(name,), daemon=True).start()
    return _loaded.get(name)


def is_loading(language: str) -> bool:
    """Whether its colours will be there a little later."""
    name = LEXERS.get(language)
    return name is not None and name in _loading and name not in _loaded


def is_any_loading() -> bool:
    """Whether there is anything to wait for; asked before looking through all blocks of an answer."""
    return any(name not in _loaded for name in _loading)


def _load(name: str) -> None:
    with _lock:
        if name in _loaded:
            return
        try:
            mapping = importlib.import_module("pygments.lexers._mapping").LEXERS
            module = importlib.import_module(mapping[name][0])
            _loaded[name] = getattr(module, name)(stripnl=False, ensurenl=False)
        except Exception:  # whatever it is: the code stays plain, and nobody waits for colours for ever
            _loaded[name] = None


class Highlighter:
    """Looks of the parts of each line of a text that only grows at its end."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._spans: list[list[Span]] = []
        self._states: list[_State] = [_State()]
        """Before each line."""
        self._growing: tuple[int, str, list[Span]] = (-1, "", [])
        """The last line while it grows."""

    @property
    def is_waiting(self) -> bool:
        return is_loading(self.language)

    def spans(self, lines: list[str], number: int, growing: bool) -> list[Span]:
        """Of line ``number`` (from 0) of ``lines``, of which the last may be ``growing``."""
        found = lexer(self.language)
        if found is None:
            return []
        while len(self._spans) <= number:
            at = len(self._spans)
            text = lines[at][:LONGEST]
            if growing and self._growing[:2] == (at, text):
                return self._growing[2]
            spans, after = _line(found, text, self._states[at])
            if growing and at == len(lines) - 1:
                self._growing = at, text, spans
                return spans
            self._spans.append(spans)
            self._states.append(after)
        return self._spans[number]


class _State:
    """Where a lexer is between two lines."""

    __slots__ = ("closer", "look", "stack")

    def __init__(self, stack: tuple[str, ...] = ("root",), closer: str = "", look: str = "") -> None:
        self.stack, self.closer, self.look = stack, closer, look


def _line(found: Any, text: str, state: _State) -> tuple[list[Span], _State]:
    spans: list[Span] = []
    start = 0
    if state.closer:
        end = text.find(state.closer)
        if end < 0:
            return [(0, len(text), state.look)], state
        start = end + len(state.closer)
        spans.append((0, start, state.look))
    stack = list(state.stack)
    try:
        tokens = list(_tokens(found, text[start:] + "\n", stack))
        for opener, closer in _CLOSERS:
            place = text.rfind(opener, start)
            if place < 0 or text.find(closer, place + len(opener)) >= 0:
                continue
            if opener == closer and text.count(opener, start) % 2 == 0:
                continue
            alone = _covers(tokens, place - start, len(text) - start)
            if alone and not any(begin == place - start for begin, _, _ in tokens):
                continue  # it stands in a comment or a string
            before = list(state.stack)
            closed = list(_tokens(found, f"{text[start:]} {closer}\n", before))
            if alone and before == stack:
                return [*spans, *_shifted(tokens, start, len(text))], _State(tuple(stack), closer, alone)
            if alone or found.name == "Bash":
                continue  # the lexer's own states know that it is open
            look = _covers(closed, place - start, len(text) - start + 1 + len(closer))
            if look:
                head = [(a + start, b + start, one) for a, b, one in closed if one and a + start < place]
                return [*spans, *head, (place, len(text), look)], _State(tuple(before), closer, look)
    except (RecursionError, IndexError, KeyError, ValueError, TypeError, AttributeError):
        return spans, state
    return [*spans, *_shifted(tokens, start, len(text))], _State(tuple(stack))


def _shifted(tokens: list[Span], start: int, end: int) -> list[Span]:
    """What has a look, in a line of which ``start`` characters stand before the tokens."""
    return [(a + start, min(b + start, end), look) for a, b, look in tokens if look and a + start < end]


def _covers(tokens: list[Span], place: int, end: int) -> str:
    """The look of the comment or string that goes from ``place`` to ``end`` or further, if there is one."""
    reached, look = place, ""
    for start, stop, one in tokens:
        if stop <= place:
            continue
        if one not in ("syntax-comment", "syntax-string") or (look and one != look) or start > reached:
            break
        if not look and start < place:
            return one if stop >= end else ""
        reached, look = stop, one
        if reached >= end:
            return look
    return ""


def _tokens(found: Any, text: str, stack: list[str]) -> Iterator[Span]:
    """Spans of ``text``; for a lexer made of states ``stack`` goes on from where it was and is left where it ends.

    The loop is Pygments' ``RegexLexer.get_tokens_unprocessed``, which keeps its states to itself.
    """
    states = getattr(found, "_tokens", None)
    if not states or "root" not in states or _is_extended(found):
        for start, kind, value in found.get_tokens_unprocessed(text):
            yield start, start + len(value), _look(kind)
        return
    position = 0
    current = states[stack[-1]]
    while True:
        for match, action, new_state in current:
            if not (found_match := match(text, position)):
                continue
            if action is not None:
                if isinstance(action, tuple):
                    yield position, found_match.end(), _look(action)
                else:
                    for start, kind, value in action(found, found_match):
                        yield start, start + len(value), _look(kind)
            position = found_match.end()
            if new_state is not None:
                _move(stack, new_state)
                current = states[stack[-1]]
            break
        else:
            if position >= len(text):
                return
            if text[position] == "\n":
                if len(stack) > 100:
                    stack[:] = ["root"]
                position += 1
                continue
            yield position, position + 1, ""
            position += 1


def _move(stack: list[str], new_state: Any) -> None:
    if isinstance(new_state, tuple):
        for state in new_state:
            if state == "#pop":
                if len(stack) > 1:
                    stack.pop()
            elif state == "#push":
                stack.append(stack[-1])
            else:
                stack.append(state)
    elif isinstance(new_state, int):
        if abs(new_state) >= len(stack):
            del stack[1:]
        else:
            del stack[new_state:]
    elif new_state == "#push":
        stack.append(stack[-1])


def _is_extended(found: Any) -> bool:
    """Whether its actions want a context of their own."""
    return any(base.__name__ == "ExtendedRegexLexer" for base in type(found).__mro__)


_looks: dict[Any, str] = {}


def _look(kind: Any) -> str:
    known = _looks.get(kind)
    if known is None:
        known = _looks[kind] = _look_of(str(kind).removeprefix("Token."))
    return known


_BY_KIND = (
    ("Comment.Preproc", "syntax-keyword"),
    ("Comment", "syntax-comment"),
    ("Keyword.Constant", "syntax-number"),
    ("Keyword.Type", "syntax-type"),
    ("Keyword", "syntax-keyword"),
    ("Operator.Word", "syntax-keyword"),
    ("Name.Function", "syntax-function"),
    ("Name.Class", "syntax-type"),
    ("Name.Builtin", "syntax-builtin"),
    ("Name.Exception", "syntax-type"),
    ("Name.Decorator", "syntax-function"),
    ("Name.Tag", "syntax-keyword"),
    ("Name.Attribute", "syntax-function"),
    ("Name.Constant", "syntax-number"),
    ("Name.Namespace", "syntax-type"),
    ("Literal.Number", "syntax-number"),
    ("Literal.String", "syntax-string"),
    ("Literal", "syntax-string"),
    ("Generic.Deleted", "syntax-deleted"),
    ("Generic.Inserted", "syntax-string"),
    ("Generic.Heading", "syntax-keyword"),
    ("Generic.Subheading", "syntax-function"),
    ("Generic.Prompt", "syntax-comment"),
)


def _look_of(kind: str) -> str:
    for beginning, look in _BY_KIND:
        if kind == beginning or kind.startswith(beginning + "."):
            return look
    return ""


class CodeView(VerbatimView):
    """A code block: its language above it, its lines on a ground of their own, long ones wrapped."""

    def __init__(self, block: Block, guesses: Guesses = no_guesses) -> None:
        super().__init__(block, guesses)
        self._highlighter = Highlighter("")

    def _reset(self) -> None:
        super()._reset()
        language = self.block.info.split(maxsplit=1)[0].lower().strip("{}.,:") if self.block.info.strip() else ""
        self._language = language
        if self._highlighter.language != language:
            self._highlighter = Highlighter(language)

    @property
    def height(self) -> int:
        return len(self._rows) + 1

    @property
    def is_waiting(self) -> bool:
        """Whether its colours come later."""
        return self._highlighter.is_waiting

    @property
    def _inner(self) -> int:
        return max(1, self._room - 2)

    def _update(self) -> int:
        if not self._rows:
            super()._update()
            return 0
        growing = len(self._shown) - 1
        first = super()._update()
        if first == len(self._rows):
            return first + 1
        # what comes may colour what stood on its line already
        return bisect.bisect_left(self._rows, (growing, -1, -1)) + 1

    def _body(self, number: int) -> Line:
        if number == 0:
            title = cropped(f" {safe(self._language) or 'code'}", self._room)
            return self._filled((Piece(title, "code-title"),), "code-title")
        row, start, end = self._rows[number - 1]
        growing = self.block.growing and row == len(self._shown) - 1
        spans = self._highlighter.spans(self._shown, row, growing)
        edge = Piece(" " if start == 0 else "↪", "code-block" if start == 0 else "code-block syntax-comment")
        return self._filled((edge, *self._parts(row, start, end, spans)), "code-block")

    def _filled(self, pieces: tuple[Piece, ...], look: str) -> Line:
        """A line of the block's ground from edge to edge."""
        space = self._room - cells_of(pieces)
        return Line((*pieces, Piece(" " * space, look)) if space > 0 else pieces)

    def _parts(self, row: int, start: int, end: int, spans: list[Span]) -> Iterator[Piece]:
        text = self._shown[row]
        at = start
        for first, last, look in spans:
            first, last = max(first, at), min(last, end)
            if last <= first:
                continue
            if first > at:
                yield Piece(text[at:first], "code-block")
            yield Piece(text[first:last], f"code-block {look}")
            at = last
        if at < end:
            yield Piece(text[at:end], "code-block")
