"""Starting and leaving: help, version, slips of the keyboard, closed outputs, what is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgemind import __version__

from .conftest import COMMAND, TIMEOUT, Command

HEAVY = ("torch", "transformers", "textual", "llama_cpp", "huggingface_hub", "numpy", "psutil", "pydantic", "rich")


def test_without_arguments_the_help_is_shown(edgemind: Command) -> None:
    nothing, asked = edgemind(), edgemind("--help")
    assert nothing == asked
    assert nothing.code == 0
    assert "run" in nothing.out
    assert "doctor" in nothing.out
    assert not nothing.err


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['edgemind', '--help']; from edgemind.cli import main; main(); "
    code += f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT)
    assert done.stderr.strip() == "[]"


def test_help_is_quick(edgemind: Command) -> None:
    """Under a quarter of a second of processor time; the wall clock belongs to whatever else runs here."""
    before = os.times()
    for _ in range(5):
        edgemind("--help")
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used / 5 < 0.25


def test_version(edgemind: Command) -> None:
    assert edgemind("--version").out == f"edgemind {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"), [("rnu", "run"), ("Run", "run"), ("docter", "doctor"), ("doctor!", "doctor")]
)
def test_a_mistyped_command_names_the_nearest(edgemind: Command, typed: str, meant: str) -> None:
    ran = edgemind(typed, "x")
    assert ran.code == 2
    assert f"did you mean '{meant}'?" in ran.err
    assert f"edgemind {meant} x" in ran.err
    assert not ran.out


@pytest.mark.parametrize("name", ["help", "version"])
def test_what_is_a_flag_is_not_a_command(edgemind: Command, name: str) -> None:
    ran = edgemind(name)
    assert ran.code == 2
    assert f"edgemind --{name}" in ran.err


def test_a_prompt_in_place_of_a_command_shows_the_way(edgemind: Command) -> None:
    ran = edgemind("What is 2 + 2?")
    assert ran.code == 2
    assert "edgemind run" in ran.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--temprature", "1", "x"), "--temperature"),
        (("run", "--temperature", "hot", "x"), "--temperature"),
        (("run", "--temperature"), "--temperature"),
        (("doctor", "--fix"), "--fix"),
    ],
)
def test_a_wrong_flag_is_one_sentence_and_a_hint(edgemind: Command, arguments: tuple[str, ...], said: str) -> None:
    ran = edgemind(*arguments)
    assert ran.code == 2
    first, hint = ran.err.splitlines()
    assert said in first
    assert first.startswith("edgemind: ")
    assert f"edgemind {arguments[0]} --help" in hint


def test_escape_sequences_in_arguments_do_not_reach_the_terminal(edgemind: Command) -> None:
    ran = edgemind.on_terminal("\x1b]52;c;eA==\x07")
    assert "\x1b]52" not in ran.out
    assert "\x07" not in ran.out
    ran = edgemind("run", "-m", "no\x1b[2Jsuch", "x")
    assert ran.code == 3
    assert "\x1b" not in ran.err


def test_a_reader_that_goes_away_is_no_error(edgemind: Command) -> None:
    process = edgemind.start("--help", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(TIMEOUT) == 141


def test_a_closed_standard_output_is_told(edgemind: Command) -> None:
    done = subprocess.run(
        ["sh", "-c", '"$0" run hello >&-', COMMAND], capture_output=True, env=edgemind.environment(), timeout=TIMEOUT
    )
    assert done.returncode == 141
    assert done.stderr.decode().startswith("edgemind: Standard output is closed")
    assert b"Traceback" not in done.stderr


def test_a_full_disk_is_told(edgemind: Command) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    with open("/dev/full", "w") as full:
        process = edgemind.start("--help", stdout=full, stderr=subprocess.PIPE)
        _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 1
    assert b"cannot be written: No space left on device" in err
    assert b"Traceback" not in err


def test_a_bug_is_one_sentence_and_a_traceback_only_on_request(edgemind: Command, tmp_path: Path) -> None:
    code = (
        "import sys, edgemind.cli.doctor as d\n"
        "def broken(*_): raise RuntimeError('a\\nbug')\n"
        "d.examine = broken\n"
        "sys.argv = ['edgemind', 'doctor', '--json']\n"
        "from edgemind.cli import main; sys.exit(main())"
    )
    for debug in ("0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            env=edgemind.environment(EDGEMIND_DEBUG=debug),
        )
        assert done.returncode == 1
        assert "Something went wrong that should not have: RuntimeError: a bug\n" in done.stderr
        assert "report it" in done.stderr
        assert "leave out what is private" in done.stderr
        assert ("Traceback" in done.stderr) == (debug == "1")
        assert json.loads(done.stdout)["error"]["kind"] == "error"


@pytest.mark.parametrize("command", ["doctor", "bench --depth 8 --repeat 1 --threads 1", "run -n 1 hi"])
def test_every_command_shuts_its_own_process_in(edgemind: Command, command: str) -> None:
    code = (
        f"import sys; sys.argv = ['edgemind', *{command.split()!r}]\n"
        "from edgemind.cli import main; main()\n"
        "from edgemind.privacy import jail; print(jail.armed().profile, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, env=edgemind.environment()
    )
    assert done.stderr.splitlines()[-1] == "ui"
