"""Every command but those that fetch begins here: its own process gets no network, and the hub's library is told so.

Not for: what the jail holds (``privacy.jail``), or insisting on it (``run --require-offline``).
"""

from __future__ import annotations

import os


def shut_in() -> str | None:
    """Shut the network for this process and its children; what is in the way, if something is.

    A command that only reads and writes the user's own files is of use also where the jail cannot be armed: it opens no
    connection anyway.
    """
    from edgemind.errors import NotOffline

    try:
        insist()
    except NotOffline as problem:
        return problem.message
    return None


def insist() -> None:
    """The same for a command that runs models: where this kernel can enforce it and arming fails, it does not go on.

    Raises:
        NotOffline: as ``privacy.jail.arm``.
    """
    from edgemind.privacy import jail

    hub_offline()
    jail.arm("ui")


def hub_offline() -> None:
    """Should anything ever import the hub's library in this process or a child, it finds itself offline."""
    os.environ["HF_HUB_OFFLINE"] = "1"
