"""``edgemind history export|import|backup|restore``: chats and whole histories as files.

Not for: what the files hold (``chat.export``, ``chat.import_``, ``chat.backups``).
"""

from __future__ import annotations

import os
import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgemind.cli import console
from edgemind.cli.history_access import (
    TRIES,
    Access,
    Json,
    PassphraseFile,
    PassphraseStdin,
    from_file,
    hidden,
    is_asked,
    opened,
    passphrase,
    shut,
    vault,
)
from edgemind.errors import EdgemindError, UsageError, WrongPassphrase

if TYPE_CHECKING:
    from edgemind.chat.backups import Restored


class Form(str, Enum):
    """What ``--format`` takes."""

    markdown = "markdown"
    json = "json"
    html = "html"


def export(
    chat: Annotated[
        str | None, typer.Argument(metavar="CHAT", help="Its id, the beginning of that, or its title.")
    ] = None,
    file: Annotated[
        str | None, typer.Argument(metavar="FILE", help="Where to; its ending says the format. Else standard output.")
    ] = None,
    form: Annotated[Form | None, typer.Option("--format", help="The default is by the ending, else markdown.")] = None,
    everything: Annotated[
        str | None, typer.Option("--all", metavar="FILE", help="Write all chats into one JSON file.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Write a chat as Markdown, JSON or one HTML file. It is not encrypted then."""
    if (chat is None) == (everything is None):
        raise UsageError("Name a chat, or give --all FILE.", "edgemind history list")
    target = Path(os.path.expanduser(name)) if (name := everything or file) else None
    if target is not None and os.path.lexists(target):
        raise UsageError(f"{name} is there already.", "Choose another name; an export replaces no file.")
    if json_output and target is None:
        raise UsageError(
            "--json tells about a file; give FILE.", "For the chat itself: edgemind history show --json CHAT"
        )
    with opened(Access(passphrase_file, passphrase_stdin)) as found:
        from edgemind.chat import export as exporting
        from edgemind.cli.history import meant

        history = found.history()
        if chat is None:
            text = exporting.export_all(history)
        else:
            text = exporting.export(history, meant(history, chat).id, _form(target, form))
        if target is not None:
            exporting.save(text, target)
    if target is None:
        from edgemind.terminal import clean

        console.out(clean(text) if console.is_terminal(sys.stdout) else text)
    elif json_output:
        console.out_json({"path": str(target), "size_bytes": target.stat().st_size})
    else:
        console.err(f"Written to {name}, readable for whoever gets the file.\n")
    return 0


def _form(target: Path | None, form: Form | None) -> Any:
    from edgemind.chat.export import SUFFIXES

    if form is not None:
        return form.value
    if target is None:
        return "markdown"
    known = SUFFIXES.get(target.suffix.lower())
    if known is None:
        raise UsageError(f"{target.suffix or 'No ending'!r} says no format.", "Give --format markdown, json or html.")
    return known


def import_(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help="Our JSON or Markdown, or ChatGPT's JSON.")],
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Take chats out of files into the history. Each file is taken whole or not at all."""
    with opened(Access(passphrase_file, passphrase_stdin)) as found:
        from edgemind.chat.import_ import import_file

        history = found.history()
        made = [chat for name in files for chat in import_file(history, Path(os.path.expanduser(name)))]
    if json_output:
        console.out_json({"imported": [{"id": one.id, "title": one.title, "messages": one.messages} for one in made]})
        return 0
    from edgemind.terminal import clean_line

    for one in made:
        console.out(f"{one.id}  {clean_line(one.title)}\n")
    console.err(f"Imported {len(made)} chat{'' if len(made) == 1 else 's'}.\n")
    return 0


def backup(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file; it is encrypted.")],
    backup_passphrase_file: Annotated[
        str | None,
        typer.Option("--backup-passphrase-file", metavar="FILE", help="Have this passphrase open the backup."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Write the whole history into one encrypted file.

    It is meant for another disk or machine, and opens with what opens the history. Where that is the keyring alone,
    only this machine can open it, unless it is given a passphrase of its own.
    """
    from edgemind.models.sizes import human_bytes

    own = from_file(backup_passphrase_file) if backup_passphrase_file is not None else None
    with opened(Access(passphrase_file, passphrase_stdin)) as found:
        from edgemind.chat import backups

        found.history()
        written = backups.write(found, Path(os.path.expanduser(file)), own)
    ways = list(written.opens_with)
    if json_output:
        console.out_json({"path": str(written.path), "size_bytes": written.size, "opens_with": ways})
        return 0
    console.err(
        f"Written to {file}, {human_bytes(written.size)}, encrypted; it opens with the {' or the '.join(ways)}.\n"
    )
    if ways == ["keyring"]:
        console.err("Only this machine's keyring opens it; --backup-passphrase-file FILE makes one for elsewhere.\n")
    return 0


def restore(
    source: Annotated[
        str | None, typer.Argument(metavar="FILE|SNAPSHOT", help="A backup, or a snapshot that `status` names.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    passphrase_stdin: PassphraseStdin = False,
    json_output: Json = False,
) -> int:
    """Put a backup or a snapshot in the place of the history. What is there now is set aside, not deleted.

    A damaged history needs no command: the next opening mends it.
    """
    from edgemind.chat import snapshots

    place = vault()
    names = [one.name for one in snapshots.listed(place.folder)]
    if source is None:
        told = f"snapshots are {', '.join(names[:5])}" if names else "there are no snapshots"
        raise UsageError(f"Name a backup's file or a snapshot; {told}.", "edgemind history status")
    access = Access(passphrase_file, passphrase_stdin)
    if source in names and not os.path.lexists(source):
        with opened(access) as found:
            from edgemind.chat import backups

            done = backups.restore_snapshot(found, source)
    else:
        done = _restored(Path(os.path.expanduser(source)), access)
    if json_output:
        aside = None if done.aside is None else str(done.aside)
        console.out_json({"restored": source, "opens_with": list(done.opens_with), "set_aside": aside})
        return 0
    from edgemind.terminal import clean_line

    console.out(f"Restored {clean_line(source)}; it opens with the {' or the '.join(done.opens_with)}.\n")
    if done.aside is not None:
        console.err(f"What was there is in {done.aside}.\n")
    return 0


def _restored(path: Path, access: Access) -> Restored:
    from edgemind.chat import backups, keyring_

    place = vault()
    try:
        file = backups.key_file(path)
    except EdgemindError:
        shut()
        raise
    with_passphrase = file.slot("passphrase") is not None
    asking = None
    if file.slot("keyring") is not None and not place.clinic and not access.given:
        asking = keyring_.ask(file.key_id)
    shut()
    if asking is not None:
        answer = asking.result()
        if answer.secret is not None:
            return backups.restore(place, path, keyring_secret=answer.secret)
    if not with_passphrase:
        raise WrongPassphrase(
            "Only the keyring that the backup was made with opens it.",
            "edgemind history backup has a flag for another.",
        )
    if access.given or not is_asked():
        return backups.restore(place, path, passphrase(access, ""))
    for left in range(TRIES - 1, -1, -1):
        try:
            return backups.restore(place, path, hidden("Passphrase of the backup: "))
        except WrongPassphrase as problem:
            if not left:
                raise
            console.err(f"{problem.message}\n")
    raise AssertionError
