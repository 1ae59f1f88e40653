"""Outlines outlive a process; a damaged store costs nothing but reading again, and nobody else can read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from small_repositories import workspace

from edgemind.coder import outline_store, repo_map
from edgemind.coder.symbols import Definition, Outline

ONE = Outline("python", (Definition("f", 1, 2, "def f():", 0),), {"f": 1, "größe": 2}, frozenset({"os"}))
KEY = ("a\udce9.py", 10, 1_700_000_000_000_000_001)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEMIND_HOME", str(tmp_path / "home"))


def test_what_was_kept_comes_back(tmp_path: Path) -> None:
    assert outline_store.load(tmp_path, [KEY]) == {}
    outline_store.save(tmp_path, {KEY: ONE})
    assert outline_store.load(tmp_path, [KEY, ("b.py", 1, 1)]) == {KEY[0]: ONE}
    assert outline_store.load(tmp_path, [(KEY[0], 11, KEY[2])]) == {}
    assert outline_store.load(tmp_path / "other", [KEY]) == {}


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    outline_store.save(tmp_path, {KEY: ONE})
    (file,) = outline_store.folder().iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", [b"no database at all", b"", b"SQLite format 3\0" + bytes(5000)])
def test_a_damaged_store_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    outline_store.save(tmp_path, {KEY: ONE})
    (file,) = outline_store.folder().iterdir()
    file.write_bytes(damage)
    assert outline_store.load(tmp_path, [KEY]) == {}
    outline_store.save(tmp_path, {KEY: ONE})
    assert outline_store.load(tmp_path, [KEY]) == {KEY[0]: ONE}


@pytest.mark.parametrize("upgraded", ["grammars", "format"])
def test_what_older_grammars_or_formats_made_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, upgraded: str
) -> None:
    outline_store.save(tmp_path, {KEY: ONE})
    outline_store._made_by.cache_clear()
    with monkeypatch.context() as later:
        if upgraded == "grammars":
            later.setattr(outline_store.metadata, "version", lambda _: "99.0")
        else:
            later.setattr(outline_store, "FORMAT", 99)
        assert outline_store.load(tmp_path, [KEY]) == {}
        outline_store.save(tmp_path, {KEY: ONE})
        assert outline_store.load(tmp_path, [KEY]) == {KEY[0]: ONE}
    outline_store._made_by.cache_clear()


def test_it_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outline_store, "MOST_FOLDERS", 3)
    for number in range(6):
        outline_store.save(tmp_path / str(number), {KEY: ONE})
        os.utime(next(iter(outline_store.folder().glob("*.db"))), (number, number))
    assert len(list(outline_store.folder().glob("*.db"))) == 3
    monkeypatch.setattr(outline_store, "MOST_BYTES", 0)
    outline_store.save(tmp_path / "5", {("b.py", 1, 1): ONE})
    assert outline_store.load(tmp_path / "5", [KEY]) == {}


def test_a_store_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    outline_store.save(tmp_path, {KEY: ONE})
    assert outline_store.load(tmp_path, [KEY]) == {}


def test_a_new_process_parses_nothing_that_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, listing = workspace(tmp_path / "project", {"a.py": "def alpha_one():\n    pass\n"})
    first = repo_map.repo_map(place, listing, "", 200, len)
    monkeypatch.setattr(repo_map, "_kept", repo_map._Kept())
    monkeypatch.setattr(place, "read", lambda *_: pytest.fail("read again"))
    second = repo_map.repo_map(place, listing, "", 200, len)
    assert second.text == first.text != ""
