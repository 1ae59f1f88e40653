"""``edgemind history``: every subcommand as it is installed, with a passphrase in a file and with a keyring."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from vaults import CHEAP, PASSPHRASE, say

from edgemind.chat.vault import Vault

from .conftest import TIMEOUT, Command, Ran

ROOT = Path(__file__).parent.parent.parent
NASTY = "Knee \x1b]52;c;aGk=\x07 \u202epain, torn"


class History:
    """The command with the passphrase from a file."""

    def __init__(self, edgemind: Command, folder: Path) -> None:
        self.edgemind = edgemind
        self.folder = edgemind.home / "data" / "history"
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text(PASSPHRASE + "\n")
        self.passphrase.chmod(0o600)

    def __call__(self, *arguments: str) -> Ran:
        return self.edgemind("history", *arguments, "--passphrase-file", str(self.passphrase))

    def json(self, *arguments: str) -> dict[str, object]:
        ran = self(*arguments, "--json")
        assert ran.code == 0, ran.err
        assert ran.out.isascii()
        return json.loads(ran.out)  # type: ignore[no-any-return]

    @property
    def vault(self) -> Vault:
        return Vault(self.folder)


@pytest.fixture
def history(edgemind: Command, tmp_path: Path) -> History:
    made = History(edgemind, tmp_path)
    found = made.vault.create(PASSPHRASE, cost=CHEAP)
    say(found.history(), NASTY, "My knee hurts.", "Rest it, \x1b[31mcaf\u00e9\x1b[0m.")
    say(found.history(), "Bread", "How long does it rise?", "Two hours.")
    found.snapshot()
    found.lock()
    return made


def test_before_there_is_a_history(edgemind: Command) -> None:
    assert "there is none yet" in edgemind("history").out
    ran = edgemind("history", "list", "--json")
    assert ran.code == 17
    assert json.loads(ran.out)["error"]["kind"] == "history"
    assert not (edgemind.home / "data" / "history").exists()


def test_chats_are_listed_searched_and_shown_clean(history: History) -> None:
    listed = history("list")
    assert listed.out.startswith("ID ")
    assert listed.out.count("\n") == 3
    found = history("search", "kne")
    assert "Knee" in found.out
    shown = history("show", "Knee")
    assert "My knee hurts." in shown.out
    assert "caf\u00e9" in shown.out
    for ran in (listed, found, shown):
        assert (ran.code, ran.err) == (0, "")
        assert "\x1b" not in ran.out
        assert "\u202e" not in ran.out
    assert history.json("list")["count"] == 2
    titles = {one["title"] for one in history.json("list")["chats"]}  # type: ignore[attr-defined]
    assert titles == {NASTY, "Bread"}
    (hit,) = history.json("search", "rise")["hits"]  # type: ignore[misc]
    (span,) = hit["spans"]
    assert hit["snippet"][slice(*span)] == "rise"
    assert history("search", "no such word").out == "Nothing was found.\n"


def test_what_is_meant_has_to_be_clear(history: History) -> None:
    none = history("show", "nothing")
    assert (none.code, none.err.splitlines()[0]) == (10, "edgemind: There is no chat 'nothing'.")
    several = history("show", "r")  # no digit of an id
    assert several.code == 10
    assert "may mean 2 chats" in several.err
    assert "\x1b" not in several.err


def test_a_chat_goes_out_into_files_and_comes_back(history: History, tmp_path: Path) -> None:
    for ending in ("md", "json", "html"):
        assert history("export", "Bread", str(tmp_path / f"bread.{ending}")).code == 0
        assert (tmp_path / f"bread.{ending}").stat().st_mode & 0o777 == 0o600
    assert "<script" not in (tmp_path / "bread.html").read_text()
    again = history("export", "Bread", str(tmp_path / "bread.md"))
    assert (again.code, "is there already" in again.err) == (2, True)
    assert history("export", "Bread", str(tmp_path / "bread.exe")).code == 2
    assert "Two hours." in history("export", "Bread").out
    assert history("export", "--all", str(tmp_path / "all.json")).code == 0
    assert history("import", str(tmp_path / "bread.json")).code == 0
    assert history.json("list")["count"] == 3
    damaged = tmp_path / "damaged.json"
    damaged.write_text((tmp_path / "all.json").read_text()[:-20])
    assert history("import", str(damaged)).code == 10
    assert history.json("list")["count"] == 3


def test_a_chat_is_deleted_for_good(history: History) -> None:
    (bread,) = (one for one in history.json("list")["chats"] if one["title"] == "Bread")  # type: ignore[attr-defined]
    asked = history("delete", "Bread")
    assert asked.code == 2
    assert f"edgemind history delete {bread['id']} --yes" in asked.err
    assert history("delete", "Bread", "--yes").code == 2
    assert history.json("list")["count"] == 2
    assert history("delete", bread["id"], "--yes").out == "Deleted 1 chat.\n"
    assert history.json("list")["count"] == 1
    found = history.vault.unlock(PASSPHRASE)
    for one in (history.folder / "snapshots").glob("*.db"):
        connection = found.connect_to(one)
        assert connection.execute("SELECT count(*) FROM chats").fetchone() == (1,)
        connection.close()
    found.lock()


def test_the_passphrase_is_changed(history: History, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text("battery staple and more\n")
    weak = tmp_path / "weak"
    weak.write_text("short\n")
    assert history("passphrase", "--new-passphrase-file", str(weak)).code == 18
    assert history("list").code == 0
    ran = history("passphrase", "--new-passphrase-file", str(new))
    assert ran.out == "The passphrase is changed. The history opens with the passphrase.\n"
    old = history("list")
    assert (old.code, old.out) == (18, "")
    assert "does not open the history" in old.err
    history.passphrase.write_text("battery staple and more")
    assert history("list").code == 0
    both = "battery staple and more\ncorrect horse and another\n"
    assert history.edgemind("history", "passphrase", "--passphrase-stdin", stdin=both).code == 0
    one = "correct horse and another\n"
    assert history.edgemind("history", "list", "--passphrase-stdin", stdin=one).code == 0


def test_without_a_terminal_nobody_is_asked(history: History) -> None:
    ran = history.edgemind("history", "list")
    assert (ran.code, ran.out) == (18, "")
    assert "--passphrase-file" in ran.err
    assert history.edgemind("history", "list", "--passphrase-file", "/nowhere").code == 10
    both = history("list", "--passphrase-stdin")
    assert both.code == 2


def test_on_a_terminal_it_is_typed_unseen(history: History) -> None:
    main, side = pty.openpty()
    process = history.edgemind.start("history", "list", stdin=side, stdout=side, stderr=side, start_new_session=True)
    os.close(side)
    seen = b""

    def until(text: bytes, times: int = 1) -> None:
        nonlocal seen
        while seen.count(text) < times:
            seen += os.read(main, 4096)

    until(b"Passphrase of the history: ")
    os.write(main, b"not this one\n")
    until(b"does not open the history.")
    until(b"Passphrase of the history: ", 2)
    os.write(main, PASSPHRASE.encode() + b"\n")
    until(b"Bread")
    assert process.wait(TIMEOUT) == 0
    os.close(main)
    assert PASSPHRASE.encode() not in seen


def test_a_backup_is_written_and_restored(history: History, tmp_path: Path) -> None:
    file = tmp_path / "safe.backup"
    written = history.json("backup", str(file))
    assert (written["path"], written["opens_with"]) == (str(file), ["passphrase"])
    assert history("backup", str(file)).code == 2
    chats = history.json("list")["chats"]
    assert history("delete", *(one["id"] for one in chats), "--yes").code == 0  # type: ignore[attr-defined]
    assert history.json("list")["count"] == 0
    restored = history.json("restore", str(file))
    assert str(restored["set_aside"]).startswith(str(history.folder / "set-aside"))
    assert history.json("list")["chats"] == chats
    assert history("restore", str(history.passphrase)).code == 10
    assert history("restore").code == 2


def test_a_snapshot_is_restored_by_its_name(history: History) -> None:
    (name,) = (one["name"] for one in history.json("status")["snapshots"])  # type: ignore[attr-defined]
    found = history.vault.unlock(PASSPHRASE)
    say(found.history(), "later", "after the snapshot")
    found.lock()
    assert history.json("list")["count"] == 3
    assert history("restore", str(name)).code == 0
    assert history.json("list")["count"] == 2


def test_damage_is_found_said_and_mended_by_the_next_command(history: History) -> None:
    assert history.json("status", "--check")["flaws"] == []
    database = history.folder / "history.db"
    data = bytearray(database.read_bytes())
    data[-2000] ^= 1
    database.write_bytes(data)
    ran = history("status", "--check")
    assert ran.code == 14
    assert "the next opening mends it" in ran.out
    mended = history("list")
    assert mended.code == 0
    assert mended.out.count("\n") == 3
    assert "has been mended" in mended.err
    assert history("list").err == ""
    assert history.json("status")["set_aside"]


def test_status_says_how_it_is_kept_without_opening_it(history: History) -> None:
    ran = history.edgemind("history", "status")
    assert "encrypted (SQLCipher" in ran.out
    assert "opens with  passphrase" in ran.out
    for _ in range(4):
        with pytest.raises(Exception, match="passphrase"):
            history.vault.unlock("not this one")
    assert "next try in" in history.edgemind("history").out
    soon = history("list")
    assert (soon.code, "Too many wrong passphrases" in soon.err) == (18, True)


def test_lock_reaches_a_running_app(history: History) -> None:
    assert history.edgemind("history", "lock").out == "No chat app has the history open.\n"
    code = """
