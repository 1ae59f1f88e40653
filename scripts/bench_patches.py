"""Patches for files that were changed since: how often they go where they belong, by us, ``git apply`` and ``patch``.

Each case is a file of Python's own library in which, with ``--repeated``, some lines stand several times; a diff of it;
and the same file with other changes, far enough from those of the diff that what should come out is known. Writes
Markdown. Needs git, diff and patch.

    python scripts/bench_patches.py --cases 2000 --repeated
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from edgemind.coder.file_text import FileText, new_text
from edgemind.coder.patches.problems import BadPatch
from edgemind.coder.patches.reading import read_patch
from edgemind.coder.patches.tree import Tree

Changes = dict[int, list[str]]
"""Lines in place of a line, by its index."""
WORDS = ("    pass", "x = 1", "", "    return None", "new")
COMMANDS = {
    "git apply": ("git", "apply", "-"),
    "patch": ("patch", "-p1", "-s", "-N", "-r", "-", "--no-backup-if-mismatch"),
}


def main() -> int:
    flags = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    flags.add_argument("--cases", type=int, default=2_000)
    flags.add_argument("--repeated", action="store_true", help="with lines that stand in the file several times")
    flags.add_argument("--seed", type=int, default=1)
    given = flags.parse_args()
    rng = random.Random(given.seed)
    found = {name: Counter[str]() for name in ("edgemind code apply", *COMMANDS)}
    pool = [path for path in Path(sysconfig.get_path("stdlib")).glob("*.py") if path.stat().st_size < 40_000]
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(given.cases):
            lines = rng.choice(pool).read_text(errors="replace").replace("\f", "").splitlines()
            if given.repeated:
                _repeat(lines, rng)
            _try(lines, rng, Path(folder), found)
    print("| program | right | refused | wrong |\n|---|---|---|---|")
    for name, ends in found.items():
        print(f"| {name} | {ends['right']} | {ends['refused']} | {ends['wrong']} |")
    return 0


def _repeat(lines: list[str], rng: random.Random) -> None:
    size = rng.randint(4, 15)
    start = rng.randrange(max(1, len(lines) - size))
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(lines) + 1)
        lines[at:at] = lines[start : start + size]


def _try(lines: list[str], rng: random.Random, folder: Path, found: dict[str, Counter[str]]) -> None:
    diff = _changes(lines, rng, rng.randint(1, 4))
    others = _changes(lines, rng, rng.randint(0, 6))
    others = {at: new for at, new in others.items() if all(abs(at - one) > 1 for one in diff)}
    now, wanted = _with(lines, others), _with(lines, others | diff)
    old, new = folder / "f.py", folder / "new.py"
    old.write_bytes(new_text(lines))
    new.write_bytes(new_text(_with(lines, diff)))
    labels = ("--label", "a/f.py", "--label", "b/f.py")
    made = subprocess.run(
        ["diff", f"-U{rng.choice((1, 2, 3, 3, 3))}", *labels, old, new], capture_output=True, text=True, check=False
    )
    if not made.stdout:
        return
    try:
        after = read_patch(made.stdout, Tree.of({"f.py": FileText.read(new_text(now))}))
        ours: bytes | None = after[0].after if after else new_text(now)
    except BadPatch:
        ours = None
    found["edgemind code apply"][_judged(ours, wanted)] += 1
    for name, command in COMMANDS.items():
        old.write_bytes(new_text(now))
        ran = subprocess.run(command, input=made.stdout, cwd=folder, capture_output=True, text=True, check=False)
        found[name][_judged(None if ran.returncode else old.read_bytes(), wanted)] += 1


def _changes(lines: Sequence[str], rng: random.Random, count: int) -> Changes:
    made: Changes = {}
    for _ in range(count):
        at = rng.randrange(len(lines))
        kept = [lines[at]] if rng.random() < 0.4 else []
        made[at] = kept + [rng.choice(WORDS) for _ in range(rng.randint(0, 2))]
    return made


def _with(lines: Sequence[str], changes: Changes) -> list[str]:
    return [new for at, line in enumerate(lines) for new in changes.get(at, [line])]


def _judged(after: bytes | None, wanted: Sequence[str]) -> str:
    return "refused" if after is None else "right" if after == new_text(wanted) else "wrong"


if __name__ == "__main__":
    sys.exit(main())
