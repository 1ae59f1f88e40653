"""``edgemind run``, the installed command, with the built-in model, a real worker and a real jail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from edgemind.models import builtin

from .conftest import TIMEOUT, Command

QUESTION = "What is 48 + 37?"
ONE_THREAD = ("--threads", "1")
ENDLESS = 'root ::= "a " root'


@pytest.fixture
def endless(tmp_path: Path) -> tuple[str, ...]:
    """Flags for an answer that goes on until the context is full."""
    grammar = tmp_path / "endless.gbnf"
    grammar.write_text(ENDLESS)
    return ("--grammar", str(grammar), "--hide-thinking", *ONE_THREAD)


@pytest.fixture
def running(edgemind: Command, endless: tuple[str, ...]) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A command in the midst of an endless answer, and its worker."""
    process = edgemind.start(
        "run", *endless, QUESTION, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert os.read(process.stdout.fileno(), 1) == b"a"
    (worker,) = psutil.Process(process.pid).children()
    yield process, worker
    process.kill()
    process.communicate()


def is_gone(worker: psutil.Process) -> bool:
    try:
        worker.wait(10)
    except psutil.TimeoutExpired:
        return False
    return not worker.is_running()


def test_the_answer_can_be_piped_on_and_the_reasoning_is_beside_it(edgemind: Command) -> None:
    ran = edgemind("run", *ONE_THREAD, QUESTION)
    assert ran.code == 0
    assert ran.out.strip()
    assert ran.out.endswith("\n")
    assert "│" not in ran.out
    first, *more = ran.err.splitlines()
    assert first.startswith("  1 │ ")
    assert any(line.startswith("  2 │ ") for line in more)
    assert "\x1b" not in ran.out + ran.err


def test_on_a_terminal_the_reasoning_is_dimmed_above_the_answer(edgemind: Command) -> None:
    ran = edgemind.on_terminal("run", *ONE_THREAD, QUESTION)
    assert ran.code == 0
    thought, answer = ran.out.rsplit("\x1b[0m\n\n", 1)
    assert "\x1b[2m  1 │ " in thought
    assert "\x1b" not in answer
    assert answer.strip()
    piped = edgemind("run", *ONE_THREAD, QUESTION)
    assert answer == piped.out


def test_without_colour_nothing_but_text_reaches_a_dumb_terminal(edgemind: Command) -> None:
    ran = edgemind.on_terminal("run", *ONE_THREAD, QUESTION, TERM="dumb")
    assert ran.code == 0
    assert "\x1b" not in ran.out
    assert "  1 │ " in ran.out
    ran = edgemind.on_terminal("run", *ONE_THREAD, QUESTION, NO_COLOR="1")
    assert "\x1b[2m  1 │ " not in ran.out


def test_hidden_thinking_is_hidden_everywhere(edgemind: Command) -> None:
    shown = edgemind("run", *ONE_THREAD, QUESTION)
    hidden = edgemind("run", *ONE_THREAD, "--hide-thinking", QUESTION)
    assert (hidden.out, hidden.err) == (shown.out, "")
    seen = json.loads(edgemind("run", *ONE_THREAD, "--hide-thinking", "--json", QUESTION).out)
    assert (seen["reasoning"], seen["steps"]) == ("", [])
    assert seen["stats"]["thinking_tokens"] > 0


def test_the_json_object(edgemind: Command) -> None:
    ran = edgemind("run", *ONE_THREAD, "--json", "--confidence", QUESTION)
    assert ran.code == 0
    assert ran.err == ""
    assert ran.out.isascii()
    assert ran.out.count("\n") == 1
    seen = json.loads(ran.out)
    assert seen.pop("notes", ["a note"])
    assert list(seen) == ["model", "answer", "reasoning", "steps", "confidence", "stop_reason", "stats"]
    assert seen["model"] == builtin.NAME
    assert seen["stop_reason"] == "end"
    assert len(seen["steps"]) >= 2
    assert all(set(step) == {"text", "tokens", "seconds"} for step in seen["steps"])
    assert "".join(token["text"] for token in seen["confidence"]).strip() == seen["answer"].strip()
    assert all(0 <= token["probability"] <= 1 and token["entropy"] >= 0 for token in seen["confidence"])
    assert all(isinstance(token["guessed"], bool) for token in seen["confidence"])
    stats = seen["stats"]
    assert stats["prompt_tokens"] > 0
    assert 0 < stats["first_token_seconds"] <= stats["total_seconds"]
    assert "confidence" not in json.loads(edgemind("run", *ONE_THREAD, "--json", "-n", "2", QUESTION).out)


def test_standard_input_alone_and_appended(edgemind: Command) -> None:
    argument = edgemind("run", *ONE_THREAD, "--json", QUESTION)
    piped = edgemind("run", *ONE_THREAD, "--json", stdin=f"{QUESTION}\n")
    appended = edgemind("run", *ONE_THREAD, "--json", "What", "is", stdin="48 + 37?")
    answers = [json.loads(ran.out) for ran in (argument, piped, appended)]
    assert answers[0]["answer"] == answers[1]["answer"]
    assert answers[0]["stats"]["prompt_tokens"] == answers[1]["stats"]["prompt_tokens"]
    assert answers[2]["stats"]["prompt_tokens"] >= answers[0]["stats"]["prompt_tokens"]


def test_attachments_reach_the_model(edgemind: Command, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("3 5 7\n")
    without = json.loads(edgemind("run", *ONE_THREAD, "--json", "-n", "1", "Sort these").out)
    files = ("-f", str(tmp_path / "a.txt"), "--file", str(tmp_path / "b.txt"))
    attached = json.loads(edgemind("run", *ONE_THREAD, "--json", "-n", "1", *files, "Sort these").out)
    assert attached["stats"]["prompt_tokens"] >= without["stats"]["prompt_tokens"] + 6


def test_a_path_is_a_model(edgemind: Command, tmp_path: Path) -> None:
    copy = tmp_path / "my model.gguf"
    copy.write_bytes(builtin.path().read_bytes())
    seen = json.loads(edgemind("run", *ONE_THREAD, "--json", "-m", str(copy), "-t", "0", QUESTION).out)
    assert seen["model"] == "my model"
    assert seen["answer"] == json.loads(edgemind("run", *ONE_THREAD, "--json", "-t", "0", QUESTION).out)["answer"]


def test_the_same_seed_gives_the_same_text(edgemind: Command) -> None:
    every_token = ("-t", "3", "--top-k", "0", "--top-p", "1", "--min-p", "0")
    flags = ("run", *ONE_THREAD, "--json", *every_token, "-n", "40", "--no-think", "Tell me something.")
    one, same, other = (json.loads(edgemind(*flags, "--seed", seed).out)["answer"] for seed in ("7", "7", "8"))
    assert one == same
    assert one != other


def test_a_thinking_budget_closes_the_thought(edgemind: Command) -> None:
    seen = json.loads(edgemind("run", *ONE_THREAD, "--json", "--thinking-budget", "4", QUESTION).out)
    assert seen["stats"]["budget_spent"]
    more = ("--thinking-close", "That will do.")
    seen = json.loads(edgemind("run", *ONE_THREAD, "--json", "--thinking-budget", "4", *more, QUESTION).out)
    assert seen["reasoning"].endswith("That will do.")
    assert seen["answer"].strip()


def test_no_think_answers_at_once(edgemind: Command) -> None:
    seen = json.loads(edgemind("run", *ONE_THREAD, "--json", "--no-think", QUESTION).out)
    assert (seen["reasoning"], seen["steps"]) == ("", [])


def test_a_schema_and_a_grammar_are_kept_to(edgemind: Command, tmp_path: Path) -> None:
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}))
    answer = json.loads(edgemind("run", *ONE_THREAD, "--schema", str(schema), QUESTION).out)
    assert isinstance(answer["ok"], bool)
    grammar = tmp_path / "yes.gbnf"
    grammar.write_text('root ::= "yes" | "no"')
    assert edgemind("run", *ONE_THREAD, "--grammar", str(grammar), QUESTION).out.strip() in ("yes", "no")


