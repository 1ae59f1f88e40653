"""``edgemind complete``, run for real with a tiny model that fills gaps with nonsense, and with one that cannot."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_model

from .conftest import Command

SOURCE = "def add(a, b):\n    return \n\nprint(add(1, 2))\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_model(tmp_path_factory.mktemp("models") / "tiny-coder.gguf", infill=True))


@pytest.fixture
def source(tmp_path: Path) -> str:
    file = tmp_path / "add.py"
    file.write_text(SOURCE)
    return str(file)


def test_what_belongs_there_is_all_that_is_printed(edgemind: Command, model: str, source: str) -> None:
    first = edgemind("complete", f"{source}:2", "-m", model, "-n", "6")
    again = edgemind("complete", f"{source}:2:12", "-m", model, "-n", "6", "--json")
    assert (first.code, first.err) == (0, "")
    said = json.loads(again.out)
    assert said["text"] == first.out
    assert said["text"]
    assert (said["model"], said["stop"], said["tokens"]) == ("tiny-coder", "max_tokens", 6)
    assert Path(source).read_text() == SOURCE


def test_one_line(edgemind: Command, model: str, source: str) -> None:
    said = json.loads(edgemind("complete", f"{source}:2", "-m", model, "--lines", "one", "-n", "300", "--json").out)
    assert "\n" not in said["text"].lstrip("\n")
    assert said["stop"] == "line"


def test_a_file_that_comes_through_standard_input(edgemind: Command, model: str, source: str) -> None:
    from_file = edgemind("complete", f"{source}:2", "-m", model, "-n", "6")
    piped = edgemind("complete", "-:2", "--path", "add.py", "-m", model, "-n", "6", stdin=SOURCE)
    assert (piped.code, piped.out) == (0, from_file.out)


def test_what_nobody_sees_in_the_file_is_told(edgemind: Command, model: str) -> None:
    ran = edgemind("complete", "-:1", "-m", model, "-n", "2", stdin="x = \u200b\n")
    assert ran.code == 0
    assert ran.err == "edgemind: kept from the model, since nobody sees it in the file: U+200B zero width space\n"


def test_the_built_in_model_cannot_and_says_what_can(edgemind: Command, source: str) -> None:
    ran = edgemind("complete", f"{source}:2")
    assert ran.code == 4
    coder = "qwen2.5-coder-1.5b"
    assert ran.err.splitlines() == [
        "edgemind: The model edgemind-nano cannot fill gaps: its vocabulary has no fill-in-the-middle tokens.",
        f"  edgemind pull {coder}   and then   edgemind complete {source}:2 --model {coder}",
    ]
    assert json.loads(edgemind("complete", f"{source}:2", "--json").out)["error"]["kind"] == "model_unusable"


def test_an_installed_model_that_can_is_named(edgemind: Command, model: str, source: str) -> None:
    assert edgemind("import", model, "--name", "my-coder").code == 0
    ran = edgemind("complete", f"{source}:2")
    assert ran.err.splitlines()[1] == f"  edgemind complete {source}:2 --model my-coder"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "There is no place to complete."),
        (["add.py"], 2, "'add.py' names no place in a file."),
        (["add.py:x"], 2, "'add.py:x' names no place in a file."),
        (["a:1", "b:2"], 2, "One place at a time is completed."),
        (["--line", "one"], 2, "There is no flag --line."),
        (["gone.py:1"], 10, "There is no file gone.py."),
        (["add.py:9"], 10, "add.py has 4 lines, so there is no line 9."),
        (["add.py:1:99"], 10, "Line 1 of add.py has 14 characters, so there is no column 99."),
        (["add.py:1", "--lines", "two"], 2, "--lines is one or block, not 'two'."),
        (["add.py:1", "--path", "b.py"], 2, "--path names what comes through standard input."),
        (["add.py:1", "--stdio"], 2, "With --stdio each request says where."),
        (["add.py:1", "-m", "no-such-model"], 3, "There is no model named 'no-such-model'."),
        (["binary.py:1"], 10, "binary.py is not text: there is a NUL at character 1."),
        ([".:1"], 10, ". is a folder."),
    ],
    ids=lambda value: " ".join(value) or "nothing" if isinstance(value, list) else str(value),
)
def test_bad_input_is_one_sentence_and_the_next_command(
    edgemind: Command, source: str, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(Path(source).parent)
    Path("binary.py").write_bytes(b"a\0b")
    ran = edgemind("complete", *words)
    lines = ran.err.splitlines()
    assert (ran.code, lines[0]) == (code, f"edgemind: {said}")
    assert len(lines) == 2


class Stdio:
    """The long-lived command, and requests to it."""

    def __init__(self, edgemind: Command, model: str | None) -> None:
        words = ["complete", "--stdio", *(["-m", model] if model else [])]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = edgemind.start(*words, **pipes)

    def ask(self, method: str, number: int, **params: Any) -> dict[str, Any]:
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()
        length = int(self.process.stdout.readline().removeprefix(b"Content-Length: "))
        self.process.stdout.readline()
        value: dict[str, Any] = json.loads(self.process.stdout.read(length))
        return value

    def end(self) -> tuple[int, bytes, bytes]:
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def test_an_editor_gets_what_the_command_prints(edgemind: Command, model: str, source: str) -> None:
    once = edgemind("complete", f"{source}:2", "-m", model, "-n", "6")
    stdio = Stdio(edgemind, model)
    assert stdio.ask("initialize", 1)["result"]["model"] == "tiny-coder"
    before, after = SOURCE[:26], SOURCE[26:]
    said = stdio.ask("complete", 2, prefix=before, suffix=after, path="add.py", max_tokens=6)
    assert said["result"]["text"] == once.out
    again = stdio.ask("complete", 3, prefix=before, suffix=after, path="add.py", max_tokens=6)["result"]
    assert again["text"] == once.out
    assert again["cached_tokens"] > 0
    assert stdio.ask("shutdown", 4)["result"] is None
    assert stdio.end() == (0, b"", b"")


def test_it_ends_with_its_input(edgemind: Command, model: str) -> None:
    stdio = Stdio(edgemind, model)
    stdio.ask("initialize", 1)
    assert stdio.end() == (0, b"", b"")


def test_an_editor_is_told_that_the_model_cannot(edgemind: Command) -> None:
    stdio = Stdio(edgemind, None)
    said = stdio.ask("initialize", 1)["error"]
    assert said["data"]["kind"] == "model_unusable"
    assert "edgemind complete --stdio --model qwen2.5-coder-1.5b" in said["data"]["hint"]
    assert stdio.end()[0] == 0


def test_an_editor_gets_a_sentence_for_a_model_that_is_not_there(edgemind: Command) -> None:
    ran = edgemind("complete", "--stdio", "-m", "no-such-model")
    assert ran.code == 3
    assert ran.err.startswith("edgemind: There is no model named 'no-such-model'.")


def test_a_keyboard_is_no_editor(edgemind: Command) -> None:
    ran = edgemind.on_terminal("complete", "--stdio")
    assert ran.code == 2
    assert "standard input is a keyboard" in ran.out
