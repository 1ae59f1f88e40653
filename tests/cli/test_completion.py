"""The tab key: what a real bash gets, what the other shells are told, and silence when something is wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from use_store import install, store_at

from edgemind.models import builtin

from .conftest import COMMAND, TIMEOUT, Command

BASH = """
source <("$EDGEMIND" completion bash)
complete -p edgemind
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_edgemind_completion "$EDGEMIND"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def in_bash(edgemind: Command, *words: str) -> list[str]:
    """What bash offers for the last of these words."""
    if not shutil.which("bash"):
        pytest.skip("no bash on this system")
    done = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", "edgemind", *words],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env=edgemind.environment(EDGEMIND=COMMAND),
    )
    assert done.stderr == ""
    registered, *offered = done.stdout.splitlines()
    assert registered == "complete -o default -F _edgemind_completion edgemind"
    return [line for line in offered if line]


@pytest.fixture
def models(edgemind: Command) -> Command:
    install(store_at(edgemind.home), "my-model", [b"one"])
    assert edgemind("alias", "short", "my-model").code == 0
    return edgemind


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("compl",), ["completion", "complete"]),
        (("recommend", "--for", "c"), ["chat", "code"]),
        (("catalog", "list", "--for", "emb"), ["embedding"]),
        (("run", "--mod"), ["--model"]),
        (("run", "-m", ""), [builtin.NAME, "my-model", "short"]),
        (("run", "--model", "my"), ["my-model"]),
        (("bench", "-m", "s"), ["short"]),
        (("rm", ""), ["my-model"]),
        (("verify", "my-model", ""), ["my-model"]),
        (("alias", "s"), ["short"]),
        (("store", "r"), ["remove", "repair"]),
        (("completion", "z"), ["zsh"]),
        (("show", "nothing-like-it"), []),
    ],
)
def test_bash_is_offered(models: Command, words: tuple[str, ...], offered: list[str]) -> None:
    assert in_bash(models, *words) == offered


def test_every_command_is_offered(models: Command) -> None:
    offered = in_bash(models, "")
    assert {"run", "list", "pull", "store", "catalog"} <= set(offered)


def test_a_pull_is_offered_the_catalog_and_what_is_here(models: Command) -> None:
    assert "qwen3-0.6b" in in_bash(models, "pull", "qwen3")
    assert in_bash(models, "pull", "my") == ["my-model"]


def asked(edgemind: Command, shell: str, **variables: str) -> tuple[int, str, str]:
    ran = edgemind(_EDGEMIND_COMPLETE=f"complete_{shell}", **variables)
    return ran.code, ran.out.strip(), ran.err


def test_the_other_shells_are_answered_in_their_own_way(models: Command) -> None:
    line = "edgemind run -m my"
    assert asked(models, "zsh", _TYPER_COMPLETE_ARGS=line) == (0, """_arguments '*: :(("my-model"))'""", "")
    fish = {"_TYPER_COMPLETE_ARGS": line}
    assert asked(models, "fish", _TYPER_COMPLETE_FISH_ACTION="get-args", **fish) == (0, "my-model", "")
    assert asked(models, "fish", _TYPER_COMPLETE_FISH_ACTION="is-args", **fish)[0] == 0
    nothing = {"_TYPER_COMPLETE_ARGS": "edgemind run -m zz"}
    assert asked(models, "fish", _TYPER_COMPLETE_FISH_ACTION="is-args", **nothing)[0] == 1
    words = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_WORD_TO_COMPLETE": "my"}
    assert asked(models, "powershell", **words) == (0, "my-model:::", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "pwsh"])
def test_each_shell_has_a_script(edgemind: Command, shell: str) -> None:
    ran = edgemind("completion", shell)
    assert ran.code == 0
    assert "_EDGEMIND_COMPLETE" in ran.out
    assert not ran.err
    assert json.loads(edgemind("completion", shell, "--json").out) == {"shell": shell, "script": ran.out.rstrip("\n")}


def test_an_unknown_shell_is_one_sentence(edgemind: Command) -> None:
    ran = edgemind("completion", "tcsh")
    assert ran.code == 2
    assert "edgemind completion bash" in ran.err


def bash_asks(edgemind: Command, *words: str) -> tuple[int, str, str]:
    given = {"COMP_WORDS": "\n".join(("edgemind", *words)), "COMP_CWORD": str(len(words))}
    return asked(edgemind, "bash", **given)


def test_whatever_is_wrong_is_silence(models: Command, tmp_path: Path) -> None:
    settings = models.home / "config" / "config.toml"
    settings.write_text("no [toml")
    assert bash_asks(models, "run", "-m", "") == (0, "", "")
    settings.unlink()
    (models.home / "data" / "models" / "store.json").write_text('{"format": 99}')
    assert bash_asks(models, "run", "-m", "") == (0, "", "")
    (models.home / "config" / "models.toml").write_text("no [toml")
    assert bash_asks(models, "pull", "q") == (0, "", "")
    assert asked(models, "bash") == (0, "", "")
    assert models(_EDGEMIND_COMPLETE="nonsense").err == ""
    assert models(_EDGEMIND_COMPLETE="").err == ""


def test_a_hostile_alias_never_reaches_a_shell(models: Command) -> None:
    settings = models.home / "config" / "config.toml"
    settings.write_text('[aliases]\n"$(touch x)" = "my-model"\n"a b" = "my-model"\nfine = "my-model"\n')
    assert in_bash(models, "run", "-m", "") == [builtin.NAME, "fine", "my-model"]