def test_a_stop_string_is_not_shown(edgemind: Command, endless: tuple[str, ...]) -> None:
    ran = edgemind("run", *endless, "--stop", "a a a", "--json", QUESTION)
    seen = json.loads(ran.out)
    assert seen["stop_reason"] == "stop_string"
    assert "a a a" not in seen["answer"]


def test_stats_go_to_standard_error(edgemind: Command) -> None:
    ran = edgemind("run", *ONE_THREAD, "--stats", "--hide-thinking", "--confidence", QUESTION)
    assert [line[:12].strip() for line in ran.err.splitlines()] == [
        *("model", "offline", "first token", "prompt", "reasoning", "answer", "speed", "context", "confidence")
    ]


def test_an_answer_that_was_cut_off_says_so(edgemind: Command, endless: tuple[str, ...]) -> None:
    ran = edgemind("run", *endless, "-n", "5", QUESTION)
    assert ran.code == 0
    assert "cut off at --max-tokens" in ran.err


def test_require_offline_holds_where_the_kernel_enforces(edgemind: Command) -> None:
    from edgemind.privacy import jail

    ran = edgemind("run", *ONE_THREAD, "--require-offline", "--json", "-n", "1", QUESTION)
    if jail.available() is jail.Strength.NONE:
        assert ran.code == 8
    else:
        assert ran.code == 0
        assert json.loads(ran.out)["stats"]["offline"] == jail.available().value


