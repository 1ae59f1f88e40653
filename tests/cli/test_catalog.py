"""``edgemind catalog``: the installed command, with the user's own file, in a pipe, and with a hub."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from localhub import Fault, Hub

from edgemind.models.catalog import shipped_file
from tests.cli.conftest import Command

OWN = """[[model]]
name = "mine"
description = "My own model"
repository = "me/mine"
files = { Q8_0 = "mine.gguf" }
parameters = 1_000_000
context = 2000
licence = "MIT"
use = ["chat"]
"""
MINE = b"GGUF" * 1000


@pytest.fixture
def own(edgemind: Command) -> Path:
    """Where the user's models.toml is."""
    folder = edgemind.home / "config"
    folder.mkdir(parents=True)
    return folder / "models.toml"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        hub.add("me/mine", {"mine.gguf": MINE}, licence="mit")
        yield hub


def names(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[1:]]


def test_the_list(edgemind: Command, own: Path) -> None:
    own.write_text(OWN)
    ran = edgemind("catalog")
    assert ran.code == 0
    assert not ran.err
    assert ran.out == edgemind("catalog", "list").out
    rows = ran.out.splitlines()
    assert rows[0].split() == ["NAME", "PARAMS", "SIZE", "CONTEXT", "USES", "LICENCE", "HERE"]
    assert {"qwen3-0.6b", "smollm3-3b", "mine"} <= set(names(ran.out))
    assert next(row for row in rows if row.startswith("mine ")).split() == [
        "mine",
        "1M",
        "~1.1",
        "MB",
        "2,000",
        "chat",
        "MIT",
    ]
    assert next(row for row in rows if row.startswith("edgemind-nano ")).endswith("yes")


def test_the_list_for_one_use(edgemind: Command) -> None:
    listed = names(edgemind("catalog", "--for", "embedding").out)
    assert listed == names(edgemind("catalog", "list", "--for", "embedding").out)
    assert "qwen3-embedding-0.6b" in listed
    assert "qwen3-0.6b" not in listed
    ran = edgemind("catalog", "--for", "embed")
    assert ran.code == 2
    assert ran.err.splitlines()[1].strip() == "edgemind catalog list --for embedding"


def test_the_list_as_json(edgemind: Command) -> None:
    ran = edgemind("catalog", "--json")
    found = json.loads(ran.out)
    assert found == json.loads(edgemind("catalog", "list", "--json").out)
    models = {model["name"]: model for model in found["models"]}
    assert models["edgemind-nano"]["installed"] == ["edgemind-nano"]
    small = models["qwen3-0.6b"]
    assert (small["quantization"], small["size_bytes"], small["installed"]) == ("Q8_0", 639_447_744, [])


def test_a_narrow_terminal_keeps_names_and_rows(edgemind: Command) -> None:
    shown = edgemind.on_terminal("catalog", "list", "--for", "code", COLUMNS="60").out
    rows = [re.sub(r"\x1b\[[0-9;]*m", "", row).rstrip("\r") for row in shown.splitlines()]
    assert any(row.startswith("qwen2.5-coder-1.5b ") for row in rows)
    assert max(map(len, rows)) <= 80
    assert "edgemind pull NAME" in shown


def test_show(edgemind: Command) -> None:
    ran = edgemind("catalog", "show", "qwen2.5-coder-7b")
    assert ran.code == 0
    for line in (
        r"uses +code",
        r"good at +code in many languages",
        r" {5,}editing a file",
        r"code +fills a gap",
        r"thinks +never",
        r"sampling +temperature 0.7, top_k 20, top_p 0.8",
        r"licence +Apache-2.0",
        r"page +https://huggingface.co/Qwen/Qwen2.5-Coder-7B-Instruct",
        r"checked +not by us",
        r"installed +no",
        r"Q4_K_M +\* +4.7 GB +qwen2.5-coder-7b-instruct-q4_k_m.gguf",
        r"Q5_0 +5.3 GB .*-00001-of-00002.gguf and 1 more",
        r"To fetch it: edgemind pull qwen2.5-coder-7b,.* edgemind pull qwen2.5-coder-7b:Q5_0",
    ):
        assert re.search(f"(?m)^{line}", ran.out), line


