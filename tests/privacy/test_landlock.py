"""The worker's view of the files: its model and what it runs from, nothing else, and nothing to write."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from edgemind.privacy import landlock

pytestmark = [pytest.mark.jail, pytest.mark.skipif(landlock.abi() is None, reason="no Landlock in this kernel")]
Child = Callable[..., "subprocess.CompletedProcess[str]"]

PRELUDE = """
import errno, json, os, sys
from pathlib import Path
from edgemind.privacy import jail
model, folder = Path(sys.argv[1]), Path(sys.argv[2])
def answer(function, *arguments):
    try:
        function(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "ok"
"""


@pytest.fixture
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    (folder / "blobs").mkdir()
    (folder / "blobs" / "model.gguf").write_bytes(b"GGUF")
    (folder / "secret").write_text("private")
    (folder / "model").symlink_to("blobs/model.gguf")
    (folder / "detour").symlink_to("secret")
    (folder / "second").write_text("adapter")
    return folder


def run(child: Child, files: Path, source: str, model: str = "model") -> dict[str, str]:
    done = child(PRELUDE + source, files / model, files)
    assert done.returncode == 0, done.stderr
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


def test_the_model_is_read_and_the_neighbour_is_not(child: Child, files: Path) -> None:
    answers = run(
        child,
        files,
        """
opened = os.open(folder, os.O_RDONLY)
os.chdir(folder)
report = jail.arm("worker", [model, folder / "second", folder / "missing"])
assert report.landlock, report
found = {
    "model": answer(model.read_bytes),
    "blob": answer((folder / "blobs/model.gguf").read_bytes),
    "adapter": answer((folder / "second").read_bytes),
    "code": answer(Path(os.__file__).read_bytes),
    "cpuinfo": answer(Path("/proc/cpuinfo").read_bytes),
    "cpus": answer(Path("/sys/devices/system/cpu/possible").read_bytes),
    "random": answer(Path("/dev/urandom").open, "rb"),
    "null": answer(Path("/dev/null").open, "r+b"),
}
closed = {
    "secret": answer((folder / "secret").read_bytes),
    "symlink": answer((folder / "detour").read_bytes),
    "listing": answer(os.listdir, folder),
    "relative": answer(open, "secret"),
    "through an open folder": answer(lambda: os.open("secret", os.O_RDONLY, dir_fd=opened)),
    "listing an open folder": answer(lambda: os.open(".", os.O_RDONLY, dir_fd=opened)),
    "through proc": answer(Path(f"/proc/self/root{folder}/secret").read_bytes),
    "cwd through proc": answer(Path("/proc/self/cwd/secret").read_bytes),
    "passwd": answer(Path("/etc/passwd").read_bytes),
    "environment of the parent": answer(Path(f"/proc/{os.getppid()}/environ").read_bytes),
    "home": answer(os.listdir, Path.home()),
    "root": answer(os.listdir, "/"),
    "terminal": answer(open, "/dev/tty"),
    "shared memory": answer(os.listdir, "/dev/shm"),
}
bad = [name for name, got in found.items() if got != "ok"]
open_ = [name for name, got in closed.items() if got != "EACCES"]
print(json.dumps({"bad": str(bad), "open": str(open_)}))
""",
    )

    assert answers == {"bad": "[]", "open": "[]"}


def test_nothing_is_written_anywhere(child: Child, files: Path) -> None:
    answers = run(
        child,
        files,
        """
import tempfile
model_fd = os.open(model, os.O_RDONLY)
jail.arm("worker", [model, folder])
tried = {
    "model": answer(model.open, "r+b"),
    "truncate": answer(os.truncate, model, 0),
    "reopen": answer(open, f"/proc/self/fd/{model_fd}", "r+b"),
    "create": answer((folder / "new").touch),
    "mkdir": answer((folder / "dir").mkdir),
    "rename": answer((folder / "second").rename, folder / "third"),
    "move": answer((folder / "second").rename, folder / "blobs/second"),
    "unlink": answer((folder / "second").unlink),
    "symlink": answer((folder / "link").symlink_to, "secret"),
    "hard link": answer(os.link, folder / "second", folder / "hard"),
    "fifo": answer(os.mkfifo, folder / "fifo"),
    "tmp": answer(Path("/tmp/edgemind-escape").touch),
    "tmpfile": answer(lambda: os.open("/tmp", os.O_TMPFILE | os.O_RDWR)),
    "shm": answer(Path("/dev/shm/edgemind-escape").touch),
    "home": answer((Path.home() / "edgemind-escape").touch),
    "here": answer(Path("edgemind-escape").touch),
    "comm of itself": answer(Path("/proc/self/comm").write_text, "x"),
    "parent": answer(Path(f"/proc/{os.getppid()}/oom_score_adj").write_text, "0"),
}
print(json.dumps({"open": str([k for k, v in tried.items() if v not in ("EACCES", "EXDEV")])}))
""",
    )

    assert answers == {"open": "[]"}
    assert (files / "blobs/model.gguf").read_bytes() == b"GGUF"
    assert sorted(path.name for path in files.iterdir()) == ["blobs", "detour", "model", "second", "secret"]


def test_only_the_files_named_for_it_are_written(child: Child, files: Path) -> None:
    """A file with a name, one without, and a folder, which opens nothing."""
    (files / "made").write_text("old")
    (files / "folder").mkdir()
    (files / "folder" / "inside").write_text("inside")
    answers = run(
        child,
        files,
        """
unnamed = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o600)
as_path = Path(f"/proc/self/fd/{unnamed}")
jail.arm("worker", [model], [folder / "made", as_path, folder / "folder"])
done = {
    "named": answer((folder / "made").write_text, "new"),
    "unnamed": answer(as_path.write_text, "unseen"),
    "truncate": answer(os.truncate, folder / "made", 2),
}
closed = {
    "read of it": answer((folder / "made").read_bytes),
    "neighbour": answer((folder / "second").write_text, "x"),
    "model": answer(model.open, "r+b"),
    "beside": answer((folder / "new").touch),
    "unlink": answer((folder / "made").unlink),
    "rename": answer((folder / "made").rename, folder / "other"),
    "give it a name": answer(os.link, as_path, folder / "linked"),
    "inside a folder": answer((folder / "folder/inside").write_text, "x"),
    "new in a folder": answer((folder / "folder/new").touch),
}
print(json.dumps({
    "bad": str([k for k, v in done.items() if v != "ok"]),
    "open": str([k for k, v in closed.items() if v not in ("EACCES", "EXDEV")]),
    "unseen": os.pread(unnamed, 20, 0).decode(),
}))
""",
    )

    assert answers == {"bad": "[]", "open": "[]", "unseen": "unseen"}
    assert (files / "made").read_text() == "ne"
    assert (files / "folder" / "inside").read_text() == "inside"
    assert sorted(path.name for path in files.iterdir()) == [
        *("blobs", "detour", "folder", "made", "model", "second", "secret")
    ]


def test_a_link_planted_later_opens_nothing(child: Child, files: Path) -> None:
    """The rule is on the file that the name meant when the jail was armed."""
    answers = run(
        child,
        files,
        """