def test_ctrl_c_keeps_what_is_there(running: tuple[subprocess.Popen[bytes], psutil.Process]) -> None:
    process, worker = running
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130
    assert out.endswith(b"\n")
    assert b"Traceback" not in err
    assert is_gone(worker)


def test_a_second_ctrl_c_leaves_at_once(running: tuple[subprocess.Popen[bytes], psutil.Process]) -> None:
    process, worker = running
    worker.suspend()
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in err
    assert is_gone(worker)


def test_ctrl_c_before_any_text(edgemind: Command) -> None:
    process = edgemind.start("run", "hi", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    workers: list[psutil.Process] = []
    while not workers:
        time.sleep(0.05)
        workers = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")
    assert is_gone(workers[0])


def test_ctrl_c_before_any_text_is_told_to_a_program(edgemind: Command) -> None:
    process = edgemind.start(
        "run", "--json", "hi", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while not psutil.Process(process.pid).children():
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"")
    seen = json.loads(out)
    assert seen["error"]["kind"] == "interrupted"
    assert set(seen["error"]) == {"kind", "message", "hint"}
    assert seen["stop_reason"] == "cancelled"


def test_a_reader_that_goes_away_ends_the_worker(running: tuple[subprocess.Popen[bytes], psutil.Process]) -> None:
    process, worker = running
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    assert process.wait(TIMEOUT) == 141
    assert err == b""
    assert is_gone(worker)


def test_a_killed_worker_leaves_what_it_had_said(running: tuple[subprocess.Popen[bytes], psutil.Process]) -> None:
    process, worker = running
    worker.kill()
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 7
    assert out.endswith(b"\n")
    assert err.startswith(b"edgemind: The engine was killed")
    assert b"Traceback" not in err


def test_a_killed_command_leaves_no_worker(running: tuple[subprocess.Popen[bytes], psutil.Process]) -> None:
    process, worker = running
    process.kill()
    process.wait(TIMEOUT)
    assert is_gone(worker)


FILES = {
    "empty.gguf": b"",
    "text.gguf": b"just some text\n",
    "cut.gguf": b"",  # filled in with the head of the built-in model
    "bad.json": b'{"type":',
    "list.json": b"[1]",
    "half.json": b'{"const":"\\ud800"}',
    "deep.json": b'{"items":' * 300 + b"{}" + b"}" * 300,
    "bad.gbnf": b"root ::= nowhere",
    "picture.png": b"\x89PNG\r\n\x1a\n\0\0",
}

BAD_INPUT = [
    (3, "-m no-such-model hi"),
    (3, "-m none.gguf hi"),
    (4, "-m ./ hi"),
    (4, "-m empty.gguf hi"),
    (4, "-m text.gguf hi"),
    (4, "-m cut.gguf hi"),
    (5, "--context 100000000 hi"),
    (2, "--context 5 hi"),
    (6, "word " * 3000),
    (9, "--schema bad.json hi"),
    (9, "--schema list.json hi"),
    (9, "--schema none.json hi"),
    (9, "--grammar bad.gbnf hi"),
    (9, "--grammar none.gbnf hi"),
    (10, "-f picture.png hi"),
    (10, "-f none hi"),
    (10, "-f - hi"),
    (10, "-f . hi"),
    (3, "--lora ./none.gguf hi"),
    (4, "--lora empty.gguf:0.5 hi"),
    (2, ""),
    (2, "--think --no-think hi"),
    (2, "--no-think --thinking-budget 5 hi"),
    (2, "--schema bad.json --grammar bad.gbnf hi"),
    (2, "-t -1 hi"),
    (2, "-t nan hi"),
    (2, "--threads 0 hi"),
    (2, "-n 0 hi"),
    (2, "--mirostat 3 hi"),
    (2, "--logit-bias x=1 hi"),
    (2, "--dry-multiplier inf hi"),
    (2, "--top-k 99999999999 hi"),
    (2, "--kv-type q4 hi"),
    (2, "--think --thinking-budget 0 hi"),
    (9, "--schema half.json hi"),
    (9, "--schema deep.json hi"),
    (4, os.fsdecode(b"-m caf\xe9.gguf hi")),
    (2, "--seed -1 hi"),
    (10, os.fsdecode(b"caf\xe9")),
]


@pytest.mark.parametrize(("code", "arguments"), BAD_INPUT, ids=[words.strip()[:40] for _, words in BAD_INPUT])
def test_bad_input_is_one_sentence_and_a_next_step(
    edgemind: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, arguments: str
) -> None:
    for name, data in FILES.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / os.fsdecode(b"caf\xe9.gguf")).write_bytes(builtin.path().read_bytes())
    (tmp_path / "cut.gguf").write_bytes(builtin.path().read_bytes()[:100_000])
    monkeypatch.chdir(tmp_path)
    ran = edgemind("run", "--json", *arguments.split())
    assert ran.code == code, ran.err
    lines = ran.err.splitlines()
    assert lines[0].startswith("edgemind: ")
    assert len(lines) == 2
    assert "Traceback" not in ran.err
    error = json.loads(ran.out)["error"]
    assert [f"edgemind: {error['message']}", f"  {error['hint']}"] == lines


def test_binary_standard_input(edgemind: Command) -> None:
    ran = edgemind("run", stdin=b"\x89PNG\r\n\x1a\n")
    assert ran.code == 10
    assert "Standard input is not text" in ran.err
    assert not ran.out


def test_settings_are_used_and_mended(edgemind: Command) -> None:
    settings = edgemind.home / "config" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('thinking = "off"\nthreads = 1\n')
    assert json.loads(edgemind("run", "--json", QUESTION).out)["reasoning"] == ""
    assert json.loads(edgemind("run", "--json", "--think", QUESTION).out)["reasoning"]
    settings.write_bytes(b"\xff")
    ran = edgemind("run", QUESTION)
    assert ran.code == 11
    assert "not UTF-8 text." in ran.err
    settings.write_text("thraeds = 1\n")
    ran = edgemind("run", QUESTION)
    assert ran.code == 11
    assert "thraeds" in ran.err
