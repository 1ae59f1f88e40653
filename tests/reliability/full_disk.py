"""Run inside a mount namespace: a small disk is mounted, a pull begins, the disk is filled; then it is emptied again.

``full_disk.py DISK REPOSITORY``; prints JSON. Not for: use without ``unshare -Urm``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

COMMAND = str(Path(sys.executable).with_name("edgemind"))


def main() -> None:
    disk, repository = Path(sys.argv[1]), sys.argv[2]
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(disk)], check=True)
    pull = subprocess.Popen([COMMAND, "pull", repository], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not list(disk.glob("home/data/models/partial/*.part")) and pull.poll() is None:
        time.sleep(0.02)
    filler = disk / "filler"
    fill(filler)
    full = ended(pull)
    kept = sum(part.stat().st_size for part in disk.glob("home/data/models/partial/*.part"))
    filler.unlink()
    pull = subprocess.Popen([COMMAND, "pull", repository], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    print(json.dumps({"full": full, "kept": kept, "again": ended(pull)}))


def fill(filler: Path) -> None:
    """Until nothing more goes in."""
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(64 << 10))
        except OSError:
            return


def ended(pull: subprocess.Popen[bytes]) -> dict[str, object]:
    _, err = pull.communicate(timeout=60)
    return {"code": pull.returncode, "err": err.decode()}


if __name__ == "__main__":
    main()
