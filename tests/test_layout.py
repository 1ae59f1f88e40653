"""The house rules that a program can check: which file may import what, how long files are, what is left undone."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "edgemind"

FENCES = {
    "llama_cpp": ("edgemind/engine/llama/",),
    "torch": ("edgemind/distill/", "edgemind/convert/"),
    "transformers": ("edgemind/distill/", "edgemind/convert/"),
    "huggingface_hub": ("edgemind/models/download.py",),
    "requests": ("edgemind/models/download.py",),
    "httpx": ("edgemind/models/download.py",),
    "aiohttp": ("edgemind/models/download.py",),
    "http.client": ("edgemind/models/download.py", "edgemind/distill/traces/server.py"),
    "urllib.request": ("edgemind/models/download.py",),
    "socket": ("edgemind/privacy/", "edgemind/models/download.py", "edgemind/server/"),
    "sqlcipher3": ("edgemind/chat/vault.py",),
    "pathspec": ("edgemind/coder/",),
    "prompt_toolkit": ("edgemind/cli/",),
    "rich": ("edgemind/cli/", "edgemind/tui/"),
    "textual": ("edgemind/tui/",),
    "tree_sitter": ("edgemind/coder/",),
    "tree_sitter_language_pack": ("edgemind/coder/",),
    "typer": ("edgemind/cli/",),
}
"""Where a module may be imported; nowhere else in the package."""

LONGEST = 500
MARKERS = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def sources(*folders: str) -> list[Path]:
    return sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))


@functools.cache
def imported(file: Path) -> frozenset[str]:
    return frozenset(_imported(file))


def _imported(file: Path) -> Iterator[str]:
    """Full names of what a file imports at any depth, by statement or by a function with ``import`` in its name."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Call) and "import" in ast.unparse(node.func):
            yield from (str(part.value) for part in node.args if isinstance(part, ast.Constant))


@pytest.mark.parametrize("module", sorted(FENCES))
def test_a_fenced_module_is_imported_only_where_it_belongs(module: str) -> None:
    trespassers = [
        str(file.relative_to(ROOT))
        for file in sources("edgemind")
        if any(name == module or name.startswith(f"{module}.") for name in imported(file))
        and not str(file.relative_to(ROOT)).startswith(FENCES[module])
    ]
    assert trespassers == []


def test_the_fence_sees_imports() -> None:
    found = {name for file in sources("edgemind/engine/llama", "edgemind/cli") for name in imported(file)}
    assert "typer" in found
    assert any(name.startswith("llama_cpp") for name in found)


def test_no_file_holds_two_ideas() -> None:
    lengths = {
        file: len(file.read_text(encoding="utf-8").splitlines()) for file in sources("edgemind", "tests", "scripts")
    }
    assert {str(file): length for file, length in lengths.items() if length > LONGEST} == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(file)
        for file in sources("edgemind")
        if file.read_text(encoding="utf-8").strip()
        and not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git checkout")
    left = []
    for name in done.stdout.splitlines():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        left += [f"{name}: {line.strip()}" for line in text.splitlines() if MARKERS.search(line.replace("U+XXXX", ""))]
    assert left == []
