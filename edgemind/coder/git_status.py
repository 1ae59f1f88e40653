"""What ``git status`` and ``git ls-files`` say, asked so that nothing that a repository's own settings name is run.

A repository that was unpacked, not cloned, brings its ``.git/config`` along: file system monitors, hooks, filters and
partial clones can name commands. The first two are switched off, filters that the repository itself defines too, and no
transport is allowed. Source: ``git-config(1)``, ``git(1)`` (environment), ``gitattributes(5)``.
Not for: changing anything (``committing``).
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from edgemind.errors import WorkspaceProblem
from edgemind.terminal import clean_line

LONGEST_S = 20.0
_MOST_FILTERS = 200


def safe_environment() -> dict[str, str]:
    """The environment without what turns git elsewhere, and with what keeps it quiet and off the network."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return kept | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_EDITOR": "true",
        "LC_ALL": "C",
    }


def safe_options(root: Path) -> list[str]:
    """Options for ``git`` before its command: this folder, no hooks, no monitor, none of the repository's filters.

    Raises:
        WorkspaceProblem: git is missing or cannot read the repository's settings.
    """
    options = ["-C", str(root), f"--work-tree={root}", "--no-pager"]
    fixed = (
        "core.fsmonitor=false",
        f"core.hooksPath={os.devnull}",
        "core.untrackedCache=false",
        "core.sshCommand=false",
        "credential.helper=",
        "gc.auto=0",
        "maintenance.auto=false",
        "submodule.recurse=false",
    )
    options += [word for setting in fixed for word in ("-c", setting)]
    asked = ["config", "--show-scope", "--name-only", "-z", "--get-regexp", r"^filter\..*\.(clean|smudge|process)$"]
    found = _git([*options, *asked], root, wrong=(1,))
    filters = set()
    fields = found.split(b"\0")
    for scope, key in zip(fields[::2], fields[1::2], strict=False):
        match = re.fullmatch(r"filter\.(.*)\.[a-z]+", os.fsdecode(key), re.DOTALL)
        if match and scope in (b"local", b"worktree"):
            filters.add(match[1])
    if len(filters) > _MOST_FILTERS or any("=" in name or "\n" in name for name in filters):
        raise _failed("its filters have names that cannot be switched off")
    for name in sorted(filters):
        for setting in ("clean=", "smudge=", "process=", "required=false"):
            options += ["-c", f"filter.{name}.{setting}"]
    return options


def dirty(root: Path) -> list[str]:
    """Paths that differ from the last commit, sorted, files that git does not know and both names of a move included.

    Raises:
        WorkspaceProblem: git is missing, fails, or takes too long.
    """
    asked = ["status", "--porcelain=v1", "-z", "--untracked-files=normal", "--ignore-submodules=all", "--no-renames"]
    fields = _git([*safe_options(root), *asked], root).split(b"\0")
    return sorted(os.fsdecode(field[3:]) for field in fields if len(field) > 3)


def files(root: Path) -> set[str]:
    """The files of the working tree that git knows or would add, and other repositories in it (untracked: ``name/``).

    Raises:
        WorkspaceProblem: git is missing, fails, or takes too long.
    """
    found = _git([*safe_options(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"], root)
    return set(map(os.fsdecode, found.split(b"\0")[:-1]))


def _git(arguments: list[str], root: Path, wrong: tuple[int, ...] = ()) -> bytes:
    """What git prints; exit codes in ``wrong`` count as empty output."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=safe_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST_S,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise WorkspaceProblem("git is not installed, so what changed cannot be told.", "Install git.") from None
    except subprocess.TimeoutExpired:
        raise _failed(f"it took longer than {LONGEST_S:.0f} s") from None
    except OSError as problem:
        raise _failed(str(problem.strerror)) from problem
    if done.returncode and done.returncode not in wrong:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise _failed(said[0].removeprefix("fatal: ").rstrip(".") if said else f"exit code {done.returncode}")
    return b"" if done.returncode else done.stdout


def _failed(reason: str) -> WorkspaceProblem:
    return WorkspaceProblem(f"git cannot say what changed: {clean_line(reason)}.", "git status")
