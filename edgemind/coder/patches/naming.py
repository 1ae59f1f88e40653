"""Which file a name in a patch means.

Not for: finding names in text (``fences``).
"""

from __future__ import annotations

from collections.abc import Iterable

from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.protection import forbidden
from edgemind.terminal import clean_line


def resolve(name: str, paths: Iterable[str]) -> str:
    """The path of a name: one that is there if any fits, with or without git's ``a/`` and ``b/``, or by its end.

    Raises:
        BadPatch: it fits several, or is no path that may be written.
    """
    known = list(paths)
    plain = name.strip().removeprefix("./")
    for candidate in (plain, without_prefix(plain)):
        if candidate in known:
            return candidate
    plain = without_prefix(plain)
    ending = [path for path in known if path.endswith(f"/{plain}")]
    if len(ending) == 1:
        return ending[0]
    if ending:
        raise BadPatch(
            f"The patch names {clean_line(plain)}, which fits {' and '.join(ending[:3])}.", "Write the whole path."
        )
    reason = forbidden(plain)
    if reason:
        raise BadPatch(f"The patch names {clean_line(plain)}, which {reason}.", "Name a file of this folder.")
    return plain


def without_prefix(name: str) -> str:
    """Without git's ``a/`` or ``b/``."""
    return name[2:] if name.startswith(("a/", "b/")) else name
