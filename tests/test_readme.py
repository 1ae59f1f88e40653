"""What the README shows is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND = str(Path(sys.executable).with_name("edgemind"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    return subprocess.run([COMMAND, *arguments], input="", capture_output=True, text=True, timeout=120, env=environment)


def test_the_first_example_is_what_is_printed() -> None:
    shown = re.search(r'^\$ scripts/run "(.*)"\n((?s:.*?))\n```', README, re.MULTILINE)
    assert shown
    ran = run("run", shown[1])
    assert ran.stderr + "\n" + ran.stdout == shown[2] + "\n"


def test_every_flag_is_listed_and_every_listed_flag_exists() -> None:
    table = README[README.index("| flag |") : README.index("What a flag does not say")]
    listed = set(re.findall(r"(--[a-z][a-z-]*\*?)", table))
    real = set(re.findall(r"^  (?:-\w, )?(--[a-z-]+)", run("run", "--help").stdout, re.MULTILINE)) - {"--help"}
    families = tuple(flag.rstrip("*") for flag in listed if flag.endswith("*"))
    assert {flag for flag in real if flag not in listed and not flag.startswith(families)} == set()
    assert {flag for flag in listed if not flag.endswith("*")} <= real


def test_every_file_and_test_it_names_is_there() -> None:
    named = re.findall(r"\]\((\w[\w/.-]+)\)", README)
    named += [word for line in re.findall(r"`scripts/test ([^`]+)`", README) for word in line.split()]
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
