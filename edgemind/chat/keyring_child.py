"""The child process that talks to the system's keyring: one order, one line of answer, the end.

It waits for a line on standard input, and ends without one. It imports next to nothing, so that it answers soon.
Not for: importing it (``keyring_`` starts it).
"""

from __future__ import annotations

import os
import sys

SERVICE = "edgemind history"


def answer(order: str, key_id: str) -> str:
    """``ok`` and perhaps the secret in hexadecimal; or ``none``, ``missing``, ``failed``."""
    try:
        import keyring
    except ImportError:
        return "none"
    try:
        if not _keeps_secrets(keyring.get_keyring()):
            return "none"
        made = os.urandom(32).hex() if order == "make" else None
        if made:
            keyring.set_password(SERVICE, key_id, made)
        if order == "forget":
            keyring.delete_password(SERVICE, key_id)
            return "ok"
        found = keyring.get_password(SERVICE, key_id)
        if found is None:
            return "missing"
        return f"ok {found}" if made in (None, found) else "failed"
    except Exception as problem:
        return "none" if type(problem).__name__ == "NoKeyringError" else "failed"


def _keeps_secrets(backend: object) -> bool:
    """Whether it is a keyring, and none that keeps secrets in a plain file or nowhere."""
    name = f"{type(backend).__module__}.{type(backend).__name__}"
    if name.startswith(("keyring.backends.fail.", "keyring.backends.null.", "keyrings.alt.")):
        return False
    several = getattr(backend, "backends", None)
    return _keeps_secrets(several[0]) if isinstance(several, list) and several else True


if __name__ == "__main__" and sys.stdin.readline():
    os.write(1, (answer(*sys.argv[1:3]) + "\n").encode("ascii"))
