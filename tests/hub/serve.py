"""The local hub as a process of its own: ``python tests/hub/serve.py --root DIR``.

``DIR/owner/name/...`` becomes the repository ``owner/name``. The first line on standard output is JSON with the two
addresses; it ends when standard input closes. Not for: anything but tests and benchmarks on this machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from localhub import Fault, Hub


def repositories(root: Path) -> dict[str, dict[str, Path]]:
    """The files of every ``owner/name`` below a folder."""
    found = {}
    for repo in sorted(path for path in root.glob("*/*") if path.is_dir()):
        files = sorted(path for path in repo.rglob("*") if path.is_file())
        found[repo.relative_to(root).as_posix()] = {file.relative_to(repo).as_posix(): file for file in files}
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--root", type=Path, required=True)
    options.add_argument("--port", type=int, default=0)
    options.add_argument("--rate", type=float, help="bytes per second of every file")
    asked = options.parse_args()
    with Hub(port=asked.port) as hub:
        for name, files in repositories(asked.root).items():
            hub.add(name, files)
        if asked.rate:
            hub.faults = Fault(rate=asked.rate)
        print(json.dumps({"endpoint": hub.endpoint, "cdn": hub.cdn}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