helper_read, helper_write = os.pipe()
done_read, done_write = os.pipe()
if os.fork() == 0:
    os.read(helper_read, 1)
    model.unlink()
    model.symlink_to("secret")
    os.write(done_write, b"x")
    os._exit(0)
jail.arm("worker", [model])
os.write(helper_write, b"x")
os.read(done_read, 1)
print(json.dumps({"swapped": answer(model.read_bytes), "blob": answer((folder / "blobs/model.gguf").read_bytes)}))
""",
    )

    assert answers == {"swapped": "EACCES", "blob": "ok"}


def test_threads_that_ran_before_are_told(child: Child, files: Path) -> None:
    answers = run(
        child,
        files,
        """
import threading
go = threading.Event()
threading.Thread(target=go.wait).start()
report = jail.arm("worker", [model])
go.set()
print(json.dumps({"landlock": str(report.landlock), "notes": " ".join(report.notes)}))
""",
    )

    if (landlock.abi() or 0) < 8:
        assert answers["landlock"] == "None"
        assert "threads were running" in answers["notes"]
    else:
        assert answers["notes"] == ""


@pytest.mark.skipif((landlock.abi() or 0) < 6, reason="signals are scoped from Landlock 6 on")
def test_the_worker_cannot_signal_its_parent(child: Child, files: Path) -> None:
    answers = run(child, files, 'jail.arm("worker"); print(json.dumps({"kill": answer(os.kill, os.getppid(), 0)}))')

    assert answers == {"kill": "EPERM"}


def test_the_home_folder_is_never_a_place_for_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    monkeypatch.setenv("HOME", str(tmp_path / "home" / "user"))
    wrong = ["", "/", str(tmp_path), str(tmp_path / "home"), str(tmp_path / "home" / "user")]
    right = str(tmp_path / "home" / "user" / "site-packages")
    monkeypatch.setattr(sys, "path", [*wrong, right])

    allowed = [path for path, _ in landlock.worker_rules([])]

    assert right in allowed
    assert not set(wrong) & set(allowed)