def test_show_as_json(edgemind: Command) -> None:
    found = json.loads(edgemind("catalog", "show", "QWEN3-8B", "--json").out)
    assert found["name"] == "qwen3-8b"
    assert found["files"]["Q4_K_M"]["size"] == 5_027_783_488
    assert found["shape"]["layers"] == 36
    assert (found["pull"], found["default_quantization"], found["installed"]) == (
        "edgemind pull qwen3-8b",
        "Q4_K_M",
        [],
    )
    own = json.loads(edgemind("catalog", "show", "edgemind-nano", "--json").out)
    assert (own["pull"], own["installed"], own["verified"]) == (None, ["edgemind-nano"], True)


def test_show_takes_the_beginning_of_one_name(edgemind: Command) -> None:
    assert edgemind("catalog", "show", "granite").out.startswith("name        granite-4.1-3b\n")


@pytest.mark.parametrize(
    ("name", "said", "hint"),
    [
        ("qwen3-0", "name        qwen3-0.6b", ""),
        ("qwen3", "Several models begin with 'qwen3': qwen3-0.6b", "edgemind catalog list"),
        ("qwem3-8b", "has no model 'qwem3-8b'; did you mean qwen3-8b", "edgemind catalog show qwen3-8b"),
        ("\x1b[2Jxyz", "has no model '\\x1b[2Jxyz'.", "edgemind catalog list"),
        ("", "has no model ''", "edgemind catalog list"),
    ],
)
def test_show_of_a_name_that_is_none(edgemind: Command, name: str, said: str, hint: str) -> None:
    ran = edgemind("catalog", "show", name)
    assert said in ran.out + ran.err
    assert hint in ran.err
    assert ran.code == (3 if hint else 0)


def test_what_a_file_says_is_cleaned(edgemind: Command, own: Path) -> None:
    own.write_text(OWN.replace("My own model", "\\u001b[31mred\\u202e").replace('"MIT"', '"M\\u001b]0;x\\u0007IT"'))
    for arguments in (("list",), ("show", "mine")):
        ran = edgemind("catalog", *arguments)
        assert ran.code == 0
        assert not {"\x1b", "\u202e", "\x07"} & set(ran.out)


def test_check_what_ships(edgemind: Command) -> None:
    ran = edgemind("catalog", "check")
    assert (ran.code, ran.err) == (0, "")
    assert re.fullmatch(rf"{re.escape(str(shipped_file()))}: \d\d valid models\.\n", ran.out)


def test_check_shows_everything(edgemind: Command, own: Path) -> None:
    own.write_text(OWN + "tempreature = 1\nsampling = { top_p = 7 }\n[other]\n")
    ran = edgemind("catalog", "check")
    assert ran.code == 11
    lines = ran.out.splitlines()
    assert lines[0].startswith(f"{own}:10: error: mine: tempreature: unknown key")
    assert lines[1].startswith(f"{own}:11: error: mine: sampling.top_p: ")
    assert lines[2] == f"{own}:12: error: 'other' is not known here; entries begin with [[model]]"
    assert ran.err == f"{own}: 0 valid models, 3 errors, 0 warnings.\n"
    assert edgemind("catalog").code == 11


def test_warnings_alone_are_no_error(edgemind: Command, own: Path) -> None:
    own.write_text(OWN.replace("2000", "99_000_000"))
    ran = edgemind("catalog", "check", "--json")
    assert ran.code == 0
    found = json.loads(ran.out)
    assert (found["models"], found["errors"]) == (1, 0)
    assert [(one["line"], one["entry"], one["severity"]) for one in found["problems"]] == [(7, "mine", "warning")]


