"""What a walk shows, and what it leaves out: as git ignores, no secret, no binary, within bounds."""

from __future__ import annotations

import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from edgemind.coder import listing
from edgemind.coder.listing import Listing
from edgemind.coder.private_names import secret_name
from edgemind.coder.workspace import Workspace
from edgemind.errors import WorkspaceProblem

GIT = ["git", "-c", "core.excludesFile=/dev/null", "-c", "init.defaultBranch=main"]


def make(root: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def repository(root: Path) -> Path:
    subprocess.run([*GIT, "init", "-q", str(root)], check=True)
    return root


def no_git(_: Path) -> set[str]:
    raise WorkspaceProblem("git is not installed.", "Install git.")


def commit(root: Path) -> None:
    subprocess.run([*GIT, "-C", str(root), "add", "-f", "-A"], check=True)
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run([*GIT, *author, "-C", str(root), "commit", "-q", "-m", "x"], check=True)


def listed(root: Path) -> tuple[str, ...]:
    return Listing.of(Workspace.find(root)).paths()


def test_nested_ignore_files_and_the_exclude_file(tmp_path: Path) -> None:
    root = repository(tmp_path)
    make(
        root,
        {
            ".gitignore": b"*.log\n/build/\n",
            "sub/.gitignore": b"!keep.log\nlocal\n",
            "a.py": b"a\n",
            "a.log": b"x\n",
            "build/out.txt": b"x\n",
            "sub/build/in.txt": b"x\n",
            "sub/keep.log": b"x\n",
            "sub/local": b"x\n",
            "excluded.txt": b"x\n",
        },
    )
    (root / ".git" / "info" / "exclude").write_text("excluded.txt\n")
    assert listed(root) == (".gitignore", "a.py", "sub/.gitignore", "sub/build/in.txt", "sub/keep.log")


@pytest.mark.parametrize("who", ["git", "patterns"])
@pytest.mark.parametrize("seed", range(40))
def test_the_same_files_as_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, who: str) -> None:
    rng = random.Random(seed)
    root = repository(tmp_path)
    if who == "patterns":
        monkeypatch.setattr(listing.git_status, "files", no_git)
    words = ["a", "b", "foo", "bar", "x.py", "y.txt", "foo.txt"]
    for _ in range(40):
        folders = [rng.choice(words[:4]) for _ in range(rng.randint(0, 3))]
        file = root.joinpath(*folders, rng.choice(words[4:]))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"text\n")
    patterns = [
        "*.py",
        "foo",
        "/foo",
        "foo/",
        "b/*",
        "**/bar",
        "a/**",
        "!x.py",
        "!foo.txt",
        "a/*.txt",
        "bar/**/x.py",
        "?.py",
    ]
    for folder in [root, *sorted(path for path in root.rglob("*") if path.is_dir() and ".git" not in path.parts)]:
        if rng.random() < 0.4:
            (folder / ".gitignore").write_text("\n".join(rng.sample(patterns, 3)) + "\n")
    asked = [*GIT, "-C", str(root), "ls-files", "-z", "--others", "--exclude-standard"]
    said = subprocess.run(asked, capture_output=True, check=True).stdout
    assert listed(root) == tuple(sorted(os.fsdecode(name) for name in said.split(b"\0") if name))


def test_what_git_tracks_is_listed_although_it_is_ignored(tmp_path: Path) -> None:
    root = repository(tmp_path)
    make(root, {"build/kept.py": b"a\n", "a.log": b"a\n"})
    commit(root)
    make(root, {".gitignore": b"build/\n*.log\n", "build/made.py": b"a\n", "b.log": b"a\n"})
    assert listed(root) == (".gitignore", "a.log", "build/kept.py")


def test_a_name_that_git_composes_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = repository(tmp_path)
    make(root, {"o\u0308rter/u\u0308ber.py": b"a\n"})
    monkeypatch.setattr(listing.git_status, "files", lambda _: {"\u00f6rter/\u00fcber.py"})
    assert listed(root) == ("o\u0308rter/u\u0308ber.py",)


