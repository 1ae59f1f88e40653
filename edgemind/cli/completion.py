"""``edgemind completion``: commands, flags and model names at the press of the tab key.

Typer writes the scripts and reads the command line; here are the names. A shell asks at every press, so whatever goes
wrong is silence, never a message in the middle of what somebody types.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer

from edgemind.cli import console
from edgemind.errors import UsageError

VARIABLE = "_EDGEMIND_COMPLETE"
"""By this the scripts tell the command that a shell is asking."""

SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")

WHERE = {
    "bash": "echo 'source <(edgemind completion bash)' >> ~/.bashrc",
    "zsh": "edgemind completion zsh > ~/.zfunc/_edgemind   (a folder of your fpath)",
    "fish": "edgemind completion fish > ~/.config/fish/completions/edgemind.fish",
    "powershell": "edgemind completion powershell >> $PROFILE",
}
EPILOG = "To keep it: " + "; ".join(WHERE.values())


def register(app: typer.Typer) -> None:
    app.command(name="completion", epilog=EPILOG)(completion)


def _shells(incomplete: str) -> list[str]:
    return [shell for shell in SHELLS if shell.startswith(incomplete)]


def completion(
    shell: Annotated[
        str, typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell.", autocompletion=_shells)
    ],
    json_output: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Print the script that completes names at the tab key."""
    from edgemind.cli.shut_in import shut_in

    shut_in()
    if shell not in SHELLS:
        raise UsageError(f"There is no script for the shell {shell!r}.", f"edgemind completion {SHELLS[0]}")
    from typer import completion as machinery

    script: str = machinery.get_completion_script(  # type: ignore[attr-defined]
        prog_name="edgemind", complete_var=VARIABLE, shell=shell
    )
    if json_output:
        console.out_json({"shell": shell, "script": script})
    else:
        console.out(f"{script}\n")
        if console.is_terminal(sys.stdout):
            console.err(f"\n# To keep it: {WHERE.get(shell, WHERE['powershell'])}\n")
    return 0


def is_asked() -> bool:
    """Whether a shell is asking, rather than a person."""
    return VARIABLE in os.environ


def answer_shell(app: typer.Typer) -> int:
    """What can come next on the line that the shell has in its variables. Silent, whatever happens."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        try:
            from typer import completion as machinery

            from edgemind.cli.shut_in import shut_in

            shut_in()
            machinery.completion_init()  # type: ignore[attr-defined]
            command = typer.main.get_command(app)
            return machinery.shell_complete(command, {}, "edgemind", VARIABLE, os.environ[VARIABLE])
        except SystemExit as left:
            return left.code if isinstance(left.code, int) else 0
        except BaseException:
            return 0


def installed_names(incomplete: str) -> list[str]:
    """Names and aliases of what is installed, the built-in model among them."""
    return _beginning(incomplete, _installed())


def stored_names(incomplete: str) -> list[str]:
    """Names in every store, without aliases and the built-in model."""
    from edgemind.models import names

    with contextlib.suppress(Exception):
        return _beginning(incomplete, names.installed_names())
    return []


def removable_names(incomplete: str) -> list[str]:
    """Names of the user's own store."""
    from edgemind.models.store.store import own_store

    with contextlib.suppress(Exception):
        return _beginning(incomplete, own_store().names())
    return []


def fetchable_names(incomplete: str) -> list[str]:
    """Names of the catalog, and of what is installed: a pull may be meant to mend or renew that."""
    found: list[str] = []
    with contextlib.suppress(Exception):
        from edgemind.models import catalog

        found += [name for name, entry in catalog.load().items() if entry.repository]
    return _beginning(incomplete, [*found, *removable_names(incomplete)])


def uses(incomplete: str) -> list[str]:
    """What a model of the catalog may be for."""
    with contextlib.suppress(Exception):
        from typing import get_args

        from edgemind.models.catalog_schema import Use

        return _beginning(incomplete, list(get_args(Use)))
    return []


def alias_names(incomplete: str) -> list[str]:
    with contextlib.suppress(Exception):
        from edgemind.settings import load_settings

        return _beginning(incomplete, list(load_settings().aliases))
    return []


def store_folders(incomplete: str) -> list[str]:
    """Shared stores in the settings."""
    with contextlib.suppress(Exception):
        from edgemind.settings import load_settings

        return [folder for folder in load_settings().stores if folder.startswith(incomplete) and folder.isprintable()]
    return []


def _installed() -> list[str]:
    with contextlib.suppress(Exception):
        from edgemind.models.names import known_names

        return known_names()
    return []


def _beginning(incomplete: str, names: list[str]) -> list[str]:
    """Those that go on from what was typed, and that a shell reads as one plain word."""
    from edgemind.models.store.manifest import is_model_name

    typed = incomplete.lower()
    return sorted({name for name in names if name.startswith(typed) and is_model_name(name)})
