"""Which hub: ``HF_ENDPOINT``, or the usual one, checked. Not for: talking to it (``download``)."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from edgemind.errors import UsageError
from edgemind.terminal import clean_line

USUAL_HUB = "https://huggingface.co"


def endpoint() -> str:
    """The hub's address: ``HF_ENDPOINT``, or the usual one.

    Raises:
        UsageError: it is no address, or plain http to another machine.
    """
    given = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/") or USUAL_HUB
    parts = urlsplit(given)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise UsageError(f"HF_ENDPOINT={clean_line(given)} is not the address of a hub.", f"HF_ENDPOINT={USUAL_HUB}")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise UsageError(
            f"HF_ENDPOINT={clean_line(given)} is plain http: anyone on the way could read a token.",
            f"Use https: HF_ENDPOINT=https://{parts.netloc}",
        )
    return given


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
