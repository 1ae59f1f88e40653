"""Which files and commands could be meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgemind.tui import keys
from edgemind.tui.widgets import files
from edgemind.tui.widgets.completion import command_candidates, fitted, nearest, value_candidates
from edgemind.tui.widgets.drafts import Draft, decode, encode
from edgemind.tui.widgets.files import FileIndex


def names(matches: list[files.FileMatch]) -> list[str]:
    return [one.typed for one in matches]


def test_every_command_can_be_completed_and_has_a_line_of_help() -> None:
    found = command_candidates("", keys.commands(), limit=1000)
    assert len(found) == len(keys.commands())
    assert all(one.note and "\n" not in one.note for one in found)


def test_commands_that_begin_so_come_first() -> None:
    found = [one.insert for one in command_candidates("mo", keys.commands())]
    assert found[:2] == ["/model", "/models"]


def test_the_nearest_command() -> None:
    assert nearest("exprot", keys.commands()) == "export"
    assert nearest("zzzzzz", keys.commands()) is None


def test_values_that_hold_the_letters_come_after_those_that_begin_so() -> None:
    assert [one.insert for one in value_candidates("q", ["big-q", "qwen", "nano"])] == ["qwen", "big-q"]


def test_files_are_found_below_and_by_scattered_letters(tmp_path: Path) -> None:
    for name in ("src/app/main.py", "src/app/manual.md", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    index = FileIndex(tmp_path)
    assert names(index.below("main")) == ["src/app/main.py"]
    assert names(index.below("MAN"))[0] == "src/app/manual.md"
    assert names(index.below("sapm")) == ["src/app/main.py", "src/app/manual.md"]
    assert names(index.beside("src/app/m")) == ["src/app/main.py", "src/app/manual.md"]
    assert names(index.beside("")) == ["README.md", "src"]
    assert names(index.beside(f"{tmp_path}/READ")) == [f"{tmp_path}/README.md"]


def test_junk_hidden_and_binary_files_are_left_out(tmp_path: Path) -> None:
    for name in ("node_modules/x.js", ".git/x.txt", "made/x.txt", "x.png", "x.gguf", "kept/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / ".gitignore").write_text("# made by a program\nmade/\n*.log\n")
    assert names(FileIndex(tmp_path).below("x")) == ["kept/x.txt"]
    assert names(FileIndex(tmp_path).beside(".git")) == [".gitignore", ".git"]


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file.txt").write_text("")
    os.symlink("..", tmp_path / "a" / "up")
    os.symlink(tmp_path, tmp_path / "a" / "again")
    os.mkfifo(tmp_path / "file.pipe")
    assert names(FileIndex(tmp_path).below("file")) == ["a/file.txt"]


def test_a_walk_has_bounds_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(60):
        (tmp_path / f"n{number}.txt").write_text("")
    whole = FileIndex(tmp_path)
    assert len(whole.below("n", limit=100)) == 60
    assert not whole.partial
    monkeypatch.setattr(files, "ENTRIES", 50)
    part = FileIndex(tmp_path)
    assert len(part.below("n", limit=100)) == 50
    assert part.partial


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    index = FileIndex(tmp_path / "gone")
    assert index.below("x") == []
    assert index.beside("x/y\x00") == []


def test_text_is_cut_to_cells() -> None:
    assert fitted("abcdef", 4) == "abc…"
    assert fitted("日本語", 4) == "日 …"
    assert fitted("ab", 4) == "ab  "
    assert fitted("ab", 0) == ""


def test_drafts_come_back_as_they_were() -> None:
    for draft in (Draft("plain"), Draft("", ()), Draft("with", (Path("/x/y"), "pasted\n")), Draft("\x01odd")):
        assert decode(encode(draft)) == draft
    assert encode(Draft("plain")) == "plain"
    assert decode("\x01edgemind draft 1\nnot json").text.startswith("\x01")
