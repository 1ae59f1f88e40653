"""``edgemind chat``: the chat app. This file declares the flags; ``chat_start`` does it, for ``edgemind`` alone too."""

from __future__ import annotations

from typing import Annotated

import typer

from edgemind.cli.chat_start import start
from edgemind.cli.options import Model, RequireOffline

EPILOG = "Keys and commands: f1 in the app. For one answer in a script or a pipe: edgemind run"


def register(app: typer.Typer) -> None:
    app.command(name="chat", epilog=EPILOG)(chat)


def chat(
    prompt: Annotated[
        list[str] | None, typer.Argument(metavar="PROMPT", help="The first message; it can be seen in ps.")
    ] = None,
    model: Model = None,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Keep nothing of what is said.")] = False,
    no_think: Annotated[bool, typer.Option("--no-think", help="Answer without reasoning.")] = False,
    require_offline: RequireOffline = False,
) -> int:
    """Talk with a model; chats are kept encrypted.

    Without --model the one of the settings is used, else the model that comes with EdgeMind.
    """
    from edgemind.tui.launch import Wishes

    return start(
        Wishes(
            first=" ".join(prompt or ()),
            model=model,
            ephemeral=ephemeral,
            no_think=no_think,
            require_offline=require_offline,
        )
    )
