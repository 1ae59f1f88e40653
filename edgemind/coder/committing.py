"""One commit of what a task changed, on a branch of its own.

Only the files of the task enter it, whatever else is changed or staged. No hook of the repository is run and nothing is
signed: inside the network jail no agent can be asked.
Not for: what differs from the last commit (``git_status``).
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgemind.coder.git_status import safe_environment, safe_options
from edgemind.errors import WorkspaceProblem
from edgemind.terminal import clean_line

PREFIX = "edgemind/"
LONGEST_S = 60.0
SUBJECT = 72

_UNDER_WAY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG")


def check(root: Path) -> None:
    """Whether there can be a commit at all, before anything is asked or written.

    Raises:
        WorkspaceProblem: why not.
    """
    for name in _UNDER_WAY:
        place = Path(_git(root, "rev-parse", "--git-path", name).strip())
        if (root / place).exists():
            raise WorkspaceProblem(
                "There is a merge, rebase or the like under way here, so nothing is committed.", "git status"
            )
    author = _run(root, "var", "GIT_AUTHOR_IDENT")
    if author.returncode:
        raise WorkspaceProblem(
            "git does not know who you are, so it cannot commit.",
            "git config --global user.name NAME; git config --global user.email ADDRESS",
        )


def branch_for(root: Path, task: str) -> str:
    """Where the commit goes: the branch that is checked out if an earlier task made it, else a new one."""
    now = _current(root)
    if now.startswith(PREFIX):
        return now
    words = re.findall(r"[a-z0-9]+", task.lower())[:6]
    stem = PREFIX + ("-".join(words)[:48].strip("-") or "task")
    name, number = stem, 1
    while not _run(root, "rev-parse", "-q", "--verify", f"refs/heads/{name}").returncode:
        number += 1
        name = f"{stem}-{number}"
    return name


def commit(root: Path, branch: str, message: str, paths: Sequence[str]) -> str:
    """Commit these files on that branch, which is checked out from then on; the short name of the commit.

    Raises:
        WorkspaceProblem: git refuses; the files stay as they are.
    """
    if _current(root) != branch:
        _git(root, "switch", "--quiet", "--no-track", "--create", branch)
    _git(root, "add", "--force", "--intent-to-add", "--", *_literal(paths))
    _git(
        root, "commit", "--quiet", "--no-verify", "--no-gpg-sign", "--cleanup=verbatim", "--message", message,
        "--only", "--", *_literal(paths),
    )  # fmt: skip
    return _git(root, "rev-parse", "--short", "HEAD").strip()


def subject(text: str) -> str:
    """One line that can be the first of a commit's message; "" when there is none in the text."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    line = clean_line(line).strip("`\"' ").rstrip(".")
    if len(line) > SUBJECT:
        line = line[: SUBJECT + 1].rsplit(" ", 1)[0][:SUBJECT]
    return line[:1].upper() + line[1:]


def _current(root: Path) -> str:
    """The branch that is checked out; "" when there is none."""
    return _run(root, "symbolic-ref", "--short", "-q", "HEAD").stdout.decode("utf-8", "replace").strip()


def _literal(paths: Sequence[str]) -> list[str]:
    """No name is a pattern."""
    return [f":(top,literal){path}" for path in paths]


def _git(root: Path, *arguments: str) -> str:
    done = _run(root, *arguments)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = said[0].removeprefix("fatal: ").removeprefix("error: ") if said else f"exit code {done.returncode}"
        raise WorkspaceProblem(f"git could not commit: {clean_line(reason).rstrip('.')}.", "git status")
    return done.stdout.decode("utf-8", "replace")


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    environment = safe_environment()
    environment.pop("GIT_OPTIONAL_LOCKS", None)
    try:
        return subprocess.run(
            ["git", *safe_options(root), *arguments],
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_S,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise WorkspaceProblem("git is not installed, so nothing can be committed.", "Leave --commit out.") from None
    except subprocess.TimeoutExpired:
        raise WorkspaceProblem("git did not end, so nothing was committed.", "git status") from None
