"""``edgemind complete``: what belongs at a place in a file, from a model that fills gaps; once, or for an editor.

This file declares the flags; the completion is ``coder.completing``'s, the long-lived mode ``complete_server``'s.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from edgemind.cli import console
from edgemind.cli.options import Json, Model
from edgemind.errors import BadInput, UsageError

if TYPE_CHECKING:
    from edgemind.coder.completing import Completion, Gap
    from edgemind.coder.completion_text import Lines
    from edgemind.models.names import ModelFile

EPILOG = (
    "Lines and columns count from 1; without a column it is the end of the line. The file is only read. "
    "Editors: contrib/nvim, contrib/vscode, and docs/completion.md for the protocol of --stdio."
)
EXAMPLE = "edgemind complete src/app.py:12"

_TARGET = re.compile(r"(?P<path>.+?):(?P<line>\d{1,9})(?::(?P<column>\d{1,9}))?", re.DOTALL)
_LINES = ("one", "block")


def register(app: typer.Typer) -> None:
    # FILE may be -, and -:12 is no flag.
    app.command(name="complete", epilog=EPILOG, context_settings={"ignore_unknown_options": True})(complete)


def _lines(incomplete: str) -> list[str]:
    return [word for word in _LINES if word.startswith(incomplete)]


def complete(
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE:LINE[:COL]", help="Where; FILE may be - for standard input."),
    ] = None,
    model: Model = None,
    lines: Annotated[
        str, typer.Option("--lines", metavar="one|block", help="How much.", autocompletion=_lines)
    ] = "block",
    path: Annotated[str | None, typer.Option(metavar="NAME", help="What the file is called, for FILE -.")] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", "-n", metavar="TOKENS", min=1, max=4096, help="Most tokens.")
    ] = None,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Serve an editor: JSON-RPC on standard input and output, until it ends.")
    ] = False,
    json: Json = False,
) -> int:
    """Complete the code at a place in a file.

    A model that fills gaps writes it. What belongs there goes to standard output, and nothing else.
    """
    target = _only(places or [])
    if lines not in _LINES:
        raise UsageError(f"--lines is one or block, not {lines!r}.", f"{EXAMPLE} --lines one")
    if stdio:
        if target or path or json:
            raise UsageError("With --stdio each request says where.", "edgemind complete --stdio")
        from edgemind.cli.complete_server import serve

        return serve(model)
    if target is None:
        raise UsageError("There is no place to complete.", EXAMPLE)
    return _complete(target, model, lines, path, max_tokens, json)


def _only(places: list[str]) -> str | None:
    """The one place that was named."""
    flag = next((word for word in places if word.startswith("-") and not word.startswith("-:")), None)
    if flag:
        raise UsageError(f"There is no flag {flag}.", "See `edgemind complete --help`.")
    if len(places) > 1:
        raise UsageError("One place at a time is completed.", EXAMPLE)
    return places[0] if places else None


def _complete(
    target: str, model: str | None, lines: str, path: str | None, max_tokens: int | None, as_json: bool
) -> int:
    from edgemind.cli.shut_in import insist
    from edgemind.models import names

    insist()
    gap = _gap(target, path, lines, max_tokens)
    found = names.resolve(model, command="complete")

    from edgemind.engine.client import Engine
    from edgemind.engine.defaults import load_options
    from edgemind.settings import load_settings

    with Engine(load_options(found, load_settings())) as engine:
        _check(found, f"edgemind complete {shlex.quote(target)} --model")

        from edgemind.coder.completing import Completing

        done = Completing(engine, gap).run()
    _print(done, found.name, as_json)
    return 0


def _check(model: ModelFile, command: str) -> None:
    """While the model loads: can it fill gaps at all?"""
    from edgemind.models import infill

    if not infill.fills_gaps(model.header):
        from edgemind.coder.completing import cannot

        raise cannot(model.name, command)


def _gap(target: str, path: str | None, lines: str, max_tokens: int | None) -> Gap:
    """The text around the place.

    Raises:
        UsageError: it names no place.
        BadInput: there is no such file or place, or the file is not text.
    """
    from edgemind.coder.completing import Gap
    from edgemind.coder.completion_text import split_at

    found = _TARGET.fullmatch(target)
    if not found:
        raise UsageError(f"{target!r} names no place in a file.", EXAMPLE)
    file, column = found["path"], found["column"]
    if file == "-":
        name, text = path or "standard input", _standard_input()
    elif path:
        raise UsageError("--path names what comes through standard input.", f"edgemind complete -:{found['line']}")
    else:
        name, text = file, _read(file)
    before, after = split_at(text, int(found["line"]), int(column) if column else None, "-" if file == "-" else name)
    shown = path if file == "-" else Path(file).name
    return Gap(before, after, shown, cast("Lines", lines), max_tokens)


def _standard_input() -> str:
    from edgemind.cli import prompt

    text = prompt.standard_input()
    if text is None:
        raise UsageError("FILE is -, and nothing is sent through standard input.", "edgemind complete -:12 < FILE")
    return text


def _read(file: str) -> str:
    from edgemind.cli import prompt

    try:
        return prompt.attachment(file).text
    except BadInput as problem:
        raise BadInput(problem.message, EXAMPLE) from problem


def _print(done: Completion, model: str, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        value: dict[str, Any] = {"model": model, **asdict(done)}
        console.out_json({**value, "seconds": round(done.seconds, 4)})
    elif console.is_terminal(sys.stdout):
        from edgemind.terminal import clean

        console.out(f"{clean(done.text)}\n")
    else:
        console.out(done.text)
    if done.hidden:
        console.err(f"edgemind: kept from the model, since nobody sees it in the file: {', '.join(done.hidden)}\n")
