"""Editing the settings: comments stay, nothing half-written, two at once both count, nonsense changes nothing."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgemind.errors import BadConfig, NoRoom
from edgemind.settings import Settings, load_settings, paths
from edgemind.settings_file import edit_settings

TEXT = """# my settings
threads = 4   # as many as cores

stores = ["/mnt/a"]  # the stick

[aliases]
# short names
q = "qwen3-0.6b"  # the small one
g = "gemma3-1b"
"""
ONE_MORE = """
import sys
from edgemind.settings_file import edit_settings
for number in range(10):
    edit_settings(lambda now: {"aliases": {**now.aliases, f"a{sys.argv[1]}-{number}": "some"}})
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))
    return paths().settings_file


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_the_first_edit_makes_folder_and_file_for_the_user_alone(file: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        edit_settings(model="some")
    finally:
        os.umask(before)
    assert load_settings().model == "some"
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


def test_comments_and_order_stay(file: Path) -> None:
    write(file, TEXT)
    edit_settings(model="q", aliases={"q": "qwen3-1.7b", "new": "x"}, stores=["/mnt/a", "/mnt/b c"])
    text = file.read_text()
    for comment in ("# my settings", "# as many as cores", "# the stick", "# short names", "# the small one"):
        assert comment in text
    found = load_settings()
    assert (found.model, found.threads) == ("q", 4)
    assert found.aliases == {"q": "qwen3-1.7b", "new": "x"}
    assert found.stores == ("/mnt/a", "/mnt/b c")


def test_what_is_set_back_is_as_before(file: Path) -> None:
    write(file, TEXT)
    edit_settings(model="x")
    edit_settings(model=None)
    edit_settings(threads=4)
    assert file.read_text() == TEXT


def test_the_last_alias_takes_its_table_along(file: Path) -> None:
    edit_settings(aliases={"a": "b"})
    edit_settings(aliases={})
    assert load_settings().aliases == {}
    assert "aliases" not in file.read_text()


def test_aliases_in_one_line_stay_in_one_line(file: Path) -> None:
    write(file, 'aliases = {q = "one"} # here\n')
    edit_settings(aliases={"q": "two", "r": "three"})
    assert load_settings().aliases == {"q": "two", "r": "three"}
    assert "# here" in file.read_text()
    assert len(file.read_text().splitlines()) == 1


@pytest.mark.parametrize("text", ["threads = [\n", "thread = 4\n", "threads = 0\n"])
def test_a_file_that_is_not_valid_is_left_alone(file: Path, text: str) -> None:
    write(file, text)
    with pytest.raises(BadConfig):
        edit_settings(model="some")
    assert file.read_text() == text


@pytest.mark.parametrize("values", [{"threads": 0}, {"unknown": 1}, {"aliases": {"a": 1}}, {"model": "\ud800"}])
def test_a_value_that_is_not_valid_changes_nothing(file: Path, values: dict[str, object]) -> None:
    write(file, TEXT)
    with pytest.raises(BadConfig):
        edit_settings(**values)
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("name", ['"', "\\", "\n\x00\x1b[31m", "ä", "a.b", "#", "'''"])
def test_any_text_can_be_a_value(file: Path, name: str) -> None:
    edit_settings(model=name, stores=[name, name], aliases={name: name})
    found = load_settings()
    assert (found.model, found.stores, found.aliases) == (name, (name, name), {name: name})


def test_a_link_of_the_users_stays_one(file: Path, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.toml"
    target.write_text(TEXT)
    target.chmod(0o644)
    file.parent.mkdir(parents=True)
    file.symlink_to(target)
    edit_settings(model="some")
    assert file.is_symlink()
    assert load_settings().model == "some"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, NoRoom), (errno.EIO, BadConfig), (errno.EROFS, BadConfig)])
@pytest.mark.parametrize("call", ["write", "fsync", "replace", "chmod"])
def test_a_disk_that_fails_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int, kind: type[Exception]
) -> None:
    write(file, TEXT)

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(kind):
        edit_settings(model="some")
    monkeypatch.undo()
    assert file.read_text() == TEXT
    assert [path.name for path in file.parent.iterdir()] == ["config.toml"]


def test_commands_at_once_all_take_effect(file: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", ONE_MORE, str(number)]) for number in range(4)]
    assert [process.wait(120) for process in processes] == [0] * 4
    assert len(load_settings(file).aliases) == 40


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("threads = 2\nmodle = 'x'\n", "line 2: there is no setting 'modle'; did you mean 'model'?"),
        ("zzzz = 1\n", "line 1: there is no setting 'zzzz'."),
        ("# mine\n\nstores = 'x'\n", "line 3: stores: Input should be a list."),
        ("[aliases]\na = 1\n", "line 1: aliases.a: Input should be a valid string."),
        ("[chat]\n\nclinik = true\n", "line 3: there is no setting 'chat.clinik'; did you mean 'chat.clinic'?"),
        ("chat.clinik = true\n", "line 1: there is no setting 'chat.clinik'; did you mean 'chat.clinic'?"),
        ("chat = {zzzz = 1}\n", "line 1: there is no setting 'chat.zzzz'."),
        ("threads = 1\n[chat]\nlock_after_minutes = -1\n", "line 3: chat.lock_after_minutes: Input should be"),
        ("[chat]\ntheme = 'dark'\n[alias]\n", "line 3: there is no setting 'alias'; did you mean 'aliases'?"),
        ("threads = [", "not valid TOML"),
    ],
)
def test_a_slip_is_told_with_its_line(file: Path, text: str, said: str) -> None:
    write(file, text)
    with pytest.raises(BadConfig) as caught:
        load_settings()
    assert str(file) in caught.value.message
    assert said in caught.value.message


def test_a_table_of_settings_is_changed_and_keeps_its_comments(file: Path) -> None:
    write(file, "[chat]\ntheme = 'light'  # easier\nclinic = true\n")

    def with_mouse(now: Settings) -> dict[str, Any]:
        return {"chat": {**now.chat.model_dump(exclude_unset=True), "mouse": False}}

    changed = edit_settings(with_mouse)
    assert (changed.chat.theme, changed.chat.clinic, changed.chat.mouse) == ("light", True, False)
    assert "# easier" in file.read_text()
    assert load_settings(file) == changed
