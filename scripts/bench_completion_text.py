"""How often what is put into a gap is exactly what stood there: gaps in real code, and a model that does not stop.

    python scripts/bench_completion_text.py [FILE_OR_FOLDER ...] [--gaps 300] [--seed 0] [--show 0]

Of every kind of gap so many are punched into the files (the standard library of this Python and the samples of the
tests, unless others are named). The text that stood there is fed to the cutting rules piece by piece, as a model would
write it, followed by nothing, by what follows in the file, by other code of the file, or by itself again and again.
"""

from __future__ import annotations

import argparse
import random
import re
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgemind.coder.completion_text import Lines, end_of, fitted

ENDINGS = (".py", ".js", ".mjs", ".ts", ".go", ".rs", ".c", ".h", ".cpp", ".java", ".lua")
SAMPLES = Path(__file__).parent.parent / "tests" / "coder" / "completion_samples"
MOST_FILE = 120_000
MOST_FILES = 400
MOST_GAP = 1_000
"""Characters: about the most that a block of 256 tokens holds."""
OVERRUN = 600
PAIRS = {"(": ")", "[": "]", "{": "}"}
COMMENT = re.compile(r"(?:^|\s)(#|//|--)\s+(\w.{12,})$")
STRING = re.compile(r"""(["'])([^"'\\]*)\1""")
IMPORT = re.compile(r"^\s*(?:from .* import |import |use |#include |const .* = require|local .* = require).{6,}$")


@dataclass(frozen=True)
class Place:
    """A gap in a file and what stood there."""

    prefix: str
    middle: str
    suffix: str


VARIANTS: tuple[Callable[[str], str], ...] = (
    lambda text: text,
    lambda text: text.replace("    ", "\t"),
    lambda text: text.replace("e", "é").replace("s", "ß"),
)
"""Files as they are, with tabs, and with letters that have several bytes; Windows' line ends never come this far."""

Punch = Callable[[list[str], random.Random], Place | None]


def at(lines: list[str], row: int, start: int, end: int | None = None, last: int | None = None) -> Place:
    """The gap from a column of a row to a column of a row."""
    last = row if last is None else last
    end = len(lines[last]) if end is None else end
    prefix = "\n".join([*lines[:row], lines[row][:start]])
    suffix = "\n".join([lines[last][end:], *lines[last + 1 :]])
    inner = [lines[row][start:], *lines[row + 1 : last], lines[last][:end]] if last > row else [lines[row][start:end]]
    return Place(prefix, "\n".join(inner), suffix)


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def rest_of_line(lines: list[str], rng: random.Random) -> Place | None:
    row = rng.randrange(len(lines))
    starts = [found.start() for found in re.finditer(r"(?<=\W)\w|\W(?=\w)|(?<=\w{2})\w", lines[row])]
    starts = [start for start in starts if start > indent(lines[row])]
    return at(lines, row, rng.choice(starts)) if starts else None


def middle_of_line(lines: list[str], rng: random.Random) -> Place | None:
    row = rng.randrange(len(lines))
    cuts = [found.start() for found in re.finditer(r"\b", lines[row]) if found.start() > indent(lines[row])]
    if len(cuts) < 4:
        return None
    start, end = sorted(rng.sample(cuts, 2))
    return at(lines, row, start, end) if re.search(r"\w\w", lines[row][end:]) else None


def matching(line: str, start: int) -> int | None:
    depth = 0
    for place in range(start, len(line)):
        depth += (line[place] in "([{") - (line[place] in ")]}")
        if depth == 0:
            return place
    return None


def arguments(lines: list[str], rng: random.Random) -> Place | None:
    row = rng.randrange(len(lines))
    line = lines[row]
    starts = [place for place, mark in enumerate(line) if mark in PAIRS]
    if not starts:
        return None
    start = rng.choice(starts)
    end = matching(line, start)
    return at(lines, row, start + 1, end) if end and end > start + 2 else None


def string(lines: list[str], rng: random.Random) -> Place | None:
    row = rng.randrange(len(lines))
    found = next((found for found in STRING.finditer(lines[row]) if len(found[2]) > 8), None)
    return at(lines, row, found.start(2) + rng.randrange(len(found[2]) - 1), found.end(2)) if found else None


def comment(lines: list[str], rng: random.Random) -> Place | None:
    row = rng.randrange(len(lines))
    found = COMMENT.search(lines[row])
    return at(lines, row, found.start(2) + rng.randrange(len(found[2]) - 2)) if found else None


def imports(lines: list[str], rng: random.Random) -> Place | None:
    rows = [row for row, line in enumerate(lines) if IMPORT.match(line)]
    if not rows:
        return None
    row = rng.choice(rows)
    start = indent(lines[row]) + 6
    return at(lines, row, rng.randrange(start, len(lines[row]) - 1))


