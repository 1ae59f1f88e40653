"""``edgemind code``: edits to the files of a folder. This file declares the flags; ``code_run`` carries them out.

Not for: the map, patches and steps (``code_steps``), the session's prompt (``code_session``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from edgemind.cli import code_steps
from edgemind.cli.code_flags import CodeFlags
from edgemind.cli.options import HideThinking, Json, Model, Think

OWN = "task"
"""The command behind `edgemind code` itself; nobody types its name."""

EPILOG = (
    "`edgemind code` alone opens a session with a prompt; a task stands in quotes: edgemind code 'map all keys to "
    "lower case' app.py. Exit code 21: written, but the check still fails."
)


class CodeGroup(TyperGroup):
    """A group whose commands are few and whose first word is otherwise a task."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        before = args[: args.index("--")] if "--" in args else args
        if not args or args[0] not in COMMANDS:
            args = ["--help"] if any(one in ("-h", "--help") for one in before) else [OWN, *args]
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        pieces: list[str] = self.commands[OWN].collect_usage_pieces(ctx)
        return pieces

    def format_options(self, ctx: Any, formatter: Any) -> None:
        self.commands[OWN].format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="code",
        cls=CodeGroup,
        help="Edit the files of this folder by a task.",
        epilog=EPILOG,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=False,
    )
    for name, command in COMMANDS.items():
        group.command(name=name)(command)
    group.command(name=OWN, hidden=True)(code)
    app.add_typer(group, name="code")


COMMANDS: dict[str, Callable[..., int]] = {
    "map": code_steps.map_,
    "apply": code_steps.apply,
    "undo": code_steps.undo,
    "log": code_steps.log,
}


def _words(incomplete: str) -> list[str]:
    return [name for name in COMMANDS if name.startswith(incomplete)]


def code(
    context_: typer.Context,
    task: Annotated[
        str | None,
        typer.Argument(metavar="TASK", help="What shall be done; standard input is appended.", autocompletion=_words),
    ] = None,
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE", help="Files or folders that it is about, also files to be created."),
    ] = None,
    model: Model = None,
    ask: Annotated[bool, typer.Option("--ask", help="Answer a question about the code; write nothing.")] = False,
    apply: Annotated[bool, typer.Option("--apply", help="Write without asking, protected files excepted.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="As --apply, and commit without asking.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the edits and write nothing.")] = False,
    test: Annotated[
        str | None, typer.Option("--test", metavar="CMD", help="Run this after each step; a failure is repaired.")
    ] = None,
    test_timeout: Annotated[
        float, typer.Option("--test-timeout", metavar="SECONDS", min=0.1, max=86400, help="Most time for a test.")
    ] = 120.0,
    rounds: Annotated[int, typer.Option("--rounds", metavar="N", min=0, max=20, help="Most repairs.")] = 3,
    commit: Annotated[bool, typer.Option("--commit", help="Commit the result on a branch of its own.")] = False,
    max_files: Annotated[
        int | None, typer.Option("--max-files", metavar="N", min=1, help="Show the model at most N files.")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", "-n", metavar="TOKENS", min=1, help="Most tokens of one answer.")
    ] = None,
    think: Think = False,
    no_think: Annotated[bool, typer.Option("--no-think", help="Edit without reasoning.")] = False,
    hide_thinking: HideThinking = False,
    temperature: Annotated[
        float | None, typer.Option("--temperature", "-t", min=0, max=100, help="0 is greedy; higher is more varied.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 2, help="Same seed, same machine: same text.")] = None,
    context: Annotated[int | None, typer.Option(metavar="TOKENS", min=256, help="Upper limit of the context.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, max=1024, help="Threads of the engine.")] = None,
    json_output: Json = False,
) -> int:
    """Edit the files of this folder by a task, in a session or at once.

    The edits are shown and asked about before anything is written; `edgemind code undo` takes them back.
    """
    from edgemind.cli.code_run import run

    return run(CodeFlags(**context_.params))
