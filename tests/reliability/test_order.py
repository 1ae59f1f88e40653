"""The order of writes, syncs and renames of a pull, as the kernel sees it."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from pulling import COMMAND, REPO, environment

CALL = re.compile(r"^(?:\d+ +)?(write|fsync|fdatasync|rename|renameat|renameat2)\((.*)\) += (-?\d+)")
OPENED = re.compile(r"\d+<([^>]*)>")
QUOTED = re.compile(r'"([^"]*)"')


def _may_trace() -> bool:
    strace = shutil.which("strace")
    return bool(strace) and subprocess.run([strace, "-f", "true"], capture_output=True).returncode == 0


def events(trace: str, root: str) -> list[tuple[str, str, str]]:
    """Calls that worked on the store: call, path below the root, new path of a rename."""
    found = []
    for line in trace.splitlines():
        match = CALL.match(line)
        if not match or int(match[3]) < 0:
            continue
        call, arguments = match[1], match[2]
        if call.startswith("rename"):
            folders, names = OPENED.findall(arguments), QUOTED.findall(arguments)
            places = [name if name.startswith("/") else f"{folders[n]}/{name}" for n, name in enumerate(names)]
        else:
            places = [OPENED.findall(arguments)[0]] if OPENED.match(arguments) else []
        if places and places[0].startswith(root):
            below = [place.removeprefix(root).lstrip("/") for place in places]
            found.append(("rename" if len(places) == 2 else call, below[0], below[-1]))
    return found


@pytest.mark.skipif(not _may_trace(), reason="strace is not here, or may not trace")
def test_sync_rename_sync_then_the_manifest(hub, home, tmp_path, model):
    trace = tmp_path / "trace"
    watched = "trace=write,fsync,fdatasync,rename,renameat,renameat2"
    command = ["strace", "-f", "-y", "-s", "300", "-o", str(trace), "-e", watched, COMMAND, "pull", REPO, "--no-trial"]
    ran = subprocess.run(command, env=environment(hub, home), capture_output=True, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode()
    seen = events(trace.read_text(), str(home / "data/models"))
    [part] = {place for call, place, _ in seen if call == "write" and place.endswith(".part")}
    blob = "blobs/" + part.removeprefix("partial/").removesuffix(".part")
    [manifest] = {new for call, _, new in seen if call == "rename" and new.startswith("manifests/")}
    [temporary] = {old for call, old, new in seen if new == manifest and call == "rename"}

    def last(*event: str) -> int:
        return max(n for n, one in enumerate(seen) if one[: len(event)] == event)

    def first(*event: str, after: int) -> int:
        return min(n for n, one in enumerate(seen) if one[: len(event)] == event and n > after)

    written = last("write", part)
    synced = first("fsync", part, after=written)
    renamed = first("rename", part, blob, after=synced)
    kept = first("fsync", "blobs", after=renamed)
    said = last("write", temporary)
    assert said > kept, "the manifest is written when its blob is on the disk for good"
    sound = first("fsync", temporary, after=said)
    visible = first("rename", temporary, manifest, after=sound)
    first("fsync", "manifests", after=visible)
    assert [new for call, _, new in seen if call == "rename"].count(blob) == 1
