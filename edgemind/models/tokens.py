"""The user's token for a hub: ``HF_TOKEN``, or the system's keyring. Never shown, never written to a file of ours.

The keyring keeps one token per hub, so a mirror is not given another's. Not for: sending it (``download``).
"""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from edgemind.errors import BadInput, EdgemindError, UsageError

SERVICE = "edgemind"
_PLAIN = re.compile(r"[\x21-\x7e]{8,512}")
NO_KEYRING = "Set it in the environment instead, for as long as you need it: HF_TOKEN=... edgemind pull ..."


def find(endpoint: str) -> str | None:
    """The token for this hub, if there is one. A keyring that does not answer counts as empty.

    Raises:
        UsageError: ``HF_TOKEN`` holds what cannot be a token.
    """
    given = os.environ.get("HF_TOKEN", "").strip()
    if given:
        if not _PLAIN.fullmatch(given):
            raise UsageError("HF_TOKEN does not hold a token.", "unset HF_TOKEN, or set it to the token alone")
        return given
    try:
        import keyring

        return keyring.get_password(SERVICE, _account(endpoint)) or None
    except Exception:
        return None


def check_keyring() -> None:
    """See that there is a keyring, before anybody is asked to type.

    Raises:
        EdgemindError: there is none.
    """
    import keyring
    from keyring.backends.fail import Keyring as NoKeyring

    if isinstance(keyring.get_keyring(), NoKeyring):
        raise EdgemindError("The token cannot be kept: this system has no keyring that EdgeMind can use.", NO_KEYRING)


def store(endpoint: str, token: str) -> str:
    """Put a token into the keyring, and read it back; the keyring's name.

    Raises:
        BadInput: it cannot be a token.
        EdgemindError: there is no keyring, or it refuses.
    """
    token = token.strip()
    if not _PLAIN.fullmatch(token):
        raise BadInput("That is not a token: one has 8 to 512 plain characters and no spaces.", "edgemind login")
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, _account(endpoint), token)
        if keyring.get_password(SERVICE, _account(endpoint)) != token:
            raise KeyringError("it does not give back what it was given")
    except Exception as problem:
        raise EdgemindError(f"The token cannot be kept: {_reason(problem)}.", NO_KEYRING) from problem
    return str(getattr(keyring.get_keyring(), "name", "keyring"))


def forget(endpoint: str) -> bool:
    """Take the token of this hub out of the keyring; whether there was one.

    Raises:
        EdgemindError: the keyring refuses.
    """
    import keyring
    from keyring.errors import NoKeyringError, PasswordDeleteError

    try:
        keyring.delete_password(SERVICE, _account(endpoint))
    except (PasswordDeleteError, NoKeyringError):
        return False
    except Exception as problem:
        raise EdgemindError(f"The keyring does not let go of the token: {_reason(problem)}.") from problem
    return True


def _account(endpoint: str) -> str:
    return urlsplit(endpoint).netloc.lower()


def _reason(problem: Exception) -> str:
    if type(problem).__name__ == "NoKeyringError":
        return "this system has no keyring that EdgeMind can use"
    return " ".join(str(problem).split()).rstrip(".") or type(problem).__name__
