"""Commits of a task: only its files, on a branch of its own, without anything of the repository's being run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from edgemind.coder import committing, git_running
from edgemind.coder.workspace import Workspace
from edgemind.errors import WorkspaceProblem

HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "post-checkout", "reference-transaction")


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


def test_a_deleted_file_is_committed_as_such(repository: Path) -> None:
    (repository / "old.py").write_text("1\n")
    committing.commit(repository, "edgemind/a", "A", ["old.py"])
    (repository / "old.py").unlink()
    commit = committing.commit(repository, "edgemind/a", "B", ["old.py"])
    assert _git(repository, "show", "--name-status", "--format=", commit).split() == ["D", "old.py"]


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
    """Of those that a commit and a new branch run, ``--no-verify`` leaves out only some."""
    hooks = repository / "hooks"
    hooks.mkdir()
    for name in HOOKS:
        (hooks / name).write_text(f"#!/bin/sh\ntouch {repository}/ran-{name}\n")
        (hooks / name).chmod(0o755)
    _git(repository, "config", "core.hooksPath", str(hooks))
    (repository / "a.py").write_text("1\n")
    committing.commit(repository, "edgemind/a", "A", ["a.py"])
    assert not list(repository.glob("ran-*"))
    (repository / "a.py").write_text("2\n")
    _git(repository, "switch", "-q", "-c", "by-hand")
    _git(repository, "commit", "-qam", "by hand")
    assert len(list(repository.glob("ran-*"))) == len(HOOKS), "git runs none of these"


def test_who_commits_may_stand_in_the_environment(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in containers. Variables that would turn git elsewhere do nothing."""
    for key in ("user.name", "user.email"):
        _git(repository, "config", "--unset", key)
    _git(repository, "config", "user.useConfigOnly", "true")  # no guess by the name of this machine
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nonexistent")
    with pytest.raises(WorkspaceProblem, match="who you are"):
        committing.check(repository)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "B")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "b@example.org")
    committing.check(repository)
    (repository / "a.py").write_text("1\n")
    commit = committing.commit(repository, "edgemind/a", "A", ["a.py"])
    monkeypatch.undo()
    assert _git(repository, "show", "-s", "--format=%an %ae", commit) == "B b@example.org"


def test_a_git_that_the_repository_brings_is_not_run(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = repository / "bin" / "git"
    trap.parent.mkdir()
    trap.write_text(f"#!/bin/sh\ntouch {repository}/ran\n")
    trap.chmod(0o755)
    monkeypatch.chdir(repository)
    monkeypatch.setenv("PATH", os.pathsep.join(["bin", "", str(trap.parent), os.environ["PATH"]]))
    subprocess.run(["git", "--version"], check=True)
    (repository / "ran").unlink()
    committing.check(repository)
    assert not (repository / "ran").exists()


@pytest.mark.parametrize("places", [("bin", "./bin"), ("REPOSITORY",), (".",), ("",)], ids=lambda places: places[0])
def test_nor_where_no_other_git_is_on_the_path(
    repository: Path, monkeypatch: pytest.MonkeyPatch, places: tuple[str, ...]
) -> None:
    trap = repository / "git"
    trap.write_text(f"#!/bin/sh\n/usr/bin/touch {repository}/ran\n")
    trap.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join(places).replace("REPOSITORY", str(repository)))
    with pytest.raises(WorkspaceProblem, match="git is not installed"):
        git_running.run(repository, "status")
    assert not (repository / "ran").exists()


def test_git_is_found_for_a_workspace_that_is_the_whole_disk() -> None:
    assert git_running.run(Path("/"), "--version").stdout.startswith(b"git version")


def test_hooks_and_filters_of_the_settings_are_off(repository: Path) -> None:
    """Those of git 2.54 and later, which need no file."""
    for name, value in (("hook.e.vil.command", "touch ran"), ("hook.e.vil.event", "post-commit")):
        _git(repository, "config", name, value)
    _git(repository, "config", "filter.evil.clean", "touch ran; cat")
    asked = git_running.output(repository, "config", "--get-regexp", "^(hook|filter)", failed="")
    assert {"hook.e.vil.enabled false", "filter.evil.clean "} <= set(asked.decode().split("\n"))
    _git(repository, "config", "hook.a=b.command", "touch ran")
    with pytest.raises(WorkspaceProblem, match="switched off"):
        git_running.output(repository, "status", failed="")


@pytest.mark.parametrize("at", ["branch", "no branch", "no commit"])
@pytest.mark.parametrize("why", ["index is locked", "nothing to commit"])
def test_a_commit_that_fails_leaves_everything_as_it_was(repository: Path, at: str, why: str) -> None:
    (repository / "a.py").write_text("1\n")
    if at == "no branch":
        _git(repository, "checkout", "-q", "--detach")
    elif at == "no commit":
        _git(repository, "checkout", "-q", "--orphan", "fresh")
    head = (repository / ".git" / "HEAD").read_bytes()
    branches = _git(repository, "branch", "--list", "edgemind/*")
    before = _git(repository, "status", "--porcelain")
    if why == "index is locked":
        (repository / ".git" / "index.lock").touch()
    message = "A" if why == "index is locked" else ""  # git takes no empty message
    with pytest.raises(WorkspaceProblem):
        committing.commit(repository, "edgemind/a", message, ["a.py"])
    (repository / ".git" / "index.lock").unlink(missing_ok=True)
    assert (repository / ".git" / "HEAD").read_bytes() == head
    assert (_git(repository, "branch", "--list", "edgemind/*"), _git(repository, "status", "--porcelain")) == (
        branches,
        before,
    )


def test_a_file_outside_a_sparse_checkout_is_committed(repository: Path) -> None:
    _git(repository, "sparse-checkout", "set", "--cone", "only")
    (repository / "other").mkdir()
    (repository / "other" / "a.py").write_text("1\n")
    commit = committing.commit(repository, "edgemind/a", "A", ["other/a.py"])
    assert _git(repository, "show", "--name-only", "--format=", commit) == "other/a.py"


def test_a_broken_repository_is_not_taken_for_the_one_around_it(repository: Path) -> None:
    """git itself looks further up."""
    inner = repository / "inner"
    (inner / ".git").mkdir(parents=True)
    (inner / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (inner / "a.py").write_text("1\n")
    assert _git(inner, "rev-parse", "--show-toplevel") == str(repository)
    with pytest.raises(WorkspaceProblem, match="not a git repository"):
        committing.check(inner)
    with pytest.raises(WorkspaceProblem, match="not a git repository"):
        Workspace.find(inner).dirty()


def test_a_branch_in_the_way_is_told_before_anything_is_done(repository: Path) -> None:
    _git(repository, "branch", "edgemind")
    with pytest.raises(WorkspaceProblem, match="branch edgemind") as caught:
        committing.check(repository)
    _git(repository, *caught.value.hint.split()[1:])
    committing.check(repository)


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