import signal, sys
from pathlib import Path
from edgemind.chat.vault import Vault
found = Vault(Path(sys.argv[1])).unlock(sys.argv[2])
signal.signal(signal.SIGUSR1, lambda *_: found.lock())
found.history(app=True)
print("open", flush=True)
sys.stdin.readline()
print(found.locked)
"""
    command = [sys.executable, "-c", code, str(history.folder), PASSPHRASE]
    app = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert app.stdout is not None
    assert app.stdout.readline() == "open\n"
    assert app.pid in history.json("status")["open_in"]  # type: ignore[operator]
    assert history.edgemind("history", "lock").out == "1 chat app locked.\n"
    assert app.communicate("\n", timeout=TIMEOUT)[0] == "True\n"


class WithKeyring:
    def __init__(self, edgemind: Command, folder: Path) -> None:
        self.edgemind = edgemind
        self.environment = {
            "PYTHON_KEYRING_BACKEND": "tests.cli.file_keyring.FileKeyring",
            "PYTHONPATH": str(ROOT),
            "TEST_KEYRING": str(folder / "keyring.json"),
        }

    def __call__(self, *arguments: str) -> Ran:
        return self.edgemind("history", *arguments, **self.environment)


def test_a_keyring_opens_it_and_ways_are_added_and_closed(edgemind: Command, tmp_path: Path) -> None:
    history = WithKeyring(edgemind, tmp_path)
    first = tmp_path / "first"
    first.write_text(PASSPHRASE)
    assert history("passphrase", "--keyring").out.endswith("opens with the keyring.\n")
    assert history("list").out == "There are no chats.\n"
    assert history("passphrase", "--remove-keyring").code == 17
    assert "Only this machine's keyring opens it" in history("backup", str(tmp_path / "b1")).err
    own = ("--backup-passphrase-file", str(first))
    assert json.loads(history("backup", str(tmp_path / "b2"), *own, "--json").out)["opens_with"] == [
        "keyring",
        "passphrase",
    ]
    ran = history("passphrase", "--new-passphrase-file", str(first))
    assert ran.out == "The passphrase is set. The history opens with the passphrase or the keyring.\n"
    assert history("list").code == 0
    alone = history("passphrase", "--remove-keyring", "--passphrase-file", str(first))
    assert alone.out == "Done. The history opens with the passphrase.\n"
    assert json.loads((tmp_path / "keyring.json").read_text()) == {}
    assert history("list").code == 18
    assert history("list", "--passphrase-file", str(first)).code == 0


def test_clinic_mode_uses_no_keyring(edgemind: Command, tmp_path: Path) -> None:
    history = WithKeyring(edgemind, tmp_path)
    assert history("passphrase", "--keyring").code == 0
    (edgemind.home / "config").mkdir(parents=True)
    (edgemind.home / "config" / "config.toml").write_text("[chat]\nclinic = true\n")
    refused = history("list")
    assert (refused.code, "passphrase" in refused.err) == (18, True)
    new = tmp_path / "new"
    new.write_text(PASSPHRASE)
    assert history("passphrase", "--new-passphrase-file", str(new)).code == 0
    assert history("list").code == 18
    assert history("list", "--passphrase-file", str(new)).code == 0
    other = tmp_path / "other"
    other.write_text("of somebody who sits down at this keyboard")
    assert history("passphrase", "--new-passphrase-file", str(other)).code == 18
    assert history("list", "--passphrase-file", str(new)).code == 0
    assert history("passphrase", "--keyring", "--passphrase-file", str(new)).code == 18
