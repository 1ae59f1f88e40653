"""Does what a model is shown of a repository hold what a task is about, and what does finding it take?

Recall: from packages that are installed, functions are drawn whose docstring begins with a sentence. The package is
copied without any docstring, and that sentence is the task; a function counts as found when its definition is shown.
Times: trees of many files, copied from what is installed. Writes Markdown.

    python scripts/bench_map.py
    python scripts/bench_map.py --speed 100 1000 10000 30000
"""

from __future__ import annotations

import argparse
import ast
import importlib.util
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from edgemind.coder.listing import Listing
from edgemind.coder.ranking import words_of
from edgemind.coder.repo_map import repo_map
from edgemind.coder.searching import mentions, search
from edgemind.coder.workspace import Workspace

PACKAGES = ("jinja2", "pydantic", "hypothesis", "prompt_toolkit", "fsspec")
Place = tuple[str, int]
"""Path and line of a definition."""


def count(text: str) -> int:
    return round(len(text) / 3.5)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--packages", nargs="+", default=PACKAGES)
    asked.add_argument("--functions", type=int, default=60, help="drawn from each package")
    asked.add_argument("--tokens", type=int, default=1_000, help="of the map, and again of the excerpts")
    asked.add_argument("--speed", type=int, nargs="*", metavar="FILES")
    asked.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    flags = asked.parse_args()
    if flags.one:
        print(json.dumps(timed(flags.one)))
    elif flags.speed is not None:
        speed(flags.speed or [100, 1_000, 10_000, 30_000])
    else:
        recall(flags.packages, flags.functions, flags.tokens)


def recall(packages: Sequence[str], functions: int, tokens: int) -> None:
    print(f"{functions} functions of each package; {tokens:,} tokens for the map and for the excerpts.\n")
    print("| package | files | shown | the file | the definition |\n|---|---|---|---|---|")
    sums: dict[str, list[int]] = {}
    for package in packages:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "tree"
            tasks = stripped(package, root, functions)
            workspace = Workspace.find(root)
            listing = Listing.of(workspace)
            for name, method in METHODS.items():
                files = definitions = 0
                for task, place in tasks:
                    shown = method(workspace, listing, task, tokens)
                    files += any(path == place[0] for path, _, _ in shown)
                    definitions += any(path == place[0] and first <= place[1] <= last for path, first, last in shown)
                total = sums.setdefault(name, [0, 0, 0])
                for at, more in enumerate((len(tasks), files, definitions)):
                    total[at] += more
                print(row(package, str(len(listing.files)), name, len(tasks), files, definitions), flush=True)
            workspace.close()
    for name, (number, files, definitions) in sums.items():
        print(row("**all**", "", name, number, files, definitions))


def row(package: str, files: str, name: str, number: int, found: int, definitions: int) -> str:
    return f"| {package} | {files} | {name} | {found / number:.0%} | {definitions / number:.0%} |"


Span = tuple[str, int, int]
Method = Callable[[Workspace, Listing, str, int], list[Span]]


def by_map(workspace: Workspace, listing: Listing, task: str, tokens: int) -> list[Span]:
    return [(one.path, one.line, one.line) for one in repo_map(workspace, listing, task, tokens, count).lines]


def by_references(workspace: Workspace, listing: Listing, _: str, tokens: int) -> list[Span]:
    return by_map(workspace, listing, "", tokens)


def by_excerpts(workspace: Workspace, listing: Listing, task: str, tokens: int) -> list[Span]:
    shown = []
    for hit in search(workspace, mentions(workspace, listing, task), 24):
        tokens -= count(hit.excerpt)
        if tokens < 0:
            break
        shown.append((hit.path, hit.first, hit.last))
    return shown


def by_both(workspace: Workspace, listing: Listing, task: str, tokens: int) -> list[Span]:
    return by_map(workspace, listing, task, tokens) + by_excerpts(workspace, listing, task, tokens)


def by_paths(workspace: Workspace, listing: Listing, task: str, tokens: int) -> list[Span]:
    """Names of files alone, those with words of the task first."""
    words = words_of(task)
    shown = []
    for path in sorted(listing.paths(), key=lambda path: (-len(words_of(path) & words), path)):
        tokens -= count(f"{path}\n")
        if tokens < 0:
            break
        shown.append((path, 0, 0))
    return shown


METHODS: dict[str, Method] = {
    "names of files, by the task's words": by_paths,
    "map by references alone": by_references,
    "map by references and the task": by_map,
    "excerpts": by_excerpts,
    "map and excerpts": by_both,
}


def stripped(package: str, root: Path, functions: int) -> list[tuple[str, Place]]:
    """Copy a package without docstrings; sentences of some, and where their functions are."""
    found = importlib.util.find_spec(package)
    assert found
    assert found.submodule_search_locations
    source = Path(next(iter(found.submodule_search_locations)))
    tasks = []
    for file in sorted(source.rglob("*.py")):
        if "test" in file.as_posix().removeprefix(source.as_posix()):
            continue
        try:
            text = file.read_text(encoding="utf-8")
            tree = ast.parse(text)
        except (SyntaxError, UnicodeDecodeError):
            continue
        lines = text.splitlines()
        path = file.relative_to(source.parent).as_posix()
        for node in ast.walk(tree):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)):
                continue
            said = ast.get_docstring(node)
            if said is None:
                continue
            expression = node.body[0]
            assert expression.end_lineno
            indent = " " * expression.col_offset
            for at in range(expression.lineno - 1, expression.end_lineno):
                lines[at] = f"{indent}..." if at == expression.lineno - 1 else ""
            sentence = " ".join(said.split("\n\n", 1)[0].split())
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and 6 <= len(sentence.split()) <= 40:
                tasks.append((sentence, (path, node.lineno)))
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return random.Random(1).sample(tasks, min(functions, len(tasks)))


def speed(sizes: Sequence[int]) -> None:
    places = [Path(found) for found in sys.path if found and Path(found).is_dir()]
    sources = sorted({file for place in places for file in place.rglob("*.py") if file.is_file()})
    random.Random(1).shuffle(sources)
    print("| files | listing | search | map, nothing known | map, next process | map, same process | memory |")
    print("|---|---|---|---|---|---|---|")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "tree"
            for number in range(size):
                source = sources[number % len(sources)]
                target = root.joinpath(f"copy{number // len(sources)}", *source.parts[-4:-1], f"{number}_{source.name}")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
            subprocess.run(["git", "init", "-q", str(root)], check=True)
            environment = {**os.environ, "EDGEMIND_HOME": f"{folder}/home"}
            command = [sys.executable, __file__, "--one", str(root)]
            cold, warm = (
                json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
                for _ in range(2)
            )
        seconds = [warm["listing"], warm["search"], cold["first"], warm["first"], warm["second"]]
        print(f"| {size:,} | {' | '.join(f'{one:.1f} s' for one in seconds)} | {cold['memory']:.0f} MB |", flush=True)


def timed(root: Path) -> dict[str, float]:
    task = "where is the connection pool of http requests retried?"
    found = {}
    workspace = Workspace.find(root)
    began = time.monotonic()
    listing = Listing.of(workspace)
    found["listing"] = time.monotonic() - began
    began = time.monotonic()
    said = mentions(workspace, listing, task, most_seconds=1e9)
    search(workspace, said, 24)
    found["search"] = time.monotonic() - began
    for which in ("first", "second"):
        found[which] = repo_map(workspace, listing, task, 1_000, count, worth=said.worth, most_seconds=1e9).seconds
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


if __name__ == "__main__":
    main()
