"""Pulls from the local hub, in this process or as the real command, and a look at the store that believes nothing.

Not for: what a user sees of a pull (``tests/cli``).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from localhub import Hub

from edgemind.models.download import HubClient
from edgemind.models.pull import carry_out
from edgemind.models.pull_plan import make_plan
from edgemind.models.store.manifest import Manifest
from edgemind.models.store.store import Store
from edgemind.models.transfer import Patience

COMMAND = str(Path(sys.executable).with_name("edgemind"))
REPO, NAME = "owner/tiny", "tiny"
QUICK = Patience(tries=4, first_wait=0.001, longest_wait=0.01)
_DROPPED = ("HF_TOKEN", "HF_HUB_OFFLINE", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "EDGEMIND_DEBUG")


class Silent:
    """An observer that looks away."""

    def advanced(self, *unused: object) -> None: ...
    def retrying(self, *unused: object) -> None: ...
    def rehashing(self, *unused: object) -> None: ...
    def restarted(self, *unused: object) -> None: ...
    def starting(self, *unused: object) -> None: ...
    def present(self, *unused: object) -> None: ...
    def waiting(self, *unused: object) -> None: ...


def store_of(home: Path) -> Store:
    return Store(home / "data" / "models")


def pull(hub: Hub, home: Path, wanted: str = REPO, *, safetensors: bool = False) -> Manifest:
    """A pull in this process, without the trial run that the command adds."""
    with HubClient(hub.endpoint) as client:
        return pull_with(client, home, wanted, safetensors)


def pull_with(client: HubClient, home: Path, wanted: str = REPO, safetensors: bool = False) -> Manifest:
    """The same over a connection that is there; opening one costs 20 ms."""
    store = store_of(home)
    plan = make_plan(client, wanted, store, safetensors=safetensors, patience=QUICK, pause=lambda seconds: None)
    return carry_out(plan, client, store, Silent(), patience=QUICK, pause=lambda seconds: None)


def environment(hub: Hub, home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    return {**kept, "EDGEMIND_HOME": str(home), "HF_ENDPOINT": hub.endpoint, "NO_PROXY": "*", "TERM": "dumb"}


def start_pull(hub: Hub, home: Path, *more: str, wanted: str = REPO) -> subprocess.Popen[bytes]:
    """``edgemind pull`` as a process of its own."""
    command = [COMMAND, "pull", wanted, *more]
    return subprocess.Popen(command, env=environment(hub, home), stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def visible(home: Path) -> dict[str, list[tuple[str, str, int]]]:
    """Every model that the store shows, with path, hash and size of its files, after proving each of them.

    Blobs that no manifest names are proven too: whoever finds one under its name will take it for good.
    """
    root = home / "data" / "models"
    for blob in root.glob("blobs/*"):
        assert blob.name == f"sha256-{digest_of(blob)}", f"{blob.name} holds other bytes"
    models = {}
    for manifest in root.glob("manifests/*.json"):
        said = json.loads(manifest.read_text())
        for file in said["files"]:
            blob = root / "blobs" / f"sha256-{file['sha256']}"
            assert blob.stat().st_size == file["size"], f"{manifest.stem} names {file['path']} of another size"
        models[manifest.stem] = [(file["path"], file["sha256"], file["size"]) for file in said["files"]]
    return models


def digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        digest = hashlib.sha256()
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def part_of(home: Path, content: bytes) -> Path:
    """Where the unfinished download of such a file lies."""
    return home / "data/models/partial" / f"sha256-{hashlib.sha256(content).hexdigest()}.part"


def everything(folder: Path) -> dict[str, str]:
    """All files, folders and links below, with what is in them."""
    found = {}
    for path in sorted(folder.rglob("*")):
        what = os.readlink(path) if path.is_symlink() else digest_of(path) if path.is_file() else "folder"
        found[str(path.relative_to(folder))] = what
    return found


@contextlib.contextmanager
def ends(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """However the test ends, so does the process."""
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
