"""``edgemind history``: the chats on the command line. Listing, searching, showing, deleting, locking, their state.

Not for: files and passphrases (``history_files``, ``history_passphrase``), chatting (``chat``).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import console, history_files, history_passphrase
from edgemind.cli.history_access import Access, Json, PassphraseFile, PassphraseStdin, opened, shut, vault
from edgemind.cli.table import Column, facts, note, screen_width, table
from edgemind.errors import BadInput, UsageError

if TYPE_CHECKING:
    from edgemind.chat.history import History
    from edgemind.chat.types import ChatRow, Hit

COLUMNS = (
    Column("ID"),
    Column("CHANGED", rank=1),
    Column("MESSAGES", right=True, rank=3),
    Column("TITLE", shrinks=True),
    Column("FOLDER", shrinks=True, rank=2),
    Column("TAGS", shrinks=True, rank=4),
)
FOUND = (Column("ID"), Column("CHANGED", rank=1), Column("TITLE", shrinks=True), Column("FOUND", shrinks=True))


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        name="history",
        help="The chats: list, search, export, delete, back up, lock.",
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        no_args_is_help=False,
        invoke_without_command=True,
        callback=_bare,
    )
    for name, command in (
        ("list", list_),
        ("search", search),
        ("show", show),
        ("export", history_files.export),
        ("import", history_files.import_),
        ("delete", delete),
        ("lock", lock),
        ("passphrase", history_passphrase.passphrase),
        ("backup", history_files.backup),
        ("restore", history_files.restore),
        ("status", status),
    ):
        group.command(name=name)(command)
    app.add_typer(group, name="history")


def _bare(context: typer.Context) -> None:
    """The chats: list, search, export, delete, back up, lock."""
    if context.invoked_subcommand is None:
        status()


def list_(
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most N chats.")] = 50,
    folder: Annotated[str | None, typer.Option("--folder", metavar="NAME", help="Those in this folder.")] = None,
    tag: Annotated[str | None, typer.Option("--tag", metavar="NAME", help="Those with this tag.")] = None,
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """List the chats, pinned ones first, then the newest."""
    with opened(Access(passphrase_file, passphrase_stdin)) as found:
        history = found.history()
        rows, count = history.rows(0, limit, folder, tag), history.count(folder, tag)
    if json_output:
        console.out_json({"chats": [row_object(row) for row in rows], "count": count})
        return 0
    if not rows:
        console.out("There are no chats.\n")
        return 0
    width = screen_width()
    console.out(table(COLUMNS, [_cells(row) for row in rows], width))
    if count > len(rows):
        console.err(note(f"{count - len(rows)} more; edgemind history list --limit {count} shows all.", width))
    return 0


def row_object(row: ChatRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "title": row.title,
        "updated": row.updated,
        "pinned": row.pinned,
        "folder": row.folder,
        "tags": list(row.tags),
        "messages": row.messages,
    }


def _cells(row: ChatRow) -> list[str]:
    title = f"* {row.title}" if row.pinned else row.title
    return [row.id, when(row.updated), str(row.messages), title, row.folder, ", ".join(row.tags)]


def when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def search(
    text: Annotated[list[str], typer.Argument(metavar="WORDS", help="Words that all have to be there.")],
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="At most N hits.")] = 20,
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Search titles, messages and attachments of all chats."""
    with opened(Access(passphrase_file, passphrase_stdin)) as found:
        hits = found.history().search(" ".join(text), limit)
    if json_output:
        console.out_json({"hits": [_hit_object(hit) for hit in hits]})
    elif hits:
        rows = [[hit.chat.id, when(hit.chat.updated), hit.chat.title, hit.snippet] for hit in hits]
        console.out(table(FOUND, rows, screen_width()))
    else:
        console.out("Nothing was found.\n")
    return 0


def _hit_object(hit: Hit) -> dict[str, Any]:
    spans = [list(span) for span in hit.spans]
    return {"chat": row_object(hit.chat), "turn": hit.turn, "snippet": hit.snippet, "spans": spans}


