"""Hostile paths and repositories: nothing is written outside, and nothing that must not be written is."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from edgemind.coder import exchange
from edgemind.coder.beneath import Beneath
from edgemind.coder.journal import Journal
from edgemind.coder.listing import Listing
from edgemind.coder.problems import Forbidden, NoSuchFile, NotWritable, UnreadableText
from edgemind.coder.protection import forbidden
from edgemind.coder.types import FileChange
from edgemind.coder.workspace import Workspace, _as_listed
from edgemind.errors import EdgemindError, WorkspaceProblem

OUTSIDE = b"the user's own, outside\n"
EVIL = b"written by a model\n"


@pytest.fixture(params=["kernel", "walk"])
def work(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a file, beside one that nobody may touch; the latter is looked at afterwards."""
    if request.param == "walk":
        whole = Beneath.__init__
        monkeypatch.setattr(Beneath, "__init__", lambda self, root, kernel=True: whole(self, root, False))
    root, outside = tmp_path / "work", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    (root / "a.py").write_bytes(b"a = 1\n")
    (root / "sub" / "b.py").write_bytes(b"b = 1\n")
    (outside / "secret.txt").write_bytes(OUTSIDE)
    before = snapshot(tmp_path, outside)
    yield root
    assert snapshot(tmp_path, outside) == before, "something outside was touched"


def snapshot(*folders: Path) -> list[tuple[str, bytes]]:
    """Names beside the workspace, and the bytes of files outside."""
    here, outside = folders
    names = [(path.name, b"") for path in here.iterdir() if path.name not in ("work", "state")]
    return sorted(names + [(path.name, path.read_bytes()) for path in outside.iterdir()])


def write(root: Path, path: str, data: bytes = EVIL, before: bytes | None = None, mode: int | None = None) -> None:
    workspace = Workspace.find(root)
    try:
        Journal(root.parent / "state", workspace).apply([FileChange(path, before, data, mode)], "evil")
    finally:
        workspace.close()


def tree(root: Path) -> dict[str, bytes | str]:
    found: dict[str, bytes | str] = {}
    for place, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(place, name)
            kind = path.lstat().st_mode
            key = str(path.relative_to(root))
            found[key] = path.read_bytes() if stat.S_ISREG(kind) else str(stat.S_IFMT(kind))
    return found


FORBIDDEN = {
    "parent": "../outside/secret.txt",
    "parent-inside": "sub/../../outside/secret.txt",
    "parent-that-stays": "sub/../a.py",
    "dot": "./a.py",
    "empty-part": "sub//b.py",
    "trailing-slash": "sub/",
    "empty": "",
    "dots-and-a-blank": ".. /outside/secret.txt",
    "dots-of-another-width": "sub/．．/．．/outside/secret.txt",
    "three-dots": ".../a.py",
    "cvs": "sub/CVS/Entries",
    "absolute": "/etc/passwd",
    "drive": "C:evil.py",
    "drive-slash": "c:/evil.py",
    "backslash": "sub\\..\\..\\evil.py",
    "git": ".git/config",
    "git-itself": ".git",
    "git-deep": "sub/.git/hooks/pre-commit",
    "git-capitals": ".GIT/config",
    "git-mixed": "sub/.Git/config",
    "git-blank": ".git /config",
    "git-dots": ".git.../config",
    "git-blank-dot": ".git . /config",
    "git-short": "git~1/config",
    "git-short-capitals": "GIT~1/hooks/pre-commit",
    "git-short-two": "git~2/config",
    "git-stream": ".git::$INDEX_ALLOCATION/config",
    "git-zero-width": ".g\u200cit/config",
    "git-byte-order-mark": "\ufeff.git/config",
    "git-fullwidth": "．git/config",
    "git-dotless": ".g\u0131t/config",
    "mercurial": ".hg/hgrc",
    "subversion": ".svn/entries",
    "jujutsu": ".jj/repo/config",
    "newline": "a\nb.py",
    "escape": "a\x1b[31m.py",
    "clipboard": "\x1b]52;c;ZXZpbA==\x07.py",
    "bell": "a\x07.py",
    "nul": "a\0.py",
    "delete": "a\x7f.py",
    "c1": "a\x9b31m.py",
    "right-to-left": "gpj.\u202eexe.py",
    "zero-width": "a\u200b.py",
    "tag": "a\U000e0041.py",
    "not-utf-8": "a\udcff.py",
    "line-separator": "a\u2028b.py",
    "long-name": "a" * 256 + ".py",
    "long-path": "/".join(["abcdefghi"] * 120),
}


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_a_path_that_is_never_written(work: Path, name: str) -> None:
    path = FORBIDDEN[name]
    before = tree(work)
    assert forbidden(path)
    with pytest.raises(WorkspaceProblem) as caught:
        write(work, path)
    assert "\x1b" not in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert tree(work) == before


