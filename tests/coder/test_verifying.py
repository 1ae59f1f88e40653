"""The user's test command: no network, a limit, nothing left running, output that can be shown."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from edgemind.coder.verifying import KEPT_BYTES, TestCommand, TestResult, run_test, test_command
from edgemind.coder.workspace import Workspace
from edgemind.errors import UsageError

T = TypeVar("T")

PYTHON = sys.executable


def _run(folder: Path, code: str, limit_s: float = 20.0, stop: threading.Event | None = None) -> TestResult:
    (folder / "check.py").write_text(code)
    return run_test(test_command(f"{PYTHON} check.py", folder), folder, limit_s, stop)


def test_a_test_that_passes_and_one_that_fails(tmp_path: Path) -> None:
    good, bad = _run(tmp_path, "print('fine')"), _run(tmp_path, "print('oh'); raise SystemExit(3)")
    assert (good.passed, good.code, good.output) == (True, 0, "fine")
    assert (bad.passed, bad.code, bad.output) == (False, 3, "oh")
    assert "failed with exit code 3" in bad.summary


OTHERS = {"app.py", "checks.py", "latest.py", "sub/app.py", "sub/check/d.py", "web/c.ts", "my check.sh"}
LIKE_TESTS = {
    "conftest.py",
    "test_app.py",
    "tests/test_x.py",
    "tests/data/x.json",
    "sub/b_test.go",
    "sub/check/test_d.py",
    "web/c.spec.ts",
    "web/FooTest.java",
}
JUDGES: dict[str, set[str]] = {
    "pytest tests/test_x.py": {"tests/test_x.py"},
    "pytest 'tests/test_x.py::test_y[a b]'": {"tests/test_x.py"},
    "pytest tests/test_x.py:3": {"tests/test_x.py"},
    "pytest tests/test_*.py": {"tests/test_x.py"},
    "pytest tests/": {"tests/test_x.py", "tests/data/x.json"},
    "pytest --rootdir=tests": {"tests/test_x.py", "tests/data/x.json"},
    "pytest sub": {"sub/b_test.go", "sub/check/test_d.py"},
    "pytest .": LIKE_TESTS,
    "go test ./...": LIKE_TESTS,
    "python -m unittest tests.test_x": {"tests/test_x.py"},
    "python -m unittest tests.test_x.Case.test_y": {"tests/test_x.py"},
    "python -m unittest sub.check": {"sub/check/test_d.py"},
    "python -m unittest test_app": {"test_app.py"},
    "python -m checks": {"checks.py"},
    "pytest -k app": set(),
    "cd sub && python app.py": {"sub/app.py", "app.py", "sub/b_test.go", "sub/check/test_d.py"},
    "(cd sub; cd check; python d.py)": {"sub/check/d.py", "sub/b_test.go", "sub/check/test_d.py"},
    "sh -c 'exec python app.py'": {"app.py"},
    f"sh -c '{'true;' * 1000} ./app.py'": {"app.py"},
    "'my check.sh'": {"my check.sh"},
    "ls / .. ../x": set(),
}


@pytest.mark.parametrize("text", sorted(JUDGES), ids=lambda text: text[:50])
def test_what_a_command_runs_is_found_by_its_words(tmp_path: Path, text: str) -> None:
    for file in LIKE_TESTS | OTHERS:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    proposed = {*LIKE_TESTS, *OTHERS, "tests/test_new.py"}
    assert TestCommand(text, ()).judges(Workspace.find(tmp_path), proposed) == JUDGES[text]


def test_its_words_are_those_of_the_folder_that_it_runs_in(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / "sub").mkdir()
    for file in ("check.py", "test_top.py", "sub/check.py", "sub/test_a.py"):
        (tmp_path / file).touch()
    workspace, proposed = Workspace.find(tmp_path / "sub"), ("check.py", "test_top.py", "sub/check.py", "sub/test_a.py")
    for text, judges in (
        ("python check.py", {"sub/check.py"}),
        ("pytest .", {"sub/test_a.py"}),
        ("pytest ..", {"test_top.py", "sub/test_a.py"}),
    ):
        assert TestCommand(text, ()).judges(workspace, proposed) == judges


def test_a_test_that_hangs_is_killed_with_what_it_started(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True)\ntime.sleep(60)\n"
    )
    began = time.monotonic()
    result = _run(tmp_path, code, limit_s=1.5)
    assert (result.timed_out, result.code, result.passed) == (True, None, False)
    assert "did not end within" in result.summary
    assert time.monotonic() - began < 10
    child = int(result.output.split()[0])
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE


def test_what_a_test_leaves_behind_ends_with_it_and_holds_nobody_up(tmp_path: Path) -> None:
    code = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    began = time.monotonic()
    assert _run(tmp_path, code).passed
    assert time.monotonic() - began < 10


DAEMON = """
import os, sys, time
reads, writes = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.write(writes, str(os.getpid()).encode())
        for number in range(3):
            os.close(number)
        time.sleep(600)
    os._exit(0)
