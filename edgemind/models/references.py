"""What a user writes after ``edgemind pull``: ``NAME[:QUANT]`` or ``owner/repo[:QUANT|:FILE][@revision]``.

Addresses copied out of a browser are understood too. Not for: whether any of it exists (``pull``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from edgemind.errors import UsageError
from edgemind.models.hubs import endpoint, origin
from edgemind.models.store.manifest import is_file_path
from edgemind.terminal import clean_line

_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REVISION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_USUAL_HOSTS = ("huggingface.co", "hf.co")
_SCHEMES = ("hf.co/", "huggingface.co/", "hf://")
EXAMPLE = "edgemind pull qwen3-1.7b, or: edgemind pull owner/repository:Q4_K_M"


@dataclass(frozen=True)
class Reference:
    """What to pull. Either ``name`` (of the catalog) or ``repository`` is set."""

    name: str | None = None
    repository: str | None = None
    quantization: str | None = None
    file: str | None = None
    revision: str | None = None

    def __str__(self) -> str:
        what = self.name or self.repository or ""
        if self.quantization or self.file:
            what += f":{self.quantization or self.file}"
        return f"{what}@{self.revision}" if self.revision else what


def parse(text: str) -> Reference:
    """Take a reference apart.

    Raises:
        UsageError: it is none.
    """
    given = text.strip()
    if re.match(r"https?://", given):
        return _from_address(given)
    for scheme in _SCHEMES:
        given = given.removeprefix(scheme)
    what, at, revision = given.partition("@")
    what, colon, choice = what.partition(":")
    if (at and not _is_revision(revision)) or (colon and not choice):
        raise _unclear(text)
    file = choice if choice.lower().endswith((".gguf", ".safetensors")) else None
    if choice and not (is_file_path(choice) if file else re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", choice)):
        raise _unclear(text)
    quantization = choice if choice and not file else None
    if _is_repository(what):
        return Reference(repository=what, quantization=quantization, file=file, revision=revision or None)
    if _NAME.fullmatch(what):
        return Reference(name=what, quantization=quantization, file=file, revision=revision or None)
    raise _unclear(text)


def _from_address(text: str) -> Reference:
    """``https://hub/owner/repo[/(blob|resolve|tree)/REVISION[/PATH]]``."""
    parts = [unquote(part) for part in _below_the_hub(text).split("/") if part]
    repository = "/".join(parts[:2])
    if not _is_repository(repository):
        raise _unclear(text)
    if len(parts) < 4 or parts[2] not in ("blob", "resolve", "tree"):
        return Reference(repository=repository)
    revision, file = parts[3], "/".join(parts[4:])
    if not _is_revision(revision) or (file and not is_file_path(file)):
        raise _unclear(text)
    wanted = file if file.lower().endswith((".gguf", ".safetensors")) else None
    return Reference(repository=repository, file=wanted, revision=None if revision == "main" else revision)


def _below_the_hub(text: str) -> str:
    """The path of an address, without that of the hub itself.

    Raises:
        UsageError: it is no address, or one of somewhere else.
    """
    hub = endpoint()
    try:
        address, here = urlsplit(text), urlsplit(hub)
        _, host, _ = at = origin(text)
    except ValueError as problem:
        raise _unclear(text) from problem
    if at == origin(hub) and f"{address.path}/".startswith(f"{here.path}/"):
        return address.path[len(here.path) :]
    if host.removeprefix("www.") in _USUAL_HOSTS:
        return address.path
    raise UsageError(
        f"{clean_line(host)[:120]} is not the hub; that is {hub}.",
        f"If it is another hub, name it: HF_ENDPOINT={clean_line(address.scheme)}://{clean_line(host)[:120]}",
    )


def _is_repository(text: str) -> bool:
    """As the hub's own rule is: no doubled dots or dashes, none at an edge."""
    odd = ".." in text or "--" in text or any(part[0] in ".-" or part[-1] in ".-" for part in text.split("/") if part)
    return bool(_REPOSITORY.fullmatch(text)) and len(text) <= 96 and not odd and not text.endswith(".git")


def _is_revision(text: str) -> bool:
    return bool(_REVISION.fullmatch(text)) and ".." not in text


def _unclear(text: str) -> UsageError:
    shown = clean_line(text)[:120]
    return UsageError(f"{shown!r} is neither a model's name nor a repository of a hub.", EXAMPLE)
