"""Commits of a task: only its files, on a branch of its own, without anything of the repository's being run."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from edgemind.coder import committing
from edgemind.errors import WorkspaceProblem


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    for command in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "A"],
        ["config", "user.email", "a@example.org"],
        ["commit", "-q", "--allow-empty", "-m", "first"],
    ):
        subprocess.run(["git", *command], cwd=root, check=True)
    return root


def _git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def test_only_the_files_of_the_task_are_committed_whatever_is_staged(repository: Path) -> None:
    (repository / "made.py").write_text("x = 1\n")
    (repository / "[other]*.py").write_text("y = 1\n")
    (repository / "staged.py").write_text("z = 1\n")
    _git(repository, "add", "staged.py")
    branch = committing.branch_for(repository, "Write x into made.py; rm -rf /")
    commit = committing.commit(repository, branch, "Make x", ["made.py"])
    assert branch == "edgemind/write-x-into-made-py-rm"
    assert _git(repository, "symbolic-ref", "--short", "HEAD") == branch
    assert _git(repository, "show", "--name-only", "--format=%s", commit).split() == ["Make", "x", "made.py"]
    assert "A  staged.py" in _git(repository, "status", "--porcelain")
    assert _git(repository, "log", "--format=%s", "main") == "first"


def test_the_next_task_goes_on_the_same_branch_and_names_are_not_patterns(repository: Path) -> None:
    (repository / "a.py").write_text("1\n")
    committing.commit(repository, committing.branch_for(repository, "one"), "One", ["a.py"])
    (repository / "a*").write_text("2\n")
    (repository / "ab").write_text("3\n")
    branch = committing.branch_for(repository, "two")
    committing.commit(repository, branch, "Two", ["a*"])
    assert branch == "edgemind/one"
    assert _git(repository, "status", "--porcelain") == "?? ab"


def test_a_branch_that_is_there_already_is_left_alone(repository: Path) -> None:
    _git(repository, "branch", "edgemind/one")
    assert committing.branch_for(repository, "one") == "edgemind/one-2"


def test_no_hook_of_the_repository_runs(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {repository}/ran\n")
    hook.chmod(0o755)
    (repository / "a.py").write_text("1\n")
    committing.commit(repository, "edgemind/a", "A", ["a.py"])
    assert not (repository / "ran").exists()


def test_a_merge_under_way_is_left_alone(repository: Path) -> None:
    (repository / ".git" / "MERGE_HEAD").write_text(_git(repository, "rev-parse", "HEAD") + "\n")
    with pytest.raises(WorkspaceProblem, match="merge"):
        committing.check(repository)


@pytest.mark.parametrize(
    ("said", "subject"),
    [
        ("add a test.", "Add a test"),
        ("\n`Fix it`\nmore", "Fix it"),
        ("x" * 100, "X" + "x" * 71),
        ("word " * 30, ("Word " + "word " * 13).strip()),
        ("", ""),
    ],
    ids=["plain", "quoted", "long word", "long line", "none"],
)
def test_the_subject_of_a_message(said: str, subject: str) -> None:
    assert committing.subject(said) == subject
