"""Which hub: ``HF_ENDPOINT``, or the usual one, checked. Not for: talking to it (``download``)."""

from __future__ import annotations

import ipaddress
import os
import re
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
    try:
        parts = urlsplit(given)
        scheme, host, _ = origin(given)
        plain = given.isascii() and given.isprintable() and " " not in given
        sound = plain and host and scheme in ("http", "https") and not (parts.query or parts.fragment or "@" in given)
    except ValueError:
        sound = False
    if not sound:
        shown = clean_line(re.sub(r"//.*@", "//...@", given))[:120]
        raise UsageError(f"HF_ENDPOINT={shown} is not the address of a hub.", f"HF_ENDPOINT={USUAL_HUB}")
    if scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"HF_ENDPOINT={given} is plain http: anyone on the way could read a token.",
            f"Use https: HF_ENDPOINT=https://{parts.netloc}",
        )
    return given


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address, so that ``https://Hub`` and ``https://hub:443/x`` are one.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
