"""``edgemind chat``, and ``edgemind`` alone on a terminal: the chat app. This file declares the flags and looks at the
terminal; ``tui.launch`` does it.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from edgemind.cli import completion, console
from edgemind.cli.shut_in import shut_in
from edgemind.errors import UsageError

EPILOG = "Keys and commands: f1 in the app. For one answer in a script or a pipe: edgemind run"


def register(app: typer.Typer) -> None:
    app.command(name="chat", epilog=EPILOG)(chat)


def is_possible() -> bool:
    """Whether there is a terminal that an app can be drawn on."""
    return console.is_terminal(sys.stdin) and console.is_smart(sys.stdout)


def chat(
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="The first message; it can be seen in ps.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Installed name, or a path to any GGUF file.",
            autocompletion=completion.installed_names,
        ),
    ] = None,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Keep nothing of what is said.")] = False,
    no_think: Annotated[bool, typer.Option("--no-think", help="Answer without reasoning.")] = False,
    require_offline: Annotated[
        bool, typer.Option("--require-offline", help="Refuse to run unless the system keeps the network shut.")
    ] = False,
) -> int:
    """Talk with a model on this terminal; chats are kept encrypted.

    Without --model the one of the settings is used, else the model that comes with EdgeMind.
    """
    if not is_possible():
        shut_in()
        why = "TERM says that this terminal cannot be drawn on" if console.is_terminal(sys.stdout) else "there is none"
        raise UsageError(
            f"The chat app needs a terminal, and {why}.", "For one answer without one: edgemind run 'your prompt'"
        )
    for name in [name for name in os.environ if name.startswith("TEXTUAL")]:
        del os.environ[name]  # devtools, debug logs, screenshots: all of them are switched on from there
    from edgemind.tui.launch import Wishes, launch

    wishes = Wishes(
        first=" ".join(prompt or ()),
        model=model,
        ephemeral=ephemeral,
        no_think=no_think,
        require_offline=require_offline,
    )
    ended = launch(wishes)
    console.err(ended.said + "\n" if ended.said else "")
    return ended.code
