"""``edgemind history passphrase``: what opens the history. Setting, changing, and closing ways.

Not for: reading a passphrase (``history_access``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from edgemind.cli import console
from edgemind.cli.history_access import (
    Access,
    Json,
    PassphraseFile,
    PassphraseStdin,
    ask_keyring,
    new_passphrase,
    shut,
    unlock,
    vault,
)
from edgemind.errors import HistoryProblem, UsageError

if TYPE_CHECKING:
    from edgemind.chat.vault import Vault, VaultState


def passphrase(
    new_passphrase_file: Annotated[
        str | None, typer.Option("--new-passphrase-file", metavar="FILE", help="Read the new one from FILE.")
    ] = None,
    keyring: Annotated[bool, typer.Option("--keyring", help="Have the system's keyring open it as well.")] = False,
    remove_keyring: Annotated[
        bool, typer.Option("--remove-keyring", help="The keyring opens it no longer, only the passphrase.")
    ] = False,
    remove: Annotated[
        bool, typer.Option("--remove", help="The passphrase opens it no longer, only the keyring.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Set or change the passphrase, or what else opens the chats.

    The key of the history stays, so nothing has to be encrypted again, and until the new passphrase is on the disk the
    old one opens it. A passphrase that is lost cannot be found again by anyone. With --passphrase-stdin the first line
    is the present one, the second the new one.
    """
    if keyring + remove_keyring + remove > 1:
        raise UsageError("--keyring, --remove-keyring and --remove exclude each other.", "Give one of them.")
    access = Access(passphrase_file, passphrase_stdin)
    place = vault()
    state = place.state()
    if keyring:
        done = _with_keyring(place, state, access)
    elif remove or remove_keyring:
        done = _without(place, state, access, remove_keyring)
    else:
        done = _with_passphrase(place, state, access, new_passphrase_file)
    ways = [slot.kind for slot in place.key_file().slots]
    if json_output:
        console.out_json({"opens_with": ways})
    else:
        console.out(f"{done} The history opens with the {' or the '.join(sorted(ways, reverse=True))}.\n")
    return 0


def _with_passphrase(place: Vault, state: VaultState, access: Access, new_file: str | None) -> str:
    """Set it, or change it. The keyring may open the history for that, so that a forgotten passphrase can be replaced;
    in clinic mode only as long as there is none."""
    if state.kind == "none":
        shut()
        place.create(new_passphrase(new_file, access)).lock()
        return "A new, empty history is there."
    place.clinic = place.clinic and state.passphrase
    asking = ask_keyring(place, state, access if state.passphrase else Access())
    shut()
    found = unlock(place, state, access, asking)
    try:
        found.set_passphrase(new_passphrase(new_file, access))
    finally:
        found.lock()
    return "The passphrase is changed." if state.passphrase else "The passphrase is set."


def _with_keyring(place: Vault, state: VaultState, access: Access) -> str:
    from edgemind.chat import keyring_, keys

    if place.clinic:
        place.refuse_keyring(b"")
    if state.keyring:
        raise UsageError("The keyring opens the history already.", "edgemind history status")
    key_id = state.key_id or keys.new_key_id()
    asking = keyring_.make(key_id)
    shut()
    secret = keyring_.needed(asking, "The keyring cannot open the history")
    try:
        if state.kind == "none":
            place.create(keyring_secret=secret, key_id=key_id).lock()
            return "A new, empty history is there."
        found = unlock(place, state, access, None)
        try:
            found.set_keyring(secret)
        finally:
            found.lock()
    finally:
        keys.wipe(secret)
    return "The keyring has a key now."


def _without(place: Vault, state: VaultState, access: Access, keyring: bool) -> str:
    """Close one way; it takes opening by the other, so that nobody is left outside."""
    from edgemind.chat import keyring_

    place.key_file()
    if state.kind != "both":
        kind = "keyring" if keyring else "passphrase"
        if kind in state.kind:
            raise HistoryProblem(
                f"The {kind} is the only way to open the history, so it has to stay.",
                "Set a passphrase first: edgemind history passphrase" if keyring else "edgemind history status",
            )
        raise UsageError(f"The history does not open with a {kind}.", "edgemind history status")
    if keyring:
        forgetting = keyring_.forget(state.key_id or "")
        shut()
        found = unlock(place, state, access, None)
    else:
        forgetting = None
        asking = ask_keyring(place, state, Access())
        shut()
        found = unlock(place, replace(state, kind="keyring"), Access(), asking)
    try:
        found.remove("keyring" if keyring else "passphrase")
    finally:
        found.lock()
    if forgetting is not None:
        forgetting.go()
        reason = forgetting.result().reason
        if reason:
            console.err(f"Its entry is still in the keyring and opens nothing: {reason}.\n")
    return "Done."