def show(
    chat: Annotated[str, typer.Argument(metavar="CHAT", help="Its id, the beginning of that, or its title.")],
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Print a chat as Markdown, cleaned for a terminal."""
    import json

    from edgemind.terminal import clean

    with opened(Access(passphrase_file, passphrase_stdin)) as found:
        from edgemind.chat.export import export

        history = found.history()
        row = meant(history, chat)
        text = export(history, row.id, "json" if json_output else "markdown")
    if json_output:
        console.out_json(json.loads(text))
    else:
        console.out(clean(text if text.endswith("\n") else f"{text}\n"))
    return 0


def meant(history: History, text: str) -> ChatRow:
    """The one chat that is meant.

    Raises:
        BadInput: there is none, or there are several.
    """
    found = history.find(text)
    if not found:
        raise BadInput(f"There is no chat {text!r}.", "edgemind history list")
    if len(found) > 1:
        listed = "; ".join(f"{row.id} {row.title[:40]!r}" for row in found[:4])
        more = "" if len(found) <= 4 else "; and more"
        raise BadInput(f"{text!r} may mean {len(found)} chats: {listed}{more}.", "Give an id: edgemind history list")
    return found[0]


def delete(
    names: Annotated[list[str], typer.Argument(metavar="CHAT", help="An id, the beginning of one, or a title.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needs whole ids.")] = False,
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Delete chats for good, also from the snapshots.

    Backups that were written to other places, and histories that were set aside, are files of their own and stay.
    """
    with opened(Access(passphrase_file, passphrase_stdin)) as found:
        history = found.history()
        doomed = list({row.id: row for row in (meant(history, name) for name in names)}.values())
        if yes and any(row.id not in names for row in doomed):
            raise UsageError("--yes needs whole ids.", "edgemind history delete " + " ".join(row.id for row in doomed))
        if not yes:
            _ask(doomed)
        found.delete_chat(*(row.id for row in doomed))
        aside = _set_aside(found.vault.folder)
    if json_output:
        console.out_json({"deleted": [row_object(row) for row in doomed]})
    else:
        count = len(doomed)
        console.out(f"Deleted {count} chat{'' if count == 1 else 's'}.\n")
        if aside:
            console.err(f"Histories that were set aside are left as they are, in {aside[0].parent}\n")
    return 0


def _set_aside(folder: Path) -> list[Path]:
    from edgemind.chat import recovery

    try:
        return sorted((folder / recovery.ASIDE).iterdir())
    except OSError:
        return []


def _ask(doomed: list[ChatRow]) -> None:
    """Go on only after a yes. Raises ``UsageError``."""
    ids = " ".join(row.id for row in doomed)
    if not (console.is_terminal(sys.stdin) and console.is_terminal(sys.stderr)):
        raise UsageError("Nobody can be asked here whether to delete it.", f"edgemind history delete {ids} --yes")
    listed = ", ".join(f"{row.title!r} ({row.messages} messages)" for row in doomed)
    console.err(f"Delete {listed} for good? [y/N] ")
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        console.err("\n")
    if answer.strip().lower() not in ("y", "yes"):
        raise UsageError("Nothing was deleted.", f"To be asked no more: edgemind history delete {ids} --yes")


def lock(json_output: Json = False) -> int:
    """Have every running chat app lock its chats now. Needs no passphrase."""
    from edgemind.chat.running import lock_all

    shut()
    told = lock_all(vault().folder)
    if json_output:
        console.out_json({"locked": told.locked, "still_open": list(told.deaf)})
    elif not told.locked and not told.deaf:
        console.out("No chat app has the history open.\n")
    else:
        console.out(f"{told.locked} chat app{'' if told.locked == 1 else 's'} locked.\n")
    if told.deaf:
        pids = " ".join(map(str, told.deaf))
        console.err(f"Still open: process {pids}. It may be stopped, or hang: kill {pids}\n")
        return 1
    return 0


def status(
    check: Annotated[bool, typer.Option("--check", help="Also open it and read every page.")] = False,
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Say how the history is kept and what opens it."""
    place = vault()
    flaws = None
    if check:
        with opened(Access(passphrase_file, passphrase_stdin)) as found:
            flaws = found.check()
    else:
        shut()
    known = gather(place.folder, flaws)
    if json_output:
        console.out_json(known)
    else:
        console.out(facts(_as_facts(known), screen_width()))
    return 14 if flaws else 0


def gather(folder: Path, flaws: list[str] | None = None) -> dict[str, Any]:
    """The state as plain values."""
    from edgemind.chat import running, snapshots
    from edgemind.models.opening import shown

    place = vault()
    state = place.state()
    try:
        size = sum(one.stat().st_size for one in folder.glob("history.db*"))
    except OSError:
        size = 0
    return {
        "folder": shown(folder),
        "state": state.kind,
        "encrypted": state.kind not in ("none", "plain"),
        "opens_with": [kind for kind in ("keyring", "passphrase") if getattr(state, kind)],
        "clinic": place.clinic,
        "problem": state.problem,
        "hint": state.hint,
        "size_bytes": size,
        "wait_seconds": round(place.wait_seconds(), 1),
        "open_in": [one.pid for one in running.running(folder)],
        "snapshots": [
            {"name": one.name, "taken": one.taken, "size_bytes": one.size} for one in snapshots.listed(folder)
        ],
        "set_aside": [shown(one) for one in _set_aside(folder)],
        "flaws": flaws,
    }


def _as_facts(known: dict[str, Any]) -> list[tuple[str, str]]:
    from edgemind.models.sizes import human_bytes

    words = {
        "none": "there is none yet",
        "damaged": known["problem"],
        "plain": known["problem"],
    }
    rows = [("history", words.get(known["state"], "encrypted (SQLCipher, AES-256)")), ("folder", known["folder"])]
    rows += [("opens with", " or ".join(known["opens_with"])), ("to do", known["hint"])]
    rows.append(("clinic mode", "on" if known["clinic"] else ""))
    if known["size_bytes"]:
        rows.append(("size", human_bytes(known["size_bytes"])))
    if known["wait_seconds"]:
        rows.append(("next try in", f"{known['wait_seconds']:.0f} s, after wrong passphrases"))
    rows.append(("open in", ", ".join(f"process {pid}" for pid in known["open_in"])))
    for number, one in enumerate(known["snapshots"]):
        text = f"{one['name']}  {when(one['taken'])}  {human_bytes(one['size_bytes'])}"
        rows.append(("snapshots" if not number else "", text))
    rows += [("set aside" if not number else "", path) for number, path in enumerate(known["set_aside"])]
    if known["flaws"] is not None:
        rows.append(("check", "; ".join(known["flaws"][:3]) or "every page is sound"))
        rows.append(("", "the next opening mends it" if known["flaws"] else ""))
    return rows
