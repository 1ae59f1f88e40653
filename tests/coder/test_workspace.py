"""Finding the workspace, names that users give, what git says, and which files need a question."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import cast

import pytest

from edgemind.coder import git_status
from edgemind.coder.problems import NoSuchFile, NotWritable, OutsideWorkspace
from edgemind.coder.protection import forbidden, protected
from edgemind.coder.types import FileChange
from edgemind.coder.workspace import Workspace
from edgemind.coder.writing import Decisions, Writing
from edgemind.errors import WorkspaceProblem


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    (root / "sub").mkdir(parents=True)
    (root / "a.py").write_text("a\n")
    git(root, "init", "-q")
    git(root, "add", "a.py")
    git(root, "commit", "-qm", "first")
    return root


def test_the_root_of_the_repository_is_found(repository: Path) -> None:
    workspace = Workspace.find(repository / "sub")
    assert (workspace.root, workspace.repository) == (repository, True)
    assert workspace.relative("x.py") == "sub/x.py"
    assert workspace.relative("../a.py") == "a.py"
    assert workspace.relative(repository / "a.py") == "a.py"


def test_a_folder_that_is_no_repository(tmp_path: Path) -> None:
    workspace = Workspace.find(tmp_path)
    assert (workspace.root, workspace.repository, workspace.dirty()) == (tmp_path, False, [])


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "", ".", "sub/../..", "a\0b"])
def test_names_outside_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "w").mkdir()
    with pytest.raises(OutsideWorkspace) as caught:
        Workspace.find(tmp_path / "w").relative(name)
    assert caught.value.hint


def test_a_root_that_is_reached_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    workspace = Workspace.find(tmp_path / "link")
    assert workspace.relative(tmp_path / "link" / "x.py") == "x.py"


def test_no_such_folder_and_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFile):
        Workspace.find(tmp_path / "none")
    with pytest.raises(NoSuchFile):
        Workspace.find(tmp_path).read("none.py")


def test_gits_own_folder_is_no_workspace(repository: Path) -> None:
    git(repository, "clone", "-q", "--bare", ".", "bare")
    for place in (".git", ".git/hooks", "bare", "bare/hooks", "bare/objects/info"):
        with pytest.raises(WorkspaceProblem, match="git's own"):
            Workspace.find(repository / place)


def test_a_worktree_inside_a_bare_repository_is_one(repository: Path, tmp_path: Path) -> None:
    git(repository, "clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    git(tmp_path / "bare", "worktree", "add", "-q", "main-tree")
    workspace = Workspace.find(tmp_path / "bare" / "main-tree")
    assert (workspace.root.name, workspace.repository, workspace.dirty()) == ("main-tree", True, [])


def test_a_repository_whose_git_folder_is_a_link(repository: Path, tmp_path: Path) -> None:
    (repository / ".git").rename(tmp_path / "elsewhere")
    (repository / ".git").symlink_to("../elsewhere")
    assert Workspace.find(repository / "sub").root == repository


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_repository_of_another_user_counts_as_none(repository: Path) -> None:
    os.chown(repository / ".git", 12345, 12345)
    workspace = Workspace.find(repository / "sub")
    assert (workspace.root, workspace.repository) == (repository / "sub", False)


def test_a_file_of_another_user_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("a\n")
    workspace, mine = Workspace.find(tmp_path), os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    refused = workspace.refusal("a.py")
    assert isinstance(refused, NotWritable)
    assert "another user" in refused.message


def test_edgeminds_own_files_are_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    workspace = Workspace.find(tmp_path)
    assert workspace.refusal("home/config/config.toml")
    assert workspace.refusal("home/data/code/x")
    assert not workspace.refusal("home/other.txt")
    (tmp_path / "home" / "data" / "code").mkdir(parents=True)
    assert Workspace.find(tmp_path / "home" / "data" / "code").refusal("x.txt")


def test_the_next_command_is_one_for_a_shell_where_the_user_is(repository: Path) -> None:
    """A name may hold what a shell would run."""
    name = "$(touch ran); -x 'y' {}.py"
    (repository / name).write_text("a\n")
    (repository / name).chmod(0o444)
    refused = Workspace.find(repository / "sub").refusal(name)
    assert refused is not None
    subprocess.run(refused.hint, shell=True, cwd=repository / "sub", check=True)
    assert not Workspace.find(repository).refusal(name)
    for path, twin in ((name, "twin"), ("-dash", "twin")):
        (repository / path).write_text("a\n")
        os.link(repository / path, repository / twin)
        refused = Workspace.find(repository).refusal(path)
        assert refused is not None
        subprocess.run(refused.hint, shell=True, cwd=repository, check=True)
        assert not Workspace.find(repository).refusal(path)
        (repository / twin).unlink()
    assert not list(repository.rglob("ran"))


def test_what_changed_since_the_last_commit(repository: Path) -> None:
    workspace = Workspace.find(repository)
    assert workspace.dirty() == []
    (repository / "a.py").write_text("b\n")
    (repository / "new\nline.py").write_text("b\n")
    (repository / "fresh" / "deep").mkdir(parents=True)
    (repository / "fresh" / "deep" / "mine.py").write_text("mine\n")
    assert workspace.dirty() == ["a.py", "fresh/deep/mine.py", "new\nline.py"]


def test_what_git_ignores(repository: Path) -> None:
    (repository / ".gitignore").write_text("a.py\nlocal_*.py\nbuild/\n")
    paths = ["a.py", "sub/local_é.py", "build/x.py", "-x.py", "sub/*"]
    assert git_status.ignored(repository, paths) == ["sub/local_é.py", "build/x.py"]


def test_a_repository_cannot_run_commands_through_git(repository: Path, tmp_path: Path) -> None:
    trap = f"touch {tmp_path / 'ran'}; cat"
    for key in ("core.fsmonitor", "core.pager", "core.sshCommand", "filter.evil.clean", "filter.evil.process"):
        git(repository, "config", key, trap)
    git(repository, "config", "filter.evil.required", "true")
    git(repository, "config", "core.worktree", str(tmp_path))
    (repository / ".git" / "info" / "attributes").write_text("* filter=evil\n")
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.write_text(f"#!/bin/sh\n{trap}\n")
    hook.chmod(0o755)
    (repository / "a.py").write_text("b\n")
    assert Workspace.find(repository).dirty() == ["a.py"]
    assert not (tmp_path / "ran").exists()


def test_a_broken_repository_and_no_git_are_one_sentence(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (repository / ".git" / "config").write_text("[broken\n")
    with pytest.raises(WorkspaceProblem) as caught:
        Workspace.find(repository).dirty()
    assert caught.value.hint
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(WorkspaceProblem, match="not installed"):
        Workspace.find(repository).dirty()


ASKED = (
    ".github/workflows/ci.yml .gitlab-ci.yml .GitHub/workflows/x.yml Jenkinsfile .ci/run .circleci/config.yml"
    " .husky/pre-commit .pre-commit-config.yaml hooks/pre-push githooks/x Makefile sub/makefile CMakeLists.txt"
    " pyproject.toml setup.py package.json Cargo.toml build.rs Dockerfile docker/Dockerfile.dev"
    " docker-compose.yml requirements.txt requirements-dev.txt conftest.py sub/conftest.py build.gradle.kts"
    " BUILD.bazel go.mod package-lock.json yarn.lock poetry.lock Cargo.lock go.sum .envrc .vscode/tasks.json"
    " .gitattributes .gitmodules sub/.hidden/x.py sitecustomize.py evil.pth .editorconfig vite.config.ts"
    " webpack.config.js CODEOWNERS Justfile hooks/post-index-change lefthook.toml lefthook-local.json binding.gyp"
    " eslint.config.mjs src/tailwind.config.ts sub/azure-pipelines.yml action.yml zuul.d/x.yaml codemagic.yaml"
    " my.code-workspace mise.toml pylintrc mypy.ini docs/conf.py mkdocs.yml ansible.cfg gradle.properties"
    " buildSrc/src/main/kotlin/A.kt project/Build.scala tools/bazel node_modules/left-pad/index.js"
    " venv/lib/python3.11/site-packages/x.py venv/pyvenv.cfg venv/bin/activate.fish rust-toolchain.toml hie.yaml"
    " conanfile.py Guardfile config.ru phpunit.xml.dist dune CMakeUserPresets.json project.clj Setup.hs Build.PL"
    " Dockerfile-dev Package@swift-5.9.swift App.xcodeproj/xcshareddata/xcschemes/App.xcscheme A.csproj gems.rb"
    " Library/LaunchAgents/x.plist WindowsPowerShell/Microsoft.PowerShell_profile.ps1 build.mill MAKEFILE::$DATA"
)
NOT_ASKED = (
    "a.py sub/b.py README.md src/build/x.py docs/hooks.md src/hooks/useThing.ts main.rs locks.py tests/test_a.py"
    " cvs/mine.py src/workspace.py config.py src/config.ts data/wrangler.py railway.py tox.py update.py"
    " build.py targets.py"
)


@pytest.mark.parametrize("path", ASKED.split())
def test_a_file_that_needs_a_question(path: str) -> None:
    assert protected(FileChange(path, None, b"x", None))


@pytest.mark.parametrize("path", NOT_ASKED.split())
def test_a_file_that_needs_none(path: str) -> None:
    assert protected(FileChange(path, None, b"x", None)) is None
    assert forbidden(path) is None


def test_the_folder_that_git_runs_hooks_from_needs_a_question(repository: Path) -> None:
    workspace = Workspace.find(repository / "sub")
    assert workspace.hooks() is None
    for named, folder in (("../out", None), (".", None), (str(repository / "x"), "x"), ("x/../tools", "tools")):
        git(repository, "config", "core.hooksPath", named)
        assert workspace.hooks() == folder
    changes = [FileChange(path, None, b"x", None) for path in ("Tools/git/lib.sh", "tools.sh")]
    proposal = Writing(workspace, cast(Decisions, None)).propose(changes)
    assert proposal.protected == (("Tools/git/lib.sh", "lies in the folder of this repository's hooks"),)


def test_becoming_executable_needs_a_question() -> None:
    assert protected(FileChange("a.sh", b"x", b"x", 0o755)) == "becomes executable"
    assert protected(FileChange("a.sh", b"x", b"x", 0o644)) is None