def test_the_users_own_patterns_count(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    make(tmp_path, {"mine": b"*.swp\n", "project/a.py": b"a\n", "project/a.swp": b"a\n"})
    subprocess.run(["git", "-C", str(root), "config", "core.excludesFile", str(tmp_path / "mine")], check=True)
    assert listed(root) == ("a.py",)


def test_a_worktree_and_other_repositories(tmp_path: Path) -> None:
    root = repository(tmp_path / "project")
    make(root, {"a.py": b"a\n", "sub/b.py": b"b\n"})
    commit(root)
    (root / ".git" / "info" / "exclude").write_text("*.tmp\n")
    repository(root / "inner")
    make(root, {"inner/c.py": b"c\n", "x.tmp": b"x\n"})
    subprocess.run([*GIT, "-C", str(root), "worktree", "add", "-q", str(root / "tree")], check=True)
    make(root, {"tree/x.tmp": b"x\n"})
    found = Listing.of(Workspace.find(root))
    assert found.paths() == ("a.py", "sub/b.py")
    assert dict(found.reasons) == {"another repository": 2, "ignored (.gitignore)": 1}
    assert listed(root / "tree") == ("a.py", "sub/b.py")


def test_a_submodule_is_another_repository(tmp_path: Path) -> None:
    make(repository(tmp_path / "other"), {"b.py": b"b\n"})
    commit(tmp_path / "other")
    root = repository(tmp_path / "project")
    make(root, {"a.py": b"a\n"})
    add = ["-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "other"), "lib"]
    subprocess.run([*GIT, "-C", str(root), *add], check=True)
    found = Listing.of(Workspace.find(root))
    assert found.paths() == (".gitmodules", "a.py")
    assert dict(found.reasons) == {"another repository": 1}
    assert listed(root / "lib") == ("b.py",)


def test_named_sets_of_characters_and_no_warnings(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    make(tmp_path, {".gitignore": b"[[:digit:]]*.c\n[[]x\n", "1.c": b"a\n", "a.c": b"a\n", "[x": b"a\n"})
    assert listed(tmp_path) == (".gitignore", "a.c")
    assert not recwarn.list


SECRETS = (
    ".env .env.local prod.env key.pem server.key id_rsa id_ed25519 .netrc .npmrc .pypirc credentials"
    " credentials.json .aws/config .ssh/known_hosts secrets.yaml app/secrets.toml service-account-prod.json"
    " vault.kdbx x.tfvars terraform.tfstate .git-credentials .htpasswd keystore.jks ID_RSA Secrets.JSON"
    " .bash_history kubeconfig auth.json .docker/config.json"
)
NO_SECRETS = (
    "env.py .env.example secrets.py keys.py credentials.py id_rsa.pub token.py monkey.py README.key.md"
    " credentials_test.go src/secret.rs .docker/php/Dockerfile .aws/task-definition.json .azure/pipelines/ci.yml"
    " locales/en/auth.json lang/passwords.php book/ch01.asc"
)


@pytest.mark.parametrize("name", SECRETS.split())
def test_a_secret_is_not_listed(tmp_path: Path, name: str) -> None:
    make(tmp_path, {name: b"text\n", "a.py": b"a\n"})
    found = Listing.of(Workspace.find(tmp_path))
    assert found.paths() == ("a.py",)
    assert [one.path for one in found.skipped if one.reason == "may hold a secret"] == [name]


@pytest.mark.parametrize("name", NO_SECRETS.split())
def test_what_only_looks_like_a_secret_is_listed(name: str) -> None:
    assert not secret_name(name)


def test_contents_that_are_no_text_or_a_key_are_left_out(tmp_path: Path) -> None:
    make(
        tmp_path,
        {
            "a.py": b"a\n",
            "blob": b"a\0b",
            "picture.PNG": b"text, by its name a picture",
            "innocent.txt": b"\n-----BEGIN OPENSSH PRIVATE KEY-----\n" + 70 * b"A" + b"\n",
            "names.py": b'BEGIN = "-----BEGIN OPENSSH PRIVATE KEY-----"\nEND = "-----END OPENSSH PRIVATE KEY-----"\n',
            "utf16.txt": "ä\n".encode("utf-16"),
            "latin.txt": b"caf\xe9\n",
            "huge.txt": b"x" * (listing.LARGEST_FILE + 1),
            "node_modules/x/index.js": b"x\n",
            "env/pyvenv.cfg": b"x\n",
            "env/lib.py": b"x\n",
        },
    )
    found = Listing.of(Workspace.find(tmp_path))
    assert found.paths() == ("a.py", "latin.txt", "names.py", "utf16.txt")
    assert dict(found.reasons) == {
        "binary": 2,
        "may hold a secret": 1,
        "larger than 1 MiB": 1,
        "made by a tool": 2,
    }


def test_names_are_clean_where_they_are_told(tmp_path: Path) -> None:
    make(tmp_path, {"a\x1b[31m\n.py": b"x\n"})
    (skipped,) = Listing.of(Workspace.find(tmp_path)).skipped
    assert "\x1b" not in skipped.path
    assert "\n" not in skipped.path


def test_costly_patterns_do_not_stop_the_walk(tmp_path: Path) -> None:
    make(tmp_path, {".gitignore": b"*a*a*a*a*a*a*a*a*b\n*.log\n[\n", "a" * 250: b"x\n", "x.log": b"x\n"})
    began = time.monotonic()
    found = Listing.of(Workspace.find(tmp_path))
    assert time.monotonic() - began < 5
    assert found.paths() == (".gitignore", "a" * 250)
    assert any("costly" in one.reason for one in found.skipped)


def test_the_walk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, {f"{number}.py": b"x\n" for number in range(20)} | {"/".join("d" * 80) + "/x.py": b"x\n"})
    workspace = Workspace.find(tmp_path)
    few = Listing.of(workspace, most_files=5)
    assert len(few.files) == 5
    assert few.truncated
    late = Listing.of(workspace, longest_s=-1)
    assert late.truncated
    whole = Listing.of(workspace)
    assert len(whole.files) == 20
    assert ("too deep", 1) in whole.reasons
    monkeypatch.setattr(listing, "MOST_FOLDERS", 3)
    assert "more than 3 folders" in (Listing.of(workspace).truncated or "")
    monkeypatch.setattr(listing, "MOST_ENTRIES", 10)
    assert len(Listing.of(workspace).files) == 10
