"""The commands by name, and the one place where an error becomes a sentence and an exit code."""

from __future__ import annotations

import contextlib
import copy
import difflib
import os
import sys
import traceback
from typing import Annotated, Any

import typer

from edgemind import __version__
from edgemind.cli import (
    alias,
    bench,
    catalog,
    chat,
    code,
    complete,
    completion,
    console,
    convert,
    default,
    distill,
    doctor,
    eval_,
    export,
    history,
    import_,
    list_,
    login,
    pull,
    quality,
    quantize,
    recommend,
    rm,
    run,
    show,
    store,
    verify,
)
from edgemind.cli.failure import failure_object, interrupted_object
from edgemind.errors import EXIT_CLOSED_OUTPUT, EXIT_INTERRUPTED, EdgemindError, OutOfMemory, UsageError

app = typer.Typer(
    name="edgemind",
    help="Small language models on this machine, offline, with reasoning you can read.",
    epilog="`edgemind COMMAND --help` explains one. Try: edgemind run 'What is 48 + 37?'",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
run.register(app)
chat.register(app)
code.register(app)
doctor.register(app)
for family in (
    recommend,
    catalog,
    pull,
    list_,
    show,
    rm,
    verify,
    default,
    alias,
    import_,
    export,
    store,
    history,
    quantize,
    quality,
    login,
    bench,
    completion,
    convert,
    distill,
    eval_,
    complete,
):
    family.register(app)

OTHER_WORDS = {
    "add": "import",
    "config": "default",
    "delete": "rm",
    "download": "pull",
    "get": "pull",
    "info": "show",
    "inspect": "show",
    "install": "pull",
    "ls": "list",
    "models": "list",
    "remove": "rm",
    "search": "catalog list",
    "uninstall": "rm",
    "use": "default",
}
"""What other programs call our commands."""


def _print_version(wanted: bool) -> None:
    if wanted:
        console.out(f"edgemind {__version__}\n")
        raise typer.Exit


@app.callback()
def _edgemind(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> int:
    """Run the command in ``sys.argv``; the exit code. Never raises for anything that can happen to a user."""
    console.prepare_streams()
    if completion.is_asked():
        return completion.answer_shell(app)
    arguments = sys.argv[1:] or ["--help"]
    if sys.stdout is None:
        report(UsageError("Standard output is closed, so an answer has nowhere to go.", "Leave out `>&-`."))
        return EXIT_CLOSED_OUTPUT
    try:
        code = _invoke(arguments)
        console.out("")
    except EdgemindError as problem:
        return _reported(problem, arguments)
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except BrokenPipeError:
        code = EXIT_CLOSED_OUTPUT
    except OSError as problem:
        full = problem.errno in console.NO_ROOM
        return _reported(console.unwritable(problem) if full else _bug(problem), arguments)
    except MemoryError:
        return _reported(OutOfMemory("Memory ran out.", "Close other programs, or try a smaller model."), arguments)
    except Exception as problem:
        return _reported(_bug(problem), arguments)
    console.forget_unwritten()
    return code


def report(problem: EdgemindError) -> None:
    """One sentence and the next thing to do, on standard error."""
    console.err(f"edgemind: {problem.message}\n")
    if problem.hint:
        console.err(f"  {problem.hint}\n")


def _invoke(arguments: list[str]) -> int:
    """Parse and run. Typer's own ``main`` is left out: it would turn a broken pipe into exit code 1."""
    _check_command(arguments)
    command = typer.main.get_command(_with_only(arguments[0]))
    try:
        with command.make_context("edgemind", list(arguments)) as context:
            code = command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        return EXIT_INTERRUPTED
    except Exception as problem:
        raise _usage_error(problem, arguments) or problem from problem
    return code if isinstance(code, int) else 0


def _with_only(name: str) -> typer.Typer:
    """The commands without those that are not asked for: building every flag of every command costs a start 25 ms."""
    if name.startswith("-"):
        return app
    small = copy.copy(app)
    small.registered_commands = [info for info in app.registered_commands if info.name == name]
    small.registered_groups = [info for info in app.registered_groups if info.name == name]
    return small


def _check_command(arguments: list[str]) -> None:
    """A mistyped command names the nearest one."""
    name = arguments[0]
    names = [info.name for info in app.registered_commands if info.name]
    names += [info.name for info in app.registered_groups if info.name]
    if name.startswith("-") or name in names:
        return
    if name in ("help", "version"):
        raise UsageError(f"There is no command {name!r}, there is a flag.", f"edgemind --{name}")
    ours = OTHER_WORDS.get(name.lower())
    if ours:
        more = [] if ours in ("list", "catalog list") else arguments[1:]
        raise UsageError(f"There is no command {name!r}; here it is {ours!r}.", " ".join(["edgemind", ours, *more]))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if near:
        rest = " ".join(["edgemind", near[0], *arguments[1:]])
        raise UsageError(f"There is no command {name!r}; did you mean {near[0]!r}?", rest)
    raise UsageError(f"There is no command {name!r}.", "For an answer to a prompt: edgemind run 'your prompt'")


def _usage_error(problem: Exception, arguments: list[str]) -> UsageError | None:
    """What Typer's parser complains about, as one of ours; its classes moved between versions, their face did not."""
    format_message = getattr(problem, "format_message", None)
    if isinstance(problem, EdgemindError) or format_message is None:
        return None
    command = next((part for part in arguments if not part.startswith("-")), "")
    where = f"edgemind {command}".strip()
    return UsageError(str(format_message()), f"See `{where} --help`.")


def _bug(problem: Exception) -> EdgemindError:
    if os.environ.get("EDGEMIND_DEBUG") == "1":
        console.err(traceback.format_exc())
    what = " ".join(f"{type(problem).__name__}: {problem}".split())
    return EdgemindError(
        f"Something went wrong that should not have: {what}",
        "Please report it as a bug, with what EDGEMIND_DEBUG=1 shows for the same command; leave out what is private, "
        "it may hold words of your prompt.",
    )


def _reported(problem: EdgemindError, arguments: list[str]) -> int:
    """Tell the user; under ``--json`` a program too, unless the command has printed its object already."""
    _tell_program(failure_object(problem), arguments)
    report(problem)
    console.forget_unwritten()
    return problem.exit_code


def _interrupted(arguments: list[str]) -> int:
    """Ctrl-C is no news to who pressed it; a program is told."""
    _tell_program(interrupted_object(), arguments)
    console.forget_unwritten()
    return EXIT_INTERRUPTED


def _tell_program(value: dict[str, Any], arguments: list[str]) -> None:
    flags = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--json" in flags and not console.wrote_json():
        with contextlib.suppress(EdgemindError, OSError):
            console.out_json(value)