def block(lines: list[str], row: int) -> int | None:
    """The last row of the block that a row opens."""
    below = next((number for number in range(row + 1, len(lines)) if lines[number].strip()), None)
    if below is None or below > row + 1 or not lines[row].strip() or indent(lines[below]) <= indent(lines[row]):
        return None
    last = below
    for number in range(below, len(lines)):
        if lines[number].strip():
            if indent(lines[number]) <= indent(lines[row]):
                break
            last = number
    return last


def opened(lines: list[str], rng: random.Random, marks: tuple[str, ...]) -> tuple[int, int] | None:
    row = rng.randrange(len(lines))
    last = block(lines, row)
    return (row, last) if last and lines[row].rstrip().endswith(marks) else None


def body(lines: list[str], rng: random.Random) -> Place | None:
    found = opened(lines, rng, (":", "{", "then", "do"))
    return at(lines, found[0], len(lines[found[0]]), last=found[1]) if found else None


def body_from_its_first_line(lines: list[str], rng: random.Random) -> Place | None:
    found = opened(lines, rng, (":", "{", "then", "do"))
    return at(lines, found[0] + 1, indent(lines[found[0] + 1]), last=found[1]) if found else None


def body_and_its_end(lines: list[str], rng: random.Random) -> Place | None:
    """Only where a bracket ends it."""
    found = opened(lines, rng, ("{",))
    if not found or found[1] + 1 >= len(lines) or not lines[found[1] + 1].lstrip().startswith("}"):
        return None
    return at(lines, found[0], len(lines[found[0]]), last=found[1] + 1)


def rest_of_body(lines: list[str], rng: random.Random) -> Place | None:
    """From a statement in a block to its end."""
    found = opened(lines, rng, (":", "{", "then", "do"))
    if not found:
        return None
    inner = indent(lines[found[0] + 1])
    rows = [row for row in range(found[0] + 2, found[1] + 1) if lines[row].strip() and indent(lines[row]) == inner]
    if not rows:
        return None
    row = rng.choice(rows)
    return None if lines[row].lstrip()[0] in ")]}" else at(lines, row, inner, last=found[1])


def statement(lines: list[str], rng: random.Random) -> Place | None:
    """One line among others that are as deep."""
    row = rng.randrange(len(lines))
    if row + 1 >= len(lines) or not lines[row].strip() or not lines[row + 1].strip():
        return None
    same = indent(lines[row]) == indent(lines[row + 1]) == indent(lines[row - 1])
    whole = sum(lines[row].count(mark) for mark in "([{") == sum(lines[row].count(mark) for mark in ")]}")
    return at(lines, row, indent(lines[row])) if same and whole else None


def nested(lines: list[str], rng: random.Random) -> Place | None:
    """What stands in brackets over several lines; the closing one stands below."""
    found = opened(lines, rng, tuple(PAIRS))
    if not found or found[1] + 1 >= len(lines) or lines[found[1] + 1].lstrip()[:1] not in tuple(")]}"):
        return None
    inner = indent(lines[found[0] + 1])
    rows = [row for row in range(found[0] + 1, found[1] + 1) if indent(lines[row]) == inner and lines[row].strip()]
    row = rng.choice(rows)
    return at(lines, row, inner, last=found[1]) if lines[row][inner] not in ")]}" else None


def between_brackets(lines: list[str], rng: random.Random) -> Place | None:
    """The editor has put the closing bracket there already, right behind the cursor."""
    found = opened(lines, rng, tuple(PAIRS))
    if not found or found[1] + 1 >= len(lines) or lines[found[1] + 1].lstrip()[:1] not in tuple(")]}"):
        return None
    closing = lines[found[1] + 1]
    alone = not closing.strip(" \t)]};,")
    return at(lines, found[0], len(lines[found[0]]), indent(closing), last=found[1] + 1) if alone else None


def rest_of_call(lines: list[str], rng: random.Random) -> Place | None:
    """From an open bracket at the end of a line to the line that closes it."""
    found = opened(lines, rng, ("(", "["))
    if not found or found[1] + 1 >= len(lines) or lines[found[1] + 1].strip() not in (")", "]", "),", "],", ");", "])"):
        return None
    return at(lines, found[0], len(lines[found[0]]), last=found[1] + 1)


def end_of_file(lines: list[str], rng: random.Random) -> Place | None:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    row = max(
        (row for row, line in enumerate(lines) if line.strip() and block(lines, row) == len(lines) - 1), default=-1
    )
    return at(lines, row, len(lines[row]), last=len(lines) - 1) if row > 0 else None


LINE_KINDS: dict[str, Punch] = {
    "rest of a line": rest_of_line,
    "middle of a line": middle_of_line,
    "argument list": arguments,
    "inside a string": string,
    "inside a comment": comment,
    "import list": imports,
}
BLOCK_KINDS: dict[str, Punch] = {
    "body": body,
    "body from its first line": body_from_its_first_line,
    "body and its bracket": body_and_its_end,
    "rest of a body": rest_of_body,
    "one statement": statement,
    "inside brackets": nested,
    "between brackets": between_brackets,
    "rest of a call": rest_of_call,
    "end of the file": end_of_file,
}