print(os.read(reads, 20).decode(), flush=True)
"""


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody becomes the parent of what slips away")
@pytest.mark.parametrize("then", ["", "time.sleep(600)"], ids=["at its end", "at the limit"])
def test_a_daemon_in_a_session_of_its_own_ends_too(tmp_path: Path, then: str) -> None:
    result = _run(tmp_path, DAEMON + then, limit_s=3.0)
    assert result.timed_out == bool(then)
    assert _gone(int(result.output))


def test_a_test_ends_when_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    (tmp_path / "check.py").write_text("import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    script = (
        "from pathlib import Path\nfrom edgemind.coder.verifying import run_test, test_command\n"
        f"run_test(test_command({f'{PYTHON} check.py'!r}, Path('.')), Path('.'))\n"
    )
    asking = subprocess.Popen([PYTHON, "-c", script], cwd=tmp_path)
    pid = int(_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    asking.kill()
    asking.wait()
    assert _until(lambda: _gone(pid))


def _until(done: Callable[[], T]) -> T:
    for _ in range(1000):
        if found := done():
            return found
        time.sleep(0.02)
    raise AssertionError("it never came")


def test_the_user_can_stop_it(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    result = _run(tmp_path, "import time; time.sleep(60)", stop=stop)
    assert (result.stopped, result.passed, result.timed_out) == (True, False, False)


def test_it_has_no_network(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "try:\n    socket.create_connection(('127.0.0.1', 9), 1)\n"
        "except PermissionError:\n    print('shut')\nexcept OSError as problem:\n    print(problem)\n"
    )
    script = (
        "import sys\nfrom pathlib import Path\nfrom edgemind.coder.verifying import run_test, test_command\n"
        "from edgemind.privacy import jail\n"
        f"done = run_test(test_command({f'{PYTHON} check.py'!r}, Path('.')), Path('.'))\n"
        "print(done.output if jail.available() is jail.Strength.KERNEL else 'shut')\n"
    )
    (tmp_path / "check.py").write_text(code)
    done = subprocess.run([PYTHON, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "shut", done.stderr


def test_output_is_bounded_and_cannot_act_on_a_terminal(tmp_path: Path) -> None:
    ends = "\\x1b[31mred\\x1b[0m \\x1b]52;c;aGk=\\x07 \\x9b end"
    code = f"for n in range(60000):\n    print('line', n)\nprint('{ends}')\n"
    output = _run(tmp_path, code).output
    assert len(output) < KEPT_BYTES + 100
    assert output.startswith("[...]\nline ")
    assert output.endswith("end")
    assert "red" in output
    assert "\x1b" not in output
    assert "\x9b" not in output


@pytest.mark.parametrize(
    ("printed", "kept"),
    [("'a' * 200000", "a"), (r"'10 %\r100 %\r'", "100 %"), (r"b'\xff'.decode('latin-1') + '\udcfe'", "ÿ")],
    ids=["one long line", "progress", "no character"],
)
def test_output_without_an_end_of_line_is_kept(tmp_path: Path, printed: str, kept: str) -> None:
    code = f"import sys\nsys.stdout.reconfigure(errors='surrogateescape')\nsys.stdout.write({printed})\n"
    assert kept in _run(tmp_path, code).output.removeprefix("[...]\n")[:KEPT_BYTES]


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("echo one && echo two", "one\ntwo"),
        ("echo one | tr o 0", "0ne"),
        ("A=1 env | grep ^A=", "A=1"),
        ("echo *.txt", "a.txt b.txt"),
        ("echo '*.txt'", "*.txt"),
        ("sh -c 'echo $((1 + 1)) && exit 0'", "2"),
    ],
    ids=["and", "pipe", "assignment", "names", "quoted", "a shell of one's own"],
)
def test_what_needs_a_shell_gets_one(tmp_path: Path, text: str, printed: str) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).touch()
    result = run_test(test_command(text, tmp_path), tmp_path)
    assert (result.output, result.passed) == (printed, True)


def test_a_program_that_the_shell_does_not_find_is_nothing_to_repair(tmp_path: Path) -> None:
    result = run_test(test_command("surely-no-such-program && true", tmp_path), tmp_path)
    assert (result.passed, "not found" in result.problem, bool(result.output)) == (False, True, True)


def test_what_cannot_be_started_says_what_is_missing(tmp_path: Path) -> None:
    lost, script = tmp_path / "lost", tmp_path / "script.sh"
    assert str(lost) in run_test(test_command("true", tmp_path), lost).problem
    script.write_text("#!/surely/no/such/interpreter\n")
    script.chmod(0o755)
    assert "./script.sh: No such file" in run_test(test_command("./script.sh", tmp_path), tmp_path).problem


def test_python_takes_no_stale_byte_code(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text("value = 1\n")
    assert _run(tmp_path, "import made; assert made.value == 1").passed
    (tmp_path / "made.py").write_text("value = 2\n")
    assert _run(tmp_path, "import made; assert made.value == 2").passed
    assert not (tmp_path / "__pycache__").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("python 'a", "cannot be read"),
        ("surely-no-such-program -q", "is not there"),
        ("./missing.sh", "is not there"),
    ],
    ids=["empty", "quotes", "no program", "no script"],
)
def test_a_command_that_cannot_run_is_one_sentence_before_anything_is_done(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said) as found:
        test_command(text, tmp_path)
    assert found.value.hint
