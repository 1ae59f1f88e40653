"""``edgemind login`` and ``logout``: the token for gated and private models, in the system's keyring. No network."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from edgemind.cli import console
from edgemind.cli.shut_in import hub_offline
from edgemind.errors import BadInput


def register(app: typer.Typer) -> None:
    app.command(name="login")(login)
    app.command(name="logout")(logout)


def login(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> int:
    """Keep a hub's token in the system's keyring.

    It is typed unseen, or read from standard input.

    It is kept for the hub that HF_ENDPOINT names, and sent nowhere else. There is no flag for it: a command line can be
    seen by other users of the machine.
    """
    from edgemind.models import hubs, tokens

    hub_offline()
    hub = hubs.endpoint()
    tokens.check_keyring()
    where = tokens.store(hub, _ask(hub))
    if json:
        console.out_json({"endpoint": hub, "stored": True})
    else:
        console.out(f"The token for {hub} is in the keyring ({where}).\n")
    return 0


def logout(json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> int:
    """Take the token of the hub out of the keyring."""
    from edgemind.models import hubs, tokens

    hub_offline()
    hub = hubs.endpoint()
    was_there = tokens.forget(hub)
    if json:
        console.out_json({"endpoint": hub, "removed": was_there})
    else:
        console.out(f"The token for {hub} is removed.\n" if was_there else f"There was no token for {hub}.\n")
    return 0


def _ask(hub: str) -> str:
    if console.is_terminal(sys.stdin):
        import getpass

        try:
            return getpass.getpass(f"Token for {hub} (from {hub}/settings/tokens; a read token is enough): ")
        except EOFError:
            raise BadInput("No token was given.", "edgemind login") from None
    given = sys.stdin.readline(1024) if sys.stdin else ""
    if not given.strip():
        raise BadInput("Standard input holds no token.", "edgemind login < token.txt")
    return given