def link_file(root: Path) -> str:
    (root / "link.txt").symlink_to(root.parent / "outside" / "secret.txt")
    return "link.txt"


def link_inside(root: Path) -> str:
    (root / "link.py").symlink_to("a.py")
    return "link.py"


def link_folder(root: Path) -> str:
    (root / "folder").symlink_to(root.parent / "outside")
    return "folder/secret.txt"


def link_folder_new(root: Path) -> str:
    (root / "folder").symlink_to(root.parent / "outside")
    return "folder/new.txt"


def link_parent(root: Path) -> str:
    (root / "up").symlink_to("..")
    return "up/outside/secret.txt"


def link_proc(root: Path) -> str:
    (root / "fd").symlink_to(f"/proc/{os.getpid()}/cwd")
    return "fd/evil.txt"


def link_dangling(root: Path) -> str:
    (root / "dangling").symlink_to(root.parent / "outside" / "new.txt")
    return "dangling"


def link_loop(root: Path) -> str:
    (root / "loop").symlink_to("loop")
    return "loop/x.txt"


def hard_link(root: Path) -> str:
    os.link(root.parent / "outside" / "secret.txt", root / "hard.txt")
    return "hard.txt"


def fifo(root: Path) -> str:
    os.mkfifo(root / "pipe")
    return "pipe"


def a_socket(root: Path) -> str:
    one = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(root)
    try:
        one.bind("sock")
    finally:
        os.chdir(here)
        one.close()
    return "sock"


def device(root: Path) -> str:
    try:
        os.mknod(root / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("only root makes devices")
    return "zero"


def folder(root: Path) -> str:
    return "sub"


def below_a_file(root: Path) -> str:
    return "a.py/x.py"


def read_only(root: Path) -> str:
    (root / "a.py").chmod(0o444)
    return "a.py"


def read_only_folder(root: Path) -> str:
    (root / "sub").chmod(0o555)
    return "sub/new.py"


def set_user_id(root: Path) -> str:
    (root / "a.py").chmod(0o4755)
    return "a.py"


def submodule(root: Path) -> str:
    (root / "module").mkdir()
    (root / "module" / ".git").write_text("gitdir: ../.git/modules/module\n")
    return "module/x.py"


def nested_repository(root: Path) -> str:
    (root / "nested" / ".git").mkdir(parents=True)
    return "nested/deep/x.py"


def bare_repository(root: Path) -> str:
    for name in ("objects", "refs", "hooks"):
        (root / "bare.repo" / name).mkdir(parents=True)
    (root / "bare.repo" / "HEAD").write_text("ref: refs/heads/main\n")
    return "bare.repo/hooks/post-checkout.d"


def submodule_not_cloned(root: Path) -> str:
    (root / ".gitmodules").write_text('[submodule "x"]\n\tpath = vendor/x\n\turl = ../x\n')
    return "vendor/x/a.py"


def other_case(root: Path) -> str:
    return "A.PY"


def other_composition(root: Path) -> str:
    (root / unicodedata.normalize("NFC", "café.py")).write_text("x\n")
    return unicodedata.normalize("NFD", "café.py")


def other_case_folder(root: Path) -> str:
    return "SUB/new.py"


TRAPS = (
    link_file,
    link_inside,
    link_folder,
    link_folder_new,
    link_parent,
    link_proc,
    link_dangling,
    link_loop,
    hard_link,
    fifo,
    a_socket,
    device,
    folder,
    below_a_file,
    read_only,
    read_only_folder,
    set_user_id,
    submodule,
    nested_repository,
    bare_repository,
    submodule_not_cloned,
    other_case,
    other_composition,
    other_case_folder,
)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
@pytest.mark.timeout(20)
def test_a_trap_is_refused_and_left_as_it_is(work: Path, trap: Callable[[Path], str]) -> None:
    path = trap(work)
    before = tree(work)
    workspace = Workspace.find(work)
    refused = workspace.refusal(path)
    assert isinstance(refused, Forbidden | NotWritable)
    assert refused.hint
    old = b"a = 1\n" if path == "a.py" else None
    for claimed in (old, OUTSIDE):
        with pytest.raises(EdgemindError):
            write(work, path, before=claimed)
    assert tree(work) == before


READ_TRAPS = (link_file, link_inside, link_folder, link_parent, link_loop, fifo, a_socket, device, folder, below_a_file)


@pytest.mark.parametrize("trap", READ_TRAPS, ids=lambda trap: trap.__name__)
@pytest.mark.timeout(20)
def test_a_trap_is_not_read(work: Path, trap: Callable[[Path], str]) -> None:
    path = trap(work)
    with pytest.raises((UnreadableText, NoSuchFile)) as caught:
        Workspace.find(work).read(path)
    assert caught.value.hint


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
@pytest.mark.timeout(20)
def test_a_listing_shows_nothing_from_elsewhere(work: Path, trap: Callable[[Path], str]) -> None:
    trap(work)
    listing = Listing.of(Workspace.find(work))
    shown = set(listing.paths())
    assert shown <= {"a.py", "sub/b.py", ".gitmodules", "hard.txt", unicodedata.normalize("NFC", "café.py")}
    assert list(listing.paths()) == sorted(shown)


def test_a_mount_is_neither_read_nor_written(work: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from edgemind.coder.workspace import Workspace\n"
        "from edgemind.coder.listing import Listing\n"
        "w = Workspace.find(Path(sys.argv[1])); assert w.refusal('mnt/secret.txt') and w.refusal('mnt/new.txt')\n"
        "assert 'mnt/secret.txt' not in Listing.of(w).paths()\n"
        "try: w.read('mnt/secret.txt')\n"
        "except Exception as problem: print(problem)\n"
    )
    (work / "mnt").mkdir()
    command = f'mount --bind {work.parent / "outside"} {work / "mnt"} && exec "$@"'
    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", command, "sh", sys.executable, "-c", script, str(work)],
        capture_output=True,
        text=True,
    )
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("this system gives no mount namespace")
    assert "another disk" in done.stdout, done.stderr


