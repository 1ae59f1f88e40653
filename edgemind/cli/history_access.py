"""Opening the history for a command: the keyring is asked first, then the jail is armed, then the passphrase is read.

Not for: what is done with it (``history``, ``history_files``, ``history_passphrase``).
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgemind.cli import console
from edgemind.errors import BadInput, UsageError, WrongPassphrase

if TYPE_CHECKING:
    from edgemind.chat.keyring_ import Asking
    from edgemind.chat.open_vault import OpenVault
    from edgemind.chat.vault import Vault, VaultState

LONGEST = 8 << 10
"""Bytes of a file with a passphrase."""
TRIES = 3

PassphraseFile = Annotated[
    str | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Read the passphrase from the first line of FILE."),
]
PassphraseStdin = Annotated[
    bool, typer.Option("--passphrase-stdin", help="Read the passphrase from a line of standard input.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@dataclass(frozen=True)
class Access:
    """Where the passphrase comes from; with neither, from the terminal."""

    file: str | None = None
    stdin: bool = False

    def __post_init__(self) -> None:
        if self.file is not None and self.stdin:
            raise UsageError("--passphrase-file and --passphrase-stdin exclude each other.", "Give one of them.")

    @property
    def given(self) -> bool:
        return self.file is not None or self.stdin


def vault() -> Vault:
    """The user's, as the settings have it."""
    from edgemind.chat.vault import Vault
    from edgemind.settings import load_settings

    settings = load_settings().chat
    return Vault(clinic=settings.clinic, keep=settings.snapshots)


@contextlib.contextmanager
def opened(access: Access) -> Iterator[OpenVault]:
    """The open history; the jail is armed. What had to be mended is said.

    Raises:
        NoHistory, WrongPassphrase, HistoryProblem: as ``Vault.unlock``.
    """
    place = vault()
    state = place.state()
    asking = ask_keyring(place, state, access)
    shut()
    found = unlock(place, state, access, asking)
    try:
        yield found
        if found.recovered is not None:
            console.err(f"{found.recovered.sentence}\n")
    finally:
        found.lock()


def shut() -> None:
    from edgemind.cli.shut_in import shut_in

    shut_in()


def ask_keyring(place: Vault, state: VaultState, access: Access) -> Asking | None:
    """The question, when its answer can be of use. Before the jail is armed."""
    if not state.keyring or state.key_id is None or place.clinic or access.given:
        return None
    from edgemind.chat import keyring_

    return keyring_.ask(state.key_id)


def unlock(place: Vault, state: VaultState, access: Access, asking: Asking | None) -> OpenVault:
    """By the keyring if it answers, else by the passphrase."""
    reason = ""
    if asking is not None:
        answer = asking.result()
        try:
            if answer.secret is not None:
                return place.unlock(keyring_secret=answer.secret)
        finally:
            answer.wipe()
        reason = answer.reason
        if not state.passphrase:
            from edgemind.errors import HistoryProblem

            raise HistoryProblem(
                f"The history cannot be opened: {reason}.", "Unlock the keyring, or: edgemind history restore FILE"
            )
    if state.passphrase and not access.given and is_asked():
        return _asked(place)
    if state.passphrase:
        return place.unlock(passphrase(access, "Passphrase of the history: "))
    return place.unlock(keyring_secret=b"" if state.keyring else None)


def _asked(place: Vault) -> OpenVault:
    for left in range(TRIES - 1, -1, -1):
        try:
            return place.unlock(hidden("Passphrase of the history: "))
        except WrongPassphrase as problem:
            if not left or place.wait_seconds() > 0:
                raise
            console.err(f"{problem.message}\n")
    raise AssertionError


def is_asked() -> bool:
    """Whether there is a terminal to type into."""
    return console.is_terminal(sys.stdin) and console.is_terminal(sys.stderr)


def passphrase(access: Access, prompt: str) -> str:
    """The passphrase from where the user said, or typed unseen.

    Raises:
        WrongPassphrase: nobody can be asked.
        BadInput: it cannot be read.
    """
    if access.file is not None:
        return from_file(access.file)
    if access.stdin:
        return from_stdin()
    if not is_asked():
        raise WrongPassphrase(
            "The history needs its passphrase, and there is no terminal to type it.", "Give --passphrase-file FILE."
        )
    return hidden(prompt)


def new_passphrase(file: str | None, access: Access) -> str:
    """A new one: from a file, from standard input, or typed twice. Raises as ``passphrase``."""
    from edgemind.chat.keys import check_new_passphrase

    if file is not None:
        new = from_file(file)
    elif access.stdin:
        new = from_stdin()
    elif not is_asked():
        raise WrongPassphrase(
            "A new passphrase is needed, and there is no terminal to type it.", "Give --new-passphrase-file FILE."
        )
    else:
        new = hidden("New passphrase: ")
        check_new_passphrase(new)
        if hidden("The same again: ") != new:
            raise WrongPassphrase("The two are not the same.", "Nothing was changed; try again.")
    check_new_passphrase(new)
    return new


def hidden(prompt: str) -> str:
    import getpass

    try:
        return getpass.getpass(prompt)
    except EOFError:
        raise BadInput("No passphrase was given.", "Type it, or give --passphrase-file FILE.") from None


def from_file(name: str) -> str:
    path = Path(os.path.expanduser(name))
    try:
        with open(path, "rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o044 and os.name == "posix":
                console.err(f"Others can read {name}; chmod 600 keeps it yours.\n")
            return _first_line(file.readline(LONGEST + 1), name)
    except OSError as problem:
        reason = (problem.strerror or type(problem).__name__).lower()
        raise BadInput(f"The passphrase cannot be read from {name}: {reason}.", f"ls -l {name}") from None


def from_stdin() -> str:
    data = sys.stdin.buffer.readline(LONGEST + 1) if sys.stdin is not None else b""
    return _first_line(data, "standard input")


def _first_line(data: bytes, where: str) -> str:
    try:
        text = data.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadInput(f"The passphrase in {where} is not UTF-8 text.", "Write it as plain text.") from None
    if not text or len(data) > LONGEST:
        raise BadInput(f"There is no passphrase in {where}.", "Its first line should be the passphrase.")
    return text
