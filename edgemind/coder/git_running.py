"""Running git so that nothing that a repository's own settings name is run.

A repository that was unpacked, not cloned, brings its ``.git/config`` along: file system monitors, hooks, filters and
partial clones can name commands. Monitors and hooks are switched off, filters that the repository itself defines too,
no transport is allowed, and a ``.git`` that is broken is not taken for the repository around it.
Source: ``git-config(1)``, ``git(1)`` (environment), ``gitattributes(5)``, ``git-hook(1)`` (2.54: hooks in settings).
Not for: what is asked of git (``git_status``, ``committing``).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from edgemind.errors import WorkspaceProblem
from edgemind.terminal import clean_line

LONGEST_S = 20.0
LONGEST_WRITING_S = 60.0
_MOST_NAMES = 200

_SETTINGS = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.untrackedCache=false",
    "core.sshCommand=false",
    "credential.helper=",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
)
_FILTER = ("clean=", "smudge=", "process=", "required=false")
_OF_THE_USER = re.compile(r"GIT_((AUTHOR|COMMITTER)_(NAME|EMAIL|DATE)|CONFIG_(GLOBAL|SYSTEM|NOSYSTEM))")
"""Variables that say who commits and where the user's own settings are; the others turn git elsewhere."""
_NAMED = r"^(filter\..*\.(clean|smudge|process)|hook\..*\.(command|event))$"


def run(root: Path, *arguments: str, writing: bool = False, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A git command in this repository, with its output.

    Args:
        writing: it changes the repository, and may take longer.
        given: its standard input.

    Raises:
        WorkspaceProblem: git is missing, does not end, or cannot read the repository's settings.
    """
    return _run(root, [*_options(root), *arguments], writing, given)


def output(root: Path, *arguments: str, failed: str, writing: bool = False) -> bytes:
    """What a git command prints.

    Args:
        failed: the beginning of a sentence that the reason ends.

    Raises:
        WorkspaceProblem: as ``run``, and when git ends with an error.
    """
    done = run(root, *arguments, writing=writing)
    if done.returncode:
        raise WorkspaceProblem(f"{failed}: {reason(done)}.", "git status")
    return done.stdout


def reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """Why a git command failed, as the end of a sentence."""
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    if not said:
        return f"exit code {done.returncode}"
    return clean_line(said[0].removeprefix("fatal: ").removeprefix("error: ")).rstrip(".")


def _options(root: Path) -> list[str]:
    """Before the command: this folder, no hooks, no monitor, none of the repository's filters."""
    options = ["-C", str(root), f"--work-tree={root}", "--no-pager"]
    options += [word for setting in _SETTINGS for word in ("-c", setting)]
    found = _run(root, [*options, "config", "--show-scope", "--name-only", "-z", "--get-regexp", _NAMED])
    if found.returncode not in (0, 1):  # 1: there are none
        raise WorkspaceProblem(f"git cannot read its settings here: {reason(found)}.", "git status")
    fields = os.fsdecode(found.stdout).split("\0")
    named: dict[str, tuple[str, ...]] = {}
    for scope, key in zip(fields[::2], fields[1::2], strict=False):
        if key.startswith("hook."):
            named[key.rpartition(".")[0]] = ("enabled=false",)
        elif scope in ("local", "worktree"):
            named[key.rpartition(".")[0]] = _FILTER
    if len(named) > _MOST_NAMES or any(re.search(r"[=\n]", name) for name in named):
        told = "This repository's settings have filters or hooks with names that cannot be switched off."
        raise WorkspaceProblem(told, "git config --get-regexp 'filter|hook'")
    return options + [word for name, to in named.items() for one in to for word in ("-c", f"{name}.{one}")]


def _is_outside(place: str, root: Path) -> bool:
    """A repository may bring a program of its own called git, for those whose PATH has ``./bin``."""
    inside = root != root.parent and Path(os.path.realpath(place)).is_relative_to(root)  # in "/" everything would be
    return os.path.isabs(place) and not inside


def _run(
    root: Path, arguments: list[str], writing: bool = False, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    limit_s = LONGEST_WRITING_S if writing else LONGEST_S
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("GIT_") or _OF_THE_USER.fullmatch(name)
    }
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    searched = os.pathsep.join(place for place in places if _is_outside(place, root))
    program = shutil.which("git", path=searched) if searched else None  # an empty PATH means the folder it is run in
    if program is None:
        raise WorkspaceProblem("git is not installed.", "Install git, or leave --commit out.")
    environment |= {
        "PATH": searched,
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "GIT_OPTIONAL_LOCKS": str(int(writing)),
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "cat",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_EDITOR": "true",
        "LC_ALL": "C",
    }
    try:
        return subprocess.run(
            [program, *arguments],
            cwd=root,
            env=environment,
            input=given,
            capture_output=True,
            timeout=limit_s,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired:
        raise WorkspaceProblem(f"git took longer than {limit_s:.0f} s.", "git status") from None
    except (OSError, ValueError) as problem:
        raise WorkspaceProblem(f"git cannot be run: {clean_line(str(problem))}.", "git --version") from problem
