"""What ``git status`` and ``git ls-files`` say.

Not for: changing anything (``committing``), keeping git from running what a repository names (``git_running``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from edgemind.coder.git_running import output, run
from edgemind.errors import WorkspaceProblem

_FAILED = "git cannot say what changed"


def dirty(root: Path) -> list[str]:
    """Paths that differ from the last commit, sorted, files that git does not know and both names of a move included.

    Raises:
        WorkspaceProblem: git is missing, fails, or takes too long.
    """
    asked = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=all", "--no-renames"]
    fields = output(root, *asked, failed=_FAILED).split(b"\0")
    return sorted(os.fsdecode(field[3:]) for field in fields if len(field) > 3)


def ignored(root: Path, paths: Iterable[str]) -> list[str]:
    """Those of these paths that git ignores and does not track, as far as it can say."""
    found = run(root, "check-ignore", "-z", "--stdin", given=b"\0".join(map(os.fsencode, paths))).stdout
    return list(map(os.fsdecode, found.split(b"\0")[:-1]))


def files(root: Path) -> set[str]:
    """The files of the working tree that git knows or would add, and other repositories in it (untracked: ``name/``).

    Raises:
        WorkspaceProblem: git is missing, fails, or takes too long.
    """
    asked = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    found = output(root, *asked, failed=_FAILED)
    return set(map(os.fsdecode, found.split(b"\0")[:-1]))


def hooks_folder(root: Path) -> str | None:
    """The folder inside this repository that its settings name for hooks; ``None`` when there is none, or no git."""
    try:
        found = run(root, "config", "-z", "--type=path", "--get-all", "core.hooksPath")
    except WorkspaceProblem:
        return None
    named = found.stdout.split(b"\0")[:-2]  # the last is our own
    path = os.path.relpath(root / os.fsdecode(named[-1]), root) if named else "."
    return None if path.split("/")[0] in (".", "..") else path
