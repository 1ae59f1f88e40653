"""What ``.gitignore`` files say about a path: nested ones, ``.git/info/exclude``, the last pattern that matches wins.

For folders that are no repository, and where git cannot be asked. Patterns are ``pathspec``'s, which makes regular
expressions of them. One with many wildcards could take hours against one long name (a name of 250 letters: four
wildcards 0.3 s, five 14 s), so it is left out and told.
Not for: repositories that git can speak for (``git_status.files``), secrets (``private_names``).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence

MOST_WILDCARDS = 4
MOST_PATTERNS = 2000
LONGEST_PATTERN = 512
MOST_BYTES = 1 << 18
"""Of one file of patterns that is read."""

_WILDCARDS = re.compile(r"\*+/?")
_ALL_INSIDE = re.compile(r"/\*\*+ *$")
"""Means what ``/*`` means, but pathspec also finds the folder itself in it, and git does not."""
_CLASS = re.compile(r"\[:(\w+):\](?=[^/]*\])")
_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "xdigit": "0-9a-fA-F",
    "space": " \t",
    "blank": " \t",
}
"""Names of sets of characters inside brackets, which pathspec does not know."""


class Patterns:
    """The patterns of one file, for what lies below its folder."""

    def __init__(self, base: str, data: bytes) -> None:
        """``base``: the folder's path, ``""`` for the root."""
        from pathspec import GitIgnoreSpec

        kept: list[str] = []
        left_out: list[str] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # of a bracket inside brackets
            for line in data[:MOST_BYTES].decode("utf-8-sig", "surrogateescape").split("\n"):
                line = _ALL_INSIDE.sub("/*", line.removesuffix("\r"))
                line = _CLASS.sub(lambda named: _CLASSES.get(named[1], named[0]), line)
                if not line.strip() or line.startswith("#"):
                    continue
                usable = len(kept) < MOST_PATTERNS and not _costly(line)
                if usable:
                    try:
                        GitIgnoreSpec.from_lines([line])
                    except ValueError:
                        usable = False
                (kept if usable else left_out).append(line)
            self._spec = GitIgnoreSpec.from_lines(kept)
        self._prefix = f"{base}/" if base else ""
        self.left_out = tuple(left_out)
        """Patterns that are not honoured."""

    def say(self, path: str) -> bool | None:
        """Whether a path below is ignored; ``None``: no pattern matches. A folder's path ends in ``/``."""
        return self._spec.check_file(path.removeprefix(self._prefix)).include


def ignored(path: str, layers: Sequence[Patterns]) -> bool:
    """Whether a path is ignored; ``layers`` from the weakest to the strongest, those above it only."""
    for patterns in reversed(layers):
        said = patterns.say(path)
        if said is not None:
            return said
    return False


def _costly(line: str) -> bool:
    return len(line) > LONGEST_PATTERN or len(_WILDCARDS.findall(line)) > MOST_WILDCARDS
