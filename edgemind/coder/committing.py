"""One commit of what a task changed, on a branch of its own.

Only the files of the task enter it, whatever else is changed or staged. No hook of the repository is run and nothing is
signed: inside the network jail no agent can be asked.
Not for: what differs from the last commit (``git_status``), how git is run (``git_running``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edgemind.coder.git_running import output, run
from edgemind.errors import WorkspaceProblem
from edgemind.terminal import clean_line

_FOLDER = "edgemind"
PREFIX = f"{_FOLDER}/"
SUBJECT = 72

_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG")


def check(root: Path) -> None:
    """Whether there can be a commit at all, before anything is asked or written.

    Raises:
        WorkspaceProblem: why not.
    """
    own = Path(_said(root, "rev-parse", "--absolute-git-dir"))
    if any((own / name).exists() for name in _UNDER_WAY):
        raise WorkspaceProblem(
            "There is a merge, rebase or the like under way here, so nothing is committed.", "git status"
        )
    if run(root, "var", "GIT_AUTHOR_IDENT").returncode:
        raise WorkspaceProblem(
            "git does not know who you are, so it cannot commit.",
            "git config --global user.name NAME; git config --global user.email ADDRESS",
        )
    if _exists(root, _FOLDER):
        raise WorkspaceProblem(
            f"There is a branch {_FOLDER}, so there can be none below {PREFIX}.",
            f"git branch -m {_FOLDER} ANOTHER-NAME",
        )


def branch_for(root: Path, task: str) -> str:
    """Where the commit goes: the branch that is checked out if an earlier task made it, else a new one."""
    now = _current(root)
    if now.startswith(PREFIX):
        return now
    words = re.findall(r"[a-z0-9]+", task.lower())[:6]
    stem = PREFIX + ("-".join(words)[:48].strip("-") or "task")
    name, number = stem, 1
    while _exists(root, name):
        number += 1
        name = f"{stem}-{number}"
    return name


def commit(root: Path, branch: str, message: str, paths: Sequence[str]) -> str:
    """Commit these files on that branch, which is checked out from then on; the short name of the commit.

    Raises:
        WorkspaceProblem: git refuses; the files, the branch and the index stay as they are.
    """
    _said(root, "update-index", "--add", "--remove", "--", *paths)
    literal = [f":(top,literal){path}" for path in paths]  # no name is a pattern
    before = _current(root)
    try:
        if before != branch:
            _said(root, "switch", "--quiet", "--no-track", "--create", branch)
        _said(
            root, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=verbatim", "--message", message,
            "--only", "--", *literal,
        )  # fmt: skip
    except WorkspaceProblem:
        if before != branch == _current(root):
            back = ("symbolic-ref", "HEAD", f"refs/heads/{before}") if before else ("switch", "--quiet", "--detach")
            run(root, *back, writing=True)
            run(root, "branch", "--quiet", "-D", branch, writing=True)
        run(root, "reset", "--quiet", "--", *literal, writing=True)
        raise
    return _said(root, "rev-parse", "--short", "HEAD")


def subject(text: str) -> str:
    """One line that can be the first of a commit's message; "" when there is none in the text."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = clean_line(line).strip("`\"' ").rstrip(".")
    if len(line) > SUBJECT:
        line = line[: SUBJECT + 1].rsplit(" ", 1)[0][:SUBJECT]
    return line[:1].upper() + line[1:]


def _current(root: Path) -> str:
    """The branch that is checked out; "" when there is none."""
    return run(root, "symbolic-ref", "--short", "-q", "HEAD").stdout.decode("utf-8", "replace").strip()


def _exists(root: Path, branch: str) -> bool:
    return not run(root, "rev-parse", "-q", "--verify", f"refs/heads/{branch}").returncode


def _said(root: Path, *arguments: str) -> str:
    return output(root, *arguments, failed="git could not commit", writing=True).decode("utf-8", "replace").strip()