def other_code(lines: list[str], rng: random.Random) -> str:
    """Whole lines from another place, from one that is not indented."""
    rows = [row for row, line in enumerate(lines) if line.strip() and not indent(line) and line[0] not in ")]}"]
    row = rng.choice(rows or [0])
    return "\n".join(lines[row : row + 20])


def overruns(place: Place, lines: list[str], rng: random.Random) -> dict[str, str]:
    rest = place.suffix.partition("\n")[0]
    begun = place.prefix.rpartition("\n")[2]
    again = f"\n{begun[: indent(begun + 'x')]}{place.middle.lstrip()}" if place.middle.strip() else ""
    return {
        "it ends": "",
        "the file goes on": place.suffix[:OVERRUN],
        "other code": f"{rest}\n\n\n{other_code(lines, rng)}"[:OVERRUN],
        "itself again": (rest + again) * (3 + OVERRUN // max(1, len(again))),
    }


def inserted(place: Place, written: str, lines: Lines, rng: random.Random) -> str:
    """What goes into the gap of a text that comes in pieces."""
    cut = 0
    while cut < len(written):
        cut += rng.randint(1, 6)
        end = end_of(written[:cut], place.prefix, place.suffix, lines)
        if end is not None:
            return fitted(written[:end], place.prefix, place.suffix)
    return fitted(written, place.prefix, place.suffix)


def doubled(place: Place, text: str) -> bool:
    """Whether something is put in that stands after the gap already."""
    more = text.removeprefix(place.middle).strip()
    return (
        text != place.middle and text.startswith(place.middle) and place.suffix.strip().startswith(more) and bool(more)
    )


def sources(paths: list[Path], rng: random.Random) -> list[list[str]]:
    """The lines of at most so many files."""
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    files = [file for file in files if file.suffix in ENDINGS and "site-packages" not in file.parts]
    rng.shuffle(files)
    found = []
    for file in files:
        if len(found) < MOST_FILES and file.is_file() and 400 < file.stat().st_size < MOST_FILE:
            text = file.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
            if max(map(len, text.split("\n"))) < 300:
                found.append(VARIANTS[len(found) % len(VARIANTS)](text).split("\n"))
    return found


def wanted(place: Place) -> bool:
    """Blanks at the end of a line are nobody's."""
    return bool(place.suffix.partition("\n")[0].strip()) or place.middle == place.middle.rstrip()


def places(files: list[list[str]], punch: Punch, count: int, rng: random.Random) -> Iterator[tuple[Place, list[str]]]:
    """Different ones; fewer where there are not so many."""
    seen = set()
    for _ in range(400 * count):
        if len(seen) == count:
            return
        lines = rng.choice(files)
        place = punch(lines, rng)
        if place and place.middle.strip() and len(place.middle) <= MOST_GAP and wanted(place):
            if place in seen:
                continue
            seen.add(place)
            yield place, lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--gaps", type=int, default=300, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="failures of each cell to print")
    parser.add_argument("--kind", default="", help="kinds whose name has this in it")
    options = parser.parse_args()
    files = sources(options.paths or [Path(sysconfig.get_path("stdlib")), SAMPLES], random.Random(options.seed))
    print(f"{len(files)} files, {options.gaps} gaps of each kind, seed {options.seed}\n")
    names = ("it ends", "the file goes on", "other code", "itself again")
    print(f"| gap | mode | gaps | {' | '.join(names)} | doubled |\n|---|---|{'---|' * (len(names) + 2)}")
    modes: list[tuple[Lines, dict[str, Punch]]] = [("one", LINE_KINDS), ("block", LINE_KINDS), ("block", BLOCK_KINDS)]
    for mode, kinds in modes:
        for kind, punch in kinds.items():
            if options.kind in kind:
                row(kind, mode, list(places(files, punch, options.gaps, random.Random(options.seed))), options)


def row(kind: str, mode: Lines, gaps: list[tuple[Place, list[str]]], options: argparse.Namespace) -> None:
    right: Counter[str] = Counter()
    twice, shown = 0, Counter[str]()
    rng = random.Random(options.seed)
    for place, lines in gaps:
        for name, more in overruns(place, lines, rng).items():
            text = inserted(place, place.middle + more, mode, rng)
            right[name] += text == place.middle
            twice += doubled(place, text)
            if text != place.middle and shown[name] < options.show:
                shown[name] += 1
                before, after = place.prefix[-150:], place.suffix[:150]
                print(f"--- {kind}, {name}\n{before}⟦{place.middle}⟧{after}\n=== {text!r}\n=== {place.middle!r}")
    if gaps:
        cells = " | ".join(f"{100 * right[name] / len(gaps):.0f} %" for name in right)
        print(f"| {kind} | {mode} | {len(gaps)} | {cells} | {twice} |", flush=True)


if __name__ == "__main__":
    main()
