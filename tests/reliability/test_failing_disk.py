"""A full disk and one with errors, at every single change: one sentence, other models whole, and it goes on later."""

from __future__ import annotations

import contextlib
import errno
import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from failing_disk import FailingDisk
from localhub import Fault, Hub
from pulling import COMMAND, REPO, environment, everything, part_of, pull, pull_with, store_of, visible
from tiny import tiny_model

from edgemind.errors import NoRoom, StoreProblem

OTHER = "owner/other"
MOST_CHANGES = 400


@pytest.fixture(scope="module")
def installed(tmp_path_factory, model):
    """A home in which another model is installed."""
    home = tmp_path_factory.mktemp("installed") / "home"
    other = tiny_model(home.parent / "other.gguf", layers=1, embd=32, heads=2, kv_heads=2, seed=9).read_bytes()
    with Hub() as hub:
        hub.add(OTHER, {"other-F32.gguf": other})
        pull(hub, home, OTHER)
    return home


@pytest.fixture
def copies(tmp_path, installed):
    """Fresh copies of that home, with times and all."""

    def copy(number: int) -> Path:
        return Path(shutil.copytree(installed, tmp_path / f"home{number}"))

    return copy


@pytest.mark.parametrize("for_good", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
def test_every_change_may_fail(hub, client, copies, model, error, for_good):
    hub.faults = Fault(cut=len(model) // 2)
    failed = set()
    for at in range(1, MOST_CHANGES):
        home = copies(at)
        hub.log.clear()
        with FailingDisk(at, error, for_good) as disk:
            told = _pull_or_be_told(client, home)
        if disk.count < at:
            break
        failed.add(disk.failed)
        came = len(visible(home)) == 2
        assert told or came, f"change {at} ({disk.failed}) failed and nobody noticed"
        _check(hub, client, home, model, at)
        shutil.rmtree(home)
    else:
        pytest.fail("a pull of a small file makes too many changes")
    print(f"{at - 1} changes, each failed once; in {sorted(failed)}")
    assert {"open", "write", "fsync"} < failed
    assert {"rename", "replace"} & failed


def _pull_or_be_told(client, home):
    """The problem that was told; None when the pull came through all the same."""
    try:
        pull_with(client, home)
    except (NoRoom, StoreProblem) as problem:
        told = problem
    else:
        return None
    assert told.hint
    assert "\n" not in told.message
    return told


def _check(hub, client, home, model, at):
    """The other model is whole; what had arrived is not fetched again."""
    store = store_of(home)
    assert {name.split("-")[0] for name in visible(home)} >= {"other"}
    for manifest in store.manifests():
        store.files(manifest)
    part = part_of(home, model)
    kept = part.stat().st_size if part.exists() else 0
    hub.log.clear()
    manifest = pull_with(client, home)
    assert store.files(manifest)[0].read_bytes() == model
    starts = [request.start for request in hub.log.of("file")]
    assert not starts or starts[0] == kept, f"{kept} bytes were there after change {at} failed, begun again at {starts}"


def test_other_models_can_be_used_while_the_disk_is_full(hub, copies, model):
    """Nothing that only reads needs a write."""
    home = copies(0)
    before = everything(home)
    with FailingDisk(1, errno.ENOSPC, for_good=True) as disk:
        store = store_of(home)
        [other] = store.manifests()
        assert store.files(other)
    assert disk.failed == ""
    assert everything(home) == before


def test_files_may_not_grow(hub, tmp_path, model):
    """A limit of the system on the size of files, in the real command."""
    home = tmp_path / "home"
    limit = len(model) // 2

    def smaller_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [COMMAND, "pull", REPO]
    ran = subprocess.run(command, env=environment(hub, home), preexec_fn=smaller_files, capture_output=True, timeout=60)
    assert ran.returncode == NoRoom.exit_code, ran.stderr.decode()
    assert b"Traceback" not in ran.stderr
    assert part_of(home, model).stat().st_size == limit
    hub.log.clear()
    again = subprocess.run(command, env=environment(hub, home), capture_output=True, timeout=60)
    assert again.returncode == 0, again.stderr.decode()
    assert hub.log.served() == len(model) - limit
    assert len(visible(home)) == 1


def _may_mount() -> bool:
    if not shutil.which("unshare") or sys.platform != "linux":
        return False
    script = "mount -t tmpfs -o size=1m tmpfs /mnt"
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, timeout=10).returncode == 0
    return False


@pytest.mark.skipif(not _may_mount(), reason="this system lets nobody mount a small disk of his own")
def test_a_disk_that_fills_up(hub, tmp_path, large_model):
    """A real one of 96 MiB, filled by someone else in the middle of a pull; there is room again later."""
    hub.add("owner/large", {"large-F32.gguf": large_model})
    hub.faults = Fault(rate=len(large_model) / 3)
    disk = tmp_path / "disk"
    disk.mkdir()
    script = Path(__file__).with_name("full_disk.py")
    command = ["unshare", "-Urm", sys.executable, str(script), str(disk), "owner/large"]
    ran = subprocess.run(command, env=environment(hub, disk / "home"), capture_output=True, timeout=100)
    assert ran.returncode == 0, ran.stderr.decode()
    told = json.loads(ran.stdout)
    assert told["full"]["code"] == NoRoom.exit_code, told
    assert "full" in told["full"]["err"]
    assert told["again"]["code"] == 0, told
    assert told["kept"] > 0
    assert hub.log.served() < len(large_model) * 1.1 + (1 << 20)