def test_a_folder_that_becomes_a_link_while_files_are_written_leads_nowhere(work: Path) -> None:
    """Another process swaps a folder and a link to the outside, as fast as it can."""
    (work / "spin").mkdir()
    (work / "link").symlink_to(work.parent / "outside")
    done = threading.Event()

    def swap() -> None:
        with closing(Beneath(work)) as root:
            while not done.is_set():
                exchange.exchange(root.fd, "spin", "link")

    thread = threading.Thread(target=swap)
    thread.start()
    refused = 0
    try:
        for number in range(60):
            try:
                write(work, f"spin/{number}.txt")
            except WorkspaceProblem:
                refused += 1
    finally:
        done.set()
        thread.join()
    assert refused


@pytest.fixture
def forgiving(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that finds a file by a name of another case, and by a short one, as NTFS does; it lists one name only."""
    monkeypatch.setattr(Beneath, "_open", Beneath._walk)

    def found(call: Callable[..., object]) -> Callable[..., object]:
        def wrapped(name: object, *args: object, **named: object) -> object:
            fd = named.get("dir_fd")
            if isinstance(name, str) and isinstance(fd, int):
                there = os.listdir(fd)
                short = [one for one in there if name.endswith("~1") and one.strip(".").startswith(name[:-2].lower())]
                name = next((one for one in there if one.casefold() == name.casefold()), (short or [name])[0])
            return call(name, *args, **named)

        return wrapped

    for name in ("open", "stat"):
        monkeypatch.setattr(os, name, found(getattr(os, name)))


@pytest.mark.usefixtures("forgiving")
def test_a_name_that_only_a_forgiving_disk_finds(work: Path) -> None:
    (work / ".git" / "hooks").mkdir(parents=True)
    (work / "package.json").write_text("{}\n")
    workspace = Workspace.find(work)
    assert workspace.exists("SUB/B.py"), "the disk is not as forgiving as this test needs"
    for path in ("A.py", "SUB/b.py", "sub/B.py", "packag~1"):
        assert isinstance(workspace.refusal(path), Forbidden)
    assert workspace.relative("SUB/B.PY") == "sub/b.py"
    assert workspace.relative("packag~1") == "package.json"
    assert workspace.relative("Sub/New.py") == "sub/New.py"
    assert workspace.refusal("sub/b.py") is None
    assert _as_listed(work.parent / "WORK" / "Sub") == work / "sub"