def test_check_another_file(edgemind: Command, own: Path, tmp_path: Path) -> None:
    own.write_text("broken")
    other = tmp_path / "other.toml"
    other.write_text(OWN)
    assert edgemind("catalog", "check", str(other)).out == f"{other}: 1 valid model.\n"
    ran = edgemind("catalog", "check", str(tmp_path / "none"))
    assert ran.code == 11
    assert ran.out == f"{tmp_path / 'none'}: error: there is no such file\n"


def test_check_online(edgemind: Command, own: Path, hub: Hub) -> None:
    repo = hub.repo("me/mine")
    digest = hashlib.sha256(MINE).hexdigest()
    own.write_text(OWN)
    ran = edgemind("catalog", "check", "--online", HF_ENDPOINT=hub.endpoint, NO_PROXY="*")
    assert ran.code == 0
    assert ran.out.splitlines() == [
        f"mine: files.Q8_0.size: the hub says {len(MINE)}, the catalog nothing",
        f"mine: files.Q8_0.sha256: the hub says {digest}, the catalog nothing",
        f"mine: revision: the hub says {repo.sha}, the catalog nothing",
    ]
    good = f'files.Q8_0 = {{ name = "mine.gguf", size = {len(MINE)}, sha256 = "{digest}" }}\nrevision = "{repo.sha}"'
    own.write_text(OWN.replace('files = { Q8_0 = "mine.gguf" }', good))
    ran = edgemind("catalog", "check", "--online", "--json", HF_ENDPOINT=hub.endpoint, NO_PROXY="*")
    assert ran.code == 0
    assert json.loads(ran.out)["differences"] == []


def test_check_online_finds_what_is_wrong(edgemind: Command, own: Path, hub: Hub) -> None:
    hub.add("me/other", {"a.gguf": b"x"}, licence="gemma")
    other = OWN.replace('"mine"', '"other"').replace("me/mine", "me/other")
    gone = OWN.replace('"mine"', '"gone"').replace("me/mine", "me/gone")
    own.write_text(OWN.replace('"mine.gguf"', '{ name = "mine.gguf", size = 7 }') + other + gone)
    ran = edgemind("catalog", "check", "--online", "--json", HF_ENDPOINT=hub.endpoint, NO_PROXY="*")
    assert ran.code == 11
    wrong = [one for one in json.loads(ran.out)["differences"] if one["kind"] == "wrong"]
    assert [(one["entry"], one["field"], one["catalog"]) for one in wrong] == [
        ("mine", "files.Q8_0.size", "7"),
        ("other", "files.Q8_0", "mine.gguf"),
        ("other", "licence", "MIT"),
        ("gone", "repository", "me/gone"),
    ]


def test_a_hub_that_is_busy_for_a_moment(edgemind: Command, own: Path, hub: Hub) -> None:
    own.write_text(OWN)
    hub.faults = Fault(status=503, times=1)
    assert edgemind("catalog", "check", "--online", HF_ENDPOINT=hub.endpoint, NO_PROXY="*").code == 0


def test_without_a_network(edgemind: Command, own: Path) -> None:
    own.write_text(OWN)
    ran = edgemind("catalog", "check", "--online", "--json", HF_ENDPOINT="http://127.0.0.1:9", NO_PROXY="*")
    assert ran.code == 12
    assert json.loads(ran.out)["error"]["kind"] == "network"
    assert "cannot be reached" in ran.err


def test_only_the_check_online_imports_a_network_client(edgemind: Command, own: Path) -> None:
    own.write_text(OWN)
    script = (
        "import atexit, sys; from edgemind.cli import main; sys.argv = ['edgemind', *sys.argv[1:]];"
        "clients = {'huggingface_hub', 'httpx', 'requests', 'ssl'};"
        "atexit.register(lambda: print('LOADED', sorted(clients & set(sys.modules)), file=sys.stderr)); main()"
    )
    for arguments in (["catalog"], ["catalog", "show", "mine"], ["catalog", "check"], ["catalog", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], env=edgemind.environment(), capture_output=True, text=True
        )
        assert done.stderr.splitlines()[-1] == "LOADED []", arguments
